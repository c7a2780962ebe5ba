// SimulatedSubstrate: a machine of fibers in one thread, with virtual CPUs and virtual time.
//
// The thread that makes it owns it; it calls in as the task "init", on CPU 0 and on its own stack. One task executes at
// a time, and nothing else does until it blocks, burns, relaxes, yields or is preempted. Time stands still while any
// task can execute; then it jumps to the next event.
//
// A task holds its CPU from its dispatch until it blocks, gives way or ends, also while it burns. A wait of a task that
// may not sleep (a contended spin lock) holds the CPU too, as the spinning would.
//
// Thread safety: its own thread alone; WrongThread for others, wherever an exception can leave.
// Invariants: executing_ is the strand on whose stack the thread runs; a CPU's holder is neither ready, blocked nor
// ended; a strand is in exactly one of: a run queue (ready), a CPU (holding), neither (blocked, ended).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/sched/simulated/event_queue.hpp"
#include "bottomhalf/sched/simulated/run_queue.hpp"
#include "bottomhalf/sched/simulated/schedule.hpp"

namespace bottomhalf {

namespace stall_watch {
struct Shown;
}

class SimulatedSubstrate final : public Substrate, public Recycled<SimulatedSubstrate> {
public:
    static constexpr Nanoseconds kRelaxCost = kMicrosecond;
    static constexpr Nanoseconds kTimeSlice = 10 * kMillisecond;
    static constexpr std::uint64_t kUnlimited = UINT64_MAX;

    explicit SimulatedSubstrate(Domain& domain);
    // Ends what did not end: its waits return Wake::exit, so that its frames unwind. Tasks that nobody joined stay
    // their makers'.
    ~SimulatedSubstrate() override;

    bool simulated() const noexcept override { return true; }
    Nanoseconds now() noexcept override { return now_; }
    void start(Task& task) override;
    void start_dormant(Task& task) override;
    bool dormant(const Task& task) const noexcept override;
    void join(Task& task) override;
    void adopt(Task& task) override;
    void release(Task& task) override;
    Wake block(Task& self, Nanoseconds deadline) override;
    void wake(Task& task) noexcept override;
    void relax(Task& self) override;
    void yield(Task& self) override;
    void burn(Task& self, Nanoseconds duration) override;
    void preemption_point(Task& self) override;
    void set_clock_event(unsigned cpu, Nanoseconds when) noexcept override;
    void stop_clock() override;
    void close() override;

    // A hard interrupt from outside: fn is called at that instant on whatever runs on the CPU, before its clock event.
    // CONTEXT: any.
    void at(Nanoseconds when, unsigned cpu, void (*fn)(Domain&, unsigned cpu, void*), void* arg);

    // For init, which takes no time and gets its CPU at once. Runs the machine until all that happens up to and at the
    // instant has happened; until nothing is left that runs, burns or waits for an instant (then true; false: the limit
    // came first).
    void run_until(Nanoseconds when);
    // background: is what the clock will still do nobody's business? Then that counts as nothing left.
    bool run_until_idle(Nanoseconds limit = kForever, std::function<bool()> background = {});
    // Until nothing happens by itself within the horizon.
    void run_until_quiet(Nanoseconds horizon);
    // All that happens at this instant, and then all of the next one at which something happens; false: there is none.
    bool run_one_instant();

    // What the machine stops for: thrown in init at the next decision.
    void raise_in_init(std::exception_ptr failure) { report(std::move(failure)); }
    // Is this the task on whose stack the thread runs, with a CPU of its own? (Who is asked for its Interrupter has
    // none.)
    bool executes(const Task& task) const noexcept;
    // Does the calling thread own the machine?
    bool is_own_thread() const noexcept;

    // Told when another task's stack is entered: before on the old one, after on the new one. A task that ended is
    // left and not entered again. CONTEXT: must not call the machine.
    struct SwitchHook {
        void (*before)(void* arg, Task& from, Task& to) = nullptr;
        void (*after)(void* arg, Task& from, Task& to) = nullptr;
        void* arg = nullptr;
    };
    void set_switch_hook(const SwitchHook& hook) noexcept { hook_ = hook; }
    // Before anything is decided.
    void set_schedule(std::unique_ptr<Schedule> schedule) noexcept {
        schedule_ = std::move(schedule);
        asks_ = !schedule_->takes_first();
    }
    // Equal levels preempt each other neither at ticks nor at preemption points (Linux: PREEMPT_VOLUNTARY).
    void set_voluntary(bool on) noexcept { voluntary_ = on; }
#ifdef BH_EXPLORE
    // Explores the engine itself: its atomics and internal locks are preemption points of all tasks and interrupts (the
    // schedule is asked as at others). A task that holds an internal lock keeps its CPU, and no interrupt comes on top
    // of one that stands at such a point: on the host it is another thread, and on Linux it is masked there. Tasks of
    // other CPUs do come in between, so what is to interleave freely belongs on CPUs of its own.
    // `ordered` leaves out what the engine reads without order, as a hint, or under a lock: half of the points.
    // CONTEXT: init, while nothing else executes. One machine a thread at a time. Not with trace_switches.
    enum class EnginePoints : std::uint8_t { off, ordered, all };
    void set_engine_points(EnginePoints which);
#endif
    bool set_online(unsigned cpu, bool online) override;
    void rebind(Task& task, int cpu) override;
    bool repatriate(Task& task) override;
    // More decisions than this from now on: BudgetExceeded in init, once; then they are not limited any more.
    void set_max_steps(std::uint64_t steps) noexcept {
        max_steps_ = steps < kUnlimited - counters_.steps ? counters_.steps + steps : kUnlimited;
        steps_allowed_ = steps;
    }
    // More turns of polling loops in a row than this, while nothing else happens: BudgetExceeded ("livelock"), by
    // relax() in the poller, by yield() in init.
    void set_max_spins(std::uint64_t spins) noexcept { max_spins_ = spins; }

