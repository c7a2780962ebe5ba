// Queueing: one compare-and-swap and one push when the item's pool runs already, the locked path otherwise.
#include "bottomhalf/workqueue/subsystem.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"
#include "sched/running_task.hpp"

namespace bottomhalf {

using namespace work_data;

inline Workqueue::Fast Workqueue::try_fast(PoolWorkqueue& pwq, Work& work) {
    if (work.func == nullptr) [[unlikely]]
        return Fast::slow;
    WorkerPool& pool = *pwq.pool;
    const std::uint64_t claimed = reinterpret_cast<std::uint64_t>(&pwq) | kPending | kPwq | kInbox;
    std::uint64_t word = work.data.load(std::memory_order_relaxed);
    for (;;) {
        if ((word & kPending) != 0 || depth(word) != 0) [[unlikely]] {
            // A locked instruction even to say no: the caller's stores come before whatever the running instance reads.
            if (!work.data.compare_exchange_weak(word, word)) continue;
            refuse_other_machine(work, word);
            return Fast::refused;
        }
        const std::uint32_t last = pool_id(word);
        if (last != pool.id && last != 0) [[unlikely]]
            return Fast::slow;
        if (work.data.compare_exchange_weak(word, claimed)) [[likely]]
            break;
    }
    ListNode* head = pool.inbox.load(std::memory_order_relaxed);
    do work.entry.next = head;
    while (!pool.inbox.compare_exchange_weak(head, &work.entry));
    // Pushed first, looked second; a worker that goes idle or to sleep, or that was woken, does it in the other order.
    if (pool.nr_running.load() < pool.wake_below.load()) [[unlikely]]
        pushed_behind(pool);
    // Pushed first, looked second; who closes the workqueue says so first and looks at the inbox then.
    if (refusing_.load()) [[unlikely]]
        return pushed_while_closing(work);
    return Fast::queued;
}

// On Linux a worker does not come before a section ends that must not be preempted. Here nothing forbids it; the pool's
// lock, under which it is woken then, at least holds it up while its waker goes on.
static bool preemptible(const Task& self) noexcept { return self.preempt_count == 0 && self.irqs_off == 0; }

// Fewer workers run than may. Out of line, like the other rare ends of try_fast(): the common one then saves no
// registers for them.
[[gnu::noinline]] void Workqueue::pushed_behind(WorkerPool& pool) {
    WakeQ wake_q;
    RawGuard guard(pool.lock);
    const bool came = pool.inbox.load(std::memory_order_relaxed) != nullptr;
    pool.splice_inbox();
    pool.kick(preemptible(domain_.self()) ? &wake_q : nullptr);
    // Held back by its workqueue: the next one shall not have to come this way. (Or a worker took it meanwhile and is
    // inside it; then nothing is pending, and nobody need look.)
    if (came && pool.wake_below.load(std::memory_order_relaxed) == WorkerPool::kUnwatched) pool.watch();
}

bool Workqueue::queue(Work& work, int cpu) {
    if (domain_.simulated) [[unlikely]] {
        pass_explore_point(&domain_);
        order_release(&work);
    }
    if (fast_ && !refusing_.load(std::memory_order_relaxed) && !domain_.trace.enabled()) [[likely]] {
        const Task& self = running_task(domain_);
        const unsigned c = cpu == kCpuUnbound ? static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed))
                                              : domain_.check_cpu(cpu, "cpu");
        const Fast how = try_fast(*pwqs_[pwqs_.size() == 1 ? 0 : c], work);
        if (how != Fast::slow) [[likely]]
            return how == Fast::queued;
    }
    return queue_locked(work, cpu);
}

// The item may have come too late for the drain: whoever gets it back is told by the locked path.
[[gnu::noinline]] Workqueue::Fast Workqueue::pushed_while_closing(Work& work) {
    if (chained(domain_.self()) && !refuse_chained_) return Fast::queued;
    return cancel_work(work) ? Fast::slow : Fast::queued;
}

[[gnu::noinline]] bool Workqueue::queue_locked(Work& work, int cpu) {
    domain_.require_alive();
    if (cpu != kCpuUnbound) domain_.check_cpu(cpu, "cpu");
    if (work.func == nullptr) throw MisuseError("work-without-function", "queue_work: the item has no function");
    std::uint64_t word = 0;
    if (!claim(work, kPending | kClaimed, word)) {
        refuse_other_machine(work, word);
        return false;
    }
    return queue_claimed(*this, work, cpu, false);
}

[[gnu::noinline]] void Workqueue::refuse_other_machine(const Work& work, std::uint64_t word) const {
    const PoolWorkqueue* pwq = pwq_of(word);
    if (pwq != nullptr && &pwq->pool->domain != &domain_) belongs_to(work, pwq->pool->domain.name);
}

void Workqueue::belongs_to(const Work& work, const std::string& other_machine) const {
    throw InvalidArgument(
        "item " + describe_function(domain_, &work, work.func) + " is pending or running on machine '" + other_machine +
        "' and cannot be queued on machine '" + domain_.name + "' meanwhile; flush() or cancel_sync() it first");
}

bool claim(Work& work, std::uint64_t marks, std::uint64_t& word) noexcept {
    word = work.data.load(std::memory_order_relaxed);
    for (;;) {
        if ((word & kPending) != 0 || depth(word) != 0) {
            // As in try_fast(): a locked instruction even to say no.
            if (work.data.compare_exchange_weak(word, word)) return false;
        } else if (work.data.compare_exchange_weak(word, word | marks)) {
            return true;
        }
    }
}

