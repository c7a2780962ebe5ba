// bottomhalf.IrqLine and bottomhalf.IrqAction, and handlers of softirqs.
//
// What is registered is kept alive by a table with one entry a machine: release_interrupt_objects() empties it when the
// machine has halted.
#include <array>
#include <map>
#include <unordered_map>

#include "arguments.hpp"
#include "interrupt.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

struct LineObject : PartOfMachine {
    IrqLine* line = nullptr;  // lives as long as the machine
    int irq = 0;
};

struct ActionObject {
    std::shared_ptr<LineObject> line;
    std::shared_ptr<IrqAction> action;  // GIL: null until the engine has taken it
    py::object handler, thread_fn;      // GIL
    std::string name;
    unsigned flags = 0;
};

// GIL: everything here.
struct Registered {
    std::map<int, std::weak_ptr<LineObject>> lines;
    std::vector<std::shared_ptr<ActionObject>> actions;
    // The engine keeps pointers to these for the life of the machine; a machine at the same address may find them
    // again.
    std::array<PyObject*, kNrSoftirqs> softirqs{};
};
std::unordered_map<const Domain*, Registered>& table() {
    static auto* all = new std::unordered_map<const Domain*, Registered>;  // outlives every thread
    return *all;
}

constexpr unsigned kKnownFlags = irqf::kTriggerMask | irqf::kShared | irqf::kProbeShared | 0x200 /* __IRQF_TIMER */ |
                                 irqf::kPercpu | irqf::kNobalancing | irqf::kOneshot | irqf::kNoSuspend |
                                 irqf::kNoThread | irqf::kNoAutoen | irqf::kNoDebug | irqf::kCondOneshot;

unsigned check_flags(py::handle flags) {
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(flags.ptr()));
    if (!number) {
        PyErr_Clear();
        throw py::type_error(std::string("flags must be a bottomhalf.IRQF, not ") + Py_TYPE(flags.ptr())->tp_name);
    }
    const long long value = PyLong_AsLongLong(number.ptr());
    if (value == -1 && PyErr_Occurred()) PyErr_Clear();
    if (value < 0 || (value & ~static_cast<long long>(kKnownFlags)) != 0)
        throw py::value_error(
            "flags=" + py::str(number).cast<std::string>() +
            " holds bits that are no interrupt flags: allowed are the members of bottomhalf.IRQF, or-ed");
    return static_cast<unsigned>(value);
}

// --- called by the engine, GIL: entered through the gate ---

IrqReturn call(ActionObject& a, const py::object& function) {
    // The handler may free its own line's other actions, and its own reference with them.
    const py::object f = function;
    PyObject* result = nullptr;
    {
        const py::object line = py::cast(a.line);
        result = enter_python([&] { return PyObject_CallOneArg(f.ptr(), line.ptr()); });
    }
    if (result != nullptr) {
        if (PyLong_Check(result) && !PyBool_Check(result)) {
            const long value = PyLong_AsLong(result);
            if (value >= 0 && value <= 2) {
                Py_DECREF(result);
                return static_cast<IrqReturn>(value);
            }
            PyErr_Clear();
        }
        PyErr_Format(
            PyExc_TypeError,
            "the handler '%s' of irq %d returned %R; it must return bottomhalf.IrqReturn.NONE, HANDLED or WAKE_THREAD",
            a.name.c_str(), a.line->irq, result);
        Py_DECREF(result);
    }
    Task* task = current_task();
    Py_XDECREF(report_handler_error(f.ptr(), task != nullptr ? task->domain.load() : nullptr));
    return IrqReturn::none;
}
IrqReturn primary(int, void* dev) {
    auto& a = *static_cast<ActionObject*>(dev);
    return call(a, a.handler);
}
IrqReturn threaded(int, void* dev) {
    auto& a = *static_cast<ActionObject*>(dev);
    return call(a, a.thread_fn);
}

void softirq(Domain& domain, unsigned, Task&, GatePass& pass, void* arg) {
    pass.want(plain_gate());
    auto* slot = static_cast<PyObject**>(arg);
    const py::object handler = py::reinterpret_borrow<py::object>(*slot);
    if (!handler) return;  // halted meanwhile
    PyObject* result = enter_python([&] { return PyObject_CallNoArgs(handler.ptr()); });
    if (result != nullptr)
        Py_DECREF(result);
    else
        Py_XDECREF(report_handler_error(handler.ptr(), &domain));
}

// --- methods ---

