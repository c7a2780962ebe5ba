// Who goes on: events in their order, tasks to CPUs, and then one of those that hold a CPU.
#include <algorithm>
#include <utility>

#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf {

namespace {
// Often enough for a Ctrl-C, seldom enough to cost nothing.
constexpr std::uint64_t kPollSteps = 4096;

bool is_holding(const Strand& s) noexcept {
    return s.state == Strand::State::dispatched || s.state == Strand::State::burning;
}
}  // namespace

Strand& SimulatedSubstrate::choose_next() {
    Strand* next = failure_ != nullptr ? &fail(std::exchange(failure_, nullptr)) : &choose();
    gave_way_ = nullptr;
    if (next->fiber != nullptr) return *next;
    try {
        next->fiber = &Fiber::acquire(strand_main, next);
        return *next;
    } catch (const Error&) {
        return fail(std::current_exception());
    }
}

void SimulatedSubstrate::go_to(Nanoseconds instant) {
    now_ = instant;
    if (domain_.jiffies_read.load(std::memory_order_relaxed)) [[unlikely]]
        domain_.jiffies();
}

Strand& SimulatedSubstrate::choose() {
    for (;;) {
        if (++counters_.steps > max_steps_) {
            max_steps_ = kUnlimited;
            const std::string busiest = domain_.lock_graph != nullptr ? domain_.lock_graph->busiest() : "";
            return fail(std::make_exception_ptr(BudgetExceeded(
                "the simulated machine '" + domain_.name + "' took more than " + std::to_string(steps_allowed_) +
                " steps (at " + std::to_string(now_) + " ns)" + (busiest.empty() ? "" : "; the busiest: " + busiest) +
                "; raise max_steps, or look for a loop")));
        }
        if (interrupts_ != 0)
            if (Strand* strand = interrupted_strand()) return *strand;
        if (events_.next() <= now_) {
            handle_event();
            continue;
        }
        if (ready_ != 0) place();
        if (counters_.steps % kPollSteps == 0 && init_ != nullptr && init_->state == Strand::State::blocked &&
            init_->wait.interruptible) {
            init_->poll = true;
            return *init_;
        }
        if (Strand* strand = next_dispatched()) return *strand;
        if (init_runs_ != Run::no) {
            if (enough_for_init()) return seize_for_init();
            if (events_.next() > run_limit_) {
                go_to(std::max(now_, run_limit_));
                init_->wait.timed_out = true;
                return seize_for_init();
            }
        }
        if (events_.empty()) return fail(deadlock());
        go_to(events_.next());
    }
}

// Nothing can execute at this instant any more: may time go on, as far as the run that init asked for goes?
bool SimulatedSubstrate::enough_for_init() {
    switch (init_runs_) {
        case Run::until_idle:
            return events_.empty() || (background_ && events_.all_of(Turn::clock_event) && background_());
        case Run::until_quiet:
            return events_.empty() || events_.next() - now_ > run_quiet_;
        case Run::one_instant:
            if (events_.empty()) {
                init_->wait.timed_out = true;
                return true;
            }
            // The first jump is the one asked for.
            init_runs_ = Run::until_instant;
            run_limit_ = events_.next();
            init_jumped_ = true;
            return false;
        default:
            return false;
    }
}

void SimulatedSubstrate::handle_event() {
    const auto [key, event] = events_.pop();
    if (event.strand != nullptr) {
        Strand& strand = *event.strand;
        strand.alarm = {};
        if (key.turn == Turn::completion) {
            strand.wait.burn_left = 0;
            make_dispatched(strand);
        } else {
            strand.wait.timed_out = true;
            if (strand.state == Strand::State::blocked) make_ready(strand);
            if (strand.state == Strand::State::spinning) make_dispatched(strand);
        }
        return;
    }
    // The interrupts of a CPU that is gone come to another.
    VirtualCpu& cpu = cpus_[cpus_[event.cpu].online || key.turn != Turn::hard_irq ? event.cpu : 0];
    if (key.turn == Turn::tick) {
        cpu.slice = {};
        Strand* waiting = best_waiting(event.cpu);
        if (cpu.holder != nullptr && cpu.holder->state == Strand::State::burning && waiting != nullptr &&
            waiting->task->nice <= cpu.holder->task->nice &&
            may_preempt(Schedule::Preemption::tick, *cpu.holder, *waiting))
            displace(*cpu.holder, true, Left::tick);
        return;
    }
    if (key.turn == Turn::clock_event) cpu.clock = {};
    cpu.interrupts.push_back({event.fn, event.arg});
    ++interrupts_;
}

