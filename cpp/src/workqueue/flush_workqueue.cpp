// Waiting for a workqueue, by colours (Linux: flush_workqueue, drain_workqueue).
//
// A new item gets the workqueue's work colour. A flush takes the present colour for its generation, moves the work
// colour on, and waits until no item of its generation is in flight. Generations end in order. One of them, the oldest,
// is armed: its pool workqueues report when they come to zero, and the last report advances to the next generation. Who
// finishes a generation does the advancing, so a flusher that gives up has nothing to hand over.
#include "bottomhalf/workqueue/deadlock.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {
constexpr unsigned next_color(unsigned c) noexcept { return (c + 1) % kColors; }
}  // namespace

void Workqueue::stamp(unsigned new_color) {
    for (PoolWorkqueue* pwq : pwqs_) {
        RawGuard guard(pwq->pool->lock);
        // What was pushed before this moment belongs to the generation that ends here.
        pwq->pool->splice_inbox();
        pwq->work_color = new_color;
    }
}

bool Workqueue::arm(unsigned color) {
    pwqs_to_flush_.store(1);
    for (PoolWorkqueue* pwq : pwqs_) {
        RawGuard guard(pwq->pool->lock);
        if (pwq->nr_in_flight[color] == 0) continue;
        pwq->flush_color = static_cast<int>(color);
        pwqs_to_flush_.fetch_add(1);
    }
    return pwqs_to_flush_.fetch_sub(1) != 1;
}

bool Workqueue::pwq_flushed() noexcept {
    if (pwqs_to_flush_.fetch_sub(1) != 1) return false;
    advancing_.fetch_add(1);
    return true;
}

// Under lock_.
void Workqueue::start_generation(Flusher& flusher) {
    const unsigned next = next_color(work_color_);
    if (next == flush_color_) {
        overflow_.push_back(flusher.node);
        return;
    }
    const bool first = flush_color_ == work_color_;
    flusher.color = static_cast<int>(work_color_);
    flushers_.push_back(flusher.node);
    work_color_ = next;
    stamp(work_color_);
    if (!first || arm(flush_color_)) return;
    advancing_.fetch_add(1);
    lock_.unlock();
    advance();
    lock_.lock();
}

void Workqueue::advance() {
    lock_.lock();
    do {
        for (ListNode* n = flushers_.front(); n != nullptr; n = flushers_.front()) {
            Flusher* flusher = container_of(n, &Flusher::node);
            if (flusher->color != static_cast<int>(flush_color_)) break;
            n->unlink();
            flusher->done.signal();
        }
        flush_color_ = next_color(flush_color_);
        if (!overflow_.empty()) {
            for (ListNode* n = overflow_.begin(); n != overflow_.end(); n = n->next)
                container_of(n, &Flusher::node)->color = static_cast<int>(work_color_);
            flushers_.splice_back(overflow_);
            work_color_ = next_color(work_color_);
            stamp(work_color_);
        }
    } while (flush_color_ != work_color_ && !arm(flush_color_));
    lock_.unlock();
    advancing_.fetch_sub(1);
}

void Workqueue::leave_flush(Flusher& flusher) {
    RawGuard guard(lock_);
    if (flusher.node.linked()) flusher.node.unlink();
}

void Workqueue::require_open(const char* call) const {
    domain_.require_alive();
    if (released_.load())
        throw WorkqueueDestroyed(std::string(call) + ": workqueue '" + name_ + "' is destroyed; allocate a new one");
}

// Generations end in order: a flush waits for its own colour and for all older ones.
void FlushWait::obstacles(WaitSearch& search) const {
    RawGuard guard(wq_.lock_);
    if (!flusher_.node.linked()) return;
    const auto concerns = [&](std::uint64_t word) {
        const auto age = [&](unsigned c) { return (c + kColors - wq_.flush_color_) % kColors; };
        return flusher_.color < 0 || age(color(word)) <= age(static_cast<unsigned>(flusher_.color));
    };
    for (PoolWorkqueue* pwq : wq_.pwqs_) {
        WorkerPool& pool = *pwq->pool;
        RawGuard pool_guard(pool.lock);
        pool.splice_inbox();
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
            Worker* w = container_of(n, &Worker::pool_node);
            if (w->current_work == nullptr || w->task == nullptr) continue;
            bool waits = w->current_pwq == pwq && concerns(w->current_word);
            for (ListNode* s = w->scheduled.begin(); s != w->scheduled.end() && !waits; s = s->next) {
                const std::uint64_t word = container_of(s, &Work::entry)->data.load(std::memory_order_relaxed);
                waits = pwq_of(word) == pwq && concerns(word);
            }
            if (waits) search.until_done(*w);
        }
        // Held-back items have their colours in the order of their queueing.
        ListNode* first = pwq->inactive.front();
        if (first == nullptr) continue;
        const Work* work = container_of(first, &Work::entry);
        const std::uint64_t word = work->data.load(std::memory_order_relaxed);
        if (concerns(word)) search.until_run(*work, word);
    }
}

