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
    // Does running give way? waiting: the best task that waits for its CPU; null: none does, but tasks on other CPUs
    // may go first. Not asked where the task may not be preempted.
    virtual bool preempt(Preemption why, Where where, const Task& running, const Task* waiting) = 0;
    // True: pick() would always answer 0, so candidates need not be gathered, and preempt() without a waiting task
    // always false.
    virtual bool takes_first() const noexcept { return false; }
};

// First in, first out for each nice level; a higher level preempts at the next preemption point, an equal one at a tick
// after its time slice.
class Fifo final : public Schedule {
public:
    unsigned pick(Choice, Where, std::span<Task* const>) override { return 0; }
    bool preempt(Preemption why, Where, const Task& running, const Task* waiting) override {
        return waiting != nullptr && (why == Preemption::tick || waiting->nice < running.nice);
    }
    bool takes_first() const noexcept override { return true; }
};

}  // namespace bottomhalf
