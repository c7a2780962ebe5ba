// The pools of a CPU that goes away or comes back (Linux: workqueue_offline_cpu, workqueue_online_cpu).
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

// Pods that have lost their last CPU, or have one again, and the limits of nodes.
void WorkqueueSubsystem::update_unbound() {
    cpu_changes_.fetch_add(1u);
    for (auto& wq : workqueues())
        if (wq->attributed()) wq->refresh_pools();
}

void WorkqueueSubsystem::cpu_down(unsigned cpu) {
    for_each_pool([cpu](WorkerPool& pool) {
        if (pool.kind == PoolKind::bound && pool.cpu == static_cast<int>(cpu)) pool.unbind();
    });
    update_unbound();
}

void WorkqueueSubsystem::cpu_up(unsigned cpu) {
    for_each_pool([cpu](WorkerPool& pool) {
        if (pool.kind == PoolKind::bound && pool.cpu == static_cast<int>(cpu)) pool.rebind();
    });
    update_unbound();
}

}  // namespace bottomhalf
