// The C part of bottomhalf.Machine, and which machine is current.
#include "workqueue.hpp"

#include "bottomhalf/workqueue/monitor.hpp"
#include "context.hpp"
#include "gil_words.hpp"
#include "interrupt.hpp"
#include "low_latency.hpp"
#include "simulated.hpp"
#include "thread_state.hpp"
#include "trace.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

// The engine's machine and the state that must not be destroyed under the GIL: its workers wait for it.
struct MachineHandle {
    std::shared_ptr<Machine> machine;
    explicit MachineHandle(const MachineOptions& options) : machine(std::make_shared<Machine>(options)) {}
    ~MachineHandle() {
        machine->domain().host_data.store(nullptr);
        std::erase(g_low_latency, &machine->domain());
        const Domain* domain = &machine->domain();
        if (domain->simulated &&
            (!machine->simulated("halt").is_own_thread() || (finalising() && !machine->halted()))) {
            // Its fibers can be left on their own thread only, and while Python lets their thread states go on: they
            // stay as they are.
            new std::shared_ptr<Machine>(std::move(machine));
            return;
        }
        {
            MaybeRelease release;
            // Workqueue objects may outlive this one and keep the halted machine.
            try {
                machine->halt(HaltPending::cancel);
            } catch (const std::exception&) {
            }
            machine.reset();
        }
        release_interrupt_objects(domain);
    }
    Domain& domain() { return machine->domain(); }
};

Detection detection_of(const std::string& name) {
    for (Detection means :
         {Detection::automatic, Detection::switch_records, Detection::sampling, Detection::budget, Detection::hooks})
        if (name == detection_name(means)) return means;
    throw py::value_error("detection='" + name +
                          "': allowed are 'auto', 'switch-records', 'sampling', 'budget' and 'hooks'");
}

// The machines this thread made current by `with` (innermost last) or activate(). GIL: thread-local, plain references.
thread_local std::vector<PyObject*> t_entered;
thread_local PyObject* t_activated = nullptr;
PyObject* g_default_machine = nullptr;  // bottomhalf._machine.default_machine

// A workqueue as Python gets it: it keeps its machine, so that a call on it finds at worst a halted one.
std::shared_ptr<Workqueue> keeping_machine(MachineHandle& h, std::shared_ptr<Workqueue> wq) {
    struct Both {
        std::shared_ptr<Machine> machine;  // goes last
        std::shared_ptr<Workqueue> wq;
    };
    auto both = std::make_shared<Both>(Both{h.machine, std::move(wq)});
    return {both, both->wq.get()};
}

}  // namespace

Machine& machine_of(PyObject* object) { return *py::handle(object).cast<MachineHandle&>().machine; }
std::shared_ptr<Machine> shared_machine(PyObject* object) { return py::handle(object).cast<MachineHandle&>().machine; }

namespace {

bool alive(PyObject* object) {
    Machine& m = machine_of(object);
    return m.domain().state.load() < DomainState::halted;
}

}  // namespace

PyObject* machine_object(Domain& domain) noexcept { return static_cast<PyObject*>(domain.host_data.load()); }

MachineHold::MachineHold(Domain* domain) noexcept {
    // A machine's own tasks do not keep it: it waits for them when it goes.
    const Task* task = current_task();
    if (task != nullptr && !task->adopted && task->domain.load() == domain) return;
    if (domain != nullptr) object_ = Py_XNewRef(machine_object(*domain));
}

Domain* domain_of(const Work& work) noexcept {
    const std::uint64_t word = work.data.load();
    if (PoolWorkqueue* pwq = work_data::pwq_of(word)) return &pwq->pool->domain;
    PoolRef pool(work_data::pool_id(word));
    if (pool) return &pool->domain;
    // Never queued before, and its timer runs.
    if ((word & work_data::kPending) != 0 &&
        is_delayed(reinterpret_cast<PyObject*>(work_object(const_cast<Work*>(&work))))) {
        auto* d = reinterpret_cast<PyDelayedWork*>(work_object(const_cast<Work*>(&work)));
        if (d->dwork.wq != nullptr) return &d->dwork.wq->domain();
    }
    if ((word & work_data::kPending) != 0 &&
        is_rcu(reinterpret_cast<PyObject*>(work_object(const_cast<Work*>(&work))))) {
        auto* r = reinterpret_cast<PyRcuWork*>(work_object(const_cast<Work*>(&work)));
        if (r->rwork.wq != nullptr) return &r->rwork.wq->domain();
    }
    return nullptr;
}

