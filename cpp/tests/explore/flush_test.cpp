// Waiting for items and for workqueues while others queue, run and cancel.
#include "stage.hpp"

namespace bottomhalf::testing {
namespace {

using Flush = Exploration;

TEST_F(Flush, WorkAgainstProducerAndWorker) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        stage.task(1, [&] {
            item.queue(stage.wq(), 0);
            item.flush();
        });
        stage.task(2, [&] { item.queue(stage.wq(), 0); });
    });
}

// One producer is told "pending" by another's claim, before the item lies in any queue: flushed, it must have run all
// the same. The item ran in another pool last, so that it is queued under that pool's lock.
TEST_F(Flush, WorkThatIsClaimedByAnother) {
    search({.preemptions = 2, .points = Points::ordered}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 1);
        stage.task(1, [&] { item.queue(stage.wq(), 0); });
        stage.task(2, [&] {
            item.queue(stage.wq(), 0);
            item.flush();
        });
    });
}

TEST_F(Flush, WorkThatIsJustRun) {
    search({.preemptions = 2, .points = Points::ordered}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.queue(stage.wq(), 0);
        stage.task(1, [&] { item.flush(); });
    });
}

// While it sleeps the next worker must not run the barrier.
TEST_F(Flush, WorkThatSleeps) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.body = [&stage] { stage.machine().sleep(kMicrosecond); };
        stage.task(1, [&] {
            item.queue(stage.wq(), 0);
            item.flush();
        });
    });
}

TEST_F(Flush, TwoOfOneWork) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.queue(stage.wq(), 0);
        for (const int cpu : {1, 2}) stage.task(cpu, [&] { item.flush(); });
    });
}

// The barrier of a flush that gives up leaves its list, or has run, or runs just now.
TEST_F(Flush, WorkThatGivesUp) {
    search({.preemptions = 2, .points = Points::ordered}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        const Nanoseconds end = stage.machine().domain().now() + 5 * kMicrosecond;
        item.body = [&stage, end] {
            Domain& domain = stage.machine().domain();
            if (domain.now() < end) domain.substrate->burn(*current_task(), end - domain.now());
        };
        item.queue(stage.wq(), 0);
        stage.task(1, [&, end] {
            try {
                flush_work(item.work(), end);
            } catch (const TimedOut&) {
                // At this very instant the item ends.
            }
            item.flush();
        });
    });
}

TEST_F(Flush, WorkAgainstCancel) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.queue(stage.wq(), 0);
        stage.task(1, [&] { item.flush(); });
        stage.task(2, [&] { item.cancel(); });
    });
}

TEST_F(Flush, WorkqueueAgainstProducerAndWorker) {
    search({.preemptions = 2, .points = Points::ordered}, [](Stage& stage) {
        Probe &a = stage.item("a"), &b = stage.item("b");
        stage.warm(a, 0);
        stage.warm(b, 0);
        stage.task(1, [&] {
            a.queue(stage.wq(), 0);
            a.expect_flushed("flush_workqueue", [&] { stage.wq().flush(); });
        });
        stage.task(2, [&] { b.queue(stage.wq(), 0); });
    });
}

// Two generations, the second begun while the first may end.
TEST_F(Flush, TwoOfOneWorkqueue) {
    search({.preemptions = 2, .runs = 100'000, .points = Points::ordered}, [](Stage& stage) {
        for (const int cpu : {1, 2}) {
            Probe& item = stage.item(cpu == 1 ? "a" : "b");
            stage.warm(item, 0);
            stage.task(cpu, [&] {
                item.queue(stage.wq(), 0);
                item.expect_flushed("flush_workqueue", [&] { stage.wq().flush(); });
            });
        }
    });
}

}  // namespace
}  // namespace bottomhalf::testing
