// bottomhalf.Workqueue.
#include "workqueue.hpp"

#include "arguments.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

using WorkqueueClass = py::class_<Workqueue, std::shared_ptr<Workqueue>>;

// The engine's object behind a Workqueue instance, without a type check: descriptors have made it.
Workqueue& unwrap(PyObject* self) noexcept {
    return *static_cast<Workqueue*>(reinterpret_cast<py::detail::instance*>(self)->simple_value_holder[0]);
}

int parse_cpu(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, Py_ssize_t positional, const char* call) {
    const Py_ssize_t nkw = kwnames == nullptr ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs != positional)
        throw py::type_error(std::string(call) + " takes " + std::to_string(positional) + " positional argument(s), " +
                             std::to_string(nargs) + " given");
    if (nkw == 0) return kCpuUnbound;
    if (nkw > 1 || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "cpu") != 0)
        throw py::type_error(std::string(call) + " takes one named argument, cpu");
    return check_cpu_argument(args[nargs]);
}

PyObject* wq_queue(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (nargs == 1 && kwnames == nullptr && is_work(args[0])) [[likely]] {
        try {
            const bool queued = queue_object(unwrap(self), reinterpret_cast<PyWork*>(args[0]), kCpuUnbound);
            return Py_NewRef(queued ? Py_True : Py_False);
        } catch (...) {
            set_python_error();
            return nullptr;
        }
    }
    return guarded([&] {
        const int cpu = parse_cpu(args, nargs, kwnames, 1, "queue()");
        return PyBool_FromLong(queue_object(unwrap(self), as_work(args[0], "queue()"), cpu));
    });
}

PyObject* wq_queue_many(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        const int cpu = parse_cpu(args, nargs, kwnames, 1, "queue_many()");
        py::object items = py::reinterpret_steal<py::object>(
            PySequence_Fast(args[0], "queue_many() needs an iterable of bottomhalf.Work"));
        if (!items) throw py::error_already_set();
        Workqueue& wq = unwrap(self);
        // All are looked at before the first is queued: a wrong one queues nothing.
        const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
        for (Py_ssize_t i = 0; i < n; ++i) as_work(PySequence_Fast_GET_ITEM(items.ptr(), i), "queue_many()");
        long queued = 0;
        for (Py_ssize_t i = 0; i < n; ++i)
            queued +=
                queue_object(wq, reinterpret_cast<PyWork*>(PySequence_Fast_GET_ITEM(items.ptr(), i)), cpu) ? 1 : 0;
        return PyLong_FromLong(queued);
    });
}

