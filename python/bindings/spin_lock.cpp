// bottomhalf.SpinLock. Uncontended, neither taking nor giving back lets the GIL go; a contender lets it go.
#include "arguments.hpp"
#include "context.hpp"
#include "sync.hpp"

#include "bottomhalf/sync/spin_lock.hpp"

namespace bh_python {

namespace {

struct PySpinLock {
    PyObject_HEAD PyObject* weakrefs;
    unsigned users;  // GIL: tasks that wait for it
    SpinKind kind;   // by the holder
    Owner owner;     // GIL
    SpinLock core;
};

// lock.bh() and lock.irqsave(): the same lock, taken another way.
struct PySpinSection {
    PyObject_HEAD PySpinLock* lock;
    SpinKind kind;
};

PyTypeObject* g_section_type = nullptr;

PySpinLock* as_lock(PyObject* self) noexcept { return reinterpret_cast<PySpinLock*>(self); }

void raise_context(Task& self, SpinKind kind) {
    if (kind == SpinKind::bh) section_bh_off(self);
    if (kind == SpinKind::irqsave) section_irqs_off(self);
}
void lower_context(Task& self, SpinKind kind) {
    if (kind == SpinKind::irqsave) section_irqs_on(self);
    if (kind == SpinKind::bh) section_bh_on(self);
}

Task& user(PySpinLock* l) {
    return l->owner.join([l] { return l->users == 0 && !l->core.locked(); }, "this spin lock").domain().self();
}

void take(PySpinLock* l, SpinKind kind) {
    Task& self = user(l);
    if (l->core.owner() == &self) [[unlikely]] {
        l->core.lock(self);  // raises DeadlockError, before anything is off
        return;
    }
    l->core.check(self, kind);
    // In the order of Linux: bottom halves or interrupts off, then preemption, then the lock.
    raise_context(self, kind);
    if (!l->core.try_lock(self)) {
        ++l->users;
        {
            MachineHold hold(self.domain.load());
            MaybeRelease release(true);
            l->core.lock(self);
        }
        --l->users;
    }
    l->kind = kind;
}

void give_back(PySpinLock* l, SpinKind kind) {
    Machine* m = l->owner.machine();
    Task& self = m != nullptr && l->core.locked() ? m->domain().self() : current_machine().domain().self();
    if (l->core.owner() == &self && l->kind != kind)
        throw MisuseError("spinlock-other-form",
                          "spin_unlock: the lock was taken in another form (plain, bh, irqsave) than "
                          "it is given back in");
    l->core.unlock(self);  // raises MisuseError when another task holds it, or nobody
    lower_context(self, kind);
}

PyObject* lock_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    PySpinLock* l = reinterpret_cast<PySpinLock*>(new_sync(type, args, kwargs));
    if (l == nullptr) return nullptr;
    new (&l->owner) Owner;
    new (&l->core) SpinLock;
    return reinterpret_cast<PyObject*>(l);
}

void lock_dealloc(PyObject* self) {
    PySpinLock* l = as_lock(self);
    PyTypeObject* type = Py_TYPE(self);
    if (l->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    l->owner.~Owner();
    l->core.~SpinLock();
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* lock_enter(PyObject* self, PyObject*) {
    return guarded([&] {
        take(as_lock(self), SpinKind::plain);
        return Py_NewRef(self);
    });
}
PyObject* lock_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
    return guarded([&] {
        give_back(as_lock(self), SpinKind::plain);
        return Py_NewRef(Py_None);
    });
}
PyObject* lock_try(PyObject* self, PyObject*) {
    return guarded([&] {
        Task& task = user(as_lock(self));
        if (!as_lock(self)->core.try_lock(task)) return Py_NewRef(Py_False);
        as_lock(self)->kind = SpinKind::plain;
        return Py_NewRef(Py_True);
    });
}
PyObject* lock_get_locked(PyObject* self, void*) { return PyBool_FromLong(as_lock(self)->core.locked()); }

PyObject* section(PyObject* self, SpinKind kind) {
    PyObject* o = g_section_type->tp_alloc(g_section_type, 0);
    if (o == nullptr) return nullptr;
    auto* s = reinterpret_cast<PySpinSection*>(o);
    s->lock = as_lock(Py_NewRef(self));
    s->kind = kind;
    return o;
}
PyObject* lock_bh(PyObject* self, PyObject*) { return section(self, SpinKind::bh); }
PyObject* lock_irqsave(PyObject* self, PyObject*) { return section(self, SpinKind::irqsave); }

PyObject* section_enter(PyObject* self, PyObject*) {
    return guarded([&] {
        auto* s = reinterpret_cast<PySpinSection*>(self);
        take(s->lock, s->kind);
        return Py_NewRef(self);
    });
}
PyObject* section_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
    return guarded([&] {
        auto* s = reinterpret_cast<PySpinSection*>(self);
        give_back(s->lock, s->kind);
        return Py_NewRef(Py_None);
    });
}
void section_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    Py_XDECREF(reinterpret_cast<PyObject*>(reinterpret_cast<PySpinSection*>(self)->lock));
    type->tp_free(self);
    Py_DECREF(type);
}

