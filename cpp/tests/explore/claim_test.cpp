// Who queues an item, and who runs it: the claim, the inbox and the wake-up.
#include "stage.hpp"

namespace bottomhalf::testing {
namespace {

using Claim = Exploration;

TEST_F(Claim, TwoProducersOfOneItem) {
    for (const bool warm : {false, true})
        search({.preemptions = 2}, [=](Stage& stage) {
            Probe& item = stage.item();
            if (warm) stage.warm(item, 0);
            for (const int cpu : {1, 2}) stage.task(cpu, [&] { item.queue(stage.wq(), 0); });
        });
}

// On the worker's own CPU it comes in wherever no internal lock is held.
TEST_F(Claim, AProducerOnTheWorkersCpu) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        stage.task(0, [&] {
            item.queue(stage.wq(), 0);
            item.queue(stage.wq(), 0);
        });
    });
}

// The second call finds it pending, or running, or over: whatever the worker is just about to do.
TEST_F(Claim, AProducerAgainstTheWorker) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        stage.task(1, [&] {
            item.queue(stage.wq(), 0);
            item.queue(stage.wq(), 0);
        });
    });
}

// A worker that goes idle and one push after the other: either sees the other.
TEST_F(Claim, TwoProducersOfTwoItems) {
    search({.preemptions = 2}, [](Stage& stage) {
        for (const int cpu : {1, 2}) {
            Probe& item = stage.item(cpu == 1 ? "a" : "b");
            stage.warm(item, 0);
            stage.task(cpu, [&] { item.queue(stage.wq(), 0); });
        }
    });
}

// The first item sleeps until the second has run: a worker that goes to sleep and the push look for each other.
TEST_F(Claim, AnItemThatWaitsForTheNext) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe &first = stage.item("first"), &second = stage.item("second");
        stage.warm(first, 0);
        stage.warm(second, 0);
        auto done = std::make_shared<Completion>();
        first.body = [done] { done->wait(*current_task(), kForever, "the second item"); };
        second.body = [done] { done->complete(); };
        stage.task(1, [&] {
            first.queue(stage.wq(), 0);
            second.queue(stage.wq(), 0);
        });
    });
}

// An item that still runs in one pool and is queued for another follows itself: it never overlaps.
TEST_F(Claim, TheSameItemForTwoPools) {
    search({.preemptions = 2, .points = Points::ordered, .cpus = 4}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 1);
        stage.warm(item, 0);
        stage.task(2, [&] { item.queue(stage.wq(), 0); });
        stage.task(3, [&] { item.queue(stage.wq(), 1); });
    });
}

TEST_F(Claim, AnItemThatQueuesItself) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.body = [&] {
            if (item.runs() < 3) item.requeue(stage.wq());
        };
        stage.task(1, [&] { item.queue(stage.wq(), 0); });
    });
}

TEST_F(Claim, TwoWorkersOfAnUnboundQueue) {
    search({.preemptions = 2, .runs = 40'000, .points = Points::ordered}, [](Stage& stage) {
        Workqueue& wq = stage.alloc(wq_flag::kUnbound);
        // The pool has a spare worker before the scene begins.
        Work first([](Work*) {});
        wq.queue(first);
        flush_work(first);
        for (const char* name : {"a", "b"}) {
            Probe& item = stage.item(name);
            stage.task(name[0] == 'a' ? 1 : 2, [&] {
                item.queue(wq);
                item.queue(wq);
            });
        }
    });
}

// Held back by the limit, each item starts when the one before it leaves.
TEST_F(Claim, OneAtATime) {
    search({.preemptions = 2}, [](Stage& stage) {
        Workqueue& wq = stage.alloc(wq_flag::kPercpu, 1);
        auto inside = std::make_shared<int>(0);
        for (const char* name : {"a", "b"}) {
            Probe& item = stage.item(name);
            item.body = [&stage, inside] {
                stage.require(++*inside == 1, "two items where the limit is one");
                explore_point();
                --*inside;
            };
            stage.task(name[0] == 'a' ? 1 : 2, [&] { item.queue(wq, 0); });
        }
    });
}

// Who is told "queued" is drained; who is told "draining" is not queued.
TEST_F(Claim, AProducerAgainstADrain) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        stage.task(1, [&] { item.queue(stage.wq(), 0); });
        stage.task(2, [&] { item.expect_flushed("drain_workqueue", [&] { stage.wq().drain(); }); });
    });
}

}  // namespace
}  // namespace bottomhalf::testing
