// Watchdog (Linux: CONFIG_WQ_WATCHDOG): reports pools that have something queued and start nothing for too long.
//
// It looks at the pools every quarter of the threshold and keeps what it saw, so queueing and running pay nothing. On
// the host it is a thread of its own, "bh-watchdog"; on a simulated machine, when asked for, a timer. A report is
// written by a task that may pass gates: it names items and shows backtraces of the host language.
#pragma once

#include <string>
#include <vector>

#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/time/timer.hpp"

namespace bottomhalf {

class WorkqueueSubsystem;
struct WorkerPool;

class Watchdog {
public:
    explicit Watchdog(WorkqueueSubsystem& subsystem);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    void start();       // at boot. CONTEXT: task
    void stop();        // idempotent. CONTEXT: task
    void stop_timer();  // before the machine counts what is still armed. CONTEXT: task

    // Linux: watchdog_thresh; 0: off, as on simulated machines unless set. CONTEXT: task.
    Nanoseconds threshold() const noexcept { return threshold_.load(std::memory_order_relaxed); }
    void set_threshold(Nanoseconds threshold);
    // A look, now. RETURNS: is there something to report? CONTEXT: any; not on two tasks at once.
    bool look();
    // For how long the pool has had something queued and started nothing, as far as looks have seen it.
    Nanoseconds hung(const WorkerPool& pool);
    bool timer_armed() const noexcept { return timer_pending(timer_); }

    // Called with the text of each report, by a task that may pass gates; the host language's.
    static Atomic<void (*)(Domain&, const std::string& text)> on_report;

private:
    struct Seen {
        WorkerPool* pool;
        std::uint64_t progress;  // items completed and running, together
        Nanoseconds since;       // pending without progress; or now
        Nanoseconds reported;
        bool due;
    };

    static void thread_main(Task& self, void* watchdog);
    static void report_main(Task& self, void* watchdog);
    static void timer_fn(Timer* timer);
    Nanoseconds period() const noexcept;
    void report(Task& self);
    void backtraces(Task& self, WorkerPool& pool, std::vector<std::string>& lines);

    WorkqueueSubsystem& subsystem_;
    Atomic<Nanoseconds> threshold_{0};
    Atomic<bool> stopping_{false};
    Task* task_ = nullptr;    // the thread, or the simulated machine's last reporter; by start(), stop() and the timer
    Timer timer_;             // simulated
    RawLock lock_;            // innermost, inside a pool's lock
    std::vector<Seen> seen_;  // L
};

}  // namespace bottomhalf
