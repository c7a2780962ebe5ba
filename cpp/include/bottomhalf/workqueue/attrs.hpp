// What decides which pools serve an unbound workqueue (Linux: struct workqueue_attrs).
#pragma once

#include "bottomhalf/sched/topology.hpp"

namespace bottomhalf {

struct WorkqueueAttrs {
    int nice = 0;     // of its workers, -20 to 19
    CpuMask cpumask;  // where its items may run; empty: all CPUs
    // Items of the CPUs of one pod are served by one pool. Strict: its workers never leave the pod; else they begin
    // there, and may leave it while there is no room.
    AffinityScope scope = AffinityScope::cache;
    bool strict = false;
    bool operator==(const WorkqueueAttrs&) const noexcept = default;
};

}  // namespace bottomhalf
