// Delayed items: whoever changes them comes at the very instant at which their timer fires.
#include "stage.hpp"

namespace bottomhalf::testing {
namespace {

class Delayed : public Exploration {
protected:
    // Armed on CPU 0 for the next jiffy, at which the others begin.
    static Scene at_the_instant(std::function<void(Stage&, Probe&)> act, int actors = 1) {
        return [=](Stage& stage) {
            Probe& item = stage.item();
            stage.warm(item, 0);
            Machine& machine = stage.machine();
            Domain& domain = machine.domain();
            item.queue_delayed(stage.wq(), 1, 0);
            const Nanoseconds when = jiffies_to_ns(machine.timers().next_expiry(), domain.hz);
            for (int cpu = 1; cpu <= actors; ++cpu)
                stage.task(cpu, [&stage, &item, &machine, act, when] {
                    machine.sleep(when - machine.domain().now());
                    act(stage, item);
                });
        };
    }
};

TEST_F(Delayed, ModAgainstTheTimer) {
    for (const Jiffies delay : {0, 1})
        search({.preemptions = 2},
               at_the_instant([delay](Stage& stage, Probe& item) { item.mod_delayed(stage.wq(), delay, 0); }));
}

TEST_F(Delayed, ModAgainstTheTimerTwice) {
    search({.preemptions = 2, .points = Points::ordered},
           at_the_instant([](Stage& stage, Probe& item) { item.mod_delayed(stage.wq(), 1, 0); }));
}

// Complete it takes half a minute.
TEST_F(Delayed, TwoModsAgainstTheTimer) {
    search({.preemptions = 2, .runs = 60'000, .points = Points::ordered},
           at_the_instant([](Stage& stage, Probe& item) { item.mod_delayed(stage.wq(), 1, 0); }, 2));
}

TEST_F(Delayed, QueueAgainstTheTimer) {
    search({.preemptions = 2}, at_the_instant([](Stage& stage, Probe& item) { item.queue_delayed(stage.wq(), 1, 0); }));
}

TEST_F(Delayed, CancelAgainstTheTimer) {
    search({.preemptions = 2}, at_the_instant([](Stage&, Probe& item) { item.cancel_delayed(); }));
    search({.preemptions = 2}, at_the_instant([](Stage&, Probe& item) { item.cancel_delayed_sync(); }));
}

TEST_F(Delayed, DisableAgainstTheTimer) {
    search({.preemptions = 2}, at_the_instant([](Stage& stage, Probe& item) {
               item.disable_sync();
               item.enable();
               item.mod_delayed(stage.wq(), 0, 0);
           }));
}

TEST_F(Delayed, FlushAgainstTheTimer) {
    search({.preemptions = 2}, at_the_instant([](Stage&, Probe& item) { item.flush_delayed(); }));
}

}  // namespace
}  // namespace bottomhalf::testing
