// Attributes that change while items are on their way: the routes, the plug of an ordered workqueue, the places that
// pools share.
#include "stage.hpp"

namespace bottomhalf::testing {
namespace {

using Attrs = Exploration;

WorkqueueAttrs nicer() {
    WorkqueueAttrs attrs;
    attrs.nice = 5;
    return attrs;
}

// The pools on both sides have their workers before the scene begins.
Workqueue& warm_on_both_sides(Stage& stage, unsigned flags, int max_active) {
    Workqueue& other = stage.alloc(wq_flag::kUnbound);
    Workqueue& wq = stage.alloc(flags, max_active);
    other.set_attrs(nicer());
    for (Workqueue* q : {&other, &wq}) {
        Work first([](Work*) {});
        q->queue(first);
        flush_work(first);
    }
    return wq;
}

TEST_F(Attrs, AProducerAgainstAChange) {
    search({.preemptions = 2, .runs = 40'000, .points = Points::ordered}, [](Stage& stage) {
        Workqueue& wq = warm_on_both_sides(stage, wq_flag::kUnbound, 0);
        Probe& item = stage.item();
        stage.task(1, [&] {
            item.queue(wq);
            item.queue(wq);
        });
        stage.task(2, [&] { wq.set_attrs(nicer()); });
    });
}

// Items of the new pool wait for those of the old one.
TEST_F(Attrs, AnOrderedWorkqueueStaysOrdered) {
    search({.preemptions = 2, .runs = 40'000, .points = Points::ordered}, [](Stage& stage) {
        Workqueue& wq = warm_on_both_sides(stage, wq_flag::kUnbound | wq_flag::kOrdered, 1);
        auto order = std::make_shared<std::string>();
        Probe &a = stage.item("a"), &b = stage.item("b");
        a.body = [order] { *order += "a"; };
        b.body = [order] { *order += "b"; };
        stage.task(1, [&] {
            a.queue(wq);
            b.queue(wq);
        });
        stage.task(2, [&] { wq.set_attrs(nicer()); });
        stage.at_end([&stage, order] { stage.require(*order == "ab", "an ordered workqueue ran " + *order); });
    });
}

// One place for both pools: whoever leaves it lets in the item that waits in the other pool.
TEST_F(Attrs, APlaceThatTwoPoolsShare) {
    search({.preemptions = 2, .runs = 40'000, .points = Points::ordered}, [](Stage& stage) {
        Workqueue& wq = warm_on_both_sides(stage, wq_flag::kUnbound, 1);
        auto inside = std::make_shared<int>(0);
        Probe &a = stage.item("a"), &b = stage.item("b");
        a.body = b.body = [&stage, inside] {
            stage.require(++*inside == 1, "two items where the limit is one");
            explore_point();
            --*inside;
        };
        stage.task(1, [&] { a.queue(wq); });
        stage.task(2, [&] {
            wq.set_attrs(nicer());
            b.queue(wq);
        });
    });
}

}  // namespace
}  // namespace bottomhalf::testing
