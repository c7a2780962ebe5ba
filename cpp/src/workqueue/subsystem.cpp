#include "bottomhalf/workqueue/subsystem.hpp"

#include <algorithm>

#include "bottomhalf/workqueue/deadlock.hpp"
#include "bottomhalf/workqueue/monitor.hpp"
#include "bottomhalf/workqueue/rescuer.hpp"

namespace bottomhalf {

WorkqueueSubsystem::WorkqueueSubsystem(Domain& domain, Detection detection, bool power_efficient)
    : domain_(domain), power_efficient_(power_efficient) {
    domain.workqueues = this;
    if (auto watcher = domain.substrate->make_watcher(detection))
        monitor_ = std::make_unique<Monitor>(domain, std::move(watcher));
}

WorkqueueSubsystem::~WorkqueueSubsystem() {
    for (auto& wq : system_) wq.reset();
    workqueues_.clear();
    retired_.clear();
    pools_.clear();
    domain_.workqueues = nullptr;
}

void WorkqueueSubsystem::start() {
    // Four pools a CPU, numbered as Linux does: BH, BH high, normal, high.
    for (unsigned cpu = 0; cpu < domain_.nr_cpus; ++cpu) {
        const int c = static_cast<int>(cpu), base = 4 * c;
        pools_.push_back(std::make_unique<WorkerPool>(domain_, PoolKind::bh, c, 0, 1, base));
        pools_.push_back(std::make_unique<WorkerPool>(domain_, PoolKind::bh, c, -20, 1, base + 1));
        pools_.push_back(std::make_unique<WorkerPool>(domain_, PoolKind::bound, c, 0, 1, base + 2));
        pools_.push_back(std::make_unique<WorkerPool>(domain_, PoolKind::bound, c, -20, 1, base + 3));
        for (unsigned i = 0; i < 2; ++i) {
            // A BH pool has one pseudo worker and no thread.
            auto worker = std::make_unique<Worker>();
            WorkerPool& pool = *pools_[4 * cpu + i];
            worker->pool = &pool;
            pool.workers.push_back(worker->pool_node);
            pool.nr_workers = 1;
            bh_workers_.push_back(std::move(worker));
        }
    }
    domain_.softirqs->before_tasklets = [](Domain& d, unsigned cpu, Softirq level, Task& self, GatePass& pass) {
        d.workqueues->run_bh(cpu, level, self, pass);
    };
    domain_.hooks.burn_until_tick = burn_until_tick;
    domain_.hooks.burnt = burnt;
    domain_.hooks.wait_for_owner = wait_for_owner;
    struct Spec {
        SystemWq which;
        const char* name;
        unsigned flags;
        int max_active;
    };
    using namespace wq_flag;
    static constexpr Spec specs[] = {
        {SystemWq::percpu, "events", 0, 0},
        {SystemWq::highpri, "events_highpri", kHighpri, 0},
        {SystemWq::long_running, "events_long", 0, 0},
        {SystemWq::unbound, "events_unbound", kUnbound, kWqMaxActive},
        {SystemWq::freezable, "events_freezable", kFreezable, 0},
        {SystemWq::power_efficient, "events_power_efficient", kPowerEfficient, 0},
        {SystemWq::freezable_power_efficient, "events_freezable_pwr_efficient", kFreezable | kPowerEfficient, 0},
        {SystemWq::bh, "events_bh", kBh, 0},
        {SystemWq::bh_highpri, "events_bh_highpri", kBh | kHighpri, 0},
        {SystemWq::managed, "events_managed", kManaged, kWqMaxActive},
    };
    for (const Spec& spec : specs) {
        auto wq = alloc(spec.name, spec.flags, spec.max_active);
        wq->system_ = true;
        system_[static_cast<unsigned>(spec.which)] = std::move(wq);
    }
    if (monitor_ != nullptr) monitor_->start();
    // Each pool starts with one worker.
    for_each_pool([](WorkerPool& pool) {
        if (pool.kind != PoolKind::bh && !pool.create_worker(true))
            throw Error("machine '" + pool.domain.name + "': the system refuses a worker thread");
    });
    watchdog_.start();
}

std::size_t WorkqueueSubsystem::idle_timers() const {
    std::size_t armed = 0;
    for_each_pool([&](WorkerPool& pool) { armed += timer_pending(pool.idle_timer) ? 1 : 0; });
    return armed + (watchdog_.timer_armed() ? 1 : 0);
}

void WorkqueueSubsystem::stop() {
    if (monitor_ != nullptr) monitor_->stop();
    watchdog_.stop();
    // First the word to all, then the joins: a worker that was evicted from its wait would go round until it hears it.
    for_each_pool([](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        pool.stopping = true;
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next)
            container_of(n, &Worker::pool_node)->set_die();
    });
    // No pool calls for help any more.
    for (auto& wq : workqueues())
        if (wq->rescuer_ != nullptr) wq->rescuer_->stop();
    for_each_pool([](WorkerPool& pool) {
        if (pool.kind == PoolKind::bh) {
            timer_delete(pool.idle_timer);
            return;
        }
        pool.stop();
    });
    cancel_all(false);  // what a racing producer pushed after the drain
    domain_.softirqs->before_tasklets = nullptr;
}

