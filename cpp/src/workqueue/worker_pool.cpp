#include "bottomhalf/workqueue/worker_pool.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>

#include "bottomhalf/base/symbol.hpp"
#include "bottomhalf/workqueue/monitor.hpp"
#include "bottomhalf/workqueue/pool_table.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

namespace {

// Linux: CREATE_COOLDOWN, one second between attempts to create a worker.
constexpr Nanoseconds kCreateCooldown = kSecond;

// "kworker/CPU:ID", of a high-priority pool with an H at the end, or "kworker/uPOOL:ID". Without printf, which would be
// a tenth of what it takes to boot a simulated machine.
void name_worker(char* name, const WorkerPool& pool, int id) noexcept {
    static constexpr std::string_view prefix = "kworker/";
    const auto put = [](char* at, int n) { return std::to_chars(at, at + 11, n).ptr; };
    char* at = std::copy(prefix.begin(), prefix.end(), name);
    if (pool.kind != PoolKind::bound) *at++ = 'u';
    at = put(at, pool.kind == PoolKind::bound ? pool.cpu : pool.number);
    *at++ = ':';
    at = put(at, id);
    if (pool.kind == PoolKind::bound && pool.nice < 0) *at++ = 'H';
    *at = '\0';
}

PoolWorkqueue* pwq_of_node(ListNode* node) noexcept {
    return work_data::pwq_of(container_of(node, &Work::entry)->data.load(std::memory_order_relaxed));
}

}  // namespace

WorkerPool::WorkerPool(Domain& d, PoolKind k, int c, int n, unsigned w, int nr, const TaskLimits* l)
    : domain(d),
      kind(k),
      cpu(c),
      home(c == kCpuUnbound ? nullptr : &d.cpu(static_cast<unsigned>(c))),
      nice(n),
      width(w),
      bound_to(c),
      number(nr) {
    wake_below.store(static_cast<int>(w));
    if (l != nullptr) {
        limits = *l;
    } else {
        limits.allowed = limits.preferred = CpuMask::of(static_cast<unsigned>(c));
    }
    has_pod = !(limits.allowed == limits.preferred);
    confined = limits.allowed.count() != d.nr_cpus;
    if (k == PoolKind::bound || k == PoolKind::managed) monitor = d.workqueues->monitor();
    if (k == PoolKind::managed) {
        outside.width = static_cast<int>(w);
        inside.width = 1;  // a second one would only wait for the gate
    }
    cull_work.func = [](Work* work) { container_of(work, &WorkerPool::cull_work)->cull_idle(); };
    timer_setup(
        idle_timer,
        [](Timer* timer) {
            WorkerPool* pool = container_of(timer, &WorkerPool::idle_timer);
            pool->domain.workqueues->system(SystemWq::unbound)->queue(pool->cull_work);
        },
        kTimerDeferrable);
    timer_setup(mayday_timer, [](Timer* timer) { container_of(timer, &WorkerPool::mayday_timer)->mayday(); });
    create_work.func = [](Work* work) { container_of(work, &WorkerPool::create_work)->create_again(); };
    pool_table_add(*this);
}

WorkerPool::~WorkerPool() { pool_table_remove(*this); }

// The inbox holds the newest item first; each is accounted as its producer's locked path would have done.
void WorkerPool::splice_inbox_slow() noexcept {
    ListNode* newest = inbox.exchange(nullptr, std::memory_order_acquire);
    // A long inbox is cold memory. Most are of one workqueue from end to end, and then its items are turned round,
    // linked and accounted in one pass.
    List batch;
    PoolWorkqueue* const pwq = pwq_of_node(newest);
    unsigned count = 0;
    if (newest->next != nullptr && pwq->node == nullptr) newest = pwq->stamp_batch(newest, batch, count);
    ListNode* oldest = nullptr;
    while (newest != nullptr) {
        ListNode* next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != nullptr) {
        ListNode* next = oldest->next;
        pwq_of_node(oldest)->enqueue(*container_of(oldest, &Work::entry));
        oldest = next;
    }
    if (count != 0) pwq->enqueue_batch(batch, count);
    poke_lingerer();
}

bool WorkerPool::kick(WakeQ* wake_q) noexcept {
    ListNode* const next = first_startable();
    if (next == nullptr) return false;
    if (kind == PoolKind::bh) {
        domain.workqueues->kick_bh(*this);
        return true;
    }
    poke_lingerer();
    if (!need_more_worker()) {
        if (monitor != nullptr && !watched) watch();
        return false;
    }
    ListNode* first = idle.front();
    // A worker that is just being created looks for work when it starts.
    if (first == nullptr) {
        if (short_of_workers && nr_starting == 0) call_for_help();
        return nr_starting != 0;
    }
    wake_below.store(0);
    Task& task = *container_of(first, &Worker::idle_node)->task;
    if (has_pod && domain.simulated) count_repatriated(task);
    if (wake_q != nullptr)
        wake_q->add(*domain.substrate, task);
    else
        domain.substrate->wake(task);
    if (watched) monitor->expect_another(*container_of(next, &Work::entry));
    return true;
}

