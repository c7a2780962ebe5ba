// max_active: how many items of a workqueue are active at once, by the recorded figures.
#include <random>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class MaxActive : public MachineTest {
protected:
    // Queues n sleeping items on each of the CPUs and returns how many start before any ends.
    int started(const std::shared_ptr<Workqueue>& wq, int n, int cpus, int expected) {
        std::vector<std::unique_ptr<Item>> items;
        Atomic<int> count{0};
        Completion release;
        const auto before = wq->stats().started;
        for (int i = 0; i < n * cpus; ++i) {
            items.push_back(std::make_unique<Item>([&] {
                count.fetch_add(1);
                release.wait(*current_task(), kForever, "held");
            }));
            wq->queue(items.back()->work, i % cpus);
        }
        EXPECT_TRUE(eventually([&] { return count.load() >= expected; })) << count.load();
        // All that may start has, once no pool that works for this workqueue has anything left to start.
        EXPECT_TRUE(eventually([&] { return wq->stats().started - before == static_cast<std::uint64_t>(expected); }));
        const int result = count.load();
        release.complete_all();
        wq->flush();
        EXPECT_EQ(count.load(), n * cpus);
        return result;
    }
};

TEST_P(MaxActive, PerCpuWorkqueueCountsEachCpu) {
    for (unsigned flags : {0u, wq_flag::kHighpri, wq_flag::kCpuIntensive})
        for (int limit : {1, 2, 4}) {
            EXPECT_EQ(started(wqs().alloc("q", flags, limit), 8, 1, limit), limit);
            EXPECT_EQ(started(wqs().alloc("q", flags, limit), 8, 2, 2 * limit), 2 * limit);
        }
    EXPECT_EQ(started(wqs().alloc("q", 0, 0), 16, 1, 16), 16);
}

TEST_P(MaxActive, UnboundWorkqueueCountsAsAWhole) {
    for (int limit : {1, 2, 4}) EXPECT_EQ(started(wqs().alloc("q", wq_flag::kUnbound, limit), 8, 2, limit), limit);
    EXPECT_EQ(started(wqs().alloc("q", wq_flag::kUnbound, 0), 8, 2, 16), 16);
    EXPECT_EQ(started(wqs().alloc("q", wq_flag::kManaged, 3), 8, 2, 3), 3);
}

