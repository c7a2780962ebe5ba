#include "bottomhalf/time/timer.hpp"

#include <algorithm>
#include <cstring>

#include "timer_fixture.hpp"

namespace bottomhalf {
namespace {

using testing::HandMachine;
using testing::Recorder;
using Numbers = std::vector<int>;

class TimerTest : public ::testing::Test {
protected:
    TimerTest() {
        Recorder::events.clear();
        Recorder::domain = &m.domain;
    }
    HandMachine m;
    TimerSubsystem& timers = m.timers;
};

constinit Timer g_static_timer{{}, 10, Recorder::fired, kTimerIrqsafe, {}};

TEST_F(TimerTest, BusyNamesThoseThatAreArmed) {
    Recorder near(1), far(2), idle(3);
    timers.mod(near.timer, 10);
    timers.mod(far.timer, 100'000);
    const auto names = [&](const Timer& timer) {
        return timers
            .busy([&](const auto& b) { return b.timer == &timer && b.function == Recorder::fired && !b.running; })
            .size();
    };
    EXPECT_EQ(names(near.timer), 1u);
    EXPECT_EQ(names(far.timer), 1u);
    EXPECT_EQ(names(idle.timer), 0u);
    m.to(20);
    EXPECT_EQ(names(near.timer), 0u);
    timer_delete(far.timer);
    EXPECT_TRUE(timers.busy([](const auto&) { return true; }).empty());
}

TEST_F(TimerTest, ReturnValuesInEachState) {
    Recorder r(1);
    Timer& t = r.timer;
    EXPECT_FALSE(timer_pending(t));
    EXPECT_FALSE(timer_delete(t));
    EXPECT_EQ(try_to_del_timer(t), 0);
    EXPECT_FALSE(timers.mod_pending(t, 10));
    EXPECT_FALSE(timer_pending(t));
    EXPECT_FALSE(timers.mod(t, 10));
    EXPECT_TRUE(timer_pending(t));
    EXPECT_TRUE(timers.mod(t, 10));  // unchanged
    EXPECT_TRUE(timers.mod(t, 11));
    EXPECT_TRUE(timers.mod_pending(t, 12));
    EXPECT_TRUE(timers.reduce(t, 20));
    EXPECT_EQ(t.expires, 12u);
    EXPECT_TRUE(timers.reduce(t, 9));
    EXPECT_EQ(t.expires, 9u);
    EXPECT_EQ(timers.armed(), 1u);
    EXPECT_EQ(try_to_del_timer(t), 1);
    EXPECT_FALSE(timers.reduce(t, 5));
    EXPECT_TRUE(timer_delete_sync(t, m.domain.self()));
    EXPECT_FALSE(timer_delete_sync(t, m.domain.self()));
    m.to(100);
    EXPECT_TRUE(Recorder::events.empty());
    EXPECT_THROW(timer_setup(t, Recorder::fired, 1), MisuseError);
    EXPECT_THROW(timers.add_on(t, 5, 2), InvalidArgument);
}

TEST_F(TimerTest, FiresWhenTheTableSays) {
    m.to(12345);
    Recorder a(1), b(100), c(1000), d(5000), past(0);
    timers.mod(a.timer, 12345 + 1);
    timers.mod(b.timer, 12345 + 100);
    timers.mod(c.timer, 12345 + 1000);
    timers.mod(d.timer, 12345 + 5000);
    timers.mod(past.timer, 12000);
    m.to(20000);
    EXPECT_EQ(Recorder::events,
              (std::vector<Recorder::Event>{{0, 12346}, {1, 12347}, {100, 12448}, {1000, 13376}, {5000, 17408}}));
    EXPECT_EQ(m.softirqs.count(0, Softirq::timer), 5u);
    EXPECT_EQ(m.softirqs.count(1, Softirq::timer), 0u);
}

TEST_F(TimerTest, SameJiffyFiresInReverseOrderOfArming) {
    Recorder r[4] = {Recorder(0), Recorder(1), Recorder(2), Recorder(3)};
    for (Recorder& x : r) timers.mod(x.timer, 20);
    m.to(30);
    EXPECT_EQ(Recorder::numbers(), (Numbers{3, 2, 1, 0}));
}

TEST_F(TimerTest, PinnedThenGlobalThenDeferrable) {
    Recorder global(1), deferrable(2, kTimerDeferrable), pinned(0, kTimerPinned), added_on(10);
    timers.mod(deferrable.timer, 5);
    timers.mod(global.timer, 5);
    timers.mod(pinned.timer, 5);
    m.on(1);
    timers.add_on(added_on.timer, 5, 0);
    m.to(10);
    EXPECT_EQ(Recorder::numbers(), (Numbers{10, 0, 1, 2}));
}

TEST_F(TimerTest, ATimerRunsOnTheCpuOfItsArmer) {
    Recorder r(1);
    m.on(1);
    timers.mod(r.timer, 5);
    EXPECT_EQ(m.clock.event(0), kForever);
    EXPECT_EQ(m.clock.event(1), 6 * kMillisecond);
    m.on(0);
    timers.mod(r.timer, 7);  // moves
    EXPECT_EQ(m.clock.event(0), 8 * kMillisecond);
    m.to(10);
    EXPECT_EQ(m.softirqs.count(0, Softirq::timer), 1u);
    EXPECT_EQ(m.softirqs.count(1, Softirq::timer), 0u);
}

TEST_F(TimerTest, DeferrableTimersWaitForOthersOrASecond) {
    Recorder lazy(1, kTimerDeferrable), other(2);
    timers.mod(lazy.timer, 5);
    EXPECT_EQ(m.clock.event(0), 1006 * kMillisecond);
    timers.mod(other.timer, 40);
    m.to(2000);
    EXPECT_EQ(Recorder::events, (std::vector<Recorder::Event>{{2, 41}, {1, 41}}));
    timers.mod(lazy.timer, 2005);
    m.to(4000);
    EXPECT_EQ(Recorder::events.back(), (Recorder::Event{1, 3006}));
}

TEST_F(TimerTest, TheClockIsSetOnlyForWhatIsEarlier) {
    Recorder a(1), b(2), c(3);
    timers.mod(a.timer, 1000);
    EXPECT_EQ(m.clock.programmed, 1u);
    timers.mod(b.timer, 2000);
    EXPECT_EQ(m.clock.programmed, 1u);
    timers.mod(c.timer, 50);
    EXPECT_EQ(m.clock.programmed, 2u);
    EXPECT_EQ(m.clock.event(0), 51 * kMillisecond);
    // Deleting does not touch the clock; its event finds nothing and goes on to the next.
    timer_delete(c.timer);
    EXPECT_EQ(m.clock.programmed, 2u);
    m.to(60);
    EXPECT_EQ(m.softirqs.count(0, Softirq::timer), 0u);
    EXPECT_EQ(m.clock.event(0), 1024 * kMillisecond);
    m.to(10000);
    EXPECT_EQ(Recorder::numbers(), (Numbers{1, 2}));
    EXPECT_EQ(m.clock.event(0), kForever);
}

TEST_F(TimerTest, IdleTimeDoesNotCoarsenALaterTimer) {
    Recorder r(1), far(2), lazy(3, kTimerDeferrable);
    timers.mod(far.timer, 1000000);
    m.jump(500000);
    timers.mod(r.timer, 500010);
    EXPECT_EQ(m.timers.next_expiry(), 500011u);
    m.to(500020);
    m.jump(600000);
    EXPECT_FALSE(timers.mod(r.timer, 600000));  // near: the clock is read
    EXPECT_EQ(m.timers.next_expiry(), 600001u);
    timer_delete(r.timer);
    timers.mod(lazy.timer, 600010);
    m.jump(600500);  // overdue, and alone on its base
    timers.mod(lazy.timer, 600520);
    EXPECT_EQ(m.timers.next_expiry(), 600521u);
}

TEST_F(TimerTest, ALongTimerIsReArmedWithoutReadingTheClock) {
    Recorder a(1), b(2);
    timers.mod(a.timer, 100);
    timers.mod(b.timer, 400000);
    m.clock.reads = 0;
    for (Jiffies j = 0; j < 50; ++j) timers.mod(b.timer, 300000 + 977 * j);
    EXPECT_EQ(m.clock.reads, 0u);
}

TEST_F(TimerTest, ACallbackMayReArmAndMayFreeItsTimer) {
    struct Ticker {
        Timer timer;
        TimerSubsystem* timers;
        int left;
    };
    auto* ticker = new Ticker{{}, &timers, 3};
    timer_setup(ticker->timer, [](Timer* t) {
        Ticker* self = container_of(t, &Ticker::timer);
        EXPECT_EQ(try_to_del_timer(*t), -1);
        EXPECT_FALSE(timer_pending(*t));
        if (--self->left == 0) {
            delete self;
            return;
        }
        EXPECT_FALSE(self->timers->mod(*t, Recorder::domain->jiffies() + 9));
        EXPECT_TRUE(timer_pending(*t));
        EXPECT_EQ(try_to_del_timer(*t), -1);
    });
    timers.mod(ticker->timer, 0);
    m.to(100);
    EXPECT_EQ(m.softirqs.count(0, Softirq::timer), 3u);
    EXPECT_EQ(timers.armed(), 0u);
}

TEST_F(TimerTest, ARunningTimerStaysOnItsBase) {
    static HandMachine* machine;
    machine = &m;
    Recorder r(1);
    r.timer.function = [](Timer* t) {
        machine->on(1);
        machine->timers.mod(*t, 50);
        machine->on(0);
        t->function = Recorder::fired;
    };
    timers.mod(r.timer, 5);
    m.to(10);
    EXPECT_EQ(m.clock.event(0), 51 * kMillisecond);
    EXPECT_EQ(m.clock.event(1), kForever);
}

TEST_F(TimerTest, ATimerThatADueOneDeletesDoesNotRun) {
    static Timer* victim;
    Recorder r(1), killer(2);
    victim = &r.timer;
    killer.timer.function = [](Timer*) { EXPECT_TRUE(timer_delete(*victim)); };
    timers.mod(r.timer, 5);
    timers.mod(killer.timer, 5);  // the same bucket, ahead of the victim
    m.to(10);
    EXPECT_TRUE(Recorder::events.empty());
    EXPECT_FALSE(timers.mod(r.timer, 20));
    m.to(30);
    EXPECT_EQ(Recorder::numbers(), Numbers{1});
}

TEST_F(TimerTest, ShutDownTimersIgnoreArming) {
    Recorder idle(1), armed(2), fresh(3);
    timers.mod(armed.timer, 5);
    EXPECT_TRUE(timer_shutdown_sync(armed.timer, m.domain.self()));
    EXPECT_FALSE(timer_shutdown(fresh.timer));  // bound to nothing yet
    timers.mod(idle.timer, 1);
    m.to(5);
    EXPECT_FALSE(timer_shutdown(idle.timer));
    for (Recorder* r : {&idle, &armed, &fresh}) {
        EXPECT_FALSE(timers.mod(r->timer, 50));
        EXPECT_FALSE(timers.reduce(r->timer, 50));
        EXPECT_FALSE(timer_pending(r->timer));
    }
    timer_setup(armed.timer, Recorder::fired);
    EXPECT_FALSE(timers.mod(armed.timer, 50));
    m.to(100);
    EXPECT_EQ(Recorder::numbers(), (Numbers{1, 2}));
}

TEST_F(TimerTest, DeleteSyncRefusesWhereItCouldNeverReturn) {
    Recorder own(1), plain(2), irqsafe(3, kTimerIrqsafe);
    static Task* self;
    self = &m.domain.self();
    own.timer.function = [](Timer* t) {
        EXPECT_THROW(timer_delete_sync(*t, *self), DeadlockError);
        EXPECT_THROW(timer_shutdown_sync(*t, *self), DeadlockError);
        EXPECT_NE(t->function, nullptr);
    };
    timers.mod(own.timer, 1);
    m.to(5);
    timers.mod(plain.timer, 10);
    timers.mod(irqsafe.timer, 10);
    int saved = 0;
    ASSERT_TRUE(try_hardirq_enter(*self, 0, saved));
    EXPECT_THROW(timer_delete_sync(plain.timer, *self), MisuseError);
    EXPECT_TRUE(timer_delete_sync(irqsafe.timer, *self));
    hardirq_exit(*self, saved);
    EXPECT_TRUE(timer_pending(plain.timer));
}

TEST_F(TimerTest, CallbacksRunInTheTimerSoftirqAndIrqsafeOnesWithInterruptsOff) {
    static Task* self;
    static Numbers seen;
    self = &m.domain.self();
    seen.clear();
    Recorder a(1), b(2, kTimerIrqsafe), c(3);
    for (Recorder* r : {&a, &b, &c})
        r->timer.function = [](Timer* t) {
            seen.push_back(container_of(t, &Recorder::timer)->number);
            EXPECT_TRUE(preempt::in_serving_softirq(self->preempt_count));
            EXPECT_FALSE(preempt::in_hardirq(self->preempt_count));
            EXPECT_EQ(self->irqs_off, seen.back() == 2 ? 1u : 0u);
        };
    for (Recorder* r : {&a, &b, &c}) timers.mod(r->timer, 5);
    m.to(10);
    EXPECT_EQ(seen, (Numbers{3, 2, 1}));
    EXPECT_EQ(self->irqs_off, 0u);
    EXPECT_EQ(self->preempt_count, 0u);
}

TEST_F(TimerTest, ALeakedPreemptCountIsLoggedAndMended) {
    Recorder r(1), next(2);
    r.timer.function = [](Timer*) { preempt_disable(*current_task()); };
    timers.mod(r.timer, 5);
    timers.mod(next.timer, 6);
    m.to(10);
    EXPECT_EQ(Recorder::numbers(), Numbers{2});
    EXPECT_EQ(m.domain.self().preempt_count, 0u);
    EXPECT_TRUE(m.domain.cpu(0).preemptible_for(m.domain.self()));
    ASSERT_EQ(m.domain.log.lines().size(), 1u);
    EXPECT_EQ(m.domain.log.lines()[0].text, "timer: callback preempt leak: 00000100 -> 00000101");
    EXPECT_EQ(m.domain.log.lines()[0].level, LogLevel::warning);
}

TEST_F(TimerTest, AnExceptionIsLoggedAndTheOthersRun) {
    Recorder r(1), next(2);
    r.timer.function = [](Timer*) { throw Error("oops"); };
    timers.mod(next.timer, 5);
    timers.mod(r.timer, 5);
    m.to(10);
    EXPECT_EQ(Recorder::numbers(), Numbers{2});
    ASSERT_EQ(m.domain.log.lines().size(), 1u);
    EXPECT_NE(m.domain.log.lines()[0].text.find("oops"), std::string::npos);
}

TEST_F(TimerTest, WithInterruptsOffTheSoftirqComesLater) {
    Recorder r(1);
    Task& self = m.domain.self();
    timers.mod(r.timer, 5);
    local_bh_disable(self);
    m.to(10);
    EXPECT_TRUE(Recorder::events.empty());
    local_bh_enable(self);
    EXPECT_EQ(Recorder::numbers(), Numbers{1});
    timers.mod(r.timer, 15);
    local_irq_save(self);
    m.to(20);
    EXPECT_EQ(Recorder::events.size(), 1u);
    EXPECT_NE(m.softirqs.pending(0) & 1u << static_cast<unsigned>(Softirq::timer), 0u);
    local_irq_restore(self);
    m.softirqs.run_at_irq_exit(0, self);
    EXPECT_EQ(Recorder::events.size(), 2u);
}

TEST_F(TimerTest, CancelAllReportsEveryTimerAndNothingFiresAfterwards) {
    Recorder a(1), b(2, kTimerDeferrable), c(3), later(4);
    timers.mod(a.timer, 5);
    timers.mod(b.timer, 500);
    m.on(1);
    timers.mod(c.timer, 500000);
    Numbers seen;
    EXPECT_EQ(timers.cancel_all([&](Timer* t) { seen.push_back(container_of(t, &Recorder::timer)->number); }), 3u);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, (Numbers{1, 2, 3}));
    EXPECT_FALSE(timers.mod(later.timer, 10));
    EXPECT_FALSE(timer_pending(later.timer));
    EXPECT_FALSE(timer_delete(a.timer));
    m.to(1000000);
    EXPECT_TRUE(Recorder::events.empty());
    EXPECT_EQ(timers.armed(), 0u);
}

TEST_F(TimerTest, StoppingInsideACallbackHoldsTheRestOfTheListBack) {
    static TimerSubsystem* subsystem;
    subsystem = &timers;
    Recorder a(1), b(2), stopper(3);
    stopper.timer.function = [](Timer*) { EXPECT_EQ(subsystem->cancel_all([](Timer*) {}), 2u); };
    timers.mod(a.timer, 5);
    timers.mod(b.timer, 5);
    timers.mod(stopper.timer, 5);
    m.to(10);
    EXPECT_TRUE(Recorder::events.empty());
}

TEST_F(TimerTest, SetUpFillsWhateverMemoryThereWas) {
    alignas(Timer) unsigned char memory[sizeof(Timer)];
    std::memset(memory, 0xff, sizeof memory);
    Timer& t = *reinterpret_cast<Timer*>(memory);
    timer_setup(t, [](Timer*) {});
    EXPECT_FALSE(timers.mod(t, 10));
    EXPECT_TRUE(timer_delete(t));
}

TEST_F(TimerTest, AStaticTimerNeedsNoSetUp) {
    EXPECT_FALSE(timer_delete(g_static_timer));
    EXPECT_FALSE(timers.mod(g_static_timer, g_static_timer.expires));
    EXPECT_TRUE(timer_delete(g_static_timer));
}

TEST_F(TimerTest, ATimerOutlivesMachines) {
    Recorder r(1);
    {
        HandMachine other;
        other.timers.mod(r.timer, 10);
        EXPECT_THROW(timers.mod(r.timer, 10), InvalidArgument);
        EXPECT_TRUE(timer_delete(r.timer));
        EXPECT_FALSE(timers.mod(r.timer, 10));  // idle: it may change machines
        EXPECT_TRUE(timer_delete(r.timer));
        other.timers.mod(r.timer, 20);
    }
    EXPECT_FALSE(timer_pending(r.timer));
    EXPECT_FALSE(timer_delete(r.timer));
    EXPECT_FALSE(timers.mod(r.timer, 10));
    m.to(20);
    EXPECT_EQ(Recorder::numbers(), Numbers{1});
}

TEST_F(TimerTest, TracesTheLifeOfATimer) {
    m.domain.trace.start();
    Recorder r(1);
    timers.mod(r.timer, 100);
    timers.mod(r.timer, 10);
    m.to(20);
    std::string text;
    for (const TraceRecord& record : m.domain.trace.take())
        if (std::string(record.name).starts_with("timer_"))
            text += std::string(record.name) + " " + record.fields + "\n";
    EXPECT_EQ(text,
              "timer_init timer=m1\n"
              "timer_start timer=m1 function=f2 expires=100 bucket_expiry=104 now=0 flags=0x0\n"
              "timer_cancel timer=m1\n"
              "timer_start timer=m1 function=f2 expires=10 bucket_expiry=11 now=0 flags=0x0\n"
              "timer_expire_entry timer=m1 now=11 function=f2 baseclk=11\n"
              "timer_expire_exit timer=m1\n");
}

}  // namespace
}  // namespace bottomhalf
