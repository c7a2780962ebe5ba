// Atomic<T>: the only atomic of the engine. In the explore build every access is a preemption point.
//
// Default order is sequentially consistent; a weaker order is named where its reason is written down.
#pragma once

#include <atomic>
#include <cstdint>

namespace bottomhalf {

#if defined(BOTTOMHALF_EXPLORE) && BOTTOMHALF_EXPLORE
#define BH_EXPLORE 1
class RawLock;
// What a simulated machine wants to be told while the engine itself is explored on it (SimulatedSubstrate::
// set_engine_points). Called by every thread of the process: each asks first whether it is about a task of that
// machine.
struct EngineHooks {
    void (*access)(bool hint) noexcept;      // an atomic is about to be read or written; hint: read, relaxed
    void (*spin)() noexcept;                 // a loop waits for what another task is about to do
    void (*locked)(RawLock& lock) noexcept;  // the caller has it now
    void (*unlocked)(RawLock& lock, void* holder) noexcept;  // it is free now, and holder was not null
    bool (*contended)(RawLock& lock) noexcept;  // waits until it is free; false: this is not the one who can
};
extern std::atomic<const EngineHooks*> g_engine_hooks;
inline const EngineHooks* engine_hooks() noexcept { return g_engine_hooks.load(std::memory_order_acquire); }
inline void engine_access(bool hint = false) noexcept {
    if (const EngineHooks* hooks = engine_hooks()) hooks->access(hint);
}
inline void engine_spin() noexcept {
    if (const EngineHooks* hooks = engine_hooks()) hooks->spin();
}
#else
inline void engine_access(bool = false) noexcept {}
inline void engine_spin() noexcept {}
#endif

// One turn of a spin loop: lets the other hyper-thread run.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
    engine_spin();
}

template <class T>
class Atomic {
public:
    constexpr Atomic() noexcept : value_{} {}
    constexpr explicit Atomic(T v) noexcept : value_(v) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(std::memory_order o = std::memory_order_seq_cst) const noexcept {
        engine_access(o == std::memory_order_relaxed);
        return value_.load(o);
    }
    void store(T v, std::memory_order o = std::memory_order_seq_cst) noexcept {
        engine_access();
        value_.store(v, o);
    }
    T exchange(T v, std::memory_order o = std::memory_order_seq_cst) noexcept {
        engine_access();
        return value_.exchange(v, o);
    }
    bool compare_exchange(T& expected, T desired, std::memory_order ok = std::memory_order_seq_cst,
                          std::memory_order fail = std::memory_order_relaxed) noexcept {
        engine_access();
        return value_.compare_exchange_strong(expected, desired, ok, fail);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order ok = std::memory_order_seq_cst,
                               std::memory_order fail = std::memory_order_relaxed) noexcept {
        engine_access();
        return value_.compare_exchange_weak(expected, desired, ok, fail);
    }
    template <class U = T>
    T fetch_add(U v, std::memory_order o = std::memory_order_seq_cst) noexcept {
        engine_access();
        return value_.fetch_add(v, o);
    }
    template <class U = T>
    T fetch_sub(U v, std::memory_order o = std::memory_order_seq_cst) noexcept {
        engine_access();
        return value_.fetch_sub(v, o);
    }
    T fetch_or(T v, std::memory_order o = std::memory_order_seq_cst) noexcept {
        engine_access();
        return value_.fetch_or(v, o);
    }
    T fetch_and(T v, std::memory_order o = std::memory_order_seq_cst) noexcept {
        engine_access();
        return value_.fetch_and(v, o);
    }
    // The word itself, for the substrate that parks a thread on it.
    std::atomic<T>& raw() noexcept { return value_; }

private:
    std::atomic<T> value_;
};

// A counter written by one holder of a lock and read by anybody: a plain load and store, no locked instruction.
template <class T>
class Counter {
public:
    constexpr Counter() noexcept = default;
    T get() const noexcept { return value_.load(std::memory_order_relaxed); }
    operator T() const noexcept { return get(); }
    void set(T v) noexcept { value_.store(v, std::memory_order_relaxed); }
    Counter& operator+=(T n) noexcept {
        set(static_cast<T>(get() + n));
        return *this;
    }
    Counter& operator-=(T n) noexcept {
        set(static_cast<T>(get() - n));
        return *this;
    }
    void operator++() noexcept { *this += T{1}; }
    void operator--() noexcept { *this -= T{1}; }

private:
    std::atomic<T> value_{};
};

}  // namespace bottomhalf
