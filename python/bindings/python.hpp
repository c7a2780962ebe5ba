// What every binding file shares: the gate (the GIL), waits that let it go and serve Ctrl-C, and the objects behind the
// Python types. Bindings translate; they decide nothing.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cxxabi.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "bottomhalf/machine/machine.hpp"

namespace bh_python {

namespace py = pybind11;
using namespace bottomhalf;

// --- machines ---

// The Python machine object behind a domain (borrowed), or null. GIL held.
PyObject* machine_object(Domain& domain) noexcept;
// The machine of the running handler, else the innermost `with` of this thread, else the activated one, else the
// default host machine, booted on first use. Throws MachineHalted when it is halted.
Machine& current_machine();
py::object current_machine_object();
// Keeps a machine alive across a call that lets the GIL go.
class MachineHold {
public:
    explicit MachineHold(Domain* domain) noexcept;
    ~MachineHold() { Py_XDECREF(object_); }
    MachineHold(const MachineHold&) = delete;
    MachineHold& operator=(const MachineHold&) = delete;

private:
    PyObject* object_ = nullptr;
};
// The domain an item last belonged to, or null. GIL held.
Domain* domain_of(const Work& work) noexcept;

// --- the gate ---

Gate* gil_gate() noexcept;
// The calling Python thread serves signals while it waits (Python's main thread), during this scope.
class SignalScope {
public:
    explicit SignalScope(Domain& domain);
    ~SignalScope();
    SignalScope(const SignalScope&) = delete;
    SignalScope& operator=(const SignalScope&) = delete;

private:
    Task* task_;
    Interrupter* before_;
};

// Is the interpreter on its way out? CONTEXT: any; without the GIL a hint.
inline bool finalising() noexcept {
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
}

// Throws MachineHalted then: on whichever fiber, Python ends a thread that comes with a thread state of its own.
void refuse_when_finalising();

// Takes the GIL back for a thread that let it go. A thread that comes back when the interpreter is already finalising
// would be ended by force inside, among C++ frames that must not be unwound so: it stays where it is until the process
// ends, as CPython itself does from 3.14 on.
void take_gil_back(PyThreadState* state);
// Lets the GIL go when `wanted`: before a call that may pass the gate itself, or wait for somebody who holds it.
class MaybeRelease {
public:
    explicit MaybeRelease(bool wanted = true) : state_(wanted ? PyEval_SaveThread() : nullptr) {}
    ~MaybeRelease() {
        if (state_ != nullptr) take_gil_back(state_);
    }
    MaybeRelease(const MaybeRelease&) = delete;
    MaybeRelease& operator=(const MaybeRelease&) = delete;

private:
    PyThreadState* state_;
};

// How the C library unwinds a thread that it ends by force.
#ifdef __GLIBCXX__
using ForcedUnwind = abi::__forced_unwind;
#else
struct ForcedUnwind {};  // that library has no name for it
#endif

// A user's function, called by the engine. A finalising interpreter ends a daemon thread by force, unwinding it; but
// what lies behind this call, perhaps on the stack of a simulated task, must not be unwound so: the thread stays where
// it is until the process ends.
template <class F>
PyObject* enter_python(F&& call) {
    try {
        return call();
    } catch (ForcedUnwind&) {
        for (;;) pause();
    }
}

// timeout=None or seconds. Throws ValueError/TypeError (error_already_set).
double timeout_seconds(py::handle timeout);  // negative: none
// Runs fn(deadline) without the GIL. TimedOut becomes TimeoutError; Interrupted becomes the pending signal's exception.
template <class F>
auto wait_without_gil(Domain& domain, py::handle timeout, F&& fn) {
    const double limit = timeout_seconds(timeout);
    SignalScope signals(domain);
    MaybeRelease release;
    return fn(deadline_after(domain, limit));
}

// --- errors ---

// Sets the Python error for a C++ exception that is being handled (for C slots; pybind11 does it by itself elsewhere).
void set_python_error() noexcept;
template <class F>
PyObject* guarded(F&& fn) noexcept {
    try {
        return fn();
    } catch (...) {
        set_python_error();
        return nullptr;
    }
}
// An exception that left a handler: sys.unraisablehook, the machine's errors. The Python error is set; it is fetched
// and cleared. Returns a new reference to the exception. GIL held.
PyObject* report_handler_error(PyObject* source, Domain* domain) noexcept;

inline py::tuple cpu_tuple(const CpuMask& mask) {
    py::list cpus;
    for (unsigned cpu = mask.first(); cpu < kMaxCpus; cpu = mask.next(cpu + 1)) cpus.append(cpu);
    return py::tuple(cpus);
}

double check_delay(PyObject* value, const char* argument);  // throws
int check_cpu_argument(PyObject* value);                    // None: kCpuUnbound; throws

// Refuses a callable that cannot take `positional` arguments (throws TypeError). GIL held.
void check_callable(PyObject* func, int positional, const char* what);

// --- registration, one function a file ---
void register_errors(py::module_& m);
void register_gate(py::module_& m);
void register_machine(py::module_& m);
void register_work(py::module_& m);
void register_workqueue(py::module_& m);
void register_rcu_work(py::module_& m);
void register_future(py::module_& m);
void register_tasklet(py::module_& m);
void register_timer(py::module_& m);
void register_irq(py::module_& m);
void register_gpio(py::module_& m);
void register_sync(py::module_& m);
void register_context(py::module_& m);
void register_trace(py::module_& m);
void register_watchdog(py::module_& m);
void register_loader(py::module_& m);

// The calls of a thread state, outermost first, appended a line each. GIL held.
void python_backtrace(const void* state, std::vector<std::string>& lines);
std::string show_all_workqueues(Machine& machine);

// Attaches plain C methods to a pybind11 class: a call costs 10 ns instead of 100 to 145.
void attach_methods(py::handle type, PyMethodDef* methods);

}  // namespace bh_python
