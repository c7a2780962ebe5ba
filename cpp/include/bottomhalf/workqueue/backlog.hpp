// Backlog: a bound on the items that wait in a workqueue (ours; Linux has none). Who submits takes a place before the
// item is queued and gives it back when the item starts or is taken away again; when all are taken, the next one sleeps
// or is refused.
//
// Thread safety: all but construction from any task. Counted: the workqueue holds one reference and each place one, so
// that a place can be given back after the workqueue is gone.
#pragma once

#include "bottomhalf/sync/completion.hpp"

namespace bottomhalf {

class Workqueue;

enum class WhenFull : std::uint8_t { block, raise };

class Backlog {
public:
    Backlog(unsigned depth, WhenFull when_full) noexcept;
    Backlog(const Backlog&) = delete;
    Backlog& operator=(const Backlog&) = delete;

    unsigned depth() const noexcept { return depth_; }
    WhenFull when_full() const noexcept { return when_full_; }
    // How many places are taken. A hint.
    unsigned taken() const noexcept { return static_cast<unsigned>(refs_.load() - 1); }

    // Takes a place. With WhenFull::block sleeps until one is free; in an item of the workqueue itself it throws
    // DeadlockError when every active item of it would then sleep here, so that none could start.
    // CONTEXT: any while there is room; then a task that may sleep. Throws QueueFull, DeadlockError, Interrupted,
    // SchedulingWhileAtomic, MachineExit.
    void enter(Workqueue& wq, Task& self);
    // Takes a place if there is one. CONTEXT: any.
    bool try_enter() noexcept;
    // Gives a place back. CONTEXT: any.
    void leave() noexcept;
    void drop() noexcept;  // the workqueue's own reference

private:
    ~Backlog() = default;
    void wait_inside(Workqueue& wq, Task& self);

    const unsigned depth_;
    const WhenFull when_full_;
    Completion places_;    // an event for each free place
    Atomic<int> refs_{1};  // A: one for each place that is taken, one for the workqueue
    RawLock lock_;         // taken outside pool locks
    unsigned inside_ = 0;  // L: items of the workqueue itself that sleep in enter()
};

}  // namespace bottomhalf
