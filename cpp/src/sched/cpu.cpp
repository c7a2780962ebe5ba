#include "bottomhalf/sched/cpu.hpp"

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

namespace {
struct Waiter {
    Task* task;
    ListNode node;
};
}  // namespace

template <class Ready>
void Cpu::wait_for(Task& self, Ready ready) {
    Waiter waiter{&self, {}};
    waiters.fetch_add(1u);
    for (;;) {
        {
            RawGuard guard(wait_lock);
            if (!waiter.node.linked()) waiting.push_back(waiter.node);
        }
        // Announced first, looked second: disown_* does it in the other order.
        if (ready()) break;
        self.domain.load()->substrate->block(self, kForever);
    }
    {
        RawGuard guard(wait_lock);
        if (waiter.node.linked()) waiter.node.unlink();
    }
    waiters.fetch_sub(1u);
}

void Cpu::wake_waiters() noexcept {
    if (waiters.load() == 0) [[likely]] return;
    RawGuard guard(wait_lock);
    while (ListNode* node = waiting.pop_front()) {
        Task* task = container_of(node, &Waiter::node)->task;
        domain->substrate->wake(*task);
    }
}

bool Cpu::try_own_bh(Task& self) noexcept {
    Task* none = nullptr;
    return bh_owner.compare_exchange(none, &self);
}
void Cpu::own_bh(Task& self) {
    if (try_own_bh(self)) [[likely]] return;
    wait_for(self, [&] { return try_own_bh(self); });
}
void Cpu::disown_bh(Task&) noexcept {
    bh_owner.exchange(nullptr);
    wake_waiters();
}
bool Cpu::try_own_irq(Task& self) noexcept {
    Task* none = nullptr;
    return irq_owner.compare_exchange(none, &self);
}
void Cpu::own_irq(Task& self) {
    if (try_own_irq(self)) [[likely]] return;
    wait_for(self, [&] { return try_own_irq(self); });
}
void Cpu::disown_irq(Task&) noexcept {
    irq_owner.exchange(nullptr);
    wake_waiters();
}
void Cpu::release_preemption() noexcept {
    preempt_holders.fetch_sub(1u);
    wake_waiters();
}
void Cpu::wait_until_preemptible(Task& self) {
    wait_for(self, [&] { return preemptible_for(self); });
}

}  // namespace bottomhalf
