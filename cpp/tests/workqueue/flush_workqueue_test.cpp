// Waiting for a workqueue by colours, drain and destroy.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class FlushWorkqueue : public MachineTest {};

TEST_P(FlushWorkqueue, WaitsForWhatWasQueuedBeforeAndNotForLaterItems) {
    for (unsigned flags : {0u, wq_flag::kUnbound, wq_flag::kManaged}) {
        auto wq = wqs().alloc("q", flags, 0);
        Held before, later;
        wq->queue(before.work, 1);
        wait(before.started);
        Caller flusher(m(), [&] { wq->flush(); });
        EXPECT_TRUE(eventually([&] { return flusher.waits_in("flush_workqueue"); }));
        wq->queue(later.work, 1);
        wait(later.started);
        EXPECT_FALSE(flusher.finished());
        before.let_go();
        flusher.join();
        EXPECT_EQ(later.inside.load(), 1);
        later.let_go();
        wq->flush();
    }
}

TEST_P(FlushWorkqueue, WaitsForHeldBackItems) {
    auto wq = wqs().alloc("q", 0, 1);
    Held held;
    Item inactive[3];
    wq->queue(held.work, 1);
    wait(held.started);
    for (Item& item : inactive) wq->queue(item.work, 1);
    Caller flusher(m(), [&] {
        wq->flush();
        for (Item& item : inactive) EXPECT_EQ(item.runs.load(), 1);
    });
    EXPECT_TRUE(eventually([&] { return flusher.waits_in("flush_workqueue"); }));
    held.let_go();
}

TEST_P(FlushWorkqueue, DoesNotWaitForTimersOrRequeues) {
    auto wq = wqs().alloc("q", 0, 0);
    DelayedWork timed([](Work*) {});
    queue_delayed_work(*wq, timed, 1000 * 1000);
    wq->flush();
    EXPECT_TRUE(timed.work.pending());
    cancel_delayed_work_sync(timed);
    // An item that requeues itself without end: each flush waits for one run.
    Atomic<bool> over{false};
    Item endless;
    endless.body = [&] {
        if (!over.load()) wq->queue(endless.work);
    };
    wq->queue(endless.work, 1);
    wq->flush();
    wq->flush();
    EXPECT_GE(endless.runs.load(), 2);
    over.store(true);
    wq->drain();
}

// Sixteen colours: fifteen generations go at once, the rest share what becomes free.
TEST_P(FlushWorkqueue, MoreFlushersThanColours) {
    auto wq = wqs().alloc("q", 0, 0);
    constexpr int kFlushers = 40;
    Held held[kFlushers];
    std::vector<std::unique_ptr<Caller>> flushers;
    for (int i = 0; i < kFlushers; ++i) {
        wq->queue(held[i].work, i % 2);
        wait(held[i].started);
        flushers.push_back(std::make_unique<Caller>(m(), [&, i] {
            wq->flush();
            for (int k = 0; k <= i; ++k) EXPECT_EQ(held[k].inside.load(), 0) << k << " before flusher " << i;
        }));
        EXPECT_TRUE(eventually([&] { return flushers.back()->waits_in("flush_workqueue"); }));
    }
    // Generations end in order, whatever the order of their items' ends.
    for (int i = kFlushers - 1; i > 0; --i) held[i].let_go();
    EXPECT_TRUE(eventually([&] { return wq->in_flight() == 1; }));
    for (auto& f : flushers) EXPECT_FALSE(f->finished());
    held[0].let_go();
    flushers.clear();
    EXPECT_EQ(wq->in_flight(), 0u);
}

TEST_P(FlushWorkqueue, TheFirstGenerationIsLetGoBeforeTheLast) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held[20];
    std::vector<std::unique_ptr<Caller>> flushers;
    for (Held& h : held) {
        wq->queue(h.work, 0);
        wait(h.started);
        flushers.push_back(std::make_unique<Caller>(m(), [&] { wq->flush(); }));
        EXPECT_TRUE(eventually([&] { return flushers.back()->waits_in("flush_workqueue"); }));
    }
    for (int i = 0; i < 15; ++i) {
        held[i].let_go();
        flushers[static_cast<std::size_t>(i)]->join();
    }
    // The last five found no free colour and share one.
    for (int i = 15; i < 20; ++i) EXPECT_FALSE(flushers[static_cast<std::size_t>(i)]->finished());
    for (int i = 15; i < 20; ++i) held[i].let_go();
}

TEST_P(FlushWorkqueue, FlushersThatGiveUpHandNothingOver) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    for (int i = 0; i < 40; ++i) EXPECT_THROW(wq->flush(at_once()), TimedOut);
    Caller flusher(m(), [&] { wq->flush(); });
    EXPECT_TRUE(eventually([&] { return flusher.waits_in("flush_workqueue"); }));
    held.let_go();
    flusher.join();
    for (int i = 0; i < 40; ++i) wq->flush();
}

class Drain : public MachineTest {};

