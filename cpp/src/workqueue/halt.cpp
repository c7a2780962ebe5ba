// The end of a machine's workqueues: refuse, drain or cancel, and name what does not end.
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

void WorkqueueSubsystem::refuse_all(bool chained) {
    {
        RawGuard guard(lock_);
        refusing_all_ = true;
    }
    for (auto& wq : workqueues()) {
        RawGuard guard(wq->lock_);
        if (wq->refusal_.load() != Refusal::destroyed) wq->refusal_.store(Refusal::halted);
        if (!chained) wq->refuse_chained_.set(true);
        wq->set_refusing();
    }
}

std::uint64_t WorkqueueSubsystem::completed() const {
    std::uint64_t n = 0;
    for_each_pool([&](WorkerPool& pool) { n += pool.completed; });
    return n;
}

std::vector<std::string> WorkqueueSubsystem::running_items() {
    std::vector<std::string> items;
    for_each_pool([&](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
            Worker* w = container_of(n, &Worker::pool_node);
            if (w->current_work == nullptr || w->task == nullptr) continue;
            // Only a handler that sleeps in the engine surely still has its item; the others may be returning right
            // now.
            const char* kind = w->task->wait_kind.load();
            std::string text =
                (kind != nullptr ? describe_function(domain_, w->current_work, w->current_func) : "an item") +
                " of workqueue '" + w->current_pwq->wq->name() + "' in " + w->task->name;
            if (kind != nullptr) text += std::string(" waits in ") + kind;
            items.push_back(std::move(text));
        }
    });
    return items;
}

std::vector<std::string> WorkqueueSubsystem::queued_items() {
    std::vector<std::string> items;
    for_each_pool([&](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        pool.splice_inbox();
        for (List* list : {&pool.worklist, &pool.outside.held, &pool.inside.held}) {
            for (ListNode* n = list->begin(); n != list->end(); n = n->next) {
                Work* work = container_of(n, &Work::entry);
                if (is_flush_barrier(*work)) continue;
                items.push_back(describe_function(domain_, work, work->func) + " of workqueue '" +
                                pwq_of(work->data.load(std::memory_order_relaxed))->wq->name() + "'");
            }
        }
    });
    return items;
}

bool WorkqueueSubsystem::drain_all(Task& self, Nanoseconds deadline) {
    // Every so often it looks whether anything moved. An item that sleeps in the engine for a second while nothing at
    // all completes may well wait for something that the halting program will never do.
    constexpr Nanoseconds kSlice = kSecond;
    constexpr unsigned kRounds = 10;
    std::uint64_t before = completed();
    for (unsigned round = 0;; ++round) {
        bool empty = true;
        for (auto& wq : workqueues()) {
            for (;;) {
                if (wq->drained()) break;
                empty = false;
                const Nanoseconds slice = std::min(deadline, domain_.now() + kSlice);
                try {
                    wq->flush(slice);
                    break;
                } catch (const TimedOut&) {
                    if (domain_.now() >= deadline) return false;
                    const std::uint64_t now = completed();
                    bool asleep = true;
                    for_each_pool([&](WorkerPool& pool) {
                        RawGuard guard(pool.lock);
                        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
                            Worker* w = container_of(n, &Worker::pool_node);
                            if (w->current_work != nullptr && w->task != nullptr &&
                                (w->task->state.load() != TaskState::sleeping ||
                                 w->task->sleeps_until.load() != kForever))
                                asleep = false;
                        }
                    });
                    if (now == before && asleep) return false;
                    before = now;
                }
            }
        }
        if (empty) return true;
        if (round == kRounds) {
            // At this instant it may run, or be between two runs.
            auto items = running_items();
            for (auto& item : queued_items()) items.push_back(std::move(item));
            for (auto& item : items)
                domain_.log.write(domain_.now(), LogLevel::warning,
                                  "machine halt: requeues itself without end, refused from now on: " + item);
            refuse_all(false);
        }
        (void)self;
    }
}

std::size_t WorkqueueSubsystem::cancel_all(bool named_in_log) {
    std::size_t cancelled = 0;
    // Those that are made from now on take no items, and destroyed ones have none.
    std::vector<PoolWorkqueue*> all, mine;
    for (auto& wq : workqueues())
        for (PoolWorkqueue* pwq : wq->pool_workqueues()) all.push_back(pwq);
    for_each_pool([&](WorkerPool& pool) {
        mine.clear();
        for (PoolWorkqueue* pwq : all)
            if (pwq->pool == &pool) mine.push_back(pwq);
        for (;;) {
            Work* work = nullptr;
            Aftermath after;
            std::string name;
            {
                RawGuard guard(pool.lock);
                pool.splice_inbox();
                ListNode* first = pool.worklist.front();
                for (Lane* lane : {&pool.outside, &pool.inside})
                    if (first == nullptr) first = lane->held.front();
                for (PoolWorkqueue* pwq : mine)
                    if (first == nullptr) first = pwq->inactive.front();
                for (ListNode* n = pool.workers.begin(); n != pool.workers.end() && first == nullptr; n = n->next)
                    first = container_of(n, &Worker::pool_node)->scheduled.front();
                if (first == nullptr) break;
                work = container_of(first, &Work::entry);
                const std::uint64_t word = work->data.load(std::memory_order_relaxed);
                PoolWorkqueue* pwq = pwq_of(word);
                if ((word & (kInactive | kLinked)) == (kInactive | kLinked)) move_linked(first->next, pool.worklist);
                first->unlink();
                name = describe_function(domain_, work, work->func) + " of workqueue '" + pwq->wq->name() + "'";
                work->data.store(off_queue(pool.id, 0));
                pwq->leave(word, after);
            }
            after.run();
            // A flush barrier has a waiter: running it is what ends the wait.
            if (Gate* gate = gate_of(work->func)) {
                gate->dropped(work);
            } else if (is_flush_barrier(*work)) {
                work->func(work);
                continue;
            }
            ++cancelled;
            if (named_in_log)
                domain_.log.write(domain_.now(), LogLevel::info, "machine halt: cancelled pending " + name);
        }
    });
    return cancelled;
}

}  // namespace bottomhalf
