// Schedules: the ways to decide, besides Fifo, and what records and repeats decisions.
//
//   RandomSchedule    every decision by itself, from a seed
//   PctSchedule       random priorities that change at a few places: finds bugs of small depth with known probability
//   Recorder          around another schedule: what was asked, and where the answer was not Fifo's
//   ReplaySchedule    Fifo, but for those answers
//   ExhaustiveSearch  one run after the other until no other is left
//
// A decision is a call of pick(), preempt() or let_others_go(), numbered from 0 on. Everything here depends on seeds,
// pids and the decisions alone: the same everywhere.
//
// Thread safety: none; the machine's own thread. What outlives the machine is handed out as a shared_ptr.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "bottomhalf/sched/simulated/schedule.hpp"

namespace bottomhalf {

// A small generator of its own (splitmix64): the standard library's distributions differ from one to the next.
class ScheduleRandom {
public:
    explicit ScheduleRandom(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t next() noexcept;
    // Below limit, which is not 0.
    std::uint64_t below(std::uint64_t limit) noexcept;

private:
    std::uint64_t state_;
};

class RandomSchedule final : public Schedule {
public:
    // One preemption in so many that could be: often enough to cut an operation in two, seldom enough that runs get
    // somewhere. Arbitrary.
    static constexpr unsigned kOneIn = 4;

    explicit RandomSchedule(std::uint64_t seed) noexcept : random_(seed) {}
    unsigned pick(Choice, Where, std::span<Task* const> candidates) override;
    bool preempt(Preemption, Where, const Task&, const Task*) override { return random_.below(kOneIn) == 0; }

private:
    ScheduleRandom random_;
};

// Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): each task draws a priority when it is first seen,
// the highest goes on; at depth - 1 decisions, drawn among the expected number of them, the task that goes on falls
// below all others. A bug that needs depth ordered steps shows with probability 1/(tasks * steps^(depth-1)) or better.
//
// Where we deviate: a nice level still goes before a priority, and a task that polls falls below all others, or those
// it waits for would never run.
class PctSchedule final : public Schedule {
public:
    PctSchedule(unsigned depth, std::uint64_t seed, std::uint64_t expected_steps);
    unsigned pick(Choice, Where, std::span<Task* const> candidates) override;
    bool preempt(Preemption why, Where, const Task& running, const Task* waiting) override;
    bool let_others_go(Where, const Task& running, std::span<Task* const> others) override;
    void polls(const Task& task) override;

private:
    std::uint64_t& priority(const Task& task);
    unsigned highest(std::span<Task* const> candidates);
    // Counts a decision. RETURNS: the priority to fall to, if this is a change point, or 0.
    std::uint64_t change() noexcept;
    // The priority of a task that is asked whether it gives way.
    std::uint64_t standing(const Task& running);

    struct ChangePoint {
        std::uint64_t step;
        std::uint64_t priority;
    };
    ScheduleRandom random_;
    std::vector<ChangePoint> changes_;       // the next one last
    std::vector<std::uint64_t> priorities_;  // by pid; 0: not seen yet
    std::uint64_t step_ = 0;
    std::uint64_t lowest_;  // of those that polls() gave; above the change points' at first
};

// What was asked: one of the two Choices, or one of the three Preemptions.
enum class Decision : std::uint8_t { next_task, next_cpu, point, wakeup, tick };

// An answer that is not Fifo's.
struct Deviation {
    std::uint64_t step = 0;
    Decision decision = Decision::point;
    unsigned choice = 0;      // the index taken; of the Preemptions: 0 no, 1 yes
    unsigned candidates = 2;  // of the Preemptions: 2
    // Recording::digest before this step, its lower half: tells that the run got here on another way. 0: not known.
    std::uint32_t before = 0;
    bool operator==(const Deviation&) const = default;
};

struct Recording {
    std::uint64_t decisions = 0;
    std::uint64_t digest = 0;  // of every decision's kind, CPU and number of candidates
    std::vector<Deviation> deviations;
    // All decisions, if the Recorder was told to keep them.
    struct Entry {
        Decision decision;
        unsigned candidates, choice, fifo;
    };
    std::vector<Entry> all;

