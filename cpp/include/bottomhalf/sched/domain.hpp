// Domain: what a task points to: its machine, as the floors see it. One typed slot per floor, filled by `machine`.
//
// A lower floor tells a higher one through the hooks, which the higher one installs at boot; a hook that is null is
// not called.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/base/cpu_mask.hpp"
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/access_order.hpp"
#include "bottomhalf/sched/cpu.hpp"
#include "bottomhalf/sched/lock_graph.hpp"
#include "bottomhalf/sched/task.hpp"
#include "bottomhalf/sched/topology.hpp"
#include "bottomhalf/trace/kernel_log.hpp"
#include "bottomhalf/trace/sink.hpp"

namespace bottomhalf {

class Rcu;                 // sync
class Softirqs;            // interrupt
class IrqController;       // interrupt
class TimerSubsystem;      // time
class WorkqueueSubsystem;  // workqueue
class Machine;             // machine

enum class DomainState : std::uint8_t { booting, running, halting, halted, forked };

struct Domain {
    Domain(std::string name, unsigned cpus, unsigned hz);
    ~Domain();
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;

    const std::string name;
    const unsigned nr_cpus;
    const unsigned hz;
    Topology topology;       // I: flat until the machine says otherwise, before anything starts
    bool simulated = false;  // I: by the simulated substrate; spares the host a look at explore_point()
    TraceSink trace;
    KernelLog log;
    std::vector<std::unique_ptr<Cpu>> cpus;  // I
    // Of simulated machines, from the first access to a shared cell on; tasks that are unwound still tell it.
    std::unique_ptr<AccessOrder> access_order;
    std::unique_ptr<Substrate> substrate;  // I
    Atomic<DomainState> state{DomainState::booting};
    Atomic<bool> cancelling{false};  // A: the machine halts and what still runs should come to its end

    Rcu* rcu = nullptr;                        // I
    Softirqs* softirqs = nullptr;              // I
    IrqController* irqs = nullptr;             // I
    TimerSubsystem* timers = nullptr;          // I
    WorkqueueSubsystem* workqueues = nullptr;  // I
    Machine* machine = nullptr;                // I
    std::unique_ptr<LockGraph> lock_graph;     // I: of simulated machines, else null

    struct Hooks {
        // The clock event of a CPU is due (time installs it; called outside any lock, in task context of the clock).
        void (*clock_event)(Domain&, unsigned cpu) = nullptr;
        // The outermost local_bh_enable and the end of a hard interrupt: does this CPU have softirqs pending, and run
        // them (the caller owns the CPU's bottom-half lock; its preempt_count says "serving" for the callee to set).
        bool (*softirq_pending)(Domain&, unsigned cpu) = nullptr;
        // RETURNS: what is still pending was left to ksoftirqd.
        bool (*run_softirqs)(Domain&, unsigned cpu, Task& self) = nullptr;
        // Interrupts were latched while they were off on this CPU: deliver them.
        bool (*irq_latched)(Domain&, unsigned cpu) = nullptr;
        void (*deliver_irqs)(Domain&, unsigned cpu, Task& self) = nullptr;
        // Simulated CPUs: how long this task may burn before somebody wants to look (kForever: nobody does), and how
        // long it has. CONTEXT: that task.
        Nanoseconds (*burn_until_tick)(Domain&, Task& self) = nullptr;
        void (*burnt)(Domain&, Task& self, Nanoseconds duration) = nullptr;
        // Calls wait(arg), which sleeps without a time limit until the owner has changed, as a wait that the graph of
        // waits knows (workqueue installs it). Throws DeadlockError where it could never end.
        void (*wait_for_owner)(Domain&, Task& self, const Atomic<Task*>& owner, const char* call, void (*wait)(void*),
                               void* arg) = nullptr;
    } hooks;

    // The calling thread's task in this machine; an unknown thread is adopted. CONTEXT: any.
    Task& self() {
        Task* t = current_task();
        if (t != nullptr && t->domain.load(std::memory_order_relaxed) == this) [[likely]]
            return *t;
        return adopt();
    }
    Nanoseconds now() { return substrate->now(); }
    Jiffies jiffies() {
        const Jiffies now = ns_to_jiffies(substrate->now(), hz);
        // Whoever arms a timer has just asked: the timer floor need not read the clock again.
        if (now > jiffies_seen.load(std::memory_order_relaxed)) jiffies_seen.store(now, std::memory_order_relaxed);
        return now;
    }
    Atomic<Jiffies> jiffies_seen{0};   // A: the latest value jiffies() gave to anybody, or one slightly older
    Atomic<bool> jiffies_read{false};  // A: a simulated machine's jiffies_seen is never older, for it is read directly
    Cpu& cpu(unsigned i) { return *cpus[i]; }
    bool running() const noexcept { return state.load(std::memory_order_relaxed) == DomainState::running; }
    // Throws MachineHalted unless calls into this machine make sense.
    void require_alive() const {
        auto s = state.load(std::memory_order_relaxed);
        if (s == DomainState::halted || s == DomainState::forked) [[unlikely]]
            refuse();
    }
    unsigned check_cpu(int cpu, const char* argument) const;     // throws InvalidArgument when out of range
    unsigned check_online(int cpu, const char* argument) const;  // or offline
    bool online(unsigned cpu) const noexcept { return cpus[cpu]->online.load(std::memory_order_relaxed); }
    // The CPU, or CPU 0 in its place, which is always online.
    unsigned online_cpu(unsigned cpu) const noexcept { return online(cpu) ? cpu : 0; }

