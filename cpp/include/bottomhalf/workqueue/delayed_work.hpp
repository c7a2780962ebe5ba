// DelayedWork (Linux: struct delayed_work): an item and the timer that queues it. 88 bytes.
//
// While the timer is armed the item is PENDING, and whoever takes the timer back owns that bit. Delays are jiffies and
// go by the timer wheel, late by its granularity.
#pragma once

#include "bottomhalf/time/timer.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

void delayed_work_timer_fn(Timer* timer);

struct DelayedWork {
    Work work;
    Timer timer;
    Workqueue* wq = nullptr;  // by the owner of PENDING: where the timer will queue
    int cpu = kCpuUnbound;    // by the owner of PENDING

    DelayedWork() noexcept;
    explicit DelayedWork(WorkFunction func, bool deferrable = false) noexcept;
    // The delayed work around an item (Linux: to_delayed_work).
    static DelayedWork* of(Work* work) noexcept { return reinterpret_cast<DelayedWork*>(work); }
};

// Linux: queue_delayed_work_on. False when the item was pending (the timer stays as it is) or disabled. delay 0 queues
// at once. CONTEXT: any. Throws as Workqueue::queue.
bool queue_delayed_work(Workqueue& wq, DelayedWork& dwork, Jiffies delay, int cpu = kCpuUnbound);
// Linux: mod_delayed_work_on: from whatever state, the item is armed (or queued) with this delay. True when it was
// pending. A disabled item stays as it is. CONTEXT: any.
// *taken: a pending one was taken back; *armed: it is pending now. Both are set even when the call throws.
bool mod_delayed_work(Workqueue& wq, DelayedWork& dwork, Jiffies delay, int cpu = kCpuUnbound, bool* taken = nullptr,
                      bool* armed = nullptr);
// Linux: flush_delayed_work: an armed item is queued now, then waited for. CONTEXT: task that may sleep.
bool flush_delayed_work(DelayedWork& dwork, Nanoseconds deadline = kForever);
// Linux: cancel_delayed_work and its kin: as the plain forms, and they take the timer back.
bool cancel_delayed_work(DelayedWork& dwork);
bool cancel_delayed_work_sync(DelayedWork& dwork, Nanoseconds deadline = kForever, bool* was_pending = nullptr);
bool disable_delayed_work(DelayedWork& dwork);
bool disable_delayed_work_sync(DelayedWork& dwork, Nanoseconds deadline = kForever, bool* was_pending = nullptr);
inline bool enable_delayed_work(DelayedWork& dwork) { return enable_work(dwork.work); }
inline bool delayed_work_pending(const DelayedWork& dwork) noexcept { return dwork.work.pending(); }

// Halting: the machine took the timer of this delayed work; its item becomes idle.
void abandon_delayed_work(DelayedWork& dwork);

}  // namespace bottomhalf