// A strand whose CPU has interrupts to run that are not masked there.
Strand* SimulatedSubstrate::interrupted_strand() {
    for (unsigned c = 0; c < cpus_.size(); ++c) {
        if (cpus_[c].interrupts.empty()) continue;
        Strand* strand = cpus_[c].holder;
        if (strand == nullptr) {
            strand = &swapper(c);
            give_cpu(*strand, c);
        }
        if (masked(*strand)) continue;
        strand->irq = true;
        return strand;
    }
    return nullptr;
}

Strand& SimulatedSubstrate::swapper(unsigned cpu) {
    if (cpus_[cpu].swapper == nullptr) {
        const std::string name = "swapper/" + std::to_string(cpu);
        Task& task = domain_.spawn(name.c_str(), &swapper_main, this, static_cast<int>(cpu), 0, true);
        task.pid.store(0);
        cpus_[cpu].swapper = static_cast<Strand*>(task.substrate_data);
    }
    return *cpus_[cpu].swapper;
}

Strand* SimulatedSubstrate::next_dispatched() {
    Strand* first = nullptr;
    candidates_.clear();
    for (VirtualCpu& cpu : cpus_) {
        Strand* holder = cpu.holder;
        if (holder == nullptr || holder->state != Strand::State::dispatched) continue;
        if (first == nullptr || holder->since < first->since) first = holder;
        if (asks_) candidates_.push_back(holder);
    }
    return candidates_.size() < 2 ? first : &ask(Schedule::Choice::next_cpu, 0);
}

// Which of the candidates_? Who has just given way is none, while there are others.
Strand& SimulatedSubstrate::ask(Schedule::Choice choice, unsigned cpu) {
    if (gave_way_ != nullptr && candidates_.size() > 1) std::erase(candidates_, gave_way_);
    if (candidates_.size() == 1) return *candidates_.front();
    const auto before = [](const Strand* a, const Strand* b) { return a->since < b->since; };
    // One queue's are in order already.
    if (!std::is_sorted(candidates_.begin(), candidates_.end(), before))
        std::sort(candidates_.begin(), candidates_.end(), before);
    candidate_tasks_.clear();
    for (Strand* strand : candidates_) candidate_tasks_.push_back(strand->task);
    return *candidates_.at(schedule_->pick(choice, {now_, cpu}, candidate_tasks_));
}

RunQueue& SimulatedSubstrate::queue_of(const Strand& strand) noexcept {
    return strand.home == kCpuUnbound ? unbound_ : cpus_[static_cast<unsigned>(strand.home)].queue;
}

void SimulatedSubstrate::make_ready(Strand& strand) {
    strand.since = events_.place(now_, Turn::completion);
    enqueue(strand);
}

void SimulatedSubstrate::enqueue(Strand& strand) {
    events_.remove(strand.alarm);
    strand.state = Strand::State::ready;
    queue_of(strand).insert(strand);
    ++ready_;
}

void SimulatedSubstrate::make_dispatched(Strand& strand) {
    strand.state = Strand::State::dispatched;
    strand.since = events_.place(now_, Turn::completion);
}

bool SimulatedSubstrate::idle(unsigned cpu) const noexcept {
    return cpus_[cpu].holder == nullptr && cpus_[cpu].queue.empty() && cpus_[cpu].online;
}

