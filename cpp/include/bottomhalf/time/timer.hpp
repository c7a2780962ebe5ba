// Timers (Linux: struct timer_list): 40 bytes, intrusive, by the wheel, fired in TIMER_SOFTIRQ.
//
// A CPU has three bases: pinned, global and deferrable, served in this order. A timer is detached before its callback
// runs, so the callback may re-arm or free it; it never runs beside itself.
// Fields of Timer: B: under the lock of its base; a timer is bound to the base it was armed on last.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bottomhalf/interrupt/softirq.hpp"
#include "bottomhalf/sync/wait_queue.hpp"
#include "bottomhalf/time/wheel.hpp"

namespace bottomhalf {

// Linux's values.
inline constexpr std::uint32_t kTimerDeferrable = 0x80000;  // waits for the CPU to be busy anyway
inline constexpr std::uint32_t kTimerPinned = 0x100000;
inline constexpr std::uint32_t kTimerIrqsafe = 0x200000;    // the callback runs with interrupts off
inline constexpr std::uint32_t kTimerFlags = kTimerDeferrable | kTimerPinned | kTimerIrqsafe;

struct Timer {
    WheelNode node;                       // B
    Jiffies expires = 0;                  // B: what was asked for
    void (*function)(Timer*) = nullptr;   // B: null after shutdown
    std::uint32_t flags = 0;              // I: kTimerFlags; upper 10 bits, B: bucket
    Atomic<std::uint32_t> base{0};        // A: slot of the base, 0: never armed
};
static_assert(sizeof(Timer) == 40);

// Linux: timer_setup. The timer must not be pending. Throws MisuseError("timer-flags") for unknown flags.
void timer_setup(Timer& timer, void (*function)(Timer*), std::uint32_t flags = 0);
// Linux: timer_pending. False inside its own callback. CONTEXT: any; a hint.
inline bool timer_pending(const Timer& timer) noexcept {
    return __atomic_load_n(const_cast<WheelNode***>(&timer.node.link), __ATOMIC_RELAXED) != nullptr;
}
// Linux: timer_delete. True when it was pending; does not wait for a running callback. CONTEXT: any.
bool timer_delete(Timer& timer);
// Linux: try_to_del_timer_sync. -1 while the callback runs, else 0 or 1. CONTEXT: any.
int try_to_del_timer(Timer& timer);
// Linux: timer_delete_sync. Also waits for a running callback; sleeps in task context, spins elsewhere. True when it was
// pending. Throws DeadlockError from its own callback, MisuseError("delete-sync-in-hardirq"), and TimedOut or Interrupted
// (the timer is deleted, its callback still runs).
bool timer_delete_sync(Timer& timer, Task& self, Nanoseconds deadline = kForever);
// Linux: timer_shutdown, timer_shutdown_sync: deletes, and later arming does nothing until the timer is set up again.
bool timer_shutdown(Timer& timer);
bool timer_shutdown_sync(Timer& timer, Task& self, Nanoseconds deadline = kForever);

class TimerSubsystem {
public:
    explicit TimerSubsystem(Domain& domain);
    ~TimerSubsystem();
    void start();  // opens TIMER_SOFTIRQ and takes the clock events

    // Linux: mod_timer. Arms the timer for a jiffy, from whatever state. True when it was pending. A shut down timer stays
    // as it is and false is returned. CONTEXT: any.
    bool mod(Timer& timer, Jiffies expires) { return arm(timer, expires, kAnyCpu, Mode::mod); }
    // Linux: mod_timer_pending. Only re-arms a pending timer. True when it was pending.
    bool mod_pending(Timer& timer, Jiffies expires) { return arm(timer, expires, kAnyCpu, Mode::pending_only); }
    // Linux: timer_reduce. Arms, or moves to an earlier expiry. True when it was pending.
    bool reduce(Timer& timer, Jiffies expires) { return arm(timer, expires, kAnyCpu, Mode::reduce); }
    // Linux: add_timer_on. On that CPU's pinned base.
    bool add_on(Timer& timer, Jiffies expires, unsigned cpu) { return arm(timer, expires, static_cast<int>(cpu), Mode::mod); }

    // How many timers are armed. A hint.
    std::size_t armed() const;
    // The next expiry of any armed timer, in jiffies, or TimerWheel::kNever.
    Jiffies next_expiry() const;
    // Halting: detaches every timer, then hands each to visit, without a lock. Returns how many.
    std::size_t cancel_all(const std::function<void(Timer*)>& visit);

    struct Base;

private:
    enum class Mode : std::uint8_t { mod, pending_only, reduce };
    static constexpr int kAnyCpu = -1;
    bool arm(Timer& timer, Jiffies expires, int cpu, Mode mode);
    Base& base_for(const Timer& timer, unsigned cpu) noexcept;
    Base* lock_base(Timer& timer);
    void run(unsigned cpu, Task& self, GatePass& pass);
    void run_base(Base& base, Task& self, GatePass& pass);
    void expire(Base& base, WheelNode*& list, Task& self, GatePass& pass);
    void program(unsigned cpu) noexcept;
    static void clock_event(Domain& domain, unsigned cpu);

    friend struct TimerOps;
    Domain& domain_;
    std::uint32_t first_slot_ = 0;             // I: bases have consecutive slots
    std::vector<std::unique_ptr<Base>> bases_;  // I: three a CPU
    std::vector<std::unique_ptr<Atomic<Jiffies>>> programmed_;  // A: the tick each CPU's clock event is set for
};

}  // namespace bottomhalf
