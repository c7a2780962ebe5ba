// Tasklets: the table of SEMANTICS 5.2 row by row, and what was recorded from a kernel.
#include "bottomhalf/interrupt/tasklet.hpp"

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

// A tasklet that runs a function of the test and counts itself.
struct Counted {
    Tasklet tasklet{&Counted::run};
    std::function<void()> body;
    Atomic<int> runs{0}, inside{0}, most{0}, cpu{-1};
    static void run(Tasklet* t) {
        Counted& me = *container_of(t, &Counted::tasklet);
        me.cpu.store(current_task()->cpu.load());
        me.most.store(std::max(me.most.load(), me.inside.fetch_add(1) + 1));
        if (me.body) me.body();
        me.inside.fetch_sub(1);
        me.runs.fetch_add(1);
    }
};

class TaskletTest : public MachineTest {
protected:
    Tasklets& ts() { return m().tasklets(); }
    void bh_off(const std::function<void()>& body) {
        local_bh_disable(self());
        body();
        local_bh_enable(self());
    }
};

TEST_P(TaskletTest, ScheduledTwiceBeforeRunningRunsOnce) {
    Counted a;
    bh_off([&] {
        EXPECT_TRUE(ts().schedule(a.tasklet));
        EXPECT_FALSE(ts().schedule(a.tasklet));
        EXPECT_TRUE(a.tasklet.scheduled());
    });
    EXPECT_EQ(a.runs.load(), 1);
    EXPECT_FALSE(a.tasklet.scheduled());
}

TEST_P(TaskletTest, ScheduledNamesThoseThatWait) {
    Counted disabled, idle;
    const auto all = [](const Tasklet&) { return true; };
    disabled.tasklet.count.store(1);
    ts().schedule(disabled.tasklet);
    EXPECT_EQ(ts().scheduled(self(), all), std::vector<Tasklet*>{&disabled.tasklet});
    EXPECT_TRUE(ts().scheduled(self(), [](const Tasklet&) { return false; }).empty());
    ts().enable(disabled.tasklet);
    ts().kill(disabled.tasklet);
    EXPECT_TRUE(ts().scheduled(self(), all).empty());
    EXPECT_EQ(disabled.runs.load(), 1);
}

TEST_P(TaskletTest, OrderIsHiFirstAndFifo) {
    std::string order;
    Counted a, b, c, h;
    a.body = [&] { order += 'a'; };
    b.body = [&] { order += 'b'; };
    c.body = [&] { order += 'c'; };
    h.body = [&] { order += 'h'; };
    bh_off([&] {
        ts().schedule(a.tasklet);
        ts().schedule(b.tasklet);
        ts().hi_schedule(h.tasklet);
        ts().schedule(c.tasklet);
        ts().schedule(a.tasklet);
    });
    EXPECT_EQ(order, "habc");
}

TEST_P(TaskletTest, HiThenNormalScheduleIsOneRunOnTheHiList) {
    Counted a;
    bh_off([&] {
        EXPECT_TRUE(ts().hi_schedule(a.tasklet));
        EXPECT_FALSE(ts().schedule(a.tasklet));
        EXPECT_EQ(m().softirqs().pending(0), 1u << static_cast<unsigned>(Softirq::hi));
    });
    EXPECT_EQ(a.runs.load(), 1);
}

TEST_P(TaskletTest, ReschedulingItselfGoesBehindTheOthersInALaterPass) {
    std::string order;
    Counted me, a;
    me.body = [&] {
        order += 's';
        if (order.size() < 4) ts().schedule(me.tasklet);
    };
    a.body = [&] { order += 'a'; };
    bh_off([&] {
        ts().schedule(me.tasklet);
        ts().schedule(a.tasklet);
    });
    ts().kill(me.tasklet);
    EXPECT_EQ(order, "sass");
}

TEST_P(TaskletTest, ReschedulingItselfMovesToKsoftirqdAfterTenPasses) {
    Counted me;
    std::vector<std::string> where;
    me.body = [&] {
        where.emplace_back(current_task()->name);
        if (where.size() < 15) ts().schedule(me.tasklet);
    };
    bh_off([&] { ts().schedule(me.tasklet); });
    EXPECT_TRUE(eventually([&] { return me.runs.load() == 15; }));
    ts().kill(me.tasklet);
    EXPECT_EQ(where[10], "ksoftirqd/0");
}

TEST_P(TaskletTest, ScheduledWhileItRunsRunsOnceMoreOnTheSchedulersCpu) {
    if (simulated()) GTEST_SKIP() << "needs a callback that is in the middle; the host has two CPUs at once";
    Counted a;
    Atomic<bool> go{false};
    a.body = [&] {
        while (!go.load()) domain().substrate->relax(*current_task());
    };
    Caller one(m(), [&] { ts().schedule(a.tasklet); }, 1);
    EXPECT_TRUE(eventually([&] { return a.inside.load() == 1; }));
    EXPECT_EQ(a.cpu.load(), 1);
    Caller zero(
        m(),
        [&] {
            EXPECT_TRUE(ts().schedule(a.tasklet));
            EXPECT_FALSE(ts().schedule(a.tasklet));
        },
        0);
    zero.join();
    EXPECT_EQ(a.runs.load(), 0);
    go.store(true);
    EXPECT_TRUE(eventually([&] { return a.runs.load() == 2; }));
    ts().kill(a.tasklet);
    EXPECT_EQ(a.cpu.load(), 0);
    EXPECT_EQ(a.most.load(), 1);
    EXPECT_EQ(a.runs.load(), 2);
}

