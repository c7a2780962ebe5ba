// Which pools serve an unbound workqueue, and what happens when that changes (Linux: apply_workqueue_attrs).
#include <algorithm>

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

WorkqueueAttrs Workqueue::attrs() const {
    RawGuard guard(lock_);
    if (attributed()) return attrs_;
    WorkqueueAttrs attrs;
    attrs.nice = nice_;
    attrs.cpumask = CpuMask::first_n(domain_.nr_cpus);
    const bool managed = (flags() & wq_flag::kManaged) != 0;
    attrs.scope = managed ? AffinityScope::system : AffinityScope::cpu;
    attrs.strict = !managed;
    return attrs;
}

void Workqueue::change_attrs(const std::function<void(WorkqueueAttrs&)>& change) {
    if (!attributed())
        throw MisuseError("attrs-fixed", "apply_workqueue_attrs('" + name_ +
                                             "'): only an unbound workqueue has attributes to set; allocate one "
                                             "with UNBOUND");
    for (;;) {
        WorkqueueAttrs attrs;
        std::uint64_t version;
        {
            RawGuard guard(lock_);
            attrs = attrs_;
            version = attrs_version_;
        }
        change(attrs);
        if (attrs.nice < -20 || attrs.nice > 19)
            throw InvalidArgument("nice=" + std::to_string(attrs.nice) + " is out of range: allowed are -20 to 19");
        const CpuMask all = CpuMask::first_n(domain_.nr_cpus);
        if (attrs.cpumask.empty()) attrs.cpumask = all;
        if (!((attrs.cpumask & all) == attrs.cpumask))
            throw InvalidArgument("cpumask=" + attrs.cpumask.to_list() + " names CPUs that machine '" + domain_.name +
                                  "' does not have: allowed are 0 to " + std::to_string(domain_.nr_cpus - 1));
        require_open("apply_workqueue_attrs");
        might_sleep(domain_.self(), "apply_workqueue_attrs");
        if (update_pools(attrs, version)) return;
    }
}

void Workqueue::refresh_pools() {
    for (bool done = false; !done;) {
        WorkqueueAttrs attrs;
        std::uint64_t version;
        {
            RawGuard guard(lock_);
            attrs = attrs_;
            version = attrs_version_;
        }
        done = update_pools(attrs, version);
    }
}

// A worker pool is made without a lock of the workqueue: that starts a thread.
bool Workqueue::update_pools(const WorkqueueAttrs& attrs, std::uint64_t version) {
    const unsigned cpu_changes = subsystem_.cpu_changes();
    // As Linux numbers them: first the pool of the whole mask, which serves ordered workqueues, then the pods.
    WorkerPool& whole = subsystem_.unbound_pool(attrs, attrs.cpumask);
    std::vector<PoolWorkqueue*> fresh;
    for (unsigned cpu = 0; cpu < (ordered() ? 1 : domain_.nr_cpus); ++cpu) {
        CpuMask pod = domain_.topology.pod(attrs.scope, cpu) & attrs.cpumask;
        bool online = false;
        for (unsigned c = pod.first(); c < domain_.nr_cpus; c = pod.next(c + 1)) online = online || domain_.online(c);
        WorkerPool& pool = ordered() || !online ? whole : subsystem_.unbound_pool(attrs, pod);
        fresh.push_back(subsystem_.new_pwq(pool, *this, node_for(pool)));
    }
    RawGuard guard(lock_);
    if (attrs_version_ != version || subsystem_.cpu_changes() != cpu_changes) {
        for (PoolWorkqueue* pwq : fresh) subsystem_.free_pwq(pwq);
        return false;
    }
    ++attrs_version_;
    attrs_ = attrs;
    for (unsigned cpu = 0; cpu < fresh.size(); ++cpu) install(cpu, *fresh[cpu]);
    if (ordered()) unplug_oldest();
    prune();
    adjust_limits();
    return true;
}

// Under lock_.
void Workqueue::install(unsigned cpu, PoolWorkqueue& fresh) {
    PoolWorkqueue* old = route_[cpu].load();
    if (old != nullptr && old->pool == fresh.pool) {
        subsystem_.free_pwq(&fresh);
        return;
    }
    fresh.work_color = work_color_;
    fresh.max_active = frozen_ ? 0 : max_active_.get();
    fresh.plugged = ordered() && old != nullptr;
    const unsigned last = ordered() ? domain_.nr_cpus : cpu + 1;
    const auto reroute = [&] {
        for (unsigned c = cpu; c < last; ++c) route_[c].store(&fresh);
    };
    if (old != nullptr) {
        RawGuard guard(old->pool->lock);
        old->superseded = true;
        reroute();
    } else {
        reroute();
    }
    pwqs_.push_back(&fresh);
}

