// Rcu: read-side sections and the grace periods that outlast them (Linux: rcupdate.h, as far as queue_rcu_work needs
// it). A grace period begins when somebody asks for one and ends when every section that was open then has been left.
//
// A simple epoch: sections count in one of two slots, a grace period turns to the other one and waits for the first to
// come to zero. Everything is under one lock: sections here are no hot path.
#pragma once

#include <functional>

#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/sync/completion.hpp"

namespace bottomhalf {

struct RcuHead {
    ListNode node;
    void (*func)(RcuHead*) = nullptr;
};

class Rcu {
public:
    explicit Rcu(Domain& domain) : domain_(domain) { domain.rcu = this; }
    ~Rcu() { domain_.rcu = nullptr; }
    Rcu(const Rcu&) = delete;
    Rcu& operator=(const Rcu&) = delete;

    // Linux: rcu_read_lock. RETURNS: what read_unlock wants. Nests; nothing inside may sleep. CONTEXT: any.
    unsigned read_lock(Task& self);
    // Linux: rcu_read_unlock. The last section of a grace period runs what waited for its end.
    void read_unlock(Task& self, unsigned slot);
    // Linux: call_rcu. func(&head) runs after a grace period: at once when no section is open. False after stop().
    // CONTEXT: any.
    bool call(RcuHead& head, void (*func)(RcuHead*));
    // Linux: synchronize_rcu. CONTEXT: task that may sleep. Throws TimedOut, Interrupted, SchedulingWhileAtomic.
    void synchronize(Task& self, Nanoseconds deadline = kForever);
    // Does anything wait for a grace period? A hint.
    bool pending() noexcept;
    // Halting: takes what waits and hands each to visit; nothing is taken on any more.
    void stop(const std::function<void(RcuHead*)>& visit);

private:
    void start_period(List& over) noexcept;
    static void run(List& over);

    Domain& domain_;
    RawLock lock_;
    unsigned slot_ = 0;             // L: where new sections count
    unsigned readers_[2] = {0, 0};  // L
    List waiting_;                  // L: for the grace period that runs
    List next_;                     // L: for the one after it
    bool stopped_ = false;          // L
};

}  // namespace bottomhalf
