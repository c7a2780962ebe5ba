// Who goes on, where and when.
#include "simulation.hpp"

#include "bottomhalf/base/sanitizer.hpp"

namespace bottomhalf {
namespace {

using Dispatch = Simulation;

TEST_F(Dispatch, InitIsOnCpu0AndTimeStartsAtZero) {
    EXPECT_EQ(now(), 0);
    EXPECT_STREQ(init().name, "init");
    EXPECT_EQ(init().cpu.load(), 0);
    sleep(init(), 5 * ms);
    EXPECT_EQ(now(), 5 * ms);
}

TEST_F(Dispatch, NothingRunsUntilTheCallerWaits) {
    spawn("a", [&](Task&) { note("a"); });
    spawn("b", [&](Task&) { note("b"); });
    machine().preemption_point(init());
    EXPECT_EQ(take_log(), "");
    sleep(init(), 1);
    EXPECT_EQ(take_log(), "a@0 b@0");
    join_all();
}

TEST_F(Dispatch, BoundTasksTakeTurnsAndUnboundOnesSpread) {
    boot(4);
    for (const char* name : {"a", "b"})
        spawn(
            name,
            [&, name](Task& self) {
                note(std::string(name) + std::to_string(self.cpu.load()));
                burn(self, 3 * ms);
            },
            1);
    for (const char* name : {"x", "y", "z"})
        spawn(name, [&, name](Task& self) {
            burn(self, ms);
            note(std::string(name) + std::to_string(self.cpu.load()));
        });
    join_all();
    // x, y and z find CPUs 0, 2 and 3; init waits for b on CPU 0 meanwhile.
    EXPECT_EQ(take_log(), "a1@0 x0@1000 y2@1000 z3@1000 b1@3000");
    EXPECT_EQ(now(), 6 * ms);
}

TEST_F(Dispatch, CpusBurnInParallel) {
    for (int cpu : {0, 1})
        spawn(
            "w",
            [&, cpu](Task& self) {
                burn(self, 2 * ms);
                note(std::to_string(cpu));
            },
            cpu);
    join_all();
    EXPECT_EQ(take_log(), "0@2000 1@2000");
    EXPECT_EQ(now(), 2 * ms);
}

TEST_F(Dispatch, EqualLevelsShareAtATickAfterTenMilliseconds) {
    boot(1);
    for (const char* name : {"a", "b"})
        spawn(name, [&, name](Task& self) {
            burn(self, 15 * ms);
            note(name);
        });
    join_all();
    // a until 10, b until 20, a until 25, b until 30.
    EXPECT_EQ(take_log(), "a@25000 b@30000");
}

TEST_F(Dispatch, VoluntaryPreemptionLeavesBurnsAlone) {
    boot(1);
    machine().set_voluntary(true);
    for (const char* name : {"a", "b"})
        spawn(name, [&, name](Task& self) {
            burn(self, 15 * ms);
            note(name);
        });
    join_all();
    EXPECT_EQ(take_log(), "a@15000 b@30000");
}

TEST_F(Dispatch, AHigherLevelPreemptsABurn) {
    boot(1);
    spawn("low", [&](Task& self) {
        burn(self, 5 * ms);
        note("low");
    });
    spawn(
        "high",
        [&](Task& self) {
            sleep(self, 2 * ms);
            burn(self, ms);
            note("high");
        },
        0, -20);
    join_all();
    EXPECT_EQ(take_log(), "high@3000 low@6000");
}

TEST_F(Dispatch, AHigherLevelPreemptsAtAPreemptionPointAndNotWhereItMayNot) {
    boot(1);
    Task& high = spawn(
        "high",
        [&](Task& self) {
            machine().block(self, kForever);
            note("high");
        },
        0, -20);
    spawn("low", [&](Task& self) {
        machine().wake(high);
        note("a");
        preempt_disable(self);
        machine().preemption_point(self);
        burn(self, ms);
        note("b");
        preempt_enable(self);
        machine().preemption_point(self);
        note("c");
    });
    join_all();
    EXPECT_EQ(take_log(), "a@0 b@1000 high@1000 c@1000");
}

TEST_F(Dispatch, YieldGivesWayToEquals) {
    boot(1);
    for (const char* name : {"a", "b"})
        spawn(name, [&, name](Task& self) {
            for (int i = 0; i < 3; ++i) {
                note(name);
                machine().yield(self);
            }
        });
    join_all();
    EXPECT_EQ(take_log(), "a@0 b@0 a@0 b@0 a@0 b@0");
}

TEST_F(Dispatch, AnUnboundTaskMakesRoomForABoundOne) {
    spawn("free", [&](Task& self) {
        burn(self, 5 * ms);
        note("free" + std::to_string(self.cpu.load()));
    });
    sleep(init(), 2 * ms);
    EXPECT_EQ(now(), 2 * ms);
    join_all();
    EXPECT_EQ(take_log(), "free1@5000");
}

TEST_F(Dispatch, OrderAtOneInstant) {
    boot(4);
    static Dispatch* test;
    test = this;
    Task& woken = spawn(
        "woken",
        [&](Task& self) {
            machine().block(self, kForever);
            note("woken");
        },
        3);
    spawn(
        "burner",
        [&](Task& self) {
            burn(self, ms);
            note("burner");
            spawn("started", [&](Task&) { note("started"); }, 2);
            machine().wake(woken);
        },
        1);
    spawn(
        "sleeper",
        [&](Task& self) {
            sleep(self, ms);
            note("sleeper");
        },
        2);
    domain->hooks.clock_event = [](Domain&, unsigned) { test->note("clock"); };
    machine().set_clock_event(1, ms);
    machine().at(ms, 1, [](Domain&, unsigned, void*) { test->note("irq"); }, nullptr);
    machine().run_until(ms);
    EXPECT_EQ(take_log(), "irq@1000 clock@1000 sleeper@1000 burner@1000 started@1000 woken@1000");
    join_all();
}

TEST_F(Dispatch, InitFollowsItsCpu) {
    init().cpu.store(1);
    spawn("a", [&](Task& self) { note("a" + std::to_string(self.cpu.load())); }, 0);
    burn(init(), ms);
    EXPECT_EQ(init().cpu.load(), 1);
    EXPECT_EQ(take_log(), "a0@0");
    join_all();
}

TEST_F(Dispatch, TenThousandTasks) {
#ifdef BOTTOMHALF_TSAN
    constexpr int kTasks = 500;  // ThreadSanitizer keeps more than a megabyte for each, and not that many
#else
    constexpr int kTasks = 10'000;
#endif
    Atomic<int> ran{0};
    for (int i = 0; i < kTasks; ++i)
        spawn(
            "t",
            [&](Task& self) {
                machine().yield(self);
                ran.fetch_add(1);
            },
            i % 2);
    join_all();
    EXPECT_EQ(ran.load(), kTasks);
    EXPECT_EQ(now(), 0);
}

struct Backwards final : Schedule {
    unsigned pick(Choice, Where, std::span<Task* const> candidates) override {
        return static_cast<unsigned>(candidates.size()) - 1;
    }
    bool preempt(Preemption, Where, const Task&, const Task*) override { return true; }
};

TEST_F(Dispatch, AScheduleDecides) {
    machine().set_schedule(std::make_unique<Backwards>());
    for (const char* name : {"a", "b", "c"})
        spawn(
            name,
            [&, name](Task& self) {
                note(name);
                machine().preemption_point(self);
                note(name);
            },
            1);
    join_all();
    // Who gives way is not a candidate for what it gave up.
    EXPECT_EQ(take_log(), "c@0 b@0 c@0 b@0 a@0 a@0");
}

}  // namespace
}  // namespace bottomhalf
