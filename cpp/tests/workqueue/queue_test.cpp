// Queueing: what a true and a false mean, order, and non-reentrancy by the recorded table of re-queues.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Queue : public MachineTest {};

TEST_P(Queue, RunsOnTheCpuNamed) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    for (int cpu = 0; cpu < 2; ++cpu) {
        EXPECT_TRUE(wq->queue(item.work, cpu));
        EXPECT_TRUE(flush_work(item.work) || item.runs.load() == cpu + 1);
        EXPECT_EQ(item.cpu.load(), cpu);
    }
    // No CPU named: the caller's.
    wq->queue(item.work);
    flush_work(item.work);
    EXPECT_EQ(item.cpu.load(), self().cpu.load());
}

TEST_P(Queue, TwiceBeforeTheStartRunsOnce) {
    auto wq = wqs().alloc("q", 0, 1);
    Held first;
    Item item;
    wq->queue(first.work, 0);
    wait(first.started);
    EXPECT_TRUE(wq->queue(item.work, 0));
    EXPECT_FALSE(wq->queue(item.work, 0));
    EXPECT_FALSE(wq->queue(item.work, 1));
    first.let_go();
    wq->flush();
    EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(Queue, FromItsOwnHandlerRunsAgainAndNeverOverlaps) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    item.body = [&] {
        if (item.runs.load() < 5) {
            EXPECT_TRUE(wq->queue(item.work));
        }
    };
    wq->queue(item.work, 1);
    wq->drain();
    EXPECT_EQ(item.runs.load(), 5);
    EXPECT_EQ(item.most.load(), 1);
}

TEST_P(Queue, StoresBeforeTheCallAreVisibleToTheHandler) {
    auto wq = wqs().alloc("q", 0, 0);
    int plain = 0, seen = 0;
    Item item;
    item.body = [&] { seen = plain; };
    for (int i = 1; i <= 100; ++i) {
        plain = i;
        ASSERT_TRUE(wq->queue(item.work, i & 1));
        flush_work(item.work);
        ASSERT_EQ(seen, i);
    }
}

