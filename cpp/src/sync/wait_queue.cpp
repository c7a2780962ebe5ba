#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

void throw_unless_ok(WaitResult result, const char* call) {
    if (result == WaitResult::timeout) throw TimedOut(std::string(call) + ": the time limit passed");
    if (result == WaitResult::interrupted) throw Interrupted(std::string(call) + ": interrupted by a signal");
}

void WaitQueue::Waiting::enlist() noexcept {
    RawGuard guard(queue_.lock_);
    if (!entry_.node.linked()) queue_.waiters_.push_back(entry_.node);
}

WaitQueue::Waiting::~Waiting() {
    RawGuard guard(queue_.lock_);
    if (entry_.node.linked()) entry_.node.unlink();
}

unsigned WaitQueue::wake_now(unsigned n) noexcept {
    unsigned woken = 0, exclusive = 0;
    RawGuard guard(lock_);
    for (ListNode* node = waiters_.begin(); node != waiters_.end();) {
        Entry* entry = container_of(node, &Entry::node);
        node = node->next;
        if (entry->exclusive && exclusive == n) continue;
        exclusive += entry->exclusive ? 1 : 0;
        entry->node.unlink();
        // Under the lock: the waiter cannot leave, so its task is alive.
        entry->task->domain.load(std::memory_order_relaxed)->substrate->wake(*entry->task);
        ++woken;
    }
    return woken;
}

bool WaitQueue::active() noexcept {
    RawGuard guard(lock_);
    return !waiters_.empty();
}

}  // namespace bottomhalf
