// WorkqueueSubsystem: the pools, the workqueues and the system workqueues of one machine (Linux: workqueue_init*).
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "bottomhalf/sched/watcher.hpp"
#include "bottomhalf/workqueue/hog.hpp"
#include "bottomhalf/workqueue/watchdog.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

enum class SystemWq : std::uint8_t {
    percpu,
    highpri,
    long_running,
    unbound,
    freezable,
    power_efficient,
    freezable_power_efficient,
    bh,
    bh_highpri,
    managed,
    count
};

class Monitor;

class WorkqueueSubsystem {
public:
    // detection: how pools notice workers that block unannounced. Throws Unsupported when the system forbids it.
    explicit WorkqueueSubsystem(Domain& domain, Detection detection = Detection::hooks, bool power_efficient = false);
    ~WorkqueueSubsystem();
    Domain& domain() const noexcept { return domain_; }
    void start();  // pools, their first workers, the system workqueues. CONTEXT: task
    void stop();   // ends all workers; nothing may be queued any more. CONTEXT: task
    // Finds those workers, or null: then only who says so counts as asleep.
    Monitor* monitor() const noexcept { return monitor_.get(); }

    // Linux: alloc_workqueue. max_active 0: the default of 256. Throws InvalidArgument. CONTEXT: task.
    std::shared_ptr<Workqueue> alloc(std::string name, unsigned flags, int max_active);
    // Linux: alloc_ordered_workqueue.
    std::shared_ptr<Workqueue> alloc_ordered(std::string name, unsigned flags);
    const std::shared_ptr<Workqueue>& system(SystemWq which) const noexcept {
        return system_[static_cast<unsigned>(which)];
    }
    std::vector<std::shared_ptr<Workqueue>> workqueues() const;
    void for_each_pool(const std::function<void(WorkerPool&)>& fn) const;

    Nanoseconds idle_timeout() const noexcept { return idle_timeout_.load(std::memory_order_relaxed); }
    void set_idle_timeout(Nanoseconds t) noexcept { idle_timeout_.store(t, std::memory_order_relaxed); }

    // Not more worker threads than that; rescuers do not count. kNoThreadLimit: as many as the system gives. CONTEXT:
    // task.
    static constexpr int kNoThreadLimit = -1;
    int thread_limit() const noexcept { return thread_limit_.load(); }
    void set_thread_limit(int limit);
    // A place for another worker thread; whoever gets one gives it back when that ends. CONTEXT: any.
    bool take_thread() noexcept;
    void give_thread_back() noexcept { threads_.fetch_sub(1); }
    bool may_create_worker() const noexcept;

    Hogs& hogs() noexcept { return hogs_; }
    Watchdog& watchdog() noexcept { return watchdog_; }

    // Linux: show_all_workqueues: what is queued and runs, and the pools with busy workers, a line each. CONTEXT: task.
    std::vector<std::string> show_all(Task& self);

    // Linux: freeze_workqueues_begin, freeze_workqueues_busy, thaw_workqueues.
    void freeze();
    bool freeze_busy();
    void thaw();

    // A CPU's pools lose their CPU, or get it back. BH pools go on: ksoftirqd runs what is raised for the CPU.
    void cpu_down(unsigned cpu);
    void cpu_up(unsigned cpu);

    // Halting. From refuse_all() on only items of a workqueue may queue there; with chained = false nobody may.
    void refuse_all(bool chained);
    // True when every workqueue is empty; waits for it until the deadline. Stops early when nothing can change by
    // itself.
    bool drain_all(Task& self, Nanoseconds deadline);
    // Takes out everything that is queued; each goes to its gate's dropped(). Returns how many.
    std::size_t cancel_all(bool named_in_log);
    // The items that run now, for reports: "kworker/0:1 runs NAME of workqueue WQ".
    std::vector<std::string> running_items();
    // The items that wait to be started, likewise; held-back ones not.
    std::vector<std::string> queued_items();
    // The items that are queued, held back or run, in no order. What they point to may be gone when this returns,
    // unless their owner does nothing meanwhile. CONTEXT: any.
    struct BusyItem {
        Work* work;
        WorkFunction func;
        std::shared_ptr<Workqueue> wq;
        bool running;  // the work may be gone
    };
    std::vector<BusyItem> busy_items();
    std::uint64_t completed() const;
    // How many pools have armed the timer that sends surplus workers home. CONTEXT: any; a hint.
    std::size_t idle_timers() const;

