// <linux/random.h>, <linux/irq_work.h>.
#include <cstring>
#include <exception>
#include <random>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

// Of a simulated machine the same sequence in every run.
struct Random {
    explicit Random(Domain& domain) : engine(domain.simulated ? 1 : std::random_device{}()) {}
    RawLock lock;
    std::mt19937_64 engine;  // L
};

struct IrqWork {  // struct irq_work
    std::uint32_t state;
    void (*func)(IrqWork*);
};
constexpr std::uint32_t kPending = 1, kBusy = 2;

// Runs it in hard-interrupt context on the caller's CPU.
void run(IrqWork* work) {
    Task& self = me();
    const auto cpu = static_cast<unsigned>(self.cpu.load());
    const bool nested = preempt::in_hardirq(self.preempt_count);
    int saved = 0;
    while (!nested && !try_hardirq_enter(self, cpu, saved)) here().substrate->relax(self);
    __atomic_store_n(&work->state, kBusy, __ATOMIC_SEQ_CST);
    // What leaves the function must not leave the CPU in its interrupt.
    std::exception_ptr thrown;
    try {
        work->func(work);
    } catch (...) {
        thrown = std::current_exception();
    }
    std::uint32_t busy = kBusy;
    __atomic_compare_exchange_n(&work->state, &busy, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    if (!nested) {
        hardirq_exit(self, saved);
        machine().softirqs().run_at_irq_exit(cpu, self);
    }
    if (thrown != nullptr) std::rethrow_exception(thrown);
}

}  // namespace

extern "C" {

void bh_linux_get_random_bytes(void* buffer, std::size_t length) {
    Random& random = KernelSide::of(here()).part<Random>();
    RawGuard guard(random.lock);
    for (std::size_t at = 0; at < length; at += 8) {
        const std::uint64_t value = random.engine();
        std::memcpy(static_cast<char*>(buffer) + at, &value, length - at < 8 ? length - at : 8);
    }
}

bool bh_linux_irq_work_queue(IrqWork* work) {
    if ((__atomic_fetch_or(&work->state, kPending, __ATOMIC_SEQ_CST) & kPending) != 0) return false;
    run(work);
    return true;
}
bool bh_linux_irq_work_queue_on(IrqWork* work, int cpu) {
    if ((__atomic_fetch_or(&work->state, kPending, __ATOMIC_SEQ_CST) & kPending) != 0) return false;
    as_linux("irq_work_queue_on", [&] {
        here().workqueues->on_cpu(
            here().check_cpu(cpu, "cpu"),
            [](void* w) {
                run(static_cast<IrqWork*>(w));
                return 0L;
            },
            work);
    });
    return true;
}
void bh_linux_irq_work_sync(IrqWork* work) {
    while (__atomic_load_n(&work->state, __ATOMIC_SEQ_CST) != 0) here().substrate->relax(me());
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
