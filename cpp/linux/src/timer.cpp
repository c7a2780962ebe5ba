// <linux/timer.h> and the clocks of <linux/jiffies.h>, <linux/timekeeping.h>.
#include <ctime>

#include "glue.hpp"
#include "workqueue.hpp"

namespace bottomhalf::linux_api {

namespace {

TimerSubsystem& timers() { return *here().timers; }

// Linux ignores the second add_timer() of a pending timer; and one that was shut down stays so.
bool may_add(const Timer& timer, const char* call) {
    if (!timer_pending(timer)) return true;
    warn_once(here(), call, std::string(call) + ": the timer is pending already");
    return false;
}

// What the _sync forms do where the caller would wait for itself: Linux hangs there; here the call ends.
template <class F>
int waiting(const char* call, F&& f) {
    return as_linux(call, 0, [&]() -> int { return f(me()) ? 1 : 0; });
}

Jiffies rounded(unsigned long j, bool up) {
    Domain& domain = here();
    return round_jiffies(j, static_cast<unsigned>(me().cpu.load()), domain.jiffies(), domain.hz, up);
}
Jiffies rounded_delta(unsigned long delta, bool up) {
    const Jiffies now = here().jiffies();
    return rounded(now + delta, up) - now;
}

}  // namespace

extern "C" {

void bh_linux_timer_setup(Timer* timer, void (*function)(Timer*), unsigned flags) {
    if ((flags & ~kTimerFlags) != 0 && current_task() != nullptr) {
        warn_once(here(), "timer_setup", "timer_setup: unknown flags");
        flags &= kTimerFlags;
    }
    take_back_before_init(timer);
    new (timer) Timer;
    timer_setup(*timer, function, flags);
}
bool bh_linux_timer_pending(const Timer* timer) {
    poll();
    return timer_pending(*timer);
}
void bh_linux_add_timer(Timer* timer) {
    if (may_add(*timer, "add_timer")) as_linux("add_timer", [&] { timers().mod(*timer, timer->expires); });
}
void bh_linux_add_timer_local(Timer* timer) {
    if (!may_add(*timer, "add_timer_local")) return;
    timer->flags |= kTimerPinned;
    as_linux("add_timer_local", [&] { timers().mod(*timer, timer->expires); });
}
void bh_linux_add_timer_global(Timer* timer) {
    if (!may_add(*timer, "add_timer_global")) return;
    timer->flags &= ~kTimerPinned;
    as_linux("add_timer_global", [&] { timers().mod(*timer, timer->expires); });
}
void bh_linux_add_timer_on(Timer* timer, int cpu) {
    if (!may_add(*timer, "add_timer_on")) return;
    as_linux("add_timer_on", [&] { timers().add_on(*timer, timer->expires, here().check_cpu(cpu, "cpu")); });
}
int bh_linux_mod_timer(Timer* timer, unsigned long expires) {
    return as_linux("mod_timer", 0, [&]() -> int { return timers().mod(*timer, expires) ? 1 : 0; });
}
int bh_linux_mod_timer_pending(Timer* timer, unsigned long expires) {
    return as_linux("mod_timer_pending", 0, [&]() -> int { return timers().mod_pending(*timer, expires) ? 1 : 0; });
}
int bh_linux_timer_reduce(Timer* timer, unsigned long expires) {
    return as_linux("timer_reduce", 0, [&]() -> int { return timers().reduce(*timer, expires) ? 1 : 0; });
}
int bh_linux_timer_delete(Timer* timer) { return timer_delete(*timer) ? 1 : 0; }
int bh_linux_timer_delete_sync(Timer* timer) {
    return waiting("timer_delete_sync", [&](Task& self) { return timer_delete_sync(*timer, self); });
}
int bh_linux_try_to_del_timer_sync(Timer* timer) { return try_to_del_timer(*timer); }
int bh_linux_timer_shutdown(Timer* timer) { return timer_shutdown(*timer) ? 1 : 0; }
int bh_linux_timer_shutdown_sync(Timer* timer) {
    return waiting("timer_shutdown_sync", [&](Task& self) { return timer_shutdown_sync(*timer, self); });
}

unsigned long bh_linux_jiffies() {
    Domain& domain = here();
    if (domain.simulated) domain.substrate->relax(me());  // a loop that polls the clock lets others run
    return domain.jiffies();
}
unsigned long bh_linux_round_jiffies(unsigned long j) { return rounded(j, false); }
unsigned long bh_linux_round_jiffies_up(unsigned long j) { return rounded(j, true); }
unsigned long bh_linux_round_jiffies_relative(unsigned long j) { return rounded_delta(j, false); }
unsigned long bh_linux_round_jiffies_up_relative(unsigned long j) { return rounded_delta(j, true); }

std::int64_t bh_linux_ktime_get() { return here().now(); }
// On a simulated machine the same in every run: the wall clock began with the machine.
std::int64_t bh_linux_ktime_get_real() {
    Domain& domain = here();
    if (domain.simulated) return domain.now();
    timespec now{};
    std::timespec_get(&now, TIME_UTC);
    return static_cast<std::int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
