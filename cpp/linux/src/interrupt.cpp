// <linux/interrupt.h>: lines and softirqs. Tasklets are in tasklet.cpp.
#include "interrupt.hpp"

#include <cerrno>

#include "glue.hpp"
#include "kernel_side.hpp"

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

bool is_vector(unsigned nr, const char* call) {
    if (nr < kNrSoftirqs) return true;
    warn_once(here(), call, std::string(call) + ": " + std::to_string(nr) + " is no softirq vector");
    return false;
}

void run_action(Domain&, unsigned, Task&, GatePass&, void* action) {
    reinterpret_cast<void (*)(void*)>(action)(nullptr);
}

}  // namespace

const void* softirq_action(const Softirqs::Opened& vector) {
    return vector.handler == run_action ? vector.arg : nullptr;
}

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
// RETURNS: the name that it was requested with.
const char* bh_linux_free_irq(unsigned irq, void* dev) {
    return as_linux("free_irq", static_cast<const char*>(nullptr), [&]() -> const char* {
        IrqLine& from = line(irq);
        for (const auto& action : from.actions())
            if (action->dev() == dev) {
                from.free(*action);
                return KernelSide::of(here()).kept_name(action->name());
            }
        warn(here(), "free_irq", "Trying to free already-free IRQ " + std::to_string(irq));
        return nullptr;
    });
}
void bh_linux_disable_irq(unsigned irq) {
    as_linux("disable_irq", [&] { line(irq).disable(); });
}
void bh_linux_disable_irq_nosync(unsigned irq) {
    as_linux("disable_irq_nosync", [&] { line(irq).disable_nosync(); });
}
// RETURNS: no thread of the line is active.
bool bh_linux_synchronize_hardirq(unsigned irq) {
    return as_linux("synchronize_hardirq", true, [&] { return line(irq).synchronize_hard(); });
}
bool bh_linux_disable_hardirq(unsigned irq) {
    bh_linux_disable_irq_nosync(irq);
    return bh_linux_synchronize_hardirq(irq);
}
void bh_linux_enable_irq(unsigned irq) {
    as_linux("enable_irq", [&] {
        try {
            line(irq).enable();
        } catch (const UnbalancedEnable&) {
            warn(here(), "enable_irq", "Unbalanced enable for IRQ " + std::to_string(irq));
        }
    });
}
void bh_linux_synchronize_irq(unsigned irq) {
    as_linux("synchronize_irq", [&] { line(irq).synchronize(); });
}
int bh_linux_irq_has_action(unsigned irq) {
    return as_linux("irq_has_action", 0, [&] { return line(irq).actions().empty() ? 0 : 1; });
}
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
    if (!is_vector(static_cast<unsigned>(nr), "open_softirq")) return;
    machine().softirqs().open(static_cast<Softirq>(nr), run_action, reinterpret_cast<void*>(action));
}
void bh_linux_raise_softirq(unsigned nr) {
    if (is_vector(nr, "raise_softirq")) machine().softirqs().raise(static_cast<Softirq>(nr), own_cpu());
}
void bh_linux___raise_softirq_irqoff(unsigned nr) {
    if (is_vector(nr, "raise_softirq_irqoff")) machine().softirqs().raise_pending(static_cast<Softirq>(nr), own_cpu());
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
