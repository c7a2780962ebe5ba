// Waiting for one item, by a barrier that runs right behind it on the same worker (Linux: flush_work,
// insert_wq_barrier).
#include "bottomhalf/workqueue/deadlock.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {

struct Barrier {
    Work work;
    Completion done;
    WorkerPool* pool = nullptr;
    PoolWorkqueue* pwq = nullptr;
    int waiter = 0;  // pid

    Barrier() noexcept : work(&Barrier::run) {}
    static void run(Work* work) { container_of(work, &Barrier::work)->done.signal(); }
};

// Under the pool's lock. The barrier inherits the target's colour and never counts as active.
void insert_barrier(Barrier& barrier, PoolWorkqueue& pwq, Work& target, Worker* running) noexcept {
    std::uint64_t word = reinterpret_cast<std::uint64_t>(&pwq) | kPending | kPwq | kInactive;
    unsigned c;
    if (running != nullptr) {
        c = color(running->current_word);
        running->scheduled.push_front(barrier.work.entry);
    } else {
        const std::uint64_t target_word = target.data.load(std::memory_order_relaxed);
        c = color(target_word);
        word |= target_word & kLinked;
        barrier.work.entry.insert_after(target.entry);
        target.data.store(target_word | kLinked, std::memory_order_relaxed);
    }
    ++pwq.nr_in_flight[c];
    barrier.work.data.store(word | std::uint64_t{c} << kColorShift, std::memory_order_relaxed);
    barrier.pool = pwq.pool;
    barrier.pwq = &pwq;
}

// Is this node a list's head rather than an item? The barrier may be first in any of these lists.
bool is_list_head(WorkerPool& pool, PoolWorkqueue& pwq, ListNode* node) noexcept {
    if (node == pool.worklist.end() || node == pool.outside.held.end() || node == pool.inside.held.end() ||
        node == pwq.inactive.end())
        return true;
    for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next)
        if (node == container_of(n, &Worker::pool_node)->scheduled.end()) return true;
    return false;
}

// The waiter gives up: the barrier leaves its list, or has run (or is running: then that is waited for).
void remove_barrier(Barrier& barrier) {
    WorkerPool& pool = *barrier.pool;
    Aftermath after;
    {
        RawGuard guard(pool.lock);
        const std::uint64_t word = barrier.work.data.load(std::memory_order_relaxed);
        if ((word & kPending) != 0) {
            ListNode* before = barrier.work.entry.prev;
            if ((word & kLinked) == 0 && !is_list_head(pool, *barrier.pwq, before)) {
                Work* previous = container_of(before, &Work::entry);
                previous->data.store(previous->data.load(std::memory_order_relaxed) & ~kLinked,
                                     std::memory_order_relaxed);
            }
            barrier.work.entry.unlink();
            barrier.pwq->leave(word, after);
            barrier.done.signal();
        }
    }
    after.run();
    while (!barrier.done.try_wait()) spin_pause();
}

// A barrier runs behind its item, wherever that is; when the item was cancelled it stands on its own.
class BarrierWait final : public Wait {
public:
    BarrierWait(const Work& item, const Barrier& barrier) noexcept : item_(item), barrier_(barrier) {}
    void obstacles(WaitSearch& search) const override {
        WorkerPool& pool = *barrier_.pool;
        RawGuard guard(pool.lock);
        if ((barrier_.work.data.load(std::memory_order_relaxed) & kPending) == 0) return;
        const auto is_next_of = [&](Worker& w) {
            for (ListNode* n = w.scheduled.begin(); n != w.scheduled.end(); n = n->next)
                if (n == &barrier_.work.entry) return true;
            return false;
        };
        if (Worker* worker = pool.busy.find(&item_, is_next_of)) return search.until_done(*worker);
        for (ListNode* n = barrier_.work.entry.prev; n != &item_.entry; n = n->prev)
            if (is_list_head(pool, *barrier_.pwq, n) ||
                !WorkqueueSubsystem::is_flush_barrier(*container_of(n, &Work::entry)))
                return;
        search.until_run(item_, item_.data.load(std::memory_order_relaxed));
    }

private:
    const Work& item_;  // may be gone: only an address, unless it is found right before the barrier
    const Barrier& barrier_;
};

}  // namespace

void WorkqueueSubsystem::check_self_wait(const Work& work, const char* call) {
    Worker* worker = current_worker();
    if (worker == nullptr || worker->current_work != &work || worker->current_func != work.func) return;
    throw DeadlockError(std::string(call) + " called from the item's own handler: " +
                        describe_function(worker->pool->domain, &work, work.func) +
                        " would wait for itself; use the form that does not wait");
}

bool WorkqueueSubsystem::is_flush_barrier(const Work& work) noexcept { return work.func == &Barrier::run; }

int WorkqueueSubsystem::barrier_pid(const Work& barrier) noexcept {
    return container_of(const_cast<Work*>(&barrier), &Barrier::work)->waiter;
}

bool WorkqueueSubsystem::flush_item(Work& work, Nanoseconds deadline, bool from_cancel) {
    const char* const call = from_cancel ? "cancel_work_sync" : "flush_work";
    if (Task* task = current_task()) might_sleep(*task, call);
    if (work.func == nullptr)
        throw MisuseError("work-without-function", std::string(call) + ": the item has no function");
    check_self_wait(work, call);
    if (Task* task = current_task())
        if (LockGraph* graph = lock_graph_of(*task)) [[unlikely]]
            graph->before(*task, &work, [&] { return lock_name(*task->domain.load(), work); });
    Barrier barrier;
    Task* self = nullptr;
    for (;;) {
        const std::uint64_t seen = work.data.load();
        // The caller may just have been told that it is pending.
        if (claimed(seen)) {
            poll_turn();
            continue;
        }
        PoolWorkqueue* pwq = pwq_of(seen);
        PoolRef pool(pwq != nullptr ? pwq->pool->id : pool_id(seen));
        if (!pool) return false;
        self = &pool->domain.self();
        pool->lock.lock();
        pool->splice_inbox();
        const std::uint64_t word = work.data.load();
        pwq = pwq_of(word);
        Worker* running = nullptr;
        if (pwq != nullptr && (pwq->pool != pool.get() || (word & kInbox) != 0)) {
            // Moved on, or claimed by a producer that has not pushed it yet.
            pool->lock.unlock();
            pool->domain.substrate->relax(*self);
            continue;
        }
        if (pwq == nullptr) {
            running = pool->find_executing(&work);
            if (running == nullptr) {
                pool->lock.unlock();
                order_acquire(&work, Handover::end);
                return false;
            }
            pwq = running->current_pwq;
        }
        if (!from_cancel && self->worker != nullptr) {
            try {
                pwq->wq->check_reclaim(*self, *pwq->wq, call);
            } catch (...) {
                pool->lock.unlock();
                throw;
            }
        }
        barrier.waiter = self->pid.load(std::memory_order_relaxed);
        insert_barrier(barrier, *pwq, work, running);
        pool->lock.unlock();
        break;
    }
    try {
        const BarrierWait wait(work, barrier);
        WaitScope scope(*self, wait, deadline, call);
        throw_unless_ok(barrier.done.wait(*self, deadline, call), call);
    } catch (...) {
        remove_barrier(barrier);
        throw;
    }
    order_acquire(&work, Handover::end);
    return true;
}

bool flush_work(Work& work, Nanoseconds deadline) {
    explore_point();
    return WorkqueueSubsystem::flush_item(work, deadline, false);
}

}  // namespace bottomhalf
