// Timers and delayed works armed, moved, flushed and taken back by several threads.
//
// What must hold: neither overlaps with itself, after a synchronous deletion nothing runs, and in the end all are idle.
#include "support/stress.hpp"

using namespace bottomhalf;

namespace {

struct Ticker {
    Timer timer;
    Atomic<int> inside{0};
    Atomic<long> fired{0};
    long plain = 0;
    static void run(Timer* t) {
        Ticker& me = *container_of(t, &Ticker::timer);
        STRESS_CHECK(me.inside.fetch_add(1) == 0);
        ++me.plain;
        me.fired.fetch_add(1);
        me.inside.fetch_sub(1);
    }
};

struct Delayed {
    DelayedWork dwork{&Delayed::run};
    Atomic<int> inside{0};
    Atomic<long> runs{0};
    static void run(Work* w) {
        Delayed& me = *container_of(DelayedWork::of(w), &Delayed::dwork);
        STRESS_CHECK(me.inside.fetch_add(1) == 0);
        me.runs.fetch_add(1);
        me.inside.fetch_sub(1);
    }
};

constexpr int kEach = 6;

}  // namespace

int main(int argc, char** argv) {
    Machine machine(stress::host(2));
    Domain& domain = machine.domain();
    auto wq = machine.workqueues().alloc("q", 0, 0);
    Ticker timers[kEach];
    for (int i = 0; i < kEach; ++i) timer_setup(timers[i].timer, &Ticker::run, i % 2 ? kTimerIrqsafe : 0);
    Delayed delayed[kEach];
    stress::Crew crew(machine, argc, argv, 4);
    for (int p = 0; p < 2; ++p)
        crew.add([&](auto& random) {
            for (int n = 0; n < 20; ++n) {
                Timer& t = timers[random() % kEach].timer;
                const Jiffies at = domain.jiffies() + random() % 4;
                switch (random() % 4) {
                    case 0:
                        machine.timers().mod_pending(t, at);
                        break;
                    case 1:
                        machine.timers().reduce(t, at);
                        break;
                    default:
                        machine.timers().mod(t, at);
                        break;
                }
            }
        });
    crew.add([&](auto& random) {
        Timer& t = timers[random() % kEach].timer;
        if (random() % 2)
            timer_delete(t);
        else
            timer_delete_sync(t, domain.self());
    });
    for (int p = 0; p < 2; ++p)
        crew.add([&](auto& random) {
            for (int n = 0; n < 20; ++n) {
                DelayedWork& d = delayed[random() % kEach].dwork;
                const int cpu = static_cast<int>(random() % 3) - 1;
                if (random() % 2)
                    queue_delayed_work(*wq, d, random() % 4, cpu);
                else
                    mod_delayed_work(*wq, d, random() % 4, cpu);
            }
        });
    crew.add([&](auto& random) {
        DelayedWork& d = delayed[random() % kEach].dwork;
        switch (random() % 5) {
            case 0:
                cancel_delayed_work(d);
                break;
            case 1:
                cancel_delayed_work_sync(d);
                break;
            case 2:
                flush_delayed_work(d);
                break;
            case 3:
                disable_delayed_work(d);
                enable_delayed_work(d);
                break;
            default:
                disable_delayed_work_sync(d);
                enable_delayed_work(d);
                break;
        }
    });
    crew.run();
    long fired = 0, runs = 0;
    for (Ticker& t : timers) {
        timer_delete_sync(t.timer, domain.self());
        STRESS_CHECK(t.inside.load() == 0 && t.plain == t.fired.load());
        fired += t.fired.load();
    }
    for (Delayed& d : delayed) {
        cancel_delayed_work_sync(d.dwork);
        STRESS_CHECK(work_busy(d.dwork.work) == 0);
        runs += d.runs.load();
    }
    STRESS_CHECK(fired > 0 && runs > 0);
    wq->destroy();
    machine.halt();
    return 0;
}
