#include "bottomhalf/workqueue/rcu_work.hpp"

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

static_assert(offsetof(RcuWork, work) == 0, "RcuWork::of relies on it");

class RcuWorks {
public:
    static void waiting(Workqueue& wq, int change) noexcept { wq.armed_.fetch_add(change); }

    static void period_over(RcuHead* head) {
        RcuWork& rwork = *container_of(head, &RcuWork::rcu);
        Workqueue& wq = *rwork.wq;
        // What was done in the sections that it waited for is behind the item.
        order_acquire(wq.domain().rcu);
        order_release(&rwork.work);
        queue_claimed(wq, rwork.work, kCpuUnbound, true);
        waiting(wq, -1);
    }

    static void check(Workqueue& wq, RcuWork& rwork) {
        RawGuard guard(wq.lock_);
        if (wq.refusal_.load() != Refusal::destroyed && wq.refusal_.load() != Refusal::halted) return;
        release_claim(rwork.work);
        wq.refuse(rwork.work);
    }

    static void refuse_other_machine(Workqueue& wq, const RcuWork& rwork, std::uint64_t word) {
        wq.refuse_other_machine(rwork.work, word);
    }
};

bool queue_rcu_work(Workqueue& wq, RcuWork& rwork) {
    Domain& domain = wq.domain();
    domain.require_alive();
    explore_point(domain);
    order_release(&rwork.work);
    if (rwork.work.func == nullptr)
        throw MisuseError("work-without-function", "queue_rcu_work: the item has no function");
    std::uint64_t word = 0;
    if (!claim(rwork.work, kPending, word)) {
        RcuWorks::refuse_other_machine(wq, rwork, word);
        return false;
    }
    RcuWorks::check(wq, rwork);
    rwork.wq = &wq;
    RcuWorks::waiting(wq, 1);
    if (domain.rcu->call(rwork.rcu, RcuWorks::period_over)) return true;
    RcuWorks::waiting(wq, -1);
    release_claim(rwork.work);
    return false;
}

bool flush_rcu_work(RcuWork& rwork, Nanoseconds deadline) {
    const std::uint64_t word = rwork.work.data.load();
    if ((word & (kPending | kPwq)) != kPending) return flush_work(rwork.work, deadline);
    Domain& domain = rwork.wq->domain();
    WorkqueueSubsystem::check_self_wait(rwork.work, "flush_rcu_work");
    // Heads of one grace period are served in their order: this one's turn comes after the item was queued.
    domain.rcu->synchronize(domain.self(), deadline);
    flush_work(rwork.work, deadline);
    return true;
}

bool abandon_rcu_work(RcuHead& head) {
    if (head.func != RcuWorks::period_over) {
        head.func(&head);  // somebody's wait
        return false;
    }
    RcuWork& rwork = *container_of(&head, &RcuWork::rcu);
    RcuWorks::waiting(*rwork.wq, -1);
    Gate* gate = gate_of(rwork.work.func);
    rwork.work.data.fetch_and(~kPending);
    if (gate != nullptr) gate->dropped(&rwork.work);
    return true;
}

}  // namespace bottomhalf
