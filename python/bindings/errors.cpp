// C++ exceptions as Python ones.
#include "python.hpp"
#include "simulated.hpp"

namespace bh_python {

namespace {

struct Errors {
    PyObject *base, *misuse, *unbalanced, *atomic, *deadlock, *budget, *destroyed, *draining, *full, *halted,
        *wrong_thread, *unsupported, *replay, *exit;
} g;

PyObject* make(py::module_& m, const char* name, const char* doc, PyObject* base) {
    PyObject* type = PyErr_NewExceptionWithDoc((std::string("bottomhalf.") + name).c_str(), doc, base, nullptr);
    if (type == nullptr) throw py::error_already_set();
    m.attr(name) = py::reinterpret_borrow<py::object>(type);
    return type;
}

void set_misuse(PyObject* type, const MisuseError& e) {
    py::object exception = py::reinterpret_borrow<py::object>(type)(e.what());
    exception.attr("rule") = e.rule();
    PyErr_SetObject(type, exception.ptr());
}

void translate(std::exception_ptr p) {
    try {
        std::rethrow_exception(p);
    } catch (const UnbalancedEnable& e) {
        set_misuse(g.unbalanced, e);
    } catch (const MisuseError& e) {
        set_misuse(g.misuse, e);
    } catch (const SchedulingWhileAtomic& e) {
        PyErr_SetString(g.atomic, e.what());
    } catch (const DeadlockError& e) {
        PyErr_SetString(g.deadlock, e.what());
    } catch (const BudgetExceeded& e) {
        PyErr_SetString(g.budget, e.what());
    } catch (const WorkqueueDestroyed& e) {
        PyErr_SetString(g.destroyed, e.what());
    } catch (const WorkqueueDraining& e) {
        PyErr_SetString(g.draining, e.what());
    } catch (const QueueFull& e) {
        PyErr_SetString(g.full, e.what());
    } catch (const MachineHalted& e) {
        PyErr_SetString(g.halted, e.what());
    } catch (const WrongThread& e) {
        PyErr_SetString(g.wrong_thread, e.what());
    } catch (const Unsupported& e) {
        PyErr_SetString(g.unsupported, e.what());
    } catch (const TimedOut& e) {
        PyErr_SetString(PyExc_TimeoutError, e.what());
    } catch (const Interrupted& e) {
        // The handler of the signal raised (KeyboardInterrupt, say) when the wait asked; it is pending in this thread.
        if (!PyErr_Occurred() && PyErr_CheckSignals() == 0) PyErr_SetString(PyExc_KeyboardInterrupt, e.what());
    } catch (const MachineExit&) {
        PyErr_SetString(g.exit, "the machine is halting");
    } catch (const InvalidArgument& e) {
        PyErr_SetString(PyExc_ValueError, e.what());
    } catch (const Error& e) {
        PyErr_SetString(g.base, e.what());
    }
}

}  // namespace

void set_python_error() noexcept {
    try {
        throw;
    } catch (py::error_already_set& e) {
        e.restore();
    } catch (py::builtin_exception& e) {
        e.set_error();
    } catch (...) {
        try {
            translate(std::current_exception());
        } catch (const std::bad_alloc&) {
            PyErr_NoMemory();
        } catch (const std::exception& e) {
            PyErr_SetString(PyExc_RuntimeError, e.what());
        }
    }
}

void register_errors(py::module_& m) {
    g.base = make(m, "BottomHalfError", "Base class of the engine's errors.", PyExc_RuntimeError);
    g.misuse =
        make(m, "MisuseError",
             "A call that Linux warns about. The operation has not happened; rule is a short stable id.", g.base);
    PyObject_SetAttrString(g.misuse, "rule", py::str("misuse").ptr());
    g.unbalanced = make(m, "UnbalancedEnable", "An enable() without a disable() before it.", g.misuse);
    g.atomic = make(m, "SchedulingWhileAtomic",
                    "A call that may sleep, made where nothing may sleep: an interrupt, a softirq, under a spin lock.",
                    g.base);
    g.deadlock = make(m, "DeadlockError", "A wait that could never end; the text names the chain.", g.base);
    g.budget = make(m, "BudgetExceeded", "A simulated machine took more steps or time than it was given.", g.base);
    g.destroyed = make(m, "WorkqueueDestroyed", "The workqueue was destroyed.", g.base);
    g.draining = make(m, "WorkqueueDraining", "The workqueue drains: only its own items may queue on it.", g.base);
    g.full = make(m, "QueueFull", "As many items as its queue_depth allows wait in the workqueue.", g.base);
    g.halted =
        make(m, "MachineHalted", "A call on a machine that is halted, or belongs to the parent of a fork.", g.base);
    g.wrong_thread = make(m, "WrongThread", "A simulated machine was used from a thread that did not boot it.", g.base);
    g.unsupported = make(m, "Unsupported", "This kind of machine, or this build, cannot do that.", g.base);
    g.replay = make(m, "ReplayMismatch", "A replayed schedule did not fit the program.", g.base);
    g.exit = make(m, "MachineExit", "Raised in whatever still waits when its machine halts.", PyExc_BaseException);
    py::register_exception_translator([](std::exception_ptr p) {
        if (p) translate(p);
    });
    // MachineExit derives from nothing, so the general translators do not see it.
    py::register_exception_translator([](std::exception_ptr p) {
        try {
            if (p) std::rethrow_exception(p);
        } catch (const MachineExit&) {
            PyErr_SetString(g.exit, "the machine is halting");
        }
    });
}

PyObject* report_handler_error(PyObject* source, Domain* domain) noexcept {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != nullptr) PyException_SetTraceback(value, traceback);
    if (value == nullptr) value = Py_NewRef(Py_None);
    if (PyErr_GivenExceptionMatches(value, g.exit)) {
        Py_XDECREF(type);
        Py_XDECREF(traceback);
        return value;
    }
    const bool ends_program = PyErr_GivenExceptionMatches(value, PyExc_KeyboardInterrupt) != 0 ||
                              PyErr_GivenExceptionMatches(value, PyExc_SystemExit) != 0;
    if (domain != nullptr && ends_program && domain->simulated) {
        stop_simulated(*domain, type, Py_NewRef(value), traceback);
        return value;
    }
    if (domain != nullptr) {
        if (PyObject* machine = machine_object(*domain)) {
            PyObject* result = PyObject_CallMethod(machine, "_handler_error", "OO", source, value);
            if (result == nullptr) PyErr_Clear();
            const bool taken = result == Py_True;
            Py_XDECREF(result);
            if (taken) {
                Py_XDECREF(type);
                Py_XDECREF(traceback);
                return value;
            }
        }
    }
    Py_INCREF(value);
    PyErr_Restore(type, value, traceback);
    PyErr_WriteUnraisable(source);
    return value;
}

