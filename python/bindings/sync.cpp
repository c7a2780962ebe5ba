// bottomhalf.Completion, WaitQueue and Mutex: raw C types with the engine's objects inside.
//
// They belong to the machine whose task uses them; what only wakes (complete, wake_up) may come from anywhere.
#include "sync.hpp"

#include "interrupt.hpp"
#include "work.hpp"

#include "bottomhalf/sync/completion.hpp"

namespace bh_python {

namespace {

template <class Core>
struct PySync {
    PyObject_HEAD PyObject* weakrefs;
    unsigned users;  // GIL: calls that wait in it
    Owner owner;     // GIL
    Core core;
};
using PyCompletion = PySync<Completion>;
using PyWaitQueue = PySync<WaitQueue>;
using PyMutex = PySync<Mutex>;

template <class Core>
PySync<Core>* of(PyObject* self) noexcept {
    return reinterpret_cast<PySync<Core>*>(self);
}

template <class Core>
PyObject* sync_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    auto* s = reinterpret_cast<PySync<Core>*>(new_sync(type, args, kwargs));
    if (s == nullptr) return nullptr;
    new (&s->owner) Owner;
    new (&s->core) Core;
    return reinterpret_cast<PyObject*>(s);
}

template <class Core>
void sync_dealloc(PyObject* self) {
    auto* s = of<Core>(self);
    PyTypeObject* type = Py_TYPE(self);
    if (s->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    s->owner.~Owner();
    s->core.~Core();
    type->tp_free(self);
    Py_DECREF(type);
}

bool may_sleep(const Task& self) noexcept { return self.preempt_count == 0 && self.irqs_off == 0; }

// wait(self, deadline) -> WaitResult, without the GIL; the object counts as in use meanwhile.
template <class Core, class Wait>
WaitResult wait_in(PySync<Core>* s, Machine& m, PyObject* timeout, Wait&& wait) {
    struct User {
        unsigned& n;
        explicit User(unsigned& users) : n(users) { ++n; }
        ~User() { --n; }
    } user(s->users);
    Domain& domain = m.domain();
    MachineHold hold(&domain);
    return wait_without_gil(domain, timeout, [&](Nanoseconds deadline) { return wait(domain.self(), deadline); });
}

// A call that wakes: a simulated machine's tasks only from the thread they live in.
template <class Core>
void check_waker(PySync<Core>* s) {
    if (s->users == 0) return;
    Machine* m = s->owner.machine();
    if (m != nullptr && m->domain().substrate->simulated()) m->domain().self();  // raises WrongThread
}

// --- Completion ---

PyObject* completion_complete(PyObject* self, PyObject*) {
    return guarded([&] {
        check_waker(of<Completion>(self));
        of<Completion>(self)->core.complete();
        return Py_NewRef(Py_None);
    });
}
PyObject* completion_complete_all(PyObject* self, PyObject*) {
    return guarded([&] {
        check_waker(of<Completion>(self));
        of<Completion>(self)->core.complete_all();
        return Py_NewRef(Py_None);
    });
}
PyObject* completion_wait(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        FastArguments a;
        a.parse("wait()", args, nargs, kwnames, {"timeout"}, 1);
        timeout_seconds(a.values[0]);
        PyCompletion* c = of<Completion>(self);
        Machine& m = c->owner.join([c] { return c->users == 0; }, "this completion");
        if (may_sleep(m.domain().self()) && c->core.try_wait()) return Py_NewRef(Py_None);
        throw_unless_ok(
            wait_in(c, m, a.values[0], [c](Task& task, Nanoseconds deadline) { return c->core.wait(task, deadline); }),
            "wait_for_completion");
        return Py_NewRef(Py_None);
    });
}
// The same for whoever waits for the first of some futures to end: the graph of waits knows it then.
PyObject* completion_wait_for_any(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        if (nargs != 2 || !PyList_Check(args[0])) throw py::type_error("_wait_for_any() takes a list and a timeout");
        PyCompletion* c = of<Completion>(self);
        Machine& m = c->owner.join([c] { return c->users == 0; }, "this completion");
        const std::vector<ItemWait> waits = item_waits(args[0]);
        std::vector<const Wait*> all;
        for (const ItemWait& wait : waits) all.push_back(&wait);
        const AnyWait any(std::move(all));
        throw_unless_ok(wait_in(c, m, args[1],
                                [&](Task& task, Nanoseconds deadline) {
                                    might_sleep(task, "wait_for_completion");
                                    std::optional<WaitScope> scope;
                                    if (!waits.empty()) scope.emplace(task, any, deadline, "as_completed");
                                    return c->core.wait(task, deadline);
                                }),
                        "wait_for_completion");
        return Py_NewRef(Py_None);
    });
}
PyObject* completion_try_wait(PyObject* self, PyObject*) {
    return PyBool_FromLong(of<Completion>(self)->core.try_wait());
}
PyObject* completion_reinit(PyObject* self, PyObject*) {
    of<Completion>(self)->core.reinit();
    Py_RETURN_NONE;
}
PyObject* completion_done(PyObject* self, void*) { return PyBool_FromLong(of<Completion>(self)->core.done()); }

