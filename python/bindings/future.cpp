// The C part of bottomhalf.Future: an item that keeps what its function returned. The Python class derives from it and
// from concurrent.futures.Future, whose condition, waiters and callbacks are made only when somebody asks for them.
#include "low_latency.hpp"
#include "work.hpp"

#include "arguments.hpp"

namespace bh_python {

namespace {

PyTypeObject* g_base_type = nullptr;
PyObject* g_states[5];         // the state names of concurrent.futures, interned
PyObject* g_finish = nullptr;  // bottomhalf._future.finish(future, state)
PyObject* g_shared = nullptr;  // bottomhalf._future.shared() -> (condition, waiters, callbacks)
PyObject* g_cancelled_error = nullptr;
PyObject* g_timeout_error = nullptr;

PyFuture* as_future(PyObject* self) noexcept { return reinterpret_cast<PyFuture*>(self); }
bool over(const PyFuture* f) noexcept { return f->state >= FutureState::cancelled; }

PyObject* future_new(PyTypeObject* type, PyObject*, PyObject*) {
    PyErr_Format(PyExc_TypeError, "%s has no constructor: wq.submit(fn, ...) and bottomhalf.submit(fn, ...) make one",
                 type->tp_name);
    return nullptr;
}

int future_traverse(PyObject* self, visitproc visit, void* arg) {
    PyFuture* f = as_future(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(f->func);
    Py_VISIT(f->args);
    Py_VISIT(f->kwargs);
    Py_VISIT(f->context);
    Py_VISIT(f->result);
    Py_VISIT(f->shared);
    Py_VISIT(f->scope);
    return 0;
}

int future_clear(PyObject* self) {
    PyFuture* f = as_future(self);
    Py_CLEAR(f->func);
    Py_CLEAR(f->args);
    Py_CLEAR(f->kwargs);
    Py_CLEAR(f->context);
    Py_CLEAR(f->result);
    Py_CLEAR(f->shared);
    Py_CLEAR(f->scope);
    return 0;
}

void future_dealloc(PyObject* self) {
    PyFuture* f = as_future(self);
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (f->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    future_clear(self);
    delete f->done;
    LockGraph::forget(&f->work);
    order_forget(&f->work);
    type->tp_free(self);
    Py_DECREF(type);
}

// The item waits in its workqueue no longer.
void leave_backlog(PyFuture* f) noexcept {
    if (Backlog* place = std::exchange(f->place, nullptr)) place->leave();
}

// Its scope hears of it, with the exception if one left its function, before anybody else does.
void leave_scope(PyFuture* f) {
    PyObject* scope = std::exchange(f->scope, nullptr);
    if (scope == nullptr) return;
    PyObject* result = PyObject_CallMethod(scope, "_ended", "OO", f, f->failed ? f->result : Py_None);
    if (result == nullptr && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        // It came in between, and is for whoever waits: once more, where it can be raised.
        PyErr_Clear();
        PyErr_SetInterrupt();
    } else if (result == nullptr) {
        PyErr_WriteUnraisable(reinterpret_cast<PyObject*>(f));
    }
    Py_XDECREF(result);
    Py_DECREF(scope);
}

// GIL: the state and the wake-ups of whoever waits change together.
void finish(PyFuture* f, FutureState state) {
    order_release(&f->work, Handover::end);
    if (f->scope != nullptr) leave_scope(f);
    if (f->shared == nullptr) [[likely]] {
        f->state = state;
    } else {
        PyObject* result = PyObject_CallFunctionObjArgs(g_finish, reinterpret_cast<PyObject*>(f),
                                                        g_states[static_cast<int>(state)], nullptr);
        if (result == nullptr) PyErr_WriteUnraisable(reinterpret_cast<PyObject*>(f));
        Py_XDECREF(result);
        f->state = state;
    }
    if (f->done != nullptr) f->done->complete_all();
}

bool check_self_wait(PyFuture* f, const char* call) {
    Worker* worker = current_worker();
    if (worker == nullptr || worker->current_work != &f->work) return true;
    try {
        throw DeadlockError(std::string(call) + " called from the function whose result it waits for");
    } catch (...) {
        set_python_error();
    }
    return false;
}

// Whoever sees that it is over has what its function did behind itself.
bool is_over(const PyFuture* f) {
    if (over(f)) order_acquire(&f->work, Handover::end);
    return over(f);
}
// True when it is over; false with an exception set.
bool wait_over(PyFuture* f, PyObject* timeout, const char* call) {
    if (is_over(f)) return true;
    if (!check_self_wait(f, call)) return false;
    if (f->done == nullptr) f->done = new Completion;
    Py_INCREF(f);
    PyObject* waited = guarded([&]() -> PyObject* {
        Domain* domain = domain_of(f->work);
        MachineHold hold(domain);
        Domain& d = domain != nullptr ? *domain : current_machine().domain();
        const double limit = timeout_seconds(timeout);
        SignalScope signals(d);
        WaitResult result;
        {
            MaybeRelease release;
            Task& self = d.self();
            might_sleep(self, call);
            const Nanoseconds deadline = deadline_after(d, limit);
            const ItemWait wait(f->work, *f->done);
            WaitScope scope(self, wait, deadline, call);
            result = f->done->wait(self, deadline, call);
        }
        if (result == WaitResult::interrupted) throw Interrupted(call);
        if (result == WaitResult::timeout && !over(f)) {
            PyErr_Format(g_timeout_error, "%s: the time limit of %S s passed", call, timeout);
            return nullptr;
        }
        return Py_None;
    });
    if (waited != nullptr) order_acquire(&f->work, Handover::end);
    Py_DECREF(f);
    return waited != nullptr;
}

PyObject* timeout_argument(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, const char* call) {
    const Py_ssize_t nkw = kwnames == nullptr ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs + nkw > 1 ||
        (nkw == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "timeout") != 0)) {
        PyErr_Format(PyExc_TypeError, "%s takes one argument, timeout", call);
        return nullptr;
    }
    return nargs + nkw == 1 ? args[0] : Py_None;
}

PyObject* raise_cancelled() {
    PyErr_SetNone(g_cancelled_error);
    return nullptr;
}

PyObject* future_result(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyFuture* f = as_future(self);
    PyObject* timeout = timeout_argument(args, nargs, kwnames, "result()");
    if (timeout == nullptr || !wait_over(f, timeout, "Future.result")) return nullptr;
    if (f->state != FutureState::finished) return raise_cancelled();
    if (!f->failed) return Py_NewRef(f->result != nullptr ? f->result : Py_None);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(f->result)), f->result);
    return nullptr;
}

