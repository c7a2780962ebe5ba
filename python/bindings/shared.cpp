// bottomhalf.Shared: a raw C type; the engine judges the accesses, this keeps the value.
#include "sync.hpp"

#include <string>
#include <unordered_set>

#include "bottomhalf/sync/shared.hpp"

namespace bh_python {

namespace {

struct PyShared {
    PyObject_HEAD PyObject* weakrefs;
    PyObject* value;
    PyObject* name;  // str or None
    SharedAccess access;
};
PyShared* as_shared(PyObject* self) noexcept { return reinterpret_cast<PyShared*>(self); }

// The line of Python that is being executed. GIL: the names of files, which stay.
Place here() {
    static auto* files = new std::unordered_set<std::string>;
    PyFrameObject* frame = PyEval_GetFrame();
    if (frame == nullptr) return {};
    PyCodeObject* code = PyFrame_GetCode(frame);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    if (file == nullptr) PyErr_Clear();
    const Place place{file != nullptr ? files->emplace(file).first->c_str() : nullptr, PyFrame_GetLineNumber(frame)};
    Py_DECREF(code);
    return place;
}
const char* name_of(const PyShared* s) {
    const char* name = s->name != nullptr && s->name != Py_None ? PyUnicode_AsUTF8(s->name) : "shared";
    if (name == nullptr) PyErr_Clear();
    return name != nullptr ? name : "shared";
}

using Check = void (SharedAccess::*)(const char*, Place);

template <Check check>
PyObject* read(PyObject* self) {
    return guarded([&] {
        if (g_simulated_machines.load() != 0) [[unlikely]]
            (as_shared(self)->access.*check)(name_of(as_shared(self)), here());
        return Py_NewRef(as_shared(self)->value);
    });
}
template <Check check>
PyObject* write(PyObject* self, PyObject* value) {
    return guarded([&] {
        if (g_simulated_machines.load() != 0) [[unlikely]]
            (as_shared(self)->access.*check)(name_of(as_shared(self)), here());
        PyObject* before = as_shared(self)->value;
        as_shared(self)->value = Py_NewRef(value);
        Py_XDECREF(before);
        return Py_NewRef(Py_None);
    });
}

PyObject* shared_get_method(PyObject* self, PyObject*) { return read<&SharedAccess::read>(self); }
PyObject* shared_set_method(PyObject* self, PyObject* value) { return write<&SharedAccess::write>(self, value); }
PyObject* load_acquire(PyObject* self, PyObject*) { return read<&SharedAccess::load_acquire>(self); }
PyObject* store_release(PyObject* self, PyObject* value) { return write<&SharedAccess::store_release>(self, value); }
PyObject* shared_get_value(PyObject* self, void*) { return read<&SharedAccess::read>(self); }
int shared_set_value(PyObject* self, PyObject* value, void*) {
    if (value == nullptr) {
        PyErr_SetString(PyExc_TypeError, "a shared cell always has a value: it cannot be deleted; assign None");
        return -1;
    }
    PyObject* done = write<&SharedAccess::write>(self, value);
    Py_XDECREF(done);
    return done != nullptr ? 0 : -1;
}
PyObject* shared_get_name(PyObject* self, void*) { return Py_NewRef(as_shared(self)->name); }

PyObject* shared_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    static const char* const keywords[] = {"value", "name", nullptr};
    PyObject *value = nullptr, *name = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:Shared", const_cast<char**>(keywords), &value, &name))
        return nullptr;
    if (name != Py_None && !PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %s", Py_TYPE(name)->tp_name);
        return nullptr;
    }
    PyObject* self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    as_shared(self)->value = Py_NewRef(value);
    as_shared(self)->name = Py_NewRef(name);
    new (&as_shared(self)->access) SharedAccess;
    return self;
}

int shared_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_shared(self)->value);
    Py_VISIT(as_shared(self)->name);
    return 0;
}
int shared_clear(PyObject* self) {
    // Still a cell with a value: whoever breaks the cycle may look at it.
    Py_XSETREF(as_shared(self)->value, Py_NewRef(Py_None));
    return 0;
}
void shared_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_shared(self)->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    Py_CLEAR(as_shared(self)->value);
    Py_CLEAR(as_shared(self)->name);
    as_shared(self)->access.~SharedAccess();
    type->tp_free(self);
    Py_DECREF(type);
}
PyObject* shared_repr(PyObject* self) {
    // A look that is no access: for debuggers and reports.
    return PyUnicode_FromFormat("bottomhalf.Shared(%R, name=%R)", as_shared(self)->value, as_shared(self)->name);
}

PyMethodDef shared_methods[] = {
    {"get", shared_get_method, METH_NOARGS, "get($self, /)\n--\n\nThe value, as ``.value``."},
    {"set", shared_set_method, METH_O, "set($self, value, /)\n--\n\nStore a value, as ``.value = value``."},
    {"load_acquire", load_acquire, METH_NOARGS,
     "load_acquire($self, /)\n--\n\nThe value, of a flag (Linux: smp_load_acquire).\n\n"
     "Returns it. What its store_release() had behind itself is behind the caller now. Never races with\n"
     "store_release(); raises MisuseError(\"data-race\") against a plain store. Any context."},
    {"store_release", store_release, METH_O,
     "store_release($self, value, /)\n--\n\nStore a value, as a flag (Linux: smp_store_release).\n\n"
     "Who reads it by load_acquire() has what the caller did behind itself. Never races with another\n"
     "store_release() or load_acquire(); raises MisuseError(\"data-race\") against plain accesses. Any context."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Shared[T]: for annotations."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef shared_getset[] = {
    {"value", shared_get_value, shared_set_value,
     "The value. Reading and storing raise MisuseError, rule \"data-race\", on a simulated machine when an access by\n"
     "somebody else, one of the two being a store, is not ordered before this one.",
     nullptr},
    {"name", shared_get_name, nullptr, "The name for reports, or None.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef shared_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyShared, weakrefs), READONLY, nullptr},
                                {nullptr, 0, 0, 0, nullptr}};
PyType_Slot shared_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(shared_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(shared_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(shared_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(shared_clear)},
    {Py_tp_repr, reinterpret_cast<void*>(shared_repr)},
    {Py_tp_methods, shared_methods},
    {Py_tp_getset, shared_getset},
    {Py_tp_members, shared_members},
    {Py_tp_doc,
     const_cast<char*>(
         "Shared(value, *, name=None)\n--\n\nA variable that handlers share, watched for data races (Linux: KCSAN).\n\n"
         "value: any object, the first value. name: a str for reports. On a simulated machine each access is a\n"
         "preemption point, and two accesses that nothing orders, one of them a store, raise MisuseError with\n"
         ".rule == \"data-race\" in the later one, naming both with their lines. It is order that counts, not the\n"
         "schedule that was taken: a lock that both hold, queueing (before the run), flush() and cancel_sync()\n"
         "(after it), completions, wake-ups, timers, tasklets, spawn and join, m.bh_off() and m.irqs_off() against\n"
         "the CPU's softirqs and interrupts. On the host it is a plain variable. Any context.")},
    {0, nullptr}};
PyType_Spec shared_spec = {"bottomhalf.Shared", sizeof(PyShared), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, shared_slots};

}  // namespace

void register_shared(py::module_& m) { add_type(m, shared_spec); }

}  // namespace bh_python