    // While the machine is traced, each change of the task that executes on a CPU is an event "sched_switch":
    //     prev=NAME next=NAME reason=WHY
    // at the moment when next goes on. WHY prev left: blocked, ended, yield, preempted-point, preempted-wakeup (also:
    // somebody had to have this very CPU), tick, burn (it polled, which takes time), interrupt (the idle task ran one),
    // idle (nobody had it). A task that keeps its CPU at a preemption point while one of another CPU goes first is an
    // event of its own CPU, with next_cpu=N behind the reason preempted-point.
    void set_trace_switches(bool on) noexcept { trace_switches_ = on; }

    struct Counters {
        std::uint64_t switches = 0;     // of stacks
        std::uint64_t steps = 0;        // decisions
        std::uint64_t interrupts = 0;   // clock events and external ones
        std::uint64_t preemptions = 0;  // of tasks that could have gone on
        std::uint64_t started = 0;      // tasks
        std::uint64_t points = 0;       // preemption points that were passed
    };
    const Counters& counters() const noexcept { return counters_; }

private:
    enum class Run : std::uint8_t { no, until_instant, until_idle, until_quiet, one_instant };
    struct Interrupt {
        void (*fn)(Domain&, unsigned cpu, void*);  // null: the clock event
        void* arg;
    };
    struct VirtualCpu {
        Strand* holder = nullptr;
        RunQueue queue;                     // of the tasks bound to it
        std::vector<Interrupt> interrupts;  // due, in their order
        SimKey clock;                       // the clock event
        SimKey slice;                       // the tick that ends the holder's time slice, when somebody waits for that
        Strand* swapper = nullptr;
        std::uint64_t shown = 0;  // the strand that executed here last, as far as traced, and its name
        char shown_name[Task::kNameSize] = "";
        bool online = true;
        Left left = Left::idle;  // why the last holder lost the CPU
    };

    // operations.cpp
    Strand& enter(Task& self);
    void check_thread(const char* call) const;
    void burn_for(Strand& me, Nanoseconds duration);
    void pause(Strand& me);
    std::exception_ptr count_spin(const Strand& me);
    Strand& new_strand(Task& task);
    void wait_for_end(Strand& me, Strand& other);
    bool run(Run kind, Nanoseconds limit, const char* call);

    // switching.cpp: how the thread gets from one stack to the next
    void reschedule(Strand& me);
    bool settled(Strand& me);
    void run_interrupts(Strand& me);
    void poll_interrupter(Strand& me);
    void prepare_switch(Strand& from, Strand& to);
    void arrived(Strand& me);
    void trace_switch(const Strand& from, const Strand& to);
    static Fiber* strand_main(void* arg);
    Fiber* finish(Strand& me);
    static void swapper_main(Task& self, void* arg);
    void unwind(bool swappers_only) noexcept;