// The wanted CPU if it is idle, or the first that is; the number of CPUs when none is.
unsigned SimulatedSubstrate::idle_cpu(unsigned wanted) const noexcept {
    if (idle(wanted)) return wanted;
    unsigned cpu = 0;
    while (cpu < cpus_.size() && !idle(cpu)) ++cpu;
    return cpu;
}

unsigned SimulatedSubstrate::idle_cpu(const Strand& strand) const noexcept {
    const TaskLimits* limits = strand.task->limits;
    if (limits == nullptr || strand.adrift) return idle_cpu(strand.cpu);
    if (idle(strand.cpu) && limits->allowed.test(strand.cpu)) return strand.cpu;
    for (const CpuMask* mask : {&limits->preferred, &limits->allowed})
        for (unsigned cpu = mask->first(); cpu < cpus_.size(); cpu = mask->next(cpu + 1))
            if (idle(cpu) && limits->allowed.test(cpu)) return cpu;
    return static_cast<unsigned>(cpus_.size());
}

// Takes the strand that the schedule wants out of its queue.
Strand& SimulatedSubstrate::pick_waiting(unsigned cpu, bool bound, bool unbound) {
    Strand* chosen = !bound ? unbound_for(cpu) : !unbound ? cpus_[cpu].queue.front() : best_waiting(cpu);
    if (asks_) {
        candidates_.clear();
        for (RunQueue* queue : {bound ? &cpus_[cpu].queue : nullptr, unbound ? &unbound_ : nullptr})
            if (queue != nullptr && limited_ != 0) {
                for (Strand* strand : queue->all())
                    if (strand->task->nice == chosen->task->nice && RunQueue::may_have(*strand, cpu))
                        candidates_.push_back(strand);
            } else if (queue != nullptr && !queue->empty() && queue->front()->task->nice == chosen->task->nice) {
                for (Strand* strand : queue->best_level()) candidates_.push_back(strand);
            }
        chosen = &ask(Schedule::Choice::next_task, cpu);
    }
    queue_of(*chosen).remove(*chosen);
    --ready_;
    return *chosen;
}

void SimulatedSubstrate::place_unbound() {
    for (;;) {
        auto cpu = static_cast<unsigned>(cpus_.size());
        // Without limits who comes first has a CPU, or nobody has.
        for (Strand* strand : unbound_.all())
            if ((cpu = idle_cpu(*strand)) < cpus_.size() || limited_ == 0) break;
        if (cpu >= cpus_.size()) return;
        Strand& strand = pick_waiting(cpu, false, true);
        give_cpu(strand, idle_cpu(strand));
    }
}

// Gives every CPU to whom it is due. No strand is executing meanwhile.
void SimulatedSubstrate::place() {
    place_unbound();
    for (unsigned c = 0; c < cpus_.size() && ready_ != 0; ++c) {
        VirtualCpu& cpu = cpus_[c];
        if (!cpu.online) continue;
        // An unbound task makes room for a bound one, if there is room elsewhere.
        if (cpu.holder != nullptr && !cpu.queue.empty() && cpu.holder->home == kCpuUnbound && is_holding(*cpu.holder) &&
            preemptible(*cpu.holder) && idle_cpu(*cpu.holder) < cpus_.size()) {
            displace(*cpu.holder, false, Left::wakeup);
            place_unbound();
        }
        if (cpu.holder == nullptr && best_waiting(c) != nullptr) give_cpu(pick_waiting(c, true, true), c);
    }
    for (unsigned c = 0; c < cpus_.size() && ready_ != 0; ++c) {
        Strand* holder = cpus_[c].holder;
        Strand* waiting = best_waiting(c);
        if (holder == nullptr || waiting == nullptr || !is_holding(*holder) || !cpus_[c].online) continue;
        if (waiting->task->nice < holder->task->nice) {
            const auto why =
                holder->state == Strand::State::burning ? Schedule::Preemption::wakeup : Schedule::Preemption::point;
            if (!may_preempt(why, *holder, *waiting)) continue;
            displace(*holder, false, Left::wakeup);
            give_cpu(pick_waiting(c, true, true), c);
        } else if (waiting->task->nice == holder->task->nice && holder->state == Strand::State::burning &&
                   !voluntary_ && !cpus_[c].slice.armed()) {
            arm_slice(c);
        }
    }
}

