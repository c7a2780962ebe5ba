// IrqController: a machine's lines, and the interrupts that a CPU with interrupts off has yet to take.
#include <algorithm>

#include "bottomhalf/interrupt/irq.hpp"

namespace bottomhalf {

namespace {
constexpr int kMaxIrq = 4095;
}  // namespace

IrqController::IrqController(Domain& domain) : domain_(domain) {
    for (unsigned i = 0; i < domain.nr_cpus; ++i) per_cpu_.push_back(std::make_unique<PerCpu>());
    domain.irqs = this;
    domain.hooks.irq_latched = [](Domain& d, unsigned cpu) { return d.irqs->per_cpu_[cpu]->any.load(); };
    domain.hooks.deliver_irqs = [](Domain& d, unsigned cpu, Task& self) { d.irqs->deliver(cpu, self); };
}

IrqController::~IrqController() {
    domain_.hooks.irq_latched = nullptr;
    domain_.hooks.deliver_irqs = nullptr;
    domain_.irqs = nullptr;
}

IrqLine& IrqController::line(int irq) {
    if (irq < 0 || irq > kMaxIrq)
        throw InvalidArgument("irq=" + std::to_string(irq) + " is no interrupt line: allowed are 0 to " +
                              std::to_string(kMaxIrq));
    RawGuard guard(lock_);
    auto& slot = lines_[irq];
    if (slot == nullptr) slot = std::make_unique<IrqLine>(domain_, irq);
    return *slot;
}

void IrqController::latch(IrqLine& line, unsigned cpu) {
    PerCpu& mine = *per_cpu_[cpu];
    {
        RawGuard guard(mine.lock);
        // One bit a line, as in a controller's request register.
        if (std::find(mine.latched.begin(), mine.latched.end(), &line) == mine.latched.end())
            mine.latched.push_back(&line);
        mine.any.store(true);
    }
    deliver_missed(cpu);
}

// The section that had interrupts off may have ended before it could see the latch.
void IrqController::deliver_missed(unsigned cpu) {
    if (domain_.cpu(cpu).irq_owner.load() == nullptr) deliver(cpu, domain_.self());
}

void IrqController::interrupt(unsigned cpu, void (*function)(void*), void* arg) {
    explore_point(domain_);
    Task& self = domain_.self();
    int saved_cpu = 0;
    if (!try_hardirq_enter(self, cpu, saved_cpu)) {
        PerCpu& mine = *per_cpu_[cpu];
        {
            RawGuard guard(mine.lock);
            mine.calls.push_back({function, arg});
            mine.any.store(true);
        }
        deliver_missed(cpu);
        return;
    }
    CurrentScope current(self);
    call(function, arg);
    hardirq_exit(self, saved_cpu);
}

void IrqController::call(void (*function)(void*), void* arg) {
    try {
        function(arg);
    } catch (const ModuleExit&) {
    } catch (const std::exception& e) {
        domain_.log.write(domain_.now(), LogLevel::err,
                          std::string("interrupt: exception left the function: ") + e.what());
    }
}

void IrqController::deliver(unsigned cpu, Task& self) {
    PerCpu& mine = *per_cpu_[cpu];
    while (mine.any.load()) {
        int saved_cpu = 0;
        if (!try_hardirq_enter(self, cpu, saved_cpu)) return;  // its holder delivers
        std::vector<IrqLine*> lines;
        std::vector<Call> calls;
        {
            RawGuard guard(mine.lock);
            lines.swap(mine.latched);
            calls.swap(mine.calls);
            mine.any.store(false);
        }
        CurrentScope current(self);
        for (const auto& [function, arg] : calls) call(function, arg);
        for (IrqLine* line : lines) line->handle(cpu, self);
        hardirq_exit(self, saved_cpu);
    }
}

std::vector<IrqController::Call> IrqController::waiting() {
    std::vector<Call> all;
    for (const auto& cpu : per_cpu_) {
        RawGuard guard(cpu->lock);
        all.insert(all.end(), cpu->calls.begin(), cpu->calls.end());
    }
    return all;
}

bool IrqController::take_back(const Call& call) {
    for (const auto& cpu : per_cpu_) {
        RawGuard guard(cpu->lock);
        const auto at = std::find(cpu->calls.begin(), cpu->calls.end(), call);
        if (at == cpu->calls.end()) continue;
        cpu->calls.erase(at);
        return true;
    }
    return false;
}

std::vector<std::shared_ptr<IrqAction>> IrqController::actions() {
    std::vector<IrqLine*> lines;
    {
        RawGuard guard(lock_);
        for (auto& [irq, line] : lines_) lines.push_back(line.get());
    }
    std::vector<std::shared_ptr<IrqAction>> all;
    for (IrqLine* line : lines)
        for (auto& action : line->actions()) all.push_back(action);
    return all;
}

void IrqController::stop() {
    for (auto& action : actions()) action->line().end(*action);
}

}  // namespace bottomhalf
