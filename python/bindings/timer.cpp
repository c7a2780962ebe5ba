// bottomhalf.Timer: a raw C type with the engine's timer inside.
//
// An armed timer holds a strong reference to its Python object for each arming, an idle one holds none.
#include "arguments.hpp"
#include "interrupt.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

struct PyTimer {
    PyObject_HEAD PyObject* func;  // GIL
    PyObject* weakrefs;
    unsigned armings;  // GIL: references held for armings whose callback has not begun
    bool shut_down;    // GIL: arming does nothing
    Task* runner;      // GIL: whose callback is in progress
    Owner owner;       // GIL
    Timer timer;
};

PyTimer* as_timer(PyObject* self) noexcept { return reinterpret_cast<PyTimer*>(self); }
PyTimer* as_timer(const Timer* t) noexcept {
    return reinterpret_cast<PyTimer*>(reinterpret_cast<char*>(const_cast<Timer*>(t)) - offsetof(PyTimer, timer));
}
// Neither armed nor running. The second look deletes nothing: what it could delete was not there at the first.
bool idle(PyTimer* t) { return !timer_pending(t->timer) && try_to_del_timer(t->timer) == 0; }
auto is_idle(PyTimer* t) {
    return [t] { return idle(t); };
}

void timer_callback(Timer* timer);

void release(PyTimer* t) noexcept {
    if (t->armings == 0) return;
    --t->armings;
    Py_DECREF(reinterpret_cast<PyObject*>(t));
}

// After a call that may have disarmed the timer without saying so (it raised, or the machine halts).
void settle(PyTimer* t) {
    if (t->armings == 0 || !idle(t)) return;
    while (t->armings != 0) release(t);
}

// GIL: entered through the gate. The engine does not touch the timer after this.
void timer_callback(Timer* timer) {
    PyTimer* t = as_timer(timer);
    auto* self = reinterpret_cast<PyObject*>(t);
    // The reference of this arming is the callback's from here on: it may arm the timer again.
    if (t->armings != 0)
        --t->armings;
    else
        Py_INCREF(self);
    Task* task = current_task();
    t->runner = task;
    PyObject* result = enter_python([&] { return PyObject_CallOneArg(t->func, self); });
    if (result != nullptr)
        Py_DECREF(result);
    else
        Py_XDECREF(report_handler_error(self, task->domain.load()));
    t->runner = nullptr;
    // Armed by the callback and disarmed by a wait that gave up.
    if (!timer_pending(t->timer))
        while (t->armings != 0) release(t);
    Py_DECREF(self);
}

PyObject* timer_new(PyTypeObject* type, PyObject*, PyObject*) {
    auto* t = reinterpret_cast<PyTimer*>(type->tp_alloc(type, 0));
    if (t == nullptr) return nullptr;
    new (&t->owner) Owner;
    new (&t->timer) Timer;
    return reinterpret_cast<PyObject*>(t);
}

int timer_init(PyObject* self, PyObject* args, PyObject* kwargs) {
    static const char* keywords[] = {"func", "deferrable", nullptr};
    PyObject* func = nullptr;
    int deferrable = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:Timer", const_cast<char**>(keywords), &func, &deferrable))
        return -1;
    PyTimer* t = as_timer(self);
    return guarded([&]() -> PyObject* {
               if (!idle(t))
                   throw MisuseError("timer-init-active",
                                     "Timer.__init__ on a timer that is armed or running would corrupt it; "
                                     "delete_sync() it first");
               check_callable(func, 1, "func");
               timer_setup(t->timer, &timer_callback, deferrable != 0 ? kTimerDeferrable : 0);
               Py_XSETREF(t->func, Py_NewRef(func));
               t->shut_down = false;
               return self;
           }) == nullptr
               ? -1
               : 0;
}

int timer_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_timer(self)->func);
    return 0;
}

int timer_clear(PyObject* self) {
    Py_CLEAR(as_timer(self)->func);
    return 0;
}

