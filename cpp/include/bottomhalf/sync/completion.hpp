// Completion (Linux: struct completion): a counter of done events and the tasks that wait for one, first come first
// served.
//
// A completion may be destroyed as soon as a wait on it returned: counter and waiters share one lock, which complete()
// holds until its last access.
#pragma once

#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

class Completion {
public:
    Completion() noexcept = default;
    ~Completion() { order_forget(this); }
    Completion(const Completion&) = delete;
    Completion& operator=(const Completion&) = delete;

    // Adds one event and wakes one waiter. CONTEXT: any. (Linux: complete)
    void complete() noexcept;
    // The same as a part of an operation of the engine, which may hold internal locks: no preemption point.
    void signal() noexcept;
    // Every present and later wait succeeds until reinit(). CONTEXT: any. (Linux: complete_all)
    void complete_all() noexcept;
    // Consumes one event, sleeping until there is one. (Linux: wait_for_completion_timeout)
    // CONTEXT: task that may sleep. Throws SchedulingWhileAtomic, MachineExit.
    WaitResult wait(Task& self, Nanoseconds deadline = kForever, const char* kind = "wait_for_completion");
    // Consumes an event if there is one. CONTEXT: any. (Linux: try_wait_for_completion)
    bool try_wait() noexcept;
    // Is an event there? CONTEXT: any. (Linux: completion_done)
    bool done() noexcept;
    // No event, as after construction. (Linux: reinit_completion)
    void reinit() noexcept;
    bool waited_for() noexcept;

private:
    friend struct LayoutProbe;
    static constexpr std::uint32_t kAll = ~0u;
    bool consume() noexcept;
    void wake(bool all, WakeQ& wake_q) noexcept;
    RawLock lock_;
    std::uint32_t done_ = 0;  // L: lock_
    List waiters_;            // L: lock_
};

}  // namespace bottomhalf
