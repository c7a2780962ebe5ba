// CPU hogs (Linux: wq_worker_tick, wq_cpu_intensive_report): an item that uses its CPU for longer than the threshold
// stops holding back the others of its pool, is counted, and named in the log now and then.
//
// On the host the monitor says what a worker's thread has used; on a simulated machine burn() does.
#pragma once

#include <array>
#include <string>

#include "bottomhalf/base/atomic.hpp"
#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/sched/jiffies.hpp"

namespace bottomhalf {

struct Domain;
struct Task;
struct Worker;

// How often each function was found hogging (Linux: struct wci_ent, at most 128 of them).
class Hogs {
public:
    static constexpr std::size_t kMost = 128;

    // Linux's module parameters cpu_intensive_thresh_us (0: nobody is a hog) and cpu_intensive_warning_thresh (0: no
    // reports). CONTEXT: any.
    Nanoseconds threshold() const noexcept { return threshold_.load(std::memory_order_relaxed); }
    void set_threshold(Nanoseconds t) noexcept { threshold_.store(t, std::memory_order_relaxed); }
    unsigned warn_from() const noexcept { return warn_from_.load(std::memory_order_relaxed); }
    void set_warn_from(unsigned n) noexcept { warn_from_.store(n, std::memory_order_relaxed); }

    // One more time; writes the report when it is due: at warn_from() times and then whenever what is above that has
    // doubled. Under a pool's lock.
    void report(Domain& domain, const std::string& function);

private:
    struct Entry {
        std::string function;
        unsigned count = 0;
    };
    Atomic<Nanoseconds> threshold_{10 * kMillisecond};
    Atomic<unsigned> warn_from_{4};
    RawLock lock_;                      // taken inside a pool's lock
    std::array<Entry, kMost> entries_;  // L
    std::size_t used_ = 0;              // L
};

// Under the pool's lock: the worker's thread has used so much CPU time since its item began, or since it was last awake
// again, as far as anybody has looked.
void worker_tick(Worker& worker, Nanoseconds used) noexcept;

// Domain::Hooks of these names.
Nanoseconds burn_until_tick(Domain& domain, Task& self) noexcept;
void burnt(Domain& domain, Task& self, Nanoseconds duration) noexcept;

}  // namespace bottomhalf
