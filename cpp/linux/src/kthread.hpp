// The tasks that modules start.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

// Linux: wake_up_process of a task that a module started: 1 when it slept or had not begun, 0 when not, also when it
// has ended. -1: it is none of those.
int wake_kthread(Domain& domain, const Task* task);
// Linux: kthread_create. RETURNS: the task, which does not begin before it is woken, or a negative error number.
Task* create_kthread(const char* call, int (*function)(void*), void* data, const std::string& name, int cpu);
// A task goes to a CPU and stays there: at once when it is the caller, else before it goes on.
void bind_task(Domain& domain, Task& task, int cpu);

// One that has not ended: for who unloads the module that its function is in.
struct RunningKthread {
    std::string name;
    int (*function)(void*);
    void* data;
    std::function<void()> ask_to_stop;  // as kthread_stop, without waiting. CONTEXT: any
};
std::vector<RunningKthread> running_kthreads(Domain& domain);

}  // namespace bottomhalf::linux_api