TEST_P(TaskletTest, ScheduledWhileDisabledWaitsForEnableAndOthersPass) {
    Counted a, b;
    ts().disable(a.tasklet);
    bh_off([&] {
        ts().schedule(a.tasklet);
        ts().schedule(b.tasklet);
    });
    EXPECT_EQ(a.runs.load(), 0);
    EXPECT_EQ(b.runs.load(), 1);
    EXPECT_TRUE(a.tasklet.scheduled());
    ts().disable_nosync(a.tasklet);
    ts().enable(a.tasklet);
    EXPECT_TRUE(a.tasklet.scheduled());
    ts().enable(a.tasklet);
    EXPECT_TRUE(eventually([&] { return a.runs.load() == 1; }));
    ts().kill(a.tasklet);
}

TEST_P(TaskletTest, DisabledWhileRunningTheRunFinishesAndLaterOnesAreHeld) {
    Counted a;
    a.body = [&] {
        if (a.runs.load() != 0) return;
        ts().disable_nosync(a.tasklet);
        ts().schedule(a.tasklet);
    };
    bh_off([&] { ts().schedule(a.tasklet); });
    EXPECT_EQ(a.runs.load(), 1);
    EXPECT_TRUE(a.tasklet.scheduled());
    ts().enable(a.tasklet);
    EXPECT_TRUE(eventually([&] { return a.runs.load() == 2; }));
    ts().kill(a.tasklet);
}

TEST_P(TaskletTest, DisableWaitsForTheRun) {
    if (simulated()) GTEST_SKIP() << "needs a callback that is in the middle";
    Counted a;
    Atomic<bool> go{false};
    a.body = [&] {
        while (!go.load()) domain().substrate->relax(*current_task());
    };
    Caller scheduler(m(), [&] { ts().schedule(a.tasklet); }, 1);
    EXPECT_TRUE(eventually([&] { return a.inside.load() == 1; }));
    EXPECT_THROW(ts().disable(a.tasklet, soon()), TimedOut);
    EXPECT_EQ(a.tasklet.count.load(), 0) << "the count is taken back";
    Caller disabler(m(), [&] { ts().disable(a.tasklet); });
    EXPECT_TRUE(eventually([&] { return disabler.waits_in("tasklet_disable"); }));
    go.store(true);
    disabler.join();
    EXPECT_EQ(a.runs.load(), 1);
    ts().enable(a.tasklet);
}

TEST_P(TaskletTest, KillWaitsAndTheTaskletCanBeScheduledAgain) {
    Counted a;
    ts().schedule(a.tasklet);
    ts().kill(a.tasklet);
    EXPECT_EQ(a.runs.load(), 1);
    EXPECT_TRUE(ts().schedule(a.tasklet));
    ts().kill(a.tasklet);
    EXPECT_EQ(a.runs.load(), 2);
    ts().kill(a.tasklet);  // idle: returns at once
}

TEST_P(TaskletTest, KillOfAScheduledDisabledTaskletBlocksUntilEnabled) {
    Counted a;
    ts().disable(a.tasklet);
    ts().schedule(a.tasklet);
    EXPECT_THROW(ts().kill(a.tasklet, soon()), TimedOut);
    Caller killer(m(), [&] { ts().kill(a.tasklet); });
    EXPECT_TRUE(eventually([&] { return killer.waits_in("tasklet_kill"); }));
    EXPECT_EQ(a.runs.load(), 0);
    ts().enable(a.tasklet);
    killer.join();
    EXPECT_EQ(a.runs.load(), 1);
}

TEST_P(TaskletTest, KillEndsASelfRescheduler) {
    if (simulated()) GTEST_SKIP() << "kill wins inside the callback, where nobody else runs on a simulated machine";
    Counted a;
    a.body = [&] { ts().schedule(a.tasklet); };
    ts().schedule(a.tasklet);
    EXPECT_TRUE(eventually([&] { return a.runs.load() >= 3; }));
    ts().kill(a.tasklet);
    EXPECT_FALSE(a.tasklet.scheduled());
    const int runs = a.runs.load();
    EXPECT_EQ(a.inside.load(), 0);
    bh_off([] {});
    EXPECT_EQ(a.runs.load(), runs);
}

