#include "bottomhalf/time/timer.hpp"

#include <cstdio>

#include "timer_base.hpp"

namespace bottomhalf {

namespace {
constexpr unsigned kPinnedBase = 0, kGlobalBase = 1, kDeferrableBase = 2, kBases = 3;
// A deferrable timer waits for other timers; on the host, where nothing ticks, for a second at most.
constexpr unsigned kDeferSeconds = 1;

int bucket(const Timer& timer) noexcept { return static_cast<int>(timer.flags >> 22); }
void set_bucket(Timer& timer, unsigned b) noexcept { timer.flags = (timer.flags & 0x3fffff) | b << 22; }
Timer* timer_of(WheelNode* node) noexcept { return container_of(node, &Timer::node); }
void set_link(WheelNode& node, WheelNode** link) noexcept { __atomic_store_n(&node.link, link, __ATOMIC_RELAXED); }
}  // namespace

TimerSubsystem::TimerSubsystem(Domain& domain) : domain_(domain) {
    for (unsigned i = 0; i < domain.nr_cpus * kBases; ++i) {
        bases_.push_back(std::make_unique<Base>(domain, i / kBases, domain.hz));
        if (i % kBases == 0) programmed_.push_back(std::make_unique<Atomic<Jiffies>>(TimerWheel::kNever));
    }
    first_slot_ = timer_table_add(bases_);
    domain.timers = this;
}

TimerSubsystem::~TimerSubsystem() {
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

// The timer interrupt of a CPU.
void TimerSubsystem::clock_event(Domain& domain, unsigned cpu) {
    Task& self = domain.self();
    domain.timers->programmed_[cpu]->store(TimerWheel::kNever);
    int saved_cpu = 0;
    if (!try_hardirq_enter(self, cpu, saved_cpu)) {
        domain.softirqs->raise(Softirq::timer, cpu);
        return;
    }
    domain.softirqs->raise_pending(Softirq::timer, cpu);
    hardirq_exit(self, saved_cpu);
}

TimerSubsystem::Base& TimerSubsystem::base_for(const Timer& timer, unsigned cpu) noexcept {
    const unsigned kind = (timer.flags & kTimerDeferrable) != 0 ? kDeferrableBase
                          : (timer.flags & kTimerPinned) != 0   ? kPinnedBase
                                                                : kGlobalBase;
    return *bases_[cpu * kBases + kind];
}

// Under no lock. When the CPU's next tick is earlier than what its clock is set for, sets it.
void TimerSubsystem::program(unsigned cpu) noexcept {
    Jiffies next = TimerWheel::kNever;
    for (unsigned kind = 0; kind < kBases; ++kind) {
        Base& base = *bases_[cpu * kBases + kind];
        RawGuard guard(base.lock);
        Jiffies tick = base.wheel.next_expiry();
        if (tick == TimerWheel::kNever) continue;
        if (kind == kDeferrableBase) tick += kDeferSeconds * domain_.hz;
        next = std::min(next, tick);
    }
    if (next == TimerWheel::kNever) return;
    Atomic<Jiffies>& programmed = *programmed_[cpu];
    Jiffies before = programmed.load();
    while (next < before)
        if (programmed.compare_exchange_weak(before, next)) {
            domain_.substrate->set_clock_event(cpu, jiffies_to_ns(next, domain_.hz));
            return;
        }
}

// The base the timer is bound to, locked; null while it has none.
TimerSubsystem::Base* TimerSubsystem::lock_base(Timer& timer) {
    for (;;) {
        const std::uint32_t slot = timer.base.load();
        if (slot == 0) return nullptr;
        if (slot == kMigrating) {
            spin_pause();
            continue;
        }
        // A base of this machine cannot go away under this call; another machine's is pinned.
        if (slot - first_slot_ < bases_.size()) {
            Base& base = *bases_[slot - first_slot_];
            base.lock.lock();
            if (timer.base.load() == slot) return &base;
            base.lock.unlock();
            continue;
        }
        TimerBaseRef ref(slot);
        if (!ref) {
            // Its machine is gone, and took it out of the wheel: it is bound to nothing.
            std::uint32_t stale = slot;
            timer.base.compare_exchange(stale, 0);
            continue;
        }
        ref->lock.lock();
        const bool ours = timer.base.load() == slot;
        const bool busy = ours && (timer.node.pending() || ref->running == &timer);
        if (ours && !busy) {
            timer.base.store(0);
            ref->lock.unlock();
            continue;
        }
        const std::string other = ref->domain.name;
        ref->lock.unlock();
        if (busy)
            throw InvalidArgument("timer is armed or running on machine '" + other + "' and cannot be armed on machine '" +
                                  domain_.name + "' meanwhile; delete_sync() it there first");
    }
}

bool TimerSubsystem::arm(Timer& timer, Jiffies expires, int cpu_named, Mode mode) {
    const Jiffies now = domain_.jiffies();
    const auto cpu = cpu_named == kAnyCpu
                         ? static_cast<unsigned>(domain_.self().cpu.load(std::memory_order_relaxed))
                         : static_cast<unsigned>(cpu_named);
    Base* target = &base_for(timer, cpu);
    if (cpu_named != kAnyCpu && (timer.flags & kTimerDeferrable) == 0) target = bases_[cpu * kBases + kPinnedBase].get();
    Base* base = lock_base(timer);
    while (base == nullptr) {
        std::uint32_t none = 0;
        if (timer.base.compare_exchange(none, target->slot)) {
            target->lock.lock();
            if (timer.base.load() == target->slot) {
                base = target;
                break;
            }
            target->lock.unlock();
        }
        base = lock_base(timer);
    }
    const bool pending = timer.node.pending();
    bool refused = timer.function == nullptr || (mode == Mode::pending_only && !pending) || base->stopped;
    if (mode == Mode::reduce && pending && !time_before(expires, timer.expires)) refused = true;
    if (refused) {
        base->lock.unlock();
        return pending;
    }
    if (pending && base == target) {
        base->wheel.forward(now);
        Jiffies fires;
        // The same bucket: only what was asked for changes.
        if (static_cast<int>(base->wheel.bucket_of(expires, fires)) == bucket(timer) && fires >= now && base->expiring == 0) {
            timer.expires = expires;
            base->lock.unlock();
            return true;
        }
    }
    if (pending) base->detach(timer);
    // A timer whose callback runs stays where it is: so it never runs beside itself.
    if (base != target && base->running != &timer) {
        timer.base.store(kMigrating);
        base->lock.unlock();
        base = target;
        base->lock.lock();
        timer.base.store(base->slot);
        if (base->stopped) {
            base->lock.unlock();
            return pending;
        }
    }
    const std::uint64_t traced = domain_.trace.enabled() ? 1 : 0;
    const Jiffies before = base->wheel.next_expiry();
    base->wheel.forward(now);
    Jiffies fires;
    const unsigned b = base->wheel.bucket_of(expires, fires);
    timer.expires = expires;
    set_bucket(timer, b);
    base->wheel.enqueue(timer.node, b, fires);
    if (gate_of(timer.function) != nullptr) domain_.softirqs->count_gated(Softirq::timer, base->cpu, 1);
    const bool earlier = base->wheel.next_expiry() < before;
    const unsigned base_cpu = base->cpu;
    if (traced) [[unlikely]] {
        Task& self = domain_.self();
        BH_TRACE(domain_, base_cpu, self, "timer_start",
                 "timer=m%u function=f%u expires=%llu bucket_expiry=%llu now=%llu flags=0x%x", domain_.trace.id_of(&timer),
                 domain_.trace.id_of(reinterpret_cast<void*>(timer.function)), static_cast<unsigned long long>(expires),
                 static_cast<unsigned long long>(fires), static_cast<unsigned long long>(now), timer.flags & kTimerFlags);
    }
    base->lock.unlock();
    if (earlier) program(base_cpu);
    return pending;
}

void TimerSubsystem::run(unsigned cpu, Task& self, GatePass& pass) {
    for (unsigned kind = 0; kind < kBases; ++kind) run_base(*bases_[cpu * kBases + kind], self, pass);
    program(cpu);
}

void TimerSubsystem::run_base(Base& base, Task& self, GatePass& pass) {
    base.lock.lock();
    std::array<WheelNode*, TimerWheel::kLevels> lists;
    const Jiffies now = domain_.jiffies();
    while (const unsigned n = base.wheel.collect(now, lists)) {
        // The lists stay reachable for deleters: their heads are this array, and each node knows what points to it.
        for (unsigned i = 0; i < n; ++i) lists[i]->link = &lists[i];
        base.expiring = n;
        for (unsigned i = 0; i < n; ++i) {
            while (lists[i] != nullptr) expire(base, lists[i], self, pass);
            base.expiring -= 1;
        }
    }
    base.lock.unlock();
}

// Under the base's lock, which is let go while the callback runs.
void TimerSubsystem::expire(Base& base, WheelNode*& list, Task& self, GatePass& pass) {
    Timer* timer = timer_of(list);
    auto* const function = timer->function;
    Gate* const gate = gate_of(function);
    if (gate != pass.held()) {
        // Waiting for a gate takes long: the timer stays pending, and can be deleted, meanwhile.
        base.lock.unlock();
        pass.want(gate);
        base.lock.lock();
        return;
    }
    list = timer->node.next;
    if (list != nullptr) list->link = &list;
    set_link(timer->node, nullptr);
    base.wheel.expired();
    base.running = timer;
    base.runner = &self;
    if (gate != nullptr) domain_.softirqs->count_gated(Softirq::timer, base.cpu, -1);
    const bool irqsafe = (timer->flags & kTimerIrqsafe) != 0;
    const std::uint32_t number = domain_.trace.enabled() ? domain_.trace.id_of(timer) : 0;
    if (number != 0) [[unlikely]]
        BH_TRACE(domain_, base.cpu, self, "timer_expire_entry", "timer=m%u now=%llu function=f%u baseclk=%llu", number,
                 static_cast<unsigned long long>(domain_.jiffies()),
                 domain_.trace.id_of(reinterpret_cast<void*>(function)),
                 static_cast<unsigned long long>(base.wheel.clk() - 1));
    base.lock.unlock();
    const std::uint32_t before = self.preempt_count;
    if (irqsafe) local_irq_save(self);
    try {
        function(timer);
    } catch (const std::exception& e) {
        domain_.log.write(domain_.now(), LogLevel::err, std::string("timer: exception left the callback: ") + e.what());
    }
    if (irqsafe) local_irq_restore(self);
    if (self.preempt_count != before) {
        char text[120];
        std::snprintf(text, sizeof text, "timer: preempt leak: %08x -> %08x", before, self.preempt_count);
        domain_.log.write(domain_.now(), LogLevel::warning, text);
        self.preempt_count = before;
    }
    if (number != 0) [[unlikely]]
        BH_TRACE(domain_, base.cpu, self, "timer_expire_exit", "timer=m%u", number);
    base.lock.lock();
    base.running = nullptr;
    base.runner = nullptr;
    if (base.waiting != 0) base.waiters.wake_all();
}

std::size_t TimerSubsystem::armed() const {
    std::size_t n = 0;
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        n += base->wheel.size();
    }
    return n;
}

Jiffies TimerSubsystem::next_expiry() const {
    Jiffies next = TimerWheel::kNever;
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        next = std::min(next, base->wheel.next_expiry());
    }
    return next;
}

std::size_t TimerSubsystem::cancel_all(const std::function<void(Timer*)>& visit) {
    std::vector<Timer*> taken;
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        base->stopped = true;
        std::array<WheelNode*, TimerWheel::kLevels> lists;
        while (const unsigned n = base->wheel.collect(TimerWheel::kNever - 1, lists))
            for (unsigned i = 0; i < n; ++i)
                for (WheelNode* node = lists[i]; node != nullptr;) {
                    Timer* timer = timer_of(node);
                    node = node->next;
                    set_link(timer->node, nullptr);
                    base->wheel.expired();
                    if (gate_of(timer->function) != nullptr)
                        domain_.softirqs->count_gated(Softirq::timer, base->cpu, -1);
                    taken.push_back(timer);
                }
    }
    for (Timer* timer : taken) {
        visit(timer);
        if (Gate* gate = gate_of(timer->function)) gate->dropped(timer);
    }
    return taken.size();
}

}  // namespace bottomhalf
