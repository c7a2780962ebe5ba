// The host substrate: threads of the operating system, real time.
#pragma once

#include <memory>

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

std::unique_ptr<Substrate> make_host_substrate(Domain& domain);
// The CPUs this process may use.
unsigned host_cpus() noexcept;

}  // namespace bottomhalf
