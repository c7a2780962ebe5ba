// A timer base and the process-wide table that finds it from a timer: timer_delete(Timer&) knows neither machine nor CPU.
#pragma once

#include "bottomhalf/time/timer.hpp"

namespace bottomhalf {

inline constexpr std::uint32_t kMigrating = ~0u;  // Timer::base while it moves between two bases

struct TimerSubsystem::Base {
    Base(Domain& d, unsigned c, unsigned hz) : domain(d), cpu(c), wheel(hz) {}
    void detach(Timer& timer) noexcept;  // L: takes a pending timer out of the wheel, or out of the lists being expired

    Domain& domain;
    const unsigned cpu;
    std::uint32_t slot = 0;       // I
    RawLock lock;
    TimerWheel wheel;             // L
    const Timer* running = nullptr;  // L: whose callback runs
    Task* runner = nullptr;       // L: and in which task
    unsigned expiring = 0;        // L: lists that were taken from the wheel and are not through
    unsigned waiting = 0;         // L: tasks in timer_delete_sync
    bool stopped = false;         // L: halting: nothing is armed any more
    WaitQueue waiters;
};

std::uint32_t timer_table_add(std::vector<std::unique_ptr<TimerSubsystem::Base>>& bases);
void timer_table_remove(std::uint32_t first, std::size_t n) noexcept;

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

}  // namespace bottomhalf