TEST_P(TaskletTest, ALockedTaskletIsHeldUntilItIsUnlockedAndOthersPass) {
    Counted a, b;
    ASSERT_TRUE(ts().try_lock(a.tasklet));
    EXPECT_FALSE(ts().try_lock(a.tasklet));
    EXPECT_TRUE(a.tasklet.is_running());
    bh_off([&] {
        ts().schedule(a.tasklet);
        ts().schedule(b.tasklet);
    });
    EXPECT_EQ(b.runs.load(), 1);
    EXPECT_EQ(a.runs.load(), 0);
    EXPECT_FALSE(ts().schedule(a.tasklet)) << "it is scheduled still";
    EXPECT_THROW(ts().unlock_wait(a.tasklet, soon()), TimedOut);
    EXPECT_THROW(ts().kill(a.tasklet, soon()), TimedOut);
    ts().unlock(a.tasklet);
    EXPECT_TRUE(eventually([&] { return a.runs.load() == 1; }));
    ts().kill(a.tasklet);
    EXPECT_EQ(a.runs.load(), 1);
}

TEST_P(TaskletTest, ARunningTaskletIsLocked) {
    Counted a;
    bool locked = true, own_wait_refused = false;
    a.body = [&] {
        locked = ts().try_lock(a.tasklet);
        try {
            ts().unlock_wait(a.tasklet);
        } catch (const DeadlockError&) {
            own_wait_refused = true;
        }
    };
    bh_off([&] { ts().schedule(a.tasklet); });
    EXPECT_FALSE(locked);
    EXPECT_TRUE(own_wait_refused);
    EXPECT_TRUE(ts().try_lock(a.tasklet)) << "the run is over";
    ts().unlock(a.tasklet);
}

// Linux clears the bit, whoever set it.
TEST_P(TaskletTest, UnlockingMoreThanWasLockedChangesNothing) {
    Counted a;
    a.body = [&] { ts().unlock(a.tasklet); };
    bh_off([&] { ts().schedule(a.tasklet); });
    EXPECT_EQ(a.tasklet.state.load(), 0u);
    ts().unlock(a.tasklet);
    EXPECT_EQ(a.tasklet.state.load(), 0u);
    bh_off([&] { ts().schedule(a.tasklet); });
    EXPECT_EQ(a.runs.load(), 2);
}

TEST_P(TaskletTest, LocksAgainstRunsOnTheOtherCpu) {
    Counted a;
    Atomic<int> locked{0}, taken{0};
    Atomic<bool> stop{false};
    a.body = [&] { a.most.store(std::max(a.most.load(), 1 + locked.load())); };
    Caller scheduler(
        m(),
        [&] {
            for (int i = 0; i < 2000 || taken.load() == 0; ++i) {
                ts().schedule(a.tasklet);
                if (simulated() || i > 2000) domain().substrate->relax(self());
            }
            stop.store(true);
        },
        1);
    while (!stop.load()) {
        if (ts().try_lock(a.tasklet)) {
            locked.store(1);
            taken.fetch_add(1);
            domain().substrate->relax(self());
            locked.store(0);
            ts().unlock(a.tasklet);
        }
        domain().substrate->relax(self());
    }
    scheduler.join();
    ts().kill(a.tasklet);
    EXPECT_EQ(a.most.load(), 1);
    EXPECT_EQ(a.tasklet.state.load() & (Tasklet::kSched | Tasklet::kRun | Tasklet::kLocked), 0u);
}

TEST_P(TaskletTest, DifferentTaskletsRunOnTheirCpus) {
    Counted a, b;
    Caller one(m(), [&] { ts().schedule(a.tasklet); }, 1);
    ts().schedule(b.tasklet);
    one.join();
    ts().kill(a.tasklet);
    ts().kill(b.tasklet);
    EXPECT_EQ(a.cpu.load(), 1);
    EXPECT_EQ(b.cpu.load(), 0);
}

TEST_P(TaskletTest, MisuseIsRefused) {
    Counted a;
    EXPECT_THROW(ts().enable(a.tasklet), UnbalancedEnable);
    EXPECT_EQ(a.tasklet.count.load(), 0);
    int refused = 0;
    a.body = [&] {
        EXPECT_EQ(Tasklets::running_in(*current_task()), &a.tasklet);
        EXPECT_THROW(ts().disable(a.tasklet), DeadlockError);
        EXPECT_THROW(ts().kill(a.tasklet), DeadlockError);
        ++refused;
    };
    bh_off([&] { ts().schedule(a.tasklet); });
    EXPECT_EQ(refused, 1);
    bh_off([&] {
        EXPECT_THROW(ts().kill(a.tasklet), SchedulingWhileAtomic);
        EXPECT_THROW(ts().disable(a.tasklet), SchedulingWhileAtomic);
    });
    EXPECT_EQ(a.tasklet.count.load(), 0);
    a.body = [] { throw Error("oh dear"); };
    bh_off([&] { ts().schedule(a.tasklet); });
    EXPECT_TRUE(logged("oh dear"));
}

TEST_P(TaskletTest, ADeclaredDisabledOneStartsDisabled) {
    Tasklet t([](Tasklet*) {}, true);
    ts().schedule(t);
    EXPECT_TRUE(t.scheduled());
    ts().enable(t);
    ts().kill(t);
}

BH_INSTANTIATE_MACHINES(TaskletTest);

}  // namespace
}  // namespace bottomhalf::testing
