// The tasks that modules start.
#pragma once

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

// Linux: wake_up_process of a task that a module started: 1 when it slept or had not begun, 0 when not, also when it
// has ended. -1: it is none of those.
int wake_kthread(Domain& domain, const Task* task);
// A task goes to a CPU and stays there: at once when it is the caller, else before it goes on.
void bind_task(Domain& domain, Task& task, int cpu);

}  // namespace bottomhalf::linux_api
