// What the tests of the simulated substrate share: a machine without its upper floors, and a log that tasks write.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/sched/simulated/factory.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf {

class Simulation : public ::testing::Test {
public:
    static constexpr Nanoseconds ms = kMillisecond, us = kMicrosecond;

    void SetUp() override { boot(2); }
    void TearDown() override { halt(); }
    void boot(unsigned cpus) {
        halt();
        domain = std::make_unique<Domain>("t", cpus, 1000);
        domain->substrate = make_simulated_substrate(*domain);
        domain->state.store(DomainState::running);
        domain->self();
    }
    // Tasks that nobody joined are the test's.
    void halt() {
        delete domain.get();  // not reset(): the frames that unwind now still ask for it
        static_cast<void>(domain.release());
        for (Task* task : unjoined) delete task;
        unjoined.clear();
        functions.clear();
    }
    SimulatedSubstrate& machine() { return static_cast<SimulatedSubstrate&>(*domain->substrate); }
    Task& init() { return domain->self(); }
    Nanoseconds now() { return domain->now(); }

    // "name@time" in microseconds. Under a lock of the engine, so that ThreadSanitizer knows the tasks to take turns.
    void note(const std::string& what) {
        RawGuard guard(lock);
        log += (log.empty() ? "" : " ") + what + "@" + std::to_string(now() / us);
    }
    std::string take_log() {
        RawGuard guard(lock);
        return std::exchange(log, {});
    }

    Task& spawn(const char* name, std::function<void(Task&)> fn, int cpu = kCpuUnbound, int nice = 0) {
        functions.push_back(std::make_unique<std::function<void(Task&)>>(std::move(fn)));
        Task& task = domain->spawn(
            name, [](Task& self, void* arg) { (*static_cast<std::function<void(Task&)>*>(arg))(self); },
            functions.back().get(), cpu, nice);
        unjoined.push_back(&task);
        return task;
    }
    void join(Task& task) {
        std::erase(unjoined, &task);
        domain->join_task(task);
    }
    void join_all() {
        while (!unjoined.empty()) join(*unjoined.front());
    }
    void sleep(Task& self, Nanoseconds duration) {
        const Nanoseconds until = now() + duration;
        do {
            task_sleep(self, until, "sleep");
        } while (now() < until);
    }
    void burn(Task& self, Nanoseconds duration) { machine().burn(self, duration); }

    std::unique_ptr<Domain> domain;
    std::vector<Task*> unjoined;
    std::vector<std::unique_ptr<std::function<void(Task&)>>> functions;
    RawLock lock;
    std::string log;  // L: lock
};

}  // namespace bottomhalf
