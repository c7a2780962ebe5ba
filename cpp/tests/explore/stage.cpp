#include "stage.hpp"

#include <cstdlib>
#include <iostream>
#include <utility>

namespace bottomhalf::testing {

Stage::Stage(unsigned cpus) {
    MachineOptions options;
    options.cpus = cpus;
    options.simulated = true;
    options.name = "stage";
    machine_ = std::make_unique<Machine>(options);
    // It looks up names, which takes longer than all the rest of a run.
    machine_->domain().lock_graph.reset();
    wq_ = &alloc(wq_flag::kPercpu);
    // Its first item makes a pool's first worker create a spare one: that is no part of the scenes.
    Work first([](Work*) {});
    wq_->queue(first, 0);
    flush_work(first);
}

Stage::~Stage() {
    // Tasks that stand in the midst of the engine cannot be unwound: they stay where they are.
    if (!stuck_) return;
    static_cast<void>(machine_.release());
    for (auto& item : items_) static_cast<void>(item.release());
    for (auto& actor : actors_) static_cast<void>(actor.release());
    for (auto& wq : made_) static_cast<void>(new std::shared_ptr<Workqueue>(std::move(wq)));
}

Workqueue& Stage::alloc(unsigned flags, int max_active) {
    made_.push_back(machine_->workqueues().alloc("wq", flags, max_active));
    return *made_.back();
}

Probe& Stage::item(const char* name) {
    items_.push_back(std::make_unique<Probe>(*this, name));
    return *items_.back();
}

void Stage::warm(Probe& item, int cpu) {
    auto body = std::exchange(item.body, nullptr);
    item.queue(wq(), cpu);
    item.flush();
    item.body = std::move(body);
}

void Stage::task(int cpu, std::function<void()> body) {
    actors_.push_back(std::make_unique<Actor>(Actor{this, cpu, std::move(body)}));
}

void Stage::Actor::main(Task&, void* arg) {
    Actor& me = *static_cast<Actor*>(arg);
    try {
        me.body();
    } catch (const std::exception& error) {
        me.stage->require(false, std::string("a call threw: ") + error.what());
    }
    me.finished = true;
}

void Stage::play_to_the_end(SimulatedSubstrate& simulator, Points points) {
    for (auto& actor : actors_)
        actor->task = &machine_->domain().spawn("actor", &Actor::main, actor.get(), actor->cpu, 0);
    struct Curtain {
        Curtain(SimulatedSubstrate& s, Points points) : simulator(s) { simulator.set_engine_points(points); }
        ~Curtain() { simulator.set_engine_points(Points::off); }
        SimulatedSubstrate& simulator;
    } curtain(simulator, points);
    // Stuck in a loop is stuck: a scene of a few calls takes some hundred decisions.
    simulator.set_max_spins(1000);
    simulator.set_max_steps(100'000);
    machine_->run_until_idle(machine_->domain().now() + kSecond);
}

const std::string& Stage::play(std::unique_ptr<Schedule> schedule, Points points) {
    SimulatedSubstrate& simulator = machine_->simulated("stage");
    simulator.set_schedule(std::move(schedule));
    try {
        play_to_the_end(simulator, points);
    } catch (const std::exception& error) {
        stuck_ = true;
        require(false, error.what());
    }
    for (auto& actor : actors_) {
        if (actor->finished) continue;
        stuck_ = true;
        const char* kind = actor->task->wait_kind.load();
        require(false, "the actor on CPU " + std::to_string(actor->cpu) + " never ends: it waits in " +
                           (kind != nullptr ? kind : "?"));
    }
    simulator.set_schedule(std::make_unique<Fifo>());
    if (stuck_) return complaint_;
    for (auto& actor : actors_) machine_->domain().join_task(*actor->task);
    for (auto& check : checks_) check();
    for (auto& item : items_) {
        item->check();
        // Or halting would wait for it for ever.
        stuck_ |= item->work().pending() || item->running();
    }
    return complaint_;
}

std::string Exploration::play(std::unique_ptr<Schedule> schedule, const Scene& scene, const Limits& limits) {
    Stage stage(limits.cpus);
    scene(stage);
    return stage.play(std::move(schedule), limits.points);
}

namespace {
std::string how_to_see_it_again(const Recording& recording) {
    static const char* const names[] = {"next_task", "next_cpu", "point", "wakeup", "tick"};
    std::string text;
    for (const Deviation& d : recording.deviations)
        text += (text.empty() ? "{" : ", {") + std::to_string(d.step) +
                ", Decision::" + names[static_cast<int>(d.decision)] + ", " + std::to_string(d.choice) + ", " +
                std::to_string(d.candidates) + "}";
    return "schedule: {" + text + "} of " + std::to_string(recording.decisions) + " decisions";
}
}  // namespace

std::string Exploration::find(const Limits& limits, const Scene& scene) {
    std::uint64_t decisions = 0;
    for (unsigned preemptions = 0; preemptions <= limits.preemptions; ++preemptions) {
        ExhaustiveSearch search(preemptions);
        decisions = runs_ = 0;
        while (search.runs() < limits.runs) {
            auto schedule = search.next_run();
            if (schedule == nullptr) break;
            auto recorder = std::make_unique<Recorder>(std::move(schedule));
            const auto recording = recorder->recording();
            const std::string complaint = play(std::move(recorder), scene, limits);
            search.run_over();
            ++runs_;
            decisions += recording->decisions;
            if (!complaint.empty())
                return complaint + "\nafter " + std::to_string(runs_) + " runs with at most " +
                       std::to_string(preemptions) + " preemptions; " + how_to_see_it_again(*recording);
            if (search.diverged()) return "the scene is not the same every time";
        }
        complete_ = search.exhausted() || search.next_run() == nullptr;
    }
    std::cout << "    " << runs_ << " runs with at most " << limits.preemptions << " preemptions, "
              << (runs_ == 0 ? 0 : decisions / runs_) << " decisions each" << (complete_ ? "" : ", cut short") << "\n";
    return "";
}

void Exploration::search(const Limits& limits, const Scene& scene) {
    const std::string complaint = find(limits, scene);
    ASSERT_EQ(complaint, "");
    EXPECT_TRUE(complete_ || limits.runs != Limits::kUnlimited);
}

}  // namespace bottomhalf::testing
