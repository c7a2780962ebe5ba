// Jiffies as a variable of the machine, for modules that a macro of that name would not compile with.
#pragma once

#include <memory>

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf::linux_api {

// The variable, and what keeps it up to date as long as it is held: on a host machine a task that wakes at every
// jiffy, as Linux's tick does. CONTEXT: task of the machine that may sleep.
struct JiffiesVariable {
    const void* address = nullptr;
    std::shared_ptr<void> ticks;
};
JiffiesVariable jiffies_variable(Domain& domain);

}  // namespace bottomhalf::linux_api