// Under lock_. Of an ordered workqueue: the oldest pool workqueue that has items goes on, the later ones wait.
void Workqueue::unplug_oldest() {
    for (PoolWorkqueue* pwq : pwqs_) {
        RawGuard guard(pwq->pool->lock);
        if (pwq->plugged) {
            pwq->plugged = false;
            pwq->activate_one();
            pwq->pool->kick();
        }
        if (pwq->busy()) return;
    }
}

// Under lock_: what is out of use and empty goes back.
void Workqueue::prune() {
    std::erase_if(pwqs_, [&](PoolWorkqueue* pwq) {
        {
            RawGuard guard(pwq->pool->lock);
            if (!pwq->superseded || pwq->busy() || pwq->calls || pwq->flush_color != -1) return false;
            for (auto count : pwq->nr_in_flight)
                if (count != 0) return false;
            pwq->add_to(past_);
        }
        subsystem_.free_pwq(pwq);
        return true;
    });
}

NodeActive* Workqueue::node_for(const WorkerPool& pool) noexcept {
    if (nodes_.empty()) return nullptr;
    const int node = domain_.topology.common_node(pool.limits.preferred);
    return nodes_[node < 0 ? nodes_.size() - 1 : static_cast<unsigned>(node)].get();
}

// Under lock_. The limit is split among the nodes by their CPUs; items without a node have all of it.
void Workqueue::limit_nodes(int limit) {
    if (nodes_.empty()) return;
    std::vector<int> cpus(nodes_.size(), 0);
    int total = 0;
    for (unsigned cpu = attrs_.cpumask.first(); cpu < domain_.nr_cpus; cpu = attrs_.cpumask.next(cpu + 1)) {
        if (!domain_.online(cpu)) continue;
        ++cpus[domain_.topology.node_of(cpu)];
        ++total;
    }
    const int least = std::min(limit, min_active_.get());
    for (unsigned node = 0; node < nodes_.size(); ++node) {
        const bool none = node + 1 == nodes_.size() || total == 0;
        RawGuard guard(nodes_[node]->lock);
        nodes_[node]->max = none ? limit : std::clamp((limit * cpus[node] + total - 1) / total, least, limit);
    }
}

// An item left, and the next one in line waits in another pool. CONTEXT: no lock held.
void Workqueue::start_held_back() {
    if (ordered()) {
        RawGuard guard(lock_);
        unplug_oldest();
    }
    for (auto& node : nodes_) {
        for (;;) {
            PoolWorkqueue* next = nullptr;
            WorkerPool* pool = nullptr;
            {
                RawGuard guard(node->lock);
                ListNode* first = node->nr < node->max ? node->pending_pwqs.front() : nullptr;
                if (first == nullptr) break;
                next = container_of(first, &PoolWorkqueue::pending_node);
                pool = next->pool;
            }
            RawGuard guard(pool->lock);
            {
                RawGuard node_guard(node->lock);
                // Or somebody else was quicker.
                if (next->pool != pool || next->node != node.get() || !next->pending_node.linked()) continue;
                if (node->nr >= node->max) break;
                next->take_turn();
            }
            pool->kick();
        }
    }
    advancing_.fetch_sub(1);
}

std::vector<PoolWorkqueue*> Workqueue::pool_workqueues() const {
    RawGuard guard(lock_);
    return pwqs_;
}

WorkerPool& Workqueue::pool_of(unsigned cpu) const {
    if (route_ != nullptr) return *route_[cpu].load()->pool;
    return *pwqs_[pwqs_.size() == 1 ? 0 : cpu]->pool;
}

bool Workqueue::queue_node(Work& work, int node) {
    if (!attributed())
        throw MisuseError("queue-node-bound", "queue_work_node('" + name_ + "'): only an unbound workqueue has nodes");
    const unsigned nodes = domain_.topology.nodes();
    if (node < 0 || static_cast<unsigned>(node) >= nodes)
        throw InvalidArgument("node=" + std::to_string(node) + " is no node of machine '" + domain_.name +
                              "': allowed are 0 to " + std::to_string(nodes - 1));
    const auto on_node = [&](unsigned cpu) {
        return domain_.online(cpu) && domain_.topology.node_of(cpu) == static_cast<unsigned>(node);
    };
    const auto here = static_cast<unsigned>(domain_.self().cpu.load(std::memory_order_relaxed));
    if (on_node(here)) return queue(work, static_cast<int>(here));
    for (unsigned cpu = 0; cpu < domain_.nr_cpus; ++cpu)
        if (on_node(cpu)) return queue(work, static_cast<int>(cpu));
    return queue(work);
}

}  // namespace bottomhalf
