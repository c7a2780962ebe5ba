#include "bottomhalf/sched/simulated/schedules.hpp"

#include <algorithm>
#include <utility>

namespace bottomhalf {

namespace {

Decision decision_of(Schedule::Choice choice) noexcept {
    return choice == Schedule::Choice::next_task ? Decision::next_task : Decision::next_cpu;
}

Decision decision_of(Schedule::Preemption why) noexcept {
    switch (why) {
        case Schedule::Preemption::wakeup:
            return Decision::wakeup;
        case Schedule::Preemption::tick:
            return Decision::tick;
        default:
            return Decision::point;
    }
}

bool is_pick(Decision decision) noexcept { return decision <= Decision::next_cpu; }

}  // namespace

// ---- random ----

std::uint64_t ScheduleRandom::next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

std::uint64_t ScheduleRandom::below(std::uint64_t limit) noexcept {
    // The lack of uniformity is limit / 2^64.
    return static_cast<std::uint64_t>(static_cast<unsigned __int128>(next()) * limit >> 64);
}

unsigned RandomSchedule::pick(Choice, Where, std::span<Task* const> candidates) {
    return static_cast<unsigned>(random_.below(candidates.size()));
}

// ---- probabilistic concurrency testing ----

namespace {
// The order of priorities: the change points', 1 to depth - 1; those of tasks that polled, downwards from kPolls, and
// so the later below the earlier; the drawn ones.
constexpr std::uint64_t kPolls = std::uint64_t{1} << 62;
constexpr std::uint64_t kDrawn = std::uint64_t{1} << 63;
}  // namespace

PctSchedule::PctSchedule(unsigned depth, std::uint64_t seed, std::uint64_t expected_steps)
    : random_(seed), lowest_(kPolls) {
    for (std::uint64_t i = 1; i < depth; ++i)
        changes_.push_back({random_.below(std::max<std::uint64_t>(expected_steps, 1)), i});
    std::sort(changes_.begin(), changes_.end(),
              [](const ChangePoint& a, const ChangePoint& b) { return a.step > b.step; });
}

std::uint64_t& PctSchedule::priority(const Task& task) {
    const auto pid = static_cast<std::size_t>(task.pid.load(std::memory_order_relaxed));
    if (pid >= priorities_.size()) priorities_.resize(pid + 1);
    if (priorities_[pid] == 0) priorities_[pid] = kDrawn | random_.next();
    return priorities_[pid];
}

std::uint64_t PctSchedule::change() noexcept {
    const std::uint64_t step = step_++;
    std::uint64_t fallen = 0;
    // Two changes at one step: the task falls to the lower one.
    while (!changes_.empty() && changes_.back().step == step) {
        fallen = fallen == 0 ? changes_.back().priority : std::min(fallen, changes_.back().priority);
        changes_.pop_back();
    }
    return fallen;
}

unsigned PctSchedule::highest(std::span<Task* const> candidates) {
    unsigned best = 0;
    for (unsigned i = 1; i < candidates.size(); ++i)
        if (priority(*candidates[i]) > priority(*candidates[best])) best = i;
    return best;
}

unsigned PctSchedule::pick(Choice, Where, std::span<Task* const> candidates) {
    const unsigned best = highest(candidates);
    const std::uint64_t fallen = change();
    if (fallen == 0) return best;
    priority(*candidates[best]) = fallen;
    return highest(candidates);
}

std::uint64_t PctSchedule::standing(const Task& running) {
    if (const std::uint64_t fallen = change(); fallen != 0) priority(running) = fallen;
    return priority(running);
}

bool PctSchedule::preempt(Preemption, Where, const Task& running, const Task* waiting) {
    const std::uint64_t mine = standing(running);
    return waiting != nullptr && priority(*waiting) > mine;
}

bool PctSchedule::let_others_go(Where, const Task& running, std::span<Task* const> others) {
    const std::uint64_t mine = standing(running);
    return std::any_of(others.begin(), others.end(), [&](const Task* other) { return priority(*other) > mine; });
}

void PctSchedule::polls(const Task& task) { priority(task) = --lowest_; }

// ---- recording ----

void Recording::ask(Decision decision, unsigned cpu, unsigned candidates) noexcept {
    ++decisions;
    const std::uint64_t fact =
        std::uint64_t{candidates} << 32 | std::uint64_t{cpu} << 8 | static_cast<unsigned>(decision);
    digest = (digest ^ fact) * 0x9e3779b97f4a7c15u;
    digest ^= digest >> 29;
}

void Recorder::note(Decision decision, unsigned cpu, unsigned candidates, unsigned choice, unsigned fifo) {
    Recording& r = *recording_;
    if (choice != fifo) r.deviations.push_back({r.decisions, decision, choice, candidates, r.before()});
    if (keep_all_) r.all.push_back({decision, candidates, choice, fifo});
    r.ask(decision, cpu, candidates);
}

unsigned Recorder::pick(Choice choice, Where where, std::span<Task* const> candidates) {
    const unsigned chosen = inner_->pick(choice, where, candidates);
    note(decision_of(choice), where.cpu, static_cast<unsigned>(candidates.size()), chosen, 0);
    return chosen;
}

bool Recorder::preempt(Preemption why, Where where, const Task& running, const Task* waiting) {
    const bool yes = inner_->preempt(why, where, running, waiting);
    note(decision_of(why), where.cpu, 2, yes ? 1 : 0, Fifo::preempts(why, running, waiting) ? 1 : 0);
    return yes;
}

bool Recorder::let_others_go(Where where, const Task& running, std::span<Task* const> others) {
    const bool yes = inner_->let_others_go(where, running, others);
    note(Decision::point, where.cpu, 2, yes ? 1 : 0, 0);
    return yes;
}

// ---- replaying ----

ReplaySchedule::ReplaySchedule(std::vector<Deviation> deviations, Mode mode, std::uint64_t watched_step)
    : deviations_(std::move(deviations)), mode_(mode), watched_step_(watched_step) {
    const auto rises = [](const Deviation& a, const Deviation& b) { return a.step < b.step; };
    std::stable_sort(deviations_.begin(), deviations_.end(), rises);
    const auto same = [](const Deviation& a, const Deviation& b) { return a.step == b.step; };
    deviations_.erase(std::unique(deviations_.begin(), deviations_.end(), same), deviations_.end());
}

unsigned ReplaySchedule::answer(Decision decision, unsigned cpu, unsigned candidates, unsigned fifo) {
    Outcome& o = *outcome_;
    const std::uint64_t step = o.seen.decisions;
    const std::uint32_t before = o.seen.before();
    o.seen.ask(decision, cpu, candidates);
    if (o.seen.decisions == watched_step_) o.watched = o.seen.before();
    if (o.mismatch.has_value() || o.used == deviations_.size()) return fifo;
    const Deviation& next = deviations_[o.used];
    if (next.step != step) return fifo;
    ++o.used;
    if (mode_ == Mode::lenient) return next.choice % candidates;
    if (next.decision != decision || next.candidates != candidates || next.choice >= candidates ||
        (next.before != 0 && next.before != before)) {
        o.mismatch = Mismatch{next, decision, candidates};
        return fifo;
    }
    return next.choice;
}

unsigned ReplaySchedule::pick(Choice choice, Where where, std::span<Task* const> candidates) {
    return answer(decision_of(choice), where.cpu, static_cast<unsigned>(candidates.size()), 0);
}

bool ReplaySchedule::preempt(Preemption why, Where where, const Task& running, const Task* waiting) {
    return answer(decision_of(why), where.cpu, 2, Fifo::preempts(why, running, waiting) ? 1 : 0) != 0;
}

// ---- exhaustive search ----

class ExhaustiveSearch::Run final : public Schedule {
public:
    explicit Run(ExhaustiveSearch& search) noexcept : search_(search) {}
    unsigned pick(Choice choice, Where, std::span<Task* const> candidates) override {
        return search_.answer(decision_of(choice), static_cast<unsigned>(candidates.size()), 0);
    }
    bool preempt(Preemption why, Where, const Task& running, const Task* waiting) override {
        return search_.answer(decision_of(why), 2, Fifo::preempts(why, running, waiting) ? 1 : 0) != 0;
    }

private:
    ExhaustiveSearch& search_;
};

ExhaustiveSearch::ExhaustiveSearch(unsigned preemption_bound) : bound_(preemption_bound) {}
ExhaustiveSearch::~ExhaustiveSearch() = default;

std::unique_ptr<Schedule> ExhaustiveSearch::next_run() {
    if (running_) run_over();
    if (exhausted_) return nullptr;
    running_ = true;
    lost_ = false;
    step_ = 0;
    ++runs_;
    return std::make_unique<Run>(*this);
}

unsigned ExhaustiveSearch::answer(Decision decision, unsigned candidates, unsigned fifo) {
    if (lost_ || !running_) return fifo;
    if (step_ < path_.size()) {
        const Node& node = path_[step_++];
        if (node.decision == decision && node.candidates == candidates && node.fifo == fifo) return node.choice;
        if (!diverged_.has_value()) diverged_ = step_ - 1;
        lost_ = true;
        return fifo;
    }
    unsigned preemptions = 0;
    if (!path_.empty()) {
        const Node& last = path_.back();
        preemptions = last.preemptions + (!is_pick(last.decision) && last.choice != last.fifo ? 1 : 0);
    }
    path_.push_back({decision, candidates, fifo, fifo, preemptions, 1});
    ++step_;
    return fifo;
}

bool ExhaustiveSearch::may_deviate(const Node& node) const noexcept {
    return node.tried < node.candidates && (is_pick(node.decision) || node.preemptions < bound_);
}

void ExhaustiveSearch::run_over() {
    if (!running_) return;
    running_ = false;
    // A run that was shorter than the path it was to repeat did not do the same either.
    if (!lost_ && step_ < path_.size() && !diverged_.has_value()) diverged_ = step_;
    path_.resize(step_ - (lost_ ? 1 : 0));
    while (!path_.empty() && !may_deviate(path_.back())) path_.pop_back();
    if (path_.empty()) {
        exhausted_ = true;
        return;
    }
    Node& node = path_.back();
    // Fifo's answer was the first; the others come in their order.
    node.choice = node.tried <= node.fifo ? node.tried - 1 : node.tried;
    ++node.tried;
}

}  // namespace bottomhalf
