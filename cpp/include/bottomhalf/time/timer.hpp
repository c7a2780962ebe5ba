// Timers (Linux: struct timer_list): 40 bytes, intrusive, by the wheel, fired in TIMER_SOFTIRQ.
//
// A CPU has three bases: pinned, global and deferrable, served in this order. A timer is detached before its callback
// runs, so the callback may re-arm or free it; it never runs beside itself.
//
// Which base: a pinned or deferrable timer goes to the base of that kind, any other to the global one, of the CPU that
// the arming task is on; one whose callback runs stays where it runs. On the host nothing ticks: each CPU's clock event
// is set for the earliest tick of its bases. Deferrable timers do not wake an idle CPU on their own account: they are
// served when its timer softirq runs anyway, and one second after they are due at the latest.
// Rules of fields: I: set before the first arming; B: under the lock of the timer's base, the one it was armed on last;
// A: atomic.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "bottomhalf/interrupt/softirq.hpp"
#include "bottomhalf/sync/wait_queue.hpp"
#include "bottomhalf/time/wheel.hpp"

namespace bottomhalf {

// Linux's values.
inline constexpr std::uint32_t kTimerDeferrable = 0x80000;  // waits for the CPU to be busy anyway
inline constexpr std::uint32_t kTimerPinned = 0x100000;
inline constexpr std::uint32_t kTimerIrqsafe = 0x200000;  // the callback runs with interrupts off
inline constexpr std::uint32_t kTimerFlags = kTimerDeferrable | kTimerPinned | kTimerIrqsafe;

struct Timer {
    WheelNode node;                      // B
    Jiffies expires = 0;                 // B: what was asked for
    void (*function)(Timer*) = nullptr;  // B: null after shutdown
    std::uint32_t flags = 0;             // I: kTimerFlags; B: the bucket, in the upper 10 bits
    Atomic<std::uint32_t> base{0};       // A: slot of the base in a table of the process; 0: bound to none
};
// C's static initialisers (DEFINE_TIMER) fill it field by field; all zero is an idle timer.
static_assert(sizeof(Timer) == 40 && std::is_standard_layout_v<Timer>);

// Linux: timer_setup. Fills the timer, whatever it held; it must not be pending. Throws MisuseError("timer-flags") for
// unknown flags. CONTEXT: any.
void timer_setup(Timer& timer, void (*function)(Timer*), std::uint32_t flags = 0);
// Linux: timer_pending. False inside its own callback. CONTEXT: any; a hint.
inline bool timer_pending(const Timer& timer) noexcept { return timer.node.pending(); }
// Linux: timer_delete. True when it was pending; does not wait for a running callback. CONTEXT: any.
bool timer_delete(Timer& timer);
// The same as a part of an operation of the engine: no preemption point.
bool timer_take(Timer& timer);
// Linux: try_to_del_timer_sync. -1 while the callback runs, else 0 or 1. CONTEXT: any.
int try_to_del_timer(Timer& timer);
// Linux: timer_delete_sync. Also waits for a running callback, and takes away what that callback arms; sleeps where
// sleeping is allowed, spins elsewhere. True when it was pending. Throws DeadlockError from its own callback and
// MisuseError("delete-sync-in-hardirq") in a hard interrupt unless the timer is irqsafe, both with nothing done;
// TimedOut and Interrupted leave the timer deleted and its callback running. CONTEXT: any but a hard interrupt; the
// caller holds nothing that the callback takes.
bool timer_delete_sync(Timer& timer, Task& self, Nanoseconds deadline = kForever);
// Linux: timer_shutdown, timer_shutdown_sync. As above, and later arming does nothing until the timer is set up again.
bool timer_shutdown(Timer& timer);
bool timer_shutdown_sync(Timer& timer, Task& self, Nanoseconds deadline = kForever);

class TimerSubsystem {
public:
    explicit TimerSubsystem(Domain& domain);
    ~TimerSubsystem();
    void start();  // opens TIMER_SOFTIRQ and takes the clock events
    // No callback begins any more, and nothing can be armed. One that runs goes on. CONTEXT: any.
    void stop() noexcept;

