#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

void throw_unless_ok(WaitResult result, const char* call) {
    if (result == WaitResult::timeout) throw TimedOut(std::string(call) + ": the time limit passed");
    if (result == WaitResult::interrupted) throw Interrupted(std::string(call) + ": interrupted by a signal");
}

void WaitQueue::enlist(Entry& entry) noexcept {
    RawGuard guard(lock_);
    if (entry.node.linked()) return;
    // Those that one wake is to wake all come first, as on Linux.
    if (entry.exclusive)
        waiters_.push_back(entry.node);
    else
        waiters_.push_front(entry.node);
}

void WaitQueue::leave(Entry& entry) noexcept {
    RawGuard guard(lock_);
    if (entry.node.linked()) entry.node.unlink();
}

void WaitQueue::Waiting::enlist() noexcept {
    RawGuard guard(queue_.lock_);
    if (!entry_.node.linked()) queue_.waiters_.push_back(entry_.node);
}

WaitQueue::Waiting::~Waiting() { queue_.leave(entry_); }

unsigned WaitQueue::wake_now(unsigned n, std::uint32_t mode) noexcept {
    unsigned woken = 0, exclusive = 0;
    RawGuard guard(lock_);
    for (ListNode* node = waiters_.begin(); node != waiters_.end();) {
        Entry* entry = container_of(node, &Entry::node);
        node = node->next;
        if ((entry->mode & mode) == 0 || (entry->exclusive && exclusive == n)) continue;
        exclusive += entry->exclusive ? 1 : 0;
        if (!entry->stays) entry->node.unlink();
        // Under the lock: the waiter cannot leave, so its task is alive.
        entry->task->announced.store(0);
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
