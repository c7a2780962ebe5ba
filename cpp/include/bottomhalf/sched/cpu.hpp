// Cpu: a logical CPU of a machine, and on the host an exclusion domain.
//
// Threads of the operating system overlap where Linux's tasks on one CPU would not. What kernel code relies on is kept
// by two locks and a rule: the interrupt lock (interrupts off, or in a hard interrupt), the bottom-half lock (serving
// softirqs, or bottom halves off), and the dispatch rule: a bound worker starts or continues no item while another task
// holds the CPU in a section that Linux would not preempt. Ordinary task code on one CPU may overlap.
//
// Thread safety: owners are taken by compare-and-swap and given up by exchange; whoever gives up looks at waiters
// afterwards, whoever waits announces itself before it looks at the owner (Dekker, sequentially consistent).
#pragma once

#include "bottomhalf/base/atomic.hpp"
#include "bottomhalf/base/list.hpp"
#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

struct alignas(64) Cpu : Recycled<Cpu> {
    Atomic<Task*> bh_owner{nullptr};
    Atomic<Task*> irq_owner{nullptr};
    Atomic<std::uint32_t> preempt_holders{0};  // tasks on this CPU with preemption off (spin locks)
    Atomic<std::uint32_t> waiters{0};
    RawLock wait_lock;
    List waiting;               // L: wait_lock
    Atomic<bool> online{true};  // A: written by Machine::cpu_down and cpu_up
    unsigned id = 0;
    Domain* domain = nullptr;

    bool try_own_bh(Task& self) noexcept {
        Task* none = nullptr;
        return bh_owner.compare_exchange(none, &self);
    }
    // Waits; the caller holds neither gate nor internal lock.
    void own_bh(Task& self) {
        if (!try_own_bh(self)) [[unlikely]]
            wait_for_bh(self);
    }
    void disown_bh(Task&) noexcept {
        bh_owner.exchange(nullptr);
        if (waiters.load() != 0) [[unlikely]]
            wake_waiters();
    }
    bool try_own_irq(Task& self) noexcept {
        Task* none = nullptr;
        return irq_owner.compare_exchange(none, &self);
    }
    void own_irq(Task& self) {
        if (!try_own_irq(self)) [[unlikely]]
            wait_for_irq(self);
    }
    void disown_irq(Task&) noexcept {
        irq_owner.exchange(nullptr);
        if (waiters.load() != 0) [[unlikely]]
            wake_waiters();
    }
    void hold_preemption() noexcept { preempt_holders.fetch_add(1u); }
    void release_preemption() noexcept;

    // May a bound worker run an item here now? One cache line, relaxed: it is asked before every item.
    bool preemptible_for(const Task& self) const noexcept {
        const Task* bh = bh_owner.load(std::memory_order_relaxed);
        const Task* irq = irq_owner.load(std::memory_order_relaxed);
        // Asked before every item, and mostly nobody holds anything: one branch says so.
        if (bh == nullptr && irq == nullptr && preempt_holders.load(std::memory_order_relaxed) == 0) [[likely]]
            return true;
        return (bh == nullptr || bh == &self) && (irq == nullptr || irq == &self) &&
               preempt_holders.load(std::memory_order_relaxed) == 0;
    }
    void wait_until_preemptible(Task& self);

private:
    template <class Ready>
    void wait_for(Task& self, Ready ready);
    void wait_for_bh(Task& self);
    void wait_for_irq(Task& self);
    void wake_waiters() noexcept;
};

}  // namespace bottomhalf
