// Virtual time as Python drives it.
#include "simulated.hpp"

#include <string_view>
#include <unordered_map>

#include "arguments.hpp"
#include "interrupt.hpp"
#include "thread_state.hpp"

namespace bh_python {

namespace {

// m.at(): a call of the user's in hard-interrupt context. GIL: the reference is the machine's until the call.
void device(void* fn) {
    PyObject* const function = static_cast<PyObject*>(fn);
    PyObject* result = enter_python([&] { return PyObject_CallNoArgs(function); });
    if (result == nullptr) {
        Task* task = current_task();
        Py_XDECREF(report_handler_error(function, task != nullptr ? task->domain.load() : nullptr));
    }
    Py_XDECREF(result);
}

// --- Python code that may lose the CPU between two lines or opcodes ---

enum class Granularity : unsigned { none, line, opcode };
// GIL: machines that ask for it, and where code is not the user's.
std::unordered_map<const Domain*, Granularity> g_granularity;
std::vector<std::string> g_not_users;
// GIL: by code object, whether it is the user's; they are kept alive.
std::unordered_map<PyCodeObject*, bool> g_code;

bool is_users(PyCodeObject* code) {
    auto [it, added] = g_code.try_emplace(code, true);
    if (!added) return it->second;
    Py_INCREF(code);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    if (file == nullptr) {
        PyErr_Clear();
        return it->second = false;
    }
    const std::string_view name(file);
    for (const std::string& prefix : g_not_users)
        if (name.starts_with(prefix)) it->second = false;
    if (name.starts_with("<frozen")) it->second = false;
    return it->second;
}

int may_lose_cpu(PyObject* opcodes, PyFrameObject* frame, int what, PyObject*) {
    if (what != PyTrace_CALL && what != PyTrace_LINE && what != PyTrace_OPCODE) return 0;
    PyCodeObject* code = PyFrame_GetCode(frame);
    const bool users = is_users(code);
    Py_DECREF(code);
    if (what == PyTrace_CALL) {
        if (users && opcodes == Py_True)
            return PyObject_SetAttrString(reinterpret_cast<PyObject*>(frame), "f_trace_opcodes", Py_True);
        return 0;
    }
    if (!users || (what == PyTrace_LINE) == (opcodes == Py_True)) return 0;
    Task* task = current_task();
    Domain* domain = task != nullptr ? task->domain.load() : nullptr;
    if (domain == nullptr || !domain->simulated) return 0;
    return guarded([&] {
               domain->substrate->preemption_point(*task);
               return Py_None;
           }) == nullptr
               ? -1
               : 0;
}

template <class F>
auto run_simulated(py::handle machine, const char* call, F&& fn) {
    Machine& m = machine_of(machine.ptr());
    m.domain().require_alive();
    SimulatedSubstrate& substrate = m.simulated(call);
    MachineHold hold(&m.domain());
    SignalScope signals(m.domain());
    MaybeRelease release;
    return fn(substrate);
}

}  // namespace

void trace_python(Task& task) {
    if (g_granularity.empty()) [[likely]]
        return;
    auto it = g_granularity.find(task.domain.load());
    if (it == g_granularity.end()) return;
    PyEval_SetTrace(may_lose_cpu, it->second == Granularity::opcode ? Py_True : Py_False);
}

void register_simulated(py::module_& m) {
    register_stalls(m);
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&device), plain_gate());
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
        s.set_max_steps(steps == 0 ? SimulatedSubstrate::kUnlimited : steps);
    });
    // Of the calling task from now on, and of all tasks that begin later. granularity: 1 line, 2 opcode, 0: off again.
    m.def("_sim_preempt_python", [](py::object machine, unsigned granularity, std::vector<std::string> not_users) {
        Domain& domain = machine_of(machine.ptr()).domain();
        if (granularity == 0) {
            if (g_granularity.erase(&domain) != 0) PyEval_SetTrace(nullptr, nullptr);
            return;
        }
        g_not_users = std::move(not_users);
        g_granularity[&domain] = static_cast<Granularity>(granularity);
        trace_python(domain.self());
    });
    m.def("_sim_counters", [](py::object machine) {
        const auto& c = machine_of(machine.ptr()).simulated("counters").counters();
        return py::make_tuple(c.steps, c.switches, c.interrupts, c.preemptions, c.started, c.points);
    });
}

}  // namespace bh_python