PyObject* future_exception(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyFuture* f = as_future(self);
    PyObject* timeout = timeout_argument(args, nargs, kwnames, "exception()");
    if (timeout == nullptr || !wait_over(f, timeout, "Future.exception")) return nullptr;
    if (f->state != FutureState::finished) return raise_cancelled();
    return Py_NewRef(f->failed ? f->result : Py_None);
}

PyObject* future_wait(PyObject* self, PyObject* timeout) {
    if (wait_over(as_future(self), timeout, "wait")) return Py_NewRef(Py_True);
    if (!PyErr_ExceptionMatches(g_timeout_error)) return nullptr;
    PyErr_Clear();
    return Py_NewRef(Py_False);
}

PyObject* future_cancel(PyObject* self, PyObject*) {
    PyFuture* f = as_future(self);
    if (f->state == FutureState::cancelled || f->state == FutureState::cancelled_notified) Py_RETURN_TRUE;
    if (f->state == FutureState::running) f->cancel_asked = true;
    if (f->state != FutureState::pending) Py_RETURN_FALSE;
    return guarded([&]() -> PyObject* {
        // GIL: between leaving the queue and its call an item passes no point where the GIL changes hands.
        if (!cancel_work(f->work)) return Py_NewRef(Py_False);
        leave_backlog(f);
        finish(f, FutureState::cancelled_notified);
        Py_DECREF(self);  // the reference of the queueing that will not run
        return Py_NewRef(Py_True);
    });
}

PyObject* future_done(PyObject* self, PyObject*) { return PyBool_FromLong(is_over(as_future(self))); }
PyObject* future_running(PyObject* self, PyObject*) {
    return PyBool_FromLong(as_future(self)->state == FutureState::running);
}
PyObject* future_cancelled(PyObject* self, PyObject*) {
    const FutureState s = as_future(self)->state;
    return PyBool_FromLong(s == FutureState::cancelled || s == FutureState::cancelled_notified);
}