    void ask(Decision decision, unsigned cpu, unsigned candidates) noexcept;
    std::uint32_t before() const noexcept { return static_cast<std::uint32_t>(digest); }
};

class Recorder final : public Schedule {
public:
    explicit Recorder(std::unique_ptr<Schedule> inner, bool keep_all = false)
        : inner_(std::move(inner)), keep_all_(keep_all) {}
    unsigned pick(Choice choice, Where where, std::span<Task* const> candidates) override;
    bool preempt(Preemption why, Where where, const Task& running, const Task* waiting) override;
    bool let_others_go(Where where, const Task& running, std::span<Task* const> others) override;
    void polls(const Task& task) override { inner_->polls(task); }
    Schedule& inner() noexcept { return *inner_; }
    // Complete when the machine is gone.
    std::shared_ptr<const Recording> recording() const noexcept { return recording_; }

private:
    void note(Decision decision, unsigned cpu, unsigned candidates, unsigned choice, unsigned fifo);
    std::unique_ptr<Schedule> inner_;
    const bool keep_all_;
    const std::shared_ptr<Recording> recording_ = std::make_shared<Recording>();
};

// Fifo everywhere but at the listed steps. Of several deviations for one step the first counts.
//
// Exact: at a step of the list the decision must be the recorded one; the first that is not is a mismatch, and from
// there on all is Fifo's. Lenient, for steps that somebody drew: a choice is taken modulo the candidates there are.
class ReplaySchedule final : public Schedule {
public:
    enum class Mode : std::uint8_t { exact, lenient };
    struct Mismatch {
        Deviation expected;
        Decision found;
        unsigned candidates;
    };
    struct Outcome {
        Recording seen;        // decisions and digest
        std::size_t used = 0;  // deviations
        std::optional<Mismatch> mismatch;
        std::optional<std::uint32_t> watched;  // Recording::before() of the watched step, when the run got there
    };

    explicit ReplaySchedule(std::vector<Deviation> deviations, Mode mode = Mode::exact, std::uint64_t watched_step = 0);
    unsigned pick(Choice choice, Where where, std::span<Task* const> candidates) override;
    bool preempt(Preemption why, Where where, const Task& running, const Task* waiting) override;
    const std::optional<Mismatch>& mismatch() const noexcept { return outcome_->mismatch; }
    // Complete when the machine is gone. Deviations that were not used then, without a mismatch: the run was shorter.
    std::shared_ptr<const Outcome> outcome() const noexcept { return outcome_; }

private:
    unsigned answer(Decision decision, unsigned cpu, unsigned candidates, unsigned fifo);
    std::vector<Deviation> deviations_;  // in the order of their steps
    const Mode mode_;
    const std::uint64_t watched_step_;
    const std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();
};

// All runs of a program with at most so many preemptions, depth first. A preemption is an answer of preempt() or
// let_others_go() that is not Fifo's; picks cost nothing, since there somebody had to be chosen anyway: so a bound of 0
// still tries every order of the tasks. Nothing is pruned: which operations commute is not known here.
//
//     ExhaustiveSearch search(2);
//     while (auto schedule = search.next_run()) { boot with it, run, halt; search.run_over(); }
//
// The program must do the same whenever the decisions are the same; diverged() says that it did not.
class ExhaustiveSearch {
public:
    explicit ExhaustiveSearch(unsigned preemption_bound);
    ~ExhaustiveSearch();
    // The schedule of the next run, or null when all were run. It must not outlive the search.
    std::unique_ptr<Schedule> next_run();
    // The run is over, however it ended.
    void run_over();
    std::uint64_t runs() const noexcept { return runs_; }
    bool exhausted() const noexcept { return exhausted_; }
    // The step at which a run first was asked something else than before, if one was. That run went on with Fifo's
    // answers, and what lies behind the step is searched no further.
    std::optional<std::uint64_t> diverged() const noexcept { return diverged_; }

private:
    class Run;
    struct Node {
        Decision decision;
        unsigned candidates, choice, fifo;
        unsigned preemptions;  // before this decision
        // How many answers were tried, this one included: Fifo's first, then the others in their order.
        unsigned tried;
    };
    unsigned answer(Decision decision, unsigned candidates, unsigned fifo);
    bool may_deviate(const Node& node) const noexcept;

    const unsigned bound_;
    std::vector<Node> path_;
    std::size_t step_ = 0;  // of the present run
    std::uint64_t runs_ = 0;
    bool running_ = false;
    bool exhausted_ = false;
    bool lost_ = false;  // the present run diverged
    std::optional<std::uint64_t> diverged_;
};

}  // namespace bottomhalf
