// <linux/wait.h>.
#include <cerrno>

#include "glue.hpp"
#include "layout_probe.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr std::uint32_t kInterruptible = 1, kWakeKill = 0x100;

// The C struct __bh_wait; layout.cpp holds it against this one.
struct Wait {
    WaitQueue::Entry entry;
    WaitQueue* queue;
    Nanoseconds deadline;
    std::uint32_t state;
};
enum { kWoken = 0, kTimeout = 1, kInterrupted = 2 };

void prepare(WaitQueue* wq, WaitQueue::Entry* entry, int state, bool exclusive) {
    entry->exclusive = exclusive;
    entry->mode = static_cast<std::uint32_t>(state);
    usable(wq, "prepare_to_wait").enlist(*entry);
    me().announced.store(static_cast<std::uint32_t>(state));
}

}  // namespace

void set_up_zeroed(List& list) noexcept {
    static RawLock lock;
    RawGuard guard(lock);
    if (LayoutProbe::zeroed(list)) LayoutProbe::set_up(list);
}

extern "C" {

void bh_linux_init_waitqueue_head(WaitQueue* wq) {
    order_forget(wq);
    new (wq) WaitQueue;
}
void bh_linux_wake_up(WaitQueue* wq, unsigned mode, int nr) {
    usable(wq, "wake_up").wake(nr == 0 ? ~0u : static_cast<unsigned>(nr), mode);
}
int bh_linux_waitqueue_active(WaitQueue* wq) {
    poll();
    return usable(wq, "waitqueue_active").active() ? 1 : 0;
}
void bh_linux_add_wait_queue(WaitQueue* wq, WaitQueue::Entry* entry) {
    entry->exclusive = false;
    usable(wq, "add_wait_queue").enlist(*entry);
}
void bh_linux_add_wait_queue_exclusive(WaitQueue* wq, WaitQueue::Entry* entry) {
    entry->exclusive = true;
    usable(wq, "add_wait_queue_exclusive").enlist(*entry);
}
void bh_linux_remove_wait_queue(WaitQueue* wq, WaitQueue::Entry* entry) { wq->leave(*entry); }
void bh_linux_prepare_to_wait(WaitQueue* wq, WaitQueue::Entry* entry, int state) { prepare(wq, entry, state, false); }
void bh_linux_prepare_to_wait_exclusive(WaitQueue* wq, WaitQueue::Entry* entry, int state) {
    prepare(wq, entry, state, true);
}
void bh_linux_finish_wait(WaitQueue* wq, WaitQueue::Entry* entry) {
    wq->leave(*entry);
    me().announced.store(0);
}

void bh_linux_wait_begin(Wait* wait, WaitQueue* wq, unsigned state, bool exclusive, long timeout) {
    Task& self = me();
    new (wait) Wait{{&self, {}, exclusive, false, state}, &usable(wq, "wait_event"), 0, state};
    wait->deadline = sleep_deadline(here(), timeout);
}
void bh_linux_wait_enlist(Wait* wait) {
    order_acquire(wait->queue);
    wait->queue->enlist(wait->entry);
    wait->entry.task->announced.store(wait->state);
}
int bh_linux_wait_sleep(Wait* wait) {
    Task& self = *wait->entry.task;
    if (self.announced.load() == 0) return kWoken;
    try {
        switch (task_sleep(self, wait->deadline, "wait_event")) {
            case Wake::timeout:
                return kTimeout;
            case Wake::interrupted:
                if ((wait->state & (kInterruptible | kWakeKill)) != 0) return kInterrupted;
                throw Interrupted("wait_event: interrupted by a signal");
            default:
                return kWoken;
        }
    } catch (const SchedulingWhileAtomic&) {
        report_atomic(self, "wait_event");
        throw;
    }
}
void bh_linux_wait_end(Wait* wait) {
    wait->queue->leave(wait->entry);
    wait->entry.task->announced.store(0);
    order_acquire(wait->queue);
}
long bh_linux_wait_left(Wait* wait) { return jiffies_left(here(), wait->deadline); }

}  // extern "C"

}  // namespace bottomhalf::linux_api
