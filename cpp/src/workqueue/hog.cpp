#include "bottomhalf/workqueue/hog.hpp"

#include <algorithm>
#include <bit>

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

void Hogs::report(Domain& domain, const std::string& function) {
    unsigned count = 0;
    {
        RawGuard guard(lock_);
        Entry* const end = entries_.data() + used_;
        Entry* entry = std::find_if(entries_.data(), end, [&](const Entry& e) { return e.function == function; });
        if (entry == end) {
            if (used_ == kMost) return;
            ++used_;
            entry->function = function;
        }
        count = ++entry->count;
    }
    // 4, 5, 7, 11, 19, 35, ... with Linux's default of 4.
    const unsigned first = warn_from();
    if (first == 0 || count < first || !std::has_single_bit(count - first + 1)) return;
    domain.log.write(domain.now(), LogLevel::warning,
                     "workqueue: " + function + " hogged CPU for >" + std::to_string(threshold() / kMicrosecond) +
                         "us " + std::to_string(count) + " times, consider switching to WQ_UNBOUND");
}

void worker_tick(Worker& worker, Nanoseconds used) noexcept {
    if (worker.current_pwq == nullptr) return;
    PoolWorkqueue& pwq = *worker.current_pwq;
    WorkerPool& pool = *worker.pool;
    // Less than at the last look: that was another item.
    const Nanoseconds more = used < worker.cpu_charged ? used : used - worker.cpu_charged;
    worker.cpu_charged = used;
    pwq.cpu_time += static_cast<std::uint64_t>(more);
    Hogs& hogs = pool.domain.workqueues->hogs();
    const Nanoseconds threshold = hogs.threshold();
    if (threshold == 0 || used < threshold || worker.has(Worker::kNotRunning & ~Worker::kLong)) return;
    worker.set_flags(Worker::kCpuIntensive);
    worker.leave_lane();
    ++pwq.cpu_intensive;
    pool.splice_inbox();
    if (pool.kick()) ++pwq.cm_wakeup;
    try {
        hogs.report(pool.domain, describe_function(pool.domain, worker.current_work, worker.current_func));
    } catch (...) {  // no memory for a report: the counter has it
    }
}

// At the first tick at which it has used the threshold up.
Nanoseconds burn_until_tick(Domain& domain, Task& self) noexcept {
    const Worker* worker = self.worker;
    if (worker == nullptr || worker->current_pwq == nullptr || worker->has(Worker::kNotRunning) ||
        !preempt::in_task(self.preempt_count))
        return kForever;
    const Nanoseconds threshold = domain.workqueues->hogs().threshold();
    if (threshold == 0) return kForever;
    const Nanoseconds now = domain.now(), end = now + std::max(threshold - worker->cpu_used, Nanoseconds{1});
    Jiffies tick = ns_to_jiffies(end, domain.hz);
    if (jiffies_to_ns(tick, domain.hz) < end) ++tick;
    return jiffies_to_ns(tick, domain.hz) - now;
}

void burnt(Domain&, Task& self, Nanoseconds duration) noexcept {
    Worker* worker = self.worker;
    if (worker == nullptr || !preempt::in_task(self.preempt_count)) return;
    RawGuard guard(worker->pool->lock);
    worker->cpu_used += duration;
    worker_tick(*worker, worker->cpu_used);
}

}  // namespace bottomhalf
