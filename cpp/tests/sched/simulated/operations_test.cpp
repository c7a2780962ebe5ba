// Waits, wakes, burns, polling, interrupts, joins; and what refuses them.
#include "simulation.hpp"

#include <stdexcept>

namespace bottomhalf {
namespace {

using Operations = Simulation;

TEST_F(Operations, AWakeBeforeTheWaitIsAPermit) {
    machine().wake(init());
    machine().wake(init());
    EXPECT_EQ(machine().block(init(), kForever), Wake::woken);
    EXPECT_EQ(machine().block(init(), 3 * ms), Wake::timeout);
    EXPECT_EQ(now(), 3 * ms);
    EXPECT_EQ(machine().block(init(), ms), Wake::timeout);  // already past
    EXPECT_EQ(now(), 3 * ms);
}

TEST_F(Operations, WakesEndWaitsInTheirOrder) {
    Task& a = spawn(
        "a",
        [&](Task& self) {
            EXPECT_EQ(machine().block(self, kForever), Wake::woken);
            note("a");
        },
        1);
    Task& b = spawn(
        "b",
        [&](Task& self) {
            EXPECT_EQ(machine().block(self, 10 * ms), Wake::woken);
            note("b");
        },
        1);
    sleep(init(), ms);
    machine().wake(b);
    machine().wake(a);
    join_all();
    EXPECT_EQ(take_log(), "b@1000 a@1000");
}

TEST_F(Operations, HoursPassInNoTime) {
    spawn("sleeper", [&](Task& self) {
        for (int i = 0; i < 100; ++i) sleep(self, 3600 * kSecond);
        burn(self, 3600 * kSecond);
    });
    join_all();
    EXPECT_EQ(now(), 101 * 3600 * kSecond);
}

TEST_F(Operations, CurrentTaskFollows) {
    Task& a = spawn("a", [&](Task& self) {
        EXPECT_EQ(current_task(), &self);
        sleep(self, ms);
        EXPECT_EQ(current_task(), &self);
        EXPECT_EQ(&domain->self(), &self);
    });
    Task& me = init();
    join(a);
    EXPECT_EQ(current_task(), &me);
}

TEST_F(Operations, ExceptionsStayWithTheirTasks) {
    for (int i = 0; i < 3; ++i)
        spawn("thrower", [&, i](Task& self) {
            try {
                throw std::runtime_error(std::to_string(i));
            } catch (const std::exception& e) {
                sleep(self, (3 - i) * ms);
                note(e.what());
                EXPECT_THROW(throw, std::runtime_error);
            }
        });
    join_all();
    EXPECT_EQ(take_log(), "2@1000 1@2000 0@3000");
}

int recurse(int n) {
    volatile char frame[256] = {};
    frame[0] = 1;
    return n == 0 ? 0 : recurse(n - 1) + frame[0];
}

TEST_F(Operations, DeepRecursion) {
    for (int i = 0; i < 3; ++i) spawn("deep", [](Task&) { EXPECT_EQ(recurse(8000), 8000); });
    join_all();
}

TEST_F(Operations, RelaxLetsTheOthersWork) {
    Atomic<bool> done{false};
    spawn(
        "worker",
        [&](Task& self) {
            burn(self, 50 * us);
            done.store(true);
        },
        0);
    while (!done.load()) machine().relax(init());
    EXPECT_GE(now(), 50 * us);
    EXPECT_LE(now(), 60 * us);
    join_all();
}

TEST_F(Operations, PollingForNothingIsALivelock) {
    machine().set_max_spins(1000);
    try {
        for (;;) machine().relax(init());
    } catch (const BudgetExceeded& e) {
        EXPECT_NE(std::string(e.what()).find("livelock: task init"), std::string::npos);
    }
    EXPECT_EQ(now(), 1000 * us);
    EXPECT_THROW(for (;;) machine().yield(init()), BudgetExceeded);
    spawn(
        "yielder",
        [&](Task& self) {
            while (now() < 2 * ms) machine().yield(self);
        },
        1);
    EXPECT_THROW(sleep(init(), ms), BudgetExceeded);
}

TEST_F(Operations, ADeadlockNamesTheWaiters) {
    spawn("alice", [&](Task& self) { task_sleep(self, kForever, "mutex_lock"); });
    spawn("bob", [&](Task& self) { task_sleep(self, kForever, "wait_for_completion"); });
    Task& idle = spawn("idler", [&](Task& self) {
        self.state.store(TaskState::idle);
        machine().block(self, kForever);
    });
    try {
        task_sleep(init(), kForever, "flush_work");
        ADD_FAILURE() << "no deadlock seen";
    } catch (const DeadlockError& e) {
        const std::string what = e.what();
        for (const char* part : {"task alice", "in mutex_lock", "task bob", "in wait_for_completion", "task init",
                                 "in flush_work", "machine 't'"})
            EXPECT_NE(what.find(part), std::string::npos) << part << " in " << what;
        EXPECT_EQ(what.find("idler"), std::string::npos) << what;
    }
    // The machine goes on.
    machine().wake(idle);
    join(idle);
}

TEST_F(Operations, StepsAreLimited) {
    spawn("looper", [&](Task& self) {
        for (;;) sleep(self, ms);
    });
    machine().set_max_steps(1000);
    EXPECT_THROW(machine().run_until(kSecond * 100), BudgetExceeded);
    sleep(init(), ms);
}

TEST_F(Operations, AnExceptionThatLeavesATaskIsThrownInInit) {
    Task& a = spawn("a", [](Task&) { throw std::out_of_range("lost"); });
    EXPECT_THROW(sleep(init(), ms), std::out_of_range);
    EXPECT_EQ(a.state.load(), TaskState::dead);
    join_all();
}

TEST_F(Operations, ClockEventsInterruptBurnsAndProlongThem) {
    static Operations* test;
    test = this;
    domain->hooks.clock_event = [](Domain& d, unsigned cpu) {
        Task& self = d.self();
        test->note(std::string(self.name) + std::to_string(cpu));
        test->burn(self, 2 * ms);
    };
    spawn(
        "burner",
        [&](Task& self) {
            burn(self, 5 * ms);
            note("end");
        },
        1);
    machine().set_clock_event(0, 7 * ms);
    machine().set_clock_event(1, kForever);
    machine().set_clock_event(1, 3 * ms);
    machine().run_until(20 * ms);
    EXPECT_EQ(take_log(), "burner1@3000 swapper/00@7000 end@7000");
    join_all();
}

TEST_F(Operations, EndAndEventAtOneInstant) {
    static Operations* test;
    test = this;
    domain->hooks.clock_event = [](Domain&, unsigned) { test->note("clock"); };
    machine().set_clock_event(0, 0);
    EXPECT_EQ(take_log(), "");  // not inside the call
    burn(init(), ms);
    machine().set_clock_event(0, 2 * ms);
    burn(init(), ms);
    note("end");
    EXPECT_EQ(take_log(), "clock@0 clock@2000 end@2000");
}

TEST_F(Operations, InterruptsWaitWhileMasked) {
    static Operations* test;
    test = this;
    machine().at(
        ms, 0, [](Domain&, unsigned, void* arg) { test->note(static_cast<const char*>(arg)); },
        const_cast<char*>("irq"));
    local_irq_save(init());
    burn(init(), 2 * ms);
    note("masked");
    local_irq_restore(init());
    machine().preemption_point(init());
    EXPECT_EQ(take_log(), "masked@2000 irq@2000");
}

TEST_F(Operations, AWaitThatMayNotSleepHoldsItsCpu) {
    Task& spinner = spawn(
        "spinner",
        [&](Task& self) {
            preempt_disable(self);
            EXPECT_EQ(machine().block(self, kForever), Wake::woken);
            note("got it");
            preempt_enable(self);
        },
        1);
    spawn("other", [&](Task&) { note("other"); }, 1);
    sleep(init(), ms);
    machine().wake(spinner);
    join_all();
    EXPECT_EQ(take_log(), "got it@1000 other@1000");
}

TEST_F(Operations, RunsUntilIdle) {
    spawn("a", [&](Task& self) {
        sleep(self, 5 * ms);
        burn(self, 2 * ms);
        note("a");
        machine().block(self, kForever);
    });
    EXPECT_FALSE(machine().run_until_idle(ms));
    EXPECT_EQ(now(), ms);
    EXPECT_TRUE(machine().run_until_idle(kSecond));
    EXPECT_EQ(now(), 7 * ms);
    EXPECT_TRUE(machine().run_until_idle());
    EXPECT_EQ(take_log(), "a@7000");
}

TEST_F(Operations, EvictionEndsWaits) {
    Task& a = spawn("a", [&](Task& self) {
        EXPECT_EQ(machine().block(self, kForever), Wake::exit);
        note("exit");
        // A task that does not leave at once must not stop the halt.
        while (now() < 5 * us) EXPECT_EQ(machine().block(self, kForever), Wake::exit);
        task_sleep(self, kForever, "never");
    });
    sleep(init(), ms);
    domain->evict_waiters(&init());
    join(a);
    EXPECT_EQ(take_log(), "exit@1000");
}

TEST_F(Operations, DestructionUnwindsWhatWaits) {
    Atomic<int> unwound{0};
    struct Frame {
        Atomic<int>& count;
        ~Frame() { count.fetch_add(1); }
    };
    Atomic<Task*> poller{nullptr};
    spawn("joiner", [&](Task&) {
        Frame frame{unwound};
        domain->join_task(*poller.load());
    });
    spawn("sleeper", [&](Task& self) {
        Frame frame{unwound};
        task_sleep(self, kForever, "sleep");
    });
    spawn("blocker", [&](Task& self) {
        Frame frame{unwound};
        while (machine().block(self, kForever) != Wake::exit) {
        }
    });
    spawn("stubborn", [&](Task& self) {
        Frame frame{unwound};
        for (;;) machine().block(self, kForever);
    });
    spawn(
        "burner",
        [&](Task& self) {
            Frame frame{unwound};
            burn(self, kSecond);
            std::string leak(100, 'x');
            sleep(self, kSecond);
        },
        1);
    poller.store(&spawn("poller", [&](Task& self) {
        Frame frame{unwound};
        for (;;) machine().relax(self);
    }));
    sleep(init(), ms);
    spawn("never started", [](Task&) { ADD_FAILURE(); });
    halt();
    EXPECT_EQ(unwound.load(), 6);
}

TEST_F(Operations, ATaskWaitsForItselfOnly) {
    Task& a = spawn("a", [&](Task& self) { machine().block(self, kForever); });
    EXPECT_THROW(machine().block(a, kForever), WrongThread);
    spawn("b", [&](Task& self) { EXPECT_THROW(domain->join_task(self), DeadlockError); });
    machine().wake(a);
    join_all();
}

struct Hooked {
    Atomic<Task*> from{nullptr}, to{nullptr};
    Atomic<int> balance{0}, switches{0};
};

TEST_F(Operations, TheSwitchHookSeesBothSides) {
    static Hooked seen;
    machine().set_switch_hook({[](void* arg, Task& from, Task& to) {
                                   auto& h = *static_cast<Hooked*>(arg);
                                   h.from.store(&from);
                                   h.to.store(&to);
                                   h.balance.fetch_add(1);
                                   h.switches.fetch_add(1);
                               },
                               [](void* arg, Task& from, Task& to) {
                                   auto& h = *static_cast<Hooked*>(arg);
                                   h.balance.fetch_sub(1);
                                   EXPECT_EQ(h.from.load(), &from);
                                   EXPECT_EQ(h.to.load(), &to);
                                   EXPECT_EQ(current_task(), &to);
                               },
                               &seen});
    spawn("a", [&](Task& self) { sleep(self, ms); }, 0);
    join_all();
    EXPECT_EQ(seen.balance.load(), 0);
    EXPECT_EQ(static_cast<std::uint64_t>(seen.switches.load()), machine().counters().switches);
    machine().set_switch_hook({});
}

TEST_F(Operations, TheInterrupterEndsALongWait) {
    struct Signals final : Interrupter {
        int asked = 0;
        bool pending() override { return ++asked == 3; }
    } signals;
    spawn("looper", [&](Task& self) {
        for (;;) sleep(self, ms);
    });
    init().interrupter = &signals;
    EXPECT_EQ(machine().block(init(), kForever), Wake::interrupted);
    init().interrupter = nullptr;
    EXPECT_EQ(signals.asked, 3);
}

TEST_F(Operations, MachinesNestInOneThread) {
    Domain other("other", 1, 1000);
    other.substrate = make_simulated_substrate(other);
    other.state.store(DomainState::running);
    Task& a = spawn("a", [&](Task& self) {
        sleep(self, ms);
        Task& there = other.self();
        task_sleep(there, 7 * ms, "sleep");
        EXPECT_EQ(other.now(), 7 * ms);
        EXPECT_EQ(current_task(), &self);
        sleep(self, ms);
        note("a");
    });
    join(a);
    EXPECT_EQ(take_log(), "a@2000");
}

}  // namespace
}  // namespace bottomhalf
