// Anything against anything: longer scenes than can be searched, in thousands of schedules drawn by chance.
#include "stage.hpp"

namespace bottomhalf::testing {
namespace {

using Soak = Exploration;

// A few calls by each of three tasks, drawn from the seed.
Scene drawn(std::uint64_t seed) {
    return [seed](Stage& stage) {
        Probe &a = stage.item("a"), &b = stage.item("b");
        Workqueue& one = stage.alloc(wq_flag::kPercpu, 1);
        a.body = [&stage, &a] {
            if (a.runs() % 4 == 1) a.requeue(stage.wq());
        };
        for (const int cpu : {0, 1, 2}) {
            auto random = std::make_shared<ScheduleRandom>(seed * 3 + static_cast<unsigned>(cpu));
            stage.task(cpu, [&stage, &a, &b, &one, random] {
                for (int call = 0; call < 5; ++call) {
                    Probe& item = random->below(2) == 0 ? a : b;
                    // Each item has its own: on two workqueues it may run twice at once.
                    Workqueue& wq = &item == &a ? stage.wq() : one;
                    const int on = static_cast<int>(random->below(2));
                    switch (random->below(11)) {
                        case 0:
                        case 1:
                        case 2:
                            item.queue(wq, on);
                            break;
                        case 3:
                            b.queue_delayed(one, 1, on);
                            break;
                        case 4:
                            b.mod_delayed(one, random->below(2), on);
                            break;
                        case 5:
                            item.cancel_delayed();
                            break;
                        case 6:
                            item.cancel_delayed_sync();
                            break;
                        case 7:
                            item.disable();
                            explore_point();
                            item.enable();
                            break;
                        case 8:
                            item.flush();
                            break;
                        case 9:
                            wq.flush();
                            break;
                        default:
                            stage.machine().sleep(kMillisecond);
                    }
                }
            });
        }
    };
}

TEST_F(Soak, RandomSchedules) {
    for (std::uint64_t seed = 0; seed < 10'000; ++seed)
        ASSERT_EQ(play(std::make_unique<RandomSchedule>(seed), drawn(seed), {}), "") << "seed " << seed;
}

TEST_F(Soak, PrioritiesThatChangeAtAFewPlaces) {
    for (std::uint64_t seed = 0; seed < 10'000; ++seed)
        ASSERT_EQ(play(std::make_unique<PctSchedule>(4, seed, 1500), drawn(seed / 4), {}), "") << "seed " << seed;
}

}  // namespace
}  // namespace bottomhalf::testing
