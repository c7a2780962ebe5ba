// <linux/irq_work.h>.
#include "irq_work.hpp"

#include <algorithm>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr std::uint32_t kPending = 1, kBusy = 2;

bool claim(IrqWork* work) { return (__atomic_fetch_or(&work->state, kPending, __ATOMIC_SEQ_CST) & kPending) == 0; }

// Those whose functions run: who unloads their module waits for them.
struct Running {
    explicit Running(Domain&) {}
    struct Item {
        const Task* runner;
        IrqWork* work;
        void (*func)(IrqWork*);
    };
    RawLock lock;             // a leaf
    std::vector<Item> items;  // L
};

// It may be queued again from its function on. What leaves the function must not leave it busy for ever.
void run(void* queued) {
    auto* work = static_cast<IrqWork*>(queued);
    __atomic_store_n(&work->state, kBusy, __ATOMIC_SEQ_CST);
    Running& running = KernelSide::of(here()).part<Running>();
    const Running::Item item{&me(), work, work->func};
    {
        RawGuard guard(running.lock);
        running.items.push_back(item);
    }
    struct Done {
        Running& running;
        const Running::Item& item;
        ~Done() {
            __atomic_fetch_and(&item.work->state, ~kBusy, __ATOMIC_SEQ_CST);
            RawGuard guard(running.lock);
            std::erase_if(running.items,
                          [&](const auto& other) { return other.runner == item.runner && other.work == item.work; });
        }
    } done{running, item};
    item.func(work);
}

}  // namespace

std::vector<BusyIrqWork> busy_irq_works(Domain& domain) {
    std::vector<BusyIrqWork> busy;
    IrqController& irqs = *domain.irqs;
    for (const auto& call : irqs.waiting()) {
        if (call.function != run) continue;
        auto* work = static_cast<IrqWork*>(call.arg);
        busy.push_back({work, work->func, false, [&irqs, call, work] {
                            if (irqs.take_back(call)) __atomic_fetch_and(&work->state, ~kPending, __ATOMIC_SEQ_CST);
                        }});
    }
    Running& running = KernelSide::of(domain).part<Running>();
    RawGuard guard(running.lock);
    for (const auto& item : running.items) busy.push_back({item.work, item.func, true, {}});
    return busy;
}

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
