// A timer base, and the process-wide table that finds it from a timer: timer_delete() knows neither machine nor CPU.
//
// Rules of fields: I: set when the base is made; L: under lock.
#pragma once

#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/time/timer.hpp"

namespace bottomhalf {

// Timer::base while the timer moves between two bases, or is shut down while it is bound to none.
inline constexpr std::uint32_t kMigrating = ~0u;

enum class BaseKind : unsigned { pinned, global, deferrable };  // the order in which a softirq serves them
inline constexpr unsigned kBaseKinds = 3;

struct alignas(64) TimerSubsystem::Base : Recycled<TimerSubsystem::Base> {
    Base(Domain& d, unsigned c, BaseKind k) : domain(d), cpu(c), kind(k), wheel(d.hz) {}
    // Takes a pending timer out of the wheel, or out of the lists being expired. CONTEXT: lock held.
    void detach(Timer& timer) noexcept;
    // Accounts for a timer that left the wheel. CONTEXT: lock held.
    void left(Timer& timer) noexcept;

    RawLock lock;
    std::uint32_t slot = 0;  // I
    Domain& domain;
    const unsigned cpu;
    const BaseKind kind;
    bool stopped = false;            // L: no callback begins, nothing is armed
    bool offline = false;            // L: its CPU is gone: nothing is armed here, but on CPU 0
    unsigned waiting = 0;            // L: tasks in timer_delete_sync
    const Timer* running = nullptr;  // L: whose callback runs
    Task* runner = nullptr;          // L: and in which task
    TimerWheel wheel;                // L
    // L: what was taken from the wheel and has not run yet. Not on a stack: whoever stops can reach it, and what one
    // softirq had to leave, the next finds.
    std::array<WheelNode*, TimerWheel::kLevels> due{};
    unsigned due_next = 0, due_end = 0;          // L
    void (*running_function)(Timer*) = nullptr;  // L: the callback of what runs, or ran last
    WaitQueue waiters;
};

// The bucket lives in the flags' upper bits and changes under the base's lock, while others look at the lower bits.
inline std::uint32_t timer_flags(const Timer& timer) noexcept {
    return __atomic_load_n(&timer.flags, __ATOMIC_RELAXED);
}
inline unsigned timer_bucket(const Timer& timer) noexcept { return timer_flags(timer) >> 22; }
// False: it is that one already.
inline bool set_timer_bucket(Timer& timer, unsigned bucket) noexcept {
    const std::uint32_t flags = timer_flags(timer);
    if (flags >> 22 == bucket) return false;
    __atomic_store_n(&timer.flags, (flags & 0x3fffff) | bucket << 22, __ATOMIC_RELAXED);
    return true;
}
inline Timer* timer_of(WheelNode* node) noexcept { return container_of(node, &Timer::node); }

std::uint32_t timer_table_add(std::vector<std::unique_ptr<TimerSubsystem::Base>>& bases);
void timer_table_remove(std::uint32_t first, std::size_t n) noexcept;

void trace_timer_event(Domain& domain, unsigned cpu, const char* event, const Timer& timer) noexcept;
// An event whose one field is the timer. CONTEXT: any; tracing may be off.
inline void trace_timer(Domain& domain, unsigned cpu, const char* event, const Timer& timer) noexcept {
    if (domain.trace.enabled()) [[unlikely]]
        trace_timer_event(domain, cpu, event, timer);
}

inline void TimerSubsystem::Base::left(Timer& timer) noexcept {
    if (gate_of(timer.function) != nullptr) domain.softirqs->count_gated(Softirq::timer, cpu, -1);
}

inline void TimerSubsystem::Base::detach(Timer& timer) noexcept {
    wheel.dequeue(timer.node);
    left(timer);
    trace_timer(domain, cpu, "timer_cancel", timer);
}

// A base looked up by slot, pinned against being freed.
class TimerBaseRef {
public:
    explicit TimerBaseRef(std::uint32_t slot) noexcept;
    ~TimerBaseRef();
    TimerBaseRef(const TimerBaseRef&) = delete;
    TimerBaseRef& operator=(const TimerBaseRef&) = delete;
    explicit operator bool() const noexcept { return base_ != nullptr; }
    TimerSubsystem::Base* operator->() const noexcept { return base_; }
    TimerSubsystem::Base& operator*() const noexcept { return *base_; }

private:
    std::uint32_t slot_;
    TimerSubsystem::Base* base_ = nullptr;
};

// Who emits an event: the calling task, of whatever machine; a thread may be none.
struct TraceCaller {
    TraceContext context = TraceContext::task;
    const char* name = "thread";
    TraceCaller() noexcept {
        const Task* task = current_task();
        if (task == nullptr) return;
        context = trace_context(*task);
        name = task->name;
    }
};

}  // namespace bottomhalf
