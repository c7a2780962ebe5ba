// Deciding, recording and repeating, on small programs.
#include "bottomhalf/sched/simulated/schedules.hpp"

#include <set>

#include "simulation.hpp"

namespace bottomhalf {
namespace {

struct Schedules : Simulation {
    // Runs tasks with so many points each to the end. RETURNS: who ran, segment by segment, as "abab".
    std::string run_tasks(std::unique_ptr<Schedule> schedule, std::initializer_list<int> points, bool one_cpu = true) {
        boot(static_cast<unsigned>(points.size()) + 1);
        machine().set_schedule(std::move(schedule));
        std::string ran;
        int index = 0;
        for (const int n : points) {
            const char name[] = {static_cast<char>('a' + index), '\0'};
            spawn(
                name,
                [this, n, &ran](Task& self) {
                    for (int i = 0; i <= n; ++i) {
                        if (i != 0) machine().preemption_point(self);
                        ran += self.name;
                        BH_TRACE(*domain, self.cpu.load(), self, "segment", "number=%d", i);
                    }
                },
                one_cpu ? 1 : index + 1);
            ++index;
        }
        EXPECT_TRUE(machine().run_until_idle());
        join_all();
        return ran;
    }
    // Four tasks on three CPUs that burn, wake, wait and pass points. RETURNS: the text of the trace.
    std::string run_traced(std::unique_ptr<Schedule> schedule) {
        boot(3);
        machine().set_schedule(std::move(schedule));
        domain->trace.start();
        Task& waiter = spawn(
            "waiter",
            [&](Task& self) {
                for (int i = 0; i < 3; ++i) {
                    task_sleep(self, now() + ms, "sleep");
                    BH_TRACE(*domain, self.cpu.load(), self, "woken", "time=%d", i);
                }
            },
            1);
        for (const char* name : {"x", "y", "z"})
            spawn(name, [&](Task& self) {
                for (int i = 0; i < 4; ++i) {
                    BH_TRACE(*domain, self.cpu.load(), self, "turn", "number=%d", i);
                    machine().preemption_point(self);
                    if (i == 1) machine().wake(waiter);
                    if (i == 2) burn(self, 12 * ms);
                    machine().preemption_point(self);
                }
            });
        EXPECT_TRUE(machine().run_until_idle());
        join_all();
        std::string text;
        for (const TraceRecord& record : domain->trace.take()) text += record.to_string() + "\n";
        return text;
    }
};

// Interleavings of two tasks of so many segments with at most so many switches away from a task that could go on.
std::uint64_t interleavings(int a, int b, int preemptions, int on = -1) {
    if (a == 0 && b == 0) return 1;
    std::uint64_t all = 0;
    for (int next = 0; next < 2; ++next) {
        const int left = next == 0 ? a : b;
        if (left == 0) continue;
        const bool cut = on >= 0 && on != next && (on == 0 ? a : b) != 0;
        if (cut && preemptions == 0) continue;
        all += interleavings(a - (next == 0), b - (next == 1), preemptions - (cut ? 1 : 0), next);
    }
    return all;
}

TEST_F(Schedules, ExhaustiveRunsEveryInterleavingOnce) {
    EXPECT_EQ(interleavings(3, 3, 100), 20u);
    for (const bool one_cpu : {true, false})
        for (const int points : {0, 1, 2, 3})
            for (const unsigned bound : {0u, 1u, 2u, 100u}) {
                ExhaustiveSearch search(bound);
                std::set<std::string> seen;
                while (auto schedule = search.next_run()) {
                    EXPECT_TRUE(seen.insert(run_tasks(std::move(schedule), {points, points}, one_cpu)).second);
                    search.run_over();
                }
                EXPECT_EQ(seen.size(), interleavings(points + 1, points + 1, static_cast<int>(bound)))
                    << points << " points, bound " << bound << ", one CPU " << one_cpu;
                EXPECT_EQ(search.runs(), seen.size());
                EXPECT_TRUE(search.exhausted());
                EXPECT_FALSE(search.diverged().has_value());
            }
}

TEST_F(Schedules, ExhaustiveOnThreeTasks) {
    ExhaustiveSearch search(100);
    std::set<std::string> seen;
    while (auto schedule = search.next_run()) {
        EXPECT_TRUE(seen.insert(run_tasks(std::move(schedule), {1, 1, 1})).second);
        search.run_over();
    }
    EXPECT_EQ(seen.size(), 90u);  // 6! / (2! 2! 2!)
}

TEST_F(Schedules, ExhaustiveNoticesAProgramThatChanges) {
    ExhaustiveSearch search(1);
    int points = 2;
    while (auto schedule = search.next_run()) {
        run_tasks(std::move(schedule), {points, points});
        points = 1;
        search.run_over();
    }
    EXPECT_TRUE(search.diverged().has_value());
}

TEST_F(Schedules, ARunThatIsNotDeclaredOverCounts) {
    ExhaustiveSearch search(0);
    int runs = 0;
    while (auto schedule = search.next_run()) {
        run_tasks(std::move(schedule), {1, 1});
        ++runs;
    }
    EXPECT_EQ(runs, 2);
}

TEST_F(Schedules, TheSameSeedGivesTheSameTrace) {
    std::set<std::string> traces;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const std::string first = run_traced(std::make_unique<RandomSchedule>(seed));
        EXPECT_EQ(first, run_traced(std::make_unique<RandomSchedule>(seed)));
        traces.insert(first);
        EXPECT_EQ(run_traced(std::make_unique<PctSchedule>(3, seed, 30)),
                  run_traced(std::make_unique<PctSchedule>(3, seed, 30)));
    }
    EXPECT_GT(traces.size(), 15u);
}

TEST_F(Schedules, ARecorderOfFifoChangesNothing) {
    auto recorder = std::make_unique<Recorder>(std::make_unique<Fifo>(), true);
    const auto recording = recorder->recording();
    EXPECT_EQ(run_traced(std::move(recorder)), run_traced(std::make_unique<Fifo>()));
    EXPECT_TRUE(recording->deviations.empty());
    EXPECT_GT(recording->decisions, 10u);
    EXPECT_EQ(recording->decisions, recording->all.size());
}

TEST_F(Schedules, WhatWasRecordedIsReplayed) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::unique_ptr<Schedule> inner;
        if (seed % 2 == 0)
            inner = std::make_unique<RandomSchedule>(seed);
        else
            inner = std::make_unique<PctSchedule>(3, seed, 30);
        auto recorder = std::make_unique<Recorder>(std::move(inner));
        const auto recording = recorder->recording();
        const std::string trace = run_traced(std::move(recorder));
        auto replay = std::make_unique<ReplaySchedule>(recording->deviations);
        const auto outcome = replay->outcome();
        EXPECT_EQ(run_traced(std::move(replay)), trace);
        EXPECT_FALSE(outcome->mismatch.has_value());
        EXPECT_EQ(outcome->used, recording->deviations.size());
        EXPECT_EQ(outcome->seen.decisions, recording->decisions);
        EXPECT_EQ(outcome->seen.digest, recording->digest);
    }
}