WorkerPool& WorkqueueSubsystem::pool_for(unsigned flags, int nice, unsigned cpu) {
    const bool high = (flags & wq_flag::kHighpri) != 0;
    if ((flags & wq_flag::kBh) != 0) return *pools_[4 * cpu + (high ? 1 : 0)];
    if ((flags & wq_flag::kManaged) == 0) return *pools_[4 * cpu + (high ? 3 : 2)];
    const CpuMask all = CpuMask::first_n(domain_.nr_cpus);
    return shared_pool("managed " + std::to_string(nice), PoolKind::managed, nice, domain_.nr_cpus, {all, all});
}

WorkerPool& WorkqueueSubsystem::unbound_pool(const WorkqueueAttrs& attrs, const CpuMask& pod) {
    const TaskLimits limits{attrs.strict ? pod : attrs.cpumask, pod};
    std::string key = std::to_string(attrs.nice) + (attrs.strict ? " strict " : " ") + pod.to_list();
    if (!attrs.strict) key += " of " + attrs.cpumask.to_list();
    return shared_pool(key, PoolKind::unbound, attrs.nice, WorkerPool::kNoLimit, limits);
}

WorkerPool& WorkqueueSubsystem::shared_pool(const std::string& key, PoolKind kind, int nice, unsigned width,
                                            const TaskLimits& limits) {
    WorkerPool* pool = nullptr;
    {
        RawGuard guard(lock_);
        WorkerPool*& slot = shared_pools_[key];
        if (slot != nullptr) return *slot;
        pools_.push_back(std::make_unique<WorkerPool>(domain_, kind, kCpuUnbound, nice, width,
                                                      static_cast<int>(pools_.size()), &limits));
        slot = pool = pools_.back().get();
    }
    // At boot each gets its first worker when all are there.
    if (domain_.running()) pool->create_worker();
    return *pool;
}

namespace {

void check_alloc(unsigned flags, int max_active, bool ordered) {
    using namespace wq_flag;
    auto bad = [](const std::string& what) { throw InvalidArgument(what); };
    if ((flags & ~kPublic) != 0) bad("flags=" + std::to_string(flags) + " holds bits that are no workqueue flags");
    if (max_active < 0 || max_active > kWqMaxActive)
        bad("max_active=" + std::to_string(max_active) + " is out of range: allowed are 1 to " +
            std::to_string(kWqMaxActive) + ", or 0 for the default of " + std::to_string(kWqDefaultActive));
    if ((flags & kBh) != 0 && (flags & ~(kBh | kHighpri | kPercpu)) != 0)
        bad("flags: BH goes with HIGHPRI and PERCPU only");
    if ((flags & kBh) != 0 && max_active != 0) bad("max_active: a BH workqueue has no limit; leave it 0");
    if ((flags & kPercpu) != 0 && (flags & (kUnbound | kManaged)) != 0)
        bad("flags: PERCPU and UNBOUND (or MANAGED) exclude each other; choose one");
    if (ordered && (flags & (kBh | kPercpu | kSysfs | kManaged | kCpuIntensive)) != 0)
        bad("flags: an ordered workqueue takes FREEZABLE, MEM_RECLAIM and HIGHPRI only");
}

}  // namespace

std::shared_ptr<Workqueue> WorkqueueSubsystem::alloc(std::string name, unsigned flags, int max_active) {
    domain_.require_alive();
    const bool ordered = (flags & wq_flag::kOrdered) != 0;
    check_alloc(flags & ~(wq_flag::kOrdered | wq_flag::kLegacy), max_active, ordered);
    if (name.size() >= kWqNameLength) {
        name.resize(kWqNameLength - 1);
        domain_.log.write(domain_.now(), LogLevel::warning,
                          "workqueue: name exceeds WQ_NAME_LEN. Truncating to: " + name);
    }
    if (power_efficient_ && (flags & wq_flag::kPowerEfficient) != 0) flags |= wq_flag::kUnbound;
    if (ordered) {
        flags |= wq_flag::kUnbound;
        max_active = 1;
    } else if ((flags & wq_flag::kBh) != 0) {
        max_active = INT32_MAX;
    } else if (max_active == 0) {
        max_active = (flags & wq_flag::kManaged) != 0 ? kWqMaxActive : kWqDefaultActive;
    }
    const int nice = (flags & wq_flag::kHighpri) != 0 ? -20 : 0;
    std::shared_ptr<Workqueue> wq(new Workqueue(*this, std::move(name), flags, max_active, nice));
    if ((flags & wq_flag::kMemReclaim) != 0) wq->rescuer_ = std::make_unique<Rescuer>(*wq);
    RawGuard guard(lock_);
    if (refusing_all_) wq->refusal_.store(Refusal::halted);
    wq->refusing_.store(refusing_all_);
    if (freezing_ && (flags & wq_flag::kFreezable) != 0) {
        wq->frozen_ = true;
        wq->adjust_limits();
    }
    workqueues_.push_back(wq);
    return wq;
}

