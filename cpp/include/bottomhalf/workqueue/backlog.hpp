// Backlog: a bound on the items that wait in a workqueue (ours; Linux has none). Who submits takes a place before the
// item is queued and gives it back when the item starts or is taken away again; when all are taken, the next one sleeps
// or is refused.
//
// Thread safety: all but construction from any task. Counted: the workqueue holds one reference and each place one, so
// that a place can be given back after the workqueue is gone.
#pragma once

#include "bottomhalf/sync/wait_queue.hpp"

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

    // Takes a place. With WhenFull::block sleeps until one is free. Throws DeadlockError, from an item or a task of the
    // machine, when none can become free: what has the places is held back behind items that would all sleep.
    // CONTEXT: any while there is room; then a task that may sleep. Throws QueueFull, DeadlockError, Interrupted,
    // SchedulingWhileAtomic, MachineExit.
    void enter(Workqueue& wq, Task& self);
    // Takes a place if there is one. CONTEXT: any.
    bool try_enter() noexcept;
    // Whoever has taken a place has queued its item, or gives the place back. CONTEXT: any.
    void arrived() noexcept;
    // Gives a place back. CONTEXT: any.
    void leave() noexcept;
    void drop() noexcept;  // the workqueue's own reference

private:
    ~Backlog() = default;
    friend class PlaceWait;
    static constexpr std::uint64_t kArriving = std::uint64_t{1} << 32;
    bool take() noexcept;
    // No place is free, and no item that has one is still on its way into the workqueue.
    bool full() const noexcept { return state_.load() == 0; }

    const unsigned depth_;
    const WhenFull when_full_;
    Atomic<std::uint64_t> state_;        // A: free places, and kArriving for each place whose item is not queued yet
    Atomic<int> refs_{1};                // A: one for each place that is taken, one for the workqueue
    Atomic<int> nr_waiting_{0};          // A: that sleep in enter(); raised before they look at state_
    Atomic<std::uint32_t> arrivals_{0};  // A: while somebody waits
    WaitQueue waiters_;
};

}  // namespace bottomhalf
