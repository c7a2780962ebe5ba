// bottomhalf.Tasklet: a raw C type with the engine's tasklet inside.
//
// A scheduled tasklet holds a strong reference to its Python object, an idle one holds none.
#include "arguments.hpp"
#include "interrupt.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

struct PyTasklet {
    PyObject_HEAD PyObject* func;  // GIL
    PyObject* weakrefs;
    unsigned references;  // GIL: held for schedulings that did not run yet, and for the run in progress
    Owner owner;          // GIL
    Tasklet tasklet;
};

PyTasklet* as_tasklet(PyObject* self) noexcept { return reinterpret_cast<PyTasklet*>(self); }
PyTasklet* as_tasklet(const Tasklet* t) noexcept {
    return reinterpret_cast<PyTasklet*>(reinterpret_cast<char*>(const_cast<Tasklet*>(t)) -
                                        offsetof(PyTasklet, tasklet));
}
bool idle(PyTasklet* t) noexcept { return (t->tasklet.state.load() & (Tasklet::kSched | Tasklet::kRun)) == 0; }
auto is_idle(PyTasklet* t) {
    return [t] { return idle(t); };
}
void require_func(PyTasklet* t) {
    if (t->func == nullptr)
        throw py::type_error(std::string(Py_TYPE(t)->tp_name) +
                             " has no func: its class did not call Tasklet.__init__");
}

// GIL: entered through the gate.
void tasklet_callback(Tasklet* tasklet) {
    PyTasklet* t = as_tasklet(tasklet);
    auto* self = reinterpret_cast<PyObject*>(t);
    Task* task = current_task();
    // A run that disable() called off and a scheduling that came meanwhile become one run: it ends both.
    const unsigned expected = tasklet->scheduled() ? 2 : 1;
    for (; t->references > expected; --t->references) Py_DECREF(self);
    PyObject* result = t->func != nullptr ? enter_python([&] { return PyObject_CallOneArg(t->func, self); }) : nullptr;
    if (result != nullptr)
        Py_DECREF(result);
    else if (PyErr_Occurred())
        Py_XDECREF(report_handler_error(self, task->domain.load()));
    if (t->references != 0) --t->references;
    drop_after_callback(*task, self);
}

PyObject* tasklet_new(PyTypeObject* type, PyObject*, PyObject*) {
    auto* t = reinterpret_cast<PyTasklet*>(type->tp_alloc(type, 0));
    if (t == nullptr) return nullptr;
    new (&t->owner) Owner;
    new (&t->tasklet) Tasklet(&tasklet_callback);
    return reinterpret_cast<PyObject*>(t);
}

int tasklet_init(PyObject* self, PyObject* args, PyObject* kwargs) {
    static const char* keywords[] = {"func", "disabled", nullptr};
    PyObject* func = nullptr;
    int disabled = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:Tasklet", const_cast<char**>(keywords), &func, &disabled))
        return -1;
    PyTasklet* t = as_tasklet(self);
    return guarded([&]() -> PyObject* {
               if (!idle(t))
                   throw MisuseError("tasklet-init-active",
                                     "Tasklet.__init__ on a tasklet that is scheduled or running would "
                                     "corrupt it; kill() it first");
               check_callable(func, 1, "func");
               Py_XSETREF(t->func, Py_NewRef(func));
               t->tasklet.count.store(disabled);
               return self;
           }) == nullptr
               ? -1
               : 0;
}

int tasklet_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_tasklet(self)->func);
    return 0;
}

int tasklet_clear(PyObject* self) {
    Py_CLEAR(as_tasklet(self)->func);
    return 0;
}

