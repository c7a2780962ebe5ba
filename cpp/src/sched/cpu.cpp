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
    RawGuard guard(wait_lock);
    while (ListNode* node = waiting.pop_front()) {
        Task* task = container_of(node, &Waiter::node)->task;
        domain->substrate->wake(*task);
    }
}

void Cpu::wait_for_bh(Task& self) {
    wait_for(self, [&] { return try_own_bh(self); });
}
void Cpu::wait_for_irq(Task& self) {
    wait_for(self, [&] { return try_own_irq(self); });
}
void Cpu::release_preemption() noexcept {
    preempt_holders.fetch_sub(1u);
    if (waiters.load() != 0) [[unlikely]]
        wake_waiters();
}
void Cpu::wait_until_preemptible(Task& self) {
    wait_for(self, [&] {
        // As preemptible_for(), but in the order that wait_for relies on.
        const Task *bh = bh_owner.load(), *irq = irq_owner.load();
        return (bh == nullptr || bh == &self) && (irq == nullptr || irq == &self) && preempt_holders.load() == 0;
    });
}

}  // namespace bottomhalf
