// Softirq handlers of modules.
#pragma once

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

// What open_softirq() was given; null for a handler of the engine's.
const void* softirq_action(const Softirqs::Opened& vector);

}  // namespace bottomhalf::linux_api
