// Arming, and the clock events that follow from it.
#include "bottomhalf/time/timer.hpp"

#include "sched/running_task.hpp"
#include "timer_base.hpp"

namespace bottomhalf {

namespace {
// How long an idle CPU's deferrable timers may wait for something else to wake it (arbitrary).
constexpr unsigned kDeferSeconds = 1;
}  // namespace

TimerSubsystem::TimerSubsystem(Domain& domain) : domain_(domain) {
    for (unsigned cpu = 0; cpu < domain.nr_cpus; ++cpu) {
        for (unsigned kind = 0; kind < kBaseKinds; ++kind)
            bases_.push_back(std::make_unique<Base>(domain, cpu, static_cast<BaseKind>(kind)));
        per_cpu_.push_back(std::make_unique<PerCpu>());
    }
    first_slot_ = timer_table_add(bases_);
    domain.timers = this;
}

TimerSubsystem::~TimerSubsystem() {
    // Whatever is armed still points into the wheels.
    cancel_all([](Timer*) {});
    domain_.hooks.clock_event = nullptr;
    timer_table_remove(first_slot_, bases_.size());
    domain_.timers = nullptr;
}

void TimerSubsystem::start() {
    domain_.softirqs->open(
        Softirq::timer,
        [](Domain&, unsigned cpu, Task& self, GatePass& pass, void* arg) {
            static_cast<TimerSubsystem*>(arg)->run(cpu, self, pass);
        },
        this);
    domain_.hooks.clock_event = clock_event;
}

void TimerSubsystem::stop() noexcept {
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        base->stopped = true;
    }
}

// The timer interrupt of a CPU.
void TimerSubsystem::clock_event(Domain& domain, unsigned cpu) {
    TimerSubsystem& timers = *domain.timers;
    {
        RawGuard guard(timers.per_cpu_[cpu]->lock);
        timers.per_cpu_[cpu]->programmed.store(TimerWheel::kNever);
    }
    // From here on whoever arms a timer sets the event again; what was armed before is seen here or by the softirq.
    if (!timers.due(cpu, domain.jiffies())) {
        timers.program(cpu);  // the timer it was set for was deleted or moved
        return;
    }
    Task& self = domain.self();
    int saved_cpu = 0;
    if (!try_hardirq_enter(self, cpu, saved_cpu)) {
        domain.softirqs->raise(Softirq::timer, cpu);
        return;
    }
    domain.softirqs->raise(Softirq::timer, cpu, self);
    hardirq_exit(self, saved_cpu);
}

bool TimerSubsystem::due(unsigned cpu, Jiffies now) noexcept {
    for (unsigned kind = 0; kind < kBaseKinds; ++kind) {
        Base& base = *bases_[cpu * kBaseKinds + kind];
        RawGuard guard(base.lock);
        if (base.due_end != 0 || base.wheel.next_expiry() <= now) return true;
    }
    return false;
}

// When the CPU's next tick is earlier than what its clock event is set for, sets it. CONTEXT: no base locked.
void TimerSubsystem::program(unsigned cpu) noexcept {
    PerCpu& mine = *per_cpu_[cpu];
    // Held until the clock is set: of two that program, the later one in time must not be the last to speak.
    RawGuard guard(mine.lock);
    Jiffies next = TimerWheel::kNever;
    for (unsigned kind = 0; kind < kBaseKinds; ++kind) {
        Base& base = *bases_[cpu * kBaseKinds + kind];
        RawGuard base_guard(base.lock);
        Jiffies tick = base.wheel.next_expiry();
        if (tick == TimerWheel::kNever || base.stopped) continue;
        if (base.kind == BaseKind::deferrable) tick += kDeferSeconds * domain_.hz;
        if (tick < next) next = tick;
    }
    if (next >= mine.programmed.load(std::memory_order_relaxed)) return;
    mine.programmed.store(next);
    domain_.substrate->set_clock_event(cpu, jiffies_to_ns(next, domain_.hz));
}

TimerSubsystem::Base& TimerSubsystem::base_for(const Timer& timer, unsigned cpu, bool named) noexcept {
    const std::uint32_t flags = timer_flags(timer);
    const BaseKind kind = (flags & kTimerDeferrable) != 0        ? BaseKind::deferrable
                          : named || (flags & kTimerPinned) != 0 ? BaseKind::pinned
                                                                 : BaseKind::global;
    return *bases_[cpu * kBaseKinds + static_cast<unsigned>(kind)];
}

