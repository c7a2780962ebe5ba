// Where the workers of a CPU run on the host, and when they move.
#include <sched.h>

#include <array>
#include <cstring>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Seats : public MachineTest {
protected:
    // The test's thread stays on this CPU of the host until the test ends. Needs two CPUs.
    bool go_to(int cpu) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof one, &one) == 0;
    }
    void SetUp() override {
        sched_getaffinity(0, sizeof before_, &before_);
        if (!CPU_ISSET(0, &before_) || !CPU_ISSET(1, &before_)) GTEST_SKIP() << "needs the host's CPUs 0 and 1";
        MachineTest::SetUp();
        if (!domain().topology.same_cache(0, 1)) GTEST_SKIP() << "the host's CPUs 0 and 1 share no cache";
    }
    void TearDown() override {
        sched_setaffinity(0, sizeof before_, &before_);
        MachineTest::TearDown();
    }
    Workqueue& wq() { return *wqs().system(SystemWq::percpu); }
    // The host's CPU that an item of this CPU runs on.
    int seat_of(int cpu) {
        int seen = -1;
        Item item([&] { seen = sched_getcpu(); });
        run_once(wq(), item.work, cpu);
        return seen;
    }
    // Every worker sleeps: the next item wakes one.
    bool all_asleep() {
        return eventually([&] {
            bool asleep = true;
            domain().for_each_task([&](Task& task) {
                if (std::strncmp(task.name, "kworker/", 8) == 0 && task.state.load() != TaskState::idle) asleep = false;
            });
            return asleep;
        });
    }

    Atomic<int> seen_{-1};

private:
    cpu_set_t before_;
};

TEST_P(Seats, ACpuComesToWhereItsCallerWaitsForIt) {
    ASSERT_EQ(seat_of(0), 0);
    ASSERT_EQ(seat_of(1), 1);
    ASSERT_TRUE(go_to(1));
    bool came = false;
    for (int i = 0; i < 10'000 && !came; ++i) came = seat_of(0) == 1;
    EXPECT_TRUE(came);
    // And the other has gone to where it was.
    bool went = false;
    for (int i = 0; i < 10'000 && !went; ++i) went = seat_of(1) == 0;
    EXPECT_TRUE(went);
}

// Those that were there follow before their next sleep; those that come later begin there.
TEST_P(Seats, AllWorkersOfTheCpuCome) {
    ASSERT_TRUE(go_to(1));
    for (int i = 0; i < 10'000 && seat_of(0) != 1; ++i) {
    }
    for (const bool first : {true, false}) {
        // Each waits, so that the next one has a worker of its own.
        std::array<Atomic<int>, 6> seen;
        Completion started, release;
        std::vector<std::unique_ptr<Item>> items;
        for (auto& mine : seen)
            items.push_back(std::make_unique<Item>([&] {
                mine.store(sched_getcpu());
                started.complete();
                release.wait(*current_task());
            }));
        for (auto& item : items) {
            wq().queue(item->work, 0);
            wait(started);
        }
        release.complete_all();
        wq().flush();
        if (first) continue;
        for (auto& mine : seen) EXPECT_EQ(mine.load(), 1);
    }
}

// It may compute meanwhile: not at once.
TEST_P(Seats, ACallerThatDoesNotWaitNeedsPatience) {
    ASSERT_TRUE(go_to(1));
    Item item([&] { seen_.store(sched_getcpu()); });
    const auto round = [&] {
        const int runs = item.runs.load();
        ASSERT_TRUE(all_asleep());
        wq().queue(item.work, 0);
        ASSERT_TRUE(eventually([&] { return item.runs.load() == runs + 1 && item.inside.load() == 0; }));
    };
    for (int i = 0; i < 64 && !HasFatalFailure(); ++i) {
        round();
        ASSERT_EQ(seen_.load(), 0);
    }
    for (int i = 0; i < 10'000 && seen_.load() != 1 && !HasFatalFailure(); ++i) round();
    EXPECT_EQ(seen_.load(), 1);
}

INSTANTIATE_TEST_SUITE_P(Host, Seats, ::testing::Values(Kind::host), kind_name);

}  // namespace
}  // namespace bottomhalf::testing