    // Makes and starts a task; join_task waits for its end and frees it. CONTEXT: task, no internal lock held.
    // limits: of a task that is bound to no CPU; must outlive it.
    Task& spawn(const char* name, void (*entry)(Task&, void*), void* arg, int bound_cpu, int nice, bool quiet = false,
                const TaskLimits* limits = nullptr) {
        return spawn(name, entry, arg, bound_cpu, nice, quiet, limits, &Substrate::start);
    }
    // Likewise, of a task that begins with waiting: see Substrate::start_dormant. It is quiet.
    Task& spawn_dormant(const char* name, void (*entry)(Task&, void*), void* arg, int bound_cpu, int nice,
                        const TaskLimits* limits = nullptr) {
        return spawn(name, entry, arg, bound_cpu, nice, true, limits, &Substrate::start_dormant);
    }
    void join_task(Task& task);
    // Waits for its end; whoever may still wake it finds it until the caller frees it.
    std::unique_ptr<Task> join_and_keep(Task& task);
    // Visits every task under the tasks lock: fn must be short and take no other lock.
    void for_each_task(const std::function<void(Task&)>& fn);
    // Makes every wait of the machine's tasks return Wake::exit (halting).
    void evict_waiters(const Task* except);
    // The last adopted tasks stop being this machine's.
    void disown_adopted();

    // The host language's machine object; the engine only carries it.
    Atomic<void*> host_data{nullptr};

    // What the C headers of Linux keep of this machine, made on first use; the engine only carries it.
    Atomic<void*> kernel_side{nullptr};  // A
    RawLock kernel_side_lock;
    std::shared_ptr<void> kernel_side_owner;  // L: kernel_side_lock

    // The graph of waits (workqueue/deadlock): one lock, taken only by calls that are about to sleep.
    RawLock wait_graph;
    List holders;  // L: wait_graph; the waits of those that hold a mutex

private:
    Task& adopt();
    Task& spawn(const char* name, void (*entry)(Task&, void*), void* arg, int bound_cpu, int nice, bool quiet,
                const TaskLimits* limits, void (Substrate::*start)(Task&));
    [[noreturn]] void refuse() const;
    void add(Task& task);
    void remove(Task& task);

    RawLock tasks_lock_;
    List tasks_;                          // L: tasks_lock_
    Atomic<std::uint32_t> next_home_{0};  // the home CPU of the next adopted thread
    Atomic<int> next_pid_{1};             // simulated machines number their tasks
    friend struct AdoptionTable;
};

// Simulated machines that are alive: where no domain is at hand, one look spares the host the rest.
extern Atomic<unsigned> g_simulated_machines;
void pass_explore_point(Domain* domain) noexcept;

// The beginning of an operation that another task may see: here a schedule may have another go first, and a simulated
// machine serves the interrupts that are due. Where the caller may not be preempted it keeps its CPU, and only the
// tasks of other CPUs may go first. Nothing for who is no task of the machine. Never throws: what init is to be told
// comes with its next call that can.
// CONTEXT: no internal lock held.
inline void explore_point(Domain& domain) noexcept {
    if (domain.simulated) [[unlikely]]
        pass_explore_point(&domain);
}
inline void explore_point() noexcept {
    if (g_simulated_machines.load(std::memory_order_relaxed) != 0) [[unlikely]]
        pass_explore_point(nullptr);
}

// Throws SchedulingWhileAtomic when the task may not sleep, naming the call (Linux: might_sleep).
void might_sleep(Task& self, const char* call);
// Sleeps until a wake-up or the deadline; the task's observer is told. Checks might_sleep itself.
// Throws MachineExit when the machine evicts its waiters.
Wake task_sleep(Task& self, Nanoseconds deadline, const char* kind);

// local_bh_disable / local_bh_enable and local_irq_save / local_irq_restore of the calling task on its CPU.
void local_bh_disable(Task& self);
void local_bh_enable(Task& self);
void local_irq_save(Task& self);
void local_irq_restore(Task& self);
// What local_irq_save tells the access order; for who has done the rest.
void order_irqs_off(const Cpu& cpu);
// Linux: preempt_disable / preempt_enable.
void preempt_disable(Task& self) noexcept;
void preempt_enable(Task& self) noexcept;

// "task kworker/0:1 (pid 7), preempt_count 0x101": for messages.
std::string describe_task(const Task& task);
// The absolute deadline of a relative limit in seconds; negative: none.
Nanoseconds deadline_after(Domain& domain, double seconds);

#define BH_TRACE(domain_arg, cpu_arg, task_arg, event_arg, ...)                                                   \
    do {                                                                                                          \
        if ((domain_arg).trace.enabled()) [[unlikely]]                                                            \
            (domain_arg)                                                                                          \
                .trace.emit((domain_arg).now(), static_cast<int>(cpu_arg), ::bottomhalf::trace_context(task_arg), \
                            (task_arg).name, event_arg, __VA_ARGS__);                                             \
    } while (0)

TraceContext trace_context(const Task& task) noexcept;

}  // namespace bottomhalf
