// Setting up, deleting and shutting down: what knows a timer and nothing else.
#include "timer_base.hpp"

namespace bottomhalf {

namespace {

using Base = TimerSubsystem::Base;

enum class Shutdown : bool { no, yes };

// Runs fn(base) with the timer's base locked, and returns its slot. For a timer that is bound to none fn is not called
// and 0 is returned; with Shutdown::yes its function is cleared then, as fn is to do otherwise.
template <class F>
std::uint32_t with_base(Timer& timer, Shutdown shutdown, F&& fn) {
    for (;;) {
        std::uint32_t slot = timer.base.load();
        if (slot == kMigrating) {
            spin_pause();
            continue;
        }
        // A base of the caller's own machine cannot go away under this call.
        const Task* task = current_task();
        const Domain* domain = task != nullptr ? task->domain.load(std::memory_order_relaxed) : nullptr;
        Base* mine = domain != nullptr && domain->timers != nullptr ? domain->timers->base_at(slot) : nullptr;
        if (mine != nullptr) {
            RawGuard guard(mine->lock);
            if (timer.base.load(std::memory_order_relaxed) != slot) continue;
            fn(*mine);
            return slot;
        }
        TimerBaseRef base(slot);
        if (base) {
            RawGuard guard(base->lock);
            if (timer.base.load() != slot) continue;
            fn(*base);
            return slot;
        }
        // Never armed, or its machine is gone and detached it.
        if (shutdown == Shutdown::no) return 0;
        if (!timer.base.compare_exchange(slot, kMigrating)) continue;
        timer.function = nullptr;
        timer.base.store(0);
        return 0;
    }
}

bool take(Timer& timer, Shutdown shutdown) {
    bool was_pending = false;
    with_base(timer, shutdown, [&](Base& base) {
        was_pending = timer.node.pending();
        if (was_pending) base.detach(timer);
        if (shutdown == Shutdown::yes) timer.function = nullptr;
    });
    return was_pending;
}

class Waiting {
public:
    explicit Waiting(Base& base) : base_(base) {
        RawGuard guard(base_.lock);
        ++base_.waiting;
    }
    ~Waiting() {
        RawGuard guard(base_.lock);
        --base_.waiting;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

private:
    Base& base_;
};

bool take_sync(Timer& timer, Task& self, Nanoseconds deadline, Shutdown shutdown, const char* call) {
    if (preempt::in_hardirq(self.preempt_count) && (timer_flags(timer) & kTimerIrqsafe) == 0)
        throw MisuseError("delete-sync-in-hardirq", std::string(call) +
                                                        " in a hard interrupt handler may wait for the very softirq it "
                                                        "interrupted; use timer_delete(), or move it to a work item");
    explore_point();
    bool was_pending = false, running = false, own = false;
    const auto attempt = [&](Base& base) {
        running = base.running == &timer;
        own = running && base.runner == &self;
        if (own) return;
        if (timer.node.pending()) {
            base.detach(timer);
            was_pending = true;
        }
        if (shutdown == Shutdown::yes) timer.function = nullptr;
    };
    struct Ordered {
        const Timer& timer;
        const bool& running;
        ~Ordered() {
            if (!running) order_acquire(&timer, Handover::end);
        }
    } ordered{timer, running};
    for (;;) {
        running = false;
        const std::uint32_t slot = with_base(timer, shutdown, attempt);
        if (own)
            throw DeadlockError(std::string(call) +
                                " called from the timer's own callback: it would wait for itself; use timer_delete()");
        if (!running) return was_pending;
        TimerBaseRef base(slot);
        if (!base) continue;
        Domain& domain = *self.domain.load(std::memory_order_relaxed);
        if (self.preempt_count != 0 || self.irqs_off != 0) {
            // Cannot sleep here: as Linux does, it spins until the callback is over.
            domain.substrate->relax(self);
            continue;
        }
        Waiting waiting(*base);
        throw_unless_ok(base->waiters.wait(
                            self,
                            [&] {
                                RawGuard guard(base->lock);
                                return base->running != &timer;
                            },
                            deadline, call),
                        call);
    }
}

}  // namespace

void timer_setup(Timer& timer, void (*function)(Timer*), std::uint32_t flags) {
    if ((flags & ~kTimerFlags) != 0)
        throw MisuseError("timer-flags",
                          "timer_setup: flags hold bits that are no timer flags; allowed are deferrable "
                          "0x80000, pinned 0x100000 and irqsafe 0x200000");
    timer.node = WheelNode{};
    timer.expires = 0;
    timer.function = function;
    timer.flags = flags;
    timer.base.store(0);
    const Task* task = current_task();
    Domain* domain = task == nullptr ? nullptr : task->domain.load(std::memory_order_relaxed);
    if (domain == nullptr || !domain->trace.enabled()) return;
    domain->trace.forget(&timer);
    trace_timer(*domain, static_cast<unsigned>(task->cpu.load(std::memory_order_relaxed)), "timer_init", timer);
}

bool timer_take(Timer& timer) { return take(timer, Shutdown::no); }
bool timer_delete(Timer& timer) {
    explore_point();
    return take(timer, Shutdown::no);
}
bool timer_shutdown(Timer& timer) {
    explore_point();
    return take(timer, Shutdown::yes);
}

int try_to_del_timer(Timer& timer) {
    explore_point();
    int result = 0;
    with_base(timer, Shutdown::no, [&](Base& base) {
        if (base.running == &timer) {
            result = -1;
        } else if (timer.node.pending()) {
            base.detach(timer);
            result = 1;
        }
    });
    return result;
}

bool timer_delete_sync(Timer& timer, Task& self, Nanoseconds deadline) {
    return take_sync(timer, self, deadline, Shutdown::no, "timer_delete_sync");
}
bool timer_shutdown_sync(Timer& timer, Task& self, Nanoseconds deadline) {
    return take_sync(timer, self, deadline, Shutdown::yes, "timer_shutdown_sync");
}

}  // namespace bottomhalf
