// The host substrate: threads of the operating system, real time.
#pragma once

#include <memory>

#include "bottomhalf/sched/topology.hpp"

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

std::unique_ptr<Substrate> make_host_substrate(Domain& domain);
std::unique_ptr<Watcher> make_host_watcher(Detection wanted);
// The futex that the thread waits for at this moment, or 0: how a gate learns what a wait for it looks like.
std::uintptr_t futex_waited_for(int tid) noexcept;
// The CPUs this process may use.
unsigned host_cpus() noexcept;

// As the system tells it.
Topology host_topology(unsigned cpus);

}  // namespace bottomhalf
