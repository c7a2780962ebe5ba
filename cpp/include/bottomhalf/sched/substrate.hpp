// Substrate: what a machine stands on. Two kinds: sched/host (threads of the operating system, real time) and
// sched/simulated (fibers in the caller's thread, one at a time, virtual time).
//
// Nothing outside sched/host uses a thread, a futex or a clock directly. One interface from the first day, or it would
// be the wrong one.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "bottomhalf/sched/watcher.hpp"

namespace bottomhalf {

struct Task;
struct Domain;

enum class Wake : std::uint8_t {
    woken,        // a wake() arrived since the last return
    timeout,      // the deadline passed
    interrupted,  // the task's Interrupter wants the wait given up (host)
    exit,         // the machine is halting and evicts its waiters
};

// Asked by a wait of a thread that serves signals of the host language (Python's main thread).
class Interrupter {
public:
    virtual ~Interrupter() = default;
    // True: give the wait up with Wake::interrupted. Called without any internal lock and outside every gate.
    virtual bool pending() = 0;
};

// What begin_wake() left undone. Neither the task nor its machine need be there any more.
struct RestOfWake {
    void (*finish)(void*) = nullptr;  // null: nothing
    void* word = nullptr;
};

class Substrate {
public:
    virtual ~Substrate() = default;

    virtual bool simulated() const noexcept = 0;
    // Time since boot.
    virtual Nanoseconds now() noexcept = 0;

    // Starts a task at its entry. CONTEXT: task, no internal lock held. Throws Error when the system refuses a thread.
    virtual void start(Task& task) = 0;
    // Simulated: the task is idle, and first executes when it is woken; what its entry does before its first wait is
    // the caller's to do. The host starts it like any other.
    virtual void start_dormant(Task& task) { start(task); }
    // Was the task started like that, and nobody has woken it yet? Then join() ends it without another word.
    virtual bool dormant(const Task&) const noexcept { return false; }
    // Waits until the task's entry has returned, and frees what the substrate keeps for it.
    virtual void join(Task& task) = 0;
    // The calling thread becomes this task (an adopted thread, or a simulated machine's init) and stops being it.
    virtual void adopt(Task& task) = 0;
    virtual void release(Task& task) = 0;

    // Sleeps until a wake() or the deadline. A wake() that came before the call makes it return at once, and is used
    // up: a binary permit. Callers test their condition again: a wake may be an old one.
    virtual Wake block(Task& self, Nanoseconds deadline) = 0;
    // CONTEXT: any; never waits. May be called with internal locks held.
    virtual void wake(Task& task) noexcept = 0;
    // wake() in two steps: what is left is to be done when the caller has let its lock go. CONTEXT: as wake().
    virtual RestOfWake begin_wake(Task& task) noexcept {
        wake(task);
        return {};
    }

    // A task that is bound to a CPU, and was woken by a thread on that very CPU, may have displaced it. What that one
    // still holds, say a gate, does not get free by waiting for it: true, once for each wake. A hint. CONTEXT: the
    // task.
    virtual bool displaced_waker(Task&) noexcept { return false; }

    // One turn of a loop that polls for something another task does (Linux: cpu_relax). Simulated: costs virtual time
    // and lets others run.
    virtual void relax(Task& self) = 0;
    // Offers the CPU (Linux: cond_resched).
    virtual void yield(Task& self) = 0;
    // Uses CPU time: a spin on the host, virtual time when simulated (interruptible at the exact instant).
    virtual void burn(Task& self, Nanoseconds duration) = 0;
    // A place where a schedule may preempt. The host ignores it.
    virtual void preemption_point(Task& self) = 0;

    // At this instant (absolute; kForever: never) the domain's clock_event hook is to be called for the CPU, in a
    // context that may enter a hard interrupt there. One event a CPU; a later call replaces an earlier one.
    // CONTEXT: any; may be called with internal locks held.
    virtual void set_clock_event(unsigned cpu, Nanoseconds when) noexcept = 0;
    // A CPU goes away or comes back. Simulated: what is bound to it is bound to none from now on, and nothing is given
    // to it any more. False: somebody still holds it non-preemptibly; ask again. CONTEXT: a task of another CPU.
    virtual bool set_online(unsigned, bool) { return true; }
    // Binds a task to a CPU, or with kCpuUnbound to none. The host: the calling task itself only.
    virtual void rebind(Task& task, int cpu) = 0;
    // A task that was at home in its preferred CPUs (Task::limits) is elsewhere, and is to come back with its next
    // wake: true when it was. Simulated: CONTEXT: any, of a task that is blocked. The host: the task itself, awake.
    virtual bool repatriate(Task& task) = 0;
    // The clock starts (a thread of its own on the host). CONTEXT: task, at boot.
    virtual void start_clock() {}
    // No clock event is delivered any more once it returned. CONTEXT: task.
    virtual void stop_clock() = 0;

    // The eyes of a monitor, or null for Detection::hooks. `automatic` takes the best that works here; what was named
    // and does not work throws Unsupported, saying why. CONTEXT: task, at boot.
    virtual std::unique_ptr<Watcher> make_watcher(Detection) { return nullptr; }
    // All tasks of the machine have been joined: ends the substrate's own. CONTEXT: task.
    virtual void close() {}
};

// Wakes, when it goes out of scope, what was added under a lock (Linux: wake_q): declared before the guard of a lock
// that a woken task will want. A thread that is woken on its waker's CPU may run at once in its place, and would spin
// for it.
class WakeQ {
public:
    WakeQ() noexcept = default;
    ~WakeQ() {
        if (rest_.finish != nullptr) rest_.finish(rest_.word);
    }
    WakeQ(const WakeQ&) = delete;
    WakeQ& operator=(const WakeQ&) = delete;
    // Only the last of several waits until then; one is the rule. CONTEXT: the lock is held, which keeps the task
    // alive.
    void add(Substrate& substrate, Task& task) noexcept {
        const RestOfWake before = std::exchange(rest_, substrate.begin_wake(task));
        if (before.finish != nullptr) before.finish(before.word);
    }

private:
    RestOfWake rest_;
};

}  // namespace bottomhalf
