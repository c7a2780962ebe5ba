// The fixture of tests that need a machine, parametrised over the substrates: host threads and the simulated machine.
//
// Tests make every state explicit: an item is held at a gate (Held), a caller is seen to wait (Caller::waits_in), a
// deadline lies in virtual time or has passed already. eventually() polls for a state; nothing asserts a duration.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::testing {

enum class Kind { host, simulated };

inline std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
    return info.param == Kind::host ? "Host" : "Simulated";
}

// Polls until the state is reached; false when it never is.
template <class Ready>
bool eventually(Machine& machine, Ready ready) {
    Domain& domain = machine.domain();
    Task& self = domain.self();
    const Nanoseconds limit = domain.now() + (domain.substrate->simulated() ? kSecond / 2 : 20 * kSecond);
    while (!ready()) {
        if (domain.now() > limit) return false;
        domain.substrate->relax(self);
    }
    return true;
}

// A function in a task of its own.
class Caller {
public:
    Caller(Machine& machine, std::function<void()> body, int cpu = 0)
        : machine_(machine), body_(std::move(body)), task_(&machine.domain().spawn("caller", main, this, cpu, 0)) {}
    ~Caller() { join(); }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    bool finished() const { return finished_.load(); }
    // It sleeps in the call with this name.
    bool waits_in(const char* kind) const {
        if (finished()) return false;
        const char* now = task_->wait_kind.load();
        return now != nullptr && std::strcmp(now, kind) == 0 && task_->state.load() == TaskState::sleeping;
    }
    // It sleeps in the engine, or is through.
    bool settled() const { return finished() || task_->state.load() == TaskState::sleeping; }
    Task& task() { return *task_; }
    bool evicted() const { return evicted_; }
    std::exception_ptr error() const { return error_; }
    void join() {
        if (task_ == nullptr) return;
        done_.wait(machine_.domain().self());
        machine_.domain().join_task(*std::exchange(task_, nullptr));
    }

private:
    static void main(Task&, void* arg) {
        Caller& me = *static_cast<Caller*>(arg);
        try {
            me.body_();
        } catch (const MachineExit&) {
            me.evicted_ = true;
        } catch (...) {
            me.error_ = std::current_exception();
        }
        me.finished_.store(true);
        me.done_.complete();
    }
    Machine& machine_;
    std::function<void()> body_;
    Completion done_;
    Atomic<bool> finished_{false};
    bool evicted_ = false;
    std::exception_ptr error_;
    Task* task_;
};

// A work item that runs a function of the test and counts itself.
struct Item {
    Work work{&Item::run};
    std::function<void()> body;
    Atomic<int> runs{0}, inside{0}, most{0}, cpu{-1};

    Item() = default;
    explicit Item(std::function<void()> b) : body(std::move(b)) {}
    static void run(Work* w) { container_of(w, &Item::work)->run_body(); }
    void run_body() {
        Task& self = *current_task();
        cpu.store(self.cpu.load());
        const int now = inside.fetch_add(1) + 1;
        for (int seen = most.load(); now > seen && !most.compare_exchange(seen, now);) {
        }
        runs.fetch_add(1);
        if (body) body();
        inside.fetch_sub(1);
    }
};

// An item whose every run says that it started and sleeps until it is let go.
struct Held : Item {
    Completion started, release;
    Held() {
        body = [this] {
            started.complete();
            release.wait(*current_task(), kForever, "held");
        };
    }
    void let_go() { release.complete_all(); }
};

// An item that keeps its CPU: it polls, and so never sleeps, until it is let go.
struct Busy : Item {
    Completion started;
    Atomic<bool> over{false};
    Busy() {
        body = [this] {
            Task& self = *current_task();
            started.complete();
            while (!over.load()) self.domain.load()->substrate->relax(self);
        };
    }
    void let_go() { over.store(true); }
};

class MachineTest : public ::testing::TestWithParam<Kind> {
protected:
    void SetUp() override { reboot(options()); }
    void TearDown() override { machine_.reset(); }

    virtual MachineOptions options() const { return with(2); }
    static MachineOptions with(unsigned cpus, unsigned hz = 1000) {
        MachineOptions o;
        o.cpus = cpus;
        o.hz = hz;
        return o;
    }
    void reboot(MachineOptions o) {
        machine_.reset();
        o.simulated = simulated();
        machine_ = std::make_unique<Machine>(o);
        // Who is just busy here, and on a loaded system for long, is no hog; tests of hogs have machines of their own.
        machine_->workqueues().hogs().set_threshold(0);
    }
    bool simulated() const { return GetParam() == Kind::simulated; }

    Machine& m() { return *machine_; }
    Domain& domain() { return machine_->domain(); }
    WorkqueueSubsystem& wqs() { return machine_->workqueues(); }
    Task& self() { return domain().self(); }
    // A moment that is over: a wait with this deadline looks once.
    Nanoseconds at_once() { return domain().now(); }
    // A deadline that a stuck wait runs into.
    Nanoseconds soon() { return domain().now() + 2 * kMillisecond; }
    void wait(Completion& c) { c.wait(self()); }
    template <class Ready>
    bool eventually(Ready ready) {
        return testing::eventually(m(), ready);
    }
    // Lets an item run through on a CPU.
    void run_once(Workqueue& wq, Work& work, int cpu = kCpuUnbound) {
        wq.queue(work, cpu);
        flush_work(work);
    }
    bool logged(const std::string& key) {
        for (auto& line : domain().log.lines())
            if (line.text.find(key) != std::string::npos) return true;
        return false;
    }

    std::unique_ptr<Machine> machine_;
};

#define BH_INSTANTIATE_MACHINES(Suite)                                                                                 \
    INSTANTIATE_TEST_SUITE_P(                                                                                          \
        Machines, Suite, ::testing::Values(::bottomhalf::testing::Kind::host, ::bottomhalf::testing::Kind::simulated), \
        ::bottomhalf::testing::kind_name)

// The message of the exception that a statement throws, or "" when it throws nothing.
template <class Exception, class F>
std::string message_of(F&& statement) {
    try {
        statement();
    } catch (const Exception& e) {
        return e.what();
    }
    return {};
}

}  // namespace bottomhalf::testing
