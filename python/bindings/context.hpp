// Sections and tasks: what machine.cpp binds as methods of Machine.
#pragma once

#include "python.hpp"

namespace bh_python {

// Context managers.
py::object bh_off_section(Machine& machine);    // local_bh_disable .. local_bh_enable
py::object irqs_off_section(Machine& machine);  // local_irq_save .. local_irq_restore
py::object on_cpu_section(Machine& machine, unsigned cpu);
py::object rcu_read_section(Machine& machine);  // the caller counts as running there

// bottomhalf.Task of a started fn(*args). cpu: a CPU it is bound to, or kCpuUnbound. name: str or None.
py::object spawn_object(Machine& machine, py::object fn, py::args args, int cpu, py::object name);
// Snapshots of every task of the machine.
py::list task_list(Machine& machine);
py::object task_object(Task& task);

// GIL held. local_bh_disable and friends for a task: the GIL is let go only where the call may wait or run callbacks.
void section_bh_off(Task& self);
void section_bh_on(Task& self);
void section_irqs_off(Task& self);
void section_irqs_on(Task& self);

void register_task(py::module_& m);
void register_sections(py::module_& m);  // called by register_context

}  // namespace bh_python
