// SpinLock (Linux: spinlock_t, with its _bh and _irqsave forms).
//
// The holder may not sleep. A contender spins briefly and then parks: on the host the holder may have been preempted.
// That wait does not count as sleeping: concurrency management starts nobody else, as with Linux's spinning.
#pragma once

#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

enum class SpinKind : std::uint8_t { plain, bh, irqsave };

class SpinLock {
public:
    SpinLock() noexcept = default;
    ~SpinLock() {
        LockGraph::forget(this);
        order_forget(this);
    }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    // CONTEXT: any (irqsave when hard interrupts take it too, bh when softirqs do).
    // Throws DeadlockError when the caller holds it.
    void lock(Task& self, SpinKind kind = SpinKind::plain);
    bool try_lock(Task& self, SpinKind kind = SpinKind::plain);
    // What lock() of this kind checks before anything else; for who has taken the context apart. Simulated machines.
    void check(Task& self, SpinKind kind);
    // Throws MisuseError("spinlock-not-owner"). The bh form runs pending softirqs.
    void unlock(Task& self, SpinKind kind = SpinKind::plain);
    bool locked() const noexcept { return owner_.load() != nullptr; }
    Task* owner() const noexcept { return owner_.load(); }

private:
    friend struct LayoutProbe;
    bool acquire(Task& self) noexcept;
    Atomic<Task*> owner_{nullptr};
    Atomic<std::uint32_t> parked_{0};
    RawLock wait_lock_;
    List waiting_;  // L: wait_lock_
};

}  // namespace bottomhalf
