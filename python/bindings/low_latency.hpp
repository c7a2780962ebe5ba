// Low latency under a busy Python thread: whoever queues lets the worker that it woke have the GIL at once.
//
// Otherwise that worker waits until the interpreter takes the GIL away from a thread that computes: the switch interval
// of 5 ms, and where no CPU is free also a slice of the system's scheduler, before it can even ask.
#pragma once

#include "python.hpp"

namespace bh_python {

// GIL: the machines that want it; nearly always none.
extern std::vector<const Domain*> g_low_latency;

void hand_gil_over(Domain& domain, const Work& work);

// After an item was queued by the calling thread, which holds the GIL.
inline void after_queueing(Domain& domain, const Work& work) {
    if (!g_low_latency.empty()) [[unlikely]]
        hand_gil_over(domain, work);
}

}  // namespace bh_python