TEST_P(Drain, TakesChainedItemsOnly) {
    for (unsigned flags : {0u, wq_flag::kUnbound, wq_flag::kManaged, wq_flag::kUnbound | wq_flag::kOrdered}) {
        auto wq = wqs().alloc("q", flags, flags & wq_flag::kOrdered ? 1 : 0);
        Held head;
        Item chained, outside;
        head.body = [&] {
            head.started.complete();
            head.release.wait(*current_task());
            EXPECT_TRUE(wq->queue(chained.work));
        };
        chained.body = [&] {
            if (chained.runs.load() < 12) {
                EXPECT_TRUE(wq->queue(chained.work));
            }
        };
        wq->queue(head.work, 1);
        wait(head.started);
        Caller drainer(m(), [&] { wq->drain(); });
        EXPECT_TRUE(eventually([&] { return drainer.waits_in("flush_workqueue"); }));
        EXPECT_EQ(wq->flags() & wq_flag::kDraining, wq_flag::kDraining);
        const std::string text = message_of<WorkqueueDraining>([&] { wq->queue(outside.work, 1); });
        EXPECT_NE(text.find("workqueue 'q'"), std::string::npos) << text;
        EXPECT_FALSE(outside.work.pending());
        // An item of another workqueue is outside too.
        Item foreign([&] { EXPECT_THROW(wq->queue(outside.work), WorkqueueDraining); });
        run_once(*wqs().system(SystemWq::long_running), foreign.work, 0);
        head.let_go();
        drainer.join();
        EXPECT_EQ(chained.runs.load(), 12);
        EXPECT_EQ(wq->flags() & wq_flag::kDraining, 0u);
        run_once(*wq, outside.work);
        EXPECT_EQ(outside.runs.load(), 1) << "open again";
    }
}

TEST_P(Drain, ATimeoutOpensItAgain) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    Item item;
    wq->queue(held.work, 1);
    wait(held.started);
    EXPECT_THROW(wq->drain(soon()), TimedOut);
    EXPECT_TRUE(wq->queue(item.work, 0));
    EXPECT_THROW(wq->destroy(soon()), TimedOut);
    EXPECT_FALSE(wq->destroyed());
    EXPECT_TRUE(flush_work(item.work) || item.runs.load() == 1);
    EXPECT_TRUE(wq->queue(item.work, 0));
    held.let_go();
    wq->destroy();
    EXPECT_TRUE(wq->destroyed());
    EXPECT_EQ(item.runs.load(), 2);
}

TEST_P(Drain, LongDrainsAreReported) {
    auto wq = wqs().alloc("slow", 0, 0);
    Item item;
    item.body = [&] {
        if (item.runs.load() < 40) wq->queue(item.work);
        // Let the drainer have its turn between two runs.
        Domain& d = *current_task()->domain.load();
        const auto until = d.now() + 20 * kMicrosecond;
        while (d.now() < until) d.substrate->relax(*current_task());
    };
    wq->queue(item.work, 1);
    wq->drain();
    EXPECT_EQ(item.runs.load(), 40);
    if (simulated()) {
        EXPECT_TRUE(logged("workqueue slow: drain_workqueue() isn't complete after 10 tries"));
    }
}

TEST_P(Drain, DestroyRunsWhatIsPendingAndRefusesTheRest) {
    auto wq = wqs().alloc("gone", 0, 1);
    Held held;
    Item items[4];
    wq->queue(held.work, 1);
    wait(held.started);
    for (Item& item : items) wq->queue(item.work, 1);
    Caller destroyer(m(), [&] { wq->destroy(); });
    EXPECT_TRUE(eventually([&] { return destroyer.waits_in("flush_workqueue"); }));
    Item late;
    EXPECT_THROW(wq->queue(late.work, 1), WorkqueueDestroyed);
    held.let_go();
    destroyer.join();
    for (Item& item : items) EXPECT_EQ(item.runs.load(), 1);
    EXPECT_TRUE(wq->destroyed());
    wq->destroy();
    const std::string text = message_of<WorkqueueDestroyed>([&] { wq->queue(late.work, 1); });
    EXPECT_NE(text.find("gone"), std::string::npos) << text;
    EXPECT_FALSE(late.work.pending());
    DelayedWork timed([](Work*) {});
    EXPECT_THROW(queue_delayed_work(*wq, timed, 5), WorkqueueDestroyed);
    EXPECT_FALSE(timed.work.pending());
}

TEST_P(Drain, ATimerThatFiresIntoADestroyedWorkqueueIsLogged) {
    auto wq = wqs().alloc("gone", 0, 0);
    Atomic<int> runs{0};
    static Atomic<int>* counter;
    counter = &runs;
    DelayedWork timed([](Work*) { counter->fetch_add(1); });
    queue_delayed_work(*wq, timed, 1);
    wq->destroy();
    const bool ran_before = runs.load() == 1;
    EXPECT_TRUE(eventually([&] { return !timed.work.pending(); }));
    if (!ran_before) {
        EXPECT_TRUE(eventually([&] { return logged("fired into workqueue 'gone'"); }));
        EXPECT_EQ(runs.load(), 0);
    }
}

TEST_P(Drain, SystemWorkqueuesLiveAsLongAsTheirMachine) {
    EXPECT_THROW(wqs().system(SystemWq::percpu)->destroy(), MisuseError);
    Item item;
    EXPECT_TRUE(wqs().system(SystemWq::percpu)->queue(item.work));
    wqs().system(SystemWq::percpu)->flush();
}

TEST_P(Drain, ADestroyedWorkqueueIsForgotten) {
    const auto before = wqs().workqueues().size();
    for (int i = 0; i < 50; ++i) {
        auto wq = wqs().alloc("w", i % 3 == 0 ? wq_flag::kUnbound : 0u, 0);
        Item item;
        wq->queue(item.work, i & 1);
        wq->destroy();
        EXPECT_EQ(item.runs.load(), 1);
        // The item remembers a pool and no workqueue: it can be used on.
        EXPECT_FALSE(cancel_work_sync(item.work));
        EXPECT_FALSE(flush_work(item.work));
    }
    EXPECT_EQ(wqs().workqueues().size(), before);
}

BH_INSTANTIATE_MACHINES(FlushWorkqueue);
BH_INSTANTIATE_MACHINES(Drain);

}  // namespace
}  // namespace bottomhalf::testing
