// RcuWork (Linux: struct rcu_work): an item that is queued after a grace period of RCU.
//
// Until then it is PENDING and on no queue. As on Linux it can then be neither cancelled nor disabled: only flushed.
#pragma once

#include "bottomhalf/sync/rcu.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

struct RcuWork {
    Work work;
    RcuHead rcu;
    Workqueue* wq = nullptr;  // by the owner of PENDING: where it will be queued

    RcuWork() noexcept = default;
    explicit RcuWork(WorkFunction func) noexcept : work(func) {}
    static RcuWork* of(Work* work) noexcept { return reinterpret_cast<RcuWork*>(work); }
};

// Linux: queue_rcu_work. False when the item was pending or disabled: only true promises a whole grace period.
// CONTEXT: any. Throws as Workqueue::queue.
bool queue_rcu_work(Workqueue& wq, RcuWork& rwork);
// Linux: flush_rcu_work. Waits for the grace period, if it waits for one, and for the item. CONTEXT: task, may sleep.
bool flush_rcu_work(RcuWork& rwork, Nanoseconds deadline = kForever);

// Halting: nobody waits for this grace period any more; true when the head was an RcuWork's, which is idle now.
bool abandon_rcu_work(RcuHead& head);

}  // namespace bottomhalf
