// Handlers of simulated machines that block for real: what the watcher found, as Python sees it.
#include "simulated.hpp"

#include <cstdio>

#include "bottomhalf/sched/host/stall_watch.hpp"

namespace bh_python {

namespace {

using bottomhalf::stall_watch::Stall;

// GIL held: does whoever waits for that futex want the GIL? Its waiters wait in neighbouring words.
bool is_gil(std::uint64_t futex) {
    if (futex == 0) return false;
    const auto probe = [] { PyGILState_Release(PyGILState_Ensure()); };
    constexpr std::uint64_t neighbours = 255;
    return (stall_watch::wait_of(probe) & ~neighbours) == (futex & ~neighbours);
}

std::string describe(const Stall& stall) {
    const Task& task = *stall.task;
    Domain& domain = *task.domain.load();
    const Worker* worker = task.worker;
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.1f", static_cast<double>(stall.lasts) / 1e9);
    std::string who = std::string("task ") + task.name;
    if (worker != nullptr && worker->current_work != nullptr)
        who = "item " + describe_function(domain, worker->current_work, worker->current_func) + " on " + task.name;
    return "a handler blocks for real: " + who + " of the simulated machine '" + domain.name +
           "' has waited in the operating system for " + seconds +
           " s of real time (time.sleep, a lock of threading, a socket, a queue?), and the whole machine with it: its "
           "time stands still, and a task that is to end the wait cannot run; use bottomhalf.sleep, bottomhalf.Mutex "
           "or "
           "bottomhalf.Completion, or bottomhalf.testing.virtual_stdlib() for code that cannot be changed";
}

// GIL held, so the thread that is stuck stays where it is until it is let go below.
void tell(const Stall& stall) {
    Domain& domain = *stall.task->domain.load();
    const std::string text = describe(stall);
    domain.log.write(domain.now(), LogLevel::warning, text);
    auto* state = static_cast<PyThreadState*>(stall.task->gate_state);
    PyObject* frame = state != nullptr ? reinterpret_cast<PyObject*>(PyThreadState_GetFrame(state)) : nullptr;
    PyObject* module = PyImport_ImportModule("bottomhalf._stalls");
    PyObject* done = module == nullptr ? nullptr
                                       : PyObject_CallMethod(module, "report", "sO", text.c_str(),
                                                             frame != nullptr ? frame : Py_None);
    if (done == nullptr) PyErr_WriteUnraisable(module);
    Py_XDECREF(done);
    Py_XDECREF(module);
    Py_XDECREF(frame);
}

bool report(const Stall& stall) {
    if (finalising()) return true;
    const PyGILState_STATE gil = PyGILState_Ensure();
    bool judged = true;
    if (stall.still()) {
        const std::uint64_t waits = stall_watch::waits_for(stall.shown->thread);
        judged = waits != stall_watch::kRunning && !is_gil(waits);
        if (judged) tell(stall);
    }
    PyGILState_Release(gil);
    return judged;
}

}  // namespace

void register_stalls(py::module_& m) {
    stall_watch::set_reporter(&report);
    // After how many seconds a handler counts as stuck; for tests.
    m.def("_stall_patience",
          [](double seconds) { stall_watch::set_patience(static_cast<Nanoseconds>(seconds * 1e9)); });
}

}  // namespace bh_python