void WorkerPool::hold(ListNode* item, Lane& lane) noexcept {
    move_linked(item, lane.held);
    // Whoever runs a long item may come to sleep in it, and wait for one that is held here.
    if (watched) return;
    watched = true;
    monitor->add(*this);
}

bool WorkerPool::all_in_items() noexcept {
    int left = nr_running.load();
    for (ListNode* n = workers.begin(); n != workers.end() && left > 0; n = n->next) {
        const Worker& worker = *container_of(n, &Worker::pool_node);
        if (worker.has(Worker::kNotRunning) || worker.nap != Nap::none) continue;
        if (!worker.in_item()) return false;
        --left;
    }
    return true;
}

bool worker_coming(const Work& work) {
    const PoolWorkqueue* pwq = work_data::pwq_of(work.data.load());
    if (pwq == nullptr) return false;
    WorkerPool& pool = *pwq->pool;
    RawGuard guard(pool.lock);
    return pool.wake_below.load(std::memory_order_relaxed) == 0 || !pool.all_in_items();
}

void WorkerPool::watch() noexcept {
    if (monitor == nullptr || watched || width == kNoLimit) return;
    if (wake_below.load(std::memory_order_relaxed) == kUnwatched) wake_below.store(static_cast<int>(width));
    // A worker between two items looks at the inbox before it begins one, and will ask again then.
    if (!all_in_items()) return;
    watched = true;
    monitor->add(*this);
}

// Producers push first and look at wake_below then; here it is the other way round.
void WorkerPool::watch_behind_slow() noexcept {
    if (nr_running.load() < static_cast<int>(width)) return;  // producers take the lock
    if (worklist.empty() && inbox.load(std::memory_order_relaxed) == nullptr) {
        if (wake_below.load(std::memory_order_relaxed) == kUnwatched) return;
        wake_below.store(kUnwatched);
        if (inbox.load() == nullptr) return;
    }
    watch();
}

bool WorkerPool::unwatch() noexcept {
    watched = false;
    if (nr_running.load() < static_cast<int>(width) || lingering.load(std::memory_order_relaxed)) return true;
    wake_below.store(kUnwatched);
    if (inbox.load() == nullptr) return true;
    watched = true;
    wake_below.store(static_cast<int>(width));
    return false;
}

void WorkerPool::count_repatriated(Task& task) noexcept {
    if (!domain.substrate->repatriate(task) || worklist.empty()) return;
    const Work* first = container_of(worklist.front(), &Work::entry);
    ++work_data::pwq_of(first->data.load(std::memory_order_relaxed))->repatriated;
}

std::string WorkerPool::info() const {
    char text[160];
    if (kind == PoolKind::bh)
        std::snprintf(text, sizeof text, " cpus=%s bh%s", limits.preferred.to_list().c_str(), nice != 0 ? "-hi" : "");
    else
        std::snprintf(text, sizeof text, " cpus=%s flags=0x%x nice=%d", limits.preferred.to_list().c_str(),
                      (manager_active ? 2u : 0u) | (bound_to != kCpuUnbound ? 0u : 4u), nice);
    return text;
}

bool WorkerPool::create_worker(bool dormant) {
    if (!domain.workqueues->take_thread()) {
        RawGuard guard(lock);
        if (!std::exchange(short_of_workers, true))
            domain.log.write(
                domain.now(), LogLevel::err,
                "workqueue: Failed to create a worker thread: the machine has as many as its thread_limit");
        return false;
    }
    auto worker = std::make_unique<Worker>();
    worker->pool = this;
    if (kind == PoolKind::unbound) worker->flags.set(Worker::kPrep | Worker::kUnbound);
    int home;
    {
        RawGuard guard(lock);
        if (stopping || domain.now() < create_again_at) {
            domain.workqueues->give_thread_back();
            return false;
        }
        home = bound_to;
        // The lowest free number of the pool, as Linux names workers.
        for (bool taken = true; taken; worker->id += taken ? 1 : 0) {
            taken = false;
            for (ListNode* n = workers.begin(); n != workers.end() && !taken; n = n->next)
                taken = container_of(n, &Worker::pool_node)->id == worker->id;
        }
        workers.push_back(worker->pool_node);
        ++nr_workers;
        ++nr_starting;
    }
    char name[Task::kNameSize];
    name_worker(name, *this, worker->id);
    try {
        const TaskLimits* where = kind != PoolKind::bound && (has_pod || confined) ? &limits : nullptr;
        Task& task = dormant ? domain.spawn_dormant(name, worker_main, worker.get(), home, nice, where)
                             : domain.spawn(name, worker_main, worker.get(), home, nice, true, where);
        Worker& mine = *worker.release();  // owned by the pool from here on
        if (domain.substrate->dormant(task)) mine.begin(task);
        RawGuard guard(lock);
        short_of_workers = false;
        return true;
    } catch (const Error& error) {
        RawGuard guard(lock);
        worker->pool_node.unlink();
        --nr_workers;
        --nr_starting;
        domain.workqueues->give_thread_back();
        short_of_workers = true;
        create_again_at = domain.now() + kCreateCooldown;
        domain.log.write(domain.now(), LogLevel::err,
                         std::string("workqueue: Failed to create a worker thread: ") + error.what());
        return false;
    }
}

