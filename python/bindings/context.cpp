// Where a call runs and what it may do: the context predicates, sleeping and burning, blocking(), conversions of time.
#include "context.hpp"

#include "arguments.hpp"

namespace bh_python {

namespace {

// --- predicates: a thread that never used a machine is plain task context, and asking boots nothing ---

std::uint32_t preempt_count() noexcept {
    Task* task = current_task();
    return task != nullptr ? task->preempt_count : 0;
}
PyObject* in_task(PyObject*, PyObject*) { return PyBool_FromLong(preempt::in_task(preempt_count())); }
PyObject* in_softirq(PyObject*, PyObject*) { return PyBool_FromLong(preempt::in_softirq(preempt_count())); }
PyObject* in_serving_softirq(PyObject*, PyObject*) {
    return PyBool_FromLong(preempt::in_serving_softirq(preempt_count()));
}
PyObject* in_hardirq(PyObject*, PyObject*) { return PyBool_FromLong(preempt::in_hardirq(preempt_count())); }
PyObject* in_interrupt(PyObject*, PyObject*) { return PyBool_FromLong(preempt::in_interrupt(preempt_count())); }
PyObject* in_atomic(PyObject*, PyObject*) { return PyBool_FromLong(preempt::in_atomic(preempt_count())); }
PyObject* irqs_disabled(PyObject*, PyObject*) {
    Task* task = current_task();
    return PyBool_FromLong(task != nullptr && task->irqs_off != 0);
}

// The domain of the current machine; a task of a machine need not ask Python for it.
Domain& current_domain() {
    Task* task = current_task();
    Domain* domain = task != nullptr && !task->adopted ? task->domain.load() : nullptr;
    if (domain == nullptr) domain = &current_machine().domain();
    domain->require_alive();
    return *domain;
}

PyObject* smp_processor_id(PyObject*, PyObject*) {
    return guarded([] { return PyLong_FromLong(current_domain().self().cpu.load(std::memory_order_relaxed)); });
}
PyObject* this_task(PyObject*, PyObject*) {
    return guarded([] { return task_object(current_domain().self()).release().ptr(); });
}

// --- sleeping and burning ---

Nanoseconds nanoseconds(double seconds, Nanoseconds limit) noexcept {
    const double ns = seconds * 1e9;
    return ns >= static_cast<double>(limit) ? limit : static_cast<Nanoseconds>(ns);
}

PyObject* sleep(PyObject*, PyObject* seconds) {
    return guarded([&] {
        const double s = check_delay(seconds, "seconds");
        Domain& domain = current_domain();
        MachineHold hold(&domain);
        SignalScope signals(domain);
        MaybeRelease release(true);
        Task& self = domain.self();
        const Nanoseconds until = deadline_after(domain, s);
        do {
            if (task_sleep(self, until, "sleep") == Wake::interrupted)
                throw Interrupted("sleep: interrupted by a signal");
        } while (domain.now() < until);
        return Py_None;
    });
}

PyObject* burn(PyObject*, PyObject* seconds) {
    return guarded([&] {
        const double s = check_delay(seconds, "seconds");
        Domain& domain = current_domain();
        MachineHold hold(&domain);
        MaybeRelease release(true);
        domain.substrate->burn(domain.self(), nanoseconds(s, kForever - domain.now()));
        return Py_None;
    });
}

// A new reference to None can only be made with the GIL: after the call.
template <PyObject* (*Call)(PyObject*, PyObject*)>
PyObject* returning_none(PyObject* self, PyObject* argument) {
    return Py_XNewRef(Call(self, argument));
}

PyObject* cond_resched(PyObject*, PyObject*) {
    return guarded([] {
        Task* task = current_task();
        Domain* domain = task != nullptr ? task->domain.load() : nullptr;
        if (domain == nullptr) {
            // No machine yet: nobody to give way to but other Python threads.
            MaybeRelease release(true);
            return Py_None;
        }
        might_sleep(*task, "cond_resched");
        MachineHold hold(domain);
        MaybeRelease release(true);
        domain->substrate->yield(*task);
        return Py_None;
    });
}

PyObject* cpu_relax(PyObject*, PyObject*) {
    return guarded([] {
        Task* task = current_task();
        Domain* domain = task != nullptr ? task->domain.load() : nullptr;
        MachineHold hold(domain);
        MaybeRelease release(true);
        if (domain != nullptr) domain->substrate->relax(*task);
        return Py_None;
    });
}

// --- blocking() ---

// While it is open the task has no observer: it counts as asleep, whatever it does inside.
struct Blocking {
    Task* task = nullptr;
    TaskObserver* observer = nullptr;
    unsigned depth = 0;