// --- what concurrent.futures reads and writes of a future ---

PyObject* shared_part(PyFuture* f, Py_ssize_t i) {
    if (f->shared == nullptr) {
        PyObject* made = PyObject_CallNoArgs(g_shared);
        if (made == nullptr) return nullptr;
        // Another thread may have made one while this one did.
        if (f->shared == nullptr)
            f->shared = made;
        else
            Py_DECREF(made);
    }
    return Py_NewRef(PyTuple_GET_ITEM(f->shared, i));
}
PyObject* future_get_condition(PyObject* self, void*) { return shared_part(as_future(self), 0); }
PyObject* future_get_waiters(PyObject* self, void*) { return shared_part(as_future(self), 1); }
PyObject* future_get_callbacks(PyObject* self, void*) { return shared_part(as_future(self), 2); }
PyObject* future_get_state(PyObject* self, void*) {
    return Py_NewRef(g_states[static_cast<int>(as_future(self)->state)]);
}
int future_set_state(PyObject* self, PyObject* value, void*) {
    for (int i = 0; i < 5 && value != nullptr; ++i) {
        const int equal = PyObject_RichCompareBool(value, g_states[i], Py_EQ);
        if (equal < 0) return -1;
        if (equal == 0) continue;
        as_future(self)->state = static_cast<FutureState>(i);
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "_state must be a state of concurrent.futures");
    return -1;
}
PyObject* future_get_result(PyObject* self, void*) {
    PyFuture* f = as_future(self);
    return Py_NewRef(f->result != nullptr && !f->failed ? f->result : Py_None);
}
PyObject* future_get_exception(PyObject* self, void*) {
    PyFuture* f = as_future(self);
    return Py_NewRef(f->result != nullptr && f->failed ? f->result : Py_None);
}
int set_outcome(PyObject* self, PyObject* value, bool failed) {
    PyFuture* f = as_future(self);
    if (failed && (value == nullptr || value == Py_None)) return 0;
    f->failed = failed;
    Py_XSETREF(f->result, Py_XNewRef(value));
    return 0;
}
int future_set_result(PyObject* self, PyObject* value, void*) { return set_outcome(self, value, false); }
int future_set_exception(PyObject* self, PyObject* value, void*) { return set_outcome(self, value, true); }
PyObject* future_get_pending(PyObject* self, void*) { return PyBool_FromLong(as_future(self)->work.pending()); }
PyObject* future_get_name(PyObject* self, void*) {
    PyFuture* f = as_future(self);
    const std::string name = f->func != nullptr ? describe_callable(f->func) : "future";
    return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
}

PyObject* future_get_cancel_requested(PyObject* self, void*) {
    PyFuture* f = as_future(self);
    return guarded([&] { return PyBool_FromLong(f->cancel_asked || cancel_requested(f->work, f->scope)); });
}

