#include "low_latency.hpp"

#include <sched.h>
#include <time.h>

#include <algorithm>

#include "bottomhalf/workqueue/worker_pool.hpp"

namespace bh_python {

std::vector<const Domain*> g_low_latency;

void hand_gil_over(Domain& domain, const Work& work) {
    if (std::find(g_low_latency.begin(), g_low_latency.end(), &domain) == g_low_latency.end()) return;
    // A handler goes on with its own item first; in atomic context nobody waits.
    const Task* task = current_task();
    if (task == nullptr || !task->adopted || task->preempt_count != 0 || task->irqs_off != 0) return;
    if (!work.pending() || !worker_coming(work)) return;
    constexpr Nanoseconds kPatience = 500'000, kSpin = 30'000;
    PyThreadState* state = PyEval_SaveThread();
    const Nanoseconds start = domain.now();
    // It is pending until its worker has the GIL and begins it.
    for (Nanoseconds passed = 0; work.pending() && passed < kPatience; passed = domain.now() - start) {
        if (passed < kSpin) {
            sched_yield();
        } else {
            // Every CPU may be busy: off this one, for the worker.
            const timespec moment{0, 5'000};
            clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, nullptr);
        }
    }
    take_gil_back(state);
}

}  // namespace bh_python
