// Taking items back while others queue and run them.
#include "stage.hpp"

namespace bottomhalf::testing {
namespace {

using Cancel = Exploration;

TEST_F(Cancel, AgainstProducerAndWorker) {
    for (const bool sync : {false, true})
        search({.preemptions = 2}, [=](Stage& stage) {
            Probe& item = stage.item();
            stage.warm(item, 0);
            stage.task(1, [&] { item.queue(stage.wq(), 0); });
            stage.task(2, [&, sync] { sync ? item.cancel_sync() : item.cancel(); });
        });
}

// Nobody else queues it: whatever the call finds, afterwards there is silence.
TEST_F(Cancel, SyncIsFollowedBySilence) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.queue(stage.wq(), 0);
        stage.task(1, [&] { item.cancel_sync(); });
    });
}

TEST_F(Cancel, SyncStopsAnItemThatQueuesItself) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.body = [&] {
            // So often that nothing but the cancel ends it in the schedules that matter.
            if (item.runs() < 4) item.requeue(stage.wq());
        };
        item.queue(stage.wq(), 0);
        stage.task(1, [&] { item.cancel_sync(); });
    });
}

TEST_F(Cancel, TwoSyncAtOnce) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.queue(stage.wq(), 0);
        for (const int cpu : {1, 2}) stage.task(cpu, [&] { item.cancel_sync(); });
    });
}

// The worker that was woken for the one finds nothing and goes to sleep again, while the other is pushed: the word that
// a woken worker is on its way must be taken back before it looks.
TEST_F(Cancel, WhatAWorkerWasWokenFor) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe &one = stage.item("one"), &other = stage.item("other");
        stage.warm(one, 0);
        stage.warm(other, 0);
        stage.task(1, [&] {
            one.queue(stage.wq(), 0);
            one.cancel();
            other.queue(stage.wq(), 0);
        });
    });
}

TEST_F(Cancel, WhatIsHeldBack) {
    search({.preemptions = 2}, [](Stage& stage) {
        Workqueue& wq = stage.alloc(wq_flag::kPercpu, 1);
        Probe &first = stage.item("first"), &second = stage.item("second");
        first.queue(wq, 0);
        second.queue(wq, 0);
        stage.task(1, [&] { first.cancel(); });
        stage.task(2, [&] { second.cancel(); });
    });
}

TEST_F(Cancel, DisableAndEnableAgainstAProducer) {
    for (const bool sync : {false, true})
        search({.preemptions = 2}, [=](Stage& stage) {
            Probe& item = stage.item();
            stage.warm(item, 0);
            stage.task(1, [&] { item.queue(stage.wq(), 0); });
            stage.task(2, [&, sync] {
                sync ? item.disable_sync() : item.disable();
                stage.require(!item.queue(stage.wq(), 0), "queued while it is disabled");
                stage.require(item.enable(), "the only enable() did not enable");
                item.queue(stage.wq(), 0);
            });
        });
}

TEST_F(Cancel, TwoThatDisableAndEnable) {
    search({.preemptions = 2}, [](Stage& stage) {
        Probe& item = stage.item();
        stage.warm(item, 0);
        item.queue(stage.wq(), 0);
        auto enabled = std::make_shared<int>(0);
        for (const int cpu : {1, 2})
            stage.task(cpu, [&item, enabled] {
                item.disable();
                *enabled += item.enable() ? 1 : 0;
            });
        stage.at_end([&stage, &item, enabled] {
            stage.require(*enabled >= 1, "disabled for ever");
            stage.require((item.work().data.load() & work_data::kDepthMask) == 0, "some depth is left");
        });
    });
}

}  // namespace
}  // namespace bottomhalf::testing
