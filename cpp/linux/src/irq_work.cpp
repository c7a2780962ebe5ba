// <linux/irq_work.h>.
#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

struct IrqWork {  // struct irq_work
    std::uint32_t state;
    void (*func)(IrqWork*);
};
constexpr std::uint32_t kPending = 1, kBusy = 2;

bool claim(IrqWork* work) { return (__atomic_fetch_or(&work->state, kPending, __ATOMIC_SEQ_CST) & kPending) == 0; }

// It may be queued again from its function on. What leaves the function must not leave it busy for ever.
void run(void* queued) {
    auto* work = static_cast<IrqWork*>(queued);
    __atomic_store_n(&work->state, kBusy, __ATOMIC_SEQ_CST);
    struct Done {
        IrqWork* work;
        ~Done() { __atomic_fetch_and(&work->state, ~kBusy, __ATOMIC_SEQ_CST); }
    } done{work};
    work->func(work);
}

}  // namespace

extern "C" {

bool bh_linux_irq_work_queue(IrqWork* work) {
    if (!claim(work)) return false;
    machine().irqs().interrupt(static_cast<unsigned>(me().cpu.load()), run, work);
    return true;
}
bool bh_linux_irq_work_queue_on(IrqWork* work, int cpu) {
    return as_linux("irq_work_queue_on", false, [&] {
        const unsigned target = here().check_online(cpu, "cpu");
        if (!claim(work)) return false;
        machine().irqs().interrupt(target, run, work);
        return true;
    });
}
void bh_linux_irq_work_sync(IrqWork* work) {
    while (__atomic_load_n(&work->state, __ATOMIC_SEQ_CST) != 0) here().substrate->relax(me());
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
