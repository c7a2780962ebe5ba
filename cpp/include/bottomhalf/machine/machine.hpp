// Machine: the whole. It boots and halts what stands below, owns it, and does nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "bottomhalf/interrupt/irq.hpp"
#include "bottomhalf/interrupt/tasklet.hpp"
#include "bottomhalf/machine/user_task.hpp"
#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/sched/simulated/schedule.hpp"
#include "bottomhalf/sync/mutex.hpp"
#include "bottomhalf/time/timer.hpp"
#include "bottomhalf/workqueue/delayed_work.hpp"
#include "bottomhalf/workqueue/rcu_work.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

class SimulatedSubstrate;

struct MachineOptions {
    unsigned cpus = 0;  // 0: the CPUs this process may use (host), or 4 (simulated)
    unsigned hz = 1000;
    bool simulated = false;
    std::string name;  // empty: "host0", "simulated1", ...
    bool trace = false;
    // How pools notice workers that block unannounced; on a simulated machine nobody does.
    Detection detection = Detection::automatic;
    bool power_efficient = false;  // POWER_EFFICIENT workqueues are unbound (Linux: workqueue.power_efficient)
    // Simulated only.
    std::shared_ptr<const Topology> topology;             // as many CPUs as `cpus`; null: one node, one cache
    std::function<std::unique_ptr<Schedule>()> schedule;  // makes it; empty: Fifo
    bool voluntary = false;                               // equal nice levels do not preempt each other at ticks
};

enum class HaltPending : std::uint8_t { drain, cancel };

class Machine {
public:
    // Boots. Throws InvalidArgument for cpus or hz out of range, Error when the system refuses threads.
    explicit Machine(const MachineOptions& options = {});
    // Halts with HaltPending::cancel when nobody halted it. Must not run in one of its own tasks.
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Interrupt lines and timers stop, armed delayed works are cancelled and named in the log, queues drain (or are
    // cancelled), threads are joined; what can never drain is named in the log and evicted: its wait ends with
    // MachineExit. Idempotent; a second caller waits for the first.
    // Throws TimedOut when draining took too long: the machine is then halting and still there.
    // CONTEXT: a task that may sleep and is not one of the machine's own (DeadlockError).
    void halt(HaltPending pending = HaltPending::drain, Nanoseconds deadline = kForever);
    bool halted() const noexcept { return domain_.state.load() >= DomainState::halted; }

    Domain& domain() noexcept { return domain_; }
    Rcu& rcu() noexcept { return rcu_; }
    Softirqs& softirqs() noexcept { return *softirqs_; }
    Tasklets& tasklets() noexcept { return *tasklets_; }
    IrqController& irqs() noexcept { return *irqs_; }
    TimerSubsystem& timers() noexcept { return *timers_; }
    WorkqueueSubsystem& workqueues() noexcept { return *workqueues_; }
    UserTasks& tasks() noexcept { return user_tasks_; }
    const std::string& name() const noexcept { return domain_.name; }

    // A CPU goes away (Linux: cpu_down, CPU hotplug): its timers and what is bound to it go elsewhere; items that are
    // queued for it, now or later, run as those of an unbound workqueue, in their order. CPU 0 stays. Idempotent.
    // On the host a CPU is an exclusion domain and no processor: threads that count as running on it go on doing so,
    // its workers leave it before their next item.
    // CONTEXT: a task that may sleep, not on that CPU. Throws InvalidArgument.
    void cpu_down(int cpu);
    void cpu_up(int cpu);

    // The caller sleeps by an exact deadline of the substrate. (Linux has no like; msleep goes by the wheel.)
    WaitResult sleep(Nanoseconds duration, const char* kind = "sleep");
    // Simulated: at that instant handler(arg) runs in hard-interrupt context on the CPU: a device. What it raised is
    // served on the way out. Throws Unsupported on the host. CONTEXT: any.
    void at(Nanoseconds when, unsigned cpu, void (*handler)(void*), void* arg);
    // The simulated substrate below; throws Unsupported, naming the call, on the host.
    SimulatedSubstrate& simulated(const char* call);
    // Is nothing queued, running or armed? The pools' own timers, which send surplus workers home, do not count.
    bool idle();
    // Simulated: runs until nothing happens any more but that (true), or until the instant (false). CONTEXT: init.
    bool run_until_idle(Nanoseconds limit = kForever);

private:
    bool looks_idle();
    std::uint64_t turns() const;
    void stop_sources();

    Domain domain_;
    Rcu rcu_{domain_};
    std::unique_ptr<Softirqs> softirqs_;
    std::unique_ptr<Tasklets> tasklets_;
    std::unique_ptr<IrqController> irqs_;
    std::unique_ptr<TimerSubsystem> timers_;
    std::unique_ptr<WorkqueueSubsystem> workqueues_;
    UserTasks user_tasks_{domain_};
    struct External {
        Machine* machine;
        void (*handler)(void*);
        void* arg;
    };
    static void external_interrupt(Domain& domain, unsigned cpu, void* external);
    Atomic<bool> sources_stopped_{false};
    std::map<External*, std::unique_ptr<External>> externals_;  // by at(), not yet due; the machine's own thread
    Mutex halt_mutex_;
    Mutex hotplug_mutex_;  // outside everything but halt_mutex_
};

}  // namespace bottomhalf
