// The high-resolution timers of a machine: for who unloads the module that they belong to.
#pragma once

#include <functional>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

struct Hrtimer {  // struct hrtimer
    int (*function)(Hrtimer*);
    std::int64_t expires;
    std::uint32_t set_up;  // kSetUp: hrtimer_init() saw it
    std::uint32_t soft;
};

struct BusyHrtimer {
    Hrtimer* timer;
    int (*function)(Hrtimer*);
    bool running;                  // the timer may be gone
    std::function<void()> cancel;  // empty while it runs. CONTEXT: any
};
// Those that are armed and the one that runs, as far as they are wanted; wanted is called under the queue's lock.
std::vector<BusyHrtimer> busy_hrtimers(Domain& domain, const std::function<bool(const BusyHrtimer&)>& wanted);

}  // namespace bottomhalf::linux_api
