// <linux/preempt.h>, <linux/irqflags.h>, <linux/bottom_half.h>, <linux/cpumask.h>: where the caller is.
#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

// Linux's masks are variables; a machine has one of each here.
struct Masks {
    explicit Masks(Domain& domain) : possible(CpuMask::first_n(domain.nr_cpus)) {
        for (unsigned c = 0; c < domain.nr_cpus; ++c) single.push_back(CpuMask::of(c));
    }
    // The words change one by one and only when they must: others read them meanwhile, as on Linux.
    const void* online_now(const Domain& domain) {
        for (unsigned first = 0; first < domain.nr_cpus; first += 64) {
            std::uint64_t bits = 0;
            for (unsigned c = first; c < first + 64 && c < domain.nr_cpus; ++c)
                bits |= std::uint64_t{domain.online(c)} << (c - first);
            if (__atomic_load_n(&online[first / 64], __ATOMIC_RELAXED) != bits)
                __atomic_store_n(&online[first / 64], bits, __ATOMIC_RELAXED);
        }
        return online;
    }
    const CpuMask possible;
    std::uint64_t online[kMaxCpus / 64] = {};  // A
    std::vector<CpuMask> single;               // I
};
// A hard interrupt has them off until it ends: a handler that turns them on is told so.
void interrupts_on(Task& self, unsigned long depth, const char* call) {
    if (preempt::in_hardirq(self.preempt_count) && depth == 0) {
        warn_once(here(), call, std::string(call) + ": in a hard interrupt, which keeps interrupts off");
        return;
    }
    while (self.irqs_off > depth) local_irq_restore(self);
}
Masks& masks() { return KernelSide::of(here()).part<Masks>(); }

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
void bh_linux_local_irq_enable() { interrupts_on(me(), 0, "local_irq_enable"); }
unsigned long bh_linux_local_save_flags() { return me().irqs_off; }
unsigned long bh_linux_local_irq_save() {
    Task& self = me();
    const unsigned long before = self.irqs_off;
    local_irq_save(self);
    return before;
}
void bh_linux_local_irq_restore(unsigned long flags) { interrupts_on(me(), flags, "local_irq_restore"); }
bool bh_linux_irqs_disabled() {
    const Task& self = me();
    return self.irqs_off != 0 || preempt::in_hardirq(self.preempt_count);
}

void bh_linux_local_bh_disable() { local_bh_disable(me()); }
void bh_linux_local_bh_enable() {
    Task& self = me();
    if (preempt::in_hardirq(self.preempt_count))
        warn_once(here(), "local_bh_enable", "local_bh_enable: called in a hard interrupt");
    if ((self.preempt_count & preempt::kSoftirqMask) < preempt::kSoftirqDisable) {
        warn_once(here(), "local_bh_enable: balance", "local_bh_enable",
                  "local_bh_enable: bottom halves are not disabled");
        return;
    }
    local_bh_enable(self);
}
// Without running what is pending. The engine has no such form: ksoftirqd would come anyway.
void bh_linux__local_bh_enable() { bh_linux_local_bh_enable(); }

int bh_linux_smp_processor_id() { return me().cpu.load(std::memory_order_relaxed); }
unsigned bh_linux_nr_cpus() { return here().nr_cpus; }
const CpuMask* bh_linux_possible_mask() { return &masks().possible; }
const void* bh_linux_online_mask() { return masks().online_now(here()); }
bool bh_linux_cpu_online(unsigned cpu) { return cpu < here().nr_cpus && here().online(cpu); }
const CpuMask* bh_linux_cpumask_of(unsigned cpu) {
    return as_linux("cpumask_of", &masks().single[0],
                    [&] { return &masks().single[here().check_cpu(static_cast<int>(cpu), "cpu")]; });
}
// CPUs come and go by Machine.cpu_down() alone, which no module is in the midst of.
void bh_linux_cpus_read_lock() {}
void bh_linux_cpus_read_unlock() {}

}  // extern "C"

}  // namespace bottomhalf::linux_api
