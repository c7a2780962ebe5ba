// struct kthread_worker and its items, as <linux/kthread.h> has them; layout.cpp holds the two against each other.
#pragma once

#include "bottomhalf/machine/machine.hpp"
#include "bottomhalf/sync/spin_lock.hpp"

namespace bottomhalf::linux_api {

// struct list_head as modules expect it of these: linked to itself while it is in no list.
struct Link : ListNode {
    bool empty() const noexcept { return next == this; }
    void init() noexcept { next = prev = this; }
    void remove() noexcept {
        unlink();
        init();
    }
};

struct KthreadWork;
struct KthreadWorker {  // struct kthread_worker
    unsigned flags;
    SpinLock lock;
    Link items, delayed;   // L
    Task* task;            // L
    KthreadWork* running;  // L
    const void* made_by;   // I
};
struct KthreadWork {  // struct kthread_work; the fields belong to the worker's lock
    Link node;
    void (*func)(KthreadWork*);
    KthreadWorker* worker;
    int canceling;
};
struct KthreadDelayedWork {  // struct kthread_delayed_work
    KthreadWork work;
    Timer timer;
};

}  // namespace bottomhalf::linux_api

extern "C" int bh_linux_kthread_worker_fn(void* worker);
