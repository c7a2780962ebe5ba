// The simulator without Python: switches, schedules of a small program, boot and halt.
//
// Every figure is the best of some rounds: on a machine that others use too, the rest is their time. Options:
// --rounds=N.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>

#include "bottomhalf/machine/machine.hpp"
#include "bottomhalf/sched/simulated/schedules.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace {

using namespace bottomhalf;
// In CPU time of this thread, which does all there is: others' load does not count.
double thread_seconds() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Seconds for one call, the best of the rounds; a round takes at least 50 ms.
double seconds_of(int rounds, const std::function<void()>& fn) {
    double best = 1e9;
    fn();
    for (int r = 0; r < rounds; ++r) {
        const double begin = thread_seconds();
        int calls = 0;
        double passed = 0;
        do {
            fn();
            ++calls;
            passed = thread_seconds() - begin;
        } while (passed < 0.05);
        best = std::min(best, passed / calls);
    }
    return best;
}

SimulatedSubstrate& simulator(Domain& domain) { return static_cast<SimulatedSubstrate&>(*domain.substrate); }

// A machine without its upper floors, and tasks that only yield.
struct Bare {
    Domain domain;
    explicit Bare(std::unique_ptr<Schedule> schedule) : domain("bench", 1, 1000) {
        domain.substrate = std::make_unique<SimulatedSubstrate>(domain);
        simulator(domain).set_schedule(std::move(schedule));
        domain.state.store(DomainState::running);
        domain.self();
    }
    std::uint64_t run(int tasks, int yields) {
        Task* all[16];
        for (int i = 0; i < tasks; ++i)
            all[i] = &domain.spawn(
                "t",
                [](Task& self, void* arg) {
                    Substrate& machine = *self.domain.load(std::memory_order_relaxed)->substrate;
                    for (int n = *static_cast<int*>(arg); n > 0; --n) machine.yield(self);
                },
                &yields, 0, 0);
        for (int i = 0; i < tasks; ++i) domain.join_task(*all[i]);
        return simulator(domain).counters().switches;
    }
};

void switches(int rounds, const char* name, const std::function<std::unique_ptr<Schedule>()>& schedule) {
    std::uint64_t count = 0;
    const double s = seconds_of(rounds, [&] {
        Bare bare(schedule());
        count = bare.run(4, 10'000);
    });
    std::printf("switches, %-34s %8.2f million/s  %7.1f ns\n", name, static_cast<double>(count) / s / 1e6,
                s / static_cast<double>(count) * 1e9);
}

struct Item {
    Work work{&Item::run};
    static void run(Work*) {
        Task& self = *current_task();
        Substrate& machine = *self.domain.load(std::memory_order_relaxed)->substrate;
        for (int i = 0; i < 10; ++i) machine.yield(self);
    }
};

MachineOptions options(std::uint64_t seed, unsigned cpus) {
    MachineOptions o;
    o.cpus = cpus;
    o.simulated = true;
    o.name = "bench";
    if (seed != 0) o.schedule = [seed] { return std::make_unique<RandomSchedule>(seed); };
    return o;
}

void print_schedules(const char* name, double s) {
    std::printf("schedules, %-33s %8.1f thousand/s %6.1f us\n", name, 1e-3 / s, s * 1e6);
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = 7;
    for (int i = 1; i < argc; ++i)
        if (std::strncmp(argv[i], "--rounds=", 9) == 0) rounds = std::max(1, std::atoi(argv[i] + 9));

    switches(rounds, "4 tasks yield, Fifo", [] { return std::make_unique<Fifo>(); });
    switches(rounds, "4 tasks yield, Random", [] { return std::make_unique<RandomSchedule>(1); });
    switches(rounds, "4 tasks yield, PCT, recorded",
             [] { return std::make_unique<Recorder>(std::make_unique<PctSchedule>(3, 1, 40'000)); });

    std::uint64_t seed = 0;
    print_schedules("4 tasks x 10 yields, no engine", seconds_of(rounds, [&] {
                        Bare bare(std::make_unique<RandomSchedule>(++seed));
                        bare.run(4, 10);
                    }));
    print_schedules("4 items x 10 yields, with boot", seconds_of(rounds, [&] {
                        Machine machine(options(++seed, 2));
                        Workqueue& wq = *machine.workqueues().system(SystemWq::unbound);
                        Item items[4];
                        for (Item& item : items) wq.queue(item.work);
                        machine.halt();
                    }));
    {
        Machine machine(options(1, 2));
        Workqueue& wq = *machine.workqueues().system(SystemWq::unbound);
        print_schedules("4 items x 10 yields, one machine", seconds_of(rounds, [&] {
                            Item items[4];
                            for (Item& item : items) wq.queue(item.work);
                            for (Item& item : items) flush_work(item.work);
                        }));
    }
    for (const unsigned cpus : {1u, 2u, 4u}) {
        const double s = seconds_of(rounds, [&] { Machine machine(options(0, cpus)); });
        std::printf("boot and halt, %u CPUs %43.1f us\n", cpus, s * 1e6);
    }
}