void tasklet_dealloc(PyObject* self) {
    PyTasklet* t = as_tasklet(self);
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (t->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    tasklet_clear(self);
    // Another object at this address is another one in traces, too.
    if (Machine* m = t->owner.machine())
        if (m->domain().trace.enabled()) m->domain().trace.forget(&t->tasklet);
    order_forget(&t->tasklet);
    t->owner.~Owner();
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* schedule(PyObject* self, Softirq level, const char* call) {
    return guarded([&] {
        PyTasklet* t = as_tasklet(self);
        require_func(t);
        Machine& m = t->owner.join(is_idle(t), call);
        Task& task = m.domain().self();
        Py_INCREF(self);
        ++t->references;
        if (m.tasklets().schedule(t->tasklet, level, task)) {
            // A callback that began while this call was preempted took the reference for a stale one.
            const unsigned needed = t->tasklet.is_running() ? 2 : 1;
            for (; t->tasklet.scheduled() && t->references < needed; ++t->references) Py_INCREF(self);
            return Py_NewRef(Py_True);
        }
        --t->references;
        Py_DECREF(self);
        return Py_NewRef(Py_False);
    });
}
PyObject* tasklet_schedule(PyObject* self, PyObject*) {
    return schedule(self, Softirq::tasklet, "Tasklet.schedule(): it");
}
PyObject* tasklet_hi_schedule(PyObject* self, PyObject*) {
    return schedule(self, Softirq::hi, "Tasklet.hi_schedule(): it");
}

template <class Wait>
PyObject* waiting(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, const char* call,
                  Wait&& wait) {
    Py_INCREF(self);
    PyObject* result = guarded([&] {
        FastArguments a;
        a.parse(call, args, nargs, kwnames, {"timeout"}, 1);
        PyTasklet* t = as_tasklet(self);
        Machine& m = t->owner.machine_or_join(is_idle(t), call);
        MachineHold hold(&m.domain());
        wait_without_gil(m.domain(), a.values[0],
                         [&](Nanoseconds deadline) { wait(m.tasklets(), t->tasklet, deadline); });
        return Py_NewRef(Py_None);
    });
    Py_DECREF(self);
    return result;
}
PyObject* tasklet_disable(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return waiting(self, args, nargs, kwnames, "disable()",
                   [](Tasklets& all, Tasklet& t, Nanoseconds deadline) { all.disable(t, deadline); });
}
PyObject* tasklet_kill(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return waiting(self, args, nargs, kwnames, "kill()",
                   [](Tasklets& all, Tasklet& t, Nanoseconds deadline) { all.kill(t, deadline); });
}

PyObject* tasklet_disable_nosync(PyObject* self, PyObject*) {
    // Linux: count++, wherever the tasklet is, or is not.
    as_tasklet(self)->tasklet.count.fetch_add(1);
    Py_RETURN_NONE;
}

PyObject* tasklet_enable(PyObject* self, PyObject*) {
    return guarded([&] {
        PyTasklet* t = as_tasklet(self);
        t->owner.machine_or_join(is_idle(t), "enable()").tasklets().enable(t->tasklet);
        return Py_NewRef(Py_None);
    });
}

PyObject* tasklet_get_scheduled(PyObject* self, void*) {
    return PyBool_FromLong(as_tasklet(self)->tasklet.scheduled());
}
PyObject* tasklet_get_count(PyObject* self, void*) { return PyLong_FromLong(as_tasklet(self)->tasklet.count.load()); }
PyObject* tasklet_get_func(PyObject* self, void*) {
    return Py_NewRef(as_tasklet(self)->func != nullptr ? as_tasklet(self)->func : Py_None);
}

PyObject* tasklet_repr(PyObject* self) {
    PyTasklet* t = as_tasklet(self);
    const std::string name = t->func != nullptr ? describe_callable(t->func) : "without a func";
    const int count = t->tasklet.count.load();
    const char* state = t->tasklet.is_running() ? "running" : t->tasklet.scheduled() ? "scheduled" : "idle";
    if (count == 0) return PyUnicode_FromFormat("<bottomhalf.Tasklet %s: %s>", name.c_str(), state);
    return PyUnicode_FromFormat("<bottomhalf.Tasklet %s: %s, disabled (count %d); enable() lets it run>", name.c_str(),
                                state, count);
}

PyMethodDef tasklet_methods[] = {
    {"schedule", tasklet_schedule, METH_NOARGS,
     "schedule($self, /)\n--\n\nRun soon in softirq context on the caller's CPU (Linux: tasklet_schedule).\n\n"
     "Returns True when scheduled, False when it was scheduled already. Any context; never sleeps.\n"
     "Raises ValueError while it is in use on another machine, MachineHalted."},
    {"hi_schedule", tasklet_hi_schedule, METH_NOARGS,
     "hi_schedule($self, /)\n--\n\nAs schedule(), on the HI vector: before timers and network (Linux: "
     "tasklet_hi_schedule)."},
    {"disable", BH_METHOD(tasklet_disable),
     "disable($self, /, timeout=None)\n--\n\nKeep it from running until enable(), and wait for a run in progress "
     "(Linux:\n"
     "tasklet_disable).\n\ntimeout: seconds, None: for ever. Counts. Task context that may sleep. Raises TimeoutError "
     "(not\n"
     "disabled then), DeadlockError from its own callback, SchedulingWhileAtomic."},
    {"disable_nosync", tasklet_disable_nosync, METH_NOARGS,
     "disable_nosync($self, /)\n--\n\nKeep it from running until enable(), without waiting (Linux: "
     "tasklet_disable_nosync).\n\n"
     "Counts. Any context."},
    {"enable", tasklet_enable, METH_NOARGS,
     "enable($self, /)\n--\n\nUndo one disable; scheduled meanwhile, it runs now (Linux: tasklet_enable).\n\n"
     "Any context. Raises UnbalancedEnable when it is not disabled."},
    {"kill", BH_METHOD(tasklet_kill),
     "kill($self, /, timeout=None)\n--\n\nWait until it is neither scheduled nor running (Linux: tasklet_kill).\n\n"
     "timeout: seconds, None: for ever. It can be scheduled again afterwards. Task context that may sleep.\n"
     "Raises TimeoutError, DeadlockError from its own callback, SchedulingWhileAtomic."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef tasklet_getset[] = {
    {"scheduled", tasklet_get_scheduled, nullptr, "Whether a run is due (Linux: TASKLET_STATE_SCHED). A hint.",
     nullptr},
    {"count", tasklet_get_count, nullptr, "How often it is disabled; it runs only at 0.", nullptr},
    {"func", tasklet_get_func, nullptr, "The callback.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef tasklet_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyTasklet, weakrefs), READONLY, nullptr},
                                 {nullptr, 0, 0, 0, nullptr}};

PyType_Slot tasklet_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(tasklet_new)},
    {Py_tp_init, reinterpret_cast<void*>(tasklet_init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(tasklet_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(tasklet_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(tasklet_clear)},
    {Py_tp_repr, reinterpret_cast<void*>(tasklet_repr)},
    {Py_tp_methods, tasklet_methods},
    {Py_tp_getset, tasklet_getset},
    {Py_tp_members, tasklet_members},
    {Py_tp_doc,
     const_cast<char*>(
         "Tasklet(func, *, disabled=False)\n--\n\nfunc(tasklet) runs in softirq context when it was scheduled (Linux:\n"
         "struct tasklet_struct).\n\ndisabled: starts with count 1, as DECLARE_TASKLET_DISABLED. Scheduled twice "
         "before\n"
         "it runs it runs once, and never on two CPUs at the same time. It must not sleep. Scheduled tasklets are "
         "kept\n"
         "alive. Raises TypeError when func cannot take one argument.")},
    {0, nullptr}};
PyType_Spec tasklet_spec = {"bottomhalf.Tasklet", sizeof(PyTasklet), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, tasklet_slots};

}  // namespace

void describe_tasklet(const Tasklet* tasklet, char* buffer, std::size_t size) noexcept {
    PyTasklet* t = as_tasklet(tasklet);
    describe_func(t->func, reinterpret_cast<PyObject*>(t), buffer, size);
}

void drop_tasklet(Tasklet* tasklet) noexcept {
    PyTasklet* t = as_tasklet(tasklet);
    if (t->references == 0) return;
    --t->references;
    Py_DECREF(reinterpret_cast<PyObject*>(t));
}

void register_tasklet(py::module_& m) {
    add_type(m, tasklet_spec);
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&tasklet_callback), tasklet_gate());
}

}  // namespace bh_python