py::object current_machine_object() {
    Task* task = current_task();
    if (task != nullptr && !task->adopted) {
        Domain* domain = task->domain.load();
        PyObject* object = domain != nullptr ? machine_object(*domain) : nullptr;
        if (object != nullptr) return py::reinterpret_borrow<py::object>(object);
    }
    // A handler that runs in an adopted thread: an interrupt fired here, or softirqs on the way out of one.
    if (task != nullptr && preempt::in_interrupt(task->preempt_count))
        if (Domain* domain = task->domain.load())
            if (PyObject* object = machine_object(*domain)) return py::reinterpret_borrow<py::object>(object);
    if (!t_entered.empty()) return py::reinterpret_borrow<py::object>(t_entered.back());
    if (t_activated != nullptr) {
        if (alive(t_activated)) return py::reinterpret_borrow<py::object>(t_activated);
        Py_CLEAR(t_activated);
    }
    return py::reinterpret_borrow<py::object>(g_default_machine)();
}

Machine& current_machine() {
    // Lives beyond the temporary: whoever made it current holds a reference.
    return machine_of(current_machine_object().ptr());
}

namespace {
Nanoseconds threshold(const py::object& seconds, const char* name) {
    return static_cast<Nanoseconds>(std::min(check_delay(seconds.ptr(), name) * 1e9, 9e18));
}

void halt_machine(MachineHandle& h, HaltPending how, const py::object& timeout) {
    if (h.machine->halted() || (h.domain().simulated && finalising())) return;
    wait_without_gil(h.domain(), timeout, [&](Nanoseconds deadline) { h.machine->halt(how, deadline); });
    std::erase(g_low_latency, &h.domain());
    release_interrupt_objects(&h.domain());
}

void leave_machine(PyObject* machine) {
    for (auto it = t_entered.rbegin(); it != t_entered.rend(); ++it) {
        if (*it != machine) continue;
        t_entered.erase(std::next(it).base());
        Py_DECREF(machine);
        return;
    }
}

}  // namespace