TEST_F(Schedules, AReplayOfAnotherProgramSaysWhere) {
    const Deviation last{2, Decision::point, 1, 2};
    auto replay = std::make_unique<ReplaySchedule>(std::vector{last});
    auto outcome = replay->outcome();
    run_tasks(std::move(replay), {2, 2});  // asks: who first, a's points, b's points
    EXPECT_FALSE(outcome->mismatch.has_value());
    EXPECT_EQ(outcome->used, 1u);

    replay = std::make_unique<ReplaySchedule>(std::vector{last});
    outcome = replay->outcome();
    EXPECT_EQ(run_tasks(std::move(replay), {1, 1, 1}), "aabbcc");  // a: one point, then the next task of two
    ASSERT_TRUE(outcome->mismatch.has_value());
    EXPECT_EQ(outcome->mismatch->expected, last);
    EXPECT_EQ(outcome->mismatch->found, Decision::next_task);

    replay = std::make_unique<ReplaySchedule>(std::vector{Deviation{1, Decision::point, 1, 2, 12345}});
    outcome = replay->outcome();
    run_tasks(std::move(replay), {2, 2});
    EXPECT_TRUE(outcome->mismatch.has_value());  // another way there

    replay = std::make_unique<ReplaySchedule>(std::vector{Deviation{1000, Decision::point, 1, 2}});
    outcome = replay->outcome();
    run_tasks(std::move(replay), {2, 2});
    EXPECT_EQ(outcome->used, 0u);
}

TEST_F(Schedules, DrawnPointsFitAnyProgram) {
    const std::vector<Deviation> drawn{{3, Decision::point, 5, 0}, {0, Decision::point, 7, 0}, {3, {}, 0, 0}};
    auto replay = std::make_unique<ReplaySchedule>(drawn, ReplaySchedule::Mode::lenient);
    const auto outcome = replay->outcome();
    // The second of two first; it gives way at its second point, its first being step 1 and the choice 5 odd.
    EXPECT_EQ(run_tasks(std::move(replay), {3, 3}), "bbbaaaab");
    EXPECT_FALSE(outcome->mismatch.has_value());
    EXPECT_EQ(outcome->used, 2u);
}