void WorkerPool::enter_idle(Worker& worker) noexcept {
    worker.flags.set(worker.flags | Worker::kIdle);
    ++nr_idle;
    distressed = false;
    idle.push_front(worker.idle_node);
    worker.last_active = domain.now();
    if (too_many_idle() && !timer_pending(idle_timer) && !stopping)
        arm_idle_timer(worker.last_active + domain.workqueues->idle_timeout());
}

void WorkerPool::leave_idle(Worker& worker) noexcept {
    worker.flags.set(worker.flags & ~Worker::kIdle);
    --nr_idle;
    worker.idle_node.unlink();
}

void WorkerPool::arm_idle_timer(Nanoseconds at) noexcept {
    domain.timers->arm_now(idle_timer, ns_to_jiffies(at, domain.hz) + 1);
}

void WorkerPool::cull_idle() {
    List doomed;
    {
        RawGuard guard(lock);
        const Nanoseconds now = domain.now(), timeout = domain.workqueues->idle_timeout();
        while (too_many_idle() && !stopping) {
            Worker* oldest = container_of(idle.back(), &Worker::idle_node);
            if (now - oldest->last_active < timeout) {
                arm_idle_timer(oldest->last_active + timeout);
                break;
            }
            leave_idle(*oldest);
            oldest->flags.set(oldest->flags | Worker::kDie);
            oldest->pool_node.unlink();
            --nr_workers;
            doomed.push_back(oldest->pool_node);
        }
    }
    while (ListNode* node = doomed.pop_front()) {
        std::unique_ptr<Worker> worker(container_of(node, &Worker::pool_node));
        domain.substrate->wake(*worker->task);
        domain.join_task(*worker->task);
        domain.workqueues->give_thread_back();
    }
}

void WorkerPool::unbind() {
    RawGuard guard(lock);
    splice_inbox();
    bound_to = kCpuUnbound;
    width = kNoLimit;
    wake_below.store(static_cast<int>(width));
    kick();
}

void WorkerPool::rebind() {
    RawGuard guard(lock);
    splice_inbox();
    bound_to = cpu;
    width = 1;
    say_served();
    // On the host each does it itself, before its next item.
    if (!domain.simulated) return;
    for (ListNode* n = workers.begin(); n != workers.end(); n = n->next)
        if (Task* task = container_of(n, &Worker::pool_node)->task) domain.substrate->rebind(*task, cpu);
}

void WorkerPool::stop() {
    timer_delete(idle_timer);
    timer_delete(mayday_timer);
    List all;
    {
        RawGuard guard(lock);
        stopping = true;
        for (ListNode* n = workers.begin(); n != workers.end(); n = n->next)
            container_of(n, &Worker::pool_node)->set_die();
    }
    // A worker that is just being created knows its task only when it runs.
    for (;; domain.substrate->relax(domain.self())) {
        RawGuard guard(lock);
        if (nr_starting != 0) continue;
        all.splice_back(workers);
        nr_workers = 0;
        break;
    }
    while (ListNode* node = all.pop_front()) {
        std::unique_ptr<Worker> worker(container_of(node, &Worker::pool_node));
        const bool never_ran = domain.substrate->dormant(*worker->task);
        if (!never_ran) domain.substrate->wake(*worker->task);
        domain.join_task(*worker->task);
        if (!never_ran) continue;
        RawGuard guard(lock);
        leave_idle(*worker);
    }
}

std::string lock_name(Domain& domain, const Work& work) {
    return "item " + describe_function(domain, &work, work.func);
}
std::string lock_name(const Workqueue& wq) { return "workqueue '" + wq.name() + "'"; }

std::string describe_function(Domain& domain, const Work* work, WorkFunction func) {
    char text[96];
    if (Gate* gate = gate_of(func)) {
        gate->describe(work, text, sizeof text);
        return text;
    }
    if (std::string name = function_name(reinterpret_cast<void*>(func)); !name.empty()) return name;
    std::snprintf(text, sizeof text, "func%u", domain.trace.id_of(reinterpret_cast<void*>(func)));
    return text;
}

}  // namespace bottomhalf