template <bool (*Operation)(Workqueue&, PyDelayedWork*, double, int)>
PyObject* delayed_operation(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames,
                            const char* call) {
    return guarded([&] {
        PyObject *delay = nullptr, *cpu = nullptr;
        if (nargs < 1 || nargs > 2)
            throw py::type_error(std::string(call) + " takes an item and a delay, " + std::to_string(nargs) + " given");
        if (nargs == 2) delay = args[1];
        const Py_ssize_t nkw = kwnames == nullptr ? 0 : PyTuple_GET_SIZE(kwnames);
        for (Py_ssize_t i = 0; i < nkw; ++i) {
            PyObject* key = PyTuple_GET_ITEM(kwnames, i);
            if (PyUnicode_CompareWithASCIIString(key, "cpu") == 0)
                cpu = args[nargs + i];
            else if (PyUnicode_CompareWithASCIIString(key, "delay") == 0 && delay == nullptr)
                delay = args[nargs + i];
            else
                throw py::type_error(std::string(call) + " got an unexpected keyword argument");
        }
        if (delay == nullptr) throw py::type_error(std::string(call) + " misses its argument 'delay'");
        PyDelayedWork* w = as_delayed(args[0], call);
        return PyBool_FromLong(Operation(unwrap(self), w, check_delay(delay, "delay"), check_cpu_argument(cpu)));
    });
}
PyObject* wq_queue_delayed(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return delayed_operation<queue_delayed_object>(self, args, nargs, kwnames, "queue_delayed()");
}
PyObject* wq_mod_delayed(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return delayed_operation<mod_delayed_object>(self, args, nargs, kwnames, "mod_delayed()");
}
PyObject* wq_queue_rcu(PyObject* self, PyObject* item) {
    return guarded([&] { return PyBool_FromLong(queue_rcu_object(unwrap(self), item)); });
}
PyObject* wq_queue_node(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        FastArguments a;
        a.parse("queue_node()", args, nargs, kwnames, {"work", "node"}, 2);
        PyWork* work = as_work(a.required(0, "queue_node()", "work"), "queue_node()");
        const long node = PyLong_AsLong(a.required(1, "queue_node()", "node"));
        if (node == -1 && PyErr_Occurred()) throw py::error_already_set();
        return PyBool_FromLong(queue_node_object(unwrap(self), work, static_cast<int>(node)));
    });
}
PyObject* wq_submit(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return submit_object(unwrap(self), nullptr, args, nargs, kwnames);
}
PyObject* wq_submit_in(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "_submit_in() misses its first argument, the scope");
        return nullptr;
    }
    return submit_object(unwrap(self), args[0], args + 1, nargs - 1, kwnames);
}

PyObject* wait_call(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, const char* name,
                    void (Workqueue::*call)(Nanoseconds)) {
    return guarded([&]() -> PyObject* {
        FastArguments a;
        a.parse(name, args, nargs, kwnames, {"timeout"}, 1);
        Workqueue& wq = unwrap(self);
        Domain& domain = wq.domain();
        domain.require_alive();
        MachineHold hold(&domain);
        wait_without_gil(domain, a.values[0], [&](Nanoseconds deadline) { (wq.*call)(deadline); });
        return Py_NewRef(Py_None);
    });
}
PyObject* wq_flush(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return wait_call(self, args, nargs, kwnames, "flush()", &Workqueue::flush);
}
PyObject* wq_drain(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return wait_call(self, args, nargs, kwnames, "drain()", &Workqueue::drain);
}
PyObject* wq_destroy(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    Workqueue& wq = unwrap(self);
    if (wq.destroyed() || wq.domain().state.load() >= DomainState::halted) Py_RETURN_NONE;
    return wait_call(self, args, nargs, kwnames, "destroy()", &Workqueue::destroy);
}

