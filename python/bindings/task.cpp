// bottomhalf.Task: what m.spawn() returns and m.tasks() lists.
#include <unordered_map>

#include "arguments.hpp"
#include "context.hpp"
#include "interrupt.hpp"
#include "work.hpp"

#include "bottomhalf/machine/user_task.hpp"

namespace bh_python {

namespace {

// A spawned call and what became of it. GIL: everything.
struct Spawned {
    Owner owner;
    std::string machine_name;
    std::shared_ptr<UserTask> task;
    PyObject *fn = nullptr, *args = nullptr;
    PyObject *result = nullptr, *exception = nullptr;
    bool told = false;  // the exception was raised by a join()

    ~Spawned() {
        if (exception != nullptr && !told) {
            // Nobody asked, and nobody can ask any more.
            py::error_scope keep;
            Machine* m = owner.machine();
            PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception)), exception);
            Py_XDECREF(report_handler_error(fn, m != nullptr ? &m->domain() : nullptr));
        }
        Py_XDECREF(fn);
        Py_XDECREF(args);
        Py_XDECREF(result);
        Py_XDECREF(exception);
    }
};

struct TaskObject {
    UserTask::Info info;               // of a snapshot
    py::object work = py::none();      // the item it ran then: bottomhalf.Work, the name of a native one, or None
    std::shared_ptr<Spawned> spawned;  // null for a snapshot

    UserTask::Info now() const { return spawned != nullptr ? spawned->task->info() : info; }
};

const char* state_name(TaskState state) noexcept {
    static const char* const names[] = {"running", "sleeping", "idle", "dead"};
    return names[static_cast<int>(state)];
}

void run(Task& self, void* arg) {
    std::unique_ptr<std::shared_ptr<Spawned>> held(static_cast<std::shared_ptr<Spawned>*>(arg));
    GatePass pass(self);
    pass.want(plain_gate());
    Spawned& s = **held;
    s.result = enter_python([&] { return PyObject_Call(s.fn, s.args, nullptr); });
    Py_CLEAR(s.args);
    if (s.result == nullptr) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != nullptr) PyException_SetTraceback(value, traceback);
        s.exception = Py_NewRef(value);
        const bool ends_program = PyErr_GivenExceptionMatches(value, PyExc_KeyboardInterrupt) ||
                                  PyErr_GivenExceptionMatches(value, PyExc_SystemExit);
        if (ends_program) {
            PyErr_Restore(type, value, traceback);
            Py_XDECREF(report_handler_error(s.fn, self.domain.load()));
        } else {
            Py_XDECREF(type);
            Py_XDECREF(value);
            Py_XDECREF(traceback);
        }
    }
    held.reset();  // with the GIL
}

py::object join(const TaskObject& object, py::object timeout) {
    const std::shared_ptr<Spawned> s = object.spawned;
    if (s == nullptr)
        throw py::type_error("join(): '" + object.info.name +
                             "' was not started by m.spawn(); the machine joins its own tasks");
    timeout_seconds(timeout);
    Machine* m = s->owner.machine();
    if (m != nullptr && !m->halted()) {
        MachineHold hold(&m->domain());
        wait_without_gil(m->domain(), timeout, [&](Nanoseconds deadline) { m->tasks().join(*s->task, deadline); });
    }
    if (s->result != nullptr) return py::reinterpret_borrow<py::object>(s->result);
    if (s->exception == nullptr) throw MachineHalted(message::halted(s->machine_name));
    s->told = true;
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(s->exception)), s->exception);
    throw py::error_already_set();
}

std::string task_repr(const TaskObject& t) {
    const UserTask::Info info = t.now();
    return "<bottomhalf.Task " + info.name + " (pid " + std::to_string(info.pid) + ", CPU " + std::to_string(info.cpu) +
           "): " + state_name(info.state) + ">";
}

