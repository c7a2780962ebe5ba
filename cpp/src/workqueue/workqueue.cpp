// A workqueue's life: made, limited, destroyed (Linux: alloc_workqueue, destroy_workqueue).
#include "bottomhalf/workqueue/workqueue.hpp"

#include "bottomhalf/workqueue/deadlock.hpp"
#include "bottomhalf/workqueue/rescuer.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

Workqueue::Workqueue(WorkqueueSubsystem& subsystem, std::string name, unsigned flags, int max_active, int nice)
    : domain_(subsystem.domain()), subsystem_(subsystem), name_(std::move(name)), nice_(nice), flags_(flags) {
    max_active_.set(max_active);
    min_active_.set(std::min(max_active, kWqDefaultMinActive));
    const bool managed = (flags & wq_flag::kManaged) != 0;
    if (attributed()) {
        if (!ordered())
            for (unsigned node = 0; node <= domain_.topology.nodes(); ++node)
                nodes_.push_back(std::make_unique<NodeActive>());
        route_ = std::make_unique<Atomic<PoolWorkqueue*>[]>(domain_.nr_cpus);
        WorkqueueAttrs attrs;
        attrs.nice = nice;
        attrs.cpumask = CpuMask::first_n(domain_.nr_cpus);
        while (!update_pools(attrs, 0)) {
        }
        return;
    }
    // A managed workqueue has one queue; the others one for each CPU.
    for (unsigned cpu = 0; cpu < (managed ? 1 : domain_.nr_cpus); ++cpu) {
        PoolWorkqueue* pwq = subsystem.new_pwq(subsystem.pool_for(flags, nice, cpu), *this, nullptr);
        pwq->max_active = max_active;
        pwqs_.push_back(pwq);
    }
    fast_ = managed || (flags & wq_flag::kBh) == 0;
}

Workqueue::~Workqueue() {
    LockGraph::forget(this);
    order_forget(this);
    for (PoolWorkqueue* pwq : pwqs_) {
        order_forget(pwq);
        subsystem_.free_pwq(pwq);
    }
    if (backlog_ != nullptr) backlog_->drop();
}

// Under lock_: the limits in force reach every pool workqueue, and what they let through starts.
void Workqueue::adjust_limits() {
    const int limit = frozen_ ? 0 : max_active_.get();
    limit_nodes(limit);
    // Round robin over the pool workqueues until nobody gets a place any more.
    bool progress = true;
    while (progress) {
        progress = false;
        for (PoolWorkqueue* pwq : pwqs_) {
            RawGuard guard(pwq->pool->lock);
            pwq->pool->splice_inbox();
            pwq->max_active = limit;
            progress = pwq->activate_one() || progress;
            pwq->pool->kick();
        }
    }
}

void Workqueue::set_max_active(int max_active) {
    if ((flags() & (wq_flag::kOrdered | wq_flag::kBh)) != 0)
        throw MisuseError("max-active-fixed", "workqueue_set_max_active('" + name_ +
                                                  "'): an ordered or BH workqueue has no "
                                                  "limit to set");
    if (max_active < 0 || max_active > kWqMaxActive)
        throw InvalidArgument("max_active=" + std::to_string(max_active) + " is out of range: allowed are 1 to " +
                              std::to_string(kWqMaxActive) + ", or 0 for the default of " +
                              std::to_string(kWqDefaultActive));
    if (max_active == 0) max_active = kWqDefaultActive;
    const int before = change_max_active(max_active);
    if (max_active >= before) return;
    const std::string stuck = find_stuck_wait(domain_);
    if (stuck.empty()) return;
    change_max_active(before);
    throw DeadlockError("workqueue_set_max_active('" + name_ + "'): with max_active=" + std::to_string(max_active) +
                        " these would wait for ever: " + stuck);
}

// RETURNS: what it was before.
int Workqueue::change_max_active(int max_active) {
    RawGuard guard(lock_);
    const int before = max_active_.get();
    max_active_.set(max_active);
    if (min_active_.get() > max_active_.get()) min_active_.set(max_active_.get());
    adjust_limits();
    return before;
}

