// Waiting for an item: barriers, what they wait for, and how a wait that gives up leaves.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class FlushWork : public MachineTest {};

TEST_P(FlushWork, TheHandlersStoresAreVisibleAfterwards) {
    auto wq = wqs().alloc("q", 0, 0);
    int plain = 0;
    Item item([&] { ++plain; });
    for (int i = 1; i <= 100; ++i) {
        wq->queue(item.work, i & 1);
        flush_work(item.work);
        ASSERT_EQ(plain, i);
    }
}

TEST_P(FlushWork, SeveralWaitersOfOneItem) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    std::vector<std::unique_ptr<Caller>> waiters;
    Atomic<int> true_results{0};
    for (int i = 0; i < 5; ++i)
        waiters.push_back(
            std::make_unique<Caller>(m(), [&] { true_results.fetch_add(flush_work(held.work) ? 1 : 0); }));
    for (auto& w : waiters) EXPECT_TRUE(eventually([&] { return w->waits_in("flush_work"); }));
    held.let_go();
    waiters.clear();
    EXPECT_EQ(true_results.load(), 5);
}

TEST_P(FlushWork, WaitersOfAHeldBackItem) {
    auto wq = wqs().alloc("q", 0, 1);
    Held first;
    Item item;
    wq->queue(first.work, 1);
    wait(first.started);
    wq->queue(item.work, 1);
    {
        Caller a(m(), [&] { EXPECT_TRUE(flush_work(item.work)); });
        Caller b(m(), [&] { EXPECT_TRUE(flush_work(item.work)); });
        EXPECT_TRUE(eventually([&] { return a.waits_in("flush_work") && b.waits_in("flush_work"); }));
        first.let_go();
    }
    EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(FlushWork, CancellingTheTargetEndsTheWait) {
    for (int limit : {1, 0}) {  // held back, and active
        auto wq = wqs().alloc("q", 0, limit);
        Busy first;
        Item item;
        wq->queue(first.work, 1);
        wait(first.started);
        wq->queue(item.work, 1);
        Caller waiter(m(), [&] { flush_work(item.work); });
        EXPECT_TRUE(eventually([&] { return waiter.waits_in("flush_work"); }));
        EXPECT_TRUE(cancel_work(item.work));
        first.let_go();
        waiter.join();
        EXPECT_EQ(item.runs.load(), 0);
        wq->flush();
    }
}

// The barrier of a wait that times out leaves, wherever it stands; the others stay.
TEST_P(FlushWork, ATimeoutUnlinksItsBarrierOnly) {
    for (int limit : {1, 0}) {
        auto wq = wqs().alloc("q", 0, limit);
        Busy first;
        Item item;
        wq->queue(first.work, 1);
        wait(first.started);
        wq->queue(item.work, 1);
        Caller before(m(), [&] { EXPECT_TRUE(flush_work(item.work)); });
        EXPECT_TRUE(eventually([&] { return before.waits_in("flush_work"); }));
        EXPECT_THROW(flush_work(item.work, soon()), TimedOut);
        EXPECT_THROW(flush_work(item.work, at_once()), TimedOut);
        Caller after(m(), [&] { EXPECT_TRUE(flush_work(item.work)); });
        EXPECT_TRUE(eventually([&] { return after.waits_in("flush_work"); }));
        EXPECT_THROW(flush_work(item.work, soon()), TimedOut);
        EXPECT_THROW(flush_work(first.work, soon()), TimedOut);  // of the running item
        first.let_go();
        before.join();
        after.join();
        EXPECT_EQ(item.runs.load(), 1);
        wq->flush();
        EXPECT_EQ(wq->in_flight(), 0u);
    }
}

TEST_P(FlushWork, OnlyFromWhereOneMaySleep) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    wq->queue(item.work);
    local_bh_disable(self());
    EXPECT_THROW(flush_work(item.work), SchedulingWhileAtomic);
    EXPECT_THROW(wq->flush(), SchedulingWhileAtomic);
    EXPECT_THROW(wq->drain(), SchedulingWhileAtomic);
    EXPECT_THROW(cancel_work_sync(item.work), SchedulingWhileAtomic);
    EXPECT_THROW(wqs().on_cpu(0, [](void*) { return 1L; }, nullptr), SchedulingWhileAtomic);
    EXPECT_THROW(wqs().on_each_cpu([](Work*) {}), SchedulingWhileAtomic);
    local_bh_enable(self());
    flush_work(item.work);
    EXPECT_EQ(item.runs.load(), 1) << "what was refused has not happened";
    wqs().system(SystemWq::percpu)->flush();
    EXPECT_THROW(
        {
            Work none;
            flush_work(none);
        },
        MisuseError);
}

BH_INSTANTIATE_MACHINES(FlushWork);

}  // namespace
}  // namespace bottomhalf::testing
