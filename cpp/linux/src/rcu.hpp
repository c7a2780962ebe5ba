// The callbacks of call_rcu() that have not run: for who unloads the module that they belong to.
#pragma once

#include <functional>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

using RcuFunction = void (*)(RcuHead*);

struct PendingCallback {
    RcuFunction function;
    bool running;
    std::function<void()> take_back;  // empty while it runs. CONTEXT: any
};
// As far as they are wanted; wanted is called under the lock of the callbacks.
std::vector<PendingCallback> pending_callbacks(Domain& domain, const std::function<bool(RcuFunction)>& wanted);

}  // namespace bottomhalf::linux_api
