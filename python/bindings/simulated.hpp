// Simulated machines as Python drives them: their schedules and their virtual time.
#pragma once

#include "python.hpp"

#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bh_python {

// A schedule as Python describes it: makes one for each machine that is booted with it.
class ScheduleMaker {
public:
    virtual ~ScheduleMaker() = default;
    virtual std::unique_ptr<Schedule> make() = 0;
};

// A machine that Python knows. GIL held.
Machine& machine_of(PyObject* object);
std::shared_ptr<Machine> shared_machine(PyObject* object);
// KeyboardInterrupt or SystemExit left a handler: the machine stops, and its booter raises it. Steals the references.
void stop_simulated(Domain& domain, PyObject* type, PyObject* value, PyObject* traceback);

// Python code of the machine's tasks may lose the CPU at every line, or every opcode: sets this up for the attached
// thread state. GIL held.
void trace_python(Task& task);

void register_simulated(py::module_& m);
void register_schedules(py::module_& m);
void register_stalls(py::module_& m);

}  // namespace bh_python
