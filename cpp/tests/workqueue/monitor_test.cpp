// The monitor: workers that block in code which does not say so.
#include "bottomhalf/workqueue/monitor.hpp"

#include <unistd.h>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

// An item that blocks in read(), of which the engine knows nothing.
struct Blocked : Item {
    Completion started;
    int ends[2];
    Atomic<bool> over{false};
    Blocked() {
        EXPECT_EQ(pipe(ends), 0);
        body = [this] {
            started.complete();
            char byte;
            EXPECT_EQ(read(ends[0], &byte, 1), 1);
            over.store(true);
        };
    }
    ~Blocked() {
        close(ends[0]);
        close(ends[1]);
    }
    void let_go() const { EXPECT_EQ(write(ends[1], "x", 1), 1); }
};

class MonitorTest : public ::testing::TestWithParam<Detection> {
protected:
    void SetUp() override {
        MachineOptions options;
        options.cpus = 1;
        options.detection = GetParam();
        try {
            machine = std::make_unique<Machine>(options);
        } catch (const Unsupported& error) {
            GTEST_SKIP() << error.what();
        }
    }
    void TearDown() override {
        if (machine != nullptr) machine->halt();
    }
    Task& self() { return machine->domain().self(); }
    Monitor& monitor() { return *machine->workqueues().monitor(); }
    WorkerPool& pool_of(SystemWq which) {
        const PoolKind kind = which == SystemWq::managed ? PoolKind::managed : PoolKind::bound;
        WorkerPool* found = nullptr;
        machine->workqueues().for_each_pool([&](WorkerPool& pool) {
            if (pool.kind == kind && pool.nice == 0) found = &pool;
        });
        return *found;
    }
    std::unique_ptr<Machine> machine;
};

TEST_P(MonitorTest, TheNextItemStartsAndTheCountIsKept) {
    EXPECT_EQ(monitor().means(), GetParam());
    for (SystemWq which : {SystemWq::percpu, SystemWq::managed}) {
        auto& wq = machine->workqueues().system(which);
        WorkerPool& pool = pool_of(which);
        Blocked first, second;
        Item behind;
        wq->queue(first.work);
        first.started.wait(self());
        wq->queue(second.work);
        second.started.wait(self());
        wq->queue(behind.work);
        EXPECT_TRUE(flush_work(behind.work) || behind.runs.load() == 1);
        EXPECT_EQ(behind.runs.load(), 1);
        EXPECT_FALSE(first.over.load());
        EXPECT_FALSE(second.over.load());
        // Counted by whoever hands over, a moment after; and not when the next worker was on its way anyway.
        EXPECT_TRUE(eventually(*machine, [&] { return wq->stats().cm_wakeup >= 1; }));
        first.let_go();
        second.let_go();
        wq->flush();
        EXPECT_TRUE(eventually(*machine, [&] { return pool.nr_running.load() == 0; }));
        // One by one again.
        Item items[50];
        for (Item& item : items) wq->queue(item.work);
        wq->flush();
        for (Item& item : items) EXPECT_EQ(item.runs.load(), 1);
        EXPECT_TRUE(eventually(*machine, [&] { return pool.nr_running.load() == 0; }));
    }
    EXPECT_GE(monitor().counters().handovers, 4u);
}

TEST_P(MonitorTest, PollingIsNotBlocking) {
    if (GetParam() == Detection::budget) GTEST_SKIP() << "goes by CPU time, and who polls uses little";
    machine->workqueues().hogs().set_threshold(0);  // a hog would end the looks
    // It pauses in relax(), as any loop that polls does after a while.
    Atomic<bool> go{false}, started{false};
    Item polls([&] {
        started.store(true);
        const auto until = monitor().counters().looks + 20;
        while (monitor().counters().looks < until) machine->domain().substrate->relax(*current_task());
    });
    Item behind;
    auto& wq = machine->workqueues().system(SystemWq::percpu);
    wq->queue(polls.work);
    wq->queue(behind.work);
    wq->flush();
    EXPECT_EQ(monitor().counters().handovers, 0u);
}

TEST_P(MonitorTest, SleepsWhileNothingIsPendingBehindAWorker) {
    auto& wq = machine->workqueues().system(SystemWq::percpu);
    Blocked blocked;
    Item one;
    for (int i = 0; i < 100; ++i) {
        wq->queue(one.work);
        flush_work(one.work);
        // Else the next one would be pending behind a worker that is just leaving this one.
        EXPECT_TRUE(eventually(*machine, [&] { return wq->pool_of(0).nr_running.load() == 0; }));
    }
    wq->queue(blocked.work);
    blocked.started.wait(self());
    EXPECT_EQ(monitor().counters().wakeups, 0u);
    EXPECT_EQ(monitor().counters().looks, 0u);
    blocked.let_go();
    wq->flush();
}

TEST_P(MonitorTest, AHeldBackItemWaitsForItsTurnAllTheSame) {
    auto wq = machine->workqueues().alloc("one", 0, 1);
    Blocked blocked;
    Item behind;
    wq->queue(blocked.work);
    blocked.started.wait(self());
    wq->queue(behind.work);
    Item other;
    machine->workqueues().system(SystemWq::percpu)->queue(other.work);
    flush_work(other.work);
    EXPECT_EQ(other.runs.load(), 1);
    EXPECT_EQ(behind.runs.load(), 0);
    blocked.let_go();
    wq->flush();
    EXPECT_EQ(behind.runs.load(), 1);
    wq->destroy();
}

INSTANTIATE_TEST_SUITE_P(Means, MonitorTest,
                         ::testing::Values(Detection::switch_records, Detection::sampling, Detection::budget),
                         [](const auto& info) {
                             std::string name = detection_name(info.param);
                             std::erase(name, '-');
                             return name;
                         });

TEST(Detection, NamesAndRefusals) {
    MachineOptions options;
    options.detection = Detection::hooks;
    Machine machine(options);
    EXPECT_EQ(machine.workqueues().monitor(), nullptr);
    machine.halt();
    options.simulated = true;
    options.detection = Detection::sampling;
    EXPECT_THROW(Machine simulated(options), InvalidArgument);
    EXPECT_STREQ(detection_name(Detection::automatic), "auto");
}

}  // namespace
}  // namespace bottomhalf::testing
