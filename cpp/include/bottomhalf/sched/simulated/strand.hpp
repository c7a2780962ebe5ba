// Strand: what the simulated substrate keeps for a task (the part of Linux's task_struct that its scheduler reads).
//
// Thread safety: the machine's own thread alone; one fiber runs at a time.
#pragma once

#include <compare>
#include <exception>

#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/sched/simulated/fiber.hpp"
#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

class SimulatedSubstrate;

// Which event goes first at one instant. Tasks that events, wakes and starts made ready go by sequence: if starts came
// last, a task that yields in a loop would keep a new one from ever starting.
enum class Turn : std::uint8_t { none, hard_irq, clock_event, deadline, completion, tick };

// A place in an order: by time, by kind, by sequence. The default one is nowhere.
struct SimKey {
    Nanoseconds when = 0;
    Turn turn = Turn::none;
    std::uint64_t sequence = 0;
    auto operator<=>(const SimKey&) const = default;
    bool armed() const noexcept { return turn != Turn::none; }
};

// Why a task lost its CPU.
enum class Left : std::uint8_t { idle, blocked, point, wakeup, tick, yield, burn, ended, interrupt };

struct Strand : Recycled<Strand> {
    enum class State : std::uint8_t {
        executing,   // holds its CPU, and the thread
        dispatched,  // holds its CPU and executes as soon as the thread is free, at this same instant
        burning,     // holds its CPU while time passes
        spinning,    // waits, but may not sleep: holds its CPU meanwhile
        ready,       // waits for a CPU
        blocked,     // waits
        ended,
    };

    Task* task = nullptr;
    SimulatedSubstrate* machine = nullptr;
    std::uint64_t id = 0;     // in the order of their starts
    Fiber* fiber = nullptr;   // null before the first execution and after the end
    Task* current = nullptr;  // current_task() of the fiber while it does not execute
    State state = State::ready;
    int home = kCpuUnbound;       // the CPU that it may not leave
    unsigned cpu = 0;             // the CPU that it holds, or held last
    SimKey since;                 // ready, dispatched: its place in the queue
    SimKey alarm;                 // the timed event it waits for: a deadline, or the end of its burn
    Nanoseconds slice_start = 0;  // when it got its CPU
    // An interrupt that runs on top of the strand may wait too, so all this is set aside for it.
    struct Wait {
        Nanoseconds deadline = kForever;
        Nanoseconds burn_left = 0;   // burning: when it began or was resumed
        bool deaf = false;           // a wake() leaves a permit and does not end this wait
        bool timed_out = false;      // the deadline ended it
        bool interrupted = false;    // the Interrupter ended it
        bool interruptible = false;  // the Interrupter may be asked
    } wait;
    bool adrift = false;       // no CPU that it may have is online: it may have any
    bool keeps_slice = false;  // lost its CPU to init for no time at all
    bool irq = false;          // resumed to run its CPU's interrupts, and then to go on as before
    bool poll = false;         // resumed to ask its Interrupter, and then to go on as before
    bool exit_told = false;    // a wait returned Wake::exit
    bool swapper = false;      // an idle task: holds its CPU only while it runs interrupts
    bool dormant = false;      // blocked before its first execution
#ifdef BH_EXPLORE
    unsigned raw_locks = 0;                // how many it holds: neither its CPU nor an interrupt may be taken meanwhile
    const RawLock* lock_wanted = nullptr;  // spins for it
    bool in_engine = false;                // left at a point of the engine: no interrupt may come on top
#endif
    Strand* joiner = nullptr;
    std::exception_ptr failure;    // to be thrown in it when it next executes
    Atomic<bool> end_seen{false};  // what the task did happens before join() returns
};

}  // namespace bottomhalf
