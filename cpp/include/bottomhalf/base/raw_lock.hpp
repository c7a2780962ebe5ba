// RawLock: the engine's innermost lock (Linux: raw_spinlock_t). Held for tens of nanoseconds, never across a wait,
// a handler, the creation of a thread or the acquisition of a gate.
//
// Invariant: the word is 0 (free) or 1 (held). Unlocking is a plain store, so the uncontended pair costs one locked
// instruction. A waiter spins briefly, then offers its CPU, then naps: the holder may have been preempted.
#pragma once

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

class RawLock {
public:
    constexpr RawLock() noexcept = default;
    void lock() noexcept {
        if (!try_lock()) lock_contended();
    }
#ifndef BH_EXPLORE
    bool try_lock() noexcept {
        std::uint32_t expected = 0;
        return word_.compare_exchange(expected, 1, std::memory_order_acquire);
    }
    void unlock() noexcept { word_.store(0, std::memory_order_release); }
#else
    bool try_lock() noexcept;
    void unlock() noexcept;
    void* holder = nullptr;  // the holder's: whom the machine that is explored counts it for, or null
#endif
    bool held() const noexcept { return word_.load(std::memory_order_relaxed) != 0; }

private:
    void lock_contended() noexcept;
    Atomic<std::uint32_t> word_{0};
};

// Sleeps for moments. The host substrate's, for all locks; while there is none, who waits only yields. Returns the
// one before.
using LockNap = void (*)() noexcept;
LockNap set_lock_nap(LockNap nap) noexcept;

class RawGuard {
public:
    explicit RawGuard(RawLock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~RawGuard() { lock_.unlock(); }
    RawGuard(const RawGuard&) = delete;
    RawGuard& operator=(const RawGuard&) = delete;

private:
    RawLock& lock_;
};

}  // namespace bottomhalf
