// current_task() without a call.
#pragma once

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

[[gnu::tls_model("initial-exec"), gnu::visibility("hidden")]] extern constinit thread_local Task* t_current;

// For a function that is not inlined itself and within which no fiber is switched: a compiler may keep what it read.
inline Task* running_task() noexcept { return t_current; }
// Domain::self(), without a call for a task of this domain.
inline Task& running_task(Domain& domain) {
    Task* const task = t_current;
    return task != nullptr && task->domain.load(std::memory_order_relaxed) == &domain ? *task : domain.self();
}

}  // namespace bottomhalf