#define BH_FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)), METH_FASTCALL

PyMethodDef lock_methods[] = {
    {"__enter__", lock_enter, METH_NOARGS,
     "__enter__($self, /)\n--\n\nTake the lock (Linux: spin_lock). Until it is given back the holder must not "
     "sleep.\n\n"
     "Any context, when every user is in the same one. Raises DeadlockError when the caller holds it already."},
    {"__exit__", BH_FAST(lock_exit),
     "__exit__($self, /, *args)\n--\n\nGive the lock back (Linux: spin_unlock). Raises MisuseError unless the caller "
     "holds it."},
    {"lock", lock_enter, METH_NOARGS, "lock($self, /)\n--\n\nTake the lock, as `with` does (Linux: spin_lock)."},
    {"unlock", BH_FAST(lock_exit), "unlock($self, /)\n--\n\nGive the lock back (Linux: spin_unlock)."},
    {"try_lock", lock_try, METH_NOARGS,
     "try_lock($self, /)\n--\n\nTake the lock if it is free; never waits (Linux: spin_trylock). True when it was."},
    {"bh", lock_bh, METH_NOARGS,
     "bh($self, /)\n--\n\nContext manager: the lock, with bottom halves off (Linux: spin_lock_bh): for locks that "
     "softirqs,\n"
     "tasklets or timers take too. Leaving it runs the softirqs that became pending."},
    {"irqsave", lock_irqsave, METH_NOARGS,
     "irqsave($self, /)\n--\n\nContext manager: the lock, with interrupts off (Linux: spin_lock_irqsave): for locks "
     "that interrupt\n"
     "handlers take too."},
    BH_NO_COPY,
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef lock_getset[] = {{"locked", lock_get_locked, nullptr, "Whether anybody holds it. A hint.", nullptr},
                             {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef lock_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PySpinLock, weakrefs), READONLY, nullptr},
                              {nullptr, 0, 0, 0, nullptr}};
PyType_Slot lock_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(lock_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(lock_dealloc)},
    {Py_tp_methods, lock_methods},
    {Py_tp_getset, lock_getset},
    {Py_tp_members, lock_members},
    {Py_tp_doc, const_cast<char*>(
                    "SpinLock()\n--\n\nA lock whose holder may not sleep (Linux: spinlock_t).\n\n"
                    "`with lock:`, `with lock.bh():`, `with lock.irqsave():`. It does not nest. A contender lets the\n"
                    "GIL go; its wait does not count as sleeping.")},
    {0, nullptr}};
PyType_Spec lock_spec = {"bottomhalf.SpinLock", sizeof(PySpinLock), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                         lock_slots};

PyMethodDef section_methods[] = {
    {"__enter__", section_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nTurn off, then take the lock."},
    {"__exit__", BH_FAST(section_exit), "__exit__($self, /, *args)\n--\n\nGive the lock back, then turn on again."},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot section_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(section_dealloc)},
    {Py_tp_methods, section_methods},
    {Py_tp_doc, const_cast<char*>("A way to take a SpinLock: lock.bh() and lock.irqsave() make one.")},
    {0, nullptr}};
PyType_Spec section_spec = {"bottomhalf.SpinLockSection", sizeof(PySpinSection), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, section_slots};

}  // namespace

void register_spin_lock(py::module_& m) {
    add_type(m, lock_spec);
    g_section_type = add_type(m, section_spec);
}

}  // namespace bh_python