void timer_dealloc(PyObject* self) {
    PyTimer* t = as_timer(self);
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (t->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    timer_clear(self);
    // Another object at this address is another one in traces, too.
    if (Machine* m = t->owner.machine())
        if (m->domain().trace.enabled()) m->domain().trace.forget(&t->timer);
    order_forget(&t->timer);
    t->owner.~Owner();
    type->tp_free(self);
    Py_DECREF(type);
}

enum class How { mod, pending_only, reduce };

PyObject* arm(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, How how, const char* call) {
    return guarded([&] {
        FastArguments a;
        a.parse(call, args, nargs, kwnames, {"delay"}, 1);
        PyTimer* t = as_timer(self);
        const double delay = check_delay(a.required(0, call, "delay"), "delay");
        if (t->func == nullptr)
            throw py::type_error(std::string(Py_TYPE(self)->tp_name) +
                                 " has no func: its class did not call Timer.__init__");
        Machine& m = t->owner.join(is_idle(t), "this timer");
        if (t->shut_down) return Py_NewRef(Py_False);
        Domain& domain = m.domain();
        const Jiffies expires = domain.jiffies() + seconds_to_jiffies(delay, domain.hz);
        if (how == How::pending_only) return PyBool_FromLong(m.timers().mod_pending(t->timer, expires));
        // Taken before the callback can run; not needed when the arming before goes on with the one it has.
        Py_INCREF(self);
        ++t->armings;
        bool was_pending = false;
        try {
            was_pending = how == How::mod ? m.timers().mod(t->timer, expires) : m.timers().reduce(t->timer, expires);
        } catch (...) {
            release(t);
            throw;
        }
        if (was_pending) {
            release(t);
        } else if (t->armings == 0 && timer_pending(t->timer)) {
            // A callback that ended while this call was preempted took the reference for a stale one.
            Py_INCREF(self);
            ++t->armings;
        }
        // A halting machine arms nothing any more.
        if (!domain.running()) settle(t);
        return PyBool_FromLong(was_pending);
    });
}
PyObject* timer_mod(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return arm(self, args, n, kw, How::mod, "mod()");
}
PyObject* timer_mod_pending(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return arm(self, args, n, kw, How::pending_only, "mod_pending()");
}
PyObject* timer_reduce(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return arm(self, args, n, kw, How::reduce, "reduce()");
}

PyObject* timer_del(PyObject* self, PyObject*) {
    return guarded([&] {
        const bool was_pending = timer_delete(as_timer(self)->timer);
        if (was_pending) release(as_timer(self));
        return PyBool_FromLong(was_pending);
    });
}

template <class Wait>
PyObject* stop(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, const char* call,
               Wait&& wait) {
    Py_INCREF(self);
    PyTimer* t = as_timer(self);
    PyObject* result = guarded([&] {
        FastArguments a;
        a.parse(call, args, nargs, kwnames, {"timeout"}, 1);
        timeout_seconds(a.values[0]);
        // The engine would say so too, but after it has disarmed a timer that its callback armed again.
        if (t->runner != nullptr && t->runner == current_task())
            throw DeadlockError(std::string(call) +
                                " called from the timer's own callback: it would wait for itself; use "
                                "delete()");
        bool was_pending = false;
        Machine* m = t->owner.machine();
        if (m == nullptr || m->halted()) {
            was_pending = timer_delete(t->timer);
        } else {
            Domain& domain = m->domain();
            MachineHold hold(&domain);
            was_pending = wait_without_gil(
                domain, a.values[0], [&](Nanoseconds deadline) { return wait(t->timer, domain.self(), deadline); });
        }
        if (was_pending) release(t);
        return PyBool_FromLong(was_pending);
    });
    if (result == nullptr) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        settle(t);
        PyErr_Restore(type, value, traceback);
    }
    Py_DECREF(self);
    return result;
}

PyObject* timer_del_sync(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    return stop(self, args, n, kw, "delete_sync()", [](Timer& timer, Task& task, Nanoseconds deadline) {
        return timer_delete_sync(timer, task, deadline);
    });
}

PyObject* timer_shut_down(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
    PyTimer* t = as_timer(self);
    const bool before = t->shut_down;
    // First, so that whoever arms it during the wait is refused.
    t->shut_down = true;
    PyObject* result = stop(self, args, n, kw, "shutdown_sync()", [](Timer& timer, Task& task, Nanoseconds deadline) {
        return timer_shutdown_sync(timer, task, deadline);
    });
    // Timed out or interrupted it is shut down all the same; refused (its own callback, a hard interrupt) it is not.
    if (result == nullptr) t->shut_down = before || t->timer.function == nullptr;
    return result;
}

PyObject* timer_get_pending(PyObject* self, void*) { return PyBool_FromLong(timer_pending(as_timer(self)->timer)); }
PyObject* timer_get_func(PyObject* self, void*) {
    return Py_NewRef(as_timer(self)->func != nullptr ? as_timer(self)->func : Py_None);
}

