// <linux/smp.h>: a function on another CPU.
#include <cerrno>

#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

// Both sides hold it: who waits may have to leave before the other CPU came to it.
struct CrossCall {
    void (*func)(void*);
    void* info;
    Atomic<bool> done{false};

    static void run(void* held) {
        const std::unique_ptr<std::shared_ptr<CrossCall>> mine(static_cast<std::shared_ptr<CrossCall>*>(held));
        CrossCall& call = **mine;
        struct Done {
            CrossCall& call;
            ~Done() { call.done.store(true); }
        } done{call};
        call.func(call.info);
    }
};

void call_on(unsigned cpu, void (*func)(void*), void* info) {
    Task& self = me();
    if (self.irqs_off != 0) warn_once(here(), "smp_call_function", "smp_call_function: interrupts are off");
    auto call = std::make_shared<CrossCall>();
    call->func = func;
    call->info = info;
    machine().irqs().interrupt(cpu, CrossCall::run, new std::shared_ptr<CrossCall>(call));
    while (!call->done.load()) here().substrate->relax(self);
}
bool own(unsigned cpu) { return me().cpu.load() == static_cast<int>(cpu); }
bool online(unsigned cpu) { return cpu < here().nr_cpus && here().online(cpu); }

}  // namespace

extern "C" {

// All of them wait for the function to end, also where the caller would not have it so: its info may be on the stack.
int bh_linux_smp_call_function_single(int cpu, void (*func)(void*), void* info, int) {
    const auto target = static_cast<unsigned>(cpu);
    if (!online(target)) return -ENXIO;
    if (own(target)) {
        Task& self = me();
        local_irq_save(self);
        struct Restore {
            Task& self;
            ~Restore() { local_irq_restore(self); }
        } restore{self};
        func(info);
    } else {
        call_on(target, func, info);
    }
    return 0;
}
void bh_linux_smp_call_function(void (*func)(void*), void* info, int) {
    for (unsigned c = 0; c < here().nr_cpus; ++c)
        if (online(c) && !own(c)) call_on(c, func, info);
}
void bh_linux_on_each_cpu(void (*func)(void*), void* info, int wait) {
    bh_linux_smp_call_function(func, info, wait);
    bh_linux_smp_call_function_single(me().cpu.load(), func, info, wait);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