PyMethodDef future_methods[] = {
    {"result", BH_METHOD(future_result),
     "result($self, /, timeout=None)\n--\n\nWhat the function returned; waits for it. In a work item this is a sleep "
     "that the pool sees.\n\n"
     "timeout: seconds, None: for ever. Raises the function's exception, CancelledError, TimeoutError, DeadlockError."},
    {"exception", BH_METHOD(future_exception),
     "exception($self, /, timeout=None)\n--\n\nThe exception that left the function, or None; waits for it as result() "
     "does."},
    {"_wait", future_wait, METH_O,
     "_wait($self, timeout, /)\n--\n\nWait until it is over; False when the time limit passed."},
    {"cancel", future_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nTake the item out of its queue.\n\n"
     "Returns True when it will not run; False when it is over, or runs: then its function finds cancel_requested "
     "true."},
    {"done", future_done, METH_NOARGS, "done($self, /)\n--\n\nFinished or cancelled."},
    {"running", future_running, METH_NOARGS, "running($self, /)\n--\n\nStarted and not over."},
    {"cancelled", future_cancelled, METH_NOARGS, "cancelled($self, /)\n--\n\nCancelled before it started."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef future_getset[] = {{"_condition", future_get_condition, nullptr, nullptr, nullptr},
                               {"_waiters", future_get_waiters, nullptr, nullptr, nullptr},
                               {"_done_callbacks", future_get_callbacks, nullptr, nullptr, nullptr},
                               {"_state", future_get_state, future_set_state, nullptr, nullptr},
                               {"_result", future_get_result, future_set_result, nullptr, nullptr},
                               {"_exception", future_get_exception, future_set_exception, nullptr, nullptr},
                               {"pending", future_get_pending, nullptr, "Queued and not started.", nullptr},
                               {"cancel_requested", future_get_cancel_requested, nullptr,
                                "Should the running function come to its end? True once cancel() was asked while it "
                                "runs, when its\n"
                                "WorkScope is cancelled, and when its machine halts without draining.",
                                nullptr},
                               {"name", future_get_name, nullptr, "The function's name.", nullptr},
                               {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef future_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyFuture, weakrefs), READONLY, nullptr},
                                {nullptr, 0, 0, 0, nullptr}};
PyType_Slot future_slots[] = {{Py_tp_new, reinterpret_cast<void*>(future_new)},
                              {Py_tp_dealloc, reinterpret_cast<void*>(future_dealloc)},
                              {Py_tp_traverse, reinterpret_cast<void*>(future_traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(future_clear)},
                              {Py_tp_methods, future_methods},
                              {Py_tp_getset, future_getset},
                              {Py_tp_members, future_members},
                              {0, nullptr}};
PyType_Spec future_spec = {"bottomhalf._core.FutureBase", sizeof(PyFuture), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, future_slots};

}  // namespace

// GIL: entered through the gate.
void future_function(Work* work) {
    auto* f = reinterpret_cast<PyFuture*>(work_object(work));
    f->state = FutureState::running;
    leave_backlog(f);
    PyObject* result = nullptr;
    if (PyContext_Enter(f->context) == 0) {
        result = enter_python([&] { return PyObject_Call(f->func, f->args, f->kwargs); });
        if (PyContext_Exit(f->context) < 0) Py_CLEAR(result);
    }
    f->failed = result == nullptr;
    if (f->failed) {
        PyObject *type, *traceback;
        PyErr_Fetch(&type, &result, &traceback);
        PyErr_NormalizeException(&type, &result, &traceback);
        if (traceback != nullptr) PyException_SetTraceback(result, traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
    }
    f->result = result;
    Py_CLEAR(f->args);
    Py_CLEAR(f->kwargs);
    Py_CLEAR(f->context);
    finish(f, FutureState::finished);
    Py_DECREF(f);
}

void future_dropped(PyFuture* f) noexcept {
    leave_backlog(f);
    if (!over(f)) finish(f, FutureState::cancelled_notified);
}

std::vector<ItemWait> item_waits(PyObject* futures) {
    std::vector<ItemWait> waits;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(futures); ++i) {
        PyObject* future = PyList_GET_ITEM(futures, i);
        if (!PyObject_TypeCheck(future, g_base_type)) return {};
        PyFuture* f = as_future(future);
        if (f->done == nullptr) f->done = new Completion;
        waits.emplace_back(f->work, *f->done);
    }
    return waits;
}

namespace {

// Plain functions are judged at once, at the price of a few loads; the text of a refusal, and named arguments, are the
// Python side's. What is no plain function finds out when it is called.
bool takes_arguments(PyFuture* f) {
    PyObject* plain = f->func;
    Py_ssize_t given = PyTuple_GET_SIZE(f->args);
    if (PyMethod_Check(plain)) {
        plain = PyMethod_GET_FUNCTION(plain);
        ++given;
    }
    if (!PyFunction_Check(plain)) return true;
    auto* code = reinterpret_cast<PyCodeObject*>(PyFunction_GetCode(plain));
    PyObject* defaults = PyFunction_GetDefaults(plain);
    const Py_ssize_t required = code->co_argcount - (defaults == nullptr ? 0 : PyTuple_GET_SIZE(defaults));
    if (f->kwargs == nullptr && code->co_kwonlyargcount == 0 && given >= required &&
        (given <= code->co_argcount || (code->co_flags & CO_VARARGS) != 0))
        return true;
    static PyObject* check = nullptr;
    if (check == nullptr) {
        PyObject* module = PyImport_ImportModule("bottomhalf._callables");
        if (module == nullptr) return false;
        check = PyObject_GetAttrString(module, "check_call");
        Py_DECREF(module);
        if (check == nullptr) return false;
    }
    PyObject* kwargs = f->kwargs != nullptr ? Py_NewRef(f->kwargs) : PyDict_New();
    PyObject* result =
        kwargs == nullptr ? nullptr : PyObject_CallFunctionObjArgs(check, f->func, f->args, kwargs, nullptr);
    Py_XDECREF(kwargs);
    Py_XDECREF(result);
    return result != nullptr;
}

}  // namespace

namespace {

// Takes a place, waiting for one if the workqueue is made so.
void enter_backlog(PyFuture* f, Workqueue& wq) {
    Backlog& backlog = *wq.backlog();
    Domain& domain = wq.domain();
    domain.require_alive();
    if (!backlog.try_enter()) {
        MachineHold hold(&domain);
        wait_without_gil(domain, py::none(), [&](Nanoseconds) { backlog.enter(wq, domain.self()); });
    }
    f->place = &backlog;
}

}  // namespace

// Workqueue.submit, a plain C method. A scope hears of the item before it can run, but after the wait for a place: who
// leaves the scope during that wait need not wait as well.
PyObject* submit_object(Workqueue& wq, PyObject* scope, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "submit() misses its first argument, the function");
        return nullptr;
    }
    if (!PyCallable_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "submit() needs a callable, not %s", Py_TYPE(args[0])->tp_name);
        return nullptr;
    }
    auto* f = reinterpret_cast<PyFuture*>(g_future_type->tp_alloc(g_future_type, 0));
    if (f == nullptr) return nullptr;
    new (&f->work) Work(&future_function);
    f->func = Py_NewRef(args[0]);
    f->context = PyContext_CopyCurrent();
    f->args = f->context != nullptr ? PyTuple_New(nargs - 1) : nullptr;
    if (f->args == nullptr) {
        Py_DECREF(f);
        return nullptr;
    }
    for (Py_ssize_t i = 1; i < nargs; ++i) PyTuple_SET_ITEM(f->args, i - 1, Py_NewRef(args[i]));
    if (kwnames != nullptr && PyTuple_GET_SIZE(kwnames) != 0) {
        f->kwargs = PyDict_New();
        for (Py_ssize_t i = 0; f->kwargs != nullptr && i < PyTuple_GET_SIZE(kwnames); ++i)
            if (PyDict_SetItem(f->kwargs, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) Py_CLEAR(f->kwargs);
        if (f->kwargs == nullptr) {
            Py_DECREF(f);
            return nullptr;
        }
    }
    if (!takes_arguments(f) && PyErr_Occurred()) {
        Py_DECREF(f);
        return nullptr;
    }
    return guarded([&]() -> PyObject* {
        Py_INCREF(f);
        try {
            if (wq.backlog() != nullptr) enter_backlog(f, wq);
            if (scope != nullptr) {
                f->scope = Py_NewRef(scope);
                py::handle(scope).attr("_enter")(py::handle(reinterpret_cast<PyObject*>(f)));
            }
            wq.queue(f->work);
        } catch (...) {
            if (f->place != nullptr) f->place->arrived();
            leave_backlog(f);
            if (f->scope != nullptr) finish(f, FutureState::cancelled_notified);
            Py_DECREF(f);
            Py_DECREF(f);
            throw;
        }
        if (wq.backlog() != nullptr) wq.backlog()->arrived();
        after_queueing(wq.domain(), f->work);
        return reinterpret_cast<PyObject*>(f);
    });
}

void register_future(py::module_& m) {
    g_base_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&future_spec));
    if (g_base_type == nullptr) throw py::error_already_set();
    m.attr("FutureBase") = py::handle(reinterpret_cast<PyObject*>(g_base_type));
    const char* names[] = {"PENDING", "RUNNING", "CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"};
    for (int i = 0; i < 5; ++i) g_states[i] = PyUnicode_InternFromString(names[i]);
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&future_function), gil_gate());
    m.def("_set_future_type", [](py::object type, py::object finish_function, py::object shared,
                                 py::object cancelled_error, py::object timeout_error) {
        g_future_type = reinterpret_cast<PyTypeObject*>(type.release().ptr());
        g_finish = finish_function.release().ptr();
        g_shared = shared.release().ptr();
        g_cancelled_error = cancelled_error.release().ptr();
        g_timeout_error = timeout_error.release().ptr();
    });
}

}  // namespace bh_python
