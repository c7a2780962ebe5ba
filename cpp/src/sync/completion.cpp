#include "bottomhalf/sync/completion.hpp"

namespace bottomhalf {

namespace {
struct Waiter {
    Task* task;
    ListNode node;
};
}  // namespace

void Completion::wake(bool all, WakeQ& wake_q) noexcept {
    while (ListNode* node = waiters_.pop_front()) {
        Task& task = *container_of(node, &Waiter::node)->task;
        wake_q.add(*task.domain.load(std::memory_order_relaxed)->substrate, task);
        if (!all) break;
    }
}

void Completion::complete() noexcept {
    explore_point();
    order_release(this);
    signal();
    explore_point();
}

void Completion::signal() noexcept {
    WakeQ wake_q;
    RawGuard guard(lock_);
    if (done_ < kAll - 1) ++done_;
    wake(false, wake_q);
}

void Completion::complete_all() noexcept {
    explore_point();
    order_release(this);
    {
        WakeQ wake_q;
        RawGuard guard(lock_);
        done_ = kAll;
        wake(true, wake_q);
    }
    explore_point();
}

bool Completion::consume() noexcept {
    if (done_ == 0) return false;
    if (done_ != kAll) --done_;
    order_acquire(this);
    return true;
}

bool Completion::try_wait() noexcept {
    explore_point();
    RawGuard guard(lock_);
    return consume();
}

bool Completion::done() noexcept {
    RawGuard guard(lock_);
    if (done_ != 0) order_acquire(this);
    return done_ != 0;
}

void Completion::reinit() noexcept {
    RawGuard guard(lock_);
    done_ = 0;
}

bool Completion::waited_for() noexcept {
    RawGuard guard(lock_);
    return !waiters_.empty();
}

WaitResult Completion::wait(Task& self, Nanoseconds deadline, const char* kind) {
    might_sleep(self, kind);
    explore_point();
    Waiter waiter{&self, {}};
    // Leaves the list however the wait ends; an event that was meant for a waiter that gives up goes to the next one.
    struct Leave {
        Completion& completion;
        Waiter& waiter;
        ~Leave() {
            WakeQ wake_q;
            RawGuard guard(completion.lock_);
            if (waiter.node.linked())
                waiter.node.unlink();
            else if (completion.done_ != 0)
                completion.wake(completion.done_ == kAll, wake_q);
        }
    };
    {
        RawGuard guard(lock_);
        if (consume()) return WaitResult::ok;
        waiters_.push_back(waiter.node);
    }
    Leave leave{*this, waiter};
    for (;;) {
        const Wake wake = task_sleep(self, deadline, kind);
        RawGuard guard(lock_);
        if (consume()) return WaitResult::ok;
        if (wake == Wake::timeout) return WaitResult::timeout;
        if (wake == Wake::interrupted) return WaitResult::interrupted;
        if (!waiter.node.linked()) waiters_.push_back(waiter.node);
    }
}

}  // namespace bottomhalf
