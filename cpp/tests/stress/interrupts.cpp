// Interrupt lines fired, disabled, enabled and shared by drivers that come and go; spin locks against their handlers.
#include "bottomhalf/sync/spin_lock.hpp"
#include "support/stress.hpp"

using namespace bottomhalf;

namespace {

struct Device {
    SpinLock lock;
    Domain* domain = nullptr;
    Atomic<int> inside{0}, in_thread{0};
    long plain = 0;   // under lock, in interrupts and in tasks
    long thread = 0;  // by the thread alone
    Atomic<long> handled{0}, threaded{0};
    static IrqReturn handler(int, void* dev) {
        Device& d = *static_cast<Device*>(dev);
        STRESS_CHECK(d.inside.fetch_add(1) == 0);
        Task& self = d.domain->self();
        d.lock.lock(self, SpinKind::irqsave);
        ++d.plain;
        d.lock.unlock(self, SpinKind::irqsave);
        d.handled.fetch_add(1);
        d.inside.fetch_sub(1);
        return IrqReturn::wake_thread;
    }
    static IrqReturn run(int, void* dev) {
        Device& d = *static_cast<Device*>(dev);
        STRESS_CHECK(d.in_thread.fetch_add(1) == 0);
        ++d.thread;
        d.threaded.fetch_add(1);
        d.in_thread.fetch_sub(1);
        return IrqReturn::handled;
    }
};

}  // namespace

int main(int argc, char** argv) {
    Machine machine(stress::host(2));
    Domain& domain = machine.domain();
    Device a, b;
    a.domain = b.domain = &domain;
    IrqLine& line = machine.irqs().line(17);
    auto action = line.request(Device::handler, Device::run, irqf::kShared, "a", &a);
    stress::Crew crew(machine, argc, argv, 3);
    for (int p = 0; p < 2; ++p)
        crew.add([&](auto& random) {
            for (int n = 0; n < 20; ++n) line.fire(static_cast<unsigned>(random() % 2));
        });
    crew.add([&](auto& random) {
        if (random() % 2)
            line.disable();
        else
            line.disable_nosync();
        line.enable();
    });
    crew.add([&](auto&) {
        auto mine = line.request(Device::handler, Device::run, irqf::kShared, "b", &b);
        line.free(*mine);
    });
    crew.add([&](auto& random) {
        Task& self = domain.self();
        if (random() % 2) {
            a.lock.lock(self, SpinKind::irqsave);
            ++a.plain;
            a.lock.unlock(self, SpinKind::irqsave);
            a.handled.fetch_add(1);
        } else {
            local_irq_save(self);
            line.fire(static_cast<unsigned>(self.cpu.load()));
            local_irq_restore(self);
        }
    });
    crew.run();
    STRESS_CHECK(line.depth() == 0);
    line.fire(0);
    line.free(*action);
    STRESS_CHECK(a.plain == a.handled.load());
    STRESS_CHECK(a.thread == a.threaded.load() && a.thread > 0);
    STRESS_CHECK(line.actions().empty());
    machine.halt();
    return 0;
}
