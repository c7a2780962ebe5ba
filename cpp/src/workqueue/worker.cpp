// A worker's life: idle, awake, one item after another, asleep inside an item, idle again (Linux: worker_thread).
#include <algorithm>
#include <cstdio>

#include "bottomhalf/workqueue/monitor.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

using namespace work_data;

void Worker::set_flags(unsigned bits) noexcept {
    const bool counted = !has(kNotRunning) && nap == Nap::none;
    flags.set(flags | bits);
    if (counted && has(kNotRunning)) pool->nr_running.fetch_sub(1);
}

void Worker::clear_flags(unsigned bits) noexcept {
    const bool not_counted = has(kNotRunning) && nap == Nap::none;
    flags.set(flags & ~bits);
    if (not_counted && !has(kNotRunning)) pool->nr_running.fetch_add(1);
}

void Worker::doze_off(Nap how) noexcept {
    if (has(kNotRunning) || nap != Nap::none) return;
    nap = how;
    // First the count, then the look: a producer pushes first and looks at the count then.
    pool->nr_running.fetch_sub(1);
    pool->splice_inbox();
    if (pool->kick() && current_pwq != nullptr) ++current_pwq->cm_wakeup;
}

void Worker::wake_up() noexcept {
    if (nap == Nap::none) return;
    nap = Nap::none;
    cpu_used = 0;
    // Flags may have changed while it slept (taken for CPU-intensive, its CPU gone): then it does not count again.
    if (!has(kNotRunning)) pool->nr_running.fetch_add(1);
    pool->watch_behind();
}

void Worker::enter_lane(Lane& which) noexcept {
    lane = &which;
    ++which.running;
    if (lane != &pool->outside) return;
    set_flags(kLong);
    pool->splice_inbox();
    if (pool->kick() && current_pwq != nullptr) ++current_pwq->cm_wakeup;
}

void Worker::leave_lane() noexcept {
    if (lane == nullptr) return;
    --lane->running;
    lane = nullptr;
    clear_flags(kLong);
}

void Worker::sleeping(Task&) noexcept {
    RawGuard guard(pool->lock);
    leave_lane();
    doze_off(Nap::told);
}

void Worker::running(Task&) noexcept {
    RawGuard guard(pool->lock);
    wake_up();
}

void Worker::begin(Task& self) noexcept {
    RawGuard guard(pool->lock);
    self.worker = this;
    task = &self;
    --pool->nr_starting;
    pool->enter_idle(*this);
}

