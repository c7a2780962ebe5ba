// bottomhalf.RcuWork.
#include "work.hpp"

#include "arguments.hpp"

namespace bh_python {

PyTypeObject* g_rcu_type = nullptr;

namespace {

void rcu_function(Work* work) { run_object(work); }

PyObject* rcu_new(PyTypeObject* type, PyObject*, PyObject*) {
    auto* w = reinterpret_cast<PyRcuWork*>(type->tp_alloc(type, 0));
    if (w == nullptr) return nullptr;
    new (&w->rwork) RcuWork(&rcu_function);
    return reinterpret_cast<PyObject*>(w);
}

PyObject* refuse(PyObject*, PyObject* const*, Py_ssize_t, PyObject*) {
    return guarded([]() -> PyObject* {
        throw MisuseError("rcu-work-cancel",
                          "an item that waits for a grace period can be neither cancelled nor disabled, as on Linux; "
                          "flush() waits for it");
    });
}

PyObject* rcu_flush(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    Py_INCREF(self);
    PyObject* result = guarded([&]() -> PyObject* {
        FastArguments a;
        a.parse("flush()", args, nargs, kwnames, {"timeout"}, 1);
        auto* w = reinterpret_cast<PyRcuWork*>(self);
        Domain* domain = domain_of(w->rwork.work);
        timeout_seconds(a.values[0]);
        if (domain == nullptr) return Py_NewRef(Py_False);
        MachineHold hold(domain);
        return PyBool_FromLong(wait_without_gil(
            *domain, a.values[0], [&](Nanoseconds deadline) { return flush_rcu_work(w->rwork, deadline); }));
    });
    Py_DECREF(self);
    return result;
}

PyMethodDef methods[] = {
    {"flush", BH_METHOD(rcu_flush),
     "flush($self, /, timeout=None)\n--\n\nWait for the grace period and for the item (Linux: flush_rcu_work).\n\n"
     "timeout: seconds, None: for ever. Returns True when it waited. Task context that may sleep. Raises "
     "TimeoutError,\n"
     "DeadlockError, SchedulingWhileAtomic."},
    {"cancel", BH_METHOD(refuse), "cancel($self, /)\n--\n\nRaises MisuseError: Linux has no such call."},
    {"cancel_sync", BH_METHOD(refuse),
     "cancel_sync($self, /, timeout=None)\n--\n\nRaises MisuseError: Linux has no such call."},
    {"disable", BH_METHOD(refuse), "disable($self, /)\n--\n\nRaises MisuseError: Linux has no such call."},
    {"disable_sync", BH_METHOD(refuse),
     "disable_sync($self, /, timeout=None)\n--\n\nRaises MisuseError: Linux has no such call."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(rcu_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(work_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(work_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(work_clear)},
    {Py_tp_methods, methods},
    {Py_tp_doc, const_cast<char*>("RcuWork(func=None, *, name=None)\n--\n\n"
                                  "A work item that wq.queue_rcu() queues after a grace period (Linux: struct "
                                  "rcu_work).\n\n"
                                  "It can be flushed, but neither cancelled nor disabled.")},
    {0, nullptr}};
PyType_Spec spec = {"bottomhalf.RcuWork", sizeof(PyRcuWork), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

bool queue_rcu_object(Workqueue& wq, PyObject* item) {
    if (!is_rcu(item))
        throw py::type_error(std::string("queue_rcu() needs a bottomhalf.RcuWork, not ") + Py_TYPE(item)->tp_name);
    auto* w = reinterpret_cast<PyRcuWork*>(item);
    if (w->func == nullptr) require_runnable(reinterpret_cast<PyWork*>(w));
    return keep_if_queued(w, [&] { return queue_rcu_work(wq, w->rwork); });
}

void register_rcu_work(py::module_& m) {
    py::tuple bases = py::make_tuple(py::handle(reinterpret_cast<PyObject*>(g_work_type)));
    g_rcu_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(&spec, bases.ptr()));
    if (g_rcu_type == nullptr) throw py::error_already_set();
    m.attr("RcuWork") = py::handle(reinterpret_cast<PyObject*>(g_rcu_type));
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&rcu_function), gil_gate());
}

}  // namespace bh_python
