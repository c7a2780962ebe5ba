#include "bottomhalf/workqueue/backlog.hpp"

#include "bottomhalf/workqueue/deadlock.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {

// One that has a place is queued once: what must wait for its own run has none.
bool has_item_of(List& list, const PoolWorkqueue* pwq) noexcept {
    for (ListNode* n = list.begin(); n != list.end(); n = n->next) {
        const Work* item = container_of(n, &Work::entry);
        const std::uint64_t word = item->data.load(std::memory_order_relaxed);
        if (pwq_of(word) == pwq && (word & kInactive) == 0 && pwq->pool->find_executing(item) == nullptr) return true;
    }
    return false;
}

// Under the pool's lock: an item of it is active and has not begun.
bool about_to_begin(const PoolWorkqueue* pwq) noexcept {
    WorkerPool& pool = *pwq->pool;
    for (List* list : {&pool.worklist, &pool.outside.held, &pool.inside.held})
        if (has_item_of(*list, pwq)) return true;
    for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next)
        if (has_item_of(container_of(n, &Worker::pool_node)->scheduled, pwq)) return true;
    return false;
}

}  // namespace

Backlog::Backlog(unsigned depth, WhenFull when_full) noexcept : depth_(depth), when_full_(when_full), state_(depth) {}

bool Backlog::take() noexcept {
    std::uint64_t seen = state_.load();
    while (static_cast<std::uint32_t>(seen) != 0)
        if (state_.compare_exchange_weak(seen, seen - 1 + kArriving)) {
            refs_.fetch_add(1);
            return true;
        }
    return false;
}

bool Backlog::try_enter() noexcept {
    explore_point();
    return waiters_.look([this] { return take(); });
}

void Backlog::enter(Workqueue& wq, Task& self) {
    if (try_enter()) return;
    if (when_full_ == WhenFull::raise)
        throw QueueFull("workqueue '" + wq.name() + "' is full: " + std::to_string(depth_) +
                        " items wait in it (queue_depth); submit later, or allocate it with when_full=\"block\"");
    const std::string call = "submit to workqueue '" + wq.name() + "'";
    struct Waiting {
        Atomic<int>& n;
        explicit Waiting(Atomic<int>& count) : n(count) { n.fetch_add(1); }
        ~Waiting() { n.fetch_sub(1); }
    } waiting(nr_waiting_);
    for (bool taken = false; !taken;) {
        // An item that has arrived, and is held back, may have made this wait one that never ends: once more, then.
        const std::uint32_t seen = arrivals_.load();
        const PlaceWait wait(wq, *this);
        WaitScope scope(self, wait, kForever, call.c_str());
        const auto ready = [&] { return (taken = take()) || arrivals_.load() != seen; };
        throw_unless_ok(waiters_.wait(self, ready, kForever, "submit", true), "submit");
    }
}

void Backlog::arrived() noexcept {
    state_.fetch_sub(kArriving);
    if (nr_waiting_.load() == 0) return;
    arrivals_.fetch_add(1u);
    waiters_.wake_now();
}

void Backlog::leave() noexcept {
    order_release(&waiters_);
    state_.fetch_add(1);
    waiters_.wake_now(1);
    drop();
}

void Backlog::drop() noexcept {
    if (refs_.fetch_sub(1) == 1) delete this;
}

// A place becomes free when one of those that have one begins.
void PlaceWait::obstacles(WaitSearch& search) const {
    if (!backlog_.full()) return;
    held_.clear();
    {
        RawGuard guard(wq_.lock_);
        for (PoolWorkqueue* pwq : wq_.pwqs_) {
            RawGuard pool_guard(pwq->pool->lock);
            pwq->pool->splice_inbox();
            if (about_to_begin(pwq)) return;
            if (!pwq->inactive.empty()) held_.emplace_back(wq_, pwq);
        }
    }
    // Else somebody is about to give one back.
    if (held_.empty()) return;
    std::vector<const Wait*> waits;
    for (const HeldWait& wait : held_) waits.push_back(&wait);
    search.until_any(waits, "a place in workqueue '" + wq_.name() + "', whose queue_depth of " +
                                std::to_string(backlog_.depth()) + " is reached");
}

// Those of one pool workqueue begin in turn. It may be gone meanwhile.
void PlaceWait::HeldWait::obstacles(WaitSearch& search) const {
    RawGuard guard(wq_.lock_);
    for (PoolWorkqueue* pwq : wq_.pwqs_) {
        if (pwq != pwq_) continue;
        RawGuard pool_guard(pwq->pool->lock);
        pwq->pool->splice_inbox();
        ListNode* first = pwq->inactive.front();
        if (first == nullptr) return;
        const Work& work = *container_of(first, &Work::entry);
        search.until_run(work, work.data.load(std::memory_order_relaxed));
    }
}

}  // namespace bottomhalf