// --- WaitQueue ---

struct PredicateFailed {};

PyObject* queue_wait_event(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        FastArguments a;
        a.parse("wait_event()", args, nargs, kwnames, {"predicate", "timeout"}, 2);
        PyObject* predicate = a.required(0, "wait_event()", "predicate");
        timeout_seconds(a.values[1]);
        check_callable(predicate, 0, "predicate");
        PyWaitQueue* q = of<WaitQueue>(self);
        Machine& m = q->owner.join([q] { return q->users == 0; }, "this wait queue");
        PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
        WaitResult result = WaitResult::ok;
        try {
            result = wait_in(q, m, a.values[1], [&](Task& task, Nanoseconds deadline) {
                auto ready = [&] {
                    GatePass pass(task);
                    pass.want(plain_gate());
                    PyObject* answer = enter_python([&] { return PyObject_CallNoArgs(predicate); });
                    const int truth = answer != nullptr ? PyObject_IsTrue(answer) : -1;
                    Py_XDECREF(answer);
                    if (truth >= 0) return truth != 0;
                    // Carried past the engine by hand: an exception object must not be touched without the GIL.
                    PyErr_Fetch(&type, &value, &traceback);
                    throw PredicateFailed{};
                };
                return q->core.wait(task, ready, deadline, "wait_event");
            });
        } catch (const PredicateFailed&) {
            PyErr_Restore(type, value, traceback);
            return nullptr;
        }
        throw_unless_ok(result, "wait_event");
        return Py_NewRef(Py_None);
    });
}
PyObject* queue_wake_up(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        FastArguments a;
        a.parse("wake_up()", args, nargs, kwnames, {"n"}, 1);
        long n = 1;
        if (a.values[0] != nullptr) {
            n = PyLong_AsLong(a.values[0]);
            if (n == -1 && PyErr_Occurred()) return nullptr;
            if (n < 1)
                throw py::value_error("n=" + std::to_string(n) +
                                      " is out of range: the number of waiters to wake, from 1");
        }
        check_waker(of<WaitQueue>(self));
        return PyLong_FromUnsignedLong(
            of<WaitQueue>(self)->core.wake(static_cast<unsigned>(std::min<long>(n, UINT_MAX))));
    });
}
PyObject* queue_wake_up_all(PyObject* self, PyObject*) {
    return guarded([&] {
        check_waker(of<WaitQueue>(self));
        return PyLong_FromUnsignedLong(of<WaitQueue>(self)->core.wake_all());
    });
}

// --- Mutex ---

bool mutex_idle(PyMutex* x) noexcept { return x->users == 0 && !x->core.locked(); }

PyObject* mutex_lock(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        FastArguments a;
        a.parse("lock()", args, nargs, kwnames, {"timeout"}, 1);
        timeout_seconds(a.values[0]);
        PyMutex* x = of<Mutex>(self);
        Machine& m = x->owner.join([x] { return mutex_idle(x); }, "this mutex");
        Task& task = m.domain().self();
        if (!m.domain().simulated && may_sleep(task) && x->core.try_lock(task)) return Py_NewRef(self);
        throw_unless_ok(
            wait_in(x, m, a.values[0], [x](Task& t, Nanoseconds deadline) { return x->core.lock(t, deadline); }),
            "mutex_lock");
        return Py_NewRef(self);
    });
}
PyObject* mutex_enter(PyObject* self, PyObject*) { return mutex_lock(self, nullptr, 0, nullptr); }
PyObject* mutex_try_lock(PyObject* self, PyObject*) {
    return guarded([&] {
        PyMutex* x = of<Mutex>(self);
        Machine& m = x->owner.join([x] { return mutex_idle(x); }, "this mutex");
        return PyBool_FromLong(x->core.try_lock(m.domain().self()));
    });
}
PyObject* mutex_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
    return guarded([&] {
        PyMutex* x = of<Mutex>(self);
        // A held mutex stays with its machine, whichever is current by now.
        Machine* m = x->core.locked() ? x->owner.machine() : nullptr;
        x->core.unlock(m != nullptr ? m->domain().self() : current_machine().domain().self());
        return Py_NewRef(Py_None);
    });
}
PyObject* mutex_locked(PyObject* self, void*) { return PyBool_FromLong(of<Mutex>(self)->core.locked()); }

// --- types ---

#define BH_FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)), METH_FASTCALL