TEST_P(MaxActive, OrderedRunsOneAtATimeInQueueingOrder) {
    auto wq = wqs().alloc_ordered("ordered", 0);
    EXPECT_TRUE(wq->ordered());
    EXPECT_EQ(started(wq, 4, 2, 1), 1);
    std::vector<int> order;
    std::vector<std::unique_ptr<Item>> items;
    Held gate;
    wq->queue(gate.work, 0);
    for (int i = 0; i < 32; ++i) {
        items.push_back(std::make_unique<Item>([&order, i] { order.push_back(i); }));
        wq->queue(items.back()->work, i % 2);
    }
    gate.let_go();
    wq->flush();
    ASSERT_EQ(order.size(), 32u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(MaxActive, ARequeueOfARunningItemTakesAPlaceOfItsOwn) {
    auto wq = wqs().alloc("q", 0, 1);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    wq->queue(held.work, 1);
    EXPECT_TRUE(wq->congested(1));
    EXPECT_FALSE(wq->congested(0));
    held.let_go();
    wq->flush();
    EXPECT_EQ(held.runs.load(), 2);
    EXPECT_FALSE(wq->congested(1));
}

TEST_P(MaxActive, RaisingTheLimitStartsHeldBackItemsAtOnce) {
    for (unsigned flags : {0u, wq_flag::kUnbound}) {
        auto wq = wqs().alloc("q", flags, 1);
        Held held[3];
        for (Held& h : held) wq->queue(h.work, 1);
        wait(held[0].started);
        wq->set_max_active(3);
        EXPECT_EQ(wq->max_active(), 3);
        wait(held[1].started);
        wait(held[2].started);
        wq->set_max_active(1);
        for (Held& h : held) h.let_go();
        wq->flush();
        EXPECT_EQ(started(wq, 4, 1, 1), 1);
    }
}

// Its only waiter was cancelled: that pool workqueue no longer waits for a place, and nobody waits behind it.
TEST_P(MaxActive, ACancelledWaiterHoldsUpNobody) {
    auto wq = wqs().alloc("q", wq_flag::kUnbound, 1);
    Held first, third;
    Item second;
    wq->queue(first.work, 0);
    wait(first.started);
    wq->queue(second.work, 1);
    EXPECT_TRUE(cancel_work(second.work));
    wq->set_max_active(2);
    wq->queue(third.work, 0);
    EXPECT_TRUE(eventually([&] { return third.runs.load() == 1; }));
    first.let_go();
    third.let_go();
    wq->flush();
}

TEST_P(MaxActive, PoolWorkqueuesThatWaitAreServedInTurn) {
    auto wq = wqs().alloc("q", wq_flag::kUnbound, 1);
    Held gate;
    wq->queue(gate.work, 0);
    wait(gate.started);
    std::vector<int> order;
    std::vector<std::unique_ptr<Item>> items;
    for (int i = 0; i < 6; ++i) {
        items.push_back(std::make_unique<Item>([&order, i] { order.push_back(i); }));
        wq->queue(items.back()->work, i < 3 ? 0 : 1);
    }
    gate.let_go();
    wq->flush();
    EXPECT_EQ(order, (std::vector<int>{0, 3, 1, 4, 2, 5}));
}

// Producers push past the pool's lock, and whoever takes it next accounts for what lies there: in one go if it is of
// one workqueue, in pieces if not. While tracing is on, every push takes the lock: the items must start in the same
// order.
TEST_P(MaxActive, PushesPastTheLockComeOutAsIfEachHadTakenIt) {
    constexpr int kItems = 40;
    // No item says that it sleeps, so they run one after the other; a thread that the system puts to sleep in one,
    // waiting for memory perhaps, does not count.
    MachineOptions told = options();
    told.detection = Detection::hooks;
    reboot(told);
    for (unsigned seed = 0; seed < 60; ++seed) {
        std::vector<int> orders[2];
        for (int locked : {0, 1}) {
            const std::shared_ptr<Workqueue> wq[] = {wqs().alloc("a", 0, 2), wqs().alloc("b", 0, 1),
                                                     wqs().alloc("c", 0, 8)};
            std::vector<int>& order = orders[locked];
            std::vector<std::unique_ptr<Item>> items;
            for (int i = 0; i < kItems; ++i)
                items.push_back(std::make_unique<Item>([&order, i] { order.push_back(i); }));
            Busy busy;
            wqs().system(SystemWq::percpu)->queue(busy.work, 0);
            wait(busy.started);
            if (locked != 0) domain().trace.start();
            std::minstd_rand random(seed);
            // Runs of the same workqueue: long, short, and one alone.
            const unsigned most = 1 + seed % 20;
            for (int i = 0; i < kItems;) {
                Workqueue& to = *wq[random() % 3];
                for (unsigned n = 1 + random() % most; n != 0 && i < kItems; --n, ++i) to.queue(items[i]->work, 0);
                if (random() % 4 == 0) {
                    EXPECT_NE(to.in_flight(), 0u);  // takes the lock, too
                }
            }
            // One is taken out of the middle.
            EXPECT_TRUE(cancel_work(items[random() % kItems]->work));
            busy.let_go();
            for (auto& each : wq) each->flush();
            domain().trace.stop();
            for (auto& each : wq) EXPECT_EQ(each->in_flight() + each->active(), 0u);
        }
        EXPECT_EQ(orders[0].size(), kItems - 1u);
        EXPECT_EQ(orders[0], orders[1]) << "seed " << seed;
    }
}

TEST_P(MaxActive, MisuseIsRefused) {
    EXPECT_THROW(wqs().alloc("q", 0, -1), InvalidArgument);
    EXPECT_THROW(wqs().alloc("q", 0, 513), InvalidArgument);
    EXPECT_EQ(wqs().alloc("q", 0, 0)->max_active(), 256);
    auto wq = wqs().alloc("q", 0, 2);
    EXPECT_THROW(wq->set_max_active(513), InvalidArgument);
    EXPECT_THROW(wq->set_max_active(-1), InvalidArgument);
    EXPECT_EQ(wq->max_active(), 2);
    EXPECT_THROW(wq->set_min_active(1), MisuseError);
    auto ordered = wqs().alloc_ordered("o", 0);
    EXPECT_THROW(ordered->set_max_active(2), MisuseError);
    EXPECT_THROW(ordered->set_min_active(1), MisuseError);
    EXPECT_THROW(wqs().system(SystemWq::bh)->set_max_active(2), MisuseError);
    auto unbound = wqs().alloc("u", wq_flag::kUnbound, 16);
    EXPECT_EQ(unbound->min_active(), 8);
    unbound->set_max_active(4);
    EXPECT_EQ(unbound->min_active(), 4);
}

BH_INSTANTIATE_MACHINES(MaxActive);

}  // namespace
}  // namespace bottomhalf::testing