PyObject* timer_repr(PyObject* self) {
    PyTimer* t = as_timer(self);
    const std::string name = t->func != nullptr ? describe_callable(t->func) : "without a func";
    return PyUnicode_FromFormat("<bottomhalf.Timer %s: %s>", name.c_str(),
                                t->shut_down              ? "shut down"
                                : timer_pending(t->timer) ? "armed; delete() disarms it"
                                                          : "not armed; mod(delay) arms it");
}

PyMethodDef timer_methods[] = {
    {"mod", BH_METHOD(timer_mod),
     "mod($self, /, delay)\n--\n\nArm for delay seconds from now, from whatever state (Linux: mod_timer).\n\n"
     "delay: seconds from 0, rounded up to jiffies; late by the wheel's granularity, never early. On the caller's "
     "CPU.\n"
     "Returns True when it was pending. Any context; never sleeps. Raises ValueError for a bad delay, and while the "
     "timer\n"
     "is in use on another machine; MachineHalted."},
    {"mod_pending", BH_METHOD(timer_mod_pending),
     "mod_pending($self, /, delay)\n--\n\nAs mod(), but only when it is pending (Linux: mod_timer_pending).\n\n"
     "Returns True when it was pending, else False and nothing happens. Any context."},
    {"reduce", BH_METHOD(timer_reduce),
     "reduce($self, /, delay)\n--\n\nArm, or move to an earlier time, never to a later one (Linux: timer_reduce).\n\n"
     "Returns True when it was pending. Any context."},
    {"delete", timer_del, METH_NOARGS,
     "delete($self, /)\n--\n\nDisarm, without waiting for a running callback (Linux: timer_delete).\n\n"
     "Returns True when it was pending. Any context; never sleeps."},
    {"delete_sync", BH_METHOD(timer_del_sync),
     "delete_sync($self, /, timeout=None)\n--\n\nDisarm and wait for a running callback (Linux: timer_delete_sync).\n\n"
     "timeout: seconds, None: for ever. Returns True when it was pending. Raises TimeoutError (disarmed all the "
     "same),\n"
     "DeadlockError from its own callback, MisuseError in a hard interrupt. Elsewhere in atomic context it spins."},
    {"shutdown_sync", BH_METHOD(timer_shut_down),
     "shutdown_sync($self, /, timeout=None)\n--\n\nAs delete_sync(), and arming does nothing from now on (Linux:\n"
     "timer_shutdown_sync).\n\nReturns True when it was pending."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef timer_getset[] = {
    {"pending", timer_get_pending, nullptr,
     "Whether it is armed; False in its own callback (Linux: timer_pending). A hint.", nullptr},
    {"func", timer_get_func, nullptr, "The callback.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef timer_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyTimer, weakrefs), READONLY, nullptr},
                               {nullptr, 0, 0, 0, nullptr}};

PyType_Slot timer_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(timer_new)},
    {Py_tp_init, reinterpret_cast<void*>(timer_init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(timer_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(timer_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(timer_clear)},
    {Py_tp_repr, reinterpret_cast<void*>(timer_repr)},
    {Py_tp_methods, timer_methods},
    {Py_tp_getset, timer_getset},
    {Py_tp_members, timer_members},
    {Py_tp_doc,
     const_cast<char*>(
         "Timer(func, *, deferrable=False)\n--\n\nfunc(timer) runs in TIMER_SOFTIRQ when the time is over (Linux:\n"
         "struct timer_list).\n\ndeferrable: does not wake an idle CPU. The callback must not sleep; it may arm the\n"
         "timer again. Armed timers are kept alive. Raises TypeError when func cannot take one argument.")},
    {0, nullptr}};
PyType_Spec timer_spec = {"bottomhalf.Timer", sizeof(PyTimer), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, timer_slots};

}  // namespace

void describe_timer(const Timer* timer, char* buffer, std::size_t size) noexcept {
    PyTimer* t = as_timer(timer);
    describe_func(t->func, reinterpret_cast<PyObject*>(t), buffer, size);
}

void drop_timer(Timer* timer) noexcept { release(as_timer(timer)); }

void register_timer(py::module_& m) {
    add_type(m, timer_spec);
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&timer_callback), timer_gate());
}

}  // namespace bh_python