// The base the timer is bound to, locked; an unbound timer is bound to target.
TimerSubsystem::Base& TimerSubsystem::lock_base(Timer& timer, Base& target) {
    for (;;) {
        std::uint32_t slot = timer.base.load(std::memory_order_relaxed);
        // A base of this machine cannot go away under this call. The base's lock orders the rest.
        if (slot - first_slot_ < bases_.size()) [[likely]] {
            Base& base = *bases_[slot - first_slot_];
            base.lock.lock();
            if (timer.base.load(std::memory_order_relaxed) == slot) [[likely]]
                return base;
            base.lock.unlock();
        } else if (slot == 0) {
            timer.base.compare_exchange(slot, target.slot);
        } else if (slot == kMigrating) {
            spin_pause();
        } else {
            leave_foreign(timer, slot);
        }
    }
}

std::string TimerSubsystem::busy_elsewhere(const Timer& timer) const {
    const std::uint32_t slot = timer.base.load();
    if (slot == 0 || slot == kMigrating || slot - first_slot_ < bases_.size()) return {};
    TimerBaseRef base(slot);
    if (!base) return {};
    RawGuard guard(base->lock);
    const bool busy = timer.base.load() == slot && (timer.node.pending() || base->running == &timer);
    return busy ? base->domain.name : std::string();
}

// Unbinds the timer from a base of another machine, dead or alive.
void TimerSubsystem::leave_foreign(Timer& timer, std::uint32_t slot) const {
    std::string busy_on;
    {
        TimerBaseRef base(slot);
        if (!base) {
            // Its machine is gone, and took it out of the wheel.
            timer.base.compare_exchange(slot, 0);
            return;
        }
        RawGuard guard(base->lock);
        if (timer.base.load() != slot) return;
        if (!timer.node.pending() && base->running != &timer) {
            timer.base.store(0);
            return;
        }
        busy_on = base->domain.name;
    }
    throw InvalidArgument("timer is armed or running on machine '" + busy_on + "' and cannot be armed on machine '" +
                          domain_.name + "' meanwhile; delete_sync() it there first");
}

void TimerSubsystem::enqueue(Base& base, Timer& timer, Jiffies expires, unsigned bucket, Jiffies fires) noexcept {
    timer.expires = expires;
    set_timer_bucket(timer, bucket);
    base.wheel.enqueue(timer.node, bucket, fires);
    if (gate_of(timer.function) != nullptr) domain_.softirqs->count_gated(Softirq::timer, base.cpu, 1);
    if (domain_.trace.enabled()) [[unlikely]]
        trace_start(base, timer, fires);
}

// The commonest of all, in as few instructions as it takes (the processor fetches only as many far timers at once as
// fit into its window of instructions): a pending timer moves within the base it belongs to, and stays behind the
// timer that fires next, so that neither the clock nor the clock event matters: whoever made that one the next has set
// the event, or looks at this base before it does. False: nothing was done.
[[gnu::noinline]] bool TimerSubsystem::rearm_here(Timer& timer, Jiffies expires) noexcept {
    // They come while the lock, which lets no later access begin, is taken.
    __builtin_prefetch(&timer, 1);
    __builtin_prefetch(&timer.base, 1);
    const Task* task = running_task();
    if (task == nullptr || task->domain.load(std::memory_order_relaxed) != &domain_ || domain_.trace.enabled())
        [[unlikely]]
        return false;
    const auto cpu = static_cast<unsigned>(task->cpu.load(std::memory_order_relaxed));
    Base& base = *bases_[cpu * kBaseKinds + static_cast<unsigned>(BaseKind::global)];
    if (!base.lock.try_lock()) [[unlikely]]
        return false;
    unsigned bucket = 0, left = TimerWheel::kNone;
    Jiffies fires = 0;
    // Bound to this base and pending: it is neither pinned nor deferrable, and the base is not offline.
    const bool here = timer.base.load(std::memory_order_relaxed) == base.slot && timer.node.pending() &&
                      !base.stopped && base.due_end == 0 && expires != timer.expires &&
                      base.wheel.settled_bucket_of(expires, bucket, fires);
    if (here) [[likely]] {
        timer.expires = expires;
        // Else it hangs where it should.
        if (set_timer_bucket(timer, bucket)) left = base.wheel.move(timer.node, bucket);
    }
    if (left != TimerWheel::kNone) [[unlikely]]
        return rearm_here_slow(base, left);
    base.lock.unlock();
    return here;
}

// The rest of it, apart, so that the usual case saves no registers for a call.
bool TimerSubsystem::rearm_here_slow(Base& base, unsigned bucket) noexcept {
    base.wheel.emptied(bucket);
    base.lock.unlock();
    return true;
}