std::shared_ptr<ActionObject> request(const std::shared_ptr<LineObject>& self, py::object handler, py::object thread_fn,
                                      py::object flags, py::object name) {
    Machine& m = self->machine();
    if (!handler.is_none()) check_callable(handler.ptr(), 1, "handler");
    if (!thread_fn.is_none()) check_callable(thread_fn.ptr(), 1, "thread_fn");
    if (!name.is_none() && !PyUnicode_Check(name.ptr()))
        throw py::type_error(std::string("name must be a str, not ") + Py_TYPE(name.ptr())->tp_name);
    auto a = std::make_shared<ActionObject>();
    a->line = self;
    a->flags = check_flags(flags);
    const py::object& named = handler.is_none() ? thread_fn : handler;
    a->name = !name.is_none() ? name.cast<std::string>() : named.is_none() ? "" : describe_callable(named.ptr());
    a->handler = std::move(handler);
    a->thread_fn = std::move(thread_fn);
    Domain& domain = m.domain();
    // Before the engine can call it.
    table()[&domain].actions.push_back(a);
    const bool has_handler = !a->handler.is_none(), has_thread = !a->thread_fn.is_none();
    std::shared_ptr<IrqAction> action;
    try {
        MachineHold hold(&domain);
        MaybeRelease release(true);
        action = self->line->request(has_handler ? &primary : nullptr, has_thread ? &threaded : nullptr, a->flags,
                                     a->name, a.get());
    } catch (...) {
        std::erase(table()[&domain].actions, a);
        throw;
    }
    a->action = std::move(action);
    return a;
}

void free_action(const std::shared_ptr<ActionObject>& a) {
    Machine& m = a->line->machine();
    Domain& domain = m.domain();
    {
        MachineHold hold(&domain);
        MaybeRelease release(true);
        a->line->line->free(*a->action);
    }
    std::erase(table()[&domain].actions, a);
}

void free_only(const std::shared_ptr<LineObject>& self) {
    Machine& m = self->machine();
    std::shared_ptr<ActionObject> only;
    for (auto& a : table()[&m.domain()].actions) {
        if (a->line != self || a->action == nullptr) continue;
        if (only != nullptr)
            throw InvalidArgument("irq " + std::to_string(self->irq) +
                                  " has several actions: line.free() frees the only one; call action.free()");
        only = a;
    }
    if (only == nullptr)
        throw MisuseError("irq-already-free", "free_irq: irq " + std::to_string(self->irq) + " has no action to free");
    free_action(only);
}

void fire(const std::shared_ptr<LineObject>& self, const py::object& cpu) {
    fire_from_outside(self->machine(), cpu, [&line = *self->line](unsigned c) { line.fire(c); });
}

void enable(const std::shared_ptr<LineObject>& self) {
    Domain& domain = self->machine().domain();
    MachineHold hold(&domain);
    MaybeRelease release(true);
    self->line->enable();
}

template <class Wait>
void waiting(const std::shared_ptr<LineObject>& self, py::object timeout, Wait&& wait) {
    Domain& domain = self->machine().domain();
    MachineHold hold(&domain);
    wait_without_gil(domain, timeout, wait);
}

std::string repr(const LineObject& l) {
    Machine* m = l.owner.machine();
    const unsigned depth = m != nullptr ? l.line->depth() : 0;
    return "<bottomhalf.IrqLine " + std::to_string(l.irq) + " of machine '" + l.machine_name + "'" +
           (m == nullptr || m->halted() ? ", which is halted"
            : depth != 0                ? ": disabled (depth " + std::to_string(depth) + "); enable() lets it fire"
                                        : std::string()) +
           ">";
}

}  // namespace

py::object irq_line_object(Machine& machine, int irq) {
    IrqLine& line = machine.irqs().line(irq);
    std::weak_ptr<LineObject>& slot = table()[&machine.domain()].lines[irq];
    std::shared_ptr<LineObject> known = slot.lock();
    // An old one may be left from a machine that had the same address.
    if (known == nullptr || known->owner.machine() != &machine) {
        known = std::make_shared<LineObject>();
        known->belong_to(machine, "this line");
        known->line = &line;
        known->irq = irq;
        slot = known;
    }
    return py::cast(known);
}

void open_softirq_object(Machine& machine, Softirq nr, py::object handler) {
    const auto i = static_cast<unsigned>(nr);
    if (i >= kNrSoftirqs)
        throw py::value_error("nr=" + std::to_string(i) +
                              " is no softirq: allowed are the members of bottomhalf.Softirq");
    if (nr == Softirq::hi || nr == Softirq::tasklet || nr == Softirq::timer)
        throw MisuseError("softirq-in-use", std::string("open_softirq: ") + softirq_name(nr) +
                                                " serves the machine's own tasklets or timers; take another vector");
    check_callable(handler.ptr(), 0, "handler");
    PyObject*& slot = table()[&machine.domain()].softirqs[i];
    PyObject* before = std::exchange(slot, handler.release().ptr());
    Py_XDECREF(before);
    machine.softirqs().open(nr, &softirq, &slot, true);
}

void release_interrupt_objects(const Domain* domain) {
    auto found = table().find(domain);
    if (found == table().end()) return;
    // Out of the table first: destructors may run anything, even boot a machine.
    std::vector<std::shared_ptr<ActionObject>> actions = std::move(found->second.actions);
    found->second.actions.clear();
    found->second.lines.clear();
    const std::array<PyObject*, kNrSoftirqs> softirqs = std::exchange(found->second.softirqs, {});
    for (PyObject* handler : softirqs) Py_XDECREF(handler);
}

