// Mutex (Linux: struct mutex): sleeps when contended, owner-only unlock, no recursion, task context only.
#pragma once

#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

class Mutex {
public:
    Mutex() noexcept = default;
    ~Mutex() {
        LockGraph::forget(this);
        order_forget(this);
    }
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    // CONTEXT: task that may sleep. Throws DeadlockError when the caller holds it, or its owner waits, directly or not,
    // for what only the caller can do; SchedulingWhileAtomic; MachineExit.
    WaitResult lock(Task& self, Nanoseconds deadline = kForever);
    bool try_lock(Task& self) noexcept;
    // Throws MisuseError("mutex-not-owner") when another task holds it, or nobody.
    void unlock(Task& self);
    bool locked() const noexcept { return owner_.load() != nullptr; }

private:
    friend struct LayoutProbe;
    Atomic<Task*> owner_{nullptr};
    WaitQueue waiters_;
};

}  // namespace bottomhalf