// A bug of depth 2: b must run as a whole between two given neighbours of a's twenty steps.
TEST_F(Schedules, PctFindsABugOfDepthTwo) {
    const auto found = [&](auto make) {
        int hits = 0;
        for (std::uint64_t seed = 0; seed < 300; ++seed)
            hits += run_tasks(make(seed), {19, 3}).find("aaaaaaabbbba") == 0 ? 1 : 0;
        return hits;
    };
    const int pct = found([](std::uint64_t seed) { return std::make_unique<PctSchedule>(2, seed, 24); });
    const int random = found([](std::uint64_t seed) { return std::make_unique<RandomSchedule>(seed); });
    EXPECT_GE(pct, 3);  // the bound: 300 / (2 * 24) = 6 expected at least
    EXPECT_GT(pct, random);
}

TEST_F(Schedules, PctLetsThoseWaitedForRun) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        boot(1);
        machine().set_schedule(std::make_unique<PctSchedule>(1, seed, 100));
        Atomic<bool> done{false};
        for (int i = 0; i < 2; ++i)
            spawn("poller", [&](Task& self) {
                while (!done.load()) machine().yield(self);
            });
        spawn("doer", [&](Task&) { done.store(true); });
        EXPECT_TRUE(machine().run_until_idle());
        EXPECT_LT(machine().counters().steps, 1000u);
        join_all();
    }
}

struct Counting final : Schedule {
    explicit Counting(int& a) : asked(a) {}
    unsigned pick(Choice, Where, std::span<Task* const>) override { return 0; }
    bool preempt(Preemption, Where, const Task&, const Task*) override { return ++asked, false; }
    int& asked;
};

TEST_F(Schedules, NobodyIsAskedAboutNothing) {
    int asked = 0;
    run_tasks(std::make_unique<Counting>(asked), {5});
    EXPECT_EQ(asked, 0);
    run_tasks(std::make_unique<Counting>(asked), {5, 0});
    EXPECT_EQ(asked, 5);
    asked = 0;
    run_tasks(std::make_unique<Counting>(asked), {5, 0}, false);
    EXPECT_EQ(asked, 5);
    // A lower level is nobody to give way to, and a higher one needs no question.
    asked = 0;
    boot(1);
    machine().set_schedule(std::make_unique<Counting>(asked));
    spawn("low", [](Task&) {}, 0, 5);
    spawn("main", [&](Task& self) {
        machine().preemption_point(self);
        spawn("high", [&](Task&) { note("high"); }, 0, -5);
        machine().preemption_point(self);
        note("main");
    });
    EXPECT_TRUE(machine().run_until_idle());
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(take_log(), "high@0 main@0");
}

// A section that may not be preempted keeps the tasks of its own CPU out, and not those of others.
TEST_F(Schedules, AnAtomicSectionIsAloneOnItsCpuOnly) {
    for (const bool one_cpu : {true, false}) {
        int torn = 0;
        ExhaustiveSearch search(2);
        while (auto schedule = search.next_run()) {
            boot(3);
            machine().set_schedule(std::move(schedule));
            int shared = 0;
            for (const int cpu : {1, 2})
                spawn(
                    "adder",
                    [&](Task& self) {
                        explore_point(*domain);
                        preempt_disable(self);
                        const int before = shared;
                        explore_point(*domain);
                        shared = before + 1;
                        preempt_enable(self);
                    },
                    one_cpu ? 1 : cpu);
            EXPECT_TRUE(machine().run_until_idle());
            join_all();
            torn += shared != 2 ? 1 : 0;
            search.run_over();
        }
        EXPECT_EQ(torn != 0, !one_cpu);
    }
}

TEST_F(Schedules, VoluntaryPreemptionLeavesEqualsAtPointsAlone) {
    for (const bool voluntary : {false, true}) {
        boot(1);
        machine().set_schedule(std::make_unique<RandomSchedule>(1));
        machine().set_voluntary(voluntary);
        std::string ran;
        for (const char* name : {"a", "b"})
            spawn(name, [&](Task& self) {
                for (int i = 0; i < 20; ++i) {
                    ran += self.name;
                    machine().preemption_point(self);
                }
            });
        EXPECT_TRUE(machine().run_until_idle());
        join_all();
        const bool whole =
            ran == std::string(20, 'a') + std::string(20, 'b') || ran == std::string(20, 'b') + std::string(20, 'a');
        EXPECT_EQ(whole, voluntary);
    }
}

TEST_F(Schedules, InitGivesWayAtAPointToAnExploringScheduleOnly) {
    spawn("high", [&](Task&) { note("high"); }, 0, -20);
    machine().preemption_point(init());
    EXPECT_EQ(take_log(), "");
    struct Eager final : Schedule {
        unsigned pick(Choice, Where, std::span<Task* const>) override { return 0; }
        bool preempt(Preemption, Where, const Task&, const Task*) override { return true; }
    };
    machine().set_schedule(std::make_unique<Eager>());
    machine().preemption_point(init());
    EXPECT_EQ(take_log(), "high@0");
    join_all();
}

}  // namespace
}  // namespace bottomhalf
