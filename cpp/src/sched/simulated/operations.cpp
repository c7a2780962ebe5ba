// What a task asks of the machine: the interface of Substrate.
#include <algorithm>
#include <utility>

#include "border.hpp"
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/base/thread_number.hpp"
#include "bottomhalf/sched/simulated/factory.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"
#if BOTTOMHALF_HOST
#include "bottomhalf/sched/host/stall_watch.hpp"
#endif

namespace bottomhalf {

namespace {
// Offers of the CPU in a row, and nothing else, from which on a task counts as polling. Arbitrary: an item or two offer
// their CPU without meaning it.
constexpr std::uint64_t kPatience = 16;

std::shared_ptr<stall_watch::Shown> shown_by_this_thread() {
#if BOTTOMHALF_HOST
    return stall_watch::begin();
#else
    return nullptr;
#endif
}

// A wait that wake() does not end.
struct Deaf {
    explicit Deaf(Strand& s) noexcept : strand(s) { strand.wait.deaf = true; }
    ~Deaf() { strand.wait.deaf = false; }
    Strand& strand;
};
}  // namespace

std::unique_ptr<Substrate> make_simulated_substrate(Domain& domain) {
    return std::make_unique<SimulatedSubstrate>(domain);
}

SimulatedSubstrate::SimulatedSubstrate(Domain& domain)
    : domain_(domain), thread_(thread_number()), shown_(shown_by_this_thread()), cpus_(domain.nr_cpus) {
    domain.simulated = true;
    g_simulated_machines.fetch_add(1u);
}

SimulatedSubstrate::~SimulatedSubstrate() {
    InSimulator inside;
    // On another thread the fibers cannot be entered: their frames stay as they are.
    const bool own = is_own_thread();
    if (own) unwind(false);
    for (VirtualCpu& cpu : cpus_)
        if (cpu.swapper != nullptr) delete cpu.swapper->task;
    g_simulated_machines.fetch_sub(1u);
#if BOTTOMHALF_HOST
    if (own) shown_->turn_to(nullptr);
    stall_watch::end(*shown_);
#endif
}

bool SimulatedSubstrate::executes(const Task& task) const noexcept {
    return thread_ == thread_number() && executing_ != nullptr && executing_->task == &task &&
           cpus_[executing_->cpu].holder == executing_;
}

bool SimulatedSubstrate::is_own_thread() const noexcept { return thread_ == thread_number(); }

void SimulatedSubstrate::check_thread(const char* call) const {
    if (thread_ == thread_number()) [[likely]]
        return;
    throw WrongThread(std::string(call) + ": the simulated machine '" + domain_.name +
                      "' belongs to the thread that booted it; call it from there, or boot another one here");
}

Strand& SimulatedSubstrate::enter(Task& self) {
    check_thread(self.name);
    auto* me = static_cast<Strand*>(self.substrate_data);
    if (me == nullptr || me != executing_)
        throw WrongThread(std::string("task ") + self.name + " of the simulated machine '" + domain_.name +
                          "' was called for while task " + (executing_ != nullptr ? executing_->task->name : "(none)") +
                          " executes; a task can wait, burn or yield for itself only");
    // Init goes where it says it is.
    const auto cpu = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
    if (me->home != kCpuUnbound && cpu != me->cpu && cpu < cpus_.size() && preemptible(*me) && reaper_ == nullptr) {
        leave_cpu(*me, Left::blocked);
        me->home = static_cast<int>(cpu);
        make_ready(*me);
        reschedule(*me);
    }
    return *me;
}

Strand& SimulatedSubstrate::new_strand(Task& task) {
    auto strand = std::make_unique<Strand>();
    Strand& s = *strand;
    s.task = &task;
    s.machine = this;
    s.id = next_id_++;
    s.current = &task;
    s.home = task.bound_cpu;
    s.cpu = task.bound_cpu == kCpuUnbound ? 0 : static_cast<unsigned>(task.bound_cpu);
    if (task.bound_cpu == kCpuUnbound && task.limits != nullptr) {
        s.cpu = task.limits->preferred.first();
        ++limited_;
        look_adrift(s);
    }
    strands_.emplace(s.id, std::move(strand));
    task.substrate_data = &s;
    return s;
}

void SimulatedSubstrate::start(Task& task) {
    InSimulator inside;
    check_thread("start");
    Strand& strand = new_strand(task);
    if (task.entry == &SimulatedSubstrate::swapper_main) {
        strand.swapper = strand.wait.deaf = true;
        strand.state = Strand::State::blocked;
        return;
    }
    ++counters_.started;
    ++progress_;
    make_ready(strand);
}

void SimulatedSubstrate::start_dormant(Task& task) {
    InSimulator inside;
    check_thread("start");
    Strand& strand = new_strand(task);
    ++counters_.started;
    strand.state = Strand::State::blocked;
    strand.dormant = true;
    task.state.store(TaskState::idle);
    if (strand.home != kCpuUnbound) return;
    // Where it would have gone to sleep: the CPUs are idle at boot, and each gets one.
    strand.cpu = dormant_unbound_++ % domain_.nr_cpus;
    task.cpu.store(static_cast<int>(strand.cpu));
}

bool SimulatedSubstrate::dormant(const Task& task) const noexcept {
    const auto* strand = static_cast<const Strand*>(task.substrate_data);
    return strand != nullptr && strand->dormant;
}

void SimulatedSubstrate::adopt(Task& task) {
    InSimulator inside;
    check_thread("call");
    Strand& strand = new_strand(task);
    strand.fiber = new Fiber;
    strand.home = 0;
    task.cpu.store(0);
    if (cpus_[0].holder != nullptr) displace(*cpus_[0].holder, false, Left::wakeup);
    give_cpu(strand, 0);
    strand.state = Strand::State::executing;
    init_ = executing_ = &strand;
}

void SimulatedSubstrate::release(Task& task) {
    InSimulator inside;
    auto* strand = static_cast<Strand*>(task.substrate_data);
    if (strand == nullptr) return;
    task.substrate_data = nullptr;
    events_.remove(strand->alarm);
    if (strand->state == Strand::State::ready) {
        queue_of(*strand).remove(*strand);
        --ready_;
    }
    leave_cpu(*strand, Left::ended);
    if (executing_ == strand) executing_ = nullptr;
    if (init_ == strand) init_ = nullptr;
    delete strand->fiber;
    strands_.erase(strand->id);
}

void SimulatedSubstrate::wait_for_end(Strand& me, Strand& other) {
    struct Joining {
        Strand &me, &other;
        const char* before;
        ~Joining() {
            other.joiner = nullptr;
            me.task->wait_kind.store(before, std::memory_order_relaxed);
        }
    } joining{me, other, me.task->wait_kind.exchange("join", std::memory_order_relaxed)};
    Deaf deaf(me);
    while (other.state != Strand::State::ended) {
        other.joiner = &me;
        leave_cpu(me, Left::blocked);
        me.state = Strand::State::blocked;
        reschedule(me);
    }
}

void SimulatedSubstrate::join(Task& task) {
    InSimulator inside;
    check_thread("join");
    auto* other = static_cast<Strand*>(task.substrate_data);
    if (other == nullptr) return;
    if (other->dormant) {
        other->state = Strand::State::ended;
        task.state.store(TaskState::dead);
    }
    if (other->state != Strand::State::ended) {
        if (reaper_ != nullptr) throw MachineExit{};
        if (executing_ == nullptr) {
            InProgram outside;
            domain_.self();
        }
        if (other == executing_) throw DeadlockError(std::string("join: task ") + task.name + " would wait for itself");
        wait_for_end(enter(*executing_->task), *other);
    }
    other->end_seen.load(std::memory_order_acquire);
    task.substrate_data = nullptr;
    strands_.erase(other->id);
}

Wake SimulatedSubstrate::block(Task& self, Nanoseconds deadline) {
    InSimulator inside;
    Strand& me = enter(self);
    if (self.exiting.load(std::memory_order_relaxed)) {
        if (me.exit_told && reaper_ != nullptr && std::uncaught_exceptions() == 0) throw MachineExit{};
        // A task that waits again and again instead of leaving lets the others get on with the halt.
        if (me.exit_told && reaper_ == nullptr) pause(me);
        me.exit_told = true;
        return Wake::exit;
    }
    me.exit_told = false;
    if (self.permit.exchange(0) != 0) return Wake::woken;
    me.wait.timed_out = me.wait.interrupted = false;
    me.wait.interruptible = self.interrupter != nullptr;
    me.wait.deadline = deadline == kForever ? kForever : std::max(deadline, now_);
    if (preemptible(me)) {
        leave_cpu(me, Left::blocked);
        me.state = Strand::State::blocked;
    } else {
        me.state = Strand::State::spinning;
    }
    if (me.wait.deadline != kForever) me.alarm = events_.add(me.wait.deadline, Turn::deadline, {&me});
    reschedule(me);
    events_.remove(me.alarm);
    me.wait.interruptible = false;
    ++progress_;
    if (self.exiting.load(std::memory_order_relaxed)) {
        me.exit_told = true;
        return Wake::exit;
    }
    if (self.permit.exchange(0) != 0) return Wake::woken;
    if (me.wait.interrupted) return Wake::interrupted;
    return me.wait.timed_out ? Wake::timeout : Wake::woken;
}

void SimulatedSubstrate::wake(Task& task) noexcept {
    InSimulator inside;
    task.permit.store(1);
    auto* strand = static_cast<Strand*>(task.substrate_data);
    if (strand == nullptr || strand->wait.deaf) return;
    if (strand->state == Strand::State::blocked) {
        // The wake-up is what starts it, and is used up by that.
        if (std::exchange(strand->dormant, false)) task.permit.store(0);
        make_ready(*strand);
    } else if (strand->state == Strand::State::spinning)
        make_dispatched(*strand);
}

// Time passes; whoever waits for the CPU may have it meanwhile.
void SimulatedSubstrate::pause(Strand& me) {
    if (!preemptible(me) || best_waiting(me.cpu) == nullptr) return burn_for(me, kRelaxCost);
    Deaf deaf(me);
    leave_cpu(me, Left::burn);
    me.state = Strand::State::blocked;
    me.alarm = events_.add(now_ + kRelaxCost, Turn::deadline, {&me});
    reschedule(me);
}

// RETURNS: what to throw when it was one turn too many, or null.
std::exception_ptr SimulatedSubstrate::count_spin(const Strand& me) {
    if (progress_ != progress_seen_) {
        progress_seen_ = progress_;
        spins_ = 0;
    }
    if (++spins_ <= max_spins_) return nullptr;
    spins_ = 0;
    return std::make_exception_ptr(
        BudgetExceeded("livelock: " + describe_task(*me.task) + " polls: " + std::to_string(max_spins_) +
                       " turns of cpu_relax() or cond_resched() in a row, and nothing else happened meanwhile (at " +
                       std::to_string(now_) + " ns); what it waits for must be done by a task that can run"));
}

void SimulatedSubstrate::relax(Task& self) {
    InSimulator inside;
    Strand& me = enter(self);
    if (reaper_ != nullptr) throw MachineExit{};
    if (auto livelock = count_spin(me)) std::rethrow_exception(livelock);
    schedule_->polls(self);
    pause(me);
}

void SimulatedSubstrate::yield(Task& self) {
    InSimulator inside;
    Strand& me = enter(self);
    if (reaper_ != nullptr) throw MachineExit{};
    // Offers are made by loops of the engine, which an exception must not tear: init has it.
    if (auto livelock = count_spin(me)) report(livelock);
    if (spins_ > kPatience) schedule_->polls(self);
    const Strand* waiting = best_waiting(me.cpu);
    if (preemptible(me) && waiting != nullptr && waiting->task->nice <= self.nice) {
        leave_cpu(me, Left::yield);
        make_ready(me);
    } else {
        make_dispatched(me);
    }
    gave_way_ = &me;
    reschedule(me);
}

void SimulatedSubstrate::burn(Task& self, Nanoseconds duration) {
    InSimulator inside;
    Strand& me = enter(self);
    if (duration <= 0 || reaper_ != nullptr) return;
    ++progress_;
    const Domain::Hooks& hooks = domain_.hooks;
    while (duration > 0) {
        const Nanoseconds piece =
            hooks.burnt == nullptr ? duration : std::min(duration, hooks.burn_until_tick(domain_, self));
        burn_for(me, piece);
        duration -= piece;
        if (hooks.burnt == nullptr) continue;
        // Its locks may be held by a task that was preempted.
        const InProgram outside;
        hooks.burnt(domain_, self, piece);
    }
}

void SimulatedSubstrate::burn_for(Strand& me, Nanoseconds duration) {
    me.wait.burn_left = duration;
    while (me.wait.burn_left > 0) {
        begin_burn(me);
        reschedule(me);
    }
}

void SimulatedSubstrate::preemption_point(Task& self) {
    ++counters_.points;
    InSimulator inside;
    Strand& me = enter(self);
    if (reaper_ != nullptr) return;
    if (gives_way(me)) {
        gave_way_ = &me;
        displace(me, false, Left::point);
    } else if (lets_others_go(me)) {
        gave_way_ = &me;
        kept_cpu_ = &me;
        make_dispatched(me);
    } else if (preemptible(me) && (interrupts_ != 0 || events_.next() <= now_)) {
        // Goes on first when the interrupts are served.
        me.since = {};
        me.state = Strand::State::dispatched;
    } else {
        return;
    }
    reschedule(me);
}

void SimulatedSubstrate::set_clock_event(unsigned cpu, Nanoseconds when) noexcept {
    InSimulator inside;
    SimKey& clock = cpus_[cpu].clock;
    events_.remove(clock);
    if (clock_stopped_ || when == kForever) return;
    clock = events_.add(std::max(when, now_), Turn::clock_event, {nullptr, cpu});
}

void SimulatedSubstrate::stop_clock() {
    InSimulator inside;
    check_thread("stop_clock");
    clock_stopped_ = true;
    for (VirtualCpu& cpu : cpus_) {
        events_.remove(cpu.clock);
        interrupts_ -= std::erase_if(cpu.interrupts, [](const Interrupt& i) { return i.fn == nullptr; });
    }
}

void SimulatedSubstrate::close() {
    InSimulator inside;
    check_thread("close");
    if (reaper_ == nullptr) unwind(true);
}

void SimulatedSubstrate::at(Nanoseconds when, unsigned cpu, void (*fn)(Domain&, unsigned, void*), void* arg) {
    InSimulator inside;
    check_thread("at");
    events_.add(std::max(when, now_), Turn::hard_irq, {nullptr, cpu, fn, arg});
}

bool SimulatedSubstrate::run(Run kind, Nanoseconds limit, const char* call) {
    check_thread(call);
    Task& self = domain_.self();
    InSimulator inside;
    Strand& me = enter(self);
    if (&me != init_)
        throw Unsupported(std::string(call) + ": only the thread that booted the machine can run it, not " +
                          describe_task(self));
    might_sleep(self, call);
    if (domain_.access_order != nullptr) domain_.access_order->stopped_world(self);
    struct Running {
        Run& runs;
        ~Running() { runs = Run::no; }
    } running{init_runs_ = kind};
    run_limit_ = limit;
    Deaf deaf(me);
    me.wait.timed_out = false;
    leave_cpu(me, Left::blocked);
    me.state = Strand::State::blocked;
    reschedule(me);
    if (domain_.access_order != nullptr) domain_.access_order->stopped_world(self);
    return !me.wait.timed_out;
}

void SimulatedSubstrate::run_until(Nanoseconds when) {
    if (when >= now_) run(Run::until_instant, when, "run_until");
}

bool SimulatedSubstrate::run_until_idle(Nanoseconds limit, std::function<bool()> background) {
    background_ = std::move(background);
    return run(Run::until_idle, std::max(limit, now_), "run_until_idle");
}

void SimulatedSubstrate::run_until_quiet(Nanoseconds horizon) {
    run_quiet_ = horizon;
    run(Run::until_quiet, kForever, "run_until_quiet");
}

bool SimulatedSubstrate::run_one_instant() {
    init_jumped_ = false;
    run(Run::one_instant, kForever, "run_one_instant");
    return init_jumped_;
}

}  // namespace bottomhalf