// The items that workers run right now. The GIL is held: a Python item that is on record as running is alive, unless
// its worker has finished it and is offering the GIL, or its last reference is just going.
std::unordered_map<const Task*, py::object> running_works(Machine& machine) {
    std::unordered_map<const Task*, py::object> works;
    std::vector<std::pair<const Task*, std::string>> native;
    machine.workqueues().for_each_pool([&](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
            const Worker* w = container_of(n, &Worker::pool_node);
            if (w->current_work == nullptr || w->task == nullptr || between_items(w->task)) continue;
            if (gate_of(w->current_func) != gil_gate()) {
                native.emplace_back(w->task, describe_function(machine.domain(), nullptr, w->current_func));
                continue;
            }
            auto* object = reinterpret_cast<PyObject*>(work_object(w->current_work));
            if (Py_REFCNT(object) > 0) works.emplace(w->task, py::reinterpret_borrow<py::object>(object));
        }
    });
    for (auto& [task, name] : native) works.emplace(task, py::str(name));
    return works;
}

UserTask::Info info_of(const Task& task) { return {task.name, task.pid.load(), task.cpu.load(), task.state.load()}; }

}  // namespace

py::object spawn_object(Machine& machine, py::object fn, py::args args, int cpu, py::object name) {
    if (!name.is_none() && !PyUnicode_Check(name.ptr()))
        throw py::type_error(std::string("name must be a str or None, not ") + Py_TYPE(name.ptr())->tp_name);
    check_callable(fn.ptr(), static_cast<int>(args.size()), "fn");
    const std::string task_name = name.is_none() ? describe_callable(fn.ptr()) : name.cast<std::string>();
    auto s = std::make_shared<Spawned>();
    s->owner.join(machine, [] { return true; }, "task");
    s->machine_name = machine.name();
    s->fn = fn.release().ptr();
    s->args = args.release().ptr();
    auto held = std::make_unique<std::shared_ptr<Spawned>>(s);
    std::shared_ptr<UserTask> task;
    {
        MachineHold hold(&machine.domain());
        MaybeRelease release(true);
        task = machine.tasks().spawn(task_name, &run, held.get(), cpu);
    }
    held.release();  // the task's
    s->task = std::move(task);
    TaskObject object;
    object.spawned = std::move(s);
    return py::cast(std::move(object));
}

py::object task_object(Task& task) {
    TaskObject object;
    object.info = info_of(task);
    Work* work = &task == current_task() ? current_work() : nullptr;
    if (work != nullptr && gate_of(work->func) == gil_gate())
        object.work = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(work_object(work)));
    return py::cast(std::move(object));
}

py::list task_list(Machine& machine) {
    machine.domain().require_alive();
    auto works = running_works(machine);
    std::vector<std::pair<const Task*, UserTask::Info>> infos;
    machine.domain().for_each_task([&](Task& task) { infos.emplace_back(&task, info_of(task)); });
    py::list list;
    for (auto& [task, info] : infos) {
        TaskObject object;
        object.info = std::move(info);
        if (auto found = works.find(task); found != works.end()) object.work = found->second;
        list.append(py::cast(std::move(object)));
    }
    return list;
}

void register_task(py::module_& m) {
    py::class_<TaskObject>(m, "Task", "A task of a machine: m.spawn(fn, ...) starts one, m.tasks() lists all.")
        .def(py::init([](const py::args&, const py::kwargs&) -> TaskObject {
            throw py::type_error("bottomhalf.Task has no constructor: m.spawn(fn, ...) starts a task");
        }))
        .def("join", &join, py::arg("timeout") = py::none(),
             "Wait until the function has returned; return its result or raise its exception, each time.\n\n"
             "timeout: seconds, None: for ever. Task context that may sleep; the pool sees the sleep. Raises "
             "TimeoutError,\n"
             "DeadlockError from the task itself, MachineHalted when the machine ended before the task did.")
        .def_property_readonly(
            "name", [](const TaskObject& t) { return t.now().name; }, "As ps -L shows it, not cut.")
        .def_property_readonly(
            "pid", [](const TaskObject& t) { return t.now().pid; },
            "The thread's id (host), a small number (simulated).")
        .def_property_readonly(
            "cpu", [](const TaskObject& t) { return t.now().cpu; }, "The CPU it runs on.")
        .def_property_readonly(
            "state", [](const TaskObject& t) { return state_name(t.now().state); },
            "'running', 'sleeping', 'idle' (waiting for something to do) or 'dead'.")
        .def_property_readonly(
            "work", [](const TaskObject& t) { return t.work; },
            "The item a worker ran when this was made: bottomhalf.Work, a native item's name, or None.")
        .def("__repr__", &task_repr);
}

}  // namespace bh_python