TEST_P(Queue, StartsInQueueingOrderOverAllWorkqueuesOfAPool) {
    auto a = wqs().alloc("a", 0, 0), b = wqs().alloc("b", 0, 0);
    Busy gate;
    a->queue(gate.work, 1);
    wait(gate.started);
    std::vector<int> order;
    std::vector<std::unique_ptr<Item>> items;
    for (int i = 0; i < 6; ++i) {
        items.push_back(std::make_unique<Item>([&order, i] { order.push_back(i); }));
        (i < 3 ? a : b)->queue(items.back()->work, 1);
    }
    gate.let_go();
    b->flush();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST_P(Queue, SeveralTasksQueueTheirItems) {
    auto wq = wqs().alloc("q", 0, 0);
    constexpr int kTasks = 4, kItems = 50;
    Item items[kTasks][kItems];
    {
        std::vector<std::unique_ptr<Caller>> callers;
        for (auto& mine : items)
            callers.push_back(std::make_unique<Caller>(m(), [&] {
                int cpu = 0;
                for (Item& item : mine) EXPECT_TRUE(wq->queue(item.work, cpu ^= 1));
            }));
    }
    wq->flush();
    for (auto& mine : items)
        for (Item& item : mine) EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(Queue, FromAnyContext) {
    auto wq = wqs().alloc("q", 0, 0);
    struct Device {
        Workqueue& wq;
        Item item;
    } device{*wq, {}};
    auto action = m().irqs().line(5).request(
        [](int, void* dev) {
            auto& d = *static_cast<Device*>(dev);
            EXPECT_TRUE(d.wq.queue(d.item.work));
            return IrqReturn::handled;
        },
        nullptr, 0, "dev", &device);
    m().irqs().line(5).fire(1);
    wq->flush();
    EXPECT_EQ(device.item.runs.load(), 1);
    EXPECT_EQ(device.item.cpu.load(), 1);
    m().irqs().line(5).free(*action);
    local_bh_disable(self());
    EXPECT_TRUE(wq->queue(device.item.work, 1));
    local_bh_enable(self());
    wq->flush();
    EXPECT_EQ(device.item.runs.load(), 2);
}

TEST_P(Queue, BadArgumentsChangeNothing) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    EXPECT_THROW(wq->queue(item.work, 2), InvalidArgument);
    EXPECT_THROW(wq->queue(item.work, -2), InvalidArgument);
    EXPECT_FALSE(item.work.pending());
    Work none;
    EXPECT_THROW(wq->queue(none, 0), MisuseError);
    EXPECT_FALSE(none.pending());
    EXPECT_TRUE(wq->queue(item.work, 1));
    wq->flush();
}

TEST_P(Queue, TracesTheLifeOfAnItemInOrder) {
    auto wq = wqs().alloc("traced", 0, 1);
    Held first;
    Item second;
    domain().trace.start();
    wq->queue(first.work, 1);
    wait(first.started);
    wq->queue(second.work, 1);
    first.let_go();
    wq->flush();
    domain().trace.stop();
    const std::string id = "work=w" + std::to_string(domain().trace.id_of(&second.work));
    std::vector<std::string> names;
    for (auto& record : domain().trace.take())
        if (std::string(record.fields).find(id + " ") == 0) names.emplace_back(record.name);
    EXPECT_EQ(names, (std::vector<std::string>{"workqueue_queue_work", "workqueue_activate_work",
                                               "workqueue_execute_start", "workqueue_execute_end"}));
}

BH_INSTANTIATE_MACHINES(Queue);

// The recorded table: a running work is queued again, elsewhere; does the second run overlap the first?
struct Requeue {
    const char* name;
    unsigned first_flags, second_flags;
    bool same_wq;
    int second_cpu;
    bool overlaps;
};
const Requeue kRequeues[] = {
    {"same workqueue, same CPU", 0, 0, true, 1, false},
    {"same workqueue, other CPU", 0, 0, true, 0, false},
    {"other workqueue, same CPU, same pool", 0, 0, false, 1, false},
    {"other workqueue, other CPU", 0, 0, false, 0, true},
    {"HIGHPRI workqueue, same CPU", 0, wq_flag::kHighpri, false, 1, true},
    {"from per-CPU to unbound", 0, wq_flag::kUnbound, false, 1, true},
    {"from unbound to per-CPU", wq_flag::kUnbound, 0, false, 1, true},
    {"same unbound workqueue, other CPU", wq_flag::kUnbound, 0, true, 0, false},
};

class NonReentrancy_12_29 : public MachineTest {};

TEST_P(NonReentrancy_12_29, RequeueOfARunningWork) {
    for (const Requeue& row : kRequeues) {
        SCOPED_TRACE(row.name);
        auto first = wqs().alloc("first", row.first_flags, 0);
        auto second = row.same_wq ? first : wqs().alloc("second", row.second_flags, 0);
        Held held;
        first->queue(held.work, 1);
        wait(held.started);
        EXPECT_TRUE(second->queue(held.work, row.second_cpu));
        if (row.overlaps) {
            wait(held.started);
            EXPECT_EQ(work_busy(held.work), kWorkBusyRunning);
        } else {
            EXPECT_EQ(work_busy(held.work), kWorkBusyPending | kWorkBusyRunning);
            if (!simulated() || row.first_flags == 0) {
                // Nothing else that the target pool could do first is left when this one has run.
                Item after;
                second->queue(after.work, row.second_cpu);
                flush_work(after.work);
            }
            EXPECT_EQ(held.runs.load(), 1);
        }
        held.let_go();
        first->flush();
        second->flush();
        EXPECT_EQ(held.runs.load(), 2);
        EXPECT_EQ(held.most.load(), row.overlaps ? 2 : 1);
        if (row.same_wq && row.first_flags == 0) {
            EXPECT_EQ(held.cpu.load(), 1) << "the second run follows the first, on its CPU";
        }
    }
}

// A changed function makes it another work.
TEST_P(NonReentrancy_12_29, AnotherFunctionIsAnotherWork) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    held.work.func = [](Work* w) { Item::run(w); };
    wq->queue(held.work, 1);
    wait(held.started);
    EXPECT_EQ(held.most.load(), 2);
    held.let_go();
    wq->flush();
}

BH_INSTANTIATE_MACHINES(NonReentrancy_12_29);

}  // namespace
}  // namespace bottomhalf::testing