PyMethodDef wq_methods[] = {
    {"flush", BH_METHOD(wq_flush),
     "flush($self, /, timeout=None)\n--\n\nWait for everything queued before the call, held-back items included; not "
     "for later\n"
     "ones, requeues or timers (Linux: flush_workqueue).\n\ntimeout: seconds, None: for ever. Task context that may "
     "sleep.\n"
     "Raises TimeoutError, DeadlockError from an item of its own, SchedulingWhileAtomic, WorkqueueDestroyed."},
    {"drain", BH_METHOD(wq_drain),
     "drain($self, /, timeout=None)\n--\n\nFlush until empty; meanwhile only its own items may queue on it (Linux: "
     "drain_workqueue).\n\n"
     "timeout: seconds, None: for ever. Raises TimeoutError (it is open again), DeadlockError, WorkqueueDestroyed."},
    {"destroy", BH_METHOD(wq_destroy),
     "destroy($self, /, timeout=None)\n--\n\nRun what is pending, then refuse everything (Linux: destroy_workqueue). "
     "Idempotent.\n\n"
     "Armed delayed items are not covered: cancel them first. timeout: seconds, None: for ever. Raises TimeoutError "
     "(it is\n"
     "open again), DeadlockError, MisuseError for a system workqueue."},
    {"queue", BH_METHOD(wq_queue),
     "queue($self, work, /, *, cpu=None)\n--\n\nQueue an item (Linux: queue_work, queue_work_on).\n\n"
     "cpu: the CPU to run on; None: the caller's. Returns True when queued, False when it was pending or disabled.\n"
     "Any context; never sleeps. Raises WorkqueueDestroyed, WorkqueueDraining, MachineHalted, ValueError (cpu)."},
    {"queue_many", BH_METHOD(wq_queue_many),
     "queue_many($self, works, /, *, cpu=None)\n--\n\nQueue several items in order. Returns how many were queued."},
    {"queue_delayed", BH_METHOD(wq_queue_delayed),
     "queue_delayed($self, dwork, /, delay, *, cpu=None)\n--\n\nQueue after a delay (Linux: queue_delayed_work, "
     "queue_delayed_work_on).\n\n"
     "delay: seconds from 0, rounded up to jiffies; late by the timer wheel's granularity. Returns True when armed or "
     "queued,\n"
     "False when it was pending (its timer stays as it was) or disabled. Any context."},
    {"mod_delayed", BH_METHOD(wq_mod_delayed),
     "mod_delayed($self, dwork, /, delay, *, cpu=None)\n--\n\nArm with this delay from whatever state (Linux: "
     "mod_delayed_work).\n\n"
     "delay: seconds from 0. Returns True when it was pending before; False when not, or when disabled (nothing is "
     "armed\n"
     "then). Any context."},
    {"queue_rcu", wq_queue_rcu, METH_O,
     "queue_rcu($self, rwork, /)\n--\n\nQueue a RcuWork after a grace period (Linux: queue_rcu_work).\n\n"
     "Returns True when it will be queued once every read-side section (m.rcu_read()) that is open now has been left;\n"
     "False when it was pending. Any context. Raises as queue()."},
    {"queue_node", BH_METHOD(wq_queue_node),
     "queue_node($self, work, node)\n--\n\nQueue on a NUMA node: on the caller's CPU if it is there, else on the "
     "node's "
     "first\n"
     "that is online (Linux: queue_work_node). Returns as queue(). Any context. Raises MisuseError when the workqueue "
     "is\n"
     "not unbound, ValueError."},
    {"submit", BH_METHOD(wq_submit),
     "submit($self, fn, /, *args, **kwargs)\n--\n\nRun fn(*args, **kwargs) as an item, in a copy of the caller's "
     "context variables.\n\n"
     "Returns a bottomhalf.Future. Any context. Raises WorkqueueDestroyed, WorkqueueDraining, MachineHalted. On a\n"
     "workqueue with a queue_depth that is reached it sleeps until an item starts (task context; DeadlockError when\n"
     "every active item of the workqueue would then wait here), or raises QueueFull: alloc_workqueue(when_full=)."},
    {"_submit_in", BH_METHOD(wq_submit_in),
     "_submit_in($self, scope, fn, /, *args, **kwargs)\n--\n\nsubmit(), with scope._enter(future) before it is queued "
     "and\nscope._ended(future, exception or None) when it is over."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void register_workqueue(py::module_& m) {
    auto stats = py::class_<WorkqueueStats>(m, "WorkqueueStats",
                                            "A workqueue's counters (Linux: tools/workqueue/wq_monitor.py).");
    stats.def_readonly("started", &WorkqueueStats::started, "Items whose handler was called.")
        .def_readonly("completed", &WorkqueueStats::completed, "Items whose handler returned.")
        .def_readonly("cpu_time", &WorkqueueStats::cpu_time, "Microseconds of CPU time, sampled at ticks.")
        .def_readonly("cpu_intensive", &WorkqueueStats::cpu_intensive, "Items that hogged their CPU.")
        .def_readonly("cm_wakeup", &WorkqueueStats::cm_wakeup, "Workers woken because an item slept.")
        .def_readonly("repatriated", &WorkqueueStats::repatriated, "Workers moved back into their affinity scope.")
        .def_readonly("mayday", &WorkqueueStats::mayday, "Calls for the rescuer.")
        .def_readonly("rescued", &WorkqueueStats::rescued, "Items the rescuer ran.");

    WorkqueueClass c(
        m, "Workqueue",
        "A workqueue (Linux: struct workqueue_struct). m.alloc_workqueue() makes one; it owns no threads.");
    c.def(py::init([]() -> std::shared_ptr<Workqueue> {
         throw py::type_error("Workqueue has no constructor: m.alloc_workqueue(name, ...) makes one");
     }))
        .def_property_readonly("name", &Workqueue::name, "The name, at most 31 characters.")
        .def_property_readonly("_flags", &Workqueue::flags)
        .def_property("max_active", &Workqueue::max_active, &Workqueue::set_max_active,
                      "How many items may be active at a time: per CPU, or in all when unbound (Linux: "
                      "workqueue_set_max_active). Raising it starts held-back items at once.")
        .def_property("min_active", &Workqueue::min_active, &Workqueue::set_min_active,
                      "Unbound: what every node may have active at least (Linux: workqueue_set_min_active).")
        .def("_attrs",
             [](Workqueue& wq) {
                 const WorkqueueAttrs attrs = wq.attrs();
                 return py::make_tuple(attrs.nice, cpu_tuple(attrs.cpumask), scope_name(attrs.scope), attrs.strict);
             })
        .def("_set_attrs",
             [](Workqueue& wq, std::optional<int> nice, const std::optional<std::vector<int>>& cpus,
                const std::optional<std::string>& scope, std::optional<bool> strict) {
                 WorkqueueAttrs given;
                 if (cpus)
                     for (int cpu : *cpus) given.cpumask.set(wq.domain().check_cpu(cpu, "cpumask"));
                 if (scope) given.scope = scope_of(*scope);
                 MaybeRelease release;
                 wq.change_attrs([&](WorkqueueAttrs& attrs) {
                     if (nice) attrs.nice = *nice;
                     if (cpus) attrs.cpumask = given.cpumask;
                     if (scope) attrs.scope = given.scope;
                     if (strict) attrs.strict = *strict;
                 });
             })
        .def_property_readonly(
            "pools",
            [](Workqueue& wq) {
                py::list numbers;
                for (unsigned cpu = 0; cpu < wq.domain().nr_cpus; ++cpu) numbers.append(wq.pool_of(cpu).number);
                return py::tuple(numbers);
            },
            "For each CPU the number of the pool that items queued there go to (Linux: tools/workqueue/wq_dump.py).")
        .def("_bound_backlog", [](Workqueue& wq, unsigned depth,
                                  bool raises) { wq.bound_backlog(depth, raises ? WhenFull::raise : WhenFull::block); })
        .def_property_readonly(
            "queue_depth",
            [](Workqueue& wq) {
                return wq.backlog() == nullptr ? py::object(py::none()) : py::int_(wq.backlog()->depth());
            },
            "How many submitted items may wait in it at a time, or None: no bound.")
        .def_property_readonly(
            "when_full",
            [](Workqueue& wq) {
                return wq.backlog() != nullptr && wq.backlog()->when_full() == WhenFull::raise ? "raise" : "block";
            },
            "What submit() does when queue_depth items wait: \"block\" or \"raise\".")
        .def_property_readonly("_destroyed", &Workqueue::destroyed)
        .def_property_readonly("_in_flight", [](Workqueue& wq) { return wq.in_flight(); })
        .def_property_readonly("_machine",
                               [](Workqueue& wq) {
                                   PyObject* machine = machine_object(wq.domain());
                                   return machine == nullptr ? py::object(py::none())
                                                             : py::reinterpret_borrow<py::object>(machine);
                               })
        .def("stats", &Workqueue::stats, "The counters now: bottomhalf.WorkqueueStats.");
    attach_methods(c, wq_methods);
}

}  // namespace bh_python