void Workqueue::set_min_active(int min_active) {
    if ((flags() & (wq_flag::kUnbound | wq_flag::kOrdered | wq_flag::kManaged)) != wq_flag::kUnbound)
        throw MisuseError("min-active-fixed", "workqueue_set_min_active('" + name_ +
                                                  "'): only an unbound workqueue that is "
                                                  "not ordered has a min_active");
    if (min_active < 0)
        throw InvalidArgument("min_active=" + std::to_string(min_active) + " is negative: allowed are 0 to max_active");
    RawGuard guard(lock_);
    min_active_.set(std::min(min_active, max_active_.get()));
    adjust_limits();
}

bool Workqueue::congested(int cpu) {
    Task& self = domain_.self();
    PoolWorkqueue& pwq = pick(cpu == kCpuUnbound ? cpu : static_cast<int>(domain_.check_cpu(cpu, "cpu")), self);
    RawGuard guard(pwq.pool->lock);
    pwq.pool->splice_inbox();
    return !pwq.inactive.empty();
}

void PoolWorkqueue::add_to(WorkqueueStats& s) const noexcept {
    s.started += started;
    s.completed += completed;
    s.cpu_time += cpu_time;
    s.cpu_intensive += cpu_intensive;
    s.cm_wakeup += cm_wakeup;
    s.repatriated += repatriated;
    s.mayday += mayday;
    s.rescued += rescued;
}

WorkqueueStats Workqueue::stats() const noexcept {
    RawGuard guard(lock_);
    WorkqueueStats s = past_;
    for (const PoolWorkqueue* pwq : pwqs_) pwq->add_to(s);
    s.cpu_time /= static_cast<std::uint64_t>(kMicrosecond);
    return s;
}

std::size_t Workqueue::in_flight() const {
    std::size_t n = 0;
    RawGuard wq_guard(lock_);
    for (PoolWorkqueue* pwq : pwqs_) {
        RawGuard guard(pwq->pool->lock);
        pwq->pool->splice_inbox();
        for (auto count : pwq->nr_in_flight) n += count;
    }
    return n;
}

std::size_t Workqueue::active() const {
    std::size_t n = 0;
    RawGuard wq_guard(lock_);
    for (PoolWorkqueue* pwq : pwqs_) {
        RawGuard guard(pwq->pool->lock);
        pwq->pool->splice_inbox();
        n += static_cast<std::size_t>(pwq->nr_active);
    }
    return n;
}

void Workqueue::bound_backlog(unsigned depth, WhenFull when_full) {
    if (depth == 0) throw InvalidArgument("queue_depth=0 is out of range: from 1, or none for no bound");
    if (backlog_ != nullptr)
        throw MisuseError("backlog-fixed", "workqueue '" + name_ + "' has a queue_depth already, which is set once");
    backlog_ = new Backlog(depth, when_full);
}

void Workqueue::destroy(Nanoseconds deadline) {
    if (system_)
        throw MisuseError("destroy-system-workqueue",
                          "destroy_workqueue('" + name_ + "'): a system workqueue lives as long as its machine");
    if (released_.load()) return;
    Task& self = domain_.self();
    might_sleep(self, "destroy_workqueue");
    if (chained(self))
        throw DeadlockError("destroy_workqueue('" + name_ +
                            "') called from one of its own items: it would wait for itself");
    {
        RawGuard guard(lock_);
        flags_.fetch_or(wq_flag::kDestroying);
        refusal_.store(Refusal::destroyed);
        set_refusing();
    }
    try {
        drain(deadline);
    } catch (...) {
        RawGuard guard(lock_);
        if (!released_.load()) {
            flags_.fetch_and(~wq_flag::kDestroying);
            refusal_.store(drainers_ != 0 ? Refusal::draining : Refusal::none);
            set_refusing();
        }
        throw;
    }
    // A worker may still be on its way out of the last flush.
    while (advancing_.load() != 0) domain_.substrate->relax(self);
    if (released_.exchange(true)) return;
    if (rescuer_ != nullptr) rescuer_->stop();
    subsystem_.remove(*this);
}

}  // namespace bottomhalf
