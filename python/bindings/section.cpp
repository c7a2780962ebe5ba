// m.bh_off(), m.irqs_off(), m.on_cpu(), m.rcu_read(): sections of a task, as context managers.
//
// The GIL is let go where a section may wait for its CPU, or where leaving it may run callbacks, and nowhere else.
#include "arguments.hpp"
#include "context.hpp"

namespace bh_python {

namespace {

Cpu& cpu_of(Task& self) {
    return self.domain.load(std::memory_order_relaxed)
        ->cpu(static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed)));
}
// A task of the machine that runs a handler has the GIL through the gate, which it must not enter twice.
bool must_release(Task& self, bool something_to_run) noexcept { return something_to_run || !self.adopted; }

enum class Kind { bh, irqs, cpu, rcu };

class Section {
public:
    Section(Machine& machine, Kind kind, int cpu) : kind_(kind), cpu_(cpu) {
        owner_.join(machine, [] { return true; }, "section");
    }

    void enter() {
        Machine* m = owner_.machine();
        if (m == nullptr) throw MachineHalted("section: its machine is gone");
        m->domain().require_alive();
        Task& self = m->domain().self();
        if (depth_ != 0 && task_ != &self)
            throw MisuseError("section-wrong-task", std::string(name()) + ": entered by " + describe_task(self) +
                                                        " while another task is in it; make one for each");
        switch (kind_) {
            case Kind::bh:
                section_bh_off(self);
                break;
            case Kind::irqs:
                section_irqs_off(self);
                break;
            case Kind::cpu:
                move(self);
                break;
            case Kind::rcu:
                saved_.push_back(static_cast<int>(m->rcu().read_lock(self)));
                break;
        }
        task_ = &self;
        ++depth_;
    }

    void exit() {
        if (depth_ == 0) throw MisuseError("section-not-entered", std::string(name()) + ": __exit__ without __enter__");
        Task* self = task_;
        Machine* m = owner_.machine();
        if (self != current_task() && (m == nullptr || m->halted() || &m->domain().self() != self))
            throw MisuseError("section-wrong-task",
                              std::string(name()) + ": left by another task than the one that entered it");
        if (self->domain.load() == nullptr) {
            // The machine went away meanwhile, and its CPUs with it.
            --depth_;
            if (kind_ == Kind::bh) self->preempt_count -= preempt::kSoftirqDisable;
            if (kind_ == Kind::irqs) --self->irqs_off;
            if (kind_ == Kind::rcu) --self->preempt_count;
            return;
        }
        if (kind_ == Kind::rcu) {
            const auto slot = static_cast<unsigned>(saved_.back());
            saved_.pop_back();
            --depth_;
            Domain& domain = *self->domain.load();
            MaybeRelease release(must_release(*self, domain.rcu->pending()));
            domain.rcu->read_unlock(*self, slot);
            return;
        }
        if (kind_ == Kind::cpu) {
            const int back = saved_.back();
            check_may_move(*self, back);
            saved_.pop_back();
            self->cpu.store(back);
            --depth_;
            return;
        }
        --depth_;
        if (kind_ == Kind::bh)
            section_bh_on(*self);
        else
            section_irqs_on(*self);
    }

private:
    const char* name() const noexcept {
        return kind_ == Kind::bh     ? "bh_off()"
               : kind_ == Kind::irqs ? "irqs_off()"
               : kind_ == Kind::rcu  ? "rcu_read()"
                                     : "on_cpu()";
    }
    void check_may_move(Task& self, int to) const {
        if (self.cpu.load() == to) return;
        if (self.bound_cpu != kCpuUnbound)
            throw InvalidArgument("cpu=" + std::to_string(to) + ": " + describe_task(self) + " is bound to CPU " +
                                  std::to_string(self.bound_cpu) + " and cannot count as running elsewhere");
        // What is off, is off on the CPU it was turned off on.
        if (self.preempt_count != 0 || self.irqs_off != 0)
            throw MisuseError("on-cpu-atomic", "on_cpu(): " + describe_task(self) +
                                                   " cannot change its CPU in atomic context; leave the section first");
    }
    void move(Task& self) {
        check_may_move(self, cpu_);
        saved_.push_back(self.cpu.load());
        self.cpu.store(cpu_);
    }

    Owner owner_;
    const Kind kind_;
    const int cpu_;
    Task* task_ = nullptr;    // GIL: who is in it
    unsigned depth_ = 0;      // GIL
    std::vector<int> saved_;  // GIL
};

py::object make(Machine& machine, Kind kind, int cpu = 0) {
    return py::cast(std::make_unique<Section>(machine, kind, cpu));
}

}  // namespace

void section_bh_off(Task& self) {
    if (preempt::in_softirq(self.preempt_count) || preempt::in_hardirq(self.preempt_count))
        return local_bh_disable(self);
    // What local_bh_disable does when nobody holds the CPU's bottom halves; else it waits, perhaps for who wants the
    // GIL.
    if (cpu_of(self).try_own_bh(self)) {
        order_acquire(&cpu_of(self).bh_owner);
        self.preempt_count += preempt::kSoftirqDisable;
        return;
    }
    MaybeRelease release(true);
    local_bh_disable(self);
}

void section_bh_on(Task& self) {
    const bool outermost = (self.preempt_count & preempt::kSoftirqMask) == preempt::kSoftirqDisable;
    Domain& domain = *self.domain.load();
    MaybeRelease release(outermost &&
                         must_release(self, domain.softirqs->pending(static_cast<unsigned>(self.cpu.load())) != 0));
    local_bh_enable(self);
}

void section_irqs_off(Task& self) {
    if (self.irqs_off != 0 || preempt::in_hardirq(self.preempt_count)) return local_irq_save(self);
    if (cpu_of(self).try_own_irq(self)) {
        order_irqs_off(cpu_of(self));
        ++self.irqs_off;
        return;
    }
    MaybeRelease release(true);
    local_irq_save(self);
}

void section_irqs_on(Task& self) {
    Domain& domain = *self.domain.load();
    const bool latched =
        domain.hooks.irq_latched != nullptr && domain.hooks.irq_latched(domain, static_cast<unsigned>(self.cpu.load()));
    MaybeRelease release(self.irqs_off == 1 && must_release(self, latched));
    local_irq_restore(self);
}

py::object bh_off_section(Machine& machine) { return make(machine, Kind::bh); }
py::object irqs_off_section(Machine& machine) { return make(machine, Kind::irqs); }
py::object on_cpu_section(Machine& machine, unsigned cpu) { return make(machine, Kind::cpu, static_cast<int>(cpu)); }

py::object rcu_read_section(Machine& machine) { return make(machine, Kind::rcu); }

void register_sections(py::module_& m) {
    py::class_<Section>(m, "Section",
                        "A section of the calling task: m.bh_off(), m.irqs_off(), m.on_cpu(n), m.rcu_read() make one.")
        .def("__enter__",
             [](py::object self) {
                 self.cast<Section&>().enter();
                 return self;
             })
        .def("__exit__", [](Section& s, const py::args&) { s.exit(); });
}

}  // namespace bh_python
