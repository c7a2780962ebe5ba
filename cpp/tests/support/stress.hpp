// What the stress programs share: threads that turn for some seconds, and checks that name what failed.
//
// They run on the host substrate, under ThreadSanitizer above all. The first argument is the number of seconds.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

#define STRESS_CHECK(condition)                                                          \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                \
        }                                                                                \
    } while (0)

namespace bottomhalf::stress {

class Crew {
public:
    Crew(Machine& machine, int argc, char** argv, double seconds = 3)
        : machine_(machine), seconds_(argc > 1 ? std::atof(argv[1]) : seconds) {}
    // A thread that calls turn(random) until the time is over.
    void add(std::function<void(std::minstd_rand&)> turn) { turns_.push_back(std::move(turn)); }
    void run() {
        const Nanoseconds end = machine_.domain().now() + static_cast<Nanoseconds>(seconds_ * 1e9);
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < turns_.size(); ++i)
            threads.emplace_back([this, i, end] {
                std::minstd_rand random(i + 1);
                while (machine_.domain().now() < end) turns_[i](random);
            });
        for (auto& t : threads) t.join();
        turns_.clear();
    }

private:
    Machine& machine_;
    const double seconds_;
    std::vector<std::function<void(std::minstd_rand&)>> turns_;
};

inline MachineOptions host(unsigned cpus) {
    MachineOptions o;
    o.cpus = cpus;
    return o;
}

}  // namespace bottomhalf::stress
