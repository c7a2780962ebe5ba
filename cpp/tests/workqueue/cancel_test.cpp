// Cancelling, disabling and enabling items.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Cancel : public MachineTest {};

TEST_P(Cancel, SyncBlocksTheSelfRequeue) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    bool requeued = true;
    held.body = [&] {
        held.started.complete();
        held.release.wait(*current_task());
        requeued = wq->queue(held.work);
    };
    wq->queue(held.work, 1);
    wait(held.started);
    Caller a(m(), [&] { EXPECT_FALSE(cancel_work_sync(held.work)); });
    Caller b(m(), [&] { EXPECT_FALSE(cancel_work_sync(held.work)); });
    EXPECT_TRUE(eventually([&] { return a.waits_in("cancel_work_sync") && b.waits_in("cancel_work_sync"); }));
    held.let_go();
    a.join();
    b.join();
    EXPECT_FALSE(requeued);
    EXPECT_EQ(held.runs.load(), 1);
    held.body = {};
    EXPECT_TRUE(wq->queue(held.work, 1)) << "afterwards it can be queued again";
    wq->flush();
}

TEST_P(Cancel, ATimeoutRestoresTheDepth) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    wq->queue(held.work, 1);
    bool was_pending = false;
    EXPECT_THROW(cancel_work_sync(held.work, soon(), &was_pending), TimedOut);
    EXPECT_TRUE(was_pending);
    EXPECT_EQ(work_busy(held.work), kWorkBusyRunning) << "the item removed, the depth restored";
    EXPECT_THROW(enable_work(held.work), UnbalancedEnable);
    EXPECT_THROW(disable_work_sync(held.work, soon(), &was_pending), TimedOut);
    EXPECT_FALSE(was_pending);
    EXPECT_FALSE(wq->queue(held.work, 1)) << "disabled";
    EXPECT_TRUE(enable_work(held.work));
    held.let_go();
    wq->flush();
    EXPECT_EQ(held.runs.load(), 1);
}

TEST_P(Cancel, DisableNests) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    EXPECT_FALSE(disable_work(item.work));
    EXPECT_FALSE(disable_work_sync(item.work));
    EXPECT_FALSE(wq->queue(item.work));
    EXPECT_FALSE(enable_work(item.work));
    EXPECT_FALSE(wq->queue(item.work));
    EXPECT_TRUE(enable_work(item.work));
    EXPECT_TRUE(wq->queue(item.work));
    wq->flush();
    EXPECT_EQ(item.runs.load(), 1);
    EXPECT_THROW(enable_work(item.work), UnbalancedEnable);
    EXPECT_TRUE(wq->queue(item.work)) << "a refused enable changes nothing";
    wq->flush();
}

TEST_P(Cancel, AnEnableTooManyWhileSomebodyCancelsIsReported) {
    // It undoes what the cancel has disabled; the cancel finds that out, and nobody can be thrown at.
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    Caller caller(m(), [&] { EXPECT_FALSE(cancel_work_sync(held.work)); });
    EXPECT_TRUE(eventually([&] { return caller.waits_in("cancel_work_sync"); }));
    EXPECT_TRUE(enable_work(held.work));
    held.let_go();
    caller.join();
    EXPECT_TRUE(logged("work disable count underflowed"));
    EXPECT_TRUE(wq->queue(held.work)) << "as it was";
    wq->flush();
    EXPECT_EQ(held.runs.load(), 2);
}

TEST_P(Cancel, DisableCountsTo65535) {
    Item item;
    for (int i = 0; i < 65535; ++i) disable_work(item.work);
    EXPECT_THROW(disable_work(item.work), MisuseError);
    for (int i = 0; i < 65534; ++i) ASSERT_FALSE(enable_work(item.work));
    EXPECT_TRUE(enable_work(item.work));
}

TEST_P(Cancel, WhatDisableTookAwayIsNotQueuedByEnable) {
    auto wq = wqs().alloc("q", 0, 1);
    Held first;
    Item item;
    wq->queue(first.work, 1);
    wait(first.started);
    wq->queue(item.work, 1);
    EXPECT_TRUE(disable_work(item.work));
    EXPECT_TRUE(enable_work(item.work));
    first.let_go();
    wq->flush();
    EXPECT_EQ(item.runs.load(), 0);
}

TEST_P(Cancel, MakesRoomForTheNextHeldBackItem) {
    auto wq = wqs().alloc("q", 0, 1);
    Busy busy;
    Item active, inactive;
    wqs().system(SystemWq::percpu)->queue(busy.work, 1);
    wait(busy.started);
    wq->queue(active.work, 1);  // waits for the CPU, but is active
    wq->queue(inactive.work, 1);
    EXPECT_TRUE(cancel_work(active.work));
    EXPECT_FALSE(wq->congested(1));
    busy.let_go();
    wq->flush();
    EXPECT_EQ(active.runs.load(), 0);
    EXPECT_EQ(inactive.runs.load(), 1);
}

TEST_P(Cancel, EndsAFlushThatWaitedForIt) {
    auto wq = wqs().alloc("q", 0, 0);
    Busy busy;
    Item item;
    wqs().system(SystemWq::percpu)->queue(busy.work, 1);
    wait(busy.started);
    wq->queue(item.work, 1);
    Caller flusher(m(), [&] { wq->flush(); });
    EXPECT_TRUE(eventually([&] { return flusher.waits_in("flush_workqueue"); }));
    EXPECT_TRUE(cancel_work(item.work));
    flusher.join();
    busy.let_go();
    wqs().system(SystemWq::percpu)->flush();
}

TEST_P(Cancel, InsideItsOwnHandler) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    item.body = [&] {
        EXPECT_FALSE(cancel_work(item.work));
        wq->queue(item.work);
        EXPECT_TRUE(cancel_work(item.work));
    };
    wq->queue(item.work, 1);
    wq->drain();
    EXPECT_EQ(item.runs.load(), 1);
}

BH_INSTANTIATE_MACHINES(Cancel);

}  // namespace
}  // namespace bottomhalf::testing
