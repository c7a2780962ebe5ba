// current_task() without a call.
#pragma once

#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

[[gnu::tls_model("initial-exec"), gnu::visibility("hidden")]] extern constinit thread_local Task* t_current;

// For a function that is not inlined itself and within which no fiber is switched: a compiler may keep what it read.
inline Task* running_task() noexcept { return t_current; }

}  // namespace bottomhalf
