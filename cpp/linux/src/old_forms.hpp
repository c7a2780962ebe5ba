// What a module gave as a handler, where the engine's object has a function of old_forms.cpp.
#pragma once

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

// The object is not touched: it may be gone. CONTEXT: any.
const void* given_function(const Work* work, WorkFunction function);
const void* given_function(const Timer* timer, void (*function)(Timer*));

}  // namespace bottomhalf::linux_api
