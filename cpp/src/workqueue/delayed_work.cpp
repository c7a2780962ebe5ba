#include "bottomhalf/workqueue/delayed_work.hpp"

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

static_assert(offsetof(DelayedWork, work) == 0, "DelayedWork::of relies on it");

class DelayedWorks {
public:
    static void armed(Workqueue& wq, int change) noexcept { wq.armed_.fetch_add(change); }

    // The caller owns PENDING.
    static bool start(Workqueue& wq, DelayedWork& dwork, Jiffies delay, int cpu) {
        if (delay == 0) return queue_claimed(wq, dwork.work, cpu, false);
        Domain& domain = wq.domain();
        if (wq.refusing_.load()) {
            // Linux would find out when the timer fires; a caller who can be told is told now.
            RawGuard guard(wq.lock_);
            if (wq.refusal_.load() == Refusal::destroyed || wq.refusal_.load() == Refusal::halted) {
                release_claim(dwork.work);
                if (wq.chained(domain.self())) return false;  // re-armed by its own run while the end is near
                wq.refuse(dwork.work);
            }
        }
        dwork.wq = &wq;
        dwork.cpu = cpu;
        armed(wq, 1);
        const Jiffies expires = domain.jiffies() + delay;
        try {
            if (cpu == kCpuUnbound)
                domain.timers->arm_now(dwork.timer, expires);
            else
                domain.timers->add_on(dwork.timer, expires, static_cast<unsigned>(cpu));
        } catch (const InvalidArgument&) {
            // Its timer's callback has not returned on another machine yet.
            armed(wq, -1);
            release_claim(dwork.work);
            throw;
        }
        return true;
    }

    static void refuse_other_machine(Workqueue& wq, const DelayedWork& dwork, std::uint64_t word) {
        wq.refuse_other_machine(dwork.work, word);
        if ((word & (kPending | kPwq)) != kPending) return;
        // Only its timer says so safely: the workqueue it names belongs to whoever owns PENDING.
        const std::string other = wq.domain().timers->busy_elsewhere(dwork.timer);
        if (!other.empty()) wq.belongs_to(dwork.work, other);
    }

    static bool take_timer(Work& work) {
        DelayedWork& dwork = *DelayedWork::of(&work);
        if (!timer_take(dwork.timer)) return false;
        armed(*dwork.wq, -1);
        return true;
    }
};

void delayed_work_timer_fn(Timer* timer) {
    DelayedWork& dwork = *container_of(timer, &DelayedWork::timer);
    Workqueue& wq = *dwork.wq;
    queue_claimed(wq, dwork.work, dwork.cpu, true);
    DelayedWorks::armed(wq, -1);
}

DelayedWork::DelayedWork() noexcept : DelayedWork(nullptr) {}

DelayedWork::DelayedWork(WorkFunction func, bool deferrable) noexcept : work(func) {
    timer_setup(timer, delayed_work_timer_fn, kTimerIrqsafe | (deferrable ? kTimerDeferrable : 0u));
}

bool queue_delayed_work(Workqueue& wq, DelayedWork& dwork, Jiffies delay, int cpu) {
    Domain& domain = wq.domain();
    if (delay == 0) return wq.queue(dwork.work, cpu);
    domain.require_alive();
    explore_point(domain);
    order_release(&dwork.work);
    if (cpu != kCpuUnbound) domain.check_cpu(cpu, "cpu");
    if (dwork.work.func == nullptr)
        throw MisuseError("work-without-function", "queue_delayed_work: the item has no function");
    std::uint64_t word = 0;
    if (!claim(dwork.work, kPending, word)) {
        DelayedWorks::refuse_other_machine(wq, dwork, word);
        return false;
    }
    return DelayedWorks::start(wq, dwork, delay, cpu);
}

bool mod_delayed_work(Workqueue& wq, DelayedWork& dwork, Jiffies delay, int cpu, bool* taken, bool* armed) {
    wq.domain().require_alive();
    explore_point(wq.domain());
    order_release(&dwork.work);
    if (cpu != kCpuUnbound) wq.domain().check_cpu(cpu, "cpu");
    if (dwork.work.func == nullptr)
        throw MisuseError("work-without-function", "mod_delayed_work: the item has no function");
    const bool was_pending = grab_pending(dwork.work, DelayedWorks::take_timer) == 1;
    if (taken != nullptr) *taken = was_pending;
    if (depth(dwork.work.data.load(std::memory_order_relaxed)) != 0) {
        release_claim(dwork.work);
        return false;
    }
    const bool now_pending = DelayedWorks::start(wq, dwork, delay, cpu);
    if (armed != nullptr) *armed = now_pending;
    return now_pending && was_pending;
}

bool flush_delayed_work(DelayedWork& dwork, Nanoseconds deadline) {
    if (Task* self = current_task()) might_sleep(*self, "flush_delayed_work");
    WorkqueueSubsystem::check_self_wait(dwork.work, "flush_delayed_work");
    explore_point();
    for (int taken = 0; (taken = try_to_del_timer(dwork.timer)) != 0;) {
        if (taken == 1) {
            DelayedWorks::armed(*dwork.wq, -1);
            const bool queued = queue_claimed(*dwork.wq, dwork.work, dwork.cpu, false);
            // No preemption point in between: the caller gets to wait even where a worker of a higher level was woken.
            // On the host the woken thread may have run in the caller's place and be through: it was for this flush.
            const bool waited = WorkqueueSubsystem::flush_item(dwork.work, deadline, false);
            return waited || queued;
        }
        poll_turn();  // its timer fires just now, and will have queued it
    }
    return flush_work(dwork.work, deadline);
}

bool cancel_delayed_work(DelayedWork& dwork) { return cancel_common(dwork.work, DelayedWorks::take_timer, false); }
bool disable_delayed_work(DelayedWork& dwork) { return cancel_common(dwork.work, DelayedWorks::take_timer, true); }
bool cancel_delayed_work_sync(DelayedWork& dwork, Nanoseconds deadline, bool* was_pending) {
    return cancel_common_sync(dwork.work, DelayedWorks::take_timer, false, deadline, was_pending);
}
bool disable_delayed_work_sync(DelayedWork& dwork, Nanoseconds deadline, bool* was_pending) {
    return cancel_common_sync(dwork.work, DelayedWorks::take_timer, true, deadline, was_pending);
}

void abandon_delayed_work(DelayedWork& dwork) {
    DelayedWorks::armed(*dwork.wq, -1);
    Gate* gate = gate_of(dwork.work.func);
    dwork.work.data.fetch_and(~kPending);
    if (gate != nullptr) gate->dropped(&dwork.work);
}

}  // namespace bottomhalf