void Workqueue::flush(Nanoseconds deadline) {
    require_open("flush_workqueue");
    Task& self = domain_.self();
    might_sleep(self, "flush_workqueue");
    if (self.worker != nullptr && self.worker->current_pwq != nullptr && self.worker->current_pwq->wq == this)
        throw DeadlockError("flush_workqueue('" + name_ + "') called from " +
                            describe_function(domain_, self.worker->current_work, self.worker->current_func) +
                            ", which runs on that workqueue: it would wait for itself");
    check_reclaim(self, *this, "flush_workqueue");
    if (domain_.lock_graph != nullptr) [[unlikely]]
        domain_.lock_graph->before(self, this, [&] { return lock_name(*this); });
    explore_point(domain_);
    Flusher flusher;
    lock_.lock();
    start_generation(flusher);
    lock_.unlock();
    try {
        const FlushWait wait(*this, flusher);
        WaitScope scope(self, wait, deadline, "flush_workqueue");
        throw_unless_ok(flusher.done.wait(self, deadline, "flush_workqueue"), "flush_workqueue");
    } catch (...) {
        leave_flush(flusher);
        throw;
    }
    order_acquire(this, Handover::end);
}

void Workqueue::check_reclaim(const Task& self, const Workqueue& target, const char* call) const {
    if (self.worker == nullptr || self.worker->current_pwq == nullptr) return;
    const Workqueue& own = *self.worker->current_pwq->wq;
    if ((own.flags() & (wq_flag::kMemReclaim | wq_flag::kLegacy)) != wq_flag::kMemReclaim ||
        (target.flags() & wq_flag::kMemReclaim) != 0)
        return;
    throw MisuseError("reclaim-flush", std::string(call) + ": workqueue '" + own.name() +
                                           "' is WQ_MEM_RECLAIM and its item is flushing !WQ_MEM_RECLAIM '" +
                                           target.name() +
                                           "', which may need the memory it is to free; give that one "
                                           "MEM_RECLAIM too, or do not wait");
}

bool Workqueue::drained() {
    RawGuard wq_guard(lock_);
    for (PoolWorkqueue* pwq : pwqs_) {
        RawGuard guard(pwq->pool->lock);
        pwq->pool->splice_inbox();
        if (pwq->busy()) return false;
    }
    return true;
}

void Workqueue::set_refusing() { refusing_.store(refusal_.load() != Refusal::none); }

void Workqueue::drain(Nanoseconds deadline) {
    require_open("drain_workqueue");
    Task& self = domain_.self();
    might_sleep(self, "drain_workqueue");
    if (domain_.lock_graph != nullptr) [[unlikely]]
        domain_.lock_graph->before(self, this, [&] { return lock_name(*this); });
    explore_point(domain_);
    {
        RawGuard guard(lock_);
        if (drainers_++ == 0) flags_.fetch_or(wq_flag::kDraining);
        if (refusal_.load() == Refusal::none) refusal_.store(Refusal::draining);
        set_refusing();
    }
    struct Leave {
        Workqueue& wq;
        ~Leave() {
            RawGuard guard(wq.lock_);
            if (--wq.drainers_ != 0) return;
            wq.flags_.fetch_and(~wq_flag::kDraining);
            if (wq.refusal_.load() == Refusal::draining) wq.refusal_.store(Refusal::none);
            wq.set_refusing();
        }
    } leave{*this};
    for (unsigned tries = 1;; ++tries) {
        flush(deadline);
        if (drained()) return;
        if (tries == 10 || (tries % 100 == 0 && tries <= 1000))
            domain_.log.write(
                domain_.now(), LogLevel::warning,
                "workqueue " + name_ + ": drain_workqueue() isn't complete after " + std::to_string(tries) + " tries");
    }
}

}  // namespace bottomhalf
