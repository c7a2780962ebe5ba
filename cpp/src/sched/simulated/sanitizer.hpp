// What the simulator tells ThreadSanitizer.
//
// A switch of fibers implies synchronisation: they are one thread. The simulator's own books are not looked at.
#pragma once

#include "bottomhalf/base/sanitizer.hpp"

#ifdef BOTTOMHALF_TSAN
extern "C" {
void __tsan_ignore_thread_begin(void);
void __tsan_ignore_thread_end(void);
}
#endif

namespace bottomhalf {

#ifdef BOTTOMHALF_TSAN
inline void tsan_ignore() noexcept { __tsan_ignore_thread_begin(); }
inline void tsan_heed() noexcept { __tsan_ignore_thread_end(); }
#else
inline void tsan_ignore() noexcept {}
inline void tsan_heed() noexcept {}
#endif

// In the simulator.
struct TsanIgnore {
    TsanIgnore() noexcept { tsan_ignore(); }
    ~TsanIgnore() { tsan_heed(); }
    TsanIgnore(const TsanIgnore&) = delete;
    TsanIgnore& operator=(const TsanIgnore&) = delete;
};

// In a function of the simulated program that the simulator calls.
struct TsanHeed {
    TsanHeed() noexcept { tsan_heed(); }
    ~TsanHeed() { tsan_ignore(); }
    TsanHeed(const TsanHeed&) = delete;
    TsanHeed& operator=(const TsanHeed&) = delete;
};

}  // namespace bottomhalf
