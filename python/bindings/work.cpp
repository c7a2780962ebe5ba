// bottomhalf.Work and bottomhalf.DelayedWork.
#include "work.hpp"

#include "arguments.hpp"

namespace bh_python {

PyTypeObject* g_work_type = nullptr;
PyTypeObject* g_delayed_type = nullptr;
PyTypeObject* g_future_type = nullptr;
PyObject* g_run_name = nullptr;

namespace {

// PyObject_CallOneArg() for what is known to be a plain function: nobody has to look whether it is callable, or whether
// it left a result or an exception.
PyObject* call_one_arg(PyObject* func, PyObject* arg) {
    if (!PyFunction_Check(func)) return PyObject_CallOneArg(func, arg);
    PyObject* stack[] = {nullptr, arg};  // the place before the arguments is the callee's to use
    const vectorcallfunc call = reinterpret_cast<PyFunctionObject*>(func)->vectorcall;
    return call(func, stack + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

PyObject* invoke(PyWork* w, PyObject* self) {
    return enter_python(
        [&] { return w->func != nullptr ? call_one_arg(w->func, self) : PyObject_CallMethodNoArgs(self, g_run_name); });
}

}  // namespace

int work_traverse(PyObject* self, visitproc visit, void* arg) {
    auto* w = reinterpret_cast<PyWork*>(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(w->func);
    if (w->extra != nullptr) {
        Py_VISIT(w->extra->name);
        Py_VISIT(w->extra->exception);
        Py_VISIT(w->extra->scope);
    }
    return 0;
}

int work_clear(PyObject* self) {
    auto* w = reinterpret_cast<PyWork*>(self);
    Py_CLEAR(w->func);
    if (w->extra != nullptr) {
        Py_CLEAR(w->extra->name);
        Py_CLEAR(w->extra->exception);
        Py_CLEAR(w->extra->scope);
    }
    return 0;
}

void work_dealloc(PyObject* self) {
    auto* w = reinterpret_cast<PyWork*>(self);
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (w->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    work_clear(self);
    delete w->extra;
    LockGraph::forget(&w->work);
    order_forget(&w->work);
    // Nothing to destroy in the item itself: it is idle, or its object would still be referenced.
    type->tp_free(self);
    Py_DECREF(type);
}

namespace {

// Its scope cancels the rest at once, and keeps the exception even if a later run clears it here.
void tell_scope(PyWork* w) {
    PyObject* scope = Py_NewRef(w->extra->scope);
    PyObject* result = PyObject_CallMethod(scope, "_failed", "O", w->extra->exception);
    if (result == nullptr) PyErr_WriteUnraisable(reinterpret_cast<PyObject*>(w));
    Py_XDECREF(result);
    Py_DECREF(scope);
}

}  // namespace

// GIL: entered through the gate. The reference that came with the queueing is this function's to drop.
void run_object(Work* work) {
    PyWork* w = work_object(work);
    auto* self = reinterpret_cast<PyObject*>(w);
    if (w->extra != nullptr && w->extra->exception != nullptr) [[unlikely]]
        Py_CLEAR(w->extra->exception);
    PyObject* result = invoke(w, self);
    if (result != nullptr) [[likely]] {
        Py_DECREF(result);
    } else {
        Task* task = current_task();
        Domain* domain = task != nullptr ? task->domain.load() : nullptr;
        PyObject* exception = report_handler_error(self, domain);
        if (w->extra == nullptr) w->extra = new WorkExtra;
        Py_XSETREF(w->extra->exception, exception);
        if (w->extra->scope != nullptr) tell_scope(w);
    }
    Py_DECREF(self);
}

namespace {

void work_function(Work* work);
void delayed_function(Work* work);

bool idle(PyWork* w) noexcept { return work_busy(w->work) == 0; }

PyObject* work_new(PyTypeObject* type, PyObject*, PyObject*) {
    auto* w = reinterpret_cast<PyWork*>(type->tp_alloc(type, 0));
    if (w == nullptr) return nullptr;
    new (&w->work) Work(&work_function);
    return reinterpret_cast<PyObject*>(w);
}

PyObject* delayed_new(PyTypeObject* type, PyObject*, PyObject*) {
    auto* w = reinterpret_cast<PyDelayedWork*>(type->tp_alloc(type, 0));
    if (w == nullptr) return nullptr;
    new (&w->dwork) DelayedWork(&delayed_function);
    return reinterpret_cast<PyObject*>(w);
}

int work_init(PyObject* self, PyObject* args, PyObject* kwargs) {
    static const char* keywords[] = {"func", "name", nullptr};
    PyObject *func = Py_None, *name = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O", const_cast<char**>(keywords), &func, &name)) return -1;
    auto* w = reinterpret_cast<PyWork*>(self);
    return guarded([&]() -> PyObject* {
               if (!idle(w))
                   throw MisuseError("init-active",
                                     "Work.__init__ on an item that is pending or running would corrupt it; "
                                     "cancel_sync() first (Linux: INIT_WORK, \"init active\")");
               if (func == Py_None && !overrides_run(self))
                   throw py::type_error(std::string(Py_TYPE(self)->tp_name) +
                                        "() needs a func, or a class that overrides run()");
               if (func != Py_None) check_callable(func, 1, "func");
               if (name != Py_None && !PyUnicode_Check(name))
                   throw py::type_error(std::string("name must be a str, not ") + Py_TYPE(name)->tp_name);
               Py_XSETREF(w->func, func == Py_None ? nullptr : Py_NewRef(func));
               if (name != Py_None && w->extra == nullptr) w->extra = new WorkExtra;
               if (w->extra != nullptr) {
                   Py_XSETREF(w->extra->name, name == Py_None ? nullptr : Py_NewRef(name));
                   Py_CLEAR(w->extra->exception);
               }
               return self;
           }) == nullptr
               ? -1
               : 0;
}

void work_function(Work* work) { run_object(work); }
void delayed_function(Work* work) { run_object(work); }

// --- queueing from Python: the reference is taken before the item can run ---

Workqueue& current_system_wq() { return *current_machine().workqueues().system(SystemWq::percpu); }

PyObject* work_schedule(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    int cpu = kCpuUnbound;
    if (nargs != 0 || kwnames != nullptr) {
        return guarded([&] {
            FastArguments a;
            a.parse("schedule()", args, nargs, kwnames, {"cpu"}, 0);
            return PyBool_FromLong(
                queue_object(current_system_wq(), reinterpret_cast<PyWork*>(self), check_cpu_argument(a.values[0])));
        });
    }
    return guarded(
        [&] { return PyBool_FromLong(queue_object(current_system_wq(), reinterpret_cast<PyWork*>(self), cpu)); });
}

PyObject* delayed_schedule(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        FastArguments a;
        a.parse("schedule()", args, nargs, kwnames, {"delay", "cpu"}, 1);
        const double delay = a.values[0] == nullptr ? 0 : check_delay(a.values[0], "delay");
        return PyBool_FromLong(queue_delayed_object(current_system_wq(), reinterpret_cast<PyDelayedWork*>(self), delay,
                                                    check_cpu_argument(a.values[1])));
    });
}

PyObject* delayed_mod(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        FastArguments a;
        a.parse("mod()", args, nargs, kwnames, {"delay", "cpu"}, 1);
        a.required(0, "mod()", "delay");
        return PyBool_FromLong(mod_delayed_object(current_system_wq(), reinterpret_cast<PyDelayedWork*>(self),
                                                  check_delay(a.values[0], "delay"), check_cpu_argument(a.values[1])));
    });
}

PyObject* took_pending(PyObject* self, bool was_pending) {
    if (was_pending) Py_DECREF(self);  // the reference of the queueing that will not run
    return PyBool_FromLong(was_pending);
}

PyObject* work_cancel(PyObject* self, PyObject*) {
    return guarded([&] { return took_pending(self, cancel_work(reinterpret_cast<PyWork*>(self)->work)); });
}
PyObject* delayed_cancel(PyObject* self, PyObject*) {
    return guarded(
        [&] { return took_pending(self, cancel_delayed_work(reinterpret_cast<PyDelayedWork*>(self)->dwork)); });
}
PyObject* work_disable(PyObject* self, PyObject*) {
    return guarded([&] { return took_pending(self, disable_work(reinterpret_cast<PyWork*>(self)->work)); });
}
PyObject* delayed_disable(PyObject* self, PyObject*) {
    return guarded(
        [&] { return took_pending(self, disable_delayed_work(reinterpret_cast<PyDelayedWork*>(self)->dwork)); });
}
PyObject* work_enable(PyObject* self, PyObject*) {
    return guarded([&] { return PyBool_FromLong(enable_work(reinterpret_cast<PyWork*>(self)->work)); });
}

// Calls that wait. `pending` is set by the engine call before it waits, so that the reference of a removed queueing is
// dropped even when the wait ends by an exception.
template <class Call>
PyObject* waiting_call(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, const char* name,
                       bool removes, Call&& call) {
    PyWork* w = reinterpret_cast<PyWork*>(self);
    Py_INCREF(self);
    bool removed = false;
    PyObject* result = guarded([&]() -> PyObject* {
        FastArguments a;
        a.parse(name, args, nargs, kwnames, {"timeout"}, 1);
        Domain* domain = domain_of(w->work);
        MachineHold hold(domain);
        if (domain == nullptr) {
            // Never queued: nothing to wait for, but the call has its other effects.
            timeout_seconds(a.values[0]);
            if (Task* task = current_task()) might_sleep(*task, name);
            return PyBool_FromLong(call(kForever, removed));
        }
        return PyBool_FromLong(
            wait_without_gil(*domain, a.values[0], [&](Nanoseconds deadline) { return call(deadline, removed); }));
    });
    if (removes && removed) Py_DECREF(self);
    Py_DECREF(self);
    return result;
}

PyObject* work_cancel_sync(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return waiting_call(self, args, n, kw, "cancel_sync()", true, [&](Nanoseconds deadline, bool& removed) {
        return cancel_work_sync(reinterpret_cast<PyWork*>(self)->work, deadline, &removed);
    });
}
PyObject* delayed_cancel_sync(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return waiting_call(self, args, n, kw, "cancel_sync()", true, [&](Nanoseconds deadline, bool& removed) {
        return cancel_delayed_work_sync(reinterpret_cast<PyDelayedWork*>(self)->dwork, deadline, &removed);
    });
}
PyObject* work_disable_sync(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return waiting_call(self, args, n, kw, "disable_sync()", true, [&](Nanoseconds deadline, bool& removed) {
        return disable_work_sync(reinterpret_cast<PyWork*>(self)->work, deadline, &removed);
    });
}
PyObject* delayed_disable_sync(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return waiting_call(self, args, n, kw, "disable_sync()", true, [&](Nanoseconds deadline, bool& removed) {
        return disable_delayed_work_sync(reinterpret_cast<PyDelayedWork*>(self)->dwork, deadline, &removed);
    });
}
PyObject* work_flush(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return waiting_call(self, args, n, kw, "flush()", false, [&](Nanoseconds deadline, bool&) {
        return flush_work(reinterpret_cast<PyWork*>(self)->work, deadline);
    });
}
PyObject* delayed_flush(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return waiting_call(self, args, n, kw, "flush()", false, [&](Nanoseconds deadline, bool&) {
        return flush_delayed_work(reinterpret_cast<PyDelayedWork*>(self)->dwork, deadline);
    });
}

PyObject* work_run(PyObject* self, PyObject*) {
    PyErr_Format(PyExc_NotImplementedError, "%s has neither a func nor a run() of its own", Py_TYPE(self)->tp_name);
    return nullptr;
}

PyObject* work_get_pending(PyObject* self, void*) {
    return PyBool_FromLong(reinterpret_cast<PyWork*>(self)->work.pending());
}
PyObject* work_get_timer_pending(PyObject* self, void*) {
    return PyBool_FromLong(timer_pending(reinterpret_cast<PyDelayedWork*>(self)->dwork.timer));
}
PyObject* work_get_busy(PyObject* self, void*) {
    static PyObject* busy_type = nullptr;
    if (busy_type == nullptr) {
        PyObject* module = PyImport_ImportModule("bottomhalf._constants");
        if (module == nullptr) return nullptr;
        busy_type = PyObject_GetAttrString(module, "Busy");
        Py_DECREF(module);
        if (busy_type == nullptr) return nullptr;
    }
    return PyObject_CallFunction(busy_type, "I", work_busy(reinterpret_cast<PyWork*>(self)->work));
}
PyObject* work_get_cancel_requested(PyObject* self, void*) {
    auto* w = reinterpret_cast<PyWork*>(self);
    return guarded(
        [&] { return PyBool_FromLong(cancel_requested(w->work, w->extra != nullptr ? w->extra->scope : nullptr)); });
}
PyObject* work_get_scope(PyObject* self, void*) {
    auto* w = reinterpret_cast<PyWork*>(self);
    return Py_NewRef(w->extra != nullptr && w->extra->scope != nullptr ? w->extra->scope : Py_None);
}
int work_set_scope(PyObject* self, PyObject* value, void*) {
    auto* w = reinterpret_cast<PyWork*>(self);
    if (w->extra == nullptr) w->extra = new WorkExtra;
    Py_XSETREF(w->extra->scope, value == nullptr || value == Py_None ? nullptr : Py_NewRef(value));
    return 0;
}
PyObject* work_get_exception(PyObject* self, void*) {
    auto* w = reinterpret_cast<PyWork*>(self);
    return Py_NewRef(w->extra != nullptr && w->extra->exception != nullptr ? w->extra->exception : Py_None);
}
PyObject* work_get_func(PyObject* self, void*) {
    auto* w = reinterpret_cast<PyWork*>(self);
    if (w->func != nullptr) return Py_NewRef(w->func);
    return PyObject_GetAttr(self, g_run_name);
}
PyObject* work_get_name(PyObject* self, void*) {
    auto* w = reinterpret_cast<PyWork*>(self);
    if (w->extra != nullptr && w->extra->name != nullptr) return Py_NewRef(w->extra->name);
    const std::string name = w->func != nullptr ? describe_callable(w->func) : Py_TYPE(self)->tp_name;
    return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
}

PyObject* work_repr(PyObject* self) {
    auto* w = reinterpret_cast<PyWork*>(self);
    PyObject* name = work_get_name(self, nullptr);
    if (name == nullptr) return nullptr;
    const unsigned busy = work_busy(w->work);
    const unsigned depth = work_data::depth(w->work.data.load());
    const char* type = is_delayed(self) ? "DelayedWork" : "Work";
    PyObject* text;
    if (depth != 0)
        text = PyUnicode_FromFormat("<bottomhalf.%s %U: disabled (depth %u)%s; enable() lets it be queued>", type, name,
                                    depth, (busy & kWorkBusyRunning) != 0 ? ", running" : "");
    else if (busy == 0)
        text = PyUnicode_FromFormat("<bottomhalf.%s %U: idle; schedule() or wq.queue(it) runs it>", type, name);
    else
        text = PyUnicode_FromFormat("<bottomhalf.%s %U: %s; flush() waits for it>", type, name,
                                    busy == 3                        ? "running, and pending again"
                                    : (busy & kWorkBusyRunning) != 0 ? "running"
                                                                     : "pending");
    Py_DECREF(name);
    return text;
}

PyMethodDef work_methods[] = {
    {"schedule", BH_METHOD(work_schedule),
     "schedule($self, /, *, cpu=None)\n--\n\nQueue on the current machine's system_wq (Linux: schedule_work, "
     "schedule_work_on).\n\n"
     "cpu: the CPU to run on; None: the caller's. Returns True when queued, False when it was pending or disabled.\n"
     "Any context; never sleeps. Raises ValueError (cpu out of range, or in use on another machine), MachineHalted."},
    {"cancel", work_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nTake a pending item back; a running one goes on (Linux: cancel_work).\n\n"
     "Returns True when something pending was taken away. Any context; never sleeps."},
    {"cancel_sync", BH_METHOD(work_cancel_sync),
     "cancel_sync($self, /, timeout=None)\n--\n\nTake a pending item back and wait for the running one (Linux: "
     "cancel_work_sync).\n\n"
     "timeout: seconds, None: for ever. While it waits a requeue is refused. Returns True when the item was pending.\n"
     "Task context that may sleep. Raises TimeoutError (the item is removed all the same), DeadlockError from the "
     "item's\n"
     "own handler, SchedulingWhileAtomic."},
    {"flush", BH_METHOD(work_flush),
     "flush($self, /, timeout=None)\n--\n\nWait until the last queueing has run (Linux: flush_work).\n\n"
     "timeout: seconds, None: for ever. Returns True when it waited, False when the item was idle.\n"
     "Task context that may sleep. Raises TimeoutError, DeadlockError, SchedulingWhileAtomic."},
    {"disable", work_disable, METH_NOARGS,
     "disable($self, /)\n--\n\nCancel, and refuse every queueing until enable(); counts (Linux: disable_work).\n\n"
     "Returns True when the item was pending. Any context; never sleeps."},
    {"disable_sync", BH_METHOD(work_disable_sync),
     "disable_sync($self, /, timeout=None)\n--\n\nAs disable(), and wait for the running instance (Linux: "
     "disable_work_sync).\n\n"
     "timeout: seconds, None: for ever. Returns True when the item was pending. Raises TimeoutError (it stays "
     "disabled)."},
    {"enable", work_enable, METH_NOARGS,
     "enable($self, /)\n--\n\nUndo one disable() (Linux: enable_work).\n\nReturns True when the item can be queued "
     "again.\n"
     "Any context. Raises UnbalancedEnable when it was not disabled."},
    {"run", work_run, METH_NOARGS,
     "run($self, /)\n--\n\nOverride in a subclass: the handler of an item made without a func."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};

PyMethodDef delayed_methods[] = {
    {"schedule", BH_METHOD(delayed_schedule),
     "schedule($self, /, delay=0.0, *, cpu=None)\n--\n\nQueue on the current machine's system_wq after a delay "
     "(Linux:\n"
     "schedule_delayed_work).\n\ndelay: seconds from 0, rounded up to jiffies; late by the timer wheel's granularity.\n"
     "Returns True when armed or queued, False when it was pending (the timer stays as it was) or disabled. Any "
     "context."},
    {"mod", BH_METHOD(delayed_mod),
     "mod($self, /, delay, *, cpu=None)\n--\n\nArm with this delay from whatever state (Linux: mod_delayed_work on "
     "system_wq).\n\n"
     "delay: seconds from 0. Returns True when it was pending before, False when not, or when it is disabled (nothing "
     "is\n"
     "armed then). Any context."},
    {"cancel", delayed_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nTake a pending item or its timer back (Linux: cancel_delayed_work).\n\n"
     "Returns True when something pending was taken away; a running instance goes on. Any context; never sleeps."},
    {"cancel_sync", BH_METHOD(delayed_cancel_sync),
     "cancel_sync($self, /, timeout=None)\n--\n\nTake the item or its timer back and wait for the running one (Linux:\n"
     "cancel_delayed_work_sync).\n\nAs Work.cancel_sync()."},
    {"flush", BH_METHOD(delayed_flush),
     "flush($self, /, timeout=None)\n--\n\nQueue an armed item now and wait for it (Linux: flush_delayed_work).\n\n"
     "Returns True when it waited. As Work.flush()."},
    {"flush_work", BH_METHOD(work_flush),
     "flush_work($self, /, timeout=None)\n--\n\nWait for the item, not for its timer (Linux: flush_work).\n\n"
     "Returns False at once while only the timer is armed."},
    {"disable", delayed_disable, METH_NOARGS,
     "disable($self, /)\n--\n\nCancel, timer included, and refuse every queueing until enable() (Linux: "
     "disable_delayed_work)."},
    {"disable_sync", BH_METHOD(delayed_disable_sync),
     "disable_sync($self, /, timeout=None)\n--\n\nAs disable(), and wait for the running instance (Linux: "
     "disable_delayed_work_sync)."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef work_getset[] = {
    {"pending", work_get_pending, nullptr,
     "Queued, held back or armed, and not started yet (Linux: work_pending). A hint.", nullptr},
    {"busy", work_get_busy, nullptr, "bottomhalf.Busy: PENDING, RUNNING or both (Linux: work_busy). A hint.", nullptr},
    {"exception", work_get_exception, nullptr,
     "The exception that left the handler's last run, or None; cleared when the function next starts.", nullptr},
    {"cancel_requested", work_get_cancel_requested, nullptr,
     "Should the running handler come to its end? True while somebody cancels or disables the item and waits for it,\n"
     "when the WorkScope it was queued through is cancelled, and when its machine halts without draining. For "
     "handlers\n"
     "that look now and then. Any context; a hint.",
     nullptr},
    {"_scope", work_get_scope, work_set_scope, nullptr, nullptr},
    {"func", work_get_func, nullptr, "The handler: the function given, or the bound run().", nullptr},
    {"name", work_get_name, nullptr, "The name given, else the function's.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyGetSetDef delayed_getset[] = {
    {"timer_pending", work_get_timer_pending, nullptr,
     "Whether its timer runs down, so that it is pending but not queued yet (Linux: timer_pending(&dwork->timer)). A "
     "hint.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef work_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyWork, weakrefs), READONLY, nullptr},
                              {nullptr, 0, 0, 0, nullptr}};

PyType_Slot work_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(work_new)},
    {Py_tp_init, reinterpret_cast<void*>(work_init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(work_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(work_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(work_clear)},
    {Py_tp_repr, reinterpret_cast<void*>(work_repr)},
    {Py_tp_methods, work_methods},
    {Py_tp_getset, work_getset},
    {Py_tp_members, work_members},
    {Py_tp_doc,
     const_cast<char*>(
         "Work(func=None, *, name=None)\n--\n\n"
         "A work item: func(work) runs when it is queued (Linux: struct work_struct).\n\n"
         "Or subclass, override run(self) and carry your own data. The same item queued twice before it starts runs\n"
         "once. Pending items are kept alive. Raises TypeError when func cannot take one argument.")},
    {0, nullptr}};
PyType_Spec work_spec = {"bottomhalf.Work", sizeof(PyWork), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, work_slots};

PyType_Slot delayed_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(delayed_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(work_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(work_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(work_clear)},
    {Py_tp_methods, delayed_methods},
    {Py_tp_getset, delayed_getset},
    {Py_tp_doc, const_cast<char*>("DelayedWork(func=None, *, name=None)\n--\n\n"
                                  "A work item with a timer (Linux: struct delayed_work).\n\n"
                                  "Its cancel, flush and disable are the delayed forms.")},
    {0, nullptr}};
PyType_Spec delayed_spec = {"bottomhalf.DelayedWork", sizeof(PyDelayedWork), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, delayed_slots};

}  // namespace

void register_work(py::module_& m) {
    g_run_name = PyUnicode_InternFromString("run");
    g_work_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&work_spec));
    if (g_work_type == nullptr) throw py::error_already_set();
    m.attr("Work") = py::handle(reinterpret_cast<PyObject*>(g_work_type));
    py::tuple bases = py::make_tuple(py::handle(reinterpret_cast<PyObject*>(g_work_type)));
    g_delayed_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(&delayed_spec, bases.ptr()));
    if (g_delayed_type == nullptr) throw py::error_already_set();
    m.attr("DelayedWork") = py::handle(reinterpret_cast<PyObject*>(g_delayed_type));
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&work_function), gil_gate());
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&delayed_function), gil_gate());
    m.def(
        "current_work",
        []() -> py::object {
            Work* work = current_work();
            if (work == nullptr || gate_of(work->func) != gil_gate()) return py::none();
            return py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(work_object(work)));
        },
        "The item the calling worker runs, or None (Linux: current_work). Meaningful in task context only.");
    m.def("current_is_rescuer", &current_is_rescuer,
          "True in an item that a rescuer runs (Linux: current_is_workqueue_rescuer). Any context.");
}

}  // namespace bh_python
