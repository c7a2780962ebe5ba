#include "bottomhalf/base/raw_lock.hpp"

#include <sched.h>

namespace bottomhalf {

#if defined(BOTTOMHALF_EXPLORE) && BOTTOMHALF_EXPLORE
void (*g_engine_access)() noexcept = nullptr;
#endif

void RawLock::lock_contended() noexcept {
    // 100 turns are about a microsecond, several critical sections long; longer than that the holder is off its CPU.
    for (unsigned turn = 0;; ++turn) {
        while (word_.load(std::memory_order_relaxed) != 0) {
            if (turn < 100)
                spin_pause();
            else
                sched_yield();
            ++turn;
        }
        if (try_lock()) return;
    }
}

}  // namespace bottomhalf