void release_claim(Work& work) noexcept { work.data.fetch_and(~(kPending | kClaimed)); }

bool Workqueue::chained(Task& self) const noexcept {
    const Worker* worker = self.worker;
    return worker != nullptr && preempt::in_task(self.preempt_count) && worker->current_pwq != nullptr &&
           worker->current_pwq->wq == this;
}

void Workqueue::refuse(const Work& work) const {
    const std::string what =
        "cannot queue " + describe_function(domain_, &work, work.func) + " on workqueue '" + name_ + "': ";
    switch (refusal_.load()) {
        case Refusal::destroyed:
            throw WorkqueueDestroyed(what + "it is destroyed; queue before destroy(), or allocate a new one");
        case Refusal::halted:
            throw MachineHalted(what + message::halted(domain_.name));
        default:
            throw WorkqueueDraining(what + "it is draining; until drain() returns only its own items may queue here");
    }
}

PoolWorkqueue& Workqueue::pick(int cpu, Task& self) {
    const unsigned c = cpu == kCpuUnbound ? static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed))
                                          : static_cast<unsigned>(cpu);
    if (route_ != nullptr) return *route_[c].load();
    return *pwqs_[pwqs_.size() == 1 ? 0 : c];
}

// The workqueue takes nothing from outside: false when it has opened again.
bool refuse_claimed(Workqueue& wq, Work& work, bool from_timer) {
    Domain& domain = wq.domain_;
    wq.lock_.lock();
    const bool refused = wq.refusal_.load() != Refusal::none;
    wq.lock_.unlock();
    if (!refused) return false;
    release_claim(work);
    // An item that requeues itself without end while its machine halts is stopped, not punished.
    if (wq.refuse_chained_ && wq.chained(domain.self())) return true;
    if (!from_timer) wq.refuse(work);
    domain.log.write(domain.now(), LogLevel::warning,
                     "workqueue: delayed item " + describe_function(domain, &work, work.func) +
                         " fired into workqueue '" + wq.name_ +
                         "', which takes no items any more; cancel delayed items before destroy");
    if (Gate* gate = gate_of(work.func)) gate->dropped(&work);
    return true;
}

bool queue_claimed(Workqueue& wq, Work& work, int cpu, bool from_timer) {
    Domain& domain = wq.domain_;
    Task& self = domain.self();
    const bool chained = wq.chained(self);
    const auto closed = [&] { return wq.refusing_.load() && (!chained || wq.refuse_chained_); };
    if (closed() && refuse_claimed(wq, work, from_timer)) return false;
    PoolWorkqueue* pwq = &wq.pick(cpu, self);
    WorkerPool* pool = pwq->pool;
    const std::uint32_t last_id = pool_id(work.data.load(std::memory_order_relaxed));
    PoolRef last(last_id == pool->id || wq.ordered() ? 0 : last_id);
    bool locked = false;
    if (last) {
        // Still running there for this very workqueue: it must not overlap with itself, so it follows itself.
        last->lock.lock();
        Worker* worker = last->find_executing(&work);
        if (worker != nullptr && &last->domain != &domain) {
            last->lock.unlock();
            release_claim(work);
            wq.belongs_to(work, last->domain.name);
        }
        if (worker != nullptr && worker->current_pwq->wq == &wq) {
            pwq = worker->current_pwq;
            pool = pwq->pool;
            locked = true;
        } else {
            last->lock.unlock();
        }
    }
    // The attributes may have changed since the look above, and the pool workqueue be another's.
    for (; !locked; pwq = &wq.pick(cpu, self), pool = pwq->pool) {
        pool->lock.lock();
        if (pwq == &wq.pick(cpu, self) && pwq->pool == pool) break;
        pool->lock.unlock();
    }
    // Closed since the look above: who closes says so first and takes the pools' locks then.
    if (closed()) [[unlikely]] {
        pool->lock.unlock();
        if (refuse_claimed(wq, work, from_timer)) return false;
        pool->lock.lock();
    }
    pool->splice_inbox();
    const bool traced = domain.trace.enabled();
    if (traced) [[unlikely]]
        wq.trace_queue(work, cpu, *pool);
    pwq->enqueue(work);
    if (traced && (work.data.load(std::memory_order_relaxed) & kInactive) == 0) [[unlikely]]
        wq.trace_activate(work);
    WakeQ wake_q;
    pool->kick(preemptible(self) ? &wake_q : nullptr);
    pool->lock.unlock();
    return true;
}

void Workqueue::trace_queue(const Work& work, int req_cpu, const WorkerPool& pool) {
    Task& self = domain_.self();
    BH_TRACE(domain_, self.cpu.load(), self, "workqueue_queue_work",
             "work=w%u function=%s workqueue=%s req_cpu=%d cpu=%d", domain_.trace.id_of(&work),
             describe_function(domain_, &work, work.func).c_str(), name_.c_str(),
             req_cpu == kCpuUnbound ? static_cast<int>(kMaxCpus) : req_cpu, pool.cpu);
}

void Workqueue::trace_activate(const Work& work) {
    if (!domain_.trace.enabled()) [[likely]]
        return;
    Task& self = domain_.self();
    BH_TRACE(domain_, self.cpu.load(), self, "workqueue_activate_work", "work=w%u function=%s",
             domain_.trace.id_of(&work), describe_function(domain_, &work, work.func).c_str());
}

}  // namespace bottomhalf
