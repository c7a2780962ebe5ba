// Producers, cancellers, flushers and disablers on shared items of every kind of workqueue.
//
// What must hold: an item never overlaps with itself, and every queueing that said true either ran or was taken back by
// exactly one call that said true.
#include "support/stress.hpp"

using namespace bottomhalf;

namespace {

constexpr int kItems = 10, kKinds = 5;

struct Item {
    Work work{&Item::run};
    Atomic<long> queued{0}, taken{0}, runs{0};
    Atomic<int> inside{0};
    long plain = 0;  // by the handler alone: a race on it is a broken promise
    static void run(Work* w) {
        Item& i = *container_of(w, &Item::work);
        STRESS_CHECK(i.inside.fetch_add(1) == 0);
        ++i.plain;
        i.runs.fetch_add(1);
        i.inside.fetch_sub(1);
    }
};

}  // namespace

int main(int argc, char** argv) {
    Machine machine(stress::host(3));
    auto& wqs = machine.workqueues();
    std::shared_ptr<Workqueue> wq[kKinds] = {
        wqs.alloc("percpu", 0, 0), wqs.alloc("one", 0, 1), wqs.alloc("unbound", wq_flag::kUnbound, 2),
        wqs.alloc_ordered("ordered", 0), wqs.alloc("managed", wq_flag::kManaged, 0)};
    Item items[kItems];
    stress::Crew crew(machine, argc, argv, 4);
    for (int p = 0; p < 3; ++p)
        crew.add([&](auto& random) {
            for (int n = 0; n < 50; ++n) {
                const int i = static_cast<int>(random() % kItems);
                if (wq[i % kKinds]->queue(items[i].work, static_cast<int>(random() % 3))) items[i].queued.fetch_add(1);
            }
        });
    crew.add([&](auto& random) {
        Item& item = items[random() % kItems];
        if (random() % 2 ? cancel_work(item.work) : cancel_work_sync(item.work)) item.taken.fetch_add(1);
    });
    crew.add([&](auto& random) {
        Item& item = items[random() % kItems];
        if (random() % 2 ? disable_work(item.work) : disable_work_sync(item.work)) item.taken.fetch_add(1);
        enable_work(item.work);
    });
    crew.add([&](auto& random) {
        const Nanoseconds limit =
            random() % 2 ? kForever : machine.domain().now() + static_cast<Nanoseconds>(random() % 50'000);
        try {
            switch (random() % 4) {
                case 0:
                    flush_work(items[random() % kItems].work, limit);
                    break;
                case 1:
                    wq[random() % kKinds]->flush(limit);
                    break;
                case 2:
                    work_busy(items[random() % kItems].work);
                    break;
                default:
                    wq[random() % kKinds]->in_flight();
                    break;
            }
        } catch (const TimedOut&) {
        }
    });
    crew.add([&](auto& random) {
        auto& some = wq[random() % 3];
        some->set_max_active(1 + static_cast<int>(random() % 4));
        some->flush();
    });
    crew.run();
    for (int i = 0; i < kItems; ++i) {
        wq[i % kKinds]->flush();
        Item& item = items[i];
        STRESS_CHECK(work_busy(item.work) == 0);
        STRESS_CHECK(item.queued.load() == item.runs.load() + item.taken.load());
        STRESS_CHECK(item.plain == item.runs.load());
        STRESS_CHECK(item.runs.load() > 0);
    }
    for (auto& w : wq) {
        STRESS_CHECK(w->in_flight() == 0);
        w->destroy();
    }
    machine.halt();
    return 0;
}
