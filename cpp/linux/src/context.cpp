// <linux/preempt.h>, <linux/irqflags.h>, <linux/bottom_half.h>, <linux/smp.h>, <linux/cpumask.h>: where the caller is.
#include <cerrno>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

// Linux's masks are variables; a machine has one of each here.
struct Masks {
    explicit Masks(Domain& domain) : possible(CpuMask::first_n(domain.nr_cpus)), online(possible) {
        for (unsigned c = 0; c < domain.nr_cpus; ++c) single.push_back(CpuMask::of(c));
    }
    const CpuMask possible;
    CpuMask online;
    std::vector<CpuMask> single;
};
Masks& masks() { return KernelSide::of(here()).part<Masks>(); }

struct CrossCall {
    void (*func)(void*);
    void* info;
    static long run(void* call) {
        const auto* c = static_cast<CrossCall*>(call);
        c->func(c->info);
        return 0;
    }
};

}  // namespace

extern "C" {

unsigned bh_linux_preempt_count() { return me().preempt_count; }
void bh_linux_preempt_disable() { preempt_disable(me()); }
void bh_linux_preempt_enable() {
    Task& self = me();
    if ((self.preempt_count & preempt::kPreemptMask) == 0) {
        warn_once(here(), "preempt_enable", "preempt_enable: preemption is not disabled");
        return;
    }
    preempt_enable(self);
    explore_point(here());
}

// Off is off, however often it was said; save and restore nest.
void bh_linux_local_irq_disable() {
    if (me().irqs_off == 0) local_irq_save(me());
}
void bh_linux_local_irq_enable() {
    Task& self = me();
    while (self.irqs_off != 0) local_irq_restore(self);
}
unsigned long bh_linux_local_save_flags() { return me().irqs_off; }
unsigned long bh_linux_local_irq_save() {
    Task& self = me();
    const unsigned long before = self.irqs_off;
    local_irq_save(self);
    return before;
}
void bh_linux_local_irq_restore(unsigned long flags) {
    Task& self = me();
    while (self.irqs_off > flags) local_irq_restore(self);
}
bool bh_linux_irqs_disabled() {
    const Task& self = me();
    return self.irqs_off != 0 || preempt::in_hardirq(self.preempt_count);
}

void bh_linux_local_bh_disable() { local_bh_disable(me()); }
void bh_linux_local_bh_enable() {
    Task& self = me();
    if (preempt::in_hardirq(self.preempt_count)) warn_once(here(), "local_bh_enable", "");
    if ((self.preempt_count & preempt::kSoftirqMask) < preempt::kSoftirqDisable) {
        warn_once(here(), "local_bh_enable ", "local_bh_enable: bottom halves are not disabled");
        return;
    }
    local_bh_enable(self);
}
// Without running what is pending. The engine has no such form: ksoftirqd would come anyway.
void bh_linux__local_bh_enable() { bh_linux_local_bh_enable(); }

int bh_linux_smp_processor_id() { return me().cpu.load(std::memory_order_relaxed); }
unsigned bh_linux_nr_cpus() { return here().nr_cpus; }
const CpuMask* bh_linux_possible_mask() { return &masks().possible; }
const CpuMask* bh_linux_online_mask() {
    Masks& m = masks();
    for (unsigned c = 0; c < here().nr_cpus; ++c) {
        if (here().online(c))
            m.online.set(c);
        else
            m.online.clear(c);
    }
    return &m.online;
}
bool bh_linux_cpu_online(unsigned cpu) { return cpu < here().nr_cpus && here().online(cpu); }
const CpuMask* bh_linux_cpumask_of(unsigned cpu) { return &masks().single.at(cpu); }
// CPUs come and go by Machine.cpu_down() alone, which no module is in the midst of.
void bh_linux_cpus_read_lock() {}
void bh_linux_cpus_read_unlock() {}

// In a worker of that CPU, where Linux interrupts it: there is no interrupt between CPUs here.
int bh_linux_smp_call_function_single(int cpu, void (*func)(void*), void* info, int) {
    if (!bh_linux_cpu_online(static_cast<unsigned>(cpu))) return -ENXIO;
    if (cpu == bh_linux_smp_processor_id()) {
        func(info);
        return 0;
    }
    CrossCall call{func, info};
    return as_linux("smp_call_function_single", 0, [&] {
        here().workqueues->on_cpu(static_cast<unsigned>(cpu), CrossCall::run, &call);
        return 0;
    });
}
void bh_linux_smp_call_function(void (*func)(void*), void* info, int wait) {
    const int own = bh_linux_smp_processor_id();
    for (unsigned c = 0; c < here().nr_cpus; ++c)
        if (static_cast<int>(c) != own && here().online(c))
            bh_linux_smp_call_function_single(static_cast<int>(c), func, info, wait);
}
void bh_linux_on_each_cpu(void (*func)(void*), void* info, int wait) {
    bh_linux_smp_call_function(func, info, wait);
    func(info);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
