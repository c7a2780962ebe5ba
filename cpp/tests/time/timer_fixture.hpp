// Two machines made by hand from the floors below `machine`: one whose clock a test moves, in one thread; and one of
// threads and real time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bottomhalf/sched/host/factory.hpp"
#include "bottomhalf/time/timer.hpp"

namespace bottomhalf::testing {

// A clock that stands until advance_to(). It has no tasks: nothing may sleep on it.
class HandClock final : public Substrate {
public:
    explicit HandClock(Domain& domain) : domain_(domain), events_(domain.nr_cpus, kForever) {}
    bool simulated() const noexcept override { return true; }
    Nanoseconds now() noexcept override {
        ++reads;
        return now_;
    }
    void start(Task&) override { throw Error("a hand-moved clock starts no tasks"); }
    void join(Task&) override {}
    void adopt(Task&) override {}
    void release(Task&) override {}
    Wake block(Task&, Nanoseconds) override { throw Error("nothing may sleep on a hand-moved clock"); }
    void wake(Task&) noexcept override {}
    void relax(Task&) override {}
    void yield(Task&) override {}
    void burn(Task&, Nanoseconds duration) override { now_ += duration; }
    void preemption_point(Task&) override {}
    void rebind(Task&, int) override {}
    bool repatriate(Task&) override { return false; }
    void set_clock_event(unsigned cpu, Nanoseconds when) noexcept override {
        events_[cpu] = when;
        ++programmed;
    }
    void stop_clock() override {}

    Nanoseconds event(unsigned cpu) const { return events_[cpu]; }
    // Delivers the events up to that instant, in order.
    void advance_to(Nanoseconds when) {
        for (;;) {
            auto first = std::min_element(events_.begin(), events_.end());
            if (*first > when) break;
            now_ = std::max(now_, *first);
            *first = kForever;
            ++delivered;
            domain_.hooks.clock_event(domain_, static_cast<unsigned>(first - events_.begin()));
        }
        now_ = when;
    }
    // Time passes and no interrupt comes in.
    void jump_to(Nanoseconds when) { now_ = when; }

    unsigned programmed = 0, delivered = 0, reads = 0;

private:
    Domain& domain_;
    Nanoseconds now_ = 0;
    std::vector<Nanoseconds> events_;
};

struct HandMachine {
    explicit HandMachine(unsigned cpus = 2, unsigned hz = 1000)
        : domain("test", cpus, hz), clock(install(domain)), softirqs(domain), timers(domain) {
        timers.start();
        domain.state.store(DomainState::running);
        domain.self().cpu.store(0);
    }
    static HandClock& install(Domain& domain) {
        auto clock = std::make_unique<HandClock>(domain);
        HandClock& result = *clock;
        domain.substrate = std::move(clock);
        return result;
    }
    void to(Jiffies j) { clock.advance_to(jiffies_to_ns(j, domain.hz)); }
    void jump(Jiffies j) { clock.jump_to(jiffies_to_ns(j, domain.hz)); }
    void on(int cpu) { domain.self().cpu.store(cpu); }

    Domain domain;
    HandClock& clock;
    Softirqs softirqs;
    TimerSubsystem timers;
};

struct HostMachine {
    explicit HostMachine(unsigned cpus = 2) : domain("host", cpus, 1000), softirqs(install(domain)), timers(domain) {
        domain.self();
        domain.substrate->start_clock();
        softirqs.start();
        timers.start();
        domain.state.store(DomainState::running);
    }
    ~HostMachine() {
        domain.substrate->stop_clock();
        timers.cancel_all([](Timer*) {});
        softirqs.stop();
    }
    static Domain& install(Domain& domain) {
        domain.substrate = make_host_substrate(domain);
        return domain;
    }
    Domain domain;
    Softirqs softirqs;
    TimerSubsystem timers;
};

// A timer that writes down when it ran.
struct Recorder {
    struct Event {
        int number;
        Jiffies at;
        bool operator==(const Event&) const = default;
    };
    static inline std::vector<Event> events;
    static inline Domain* domain = nullptr;
    static std::vector<int> numbers() {
        std::vector<int> result;
        for (const Event& e : events) result.push_back(e.number);
        return result;
    }

    Timer timer;
    int number;
    explicit Recorder(int n, std::uint32_t flags = 0) : number(n) { timer_setup(timer, fired, flags); }
    ~Recorder() { timer_delete(timer); }
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    static void fired(Timer* timer) {
        EXPECT_FALSE(timer_pending(*timer));
        EXPECT_GT(domain->jiffies(), timer->expires) << "early";
        events.push_back({container_of(timer, &Recorder::timer)->number, domain->jiffies()});
    }
};

}  // namespace bottomhalf::testing