bool TimerSubsystem::arm(Timer& timer, Jiffies expires, int cpu_named, Mode mode) {
    const bool named = cpu_named != kAnyCpu;
    const unsigned cpu =
        domain_.online_cpu(named ? domain_.check_cpu(cpu_named, "cpu")
                                 : static_cast<unsigned>(domain_.self().cpu.load(std::memory_order_relaxed)));
    Base& target = base_for(timer, cpu, named);
    Base* base = &lock_base(timer, target);
    const bool pending = timer.node.pending();
    if (timer.function == nullptr || base->stopped || (!pending && mode == Mode::pending_only) ||
        (pending && mode == Mode::reduce && !time_before(expires, timer.expires)) ||
        (pending && !named && expires == timer.expires)) {
        base->lock.unlock();
        return pending;
    }
    Jiffies now = 0, fires = 0;  // 0: the clock was not read
    unsigned bucket = 0;
    bool placed = false;
    const auto place = [&] {
        // The first timer of an idle wheel, a short one, one near the border of two levels: the present decides. And a
        // deferrable base may be overdue.
        if (now != 0 || base->kind == BaseKind::deferrable || !base->wheel.settled_bucket_of(expires, bucket, fires))
            [[unlikely]] {
            if (now == 0) now = domain_.jiffies();
            base->wheel.forward(now);
            bucket = base->wheel.bucket_of(expires, fires);
        }
        placed = true;
    };
    if (pending) {
        if (base == &target && base->due_end == 0) {
            place();
            if (bucket == timer_bucket(timer)) {  // it hangs where it should: only what was asked for changes
                timer.expires = expires;
                base->lock.unlock();
                return true;
            }
        }
        base->detach(timer);
    }
    // A timer whose callback runs stays where it is: so it never runs beside itself.
    if (base != &target && base->running != &timer) {
        timer.base.store(kMigrating);
        base->lock.unlock();
        base = &target;
        base->lock.lock();
        timer.base.store(base->slot);
        if (base->stopped) {
            base->lock.unlock();
            return pending;
        }
        placed = false;
    }
    if (base->offline) [[unlikely]] {
        // Its CPU has gone since the look above.
        base->lock.unlock();
        return arm(timer, expires, cpu_named, Mode::mod) || pending;
    }
    // Without this timer the wheel may be able to come nearer to the present.
    if (!placed || now != 0) place();
    enqueue(*base, timer, expires, bucket, fires);
    const unsigned base_cpu = base->cpu;
    const Jiffies tick = base->kind == BaseKind::deferrable ? fires + kDeferSeconds * domain_.hz : fires;
    // Under the base's lock: a clock event that has forgotten what it was set for has still to look at this base.
    const bool earlier = tick < per_cpu_[base_cpu]->programmed.load(std::memory_order_relaxed);
    base->lock.unlock();
    if (earlier) program(base_cpu);
    return pending;
}

void TimerSubsystem::trace_start(Base& base, Timer& timer, Jiffies fires) noexcept {
    const TraceCaller caller;
    const auto number = [](Jiffies j) { return static_cast<unsigned long long>(j); };
    domain_.trace.emit(domain_.now(), static_cast<int>(base.cpu), caller.context, caller.name, "timer_start",
                       "timer=m%u function=f%u expires=%llu bucket_expiry=%llu now=%llu flags=0x%x",
                       domain_.trace.id_of(&timer), domain_.trace.id_of(reinterpret_cast<void*>(timer.function)),
                       number(timer.expires), number(fires), number(domain_.jiffies()),
                       timer_flags(timer) & kTimerFlags);
}

std::size_t TimerSubsystem::armed() const {
    std::size_t n = 0;
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        n += base->wheel.size();
    }
    return n;
}

std::vector<TimerSubsystem::Busy> TimerSubsystem::busy(const std::function<bool(const Busy&)>& wanted) const {
    std::vector<Busy> found;
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        const auto add = [&](const Busy& busy) {
            if (wanted(busy)) found.push_back(busy);
        };
        const auto add_armed = [&](WheelNode& node) { add({timer_of(&node), timer_of(&node)->function, false}); };
        base->wheel.for_each(add_armed);
        for (unsigned i = base->due_next; i < base->due_end; ++i)
            for (WheelNode* node = base->due[i]; node != nullptr; node = node->next) add_armed(*node);
        if (base->running != nullptr) add({const_cast<Timer*>(base->running), base->running_function, true});
    }
    return found;
}

Jiffies TimerSubsystem::next_expiry() const {
    Jiffies next = TimerWheel::kNever;
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        const Jiffies tick = base->due_end != 0 ? base->wheel.clk() - 1 : base->wheel.next_expiry();
        if (tick < next) next = tick;
    }
    return next;
}

}  // namespace bottomhalf
