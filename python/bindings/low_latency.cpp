#include "low_latency.hpp"

#include <sched.h>
#include <time.h>

#include <algorithm>

#include "bottomhalf/workqueue/worker_pool.hpp"

namespace bh_python {

std::vector<const Domain*> g_low_latency;

namespace {

// A worker is on its way to this item, or another of its pool: none that would have to end an item first.
bool worker_comes(const Work& work) {
    const PoolWorkqueue* pwq = work_data::pwq_of(work.data.load());
    if (pwq == nullptr) return false;
    WorkerPool& pool = *pwq->pool;
    RawGuard guard(pool.lock);
    if (pool.wake_below.load(std::memory_order_relaxed) == 0) return true;
    int left = pool.nr_running.load(std::memory_order_relaxed);
    for (ListNode* n = pool.workers.begin(); n != pool.workers.end() && left > 0; n = n->next) {
        const Worker& worker = *container_of(n, &Worker::pool_node);
        if (worker.has(Worker::kNotRunning) || worker.nap != Nap::none) continue;
        if (!worker.in_item()) return true;
        --left;
    }
    return false;
}

}  // namespace

void hand_gil_over(Domain& domain, const Work& work) {
    if (std::find(g_low_latency.begin(), g_low_latency.end(), &domain) == g_low_latency.end()) return;
    // A handler goes on with its own item first; in atomic context nobody waits.
    const Task* task = current_task();
    if (task == nullptr || !task->adopted || task->preempt_count != 0 || task->irqs_off != 0) return;
    if (!work.pending() || !worker_comes(work)) return;
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