namespace {

// On simulated machines: to the lock graph a handler holds its item and its workqueue; to the access order it is a flow
// of its own.
class HeldWhileRunning {
public:
    HeldWhileRunning(Domain& domain, Task& self, Work& work, PoolWorkqueue& pwq)
        // A flush barrier is nobody's item, and lies on a stack.
        : domain_(!WorkqueueSubsystem::is_flush_barrier(work) ? &domain : nullptr),
          self_(self),
          work_(&work),
          pwq_(pwq) {
        if (domain_ == nullptr) return;
        if (LockGraph* graph = domain.lock_graph.get()) {
            graph->taken(self, pwq.wq, [&] { return lock_name(*pwq.wq); });
            graph->taken(self, work_, [&] { return lock_name(domain, work); });
        }
        if (domain.access_order == nullptr) [[likely]]
            return;
        domain.access_order->begin_run(self, work_, [&] { return lock_name(domain, work); });
        // One at a time: each comes after those before it.
        if (pwq.wq->ordered() || (pwq.node != nullptr && pwq.node->max == 1))
            domain.access_order->acquire(self, pwq.wq, Handover::end);
        else if (pwq.max_active == 1)
            domain.access_order->acquire(self, &pwq, Handover::end);
    }
    ~HeldWhileRunning() {
        if (domain_ == nullptr) return;
        if (LockGraph* graph = domain_->lock_graph.get()) {
            graph->released(self_, work_);
            graph->released(self_, pwq_.wq);
        }
        if (domain_->access_order == nullptr) [[likely]]
            return;
        domain_->access_order->release(self_, pwq_.wq, Handover::end);
        domain_->access_order->release(self_, &pwq_, Handover::end);
        domain_->access_order->end_run(self_, work_);
    }
    HeldWhileRunning(const HeldWhileRunning&) = delete;
    HeldWhileRunning& operator=(const HeldWhileRunning&) = delete;

private:
    Domain* const domain_;  // null: nothing to tell
    Task& self_;
    const void* const work_;  // may be gone at the end
    PoolWorkqueue& pwq_;
};

[[gnu::cold, gnu::noinline]] void say_exception(Domain& domain, WorkFunction func, const std::exception& error) {
    domain.log.write(domain.now(), LogLevel::err,
                     "workqueue: exception left " + describe_function(domain, nullptr, func) + ": " + error.what());
}

// Did the handler leave its task as it was not before? In Linux that is a bug that brings the CPU down with it.
[[gnu::cold, gnu::noinline]] void undo_leaked(Worker& worker, Domain& domain) {
    Task& self = *worker.task;
    const std::uint32_t count = worker.preempt_base, irqs_off = worker.irqs_off_base;
    if (self.preempt_count == count && self.irqs_off == irqs_off) return;
    char text[200];
    std::snprintf(text, sizeof text, "BUG: workqueue leaked atomic, lock or RCU: %s[%d] preempt=0x%08x irqs_off=%u",
                  self.name, self.pid.load(), self.preempt_count, self.irqs_off);
    domain.log.write(domain.now(), LogLevel::err, text);
    while (self.irqs_off > irqs_off) local_irq_restore(self);
    while ((self.preempt_count & preempt::kPreemptMask) > (count & preempt::kPreemptMask)) preempt_enable(self);
    while ((self.preempt_count & preempt::kSoftirqMask) > (count & preempt::kSoftirqMask)) local_bh_enable(self);
}

template <class Call>
[[gnu::always_inline]] inline void call_handler(Worker& worker, Domain& domain, WorkFunction func, Call&& call) {
    try {
        call();
    } catch (const MachineExit&) {
    } catch (const std::exception& error) {
        say_exception(domain, func, error);
    }
    if ((worker.task->preempt_count | worker.task->irqs_off) != 0) [[unlikely]]
        undo_leaked(worker, domain);
}

[[gnu::noinline]] void call_simulated(Worker& worker, Domain& domain, Work& work, WorkFunction func, bool counts) {
    if (counts) explore_point(domain);
    call_handler(worker, domain, func, [&] {
        const HeldWhileRunning held(domain, *worker.task, work, *worker.current_pwq);
        func(&work);
    });
    if (counts) explore_point(domain);
}

// What a traced item is called, for the end of its run: it may be gone by then.
struct TracedItem {
    std::string name;
    std::uint32_t number;
};
[[gnu::cold, gnu::noinline]] void trace_end(Worker& worker, const TracedItem& item) {
    Domain& domain = worker.pool->domain;
    BH_TRACE(domain, worker.task->cpu.load(), *worker.task, "workqueue_execute_end", "work=w%u function=%s",
             item.number, item.name.c_str());
}
[[gnu::cold, gnu::noinline]] std::unique_ptr<TracedItem> trace_start(Worker& worker, Work& work) {
    Domain& domain = worker.pool->domain;
    auto item = std::make_unique<TracedItem>(
        TracedItem{describe_function(domain, &work, work.func), domain.trace.id_of(&work)});
    BH_TRACE(domain, worker.task->cpu.load(), *worker.task, "workqueue_execute_start", "work=w%u function=%s",
             item->number, item->name.c_str());
    return item;
}

// The worker's item leaves its workqueue, and others may have waited for that. The pool's lock is held, and let go
// meanwhile.
[[gnu::noinline]] void leave(Worker& worker, PoolWorkqueue& pwq, std::uint64_t word, GatePass& pass) {
    WorkerPool& pool = *worker.pool;
    Aftermath after;
    pwq.leave(word, after);
    if (!after.any()) return;
    const bool nothing_left =
        worker.scheduled.empty() && pool.worklist.empty() && pool.inbox.load(std::memory_order_relaxed) == nullptr;
    pool.lock.unlock();
    // Whoever waits for the flush wants the gate next, and this worker no more.
    if (nothing_left) pass.want(nullptr);
    after.run();
    pool.lock.lock();
}

// process_one_work(), in the loop that calls it most.
[[gnu::always_inline]] inline void run_item(Worker& worker, WorkerPool& pool, Work& work, GatePass& pass) {
    Domain& domain = pool.domain;
    const std::uint64_t word = work.data.load(std::memory_order_relaxed);
    PoolWorkqueue* const pwq = pwq_in(word);
    const WorkFunction func = work.func;
    worker.current_work = &work;
    worker.current_func = func;
    worker.current_pwq = pwq;
    worker.current_word = word;
    ++worker.items;
    pool.busy.add(worker);
    work.entry.unlink();
    if (pwq->for_cpu_intensive) [[unlikely]] {
        worker.set_flags(Worker::kCpuIntensive);
        // What came while it counted lies where nobody looks any more. First the count, then the look, as in
        // doze_off().
        pool.splice_inbox();
    }
    // A flush barrier is nobody's item.
    const bool counts = (word & kInactive) == 0;
    bool next_is_woken = false;
    if (counts) [[likely]] {
        ++pwq->started;
        worker.habit = nullptr;
        // Before anybody is told to look after this worker: of one that is known to sleep nobody has to be.
        if (pool.monitor != nullptr) next_is_woken = pool.monitor->begin(worker, work, pass.held());
    }
    // Unbound and CPU-intensive workers never hold back the next start.
    if (!next_is_woken) [[likely]]
        pool.kick_behind();
    pool.watch_behind();
    std::unique_ptr<TracedItem> trace_item;
    if (domain.trace.enabled()) [[unlikely]]
        trace_item = trace_start(worker, work);
    // Whatever the submitter stored before its queueing call is visible from here on; a queueing call that comes after
    // this sees the item not pending and queues it again. A full barrier, as Linux promises.
    work.data.exchange(pool.ran_here);
    pool.lock.unlock();

    if (domain.simulated) [[unlikely]]
        call_simulated(worker, domain, work, func, counts);
    else
        call_handler(worker, domain, func, [&] { func(&work); });

    if (trace_item != nullptr) [[unlikely]]
        trace_end(worker, *trace_item);
    else if (domain.trace.enabled()) [[unlikely]]
        // Tracing began while it ran: its object may be gone, the function is not.
        trace_end(worker, {describe_function(domain, nullptr, func), domain.trace.id_of(&work)});
    if (worker.expected && pool.monitor->end(worker)) [[unlikely]]
        pass.regained();
    pass.poll();
    pool.lock.lock();
    if (counts) ++pwq->completed;
    ++pool.completed;
    // What the monitor found asleep, or took for it, has come back without a word.
    if (worker.nap == Nap::found || worker.nap == Nap::expected) [[unlikely]]
        worker.wake_up();
    if (worker.lane != nullptr) [[unlikely]]
        worker.leave_lane();
    if (worker.has(Worker::kCpuIntensive)) [[unlikely]]
        worker.clear_flags(Worker::kCpuIntensive);
    pool.busy.remove(worker);
    worker.current_work = nullptr;
    worker.current_func = nullptr;
    worker.current_pwq = nullptr;
    worker.desc[0] = '\0';
    if (!pwq->leave_quietly(word)) [[unlikely]]
        leave(worker, *pwq, word, pass);
}

// Before a worker parks it looks around for a moment: to park and to be woken costs both sides microseconds, in which a
// steady producer makes dozens of items. It counts as running meanwhile, so producers only push; it looks at their line
// seldom, so that several pushes go into one look; whoever has found work for it under the lock says so by
// poke_lingerer(). A find doubles the length of the next search, a failure halves it: an idle pool costs next to
// nothing. Called under the lock, which it lets go. False: nothing came, or this is no place to linger.
bool linger(Worker& worker, const GatePass& pass) {
    constexpr unsigned kLeast = 4, kMost = 64, kPauses = 8;  // on x86-64 64 looks are about 25 us
    WorkerPool& pool = *worker.pool;
    // One is enough for a pool. Whoever wants the gate must not wait for this; a simulated machine has nobody running
    // meanwhile; a worker that counts for nothing (of an unbound pool) keeps no producer from waking another.
    if (pass.held() != nullptr || pool.lingering.load(std::memory_order_relaxed) || worker.has(Worker::kNotRunning) ||
        pool.domain.substrate->simulated())
        return false;
    pool.lingering.store(true, std::memory_order_relaxed);
    // Its own eyes are on the inbox.
    pool.wake_below.store(static_cast<int>(pool.width), std::memory_order_relaxed);
    const unsigned looks = pool.linger_looks;
    pool.lock.unlock();
    bool found = false;
    for (unsigned look = 0; look < looks && !found; ++look) {
        for (unsigned i = 0; i < kPauses; ++i) spin_pause();
        found =
            pool.inbox.load(std::memory_order_relaxed) != nullptr || !pool.lingering.load(std::memory_order_relaxed);
    }
    pool.lock.lock();
    pool.lingering.store(false, std::memory_order_relaxed);
    pool.linger_looks = found ? std::min(2 * looks, kMost) : std::max(looks / 2, kLeast);
    return found;
}

// The pool's CPU went away or came back. The pool's lock is held, and let go meanwhile.
void follow_cpu(Worker& worker) {
    WorkerPool& pool = *worker.pool;
    const int cpu = pool.bound_to;
    pool.lock.unlock();
    pool.domain.substrate->rebind(*worker.task, cpu);
    pool.lock.lock();
}

// The next item that this worker may start, or null. May let the lock go: to wait for the CPU, or for a gate.
Work* next_work(Worker& worker, GatePass& pass) {
    WorkerPool& pool = *worker.pool;
    Task& self = *worker.task;
    for (;;) {
        ListNode* first = worker.scheduled.front();
        const bool scheduled = first != nullptr;
        if (!scheduled) {
            if (worker.has(Worker::kRescuer)) return nullptr;
            if (pool.worklist.empty()) pool.splice_inbox();
            first = pool.first_startable();
            if (!pool.keep_working()) return nullptr;
            if (first == nullptr) {
                // What comes after a search in vain is found on the way to the futex.
                if (!linger(worker, pass)) return nullptr;
                continue;
            }
        }
        if (pool.lane_is_full() && !scheduled) [[unlikely]] {
            Lane* lane = pool.monitor->lane_of(pool, *container_of(first, &Work::entry));
            if (lane != nullptr && !lane->has_room()) {
                pool.hold(first, *lane);
                continue;
            }
        }
        if (self.bound_cpu != pool.bound_to) [[unlikely]] {
            follow_cpu(worker);
            continue;
        }
        // The dispatch rule: nothing starts on a CPU that somebody holds non-preemptibly.
        if (pool.bound_to != kCpuUnbound) {
            Cpu& cpu = *pool.home;
            if (!cpu.preemptible_for(self)) [[unlikely]] {
                pool.lock.unlock();
                pass.want(nullptr);
                cpu.wait_until_preemptible(self);
                pool.lock.lock();
                continue;
            }
        }
        Work* work = container_of(first, &Work::entry);
        if (work->func != worker.gated) [[unlikely]] {
            worker.gated = work->func;
            worker.gate = gate_of(work->func);
        }
        Gate* gate = worker.gate;
        if (gate != pass.held()) [[unlikely]] {
            // The item stays queued meanwhile: it can be cancelled, or taken by another worker.
            const bool waits = gate != nullptr && !scheduled && (pool.nr_at_gate == 0 || pool.awaited == gate);
            if (waits) {
                ++pool.nr_at_gate;
                pool.awaited = gate;
            }
            pool.lock.unlock();
            pass.want(gate);
            pool.lock.lock();
            if (waits) --pool.nr_at_gate;
            continue;
        }
        if (scheduled) return work;
        // An item that still runs in this pool waits for that very worker: it never overlaps with itself.
        if (Worker* other = pool.find_executing(work)) {
            move_linked(first, other->scheduled);
            continue;
        }
        if ((work->data.load(std::memory_order_relaxed) & kLinked) == 0) return work;
        move_linked(first, worker.scheduled);
    }
}

}  // namespace

