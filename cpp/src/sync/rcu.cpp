#include "bottomhalf/sync/rcu.hpp"

namespace bottomhalf {

unsigned Rcu::read_lock(Task& self) {
    explore_point(domain_);
    preempt_disable(self);
    RawGuard guard(lock_);
    ++readers_[slot_];
    return slot_;
}

void Rcu::read_unlock(Task& self, unsigned slot) {
    List over;
    if (domain_.simulated) [[unlikely]]
        order_release(this);
    {
        RawGuard guard(lock_);
        if (--readers_[slot] == 0 && slot != slot_) {
            over.splice_back(waiting_);
            if (!next_.empty()) start_period(over);
        }
    }
    preempt_enable(self);
    run(over);
    explore_point(domain_);
}

// Under lock_; none runs. With nobody in a section it is over at once.
void Rcu::start_period(List& over) noexcept {
    waiting_.splice_back(next_);
    const unsigned old = slot_;
    slot_ ^= 1;
    if (readers_[old] == 0) over.splice_back(waiting_);
}

void Rcu::run(List& over) {
    while (ListNode* node = over.pop_front()) {
        RcuHead* head = container_of(node, &RcuHead::node);
        head->func(head);
    }
}

bool Rcu::call(RcuHead& head, void (*func)(RcuHead*)) {
    explore_point(domain_);
    List over;
    {
        RawGuard guard(lock_);
        if (stopped_) return false;
        head.func = func;
        next_.push_back(head.node);
        if (waiting_.empty()) start_period(over);
    }
    run(over);
    return true;
}

void Rcu::synchronize(Task& self, Nanoseconds deadline) {
    might_sleep(self, "synchronize_rcu");
    struct Waiter {
        RcuHead head;
        Completion done;
    } waiter;
    if (!call(waiter.head, [](RcuHead* head) { container_of(head, &Waiter::head)->done.signal(); })) return;
    struct Leave {
        Rcu& rcu;
        Waiter& waiter;
        ~Leave() {
            {
                RawGuard guard(rcu.lock_);
                if (waiter.head.node.linked()) {
                    waiter.head.node.unlink();
                    return;
                }
            }
            while (!waiter.done.done()) spin_pause();  // its few instructions
        }
    };
    try {
        throw_unless_ok(waiter.done.wait(self, deadline, "synchronize_rcu"), "synchronize_rcu");
    } catch (...) {
        Leave{*this, waiter};
        throw;
    }
    order_acquire(this);
}

bool Rcu::pending() noexcept {
    RawGuard guard(lock_);
    return !waiting_.empty() || !next_.empty();
}

void Rcu::stop(const std::function<void(RcuHead*)>& visit) {
    List all;
    {
        RawGuard guard(lock_);
        stopped_ = true;
        all.splice_back(waiting_);
        all.splice_back(next_);
    }
    while (ListNode* node = all.pop_front()) visit(container_of(node, &RcuHead::node));
}

}  // namespace bottomhalf
