// The simulated substrate: fibers in the booter's thread, virtual time. All that most of the house needs of it.
#pragma once

#include <memory>

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

// The machine belongs to the calling thread.
std::unique_ptr<Substrate> make_simulated_substrate(Domain& domain);

}  // namespace bottomhalf
