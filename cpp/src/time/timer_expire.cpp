// The timer softirq, and the end of all timers.
#include <cstdio>

#include "timer_base.hpp"

namespace bottomhalf {

namespace {

// Interrupts off around the callbacks of irqsafe timers.
class IrqsOff {
public:
    explicit IrqsOff(Task& self) noexcept : self_(self) {}
    ~IrqsOff() { set(false); }
    IrqsOff(const IrqsOff&) = delete;
    IrqsOff& operator=(const IrqsOff&) = delete;
    bool off() const noexcept { return off_; }
    void set(bool off) {
        if (off == off_) return;
        off ? local_irq_save(self_) : local_irq_restore(self_);
        off_ = off;
    }

private:
    Task& self_;
    bool off_ = false;
};

// Linux restores the count too. What a spin lock left behind holds the CPU against bound workers, so that goes as well.
void mend_preempt_leak(Task& self, std::uint32_t before) {
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    char text[80];
    std::snprintf(text, sizeof text, "timer: callback preempt leak: %08x -> %08x", before, self.preempt_count);
    domain.log.write(domain.now(), LogLevel::warning, text);
    if (self.preempt_count > before && self.preempt_count - before <= preempt::kPreemptMask)
        while (self.preempt_count != before) preempt_enable(self);
    self.preempt_count = before;
}

}  // namespace

void TimerSubsystem::run(unsigned cpu, Task& self, GatePass& pass) {
    for (unsigned kind = 0; kind < kBaseKinds; ++kind) run_base(*bases_[cpu * kBaseKinds + kind], self, pass);
    program(cpu);
}

// The CPU's bottom halves are the caller's, so no other task expires this base meanwhile.
void TimerSubsystem::run_base(Base& base, Task& self, GatePass& pass) {
    const Jiffies now = domain_.jiffies();
    IrqsOff irqs(self);
    base.lock.lock();
    for (;;) {
        while (base.due_next < base.due_end && base.due[base.due_next] == nullptr) ++base.due_next;
        if (base.due_next == base.due_end) {
            base.due_next = 0;
            base.due_end = base.stopped ? 0 : base.wheel.collect(now, base.due);
            if (base.due_end == 0) break;
            continue;
        }
        // What the callback needs is got without the base's lock, and while the timer is still pending: it takes long,
        // and whoever has it may be about to delete this very timer. Interrupts go off before a gate is passed.
        const Timer& timer = *timer_of(base.due[base.due_next]);
        Gate* const gate = gate_of(timer.function);
        const bool irqsafe = (timer_flags(timer) & kTimerIrqsafe) != 0;
        if (gate != nullptr && !self.may_gate) {
            base.lock.unlock();
            domain_.softirqs->raise_pending(Softirq::timer, base.cpu);  // for ksoftirqd, who goes on from here
            return;
        }
        if (irqs.off() != irqsafe || pass.held() != gate) {
            base.lock.unlock();
            if (irqs.off() != irqsafe) {
                pass.want(nullptr);
                irqs.set(irqsafe);
            }
            if (pass.held() != gate) pass.want(gate);
            base.lock.lock();
            continue;
        }
        expire(base, self);
        // Only now: the interrupts that come in here may delete the timer and wait for its callback.
        irqs.set(false);
        if (gate != nullptr) pass.want(gate);  // gives way to whoever asks for it
        base.lock.lock();
    }
    base.lock.unlock();
}

void TimerSubsystem::order_begin(const Timer& timer, void (*function)(Timer*), Task& self) {
    order_acquire(&timer);
    order_acquire(&timer, Handover::end);
    domain_.access_order->name_handler(self, "timer " + describe_callback(gate_of(function), &timer));
}

// Runs the next due timer's callback. CONTEXT: the base's lock is held, and given up.
void TimerSubsystem::expire(Base& base, Task& self) {
    Timer* const timer = timer_of(base.wheel.pop(base.due[base.due_next]));
    auto* const function = timer->function;
    base.left(*timer);
    base.running = timer;
    base.running_function = function;
    base.runner = &self;
    // The timer may be gone when its callback returns, and another be at its address.
    const std::uint32_t number = domain_.trace.enabled() ? domain_.trace.id_of(timer) : 0;
    if (number != 0) [[unlikely]]
        BH_TRACE(domain_, base.cpu, self, "timer_expire_entry", "timer=m%u now=%llu function=f%u baseclk=%llu", number,
                 static_cast<unsigned long long>(domain_.jiffies()),
                 domain_.trace.id_of(reinterpret_cast<void*>(function)),
                 static_cast<unsigned long long>(base.wheel.clk() - 1));
    base.lock.unlock();
    // Also when the callback is unwound by the machine's end.
    struct Over {
        Base& base;
        AccessOrder* order;
        Task& self;
        const Timer* timer;  // may be gone
        ~Over() {
            if (order != nullptr) [[unlikely]]
                order->release_end_if_begun(self, timer);
            RawGuard guard(base.lock);
            base.running = nullptr;
            base.runner = nullptr;
            if (base.waiting != 0) base.waiters.wake_now();
        }
    } over{base, domain_.access_order.get(), self, timer};
    const std::uint32_t before = self.preempt_count;
    if (domain_.access_order != nullptr) [[unlikely]]
        order_begin(*timer, function, self);
    try {
        function(timer);
    } catch (const ModuleExit&) {
    } catch (const std::exception& e) {
        domain_.log.write(domain_.now(), LogLevel::err, std::string("timer: exception left the callback: ") + e.what());
    }
    if (self.preempt_count != before) [[unlikely]]
        mend_preempt_leak(self, before);
    if (number != 0) [[unlikely]]
        BH_TRACE(domain_, base.cpu, self, "timer_expire_exit", "timer=m%u", number);
}

std::size_t TimerSubsystem::cancel_all(const std::function<void(Timer*)>& visit) {
    struct Taken {
        Timer* timer;
        Gate* gate;
    };
    std::vector<Taken> taken;
    stop();
    for (auto& base : bases_) {
        RawGuard guard(base->lock);
        auto take = [&](WheelNode*& list) {
            while (list != nullptr) {
                Timer* timer = timer_of(base->wheel.pop(list));
                base->left(*timer);
                taken.push_back({timer, gate_of(timer->function)});
            }
        };
        for (unsigned i = base->due_next; i < base->due_end; ++i) take(base->due[i]);
        std::array<WheelNode*, TimerWheel::kLevels> lists;
        while (const unsigned n = base->wheel.collect(TimerWheel::kNever - 1, lists))
            for (unsigned i = 0; i < n; ++i) take(lists[i]);
    }
    for (const Taken& t : taken) {
        visit(t.timer);
        if (t.gate != nullptr) t.gate->dropped(t.timer);
    }
    return taken.size();
}

}  // namespace bottomhalf