void register_machine(py::module_& m) {
    py::class_<MachineHandle> c(m, "MachineBase");
    c.def(py::init([](unsigned cpus, unsigned hz, bool simulated, const std::string& name, bool trace, bool voluntary,
                      const std::shared_ptr<ScheduleMaker>& schedule, const std::string& detection,
                      const std::vector<unsigned>& topology, bool power_efficient) {
              if (simulated) refuse_when_finalising();
              MachineOptions options;
              options.cpus = cpus;
              options.hz = hz;
              options.simulated = simulated;
              options.name = name;
              options.trace = trace;
              options.voluntary = voluntary;
              options.power_efficient = power_efficient;
              if (topology.size() == 4)
                  options.topology = std::make_shared<const Topology>(
                      Topology::uniform(topology[0], topology[1], topology[2], topology[3]));
              if (schedule != nullptr) options.schedule = [schedule] { return schedule->make(); };
              options.detection = detection_of(detection);
              if (!simulated && options.detection != Detection::hooks) learn_gil_words();
              std::unique_ptr<MachineHandle> handle;
              {
                  MaybeRelease release;
                  handle = std::make_unique<MachineHandle>(options);
              }
              if (simulated) switch_thread_states(*handle->machine);
              return handle;
          }),
          py::arg("cpus"), py::arg("hz"), py::arg("simulated"), py::arg("name"), py::arg("trace"), py::arg("voluntary"),
          py::arg("schedule"), py::arg("detection"), py::arg("topology"), py::arg("power_efficient"))
        .def("_bind", [](py::object self) { self.cast<MachineHandle&>().domain().host_data.store(self.ptr()); })
        .def("_halt",
             [](py::object self, const std::string& pending, py::object timeout) {
                 halt_machine(self.cast<MachineHandle&>(),
                              pending == "cancel" ? HaltPending::cancel : HaltPending::drain, timeout);
             })
        .def("_enter",
             [](py::object self) {
                 MachineHandle& h = self.cast<MachineHandle&>();
                 h.domain().require_alive();
                 if (h.domain().simulated) h.domain().self();  // raises WrongThread
                 t_entered.push_back(self.inc_ref().ptr());
             })
        .def("_leave", [](py::object self) { leave_machine(self.ptr()); })
        // A simulated machine's beginning and end in an exploration, each in one call.
        .def("_begin_run",
             [](py::object self, std::uint64_t max_steps, bool traced) {
                 MachineHandle& h = self.cast<MachineHandle&>();
                 SimulatedSubstrate& substrate = h.machine->simulated("explore");
                 substrate.set_max_steps(max_steps);
                 substrate.set_trace_switches(traced);
                 h.domain().self();  // raises WrongThread
                 t_entered.push_back(self.inc_ref().ptr());
             })
        .def("_end_run",
             [](py::object self) {
                 struct Leave {
                     py::object& self;
                     ~Leave() {
                         if (t_activated == self.ptr()) Py_CLEAR(t_activated);
                         leave_machine(self.ptr());
                     }
                 } leave{self};
                 MachineHandle& h = self.cast<MachineHandle&>();
                 // The order of the halt is nobody's concern.
                 if (!h.machine->halted()) h.machine->simulated("explore").set_schedule(std::make_unique<Fifo>());
                 halt_machine(h, HaltPending::cancel, py::none());
             })
        .def(
            "activate",
            [](py::object self) {
                MachineHandle& h = self.cast<MachineHandle&>();
                h.domain().require_alive();
                if (h.domain().simulated) h.domain().self();  // raises WrongThread
                Py_XSETREF(t_activated, self.inc_ref().ptr());
            },
            "Make this the current machine of the calling thread, until it is halted or another one is activated.")
        .def("_deactivate",
             [](py::object self) {
                 if (t_activated == self.ptr()) Py_CLEAR(t_activated);
             })
        .def_property_readonly("_state",
                               [](MachineHandle& h) {
                                   static const char* const names[] = {"booting", "running", "halting", "halted",
                                                                       "forked"};
                                   return names[static_cast<int>(h.domain().state.load())];
                               })
        .def("_require_alive", [](MachineHandle& h) { h.domain().require_alive(); })
        .def_property_readonly(
            "now", [](MachineHandle& h) { return static_cast<double>(h.domain().now()) / 1e9; }, "Seconds since boot.")
        .def_property_readonly(
            "now_ns", [](MachineHandle& h) { return h.domain().now(); }, "Nanoseconds since boot.")
        .def_property_readonly(
            "jiffies", [](MachineHandle& h) { return h.domain().jiffies(); },
            "Ticks since boot: hz of them make a second. Nothing ticks on the host; it is computed.")
        .def_property_readonly(
            "hz", [](MachineHandle& h) { return h.domain().hz; }, "Ticks a second.")
        .def_property_readonly(
            "cpus", [](MachineHandle& h) { return h.domain().nr_cpus; }, "How many logical CPUs.")
        .def_property_readonly(
            "simulated", [](MachineHandle& h) { return h.domain().substrate->simulated(); },
            "Virtual CPUs and virtual time, or real ones.")
        .def_property_readonly(
            "detection",
            [](MachineHandle& h) {
                const Monitor* monitor = h.machine->workqueues().monitor();
                return detection_name(monitor != nullptr ? monitor->means() : Detection::hooks);
            },
            "How pools notice workers that block without saying so: \"switch-records\", \"sampling\", \"budget\" or\n"
            "\"hooks\" (they do not: only calls of this library and bh.blocking() count).")
        .def("_set_low_latency", [](MachineHandle& h) { g_low_latency.push_back(&h.domain()); })
        .def("_monitor_counters",
             [](MachineHandle& h) {
                 const Monitor* monitor = h.machine->workqueues().monitor();
                 const auto c = monitor != nullptr ? monitor->counters() : Monitor::Counters{};
                 return py::make_tuple(c.wakeups, c.looks, c.handovers);
             })
        .def_property_readonly(
            "name", [](MachineHandle& h) { return h.machine->name(); }, "The machine's name.")
        .def(
            "sleep",
            [](MachineHandle& h, py::object seconds) {
                const double s = check_delay(seconds.ptr(), "seconds");
                SignalScope signals(h.domain());
                MaybeRelease release;
                throw_unless_ok(h.machine->sleep(static_cast<Nanoseconds>(std::min(s * 1e9, 9e18))), "sleep");
            },
            py::arg("seconds"),
            "The caller sleeps for that many seconds; the machine goes on. In a work item the pool sees it.")
        .def("_alloc",
             [](MachineHandle& h, const std::string& name, unsigned flags, int max_active, bool ordered) {
                 auto& w = h.machine->workqueues();
                 h.domain().require_alive();
                 Task& self = h.domain().self();
                 might_sleep(self, "alloc_workqueue");
                 MaybeRelease release;
                 return keeping_machine(h, ordered ? w.alloc_ordered(name, flags) : w.alloc(name, flags, max_active));
             })
        .def("_system",
             [](MachineHandle& h, unsigned which) {
                 return keeping_machine(h, h.machine->workqueues().system(static_cast<SystemWq>(which)));
             })
        .def_property_readonly(
            "workqueues",
            [](MachineHandle& h) {
                auto all = h.machine->workqueues().workqueues();
                for (auto& wq : all) wq = keeping_machine(h, std::move(wq));
                return all;
            },
            "Every workqueue of the machine; names may repeat.")
        .def(
            "freeze",
            [](MachineHandle& h) {
                h.domain().require_alive();
                h.machine->workqueues().freeze();
            },
            "Hold back new items of FREEZABLE workqueues (Linux: freeze_workqueues_begin).")
        .def("_freeze_busy", [](MachineHandle& h) { return h.machine->workqueues().freeze_busy(); })
        .def(
            "thaw",
            [](MachineHandle& h) {
                h.domain().require_alive();
                h.machine->workqueues().thaw();
            },
            "Let held-back items go, in order (Linux: thaw_workqueues).")
        .def_property(
            "idle_timeout",
            [](MachineHandle& h) { return static_cast<double>(h.machine->workqueues().idle_timeout()) / 1e9; },
            [](MachineHandle& h, py::object seconds) {
                const double s = check_delay(seconds.ptr(), "idle_timeout");
                h.machine->workqueues().set_idle_timeout(static_cast<Nanoseconds>(std::min(s * 1e9, 9e18)));
            },
            "Seconds after which a surplus idle worker goes home (Linux: IDLE_WORKER_TIMEOUT, 300 s). A pool keeps "
            "two\n"
            "and a quarter of its busy ones. Settable.")
        .def(
            "pods",
            [](MachineHandle& h, const std::string& scope) {
                py::list pods;
                for (const CpuMask& pod : h.domain().topology.pods(scope_of(scope))) pods.append(cpu_tuple(pod));
                return pods;
            },
            py::arg("scope"),
            "The CPUs of each pod of an affinity scope: of those that share a core (\"smt\"), a last-level cache "
            "(\"cache\"),\n"
            "a node (\"numa\"), nothing (\"cpu\") or everything (\"system\"). A list of tuples. Raises ValueError.")
        .def(
            "cpu_down",
            [](MachineHandle& h, py::object cpu) {
                const int c = check_cpu_argument(cpu.ptr());
                if (c == kCpuUnbound) throw py::type_error("cpu_down() needs a CPU number");
                MaybeRelease release;
                h.machine->cpu_down(c);
            },
            py::arg("cpu"),
            "Take a virtual CPU offline (Linux: CPU hotplug). What is queued for it, now or later, still runs, in the\n"
            "pool's order, by workers that are bound to no CPU; its timers go to CPU 0, which always stays.\n"
            "Idempotent. Task context that may sleep, not on that CPU. Raises ValueError.")
        .def(
            "cpu_up",
            [](MachineHandle& h, py::object cpu) {
                const int c = check_cpu_argument(cpu.ptr());
                if (c == kCpuUnbound) throw py::type_error("cpu_up() needs a CPU number");
                MaybeRelease release;
                h.machine->cpu_up(c);
            },
            py::arg("cpu"),
            "Bring a CPU back: its workers are bound to it again with their next item (Linux: CPU hotplug). "
            "Idempotent.")
        .def_property_readonly(
            "online_cpus",
            [](MachineHandle& h) {
                py::list cpus;
                for (unsigned cpu = 0; cpu < h.domain().nr_cpus; ++cpu)
                    if (h.domain().online(cpu)) cpus.append(cpu);
                return py::tuple(cpus);
            },
            "The CPUs that are online, in order.")
        .def(
            "rcu_read",
            [](MachineHandle& h) {
                h.domain().require_alive();
                return rcu_read_section(*h.machine);
            },
            "Context manager: a read-side section (Linux: rcu_read_lock, rcu_read_unlock). Nests; nothing inside may "
            "sleep.")
        .def(
            "synchronize_rcu",
            [](MachineHandle& h, py::object timeout) {
                h.domain().require_alive();
                wait_without_gil(h.domain(), timeout, [&](Nanoseconds deadline) {
                    h.machine->rcu().synchronize(h.domain().self(), deadline);
                });
            },
            py::arg("timeout") = py::none(),
            "Wait until every read-side section that is open now has been left (Linux: synchronize_rcu).\n\n"
            "timeout: seconds, None: for ever. Task context that may sleep. Raises TimeoutError.")
        .def_property(
            "thread_limit",
            [](MachineHandle& h) -> std::optional<int> {
                const int limit = h.machine->workqueues().thread_limit();
                if (limit == WorkqueueSubsystem::kNoThreadLimit) return std::nullopt;
                return limit;
            },
            [](MachineHandle& h, std::optional<int> limit) {
                h.domain().require_alive();
                if (limit.has_value() && *limit < 0)
                    throw InvalidArgument("thread_limit=" + std::to_string(*limit) +
                                          " is negative: from 0, or None for no limit");
                MaybeRelease release;
                h.machine->workqueues().set_thread_limit(limit.value_or(WorkqueueSubsystem::kNoThreadLimit));
            },
            "How many kworkers the machine may have, rescuers not counted; None: as many as the system gives. "
            "Settable\n"
            "at any time: what exists stays; 0 lets no further one be created. For trying out what happens when memory "
            "is\n"
            "short: then only the rescuers of MEM_RECLAIM workqueues go on. Raises ValueError, MachineHalted.")
        .def_property(
            "cpu_intensive_thresh",
            [](MachineHandle& h) { return static_cast<double>(h.machine->workqueues().hogs().threshold()) / 1e9; },
            [](MachineHandle& h, py::object seconds) {
                h.machine->workqueues().hogs().set_threshold(threshold(seconds, "cpu_intensive_thresh"));
            },
            "Seconds of CPU time after which an item counts as CPU_INTENSIVE: it no longer holds back the others of "
            "its\n"
            "pool, and is counted in stats().cpu_intensive (Linux: cpu_intensive_thresh_us). 0: nobody does; 0.01 at "
            "first.")
        .def_property(
            "cpu_intensive_warning_thresh", [](MachineHandle& h) { return h.machine->workqueues().hogs().warn_from(); },
            [](MachineHandle& h, unsigned count) { h.machine->workqueues().hogs().set_warn_from(count); },
            "From how many times on a function that hogs its CPU is named in the log: at this count, and whenever "
            "what\n"
            "is above it doubles: 4, 5, 7, 11, 19, ... (Linux: cpu_intensive_warning_thresh). 0: never.")
        .def_property(
            "watchdog_thresh",
            [](MachineHandle& h) { return static_cast<double>(h.machine->workqueues().watchdog().threshold()) / 1e9; },
            [](MachineHandle& h, py::object seconds) {
                h.domain().require_alive();
                h.machine->workqueues().watchdog().set_threshold(threshold(seconds, "watchdog_thresh"));
            },
            "Seconds after which a pool that has items queued and starts none is reported, to the log and to "
            "`logging`\n"
            "(logger \"bottomhalf\"), with the stacks of its busy workers (Linux: watchdog_thresh). 0: off. 30 at "
            "first\n"
            "on host machines, 0 on simulated ones.")
        .def(
            "show_all_workqueues", [](MachineHandle& h) { return show_all_workqueues(*h.machine); },
            "What is queued and runs, in Linux's format (show_all_workqueues, sysrq-t): returned, and written to the "
            "log.")
        .def("_idle", [](MachineHandle& h) { return h.machine->idle(); })
        .def("_next_timer",
             [](MachineHandle& h) -> py::object {
                 const Jiffies next = h.machine->timers().next_expiry();
                 if (next == TimerWheel::kNever) return py::none();
                 return py::float_(static_cast<double>(jiffies_to_ns(next, h.domain().hz)) / 1e9);
             })
        .def("_completed", [](MachineHandle& h) { return h.machine->workqueues().completed(); })
        .def("_running_items", [](MachineHandle& h) { return h.machine->workqueues().running_items(); })
        .def("_open_softirq",
             [](MachineHandle& h, unsigned nr, py::object handler) {
                 h.domain().require_alive();
                 open_softirq_object(*h.machine, static_cast<Softirq>(nr), std::move(handler));
             })
        .def("_raise_softirq",
             [](MachineHandle& h, unsigned nr, py::object cpu) {
                 h.domain().require_alive();
                 const int c = check_cpu_argument(cpu.ptr());
                 const unsigned target = c == kCpuUnbound ? static_cast<unsigned>(h.domain().self().cpu.load())
                                                          : h.domain().check_cpu(c, "cpu");
                 h.machine->softirqs().raise(static_cast<Softirq>(nr), target);
             })
        .def("_softirq_count", [](MachineHandle& h, unsigned cpu,
                                  unsigned nr) { return h.machine->softirqs().count(cpu, static_cast<Softirq>(nr)); })
        .def(
            "bh_off",
            [](MachineHandle& h) {
                h.domain().require_alive();
                return bh_off_section(*h.machine);
            },
            "Context manager: no softirq, tasklet, timer or bound item runs on the caller's CPU (Linux: "
            "local_bh_disable);\n"
            "pending ones run before the outermost exit returns. Nests. Nothing inside may sleep.")
        .def(
            "irqs_off",
            [](MachineHandle& h) {
                h.domain().require_alive();
                return irqs_off_section(*h.machine);
            },
            "Context manager: interrupts off on the caller's CPU (Linux: local_irq_save, local_irq_restore). Nests.")
        .def(
            "on_cpu",
            [](MachineHandle& h, py::object cpu) {
                h.domain().require_alive();
                const int c = check_cpu_argument(cpu.ptr());
                if (c == kCpuUnbound) throw py::type_error("on_cpu() needs a CPU number");
                return on_cpu_section(*h.machine, h.domain().check_online(c, "cpu"));
            },
            py::arg("cpu"), "Context manager: the caller counts as running on that CPU; the thread is not pinned.")
        .def(
            "irq",
            [](MachineHandle& h, int irq) {
                h.domain().require_alive();
                return irq_line_object(*h.machine, irq);
            },
            py::arg("irq"), "The interrupt line of that number, 0 to 4095: bottomhalf.IrqLine.")
        .def(
            "gpio",
            [](MachineHandle& h, long long pin) {
                h.domain().require_alive();
                return gpio_pin_object(*h.machine, pin);
            },
            py::arg("pin"),
            "The numbered pin that modules reach by <linux/gpio.h>, 0 to 1023: bottomhalf.GpioPin. Raises ValueError.")
        .def(
            "_spawn",
            [](MachineHandle& h, py::object fn, py::args args, py::object cpu, py::object name) {
                h.domain().require_alive();
                const int c = check_cpu_argument(cpu.ptr());
                if (c != kCpuUnbound) h.domain().check_cpu(c, "cpu");
                return spawn_object(*h.machine, std::move(fn), std::move(args), c, std::move(name));
            },
            py::arg("fn"), py::kw_only(), py::arg("cpu"), py::arg("name"))
        .def(
            "tasks", [](MachineHandle& h) { return task_list(*h.machine); },
            "Every thread of the machine: name, pid, state, cpu, work.")
        .def("_trace_start", [](MachineHandle& h) { h.domain().trace.start(); })
        .def("_trace_stop", [](MachineHandle& h) { h.domain().trace.stop(); })
        .def("_trace_on", [](MachineHandle& h) { return h.domain().trace.enabled(); })
        .def("_trace_take", [](MachineHandle& h) { return take_trace(*h.machine); })
        .def_property_readonly(
            "log", [](MachineHandle& h) { return log_lines(*h.machine); },
            "The kernel log: a list of bottomhalf.LogLine.")
        .def("_printk", [](MachineHandle& h, unsigned level, const std::string& text) {
            h.domain().log.write(h.domain().now(), static_cast<LogLevel>(level), text);
        });
    m.def(
        "printk",
        [](py::object machine, unsigned level, const std::string& text) {
            Machine& target = machine_of(machine.ptr());
            target.domain().log.write(target.domain().now(), static_cast<LogLevel>(std::min(level, 7u)), text);
        },
        "Write a line to a machine's log (Linux: printk). level: 0 (emerg) to 7 (debug).");
    m.def("current_machine", &current_machine_object,
          "The machine of the running handler, else of the innermost `with` of this thread, else the activated one, "
          "else the\n"
          "default host machine, booted on first use.");
    m.def("_set_default_machine", [](py::object f) { g_default_machine = f.release().ptr(); });
}

}  // namespace bh_python
