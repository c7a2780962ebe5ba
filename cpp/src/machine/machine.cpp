#include "bottomhalf/machine/machine.hpp"

#include "bottomhalf/sched/simulated/substrate.hpp"
#if BOTTOMHALF_HOST
#include "bottomhalf/sched/host/factory.hpp"
#endif

namespace bottomhalf {

namespace {

Atomic<unsigned> g_names{0};  // numbers machines for their names; nothing depends on it

std::string name_of(const MachineOptions& o) {
    if (!o.name.empty()) return o.name;
    return (o.simulated ? "simulated" : "host") + std::to_string(g_names.fetch_add(1u));
}

unsigned cpus_of(const MachineOptions& o) {
    if (o.cpus > kMaxCpus)
        throw InvalidArgument("cpus=" + std::to_string(o.cpus) + " is out of range: allowed are 1 to " +
                              std::to_string(kMaxCpus));
    if (o.topology != nullptr) {
        if (!o.simulated)
            throw InvalidArgument("topology is for simulated machines: that of a host machine is read from the system");
        if (o.cpus != 0 && o.cpus != o.topology->cpus())
            throw InvalidArgument("cpus=" + std::to_string(o.cpus) + ", but the topology has " +
                                  std::to_string(o.topology->cpus()) + "; leave cpus out");
        return o.topology->cpus();
    }
    if (o.cpus != 0) return o.cpus;
    if (o.simulated) return 4;
#if BOTTOMHALF_HOST
    return host_cpus();
#else
    return 1;
#endif
}

unsigned hz_of(const MachineOptions& o) {
    if (o.hz < 10 || o.hz > 100000)
        throw InvalidArgument("hz=" + std::to_string(o.hz) + " is out of range: allowed are 10 to 100000");
    return o.hz;
}

}  // namespace

Machine::Machine(const MachineOptions& o) : domain_(name_of(o), cpus_of(o), hz_of(o)) {
    if (!o.simulated && (o.schedule || o.voluntary))
        throw InvalidArgument("schedule and voluntary are for simulated machines: the system schedules real threads");
    if (o.simulated && o.detection != Detection::automatic && o.detection != Detection::hooks)
        throw InvalidArgument(std::string("detection='") + detection_name(o.detection) +
                              "' is for host machines: on a simulated one every sleep says so; leave it at 'auto'");
    if (o.simulated) {
        auto substrate = std::make_unique<SimulatedSubstrate>(domain_);
        substrate->set_voluntary(o.voluntary);
        domain_.substrate = std::move(substrate);
        domain_.lock_graph = std::make_unique<LockGraph>();
        if (o.topology != nullptr) domain_.topology = *o.topology;
    } else {
#if BOTTOMHALF_HOST
        domain_.substrate = make_host_substrate(domain_);
        domain_.topology = host_topology(domain_.nr_cpus);
#else
        throw Unsupported("this build has no host machines (BOTTOMHALF_HOST=OFF): pass simulated=true");
#endif
    }
    if (o.trace) domain_.trace.start();
    domain_.machine = this;
    softirqs_ = std::make_unique<Softirqs>(domain_);
    tasklets_ = std::make_unique<Tasklets>(domain_);
    irqs_ = std::make_unique<IrqController>(domain_);
    timers_ = std::make_unique<TimerSubsystem>(domain_);
    workqueues_ = std::make_unique<WorkqueueSubsystem>(domain_, o.detection, o.power_efficient);
    domain_.self();
    try {
        domain_.substrate->start_clock();
        softirqs_->start();
        timers_->start();
        workqueues_->start();
    } catch (...) {
        workqueues_->stop();
        domain_.substrate->stop_clock();
        softirqs_->stop();
        throw;
    }
    domain_.state.store(DomainState::running);
    if (auto schedule = o.schedule ? o.schedule() : nullptr) {
        simulated("boot").set_schedule(std::move(schedule));
    }
}

Machine::~Machine() {
    if (domain_.state.load() == DomainState::forked) {
        // The parent's threads hold locks and counts here that nobody will ever give back: nothing is touched.
        workqueues_.release();
        timers_.release();
        irqs_.release();
        tasklets_.release();
        softirqs_.release();
        domain_.substrate.release();
        new std::shared_ptr<void>(std::move(domain_.kernel_side_owner));
        return;
    }
    try {
        halt(HaltPending::cancel);
    } catch (const Error&) {
        std::terminate();  // destroyed by one of its own tasks: a bug that must not go on
    }
    // It holds workqueues.
    domain_.kernel_side.store(nullptr);
    domain_.kernel_side_owner.reset();
}

void Machine::stop_sources() {
    if (sources_stopped_.exchange(true)) return;
    workqueues_->watchdog().stop_timer();
    irqs_->stop();
    domain_.substrate->stop_clock();
    const std::size_t armed = timers_->cancel_all([this](Timer* timer) {
        if (timer->function != delayed_work_timer_fn) return;
        DelayedWork* dwork = container_of(timer, &DelayedWork::timer);
        domain_.log.write(domain_.now(), LogLevel::info,
                          "machine halt: cancelled delayed " +
                              describe_function(domain_, &dwork->work, dwork->work.func) + " of workqueue '" +
                              dwork->wq->name() + "'");
        abandon_delayed_work(*dwork);
    });
    rcu_.stop([this](RcuHead* head) {
        if (abandon_rcu_work(*head))
            domain_.log.write(domain_.now(), LogLevel::info, "machine halt: cancelled an item before its grace period");
    });
    if (armed != 0)
        domain_.log.write(domain_.now(), LogLevel::info,
                          "machine halt: " + std::to_string(armed) + " armed timers and delayed items cancelled");
}

void Machine::halt(HaltPending pending, Nanoseconds deadline) {
    if (domain_.state.load() == DomainState::forked) return;
    if (halted()) return;
    Task& self = domain_.self();
    if (!self.adopted)
        throw DeadlockError("halt: called from " + describe_task(self) + ", a task of machine '" + domain_.name +
                            "' itself, which halt() would wait for; halt it from outside");
    might_sleep(self, "halt");
    try {
        throw_unless_ok(halt_mutex_.lock(self, deadline), "halt");
    } catch (const MachineExit&) {
        // Let go by the halt that it waits for, which is nearly through.
        while (!halted()) domain_.substrate->relax(self);
        return;
    }
    struct Unlock {
        Mutex& mutex;
        Task& self;
        ~Unlock() {
            if (mutex.locked()) mutex.unlock(self);
        }
    } unlock{halt_mutex_, self};
    if (halted()) return;
    DomainState running = DomainState::running;
    domain_.state.compare_exchange(running, DomainState::halting);
    if (pending == HaltPending::cancel) domain_.cancelling.store(true);
    workqueues_->refuse_all(true);
    stop_sources();
    if (pending == HaltPending::drain && !workqueues_->drain_all(self, deadline)) {
        if (domain_.now() >= deadline) throw TimedOut("halt: the queues did not drain within the time limit");
        for (auto& item : workqueues_->running_items())
            domain_.log.write(domain_.now(), LogLevel::warning, "machine halt: never ends by itself, evicted: " + item);
    }
    domain_.cancelling.store(true);
    workqueues_->refuse_all(false);
    workqueues_->cancel_all(true);
    // Whoever still waits for something of this machine, its own tasks and foreign threads, is let go.
    domain_.evict_waiters(&self);
    user_tasks_.stop_all();
    // Requests that were on their way when the sources stopped.
    softirqs_->stop();
    tasklets_->drop_all();
    workqueues_->stop();
    domain_.substrate->close();
    domain_.state.store(DomainState::halted);
}

WaitResult Machine::sleep(Nanoseconds duration, const char* kind) {
    domain_.require_alive();
    Task& self = domain_.self();
    const Nanoseconds until = duration == kForever ? kForever : domain_.now() + duration;
    do {
        if (task_sleep(self, until, kind) == Wake::interrupted) return WaitResult::interrupted;
    } while (domain_.now() < until);
    return WaitResult::ok;
}

SimulatedSubstrate& Machine::simulated(const char* call) {
    if (!domain_.substrate->simulated())
        throw Unsupported(std::string(call) + ": needs virtual time; machine '" + domain_.name +
                          "' is a host machine: boot one with simulated=True");
    return static_cast<SimulatedSubstrate&>(*domain_.substrate);
}

void Machine::at(Nanoseconds when, unsigned cpu, void (*handler)(void*), void* arg) {
    auto external = std::make_unique<External>(External{this, handler, arg});
    simulated("at").at(when, cpu, &external_interrupt, external.get());
    order_release(external.get());
    externals_.emplace(external.get(), std::move(external));
}

void Machine::external_interrupt(Domain& domain, unsigned cpu, void* data) {
    Machine& machine = *static_cast<External*>(data)->machine;
    Task& self = domain.self();
    int saved_cpu = 0;
    if (!machine.sources_stopped_.load() && !try_hardirq_enter(self, cpu, saved_cpu)) {
        // A task of another CPU runs an interrupt "on" this one: the device's waits until that is over.
        machine.simulated("at").at(domain.now() + SimulatedSubstrate::kRelaxCost, cpu, &external_interrupt, data);
        return;
    }
    const auto external = machine.externals_.extract(static_cast<External*>(data));
    if (machine.sources_stopped_.load()) return;
    order_acquire(data);
    order_forget(data);
    {
        GatePass pass(self);
        pass.want(gate_of(external.mapped()->handler));
        if (domain.access_order != nullptr) domain.access_order->name_handler(self, "device");
        external.mapped()->handler(external.mapped()->arg);
    }
    hardirq_exit(self, saved_cpu);
}

bool Machine::looks_idle() {
    if (timers_->armed() > workqueues_->idle_timers() || rcu_.pending()) return false;
    for (auto& cpu : domain_.cpus)
        // A callback whose timer is armed no longer, a tasklet, a handler: what they queue is not there yet.
        if (cpu->irq_owner.load() != nullptr || cpu->bh_owner.load() != nullptr || softirqs_->pending(cpu->id) != 0)
            return false;
    for (auto& wq : workqueues_->workqueues())
        if (wq->in_flight() != 0) return false;
    return true;
}

// What has come to its end or begun so far, and would do so again before it could escape two looks.
std::uint64_t Machine::turns() const {
    std::uint64_t turns = workqueues_->completed();
    for (unsigned cpu = 0; cpu < domain_.nr_cpus; ++cpu)
        for (unsigned nr = 0; nr < kNrSoftirqs; ++nr) turns += softirqs_->count(cpu, static_cast<Softirq>(nr));
    return turns;
}

// One look is no snapshot: an item that runs while the timers are looked at arms one, and is over when the items are.
bool Machine::idle() {
    const std::uint64_t before = turns();
    return looks_idle() && looks_idle() && turns() == before;
}

bool Machine::run_until_idle(Nanoseconds limit) {
    return simulated("run").run_until_idle(limit, [this] { return timers_->armed() <= workqueues_->idle_timers(); });
}

}  // namespace bottomhalf
