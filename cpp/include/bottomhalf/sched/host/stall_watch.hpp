// StallWatch: notices a thread that runs simulated machines and is stuck in a handler.
//
// A handler that really blocks (a sleep of the standard library's, a lock of another task of the same machine) stops
// the whole machine, whose time stands still. A thread, "bh-watch", looks now and then at what such threads show: one
// that has not turned to another task for a while, executes a handler and waits in the kernel, is reported once. One
// that computes is left alone. The watcher is there while simulated machines are, and makes room for a fork().
#pragma once

#include <memory>

#include "bottomhalf/sched/task.hpp"

namespace bottomhalf::stall_watch {

// What a thread shows of its simulated machines.
// Thread safety: the thread itself writes, anybody reads; W: the watcher's own.
struct Shown {
    Shown() noexcept;
    // The thread turns to the task; null: to init, which may wait for whatever it likes.
    void turn_to(Task* task) noexcept {
        turns.set(turns.get() + 1);
        this->task.raw().store(task, std::memory_order_relaxed);  // raw: no access of the engine's protocols
    }

    Counter<std::uint64_t> turns;
    Atomic<Task*> task{nullptr};
    Atomic<unsigned> machines{0};    // any thread may destroy one
    Counter<int> thread;             // that executes, as the system calls it
    std::uint64_t turns_seen = 0;    // W
    Nanoseconds seen_at = 0;         // W
    std::uint64_t turns_judged = 0;  // W: reported, or found to be no stall
};

struct Stall {
    std::shared_ptr<Shown> shown;
    Task* task;
    std::uint64_t turns;
    Nanoseconds lasts;    // so far
    std::uint64_t waits;  // as waits_for() says
    // Is it still the same? What the task points to may be read by whoever keeps the thread from going on.
    bool still() const noexcept {
        return shown->turns.get() == turns && shown->task.raw().load(std::memory_order_relaxed) == task;
    }
};

// The calling thread's, for a machine that boots there and is to be watched; it counts in `machines` until end(), which
// may come from another thread, and after this one has ended.
std::shared_ptr<Shown> begin();
void end(Shown& shown) noexcept;
// The calling thread is the one that executes now, of those that stand in for each other (lend_thread_number()).
void executes_here() noexcept;

// What is to be done about a stall: called in the watcher's thread, without a lock. False: it was none, and the thread
// is looked at again later. It is not noexcept: an interpreter may unwind the thread.
void set_reporter(bool (*reporter)(const Stall& stall)) noexcept;
// After how long; 1 second by default.
void set_patience(Nanoseconds patience) noexcept;

// Runs fn, which is to wait for what the caller holds, in a thread of its own. RETURNS: what that waits for, kRunning
// when there was nothing to be seen.
std::uint64_t wait_of(void (*fn)());
// The address of the futex that a thread waits for in the kernel; 0: it waits for something else; kRunning: it does not
// wait.
inline constexpr std::uint64_t kRunning = ~std::uint64_t{0};
std::uint64_t waits_for(int thread) noexcept;

}  // namespace bottomhalf::stall_watch