    // Linux: mod_timer. Arms the timer for a jiffy, from whatever state. True when it was pending, also when nothing
    // changes. A shut down timer stays as it is and false is returned; the same after stop(). Throws InvalidArgument
    // when the timer is pending or running on another machine. CONTEXT: any.
    bool mod(Timer& timer, Jiffies expires) {
        begin(timer);
        return rearm_here(timer, expires) || arm(timer, expires, kAnyCpu, Mode::mod);
    }
    // Linux: mod_timer_pending. Only re-arms a pending timer; false when it was idle, and still is.
    bool mod_pending(Timer& timer, Jiffies expires) {
        begin(timer);
        return arm(timer, expires, kAnyCpu, Mode::pending_only);
    }
    // Linux: timer_reduce. Arms an idle timer; moves a pending one only to an earlier expiry. True when it was pending.
    bool reduce(Timer& timer, Jiffies expires) {
        begin(timer);
        return arm(timer, expires, kAnyCpu, Mode::reduce);
    }
    // Linux: add_timer_on. On that CPU's pinned base, this once. Linux ignores a pending timer; here it moves.
    bool add_on(Timer& timer, Jiffies expires, unsigned cpu) {
        begin(timer);
        return arm(timer, expires, static_cast<int>(cpu), Mode::mod);
    }
    // mod() as a part of an operation of the engine, which may hold a pool's lock: no preemption point.
    bool arm_now(Timer& timer, Jiffies expires) {
        return rearm_here(timer, expires) || arm(timer, expires, kAnyCpu, Mode::mod);
    }

    // The name of the other machine that the timer is armed or running on, or "". CONTEXT: any.
    std::string busy_elsewhere(const Timer& timer) const;
    // How many timers are armed. A hint.
    std::size_t armed() const;
    // Those that are armed, and those whose callback runs, as far as they are wanted. wanted is called under a base's
    // lock, which keeps an armed timer what it is; what is returned may be gone by then, unless its owner does nothing
    // meanwhile. CONTEXT: any.
    struct Busy {
        Timer* timer;
        void (*function)(Timer*);
        bool running;  // the timer may be gone
    };
    std::vector<Busy> busy(const std::function<bool(const Busy&)>& wanted) const;
    // The tick at which the next of all armed timers fires, or TimerWheel::kNever.
    Jiffies next_expiry() const;
    // Halting: stop(), detaches every timer, then hands each to visit, without a lock. Returns how many.
    std::size_t cancel_all(const std::function<void(Timer*)>& visit);

    // A CPU's timers go to CPU 0, and whatever is armed for it from now on; or again to itself (Linux:
    // timers_dead_cpu). CONTEXT: task that owns the CPU's bottom halves and may sleep.
    void cpu_down(unsigned cpu);
    void cpu_up(unsigned cpu);

    struct Base;
    // The base with this slot if it is one of this machine, else null.
    Base* base_at(std::uint32_t slot) const noexcept {
        return slot - first_slot_ < bases_.size() ? bases_[slot - first_slot_].get() : nullptr;
    }

private:
    // What an arming call begins with.
    void begin(const Timer& timer) {
        if (!domain_.simulated) [[likely]]
            return;
        pass_explore_point(&domain_);
        order_release(&timer);
    }
    enum class Mode : std::uint8_t { mod, pending_only, reduce };
    static constexpr int kAnyCpu = -1;
    bool arm(Timer& timer, Jiffies expires, int cpu, Mode mode);
    bool rearm_here(Timer& timer, Jiffies expires) noexcept;
    static bool rearm_here_slow(Base& base, unsigned bucket) noexcept;
    Base& base_for(const Timer& timer, unsigned cpu, bool named) noexcept;
    Base& lock_base(Timer& timer, Base& target);
    void leave_foreign(Timer& timer, std::uint32_t slot) const;
    void enqueue(Base& base, Timer& timer, Jiffies expires, unsigned bucket, Jiffies fires) noexcept;
    void trace_start(Base& base, Timer& timer, Jiffies fires) noexcept;
    void run(unsigned cpu, Task& self, GatePass& pass);
    void run_base(Base& base, Task& self, GatePass& pass);
    void expire(Base& base, Task& self);
    void order_begin(const Timer& timer, void (*function)(Timer*), Task& self);
    bool due(unsigned cpu, Jiffies now) noexcept;
    void program(unsigned cpu) noexcept;
    static void clock_event(Domain& domain, unsigned cpu);

    struct PerCpu {
        RawLock lock;  // taken before the locks of the bases
        // The tick its clock event is set for. L: lock to write; A: read under the lock of one of the CPU's bases.
        Atomic<Jiffies> programmed{TimerWheel::kNever};
    };
    Domain& domain_;
    std::uint32_t first_slot_ = 0;                  // I: the bases have consecutive slots
    std::vector<std::unique_ptr<Base>> bases_;      // I: three a CPU
    std::vector<std::unique_ptr<PerCpu>> per_cpu_;  // I
};

}  // namespace bottomhalf
