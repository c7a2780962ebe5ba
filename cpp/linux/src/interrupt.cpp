// <linux/interrupt.h>: lines and softirqs. Tasklets are in tasklet.cpp.
#include <cerrno>

#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

IrqLine& line(unsigned irq) { return machine().irqs().line(static_cast<int>(irq)); }
unsigned own_cpu() { return static_cast<unsigned>(me().cpu.load()); }

// What Linux answers where the engine throws, with Linux's message.
template <class F>
int requested(F&& f) {
    try {
        return f();
    } catch (const InvalidArgument& e) {
        log(here(), LogLevel::err, std::string("genirq: ") + e.what());
        return -EINVAL;
    } catch (const MisuseError& e) {
        if (e.rule() != "irq-busy") throw;
        log(here(), LogLevel::err, std::string("genirq: Flags mismatch: ") + e.what());
        return -EBUSY;
    }
}

void run_action(Domain&, unsigned, Task&, GatePass&, void* action) {
    reinterpret_cast<void (*)(void*)>(action)(nullptr);
}

}  // namespace

extern "C" {

int bh_linux_request_threaded_irq(unsigned irq, IrqAction::Handler handler, IrqAction::Handler thread_fn,
                                  unsigned long flags, const char* name, void* dev) {
    if (irq == 1u << 31) return -ENOTCONN;
    return requested([&] {
        line(irq).request(handler, thread_fn, static_cast<unsigned>(flags), name != nullptr ? name : "", dev);
        return 0;
    });
}
int bh_linux_request_any_context_irq(unsigned irq, IrqAction::Handler handler, unsigned long flags, const char* name,
                                     void* dev) {
    return bh_linux_request_threaded_irq(irq, handler, nullptr, flags, name, dev);  // 0: IRQC_IS_HARDIRQ
}
const void* bh_linux_free_irq(unsigned irq, void* dev) {
    as_linux("free_irq", [&] {
        IrqLine& from = line(irq);
        for (const auto& action : from.actions())
            if (action->dev() == dev) {
                from.free(*action);
                return;
            }
        warn(here(), "free_irq", "Trying to free already-free IRQ " + std::to_string(irq));
    });
    return nullptr;
}
void bh_linux_disable_irq(unsigned irq) {
    as_linux("disable_irq", [&] { line(irq).disable(); });
}
void bh_linux_disable_irq_nosync(unsigned irq) { line(irq).disable_nosync(); }
bool bh_linux_disable_hardirq(unsigned irq) {
    line(irq).disable_nosync();
    return true;
}
void bh_linux_enable_irq(unsigned irq) {
    try {
        line(irq).enable();
    } catch (const UnbalancedEnable&) {
        warn(here(), "enable_irq", "Unbalanced enable for IRQ " + std::to_string(irq));
    }
}
void bh_linux_synchronize_irq(unsigned irq) {
    as_linux("synchronize_irq", [&] { line(irq).synchronize(); });
}
bool bh_linux_synchronize_hardirq(unsigned irq) {
    bh_linux_synchronize_irq(irq);
    return true;
}
int bh_linux_irq_has_action(unsigned irq) { return line(irq).actions().empty() ? 0 : 1; }
int bh_linux_irq_inject_interrupt(unsigned irq) {
    return as_linux("irq_inject_interrupt", -EINVAL, [&] {
        line(irq).fire(own_cpu());
        return 0;
    });
}
void bh_linux_irq_wake_thread(unsigned irq, void* dev) {
    as_linux("irq_wake_thread", [&] { line(irq).wake_thread(dev); });
}

void bh_linux_open_softirq(int nr, void (*action)(void)) {
    if (nr < 0 || nr >= static_cast<int>(kNrSoftirqs)) return;
    machine().softirqs().open(static_cast<Softirq>(nr), run_action, reinterpret_cast<void*>(action));
}
void bh_linux_raise_softirq(unsigned nr) { machine().softirqs().raise(static_cast<Softirq>(nr), own_cpu()); }
void bh_linux___raise_softirq_irqoff(unsigned nr) {
    machine().softirqs().raise_pending(static_cast<Softirq>(nr), own_cpu());
}
void bh_linux_do_softirq() {
    Task& self = me();
    if (preempt::in_interrupt(self.preempt_count)) return;
    local_bh_disable(self);
    local_bh_enable(self);
}
std::uint32_t bh_linux_local_softirq_pending() {
    poll();
    return machine().softirqs().pending(own_cpu());
}
const char* bh_linux_softirq_name(unsigned nr) {
    return nr < kNrSoftirqs ? softirq_name(static_cast<Softirq>(nr)) : "?";
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