PyMethodDef completion_methods[] = {
    {"complete", completion_complete, METH_NOARGS,
     "complete($self, /)\n--\n\nAdd one event: the first waiter goes on, or the next who comes (Linux: complete). Any "
     "context."},
    {"complete_all", completion_complete_all, METH_NOARGS,
     "complete_all($self, /)\n--\n\nEvery wait succeeds from now on, until reinit() (Linux: complete_all). Any "
     "context."},
    {"_wait_for_any", BH_METHOD(completion_wait_for_any),
     "_wait_for_any($self, futures, timeout, /)\n--\n\nwait(), by whoever waits for the first of these futures."},
    {"wait", BH_METHOD(completion_wait),
     "wait($self, /, timeout=None)\n--\n\nSleep until there is an event, and consume it (Linux: "
     "wait_for_completion).\n\n"
     "timeout: seconds, None: for ever. First come, first served. Task context that may sleep; the pool sees the "
     "sleep.\n"
     "Raises TimeoutError, SchedulingWhileAtomic, MachineExit, ValueError while it is waited for on another machine."},
    {"try_wait", completion_try_wait, METH_NOARGS,
     "try_wait($self, /)\n--\n\nConsume an event if there is one (Linux: try_wait_for_completion). True when there "
     "was. Any context."},
    {"reinit", completion_reinit, METH_NOARGS,
     "reinit($self, /)\n--\n\nNo event, as when it was made (Linux: reinit_completion). Any context."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef completion_getset[] = {
    {"done", completion_done, nullptr, "Whether an event is there (Linux: completion_done). A hint.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef queue_methods[] = {
    {"wait_event", BH_METHOD(queue_wait_event),
     "wait_event($self, /, predicate, timeout=None)\n--\n\nSleep until predicate() is true (Linux: wait_event).\n\n"
     "predicate: asked before sleeping and after every wake-up; its exception leaves the wait. timeout: seconds, None: "
     "for\n"
     "ever; a predicate that is true at the end counts. Task context that may sleep; the pool sees the sleep.\n"
     "Raises TimeoutError, SchedulingWhileAtomic, MachineExit."},
    {"wake_up", BH_METHOD(queue_wake_up),
     "wake_up($self, /, n=1)\n--\n\nLet the waiters look at their predicates (Linux: wake_up, wake_up_nr).\n\n"
     "n: how many exclusive waiters; those of wait_event() are not exclusive, all are woken. Returns how many. Any "
     "context."},
    {"wake_up_all", queue_wake_up_all, METH_NOARGS,
     "wake_up_all($self, /)\n--\n\nLet every waiter look at its predicate (Linux: wake_up_all). Returns how many. Any "
     "context."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};

PyMethodDef mutex_methods[] = {
    {"__enter__", mutex_enter, METH_NOARGS,
     "__enter__($self, /)\n--\n\nTake the mutex, sleeping until it is free (Linux: mutex_lock).\n\n"
     "Task context that may sleep; the pool sees the sleep. Raises DeadlockError when the caller holds it already,\n"
     "or when its owner waits for what only the caller can do; SchedulingWhileAtomic, MachineExit."},
    {"__exit__", BH_FAST(mutex_exit),
     "__exit__($self, /, *args)\n--\n\nGive the mutex back (Linux: mutex_unlock). Raises MisuseError unless the caller "
     "holds it."},
    {"lock", BH_METHOD(mutex_lock),
     "lock($self, /, timeout=None)\n--\n\nTake the mutex, as `with` does; raises TimeoutError after that many "
     "seconds."},
    {"unlock", BH_FAST(mutex_exit), "unlock($self, /)\n--\n\nGive the mutex back (Linux: mutex_unlock)."},
    {"try_lock", mutex_try_lock, METH_NOARGS,
     "try_lock($self, /)\n--\n\nTake the mutex if it is free (Linux: mutex_trylock). True when it was."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef mutex_getset[] = {{"locked", mutex_locked, nullptr, "Whether anybody holds it. A hint.", nullptr},
                              {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class Core>
void add(py::module_& m, const char* name, const char* doc, PyMethodDef* methods, PyGetSetDef* getset) {
    static PyMemberDef members[] = {
        {"__weaklistoffset__", T_PYSSIZET, offsetof(PySync<Core>, weakrefs), READONLY, nullptr},
        {nullptr, 0, 0, 0, nullptr}};
    static PyGetSetDef none[] = {{nullptr, nullptr, nullptr, nullptr, nullptr}};
    PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&sync_new<Core>)},
                           {Py_tp_dealloc, reinterpret_cast<void*>(&sync_dealloc<Core>)},
                           {Py_tp_methods, methods},
                           {Py_tp_getset, getset != nullptr ? getset : none},
                           {Py_tp_members, members},
                           {Py_tp_doc, const_cast<char*>(doc)},
                           {0, nullptr}};
    PyType_Spec spec = {name, sizeof(PySync<Core>), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
    add_type(m, spec);
}

}  // namespace

void register_sync(py::module_& m) {
    add<Completion>(
        m, "bottomhalf.Completion",
        "Completion()\n--\n\nA counter of events and the tasks that wait for one (Linux: struct completion).",
        completion_methods, completion_getset);
    add<WaitQueue>(m, "bottomhalf.WaitQueue",
                   "WaitQueue()\n--\n\nTasks that wait for a condition (Linux: wait_queue_head_t).", queue_methods,
                   nullptr);
    add<Mutex>(
        m, "bottomhalf.Mutex",
        "Mutex()\n--\n\nA lock that sleeps when contended (Linux: struct mutex): `with mutex:`. Owner-only unlock, no\n"
        "recursion, task context only.",
        mutex_methods, mutex_getset);
    register_spin_lock(m);
    register_shared(m);
}

}  // namespace bh_python
