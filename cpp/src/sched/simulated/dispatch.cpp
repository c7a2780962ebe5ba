// Who goes on: events in their order, tasks to CPUs, and then one of those that hold a CPU.
#include <algorithm>
#include <utility>

#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"
#include "sanitizer.hpp"

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
    if (next->fiber != nullptr) return *next;
    try {
        next->fiber = &Fiber::acquire(strand_main, next);
        return *next;
    } catch (const Error&) {
        return fail(std::current_exception());
    }
}

Strand& SimulatedSubstrate::choose() {
    for (;;) {
        if (++counters_.steps > max_steps_) {
            const std::uint64_t limit = std::exchange(max_steps_, kUnlimited);
            return fail(std::make_exception_ptr(
                BudgetExceeded("the simulated machine '" + domain_.name + "' took more than " + std::to_string(limit) +
                               " steps (at " + std::to_string(now_) + " ns); raise max_steps, or look for a loop")));
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
            if (init_runs_ == Run::until_idle && events_.empty()) return seize_for_init();
            if (events_.next() > run_limit_) {
                now_ = std::max(now_, run_limit_);
                init_->wait.timed_out = true;
                return seize_for_init();
            }
        }
        if (events_.empty()) return fail(deadlock());
        now_ = events_.next();
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
    VirtualCpu& cpu = cpus_[event.cpu];
    if (key.turn == Turn::tick) {
        cpu.slice = {};
        Strand* waiting = best_waiting(event.cpu);
        if (cpu.holder != nullptr && cpu.holder->state == Strand::State::burning && waiting != nullptr &&
            waiting->task->nice <= cpu.holder->task->nice &&
            may_preempt(Schedule::Preemption::tick, *cpu.holder, waiting))
            displace(*cpu.holder, true);
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
    std::vector<Strand*> all;
    for (VirtualCpu& cpu : cpus_) {
        Strand* holder = cpu.holder;
        if (holder == nullptr || holder->state != Strand::State::dispatched) continue;
        if (first == nullptr || holder->since < first->since) first = holder;
        if (!schedule_->takes_first()) all.push_back(holder);
    }
    if (all.size() < 2) return first;
    std::sort(all.begin(), all.end(), [](Strand* a, Strand* b) { return a->since < b->since; });
    std::vector<Task*> tasks;
    for (Strand* strand : all) tasks.push_back(strand->task);
    return all.at(schedule_->pick(Schedule::Choice::next_cpu, {now_, 0}, tasks));
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

Strand* SimulatedSubstrate::best_waiting(unsigned cpu) const noexcept {
    Strand *bound = cpus_[cpu].queue.front(), *free = unbound_.front();
    if (bound == nullptr || free == nullptr) return bound != nullptr ? bound : free;
    return RunQueue::before(*free, *bound) ? free : bound;
}

bool SimulatedSubstrate::idle(unsigned cpu) const noexcept {
    return cpus_[cpu].holder == nullptr && cpus_[cpu].queue.empty();
}

// The wanted CPU if it is idle, or the first that is; the number of CPUs when none is.
unsigned SimulatedSubstrate::idle_cpu(unsigned wanted) const noexcept {
    if (idle(wanted)) return wanted;
    unsigned cpu = 0;
    while (cpu < cpus_.size() && !idle(cpu)) ++cpu;
    return cpu;
}

// Takes the strand that the schedule wants out of its queue.
Strand& SimulatedSubstrate::pick_waiting(unsigned cpu, bool bound, bool unbound) {
    Strand* chosen = !bound ? unbound_.front() : !unbound ? cpus_[cpu].queue.front() : best_waiting(cpu);
    if (!schedule_->takes_first()) {
        std::vector<Strand*> all;
        for (RunQueue* queue : {bound ? &cpus_[cpu].queue : nullptr, unbound ? &unbound_ : nullptr})
            if (queue != nullptr && !queue->empty() && queue->front()->task->nice == chosen->task->nice)
                for (Strand* strand : queue->best_level()) all.push_back(strand);
        std::sort(all.begin(), all.end(), [](Strand* a, Strand* b) { return a->since < b->since; });
        std::vector<Task*> tasks;
        for (Strand* strand : all) tasks.push_back(strand->task);
        if (all.size() > 1) chosen = all.at(schedule_->pick(Schedule::Choice::next_task, {now_, cpu}, tasks));
    }
    queue_of(*chosen).remove(*chosen);
    --ready_;
    return *chosen;
}

void SimulatedSubstrate::place_unbound() {
    while (!unbound_.empty() && idle_cpu(unbound_.front()->cpu) < cpus_.size()) {
        Strand& strand = pick_waiting(unbound_.front()->cpu, false, true);
        give_cpu(strand, idle_cpu(strand.cpu));
    }
}

// Gives every CPU to whom it is due. No strand is executing meanwhile.
void SimulatedSubstrate::place() {
    place_unbound();
    for (unsigned c = 0; c < cpus_.size() && ready_ != 0; ++c) {
        VirtualCpu& cpu = cpus_[c];
        // An unbound task makes room for a bound one, if there is room elsewhere.
        if (cpu.holder != nullptr && !cpu.queue.empty() && cpu.holder->home == kCpuUnbound && is_holding(*cpu.holder) &&
            preemptible(*cpu.holder) && idle_cpu(c) < cpus_.size()) {
            displace(*cpu.holder, false);
            place_unbound();
        }
        if (cpu.holder == nullptr && best_waiting(c) != nullptr) give_cpu(pick_waiting(c, true, true), c);
    }
    for (unsigned c = 0; c < cpus_.size() && ready_ != 0; ++c) {
        Strand* holder = cpus_[c].holder;
        Strand* waiting = best_waiting(c);
        if (holder == nullptr || waiting == nullptr || !is_holding(*holder)) continue;
        if (waiting->task->nice < holder->task->nice) {
            if (!may_preempt(Schedule::Preemption::wakeup, *holder, waiting)) continue;
            displace(*holder, false);
            give_cpu(pick_waiting(c, true, true), c);
        } else if (waiting->task->nice == holder->task->nice && holder->state == Strand::State::burning &&
                   !voluntary_ && !cpus_[c].slice.armed()) {
            arm_slice(c);
        }
    }
}

bool SimulatedSubstrate::may_preempt(Schedule::Preemption why, Strand& holder, Strand* waiting) {
    if (!preemptible(holder) || (waiting == nullptr && schedule_->takes_first())) return false;
    return schedule_->preempt(why, {now_, holder.cpu}, *holder.task, waiting != nullptr ? waiting->task : nullptr);
}

void SimulatedSubstrate::give_cpu(Strand& strand, unsigned cpu) {
    cpus_[cpu].holder = &strand;
    strand.cpu = cpu;
    strand.state = Strand::State::dispatched;
    if (!std::exchange(strand.keeps_slice, false)) strand.slice_start = now_;
    strand.task->cpu.store(static_cast<int>(cpu), std::memory_order_relaxed);
}

void SimulatedSubstrate::leave_cpu(Strand& strand) noexcept {
    VirtualCpu& cpu = cpus_[strand.cpu];
    if (cpu.holder != &strand) return;
    cpu.holder = nullptr;
    events_.remove(cpu.slice);
}

// The holder waits for a CPU again: behind its equals, or where it was.
void SimulatedSubstrate::displace(Strand& holder, bool to_the_end) {
    ++counters_.preemptions;
    if (holder.state == Strand::State::burning) stop_burn(holder);
    leave_cpu(holder);
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