void register_irq(py::module_& m) {
    py::class_<LineObject, std::shared_ptr<LineObject>>(
        m, "IrqLine", "An interrupt line of a machine: m.irq(n). It does not keep the machine alive.")
        .def(py::init([](const py::args&, const py::kwargs&) -> std::shared_ptr<LineObject> {
            throw py::type_error("bottomhalf.IrqLine has no constructor: m.irq(n) returns the line");
        }))
        .def("request", &request, py::arg("handler"), py::arg("thread_fn") = py::none(), py::arg("flags") = 0,
             py::arg("name") = py::none(),
             "Register handler(line) -> bottomhalf.IrqReturn on the line (Linux: request_threaded_irq).\n\n"
             "handler: runs in hard-interrupt context; None wakes the thread and needs IRQF.ONESHOT. thread_fn(line): "
             "runs in\n"
             "a task of its own when the handler returns WAKE_THREAD. flags: bottomhalf.IRQF. name: for traces, "
             "reports and\n"
             "the thread. Returns the IrqAction. Task context that may sleep. Raises ValueError where Linux answers "
             "-EINVAL,\n"
             "MisuseError where it answers -EBUSY.")
        .def("free", &free_only,
             "End the line's only registration (Linux: free_irq). Raises MisuseError when there is none.")
        .def("fire", &fire, py::kw_only(), py::arg("cpu") = py::none(),
             "The device raises the line: its handlers run on that CPU (None: the caller's) before this returns, "
             "unless\n"
             "interrupts are off there or the line is disabled: then it is latched once. Any context.")
        .def(
            "disable",
            [](const std::shared_ptr<LineObject>& self, py::object timeout) {
                waiting(self, timeout, [&](Nanoseconds deadline) { self->line->disable(deadline); });
            },
            py::arg("timeout") = py::none(),
            "Mask the line and wait for its handlers and threads; nests (Linux: disable_irq). Task context that may "
            "sleep.\n"
            "Raises TimeoutError (it stays disabled).")
        .def(
            "disable_nosync",
            [](const std::shared_ptr<LineObject>& self) {
                self->machine();
                self->line->disable_nosync();
            },
            "Mask the line without waiting; nests (Linux: disable_irq_nosync). Any context.")
        .def("enable", &enable,
             "Undo one disable; the last delivers an interrupt that came meanwhile, once (Linux: enable_irq). Any "
             "context.\n"
             "Raises UnbalancedEnable.")
        .def(
            "synchronize",
            [](const std::shared_ptr<LineObject>& self, py::object timeout) {
                waiting(self, timeout, [&](Nanoseconds deadline) { self->line->synchronize(deadline); });
            },
            py::arg("timeout") = py::none(),
            "Wait for the running handlers and threads of the line (Linux: synchronize_irq). Task context that may "
            "sleep.")
        .def_property_readonly(
            "irq", [](const LineObject& l) { return l.irq; }, "The number of the line.")
        .def_property_readonly(
            "depth",
            [](const LineObject& l) {
                l.machine();
                return l.line->depth();
            },
            "How often it is disabled.")
        .def_property_readonly(
            "count",
            [](const LineObject& l) {
                l.machine();
                return l.line->handled();
            },
            "Interrupts handled so far, as in /proc/interrupts.")
        .def_property_readonly(
            "actions",
            [](const std::shared_ptr<LineObject>& l) {
                std::vector<std::shared_ptr<ActionObject>> mine;
                for (auto& a : table()[&l->machine().domain()].actions)
                    if (a->line == l && a->action != nullptr) mine.push_back(a);
                return mine;
            },
            "The line's registrations, first come first called.")
        .def("__repr__", &repr);
    py::class_<ActionObject, std::shared_ptr<ActionObject>>(m, "IrqAction", "A registration on an interrupt line.")
        .def(py::init([](const py::args&, const py::kwargs&) -> std::shared_ptr<ActionObject> {
            throw py::type_error("bottomhalf.IrqAction has no constructor: line.request(handler) makes one");
        }))
        .def("free", &free_action,
             "End this registration: wait for running handlers, end its thread (Linux: free_irq). Task context that "
             "may\n"
             "sleep. Raises MisuseError when it has ended already, DeadlockError from its own thread function.")
        .def_property_readonly(
            "line", [](const ActionObject& a) { return a.line; }, "The bottomhalf.IrqLine.")
        .def_property_readonly(
            "name", [](const ActionObject& a) { return a.name; }, "The name it was requested under.")
        .def_property_readonly(
            "flags",
            [](const ActionObject& a) { return py::module_::import("bottomhalf._constants").attr("IRQF")(a.flags); },
            "bottomhalf.IRQF as requested.")
        .def_property_readonly(
            "handler", [](const ActionObject& a) { return a.handler; }, "The handler, or None.")
        .def_property_readonly(
            "thread_fn", [](const ActionObject& a) { return a.thread_fn; }, "The thread function, or None.")
        .def("__repr__", [](const ActionObject& a) {
            return "<bottomhalf.IrqAction '" + a.name + "' of irq " + std::to_string(a.line->irq) + ">";
        });
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&primary), plain_gate());
    bottomhalf::register_gate(reinterpret_cast<void (*)()>(&threaded), plain_gate());
}

}  // namespace bh_python
