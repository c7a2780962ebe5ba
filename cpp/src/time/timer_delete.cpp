// Setting up, deleting and shutting down: what knows a timer and nothing else.
#include "timer_base.hpp"

namespace bottomhalf {

namespace {

enum class Shutdown : bool { no, yes };

// Runs fn(base, running) with the timer's base locked; fn is not called when the timer has no base.
template <class F>
bool with_base(Timer& timer, F&& fn) {
    for (;;) {
        const std::uint32_t slot = timer.base.load();
        if (slot == 0) return false;
        if (slot == kMigrating) {
            spin_pause();
            continue;
        }
        TimerBaseRef base(slot);
        if (!base) return false;  // its machine is gone, and detached it
        RawGuard guard(base->lock);
        if (timer.base.load() != slot) continue;
        fn(*base);
        return true;
    }
}

// 1: was pending; 0: was not; -1: its callback runs (and nothing was done, unless `forced`).
int take(Timer& timer, bool even_running, Shutdown shutdown) {
    int result = 0;
    const bool bound = with_base(timer, [&](TimerSubsystem::Base& base) {
        if (base.running == &timer && !even_running) {
            if (shutdown == Shutdown::yes) timer.function = nullptr;
            result = -1;
            return;
        }
        if (timer.node.pending()) {
            base.detach(timer);
            result = 1;
        }
        if (shutdown == Shutdown::yes) timer.function = nullptr;
    });
    if (!bound && shutdown == Shutdown::yes) timer.function = nullptr;
    return result;
}

bool take_sync(Timer& timer, Task& self, Nanoseconds deadline, Shutdown shutdown, const char* call) {
    if (preempt::in_hardirq(self.preempt_count) && (timer.flags & kTimerIrqsafe) == 0)
        throw MisuseError("delete-sync-in-hardirq", std::string(call) + " in a hard interrupt handler may wait for the very "
                                                    "softirq it interrupted; use timer_delete(), or move it to a work item");
    bool was_pending = false, own = false, has_base = false;
    auto attempt = [&]() -> bool {
        bool done = true;
        with_base(timer, [&](TimerSubsystem::Base& base) {
            has_base = true;
            if (timer.node.pending()) {
                base.detach(timer);
                was_pending = true;
            }
            own = base.running == &timer && base.runner == &self;
            done = base.running != &timer;
            if (shutdown == Shutdown::yes) timer.function = nullptr;
        });
        if (!has_base && shutdown == Shutdown::yes) timer.function = nullptr;
        return done;
    };
    if (attempt()) return was_pending;
    if (own)
        throw DeadlockError(std::string(call) + " called from the timer's own callback: it would wait for itself; use "
                                                "timer_delete()");
    TimerBaseRef base(timer.base.load());
    if (!base) return was_pending;
    if (self.preempt_count != 0 || self.irqs_off != 0) {
        // Cannot sleep here: as Linux does, it spins until the callback is over.
        while (!attempt()) base->domain.substrate->relax(self);
        return was_pending;
    }
    struct Waiting {
        TimerSubsystem::Base& base;
        explicit Waiting(TimerSubsystem::Base& b) : base(b) {
            RawGuard guard(base.lock);
            ++base.waiting;
        }
        ~Waiting() {
            RawGuard guard(base.lock);
            --base.waiting;
        }
    } waiting(*base);
    throw_unless_ok(base->waiters.wait(self, attempt, deadline, call), call);
    return was_pending;
}

}  // namespace

void timer_setup(Timer& timer, void (*function)(Timer*), std::uint32_t flags) {
    if ((flags & ~kTimerFlags) != 0)
        throw MisuseError("timer-flags", "timer_setup: flags hold bits that are no timer flags");
    timer.node = WheelNode{};
    timer.expires = 0;
    timer.function = function;
    timer.flags = flags;
}

bool timer_delete(Timer& timer) { return take(timer, true, Shutdown::no) == 1; }
int try_to_del_timer(Timer& timer) { return take(timer, false, Shutdown::no); }
bool timer_delete_sync(Timer& timer, Task& self, Nanoseconds deadline) {
    return take_sync(timer, self, deadline, Shutdown::no, "timer_delete_sync");
}
bool timer_shutdown(Timer& timer) { return take(timer, true, Shutdown::yes) == 1; }
bool timer_shutdown_sync(Timer& timer, Task& self, Nanoseconds deadline) {
    return take_sync(timer, self, deadline, Shutdown::yes, "timer_shutdown_sync");
}

}  // namespace bottomhalf
