// Virtual time as Python drives it.
#include "simulated.hpp"

#include "arguments.hpp"
#include "interrupt.hpp"
#include "thread_state.hpp"

namespace bh_python {

namespace {

// m.at(): a call of the user's in hard-interrupt context. GIL: the reference is the machine's until the call.
void device(void* fn) {
    PyObject* const function = static_cast<PyObject*>(fn);
    PyObject* result = PyObject_CallNoArgs(function);
    if (result == nullptr) {
        Task* task = current_task();
        Py_XDECREF(report_handler_error(function, task != nullptr ? task->domain.load() : nullptr));
    }
    Py_XDECREF(result);
}

template <class F>
auto run_simulated(py::handle machine, const char* call, F&& fn) {
    Machine& m = machine_of(machine.ptr());
    m.domain().require_alive();
    SimulatedSubstrate& substrate = m.simulated(call);
    MachineHold hold(&m.domain());
    SignalScope signals(m.domain());
    py::gil_scoped_release release;
    return fn(substrate);
}

}  // namespace

void register_simulated(py::module_& m) {
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&device), plain_gate());
    py::class_<ScheduleMaker, std::shared_ptr<ScheduleMaker>>(m, "_Schedule");
    m.def("_sim_at", [](py::object machine, Nanoseconds when, unsigned cpu, py::object fn) {
        Machine& target = machine_of(machine.ptr());
        target.domain().require_alive();
        target.at(when, cpu, &device, fn.ptr());
    });
    m.def("_sim_run_until", [](py::object machine, Nanoseconds when) {
        run_simulated(machine, "run", [&](SimulatedSubstrate& s) { s.run_until(when); });
    });
    m.def("_sim_run_idle", [](py::object machine, Nanoseconds limit) {
        Machine& target = machine_of(machine.ptr());
        return run_simulated(machine, "run", [&](SimulatedSubstrate&) { return target.run_until_idle(limit); });
    });
    m.def("_sim_run_quiet", [](py::object machine, Nanoseconds horizon) {
        run_simulated(machine, "settle", [&](SimulatedSubstrate& s) { s.run_until_quiet(horizon); });
    });
    m.def("_sim_run_instant", [](py::object machine) {
        return run_simulated(machine, "run", [&](SimulatedSubstrate& s) { return s.run_one_instant(); });
    });
    m.def("_sim_max_steps", [](py::object machine, std::uint64_t steps) {
        SimulatedSubstrate& s = machine_of(machine.ptr()).simulated("max_steps");
        s.set_max_steps(steps == 0 ? SimulatedSubstrate::kUnlimited : s.counters().steps + steps);
    });
    m.def("_sim_counters", [](py::object machine) {
        const auto& c = machine_of(machine.ptr()).simulated("counters").counters();
        return py::make_tuple(c.steps, c.switches, c.interrupts, c.preemptions, c.started);
    });
}

}  // namespace bh_python
