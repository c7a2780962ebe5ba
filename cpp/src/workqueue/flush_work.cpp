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
    if (node == pool.worklist.end() || node == pwq.inactive.end()) return true;
    for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next)
        if (node == container_of(n, &Worker::pool_node)->scheduled.end()) return true;
    return false;
}

// The waiter gives up: the barrier leaves its list, or has run (or is running: then that is waited for).
void remove_barrier(Barrier& barrier) {
    WorkerPool& pool = *barrier.pool;
    Workqueue* finished = nullptr;
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
            barrier.pwq->leave(word, finished);
            barrier.done.signal();
        }
    }
    if (finished != nullptr) WorkqueueSubsystem::advance(*finished);
    while (!barrier.done.try_wait()) spin_pause();
}

// Under the pool's lock: the caller's own item takes the only place of the workqueue in which this one waits.
bool held_back_by(const Task& self, std::uint64_t word) noexcept {
    PoolWorkqueue* pwq = pwq_of(word);
    return pwq != nullptr && (word & kInactive) != 0 && self.worker != nullptr && self.worker->current_pwq == pwq &&
           (pwq->node != nullptr ? pwq->node->max : pwq->max_active) == 1;
}

[[noreturn]] void refuse_held_back(const char* call, const std::string& wq_name) {
    throw DeadlockError(std::string(call) + " would wait for ever: workqueue '" + wq_name +
                        "' runs one item at a time, and the item waited for is queued behind the caller's own");
}

}  // namespace

void WorkqueueSubsystem::check_held_back(const Work& work, Task& self, const char* call) {
    if (self.worker == nullptr || self.worker->current_pwq == nullptr) return;
    WorkerPool& pool = *self.worker->pool;
    pool.lock.lock();
    pool.splice_inbox();
    const std::uint64_t word = work.data.load();
    const bool stuck = pwq_of(word) != nullptr && pwq_of(word)->pool == &pool && held_back_by(self, word);
    const std::string wq_name = stuck ? pwq_of(word)->wq->name() : std::string();
    pool.lock.unlock();
    if (stuck) refuse_held_back(call, wq_name);
}

void WorkqueueSubsystem::check_self_wait(const Work& work, const char* call) {
    Worker* worker = current_worker();
    if (worker == nullptr || worker->current_work != &work || worker->current_func != work.func) return;
    throw DeadlockError(std::string(call) + " called from the item's own handler: " +
                        describe_function(worker->pool->domain, &work, work.func) +
                        " would wait for itself; use the form that does not wait");
}

bool WorkqueueSubsystem::is_flush_barrier(const Work& work) noexcept { return work.func == &Barrier::run; }

bool WorkqueueSubsystem::flush_item(Work& work, Nanoseconds deadline, bool from_cancel) {
    const char* const call = from_cancel ? "cancel_work_sync" : "flush_work";
    if (Task* task = current_task()) might_sleep(*task, call);
    if (work.func == nullptr)
        throw MisuseError("work-without-function", std::string(call) + ": the item has no function");
    check_self_wait(work, call);
    if (Task* task = current_task())
        if (LockGraph* graph = lock_graph_of(*task)) [[unlikely]]
            graph->before(*task, &work, [&] { return lock_name(*task->domain.load(), work); });
    explore_point();
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
        } else if (held_back_by(*self, word)) {
            const std::string wq_name = pwq->wq->name();
            pool->lock.unlock();
            refuse_held_back(call, wq_name);
        }
        if (!from_cancel && self->worker != nullptr) {
            try {
                pwq->wq->check_reclaim(*self, *pwq->wq, call);
            } catch (...) {
                pool->lock.unlock();
                throw;
            }
        }
        insert_barrier(barrier, *pwq, work, running);
        pool->lock.unlock();
        break;
    }
    try {
        WaitScope scope(*self, &work, nullptr, call);
        throw_unless_ok(barrier.done.wait(*self, deadline, call), call);
    } catch (...) {
        remove_barrier(barrier);
        throw;
    }
    order_acquire(&work, Handover::end);
    return true;
}

bool flush_work(Work& work, Nanoseconds deadline) { return WorkqueueSubsystem::flush_item(work, deadline, false); }

}  // namespace bottomhalf
