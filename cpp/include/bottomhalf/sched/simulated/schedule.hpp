// Schedule: who decides wherever a simulated machine could go on in more than one way.
//
// Thread safety: none; called by the machine's own thread, one decision at a time, in an order that is the same in
// every run that decides the same.
#pragma once

#include <span>

#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

class Schedule {
public:
    enum class Choice : std::uint8_t {
        next_task,  // which waiting task gets the free CPU: all of one nice level, the one that waited longest first
        next_cpu,   // which of the tasks that hold their CPUs goes on first at this instant, in the same order
    };
    // Why a task could lose its CPU here.
    enum class Preemption : std::uint8_t {
        point,   // the task passed a preemption point
        wakeup,  // a task of a higher level waits for the CPU of a burning or resuming one
        tick,    // a task of the same level waits, and the time slice is over
    };
    struct Where {
        Nanoseconds now;
        unsigned cpu;  // next_cpu: 0
    };

    virtual ~Schedule() = default;
    // The index of the candidate to take; there are at least two.
    virtual unsigned pick(Choice choice, Where where, std::span<Task* const> candidates) = 0;
    // Does running give way? waiting: the best task that waits for its CPU; null: none does that it could give way to,
    // but tasks on other CPUs may go first. Not asked where the task may not be preempted, nor where a task of a higher
    // level waits: that one preempts whom it will, but for init, which only a schedule takes off its CPU at a point.
    virtual bool preempt(Preemption why, Where where, const Task& running, const Task* waiting) = 0;
    // The same question without a waiting task. others: the tasks of other CPUs that could go first, one or more.
    virtual bool let_others_go(Where where, const Task& running, std::span<Task* const> others) {
        static_cast<void>(others);
        return preempt(Preemption::point, where, running, nullptr);
    }
    // The task polls for something, and others are to get on.
    virtual void polls(const Task& task) { static_cast<void>(task); }
    // True: pick() would always answer 0, so candidates need not be gathered, and preempt() without a waiting task
    // always false.
    virtual bool takes_first() const noexcept { return false; }
};

// First in, first out for each nice level; a higher level preempts at the next preemption point, an equal one at a tick
// after its time slice. Init gives way where it waits, and while it burns.
class Fifo final : public Schedule {
public:
    static bool preempts(Preemption why, const Task& running, const Task* waiting) noexcept {
        if (waiting == nullptr || (why == Preemption::point && running.adopted)) return false;
        return why == Preemption::tick || waiting->nice < running.nice;
    }
    unsigned pick(Choice, Where, std::span<Task* const>) override { return 0; }
    bool preempt(Preemption why, Where, const Task& running, const Task* waiting) override {
        return preempts(why, running, waiting);
    }
    bool takes_first() const noexcept override { return true; }
};

}  // namespace bottomhalf