    // Linux: schedule_on_each_cpu: runs func once on every CPU and waits for all. CONTEXT: task that may sleep.
    void on_each_cpu(WorkFunction func, Nanoseconds deadline = kForever);
    // Linux: work_on_cpu: runs fn(arg) in a kworker of that CPU and returns its value. CONTEXT: task that may sleep.
    long on_cpu(unsigned cpu, long (*fn)(void*), void* arg);

    // --- for rooms of this floor ---
    static void advance(Workqueue& wq) { wq.advance(); }
    static void check_self_wait(const Work& work, const char* call);
    static bool is_flush_barrier(const Work& work) noexcept;
    static int barrier_pid(const Work& barrier) noexcept;  // of who waits for it
    static bool flush_item(Work& work, Nanoseconds deadline, bool from_cancel);
    void kick_bh(WorkerPool& pool);
    void remove(Workqueue& wq);
    PoolWorkqueue* new_pwq(WorkerPool& pool, Workqueue& wq, NodeActive* node);
    void free_pwq(PoolWorkqueue* pwq);
    WorkerPool& pool_for(unsigned flags, int nice, unsigned cpu);
    // A gate that a running item is behind, or null; and what that item is called by whoever holds it. The latter under
    // the pool's lock.
    Gate* gate_of_running();
    std::string running_name(const Worker& worker, Gate* held);
    // The pool for these CPUs and attributes; shared by all workqueues that have the same.
    WorkerPool& unbound_pool(const WorkqueueAttrs& attrs, const CpuMask& pod);
    void run_bh(unsigned cpu, Softirq level, Task& self, GatePass& pass);
    // How often a CPU has come or gone.
    unsigned cpu_changes() const noexcept { return cpu_changes_.load(); }

private:
    void update_unbound();
    WorkerPool& shared_pool(const std::string& key, PoolKind kind, int nice, unsigned width, const TaskLimits& limits);

    Domain& domain_;
    Atomic<unsigned> cpu_changes_{0};   // A: raised before the pools of unbound workqueues are chosen anew
    std::unique_ptr<Monitor> monitor_;  // I
    const bool power_efficient_;
    mutable RawLock lock_;
    std::vector<std::unique_ptr<WorkerPool>> pools_;      // L: lock_; 4 a CPU as Linux numbers them, then unbound
    std::map<std::string, WorkerPool*> shared_pools_;     // L: lock_; kept until the machine ends
    std::vector<std::shared_ptr<Workqueue>> workqueues_;  // L: lock_
    std::vector<std::shared_ptr<Workqueue>> retired_;     // L: lock_; destroyed, but a timer still names them
    // Pool workqueues are never given back to the heap before the machine ends: a canceller may hold a stale pointer
    // and must find a valid pool behind it.
    std::vector<std::unique_ptr<PoolWorkqueue>> pwq_storage_;  // L: lock_
    std::vector<PoolWorkqueue*> pwq_free_;                     // L: lock_
    std::array<std::shared_ptr<Workqueue>, static_cast<unsigned>(SystemWq::count)> system_;
    std::vector<std::unique_ptr<Worker>> bh_workers_;
    Atomic<Nanoseconds> idle_timeout_{300 * kSecond};
    Atomic<int> threads_{0}, thread_limit_{kNoThreadLimit};
    Hogs hogs_;
    Watchdog watchdog_{*this};
    bool refusing_all_ = false;  // L: lock_
    bool freezing_ = false;      // L: lock_
};

}  // namespace bottomhalf
