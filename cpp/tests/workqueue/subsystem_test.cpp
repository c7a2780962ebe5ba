// The system workqueues, freezing, and the helpers that run a function on given CPUs.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Subsystem : public MachineTest {};

TEST_P(Subsystem, SystemWorkqueuesAreLinuxs) {
    struct Expected {
        SystemWq which;
        const char* name;
        unsigned flags;
        int max_active;
    };
    for (auto& e : std::initializer_list<Expected>{{SystemWq::percpu, "events", 0, 256},
                                                   {SystemWq::highpri, "events_highpri", 0x10, 256},
                                                   {SystemWq::long_running, "events_long", 0, 256},
                                                   {SystemWq::unbound, "events_unbound", 0x2, 512},
                                                   {SystemWq::freezable, "events_freezable", 0x4, 256},
                                                   {SystemWq::power_efficient, "events_power_efficient", 0x80, 256},
                                                   {SystemWq::bh, "events_bh", 0x1, INT32_MAX},
                                                   {SystemWq::bh_highpri, "events_bh_highpri", 0x11, INT32_MAX}}) {
        auto wq = wqs().system(e.which);
        EXPECT_EQ(wq->name(), e.name);
        EXPECT_EQ(wq->flags(), e.flags) << e.name;
        EXPECT_EQ(wq->max_active(), e.max_active) << e.name;
        Item item;
        wq->queue(item.work, 1);
        wq->flush();
        EXPECT_EQ(item.runs.load(), 1);
    }
}

TEST_P(Subsystem, BusyItemsAreTheQueuedAndTheRunning) {
    Held held;
    Item behind;
    auto wq = wqs().alloc_ordered("line", 0);
    wq->queue(held.work);
    wq->queue(behind.work);
    held.started.wait(self());
    const auto count = [&](const Work& work, bool running) {
        const auto busy = wqs().busy_items();
        return std::count_if(busy.begin(), busy.end(), [&](const auto& item) {
            return item.work == &work && item.running == running && item.wq == wq;
        });
    };
    EXPECT_EQ(count(held.work, true), 1);
    EXPECT_EQ(count(held.work, false), 0);
    EXPECT_EQ(count(behind.work, false), 1);
    held.let_go();
    wq->flush();
    EXPECT_EQ(count(held.work, true) + count(behind.work, false), 0);
}

TEST_P(Subsystem, NamesAreCutAndFlagsChecked) {
    auto wq = wqs().alloc(std::string(40, 'n'), 0, 0);
    EXPECT_EQ(wq->name(), std::string(31, 'n'));
    EXPECT_TRUE(logged("name exceeds WQ_NAME_LEN"));
    EXPECT_THROW(wqs().alloc("x", 0x400, 0), InvalidArgument);
    EXPECT_THROW(wqs().alloc("x", wq_flag::kPercpu | wq_flag::kUnbound, 0), InvalidArgument);
    EXPECT_THROW(wqs().alloc_ordered("x", wq_flag::kCpuIntensive), InvalidArgument);
}

TEST_P(Subsystem, OnEachCpuRunsOncePerCpu) {
    static Atomic<int> runs[2];
    runs[0].store(0);
    runs[1].store(0);
    wqs().on_each_cpu([](Work*) { runs[current_task()->cpu.load()].fetch_add(1); });
    EXPECT_EQ(runs[0].load(), 1);
    EXPECT_EQ(runs[1].load(), 1);
}

TEST_P(Subsystem, OnCpuReturnsTheValue) {
    for (unsigned cpu = 0; cpu < 2; ++cpu) {
        long add = 40;
        EXPECT_EQ(wqs().on_cpu(
                      cpu, [](void* arg) { return *static_cast<long*>(arg) + current_task()->cpu.load(); }, &add),
                  40 + static_cast<long>(cpu));
    }
    EXPECT_THROW(wqs().on_cpu(2, [](void*) { return 0L; }, nullptr), InvalidArgument);
}

TEST_P(Subsystem, FreezeHoldsNewItemsAndThawReleasesThemInOrder) {
    for (unsigned flags : {wq_flag::kFreezable, wq_flag::kFreezable | wq_flag::kUnbound}) {
        auto wq = wqs().alloc("frozen", flags, 0);
        auto warm = wqs().alloc("warm", 0, 0);
        Held running;
        wq->queue(running.work, 1);
        wait(running.started);
        wqs().freeze();
        EXPECT_TRUE(wqs().freeze_busy()) << "a running item";
        std::vector<int> order;
        std::vector<std::unique_ptr<Item>> items;
        for (int i = 0; i < 4; ++i) {
            items.push_back(std::make_unique<Item>([&order, i] { order.push_back(i); }));
            EXPECT_TRUE(wq->queue(items.back()->work, 1));
        }
        Item cancelled;
        EXPECT_TRUE(wq->queue(cancelled.work, 0));
        EXPECT_TRUE(cancel_work_sync(cancelled.work));
        Item other;
        run_once(*warm, other.work, 1);
        EXPECT_EQ(other.runs.load(), 1) << "not freezable: goes on";
        running.let_go();
        EXPECT_TRUE(eventually([&] { return !wqs().freeze_busy(); }));
        EXPECT_EQ(order, std::vector<int>{});
        wq->set_max_active(1);  // takes effect at the thaw
        EXPECT_EQ(order, std::vector<int>{});
        EXPECT_THROW(wq->flush(soon()), TimedOut);
        wqs().thaw();
        wq->flush();
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
        EXPECT_EQ(cancelled.runs.load(), 0);
        wq->destroy();
    }
}

TEST_P(Subsystem, AWorkqueueMadeWhileFrozenIsFrozen) {
    wqs().freeze();
    auto wq = wqs().alloc("late", wq_flag::kFreezable, 0);
    Item item;
    wq->queue(item.work, 1);
    EXPECT_TRUE(wq->congested(1));
    EXPECT_EQ(item.runs.load(), 0);
    wqs().thaw();
    wq->flush();
    EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(Subsystem, PowerEfficientAndFreezableSystemQueues) {
    wqs().freeze();
    Item item;
    wqs().system(SystemWq::freezable)->queue(item.work, 1);
    wqs().system(SystemWq::freezable_power_efficient)->queue(item.work, 1);
    EXPECT_EQ(item.runs.load(), 0);
    wqs().thaw();
    wqs().system(SystemWq::freezable)->flush();
    EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(Subsystem, StatisticsCount) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    for (int i = 0; i < 7; ++i) run_once(*wq, item.work, i & 1);
    wq->flush();
    EXPECT_EQ(wq->stats().started, 7u);
    EXPECT_EQ(wq->stats().completed, 7u);
}

BH_INSTANTIATE_MACHINES(Subsystem);

}  // namespace
}  // namespace bottomhalf::testing
