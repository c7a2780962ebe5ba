#include "bottomhalf/sched/jiffies.hpp"

namespace bottomhalf {

Jiffies round_jiffies(Jiffies j, unsigned cpu, Jiffies now, unsigned hz, bool force_up) noexcept {
    const Jiffies original = j;
    j += cpu * 3;
    const Jiffies rest = j % hz;
    j = rest < hz / 4 && !force_up ? j - rest : j - rest + hz;
    j -= cpu * 3;
    return time_after(j, now) ? j : original;
}

}  // namespace bottomhalf
