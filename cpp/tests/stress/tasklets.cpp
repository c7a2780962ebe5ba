// Tasklets scheduled from several threads on several CPUs, disabled, enabled and killed meanwhile; BH items beside
// them.
//
// What must hold: no tasklet overlaps with itself, and after every schedule() comes a run that sees what was stored
// before.
#include "support/stress.hpp"

using namespace bottomhalf;

namespace {

constexpr int kTasklets = 6;

struct Counted {
    Tasklet tasklet{&Counted::run};
    Atomic<int> inside{0};
    Atomic<long> asked{0}, scheduled{0}, runs{0}, seen{0};
    long plain = 0;
    static void run(Tasklet* t) {
        Counted& me = *container_of(t, &Counted::tasklet);
        STRESS_CHECK(me.inside.fetch_add(1) == 0);
        ++me.plain;
        me.seen.store(me.asked.load(std::memory_order_relaxed), std::memory_order_relaxed);
        me.runs.fetch_add(1);
        me.inside.fetch_sub(1);
    }
};

}  // namespace

int main(int argc, char** argv) {
    Machine machine(stress::host(3));
    Tasklets& tasklets = machine.tasklets();
    Counted counted[kTasklets];
    Work bh_item([](Work*) {});
    auto& bh = machine.workqueues().system(SystemWq::bh);
    stress::Crew crew(machine, argc, argv, 3);
    for (int p = 0; p < 3; ++p)
        crew.add([&](auto& random) {
            Task& self = machine.domain().self();
            const bool off = random() % 2;
            if (off) local_bh_disable(self);
            for (int n = 0; n < 10; ++n) {
                Counted& c = counted[random() % kTasklets];
                c.asked.fetch_add(1, std::memory_order_relaxed);
                if (random() % 3 ? tasklets.schedule(c.tasklet) : tasklets.hi_schedule(c.tasklet))
                    c.scheduled.fetch_add(1);
                if (random() % 8 == 0) bh->queue(bh_item, static_cast<int>(random() % 3));
            }
            if (off) local_bh_enable(self);
        });
    crew.add([&](auto& random) {
        Counted& c = counted[random() % kTasklets];
        if (random() % 2)
            tasklets.disable(c.tasklet);
        else
            tasklets.disable_nosync(c.tasklet);
        tasklets.enable(c.tasklet);
    });
    crew.add([&](auto& random) { tasklets.kill(counted[random() % kTasklets].tasklet); });
    crew.run();
    for (Counted& c : counted) {
        tasklets.kill(c.tasklet);
        STRESS_CHECK(c.inside.load() == 0);
        STRESS_CHECK(c.seen.load() == c.asked.load());
        STRESS_CHECK(c.runs.load() <= c.scheduled.load());
        STRESS_CHECK(c.plain == c.runs.load());
        STRESS_CHECK(c.runs.load() > 0);
    }
    bh->flush();
    machine.halt();
    return 0;
}
