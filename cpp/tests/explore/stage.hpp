// What the explorations of the engine share: a stage on which a few tasks play a small scene over and over, each time
// in another order, and items that keep book of what was done to them.
//
// The scene is set with the points of the engine off; from then on to the end of all tasks every access to an atomic of
// the engine is a preemption point. Tasks stand on CPUs of their own where they are to interleave freely: within
// internal locks only tasks of other CPUs come in between.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/machine/machine.hpp"
#include "bottomhalf/sched/simulated/schedules.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf::testing {

class Stage;
using Points = SimulatedSubstrate::EnginePoints;

// An item and the book that is kept of it. Every entry has its place in the order of all that happened on the stage.
//
// What is checked at the end of every scene: each call that said yes brought one run or was taken back by one call that
// said so; nothing ran twice at once; the last run began after the last call and saw what was stored before it.
class Probe {
public:
    Probe(Stage& stage, std::string name) : dwork_(&Probe::entry), stage_(stage), name_(std::move(name)) {}

    Work& work() { return dwork_.work; }
    DelayedWork& delayed() { return dwork_; }
    // In the handler, between its beginning and its end.
    std::function<void()> body;

    // Queues it, or finds it pending.
    bool queue(Workqueue& wq, int cpu = kCpuUnbound);
    bool queue_delayed(Workqueue& wq, Jiffies delay, int cpu = kCpuUnbound);
    bool mod_delayed(Workqueue& wq, Jiffies delay, int cpu = kCpuUnbound);
    // The same from its own handler: what a synchronous cancel refuses.
    bool requeue(Workqueue& wq);
    bool cancel();
    // When it has returned, and nobody else queues it meanwhile or afterwards, it does not run any more.
    bool cancel_sync();
    bool cancel_delayed();
    bool cancel_delayed_sync();
    void disable();
    void disable_sync();
    bool enable();
    // Whatever was queued before the call has run, or was taken back.
    void flush(Nanoseconds deadline = kForever);
    void flush_delayed();
    void expect_flushed(const char* call, const std::function<void()>& flush);

    int runs() const { return static_cast<int>(runs_.size()); }
    bool running() const { return inside_ != 0; }
    void check();

private:
    struct Run {
        int started, ended, data;
    };
    static void entry(Work* work) { container_of(DelayedWork::of(work), &Probe::dwork_)->run(); }
    void run();
    bool queues(const std::function<bool()>& call);
    bool takes(const std::function<bool()>& call, const char* silent = nullptr);
    void require(bool holds, const std::string& what);

    DelayedWork dwork_;
    Stage& stage_;
    const std::string name_;
    std::vector<Run> runs_;
    int inside_ = 0;
    int data_ = 0;                // written before each call that queues, read by the handler
    int queued_ = 0, taken_ = 0;  // calls that said yes
    int open_ = 0;                // calls that queue and have not returned
    int begun_ = 0;               // the last of them: when it began
    int returned_ = 0;            // the last of those that returned: when it began
    int taken_before_ = 0;        // how many had been taken back then
    bool disturbed_ = false;      // somebody cancelled or disabled it
    bool delayed_ = false;        // its timer was or is armed
};

class Stage {
public:
    explicit Stage(unsigned cpus);
    ~Stage();

    Machine& machine() { return *machine_; }
    // A plain bound workqueue.
    Workqueue& wq() { return *wq_; }
    Workqueue& alloc(unsigned flags, int max_active = 0);
    Probe& item(const char* name = "item");
    // The item has run on that CPU before: its word names the pool.
    void warm(Probe& item, int cpu);
    // Begins when the play begins.
    void task(int cpu, std::function<void()> body);
    // At the end, when all is known.
    void at_end(std::function<void()> check) { checks_.push_back(std::move(check)); }
    int tick() { return ++clock_; }
    void require(bool holds, const std::string& what) {
        if (!holds && complaint_.empty()) complaint_ = what;
    }
    // RETURNS: what is wrong, or "".
    const std::string& play(std::unique_ptr<Schedule> schedule, Points points);

private:
    struct Actor {
        Stage* stage;
        int cpu;
        std::function<void()> body;
        Task* task = nullptr;
        bool finished = false;
        static void main(Task& self, void* arg);
    };
    void play_to_the_end(SimulatedSubstrate& simulator, Points points);

    std::unique_ptr<Machine> machine_;
    std::vector<std::shared_ptr<Workqueue>> made_;
    Workqueue* wq_;
    std::vector<std::unique_ptr<Probe>> items_;
    std::vector<std::unique_ptr<Actor>> actors_;
    std::vector<std::function<void()>> checks_;
    int clock_ = 0;
    std::string complaint_;
    bool stuck_ = false;  // its tasks did not come to their ends
};

using Scene = std::function<void(Stage&)>;

struct Limits {
    unsigned preemptions = 1;
    std::uint64_t runs = kUnlimited;  // when more would be needed the rest is left out
    Points points = Points::all;
    unsigned cpus = 3;
    static constexpr std::uint64_t kUnlimited = UINT64_MAX;
};

class Exploration : public ::testing::Test {
protected:
    // All schedules with at most so many preemptions, those with fewer first; stops at the first complaint and tells
    // how to see it again.
    void search(const Limits& limits, const Scene& scene);
    // One run. RETURNS: what is wrong, or "".
    static std::string play(std::unique_ptr<Schedule> schedule, const Scene& scene, const Limits& limits);
    // The first complaint among so many runs, or "".
    std::string find(const Limits& limits, const Scene& scene);

    std::uint64_t runs_ = 0;  // of the last search
    bool complete_ = false;   // nothing was left out
};

}  // namespace bottomhalf::testing