bool SimulatedSubstrate::may_preempt(Schedule::Preemption why, Strand& holder, Strand& waiting) {
    if (!preemptible(holder)) return false;
    const Task &running = *holder.task, &other = *waiting.task;
    if (other.nice < running.nice && &holder != init_) return true;
    return schedule_->preempt(why, {now_, holder.cpu}, running, &other);
}

// At a preemption point: does the executing strand leave its CPU to somebody who waits for it?
bool SimulatedSubstrate::gives_way(Strand& me) {
    Strand* waiting = best_waiting(me.cpu);
    if (waiting == nullptr || waiting->task->nice > me.task->nice) return false;
    if (voluntary_ && waiting->task->nice == me.task->nice) return false;
    return may_preempt(Schedule::Preemption::point, me, *waiting);
}

// At a preemption point: does it keep its CPU, and the strands of other CPUs go first? Asked only if there are any.
// interrupts_too: an idle CPU that has some to run could go first as well.
bool SimulatedSubstrate::lets_others_go(Strand& me, bool interrupts_too) {
    if (!asks_) return false;
    candidate_tasks_.clear();
    for (unsigned c = 0; c < cpus_.size(); ++c) {
        if (c == me.cpu || !cpus_[c].online) continue;
        Strand* other = cpus_[c].holder;
        if (other == nullptr)
            other = interrupts_too && !cpus_[c].interrupts.empty() ? &swapper(c) : best_waiting(c);
        else if (other->state != Strand::State::dispatched)
            continue;
        if (other != nullptr) candidate_tasks_.push_back(other->task);
    }
    return !candidate_tasks_.empty() && schedule_->let_others_go({now_, me.cpu}, *me.task, candidate_tasks_);
}

void SimulatedSubstrate::give_cpu(Strand& strand, unsigned cpu) {
    cpus_[cpu].holder = &strand;
    strand.cpu = cpu;
    strand.state = Strand::State::dispatched;
    if (!std::exchange(strand.keeps_slice, false)) strand.slice_start = now_;
    strand.task->cpu.store(static_cast<int>(cpu), std::memory_order_relaxed);
}

void SimulatedSubstrate::leave_cpu(Strand& strand, Left why) noexcept {
    VirtualCpu& cpu = cpus_[strand.cpu];
    if (cpu.holder != &strand) return;
    cpu.holder = nullptr;
    cpu.left = why;
    events_.remove(cpu.slice);
}

// The holder waits for a CPU again: behind its equals, or where it was.
void SimulatedSubstrate::displace(Strand& holder, bool to_the_end, Left why) {
    ++counters_.preemptions;
    if (holder.state == Strand::State::burning) stop_burn(holder);
    leave_cpu(holder, why);
    if (to_the_end)
        make_ready(holder);
    else
        enqueue(holder);
}

void SimulatedSubstrate::begin_burn(Strand& strand) {
    strand.state = Strand::State::burning;
    const Nanoseconds end = strand.wait.burn_left > kForever - 1 - now_ ? kForever - 1 : now_ + strand.wait.burn_left;
    strand.alarm = events_.add(end, Turn::completion, {&strand});
}

void SimulatedSubstrate::stop_burn(Strand& strand) noexcept {
    strand.wait.burn_left = strand.alarm.when - now_;
    events_.remove(strand.alarm);
}

// At the first tick after the holder's time slice.
void SimulatedSubstrate::arm_slice(unsigned cpu) {
    const Nanoseconds end = std::max(cpus_[cpu].holder->slice_start + kTimeSlice, now_ + 1);
    Jiffies tick = ns_to_jiffies(end, domain_.hz);
    if (jiffies_to_ns(tick, domain_.hz) < end) ++tick;
    cpus_[cpu].slice = events_.add(jiffies_to_ns(tick, domain_.hz), Turn::tick, {nullptr, cpu});
}

}  // namespace bottomhalf
