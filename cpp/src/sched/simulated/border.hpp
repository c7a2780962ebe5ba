// The border between the simulator and the program that it runs: what ThreadSanitizer is told there, and where an
// exploration of the engine has no preemption points. The simulator's own atomics and locks are no part of what is
// explored, and a switch in the midst of its books would tear them.
#pragma once

#include <utility>

#include "bottomhalf/base/atomic.hpp"
#include "sanitizer.hpp"

namespace bottomhalf {

#ifdef BH_EXPLORE
// Does the thread execute the simulator? Wherever it goes from one stack to another it does.
extern thread_local bool t_in_simulator;

class Side {
public:
    explicit Side(bool simulator) noexcept : before_(std::exchange(t_in_simulator, simulator)) {}
    ~Side() { t_in_simulator = before_; }
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;

private:
    const bool before_;
};
inline void enter_simulator() noexcept { t_in_simulator = true; }
#else
struct [[maybe_unused]] Side {
    explicit Side(bool) noexcept {}
};
inline void enter_simulator() noexcept {}
#endif

struct InSimulator {
    InSimulator() noexcept = default;
    TsanIgnore ignore;
    Side side{true};
};

// In a function of the program that the simulator calls.
struct InProgram {
    InProgram() noexcept = default;
    TsanHeed heed;
    Side side{false};
};

}  // namespace bottomhalf
