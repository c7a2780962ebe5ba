// The pools of a CPU that goes away or comes back (Linux: workqueue_offline_cpu, workqueue_online_cpu).
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

void WorkqueueSubsystem::cpu_down(unsigned cpu) {
    for_each_pool([cpu](WorkerPool& pool) {
        if (pool.kind == PoolKind::bound && pool.cpu == static_cast<int>(cpu)) pool.unbind();
    });
}

void WorkqueueSubsystem::cpu_up(unsigned cpu) {
    for_each_pool([cpu](WorkerPool& pool) {
        if (pool.kind == PoolKind::bound && pool.cpu == static_cast<int>(cpu)) pool.rebind();
    });
}

}  // namespace bottomhalf
