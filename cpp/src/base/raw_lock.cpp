#include "bottomhalf/base/raw_lock.hpp"

#include <sched.h>

#include <utility>

namespace bottomhalf {

#ifdef BH_EXPLORE
std::atomic<const EngineHooks*> g_engine_hooks{nullptr};

bool RawLock::try_lock() noexcept {
    std::uint32_t expected = 0;
    if (!word_.compare_exchange(expected, 1, std::memory_order_acquire)) return false;
    if (const EngineHooks* hooks = engine_hooks()) hooks->locked(*this);
    return true;
}

void RawLock::unlock() noexcept {
    // No preemption point: what another task could see here it sees at the holder's next one.
    void* const counted = std::exchange(holder, nullptr);
    word_.raw().store(0, std::memory_order_release);
    if (counted != nullptr) engine_hooks()->unlocked(*this, counted);
}
#endif

namespace {
Atomic<LockNap> g_nap{nullptr};
}

LockNap set_lock_nap(LockNap nap) noexcept { return g_nap.exchange(nap); }

void RawLock::lock_contended() noexcept {
#ifdef BH_EXPLORE
    if (const EngineHooks* hooks = engine_hooks())
        while (hooks->contended(*this))
            if (try_lock()) return;
#endif
    // 100 turns are about a microsecond, several critical sections long; longer than that the holder is off its CPU. If
    // it does not come back for this one, it may have been preempted on another, where yielding does not help it: an
    // idle CPU would take it over.
    for (unsigned turn = 0;; ++turn) {
        while (word_.load(std::memory_order_relaxed) != 0) {
            if (turn < 100)
                spin_pause();
            else if (const LockNap nap = g_nap.load(std::memory_order_relaxed); nap == nullptr || turn < 104)
                sched_yield();
            else
                nap();
            ++turn;
        }
        if (try_lock()) return;
    }
}

}  // namespace bottomhalf
