// Taking items back: cancel, disable and enable (Linux: try_to_grab_pending and what is built on it).
#include "bottomhalf/workqueue/subsystem.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

using namespace work_data;

void poll_turn() {
    Task* self = current_task();
    Domain* domain = self != nullptr ? self->domain.load(std::memory_order_relaxed) : nullptr;
    if (domain != nullptr)
        domain->substrate->relax(*self);
    else
        spin_pause();
}

// `after`: what follows from the item's leaving; the caller runs it.
int try_to_grab_pending(Work& work, bool (*take_timer)(Work&), Aftermath& after) {
    // A timer that is taken back leaves its PENDING bit to the caller.
    if (take_timer != nullptr && take_timer(work)) return 1;
    if ((work.data.fetch_or(kPending) & kPending) == 0) return 0;
    const std::uint64_t seen = work.data.load();
    PoolWorkqueue* pwq = pwq_of(seen);
    if (pwq == nullptr) return -1;  // in transit, or its timer runs
    WorkerPool& pool = *pwq->pool;
    RawGuard guard(pool.lock);
    pool.splice_inbox();
    const std::uint64_t word = work.data.load();
    // Started, taken by another, or claimed by a producer that has not pushed it yet.
    if (pwq_of(word) != pwq || pwq->pool != &pool || (word & kInbox) != 0) return -1;
    // Barriers of a held-back item would never become active: they stand on their own from now on.
    // Barriers behind it: there they would wait for more than the item.
    if ((word & kLinked) != 0 && ((word & kInactive) != 0 || pool.holds_any()))
        move_linked(work.entry.next, pool.worklist);
    work.entry.unlink();
    work.data.store(off_queue(pool.id, 0, kPending));
    pwq->leave(word, after);
    pool.kick();
    return 1;
}

int grab_pending(Work& work, bool (*take_timer)(Work&)) {
    for (;;) {
        Aftermath after;
        const int result = try_to_grab_pending(work, take_timer, after);
        after.run();
        if (result >= 0) return result;
        poll_turn();
    }
}

bool cancel_common(Work& work, bool (*take_timer)(Work&), bool disable) {
    explore_point();
    if (disable && depth(work.data.load()) == kMaxDepth)
        throw MisuseError("disable-overflow",
                          "disable_work: the item is disabled 65535 times over; some enable() is missing");
    const int was_pending = grab_pending(work, take_timer);
    const std::uint64_t word = work.data.load(std::memory_order_relaxed);
    unsigned deep = depth(word);
    if (disable && deep < kMaxDepth) ++deep;
    work.data.exchange(off_queue(pool_id(word), deep, word & kBh));
    if (was_pending == 1) order_acquire(&work);
    return was_pending == 1;
}

// RETURNS: how often it was disabled before; 0: never, and nothing has changed.
unsigned undo_disable(Work& work) {
    std::uint64_t word = work.data.load();
    for (;;) {
        const unsigned deep = depth(word);
        // A queued item has depth 0, and so has one whose timer runs.
        if (deep == 0) return 0;
        if ((word & kPending) != 0) {
            // Somebody is cancelling or disabling it right now.
            poll_turn();
            word = work.data.load();
            continue;
        }
        if (work.data.compare_exchange_weak(word, off_queue(pool_id(word), deep - 1, word & kBh))) return deep;
    }
}

bool cancel_common_sync(Work& work, bool (*take_timer)(Work&), bool disable, Nanoseconds deadline, bool* removed) {
    Task* self = current_task();
    if (self != nullptr) might_sleep(*self, "cancel_work_sync");
    WorkqueueSubsystem::check_self_wait(work, "cancel_work_sync");
    // Disabled while it waits: a requeue by the running handler is refused, and two of these calls both end.
    const bool was_pending = cancel_common(work, take_timer, true);
    if (removed != nullptr) *removed = was_pending;
    // No destructor: a turn of polling may end the task.
    const auto restore = [&] {
        if (disable) return;
        explore_point();
        if (undo_disable(work) != 0 || self == nullptr) return;
        if (Domain* domain = self->domain.load())
            domain->log.write(
                domain->now(), LogLevel::warning,
                "WARNING: workqueue: work disable count underflowed: an enable_work() too many came while "
                "cancel_work_sync() waited; each needs a disable_work() before");
    };
    explore_point();
    try {
        WorkqueueSubsystem::flush_item(work, deadline, true);
    } catch (const DeadlockError&) {
        // Refused. What was removed stays so: it may have been what closed the circle.
        if (disable) undo_disable(work);
        restore();
        throw;
    } catch (...) {
        restore();
        throw;
    }
    restore();
    return was_pending;
}

bool cancel_work(Work& work) { return cancel_common(work, nullptr, false); }
bool cancel_work_sync(Work& work, Nanoseconds deadline, bool* was_pending) {
    return cancel_common_sync(work, nullptr, false, deadline, was_pending);
}
bool disable_work(Work& work) { return cancel_common(work, nullptr, true); }
bool disable_work_sync(Work& work, Nanoseconds deadline, bool* was_pending) {
    return cancel_common_sync(work, nullptr, true, deadline, was_pending);
}

bool enable_work(Work& work) {
    explore_point();
    const unsigned deep = undo_disable(work);
    if (deep == 0)
        throw UnbalancedEnable("enable_work: the item is not disabled; each enable() needs a disable() before");
    return deep == 1;
}

unsigned work_busy(const Work& work) {
    unsigned busy = work.pending() ? kWorkBusyPending : 0;
    const std::uint64_t word = work.data.load();
    PoolWorkqueue* pwq = pwq_of(word);
    PoolRef ref(pwq != nullptr ? pwq->pool->id : pool_id(word));
    if (ref) {
        RawGuard guard(ref->lock);
        if (ref->find_executing(&work) != nullptr) busy |= kWorkBusyRunning;
    }
    return busy;
}

}  // namespace bottomhalf
