// What the files with raw C types share: arguments of METH_FASTCALL methods, and the slots all those types have.
#pragma once

#include "python.hpp"

#include <structmember.h>

#include <cstring>
#include <initializer_list>

#define BH_METHOD(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)), METH_FASTCALL | METH_KEYWORDS

namespace bh_python {

// At most two arguments, the first `positional` of them by position, all of them by name.
struct FastArguments {
    PyObject* values[2] = {nullptr, nullptr};

    void parse(const char* call, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames,
               std::initializer_list<const char*> names, Py_ssize_t positional) {
        if (nargs > positional) {
            PyErr_Format(PyExc_TypeError, "%s takes at most %zd positional arguments (%zd given)", call, positional,
                         nargs);
            throw py::error_already_set();
        }
        for (Py_ssize_t i = 0; i < nargs; ++i) values[i] = args[i];
        const Py_ssize_t named = kwnames == nullptr ? 0 : PyTuple_GET_SIZE(kwnames);
        for (Py_ssize_t k = 0; k < named; ++k) {
            PyObject* key = PyTuple_GET_ITEM(kwnames, k);
            PyObject** slot = nullptr;
            std::size_t i = 0;
            for (const char* name : names) {
                if (PyUnicode_CompareWithASCIIString(key, name) == 0) slot = &values[i];
                ++i;
            }
            if (slot == nullptr || *slot != nullptr) {
                PyErr_Format(PyExc_TypeError,
                             slot == nullptr ? "%s got an unexpected keyword argument '%U'"
                                             : "%s got multiple values for argument '%U'",
                             call, key);
                throw py::error_already_set();
            }
            *slot = args[nargs + k];
        }
    }
    PyObject* required(int i, const char* call, const char* name) const {
        if (values[i] == nullptr) throw py::type_error(std::string(call) + " misses its argument '" + name + "'");
        return values[i];
    }
};

// __copy__, __deepcopy__, __reduce__, __reduce_ex__ of what the engine's lists point to.
inline PyObject* refuse_to_copy(PyObject* self, PyObject*) {
    PyErr_Format(PyExc_TypeError,
                 "a %s cannot be copied or pickled: the engine points to this very object; make a new one instead",
                 Py_TYPE(self)->tp_name);
    return nullptr;
}
#define BH_NO_COPY                                                         \
    {"__reduce__", ::bh_python::refuse_to_copy, METH_NOARGS, nullptr},     \
        {"__reduce_ex__", ::bh_python::refuse_to_copy, METH_O, nullptr},   \
        {"__copy__", ::bh_python::refuse_to_copy, METH_NOARGS, nullptr}, { \
        "__deepcopy__", ::bh_python::refuse_to_copy, METH_O, nullptr       \
    }

// Makes the type and puts it into the module under its short name. Returns a reference that is never given back.
inline PyTypeObject* add_type(py::module_& m, PyType_Spec& spec) {
    PyObject* type = PyType_FromSpec(&spec);
    if (type == nullptr) throw py::error_already_set();
    m.attr(std::strrchr(spec.name, '.') + 1) = py::handle(type);
    return reinterpret_cast<PyTypeObject*>(type);
}

// Which machine an object belongs to: the one it joined at its last use from idle. It does not keep the machine alive.
// GIL: all members.
class Owner {
public:
    ~Owner() { Py_XDECREF(weak_); }
    // The machine, or null: never joined one, or it is gone.
    Machine* machine() const noexcept {
        if (weak_ == nullptr) return nullptr;
#if PY_VERSION_HEX >= 0x030d0000
        PyObject* object = nullptr;
        if (PyWeakref_GetRef(weak_, &object) != 1) return nullptr;
        Py_DECREF(object);  // whoever else holds it goes on doing so: the GIL is held
#else
        if (PyWeakref_GetObject(weak_) == Py_None) return nullptr;
#endif
        return machine_;
    }
    // The current machine, which the object belongs to from now on. Throws ValueError naming both machines when the
    // object is busy on another one (idle() is asked only then), MachineHalted.
    template <class Idle>
    Machine& join(Idle&& idle, const char* what) {
        // A handler of the machine: no need to ask which one is current.
        Task* task = current_task();
        if (task != nullptr && !task->adopted) {
            Machine* own = machine();
            if (own != nullptr && task->domain.load(std::memory_order_relaxed) == &own->domain()) {
                own->domain().require_alive();
                return *own;
            }
        }
        return join(current_machine(), idle, what);
    }
    // The machine it is on while that lives, else the current one: for calls that make no fresh use of the object.
    template <class Idle>
    Machine& machine_or_join(Idle&& idle, const char* what) {
        Machine* own = machine();
        return own != nullptr && !own->halted() ? *own : join(idle, what);
    }
    template <class Idle>
    Machine& join(Machine& current, Idle&& idle, const char* what) {
        current.domain().require_alive();
        Machine* own = machine();
        if (own == &current) return current;
        if (own != nullptr && !own->halted() && !idle())
            throw InvalidArgument(std::string(what) + " is in use on machine '" + own->name() +
                                  "', but the current machine is '" + current.name() +
                                  "': wait until it is idle, or make one for each machine");
        PyObject* object = machine_object(current.domain());
        if (object == nullptr) throw MachineHalted(message::halted(current.name()));
        PyObject* weak = PyWeakref_NewRef(object, nullptr);
        if (weak == nullptr) throw py::error_already_set();
        Py_XSETREF(weak_, weak);
        machine_ = &current;
        return current;
    }

private:
    PyObject* weak_ = nullptr;
    Machine* machine_ = nullptr;
};

// A part of one machine, for the whole of its life. GIL: all members.
struct PartOfMachine {
    Owner owner;
    std::string machine_name;

    void belong_to(Machine& machine, const char* what) {
        owner.join(machine, [] { return true; }, what);
        machine_name = machine.name();
    }
    // Throws MachineHalted.
    Machine& machine() const {
        Machine* m = owner.machine();
        if (m == nullptr) throw MachineHalted(message::halted(machine_name));
        m->domain().require_alive();
        return *m;
    }
};

// fire(cpu) for whoever plays the device, on the CPU named in an argument, None: the caller's. It is called without the
// GIL: handlers pass the gate themselves, and so do the softirqs they raise.
template <class Fire>
void fire_from_outside(Machine& machine, const py::object& cpu, Fire&& fire) {
    Domain& domain = machine.domain();
    const int named = check_cpu_argument(cpu.ptr());
    const unsigned target =
        named == kCpuUnbound ? static_cast<unsigned>(domain.self().cpu.load()) : domain.check_cpu(named, "cpu");
    MachineHold hold(&domain);
    MaybeRelease release(true);
    fire(target);
}

}  // namespace bh_python
