// Queueing Python items, and what the engine asks about them.
#include "work.hpp"

#include <cstdio>

namespace bh_python {

namespace {

PyObject* g_check_callable = nullptr;  // bottomhalf._callables.check, for what is not a plain function

const std::string& utf8_text(PyObject* s) {
    thread_local std::string text;
    const char* utf8 = PyUnicode_AsUTF8(s);
    if (utf8 == nullptr) {
        PyErr_Clear();
        text = "?";
    } else {
        text = utf8;
    }
    return text;
}

}  // namespace

bool overrides_run(PyObject* self) noexcept {
    PyObject* found = _PyType_Lookup(Py_TYPE(self), g_run_name);
    PyObject* base = _PyType_Lookup(g_work_type, g_run_name);
    return found != nullptr && found != base;
}

std::string describe_callable(PyObject* func) {
    for (const char* attribute : {"__name__", "__qualname__"}) {
        PyObject* name = PyObject_GetAttrString(func, attribute);
        if (name != nullptr && PyUnicode_Check(name)) {
            std::string text = utf8_text(name);
            Py_DECREF(name);
            return text;
        }
        PyErr_Clear();
        Py_XDECREF(name);
    }
    return Py_TYPE(func)->tp_name;
}

// Without the GIL: the object is alive (it is queued or runs), and only immutable parts of it are read.
void describe_object(const void* object, char* buffer, std::size_t size) noexcept {
    const char* text = nullptr;
    if (object != nullptr) {
        const PyWork* w = work_object(static_cast<Work*>(const_cast<void*>(object)));
        PyObject* name = w->extra != nullptr ? w->extra->name : nullptr;
        PyObject* func = w->func;
        if (name == nullptr && func != nullptr && PyMethod_Check(func)) func = PyMethod_GET_FUNCTION(func);
        if (name == nullptr && func != nullptr && PyFunction_Check(func))
            name = reinterpret_cast<PyFunctionObject*>(func)->func_name;
        if (name != nullptr && PyUnicode_IS_COMPACT_ASCII(name))
            text = static_cast<const char*>(PyUnicode_DATA(name));
        else if (func != nullptr && PyCFunction_Check(func))
            text = reinterpret_cast<PyCFunctionObject*>(func)->m_ml->ml_name;
        else if (func != nullptr && PyType_Check(func))
            text = reinterpret_cast<PyTypeObject*>(func)->tp_name;
        else if (func != nullptr)
            text = Py_TYPE(func)->tp_name;
        else
            text = Py_TYPE(const_cast<PyObject*>(reinterpret_cast<const PyObject*>(w)))->tp_name;
    }
    std::snprintf(buffer, size, "%s", text != nullptr ? text : "python item");
    for (char* c = buffer; *c != '\0'; ++c)
        if (*c == ' ') *c = '_';
}

const void* function_of_object(const void* object) noexcept {
    const PyWork* w = work_object(static_cast<Work*>(const_cast<void*>(object)));
    PyObject* func = w->func;
    if (func == nullptr) return Py_TYPE(const_cast<PyObject*>(reinterpret_cast<const PyObject*>(w)));
    if (PyMethod_Check(func)) func = PyMethod_GET_FUNCTION(func);
    // Functions that are made anew for each item share it.
    return PyFunction_Check(func) ? PyFunction_GET_CODE(func) : func;
}

void drop_object(void* object) noexcept {
    PyWork* w = work_object(static_cast<Work*>(object));
    if (w->work.func == &future_function) future_dropped(reinterpret_cast<PyFuture*>(w));
    Py_DECREF(reinterpret_cast<PyObject*>(w));
}

PyWork* as_work(PyObject* o, const char* call) {
    if (is_work(o)) return reinterpret_cast<PyWork*>(o);
    throw py::type_error(std::string(call) + " needs a bottomhalf.Work, not " + Py_TYPE(o)->tp_name);
}
PyDelayedWork* as_delayed(PyObject* o, const char* call) {
    if (is_delayed(o)) return reinterpret_cast<PyDelayedWork*>(o);
    throw py::type_error(std::string(call) + " needs a bottomhalf.DelayedWork, not " + Py_TYPE(o)->tp_name);
}

void require_runnable(PyWork* w) {
    auto* self = reinterpret_cast<PyObject*>(w);
    if (w->func == nullptr && !overrides_run(self))
        throw py::type_error(std::string(Py_TYPE(self)->tp_name) + " has neither a func nor a run() of its own");
}

bool queue_node_object(Workqueue& wq, PyWork* w, int node) {
    if (w->func == nullptr) require_runnable(w);
    const bool queued = keep_if_queued(w, [&] { return wq.queue_node(w->work, node); });
    if (queued) after_queueing(wq.domain(), w->work);
    return queued;
}

bool queue_delayed_object(Workqueue& wq, PyDelayedWork* w, double seconds, int cpu) {
    if (w->func == nullptr) require_runnable(reinterpret_cast<PyWork*>(w));
    return keep_if_queued(
        w, [&] { return queue_delayed_work(wq, w->dwork, seconds_to_jiffies(seconds, wq.domain().hz), cpu); });
}

bool mod_delayed_object(Workqueue& wq, PyDelayedWork* w, double seconds, int cpu) {
    if (w->func == nullptr) require_runnable(reinterpret_cast<PyWork*>(w));
    // One reference for the queueing this makes; the one of a queueing that it takes back is dropped afterwards.
    Py_INCREF(w);
    bool taken = false, armed = false;
    auto settle = [&] {
        if (!armed) Py_DECREF(w);
        if (taken) Py_DECREF(w);
    };
    try {
        mod_delayed_work(wq, w->dwork, seconds_to_jiffies(seconds, wq.domain().hz), cpu, &taken, &armed);
    } catch (...) {
        settle();
        throw;
    }
    const bool result = taken && armed;
    settle();
    return result;
}

bool cancel_requested(const Work& work, PyObject* scope) {
    if (work_cancel_requested(work)) return true;
    const Domain* domain = domain_of(work);
    if (domain != nullptr && domain->cancelling.load()) return true;
    return scope != nullptr && py::handle(scope).attr("cancel_requested").cast<bool>();
}

void check_callable(PyObject* func, int positional, const char* what) {
    if (!PyCallable_Check(func))
        throw py::type_error(std::string(what) + " must be callable, not " + Py_TYPE(func)->tp_name);
    PyObject* plain = func;
    int given = positional;
    if (PyMethod_Check(func)) {
        plain = PyMethod_GET_FUNCTION(func);
        ++given;
    }
    if (PyFunction_Check(plain)) {
        auto* code = reinterpret_cast<PyCodeObject*>(PyFunction_GetCode(plain));
        PyObject* defaults = PyFunction_GetDefaults(plain);
        const int required =
            code->co_argcount - (defaults == nullptr ? 0 : static_cast<int>(PyTuple_GET_SIZE(defaults)));
        const bool enough = (code->co_flags & CO_VARARGS) != 0 || code->co_argcount >= given;
        if (enough && required <= given && code->co_kwonlyargcount == 0) return;
    }
    if (g_check_callable == nullptr) {
        g_check_callable = py::object(py::module_::import("bottomhalf._callables").attr("check")).release().ptr();
    }
    py::reinterpret_borrow<py::object>(g_check_callable)(py::handle(func), positional, what);
}

}  // namespace bh_python