    void enter() {
        if (depth++ != 0) return;
        task = current_task();
        observer = task != nullptr && task->worker != nullptr ? task->observer : nullptr;
        if (observer == nullptr) return;
        observer->sleeping(*task);
        task->observer = nullptr;
    }
    void exit() {
        if (depth == 0) throw MisuseError("blocking-not-entered", "blocking(): __exit__ without __enter__");
        if (--depth != 0 || observer == nullptr) return;
        if (task != current_task())
            throw MisuseError("blocking-wrong-task", "blocking(): left by another task than the one that entered it");
        task->observer = observer;
        observer->running(*task);
        observer = nullptr;
    }
};

// --- conversions ---

void check_hz(unsigned hz) {
    if (hz == 0) throw py::value_error("hz=0 is out of range: a machine has at least 10 ticks a second");
}

PyMethodDef functions[] = {
    {"in_task", in_task, METH_NOARGS,
     "in_task()\n--\n\nNot in a softirq nor in a hard interrupt (Linux: in_task). Any context."},
    {"in_softirq", in_softirq, METH_NOARGS,
     "in_softirq()\n--\n\nServing a softirq, or bottom halves are off (Linux: in_softirq). Any context."},
    {"in_serving_softirq", in_serving_softirq, METH_NOARGS,
     "in_serving_softirq()\n--\n\nIn a softirq handler, tasklet, timer callback or BH work item (Linux: "
     "in_serving_softirq)."},
    {"in_hardirq", in_hardirq, METH_NOARGS,
     "in_hardirq()\n--\n\nIn the handler of an interrupt line (Linux: in_hardirq). Any context."},
    {"in_interrupt", in_interrupt, METH_NOARGS,
     "in_interrupt()\n--\n\nIn a hard interrupt or softirq, or bottom halves are off (Linux: in_interrupt). Any "
     "context."},
    {"in_atomic", in_atomic, METH_NOARGS,
     "in_atomic()\n--\n\npreempt_count is not 0: nothing may sleep (Linux: in_atomic; blind to interrupts that are "
     "off)."},
    {"irqs_disabled", irqs_disabled, METH_NOARGS,
     "irqs_disabled()\n--\n\nInterrupts are off on the caller's CPU (Linux: irqs_disabled). Any context."},
    {"smp_processor_id", smp_processor_id, METH_NOARGS,
     "smp_processor_id()\n--\n\nThe CPU the caller runs on, or counts as running on (Linux: smp_processor_id). Any "
     "context."},
    {"current_task", this_task, METH_NOARGS,
     "current_task()\n--\n\nThe calling task: bottomhalf.Task with name, pid, cpu (Linux: current). Any context."},
    {"sleep", returning_none<sleep>, METH_O,
     "sleep(seconds, /)\n--\n\nSleep by an exact deadline; the pool starts another worker meanwhile.\n\n"
     "seconds: from 0. Task context that may sleep. Raises SchedulingWhileAtomic elsewhere, MachineExit when the "
     "machine\n"
     "halts. (Linux: usleep_range; msleep of bottomhalf.linux goes by the timer wheel.)"},
    {"burn", returning_none<burn>, METH_O,
     "burn(seconds, /)\n--\n\nUse CPU time: virtual time when simulated, a spin without the GIL on the host (Linux: "
     "udelay).\n\n"
     "seconds: from 0. Any context."},
    {"cond_resched", returning_none<cond_resched>, METH_NOARGS,
     "cond_resched()\n--\n\nOffer the CPU to whoever waits for it (Linux: cond_resched).\n\n"
     "Task context that may sleep. Raises SchedulingWhileAtomic."},
    {"cpu_relax", returning_none<cpu_relax>, METH_NOARGS,
     "cpu_relax()\n--\n\nOne turn of a loop that polls for what another task does (Linux: cpu_relax). Lets the GIL go; "
     "costs\n"
     "virtual time when simulated. Any context."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void register_context(py::module_& m) {
    if (PyModule_AddFunctions(m.ptr(), functions) != 0) throw py::error_already_set();
    register_sections(m);
    py::class_<Blocking>(
        m, "blocking",
        "with blocking(): tells the pool that what follows may block, so that another worker starts now.\n\n"
        "Nests; does nothing outside of a work item. For waits that are certain (a reply, a child process): where the "
        "call\n"
        "mostly returns at once, the pool notices by itself when it does not, and that is cheaper.")
        .def(py::init<>())
        .def("__enter__",
             [](py::object self) {
                 self.cast<Blocking&>().enter();
                 return self;
             })
        .def("__exit__", [](Blocking& b, const py::args&) { b.exit(); });
    m.def(
        "msecs_to_jiffies",
        [](std::int64_t ms, unsigned hz) {
            check_hz(hz);
            return msecs_to_jiffies(ms, hz);
        },
        py::arg("ms"), py::arg("hz"), "Milliseconds in jiffies, rounded up; negative: as long as possible.");
    m.def(
        "usecs_to_jiffies",
        [](std::int64_t us, unsigned hz) {
            check_hz(hz);
            return usecs_to_jiffies(us, hz);
        },
        py::arg("us"), py::arg("hz"), "Microseconds in jiffies, rounded up; negative: as long as possible.");
    m.def(
        "jiffies_to_msecs",
        [](Jiffies j, unsigned hz) {
            check_hz(hz);
            return jiffies_to_msecs(j, hz);
        },
        py::arg("j"), py::arg("hz"), "Jiffies in milliseconds, rounded up.");
    m.def(
        "jiffies_to_usecs",
        [](Jiffies j, unsigned hz) {
            check_hz(hz);
            return jiffies_to_usecs(j, hz);
        },
        py::arg("j"), py::arg("hz"), "Jiffies in microseconds, rounded up.");
    m.def(
        "round_jiffies",
        [](Jiffies j, unsigned cpu, Jiffies now, unsigned hz) {
            check_hz(hz);
            return round_jiffies(j, cpu, now, hz);
        },
        py::arg("j"), py::arg("cpu"), py::arg("now"), py::arg("hz"),
        "An absolute jiffy rounded to a whole second, with a skew for each CPU; unchanged when that is not in the "
        "future.");
}

}  // namespace bh_python