    // dispatch.cpp: who goes on
    Strand& choose_next();
    Strand& choose();
    bool enough_for_init();
    void handle_event();
    void go_to(Nanoseconds instant);  // time goes on
    Strand* interrupted_strand();
    Strand* next_dispatched();
    void place();
    void place_unbound();
    bool idle(unsigned cpu) const noexcept;
    unsigned idle_cpu(unsigned wanted) const noexcept;
    unsigned idle_cpu(const Strand& strand) const noexcept;  // one of those it may have
    Strand& pick_waiting(unsigned cpu, bool bound, bool unbound);
    Strand& ask(Schedule::Choice choice, unsigned cpu);
    Strand* best_waiting(unsigned cpu) const noexcept {
        Strand *bound = cpus_[cpu].queue.front(), *free = unbound_for(cpu);
        if (bound == nullptr || free == nullptr) return bound != nullptr ? bound : free;
        return RunQueue::before(*free, *bound) ? free : bound;
    }
    // The first of those bound to no CPU that may have this one.
    Strand* unbound_for(unsigned cpu) const noexcept {
        return limited_ == 0 ? unbound_.front() : unbound_.first_for(cpu);
    }
    bool may_preempt(Schedule::Preemption why, Strand& holder, Strand& waiting);
    bool gives_way(Strand& me);
    bool lets_others_go(Strand& me, bool interrupts_too = false);
    void give_cpu(Strand& strand, unsigned cpu);
    void leave_cpu(Strand& strand, Left why) noexcept;
    void displace(Strand& holder, bool to_the_end, Left why);
    void make_ready(Strand& strand);
    void enqueue(Strand& strand);
    void make_dispatched(Strand& strand);
    RunQueue& queue_of(const Strand& strand) noexcept;
    void begin_burn(Strand& strand);
    void stop_burn(Strand& strand) noexcept;
    void arm_slice(unsigned cpu);
    Strand& swapper(unsigned cpu);
    void look_adrift(Strand& strand) const noexcept;

#ifdef BH_EXPLORE
    // explore.cpp: points of the engine
    struct Exploring;
    void engine_point(Strand& me) noexcept;
    void engine_spin(Strand& me) noexcept;
    void await_lock(Strand& me, const RawLock& lock) noexcept;
    void lock_freed(const RawLock& lock) noexcept;
    void wait_in_engine(Strand& me) noexcept;
    void explore_here() noexcept;
#endif

    // failure.cpp: what goes wrong is thrown in init
    void report(std::exception_ptr failure);
    Strand& seize_for_init();
    Strand& fail(std::exception_ptr failure);
    std::exception_ptr deadlock() const;

#ifdef BH_EXPLORE
    EnginePoints engine_points_ = EnginePoints::off;
#endif
    Domain& domain_;
    const std::uint64_t thread_;                       // I: the owner's number
    const std::shared_ptr<stall_watch::Shown> shown_;  // I: the owner's; null without threads to look at it
    std::unique_ptr<Schedule> schedule_ = std::make_unique<Fifo>();
    bool asks_ = false;  // not schedule_->takes_first()
    SwitchHook hook_;
    bool voluntary_ = false;
    bool trace_switches_ = false;
    std::uint64_t max_steps_ = kUnlimited;  // of counters_.steps
    std::uint64_t steps_allowed_ = 0;       // what was asked for; for the message
    std::uint64_t max_spins_ = 10'000'000;  // ten virtual seconds
    Counters counters_;

    Nanoseconds now_ = 0;
    EventQueue events_;
    std::vector<VirtualCpu> cpus_;
    RunQueue unbound_;
    std::size_t limited_ = 0;                                   // tasks so far that may have some CPUs only
    std::size_t ready_ = 0;                                     // strands in run queues
    std::size_t interrupts_ = 0;                                // in all CPUs' lists
    std::map<std::uint64_t, std::unique_ptr<Strand>> strands_;  // by id; until they are joined
    std::uint64_t next_id_ = 1;
    unsigned dormant_unbound_ = 0;  // how many were started
    Strand* executing_ = nullptr;   // null while nobody is adopted
    Strand* previous_ = nullptr;    // executed before it
    Strand* gave_way_ = nullptr;    // at the last point: somebody else is to go on
    Strand* kept_cpu_ = nullptr;    // the same, if it is one of another CPU; until that is traced
    Strand* init_ = nullptr;
    Strand* reaper_ = nullptr;  // whoever destroys the machine, meanwhile
    Run init_runs_ = Run::no;   // init waits for nothing but that
    Nanoseconds run_limit_ = kForever;
    Nanoseconds run_quiet_ = 0;         // until_quiet: its horizon
    std::function<bool()> background_;  // until_idle
    bool init_jumped_ = false;          // one_instant: time went on
    bool clock_stopped_ = false;
    std::exception_ptr failure_;        // to be thrown in init at the next decision
    Atomic<bool> failure_seen_{false};  // what led to it happens before it is caught: for ThreadSanitizer
    std::vector<Strand*> candidates_;   // of the decision that is being made
    std::vector<Task*> candidate_tasks_;
    std::uint64_t progress_ = 0;  // counts what is not polling
    std::uint64_t progress_seen_ = 0;
    std::uint64_t spins_ = 0;  // since progress_seen_
};

// May the task lose its CPU, or sleep?
inline bool preemptible(const Strand& s) noexcept {
#ifdef BH_EXPLORE
    if (s.raw_locks != 0) return false;
#endif
    return s.task->preempt_count == 0 && s.task->irqs_off == 0;
}
// Are interrupts masked on the CPU that the task holds?
inline bool masked(const Strand& s) noexcept {
#ifdef BH_EXPLORE
    if (s.raw_locks != 0 || s.in_engine) return true;
#endif
    return s.task->irqs_off != 0 || preempt::in_hardirq(s.task->preempt_count);
}

}  // namespace bottomhalf