void process_one_work(Worker& worker, Work& work, GatePass& pass) { run_item(worker, *worker.pool, work, pass); }

void process_items(Worker& worker, GatePass& pass) {
    WorkerPool& pool = *worker.pool;
    // Linux offers the CPU after every item, or one that requeues itself without end would keep it for ever. On the
    // host the system sees to that.
    const bool offers_cpu = pool.domain.substrate->simulated();
    while (Work* work = next_work(worker, pass)) {
        run_item(worker, pool, *work, pass);
        if (!offers_cpu) [[likely]]
            continue;
        worker.cpu_used = worker.cpu_charged = 0;
        pool.lock.unlock();
        pool.domain.substrate->yield(*worker.task);
        pool.lock.lock();
    }
}

void worker_main(Task& self, void* arg) {
    Worker& worker = *static_cast<Worker*>(arg);
    WorkerPool& pool = *worker.pool;
    if (self.worker == nullptr) worker.begin(self);
    self.observer = &worker;
    GatePass pass(self);
    pool.lock.lock();
    for (;;) {
        // Idle. First the word to the producers, then the look: they push first and look at it then.
        pool.say_served();
        if (worker.has(Worker::kDie)) break;
        pool.splice_inbox();
        if (!pool.need_more_worker()) {
            // It was one too many, and leaves behind others what came while it counted.
            if (pool.first_startable() != nullptr) pool.watch();
            pool.lock.unlock();
            pass.want(nullptr);
            self.state.store(TaskState::idle, std::memory_order_relaxed);
            pool.domain.substrate->block(self, kForever);
            self.state.store(TaskState::running, std::memory_order_relaxed);
            pool.lock.lock();
            continue;
        }
        pool.leave_idle(worker);
        if (pool.monitor != nullptr) {
            pool.monitor->work_again();
            worker.pool_node.unlink();
            pool.workers.push_front(worker.pool_node);
        }
        if (pool.has_pod && !pool.domain.simulated) pool.count_repatriated(self);
        // A spare before the first item: when this worker sleeps, the next one must be there at once. A new worker may
        // find work and be gone before it is counted, so it is looked for again.
        while (pool.nr_idle + pool.nr_starting == 0 && !pool.manager_active && pool.need_more_worker()) {
            pool.manager_active = true;
            pool.lock.unlock();
            const bool created = pool.create_worker();
            pool.lock.lock();
            pool.manager_active = false;
            pool.splice_inbox();
            if (!created && !pool.wait_for_spare(worker)) break;
        }
        if (pool.need_more_worker() && !worker.has(Worker::kDie)) {
            worker.clear_flags(Worker::kPrep | Worker::kRebound);
            process_items(worker, pass);
            worker.set_flags(Worker::kPrep);
        }
        pool.enter_idle(worker);
    }
    if (worker.has(Worker::kIdle)) pool.leave_idle(worker);
    pool.lock.unlock();
    self.observer = nullptr;
}

}  // namespace bottomhalf