double timeout_seconds(py::handle timeout) {
    if (!timeout || timeout.is_none()) return -1;
    const double seconds = PyFloat_AsDouble(timeout.ptr());
    if (seconds == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        throw py::type_error("timeout must be a number of seconds or None, not " +
                             std::string(Py_TYPE(timeout.ptr())->tp_name));
    }
    if (!(seconds >= 0))
        throw py::value_error("timeout=" + py::str(timeout).cast<std::string>() +
                              " is out of range: seconds from 0, or None to wait for ever");
    return seconds;
}

double check_delay(PyObject* value, const char* argument) {
    const double seconds = PyFloat_AsDouble(value);
    if (seconds == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        throw py::type_error(std::string(argument) + " must be a number of seconds, not " + Py_TYPE(value)->tp_name);
    }
    if (!(seconds >= 0))
        throw py::value_error(std::string(argument) + "=" + py::str(py::handle(value)).cast<std::string>() +
                              " is out of range: seconds from 0");
    return seconds;
}

int check_cpu_argument(PyObject* value) {
    if (value == nullptr || value == Py_None) return kCpuUnbound;
    const long cpu = PyLong_AsLong(value);
    if (cpu == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            throw py::type_error(std::string("cpu must be a CPU number or None, not ") + Py_TYPE(value)->tp_name);
        }
        throw py::error_already_set();
    }
    if (cpu < 0 || cpu > INT_MAX)
        throw InvalidArgument("cpu=" + std::to_string(cpu) +
                              " is not a CPU: allowed are 0 to the machine's last, or None");
    return static_cast<int>(cpu);
}

void attach_methods(py::handle type, PyMethodDef* methods) {
    for (PyMethodDef* method = methods; method->ml_name != nullptr; ++method) {
        PyObject* descriptor = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), method);
        if (descriptor == nullptr) throw py::error_already_set();
        py::setattr(type, method->ml_name, py::reinterpret_steal<py::object>(descriptor));
    }
}

}  // namespace bh_python