std::shared_ptr<Workqueue> WorkqueueSubsystem::alloc_ordered(std::string name, unsigned flags) {
    return alloc(std::move(name), flags | wq_flag::kOrdered, 1);
}

void WorkqueueSubsystem::set_thread_limit(int limit) {
    thread_limit_.store(limit);
    for_each_pool([](WorkerPool& pool) { pool.retry_creation(); });
}

bool WorkqueueSubsystem::take_thread() noexcept {
    const int before = threads_.fetch_add(1), limit = thread_limit_.load();
    if (limit == kNoThreadLimit || before < limit) return true;
    threads_.fetch_sub(1);
    return false;
}

bool WorkqueueSubsystem::may_create_worker() const noexcept {
    const int limit = thread_limit_.load();
    return limit == kNoThreadLimit || threads_.load() < limit;
}

std::vector<std::shared_ptr<Workqueue>> WorkqueueSubsystem::workqueues() const {
    RawGuard guard(lock_);
    return workqueues_;
}

void WorkqueueSubsystem::for_each_pool(const std::function<void(WorkerPool&)>& fn) const {
    std::vector<WorkerPool*> pools;
    {
        RawGuard guard(lock_);
        pools.reserve(pools_.size());
        for (auto& pool : pools_) pools.push_back(pool.get());
    }
    for (WorkerPool* pool : pools) fn(*pool);
}

PoolWorkqueue* WorkqueueSubsystem::new_pwq(WorkerPool& pool, Workqueue& wq, NodeActive* node) {
    RawGuard guard(lock_);
    if (pwq_free_.empty()) {
        pwq_storage_.push_back(std::make_unique<PoolWorkqueue>());
        pwq_free_.push_back(pwq_storage_.back().get());
    }
    PoolWorkqueue* const pwq = pwq_free_.back();
    pwq_free_.pop_back();
    // If it has been in use before, a stale canceller may be looking: it takes the pool's lock and finds that its item
    // is not here.
    RawGuard pool_guard(pool.lock);
    pwq->pool = &pool;
    pwq->wq = &wq;
    pwq->node = node;
    pwq->for_cpu_intensive = (wq.flags() & wq_flag::kCpuIntensive) != 0;
    pwq->work_color = 0;
    pwq->flush_color = -1;
    pwq->nr_in_flight.fill(0);
    pwq->nr_active = 0;
    pwq->plugged = pwq->superseded = pwq->calls = false;
    for (auto* c : {&pwq->started, &pwq->completed, &pwq->cpu_time, &pwq->cpu_intensive, &pwq->cm_wakeup,
                    &pwq->repatriated, &pwq->mayday, &pwq->rescued})
        c->set(0);
    return pwq;
}

void WorkqueueSubsystem::free_pwq(PoolWorkqueue* pwq) {
    RawGuard guard(lock_);
    pwq_free_.push_back(pwq);
}

void WorkqueueSubsystem::remove(Workqueue& wq) {
    std::shared_ptr<Workqueue> keep;
    std::vector<std::shared_ptr<Workqueue>> gone;
    RawGuard guard(lock_);
    for (auto it = workqueues_.begin(); it != workqueues_.end(); ++it) {
        if (it->get() != &wq) continue;
        keep = std::move(*it);
        workqueues_.erase(it);
        break;
    }
    // Timers that will queue here keep it; those that have fired since no longer do.
    for (auto& old : retired_)
        if (old->armed_.load() == 0) gone.push_back(std::move(old));
    std::erase(retired_, nullptr);
    if (keep != nullptr && wq.armed_.load() != 0) retired_.push_back(std::move(keep));
    gone.push_back(std::move(keep));
    lock_.unlock();  // destructors take it to give their pool workqueues back
    gone.clear();
    lock_.lock();
}

void WorkqueueSubsystem::freeze() {
    {
        // First this, then those that are there: whatever is made from now on is born frozen.
        RawGuard guard(lock_);
        freezing_ = true;
    }
    for (auto& wq : workqueues()) {
        if ((wq->flags() & wq_flag::kFreezable) == 0) continue;
        RawGuard guard(wq->lock_);
        wq->frozen_ = true;
        wq->adjust_limits();
    }
}

bool WorkqueueSubsystem::freeze_busy() {
    for (auto& wq : workqueues()) {
        if ((wq->flags() & wq_flag::kFreezable) == 0) continue;
        for (PoolWorkqueue* pwq : wq->pool_workqueues()) {
            RawGuard guard(pwq->pool->lock);
            if (pwq->nr_active != 0) return true;
        }
    }
    return false;
}

void WorkqueueSubsystem::thaw() {
    {
        RawGuard guard(lock_);
        freezing_ = false;
    }
    for (auto& wq : workqueues()) {
        RawGuard guard(wq->lock_);
        if (!wq->frozen_) continue;
        wq->frozen_ = false;
        wq->adjust_limits();
    }
}

}  // namespace bottomhalf
