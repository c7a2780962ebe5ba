// Tasklets (Linux: struct tasklet_struct), built on the HI and TASKLET softirq vectors.
//
// Scheduling a scheduled tasklet does nothing; one tasklet never runs on two CPUs at once; it runs on the CPU that
// scheduled it. Invariants: SCHED set = it is on exactly one list or on its way there, or a kill() holds it (KILL set,
// too); RUN set = one task is inside the callback or about to be, or somebody holds it by try_lock() (LOCKED set, too).
//
// One difference to Linux: a tasklet scheduled while disabled, or while its RUN is held elsewhere, is put aside until
// enable(), unlock() or the end of that run instead of raising its vector over and over; what callers see is the same.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/interrupt/softirq.hpp"
#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

struct Tasklet {
    static constexpr std::uint32_t kSched = 1, kRun = 2, kHi = 4, kKill = 8, kLocked = 16;

    Tasklet* next = nullptr;  // by whoever set SCHED; then by the list's owner
    Atomic<std::uint32_t> state{0};
    Atomic<std::int32_t> count{0};  // disable depth: runs only at 0
    void (*callback)(Tasklet*) = nullptr;
    std::int32_t cpu = 0;  // by whoever set SCHED: where it will run

    constexpr Tasklet() noexcept = default;
    explicit constexpr Tasklet(void (*cb)(Tasklet*), bool disabled = false) noexcept
        : count(disabled ? 1 : 0), callback(cb) {}
    bool scheduled() const noexcept { return (state.load() & kSched) != 0; }
    bool is_running() const noexcept { return (state.load() & kRun) != 0; }
};

class Tasklets {
public:
    explicit Tasklets(Domain& domain);  // opens HI and TASKLET
    ~Tasklets();

    // Linux: tasklet_schedule, tasklet_hi_schedule. False when it was scheduled already. CONTEXT: any.
    bool schedule(Tasklet& tasklet) { return schedule(tasklet, Softirq::tasklet, domain_.self()); }
    bool hi_schedule(Tasklet& tasklet) { return schedule(tasklet, Softirq::hi, domain_.self()); }
    bool schedule(Tasklet& tasklet, Softirq level, Task& self);
    // Linux: tasklet_disable_nosync. CONTEXT: any.
    void disable_nosync(Tasklet& tasklet) noexcept {
        explore_point(domain_);
        tasklet.count.fetch_add(1);
    }
    // Linux: tasklet_disable: counts, then sleeps until no run is in progress. On TimedOut or Interrupted the count is
    // taken back. Throws DeadlockError from its own callback. CONTEXT: task that may sleep.
    void disable(Tasklet& tasklet, Nanoseconds deadline = kForever);
    // Linux: tasklet_enable. Throws UnbalancedEnable when the tasklet is not disabled (Linux counts below zero and
    // never runs it again). CONTEXT: any.
    void enable(Tasklet& tasklet);
    // Linux: tasklet_trylock, tasklet_unlock: hold RUN without running, so that the callback does not begin anywhere.
    // False when it runs or somebody else holds it. Whoever got it gives it back, from any task. CONTEXT: any.
    bool try_lock(Tasklet& tasklet);
    void unlock(Tasklet& tasklet);
    // Linux: tasklet_unlock_wait: sleeps until nobody holds RUN. Throws DeadlockError from its own callback. CONTEXT:
    // task that may sleep.
    void unlock_wait(Tasklet& tasklet, Nanoseconds deadline = kForever);
    // Linux: tasklet_kill: sleeps until the tasklet is neither scheduled nor running. It can be scheduled again
    // afterwards. Does not return while the tasklet is scheduled and disabled. CONTEXT: task that may sleep.
    void kill(Tasklet& tasklet, Nanoseconds deadline = kForever);
    // Those that are scheduled and wait for their run, or for enable(), as far as they are wanted. wanted is called
    // where they cannot run; what is returned may be gone by then, unless its owner does nothing meanwhile. No tasklet
    // and no timer whose callback ran before is in it any more when this returns. CONTEXT: task that may sleep, outside
    // gates.
    std::vector<Tasklet*> scheduled(Task& self, const std::function<bool(const Tasklet&)>& wanted);
    // Takes back every tasklet that is scheduled and did not run (halt).
    void drop_all();

    // The tasklet the calling CPU runs right now on behalf of this task, or null.
    static const Tasklet* running_in(const Task& self) noexcept;

private:
    struct alignas(64) PerCpu : Recycled<PerCpu> {
        struct Level {
            Atomic<Tasklet*> inbox{nullptr};  // pushed by anybody, detached whole
            Tasklet* head = nullptr;          // only by the holder of the CPU's bottom-half lock
            Tasklet** tail = &head;
        };
        Level levels[2];  // 0: HI, 1: TASKLET
        RawLock aside_lock;
        std::vector<Tasklet*> aside;  // L: aside_lock
        Atomic<bool> recheck{false};  // something in aside may be able to run
    };
    static unsigned index(Softirq level) noexcept { return level == Softirq::hi ? 0 : 1; }
    void run(unsigned cpu, Softirq level, Task& self, GatePass& pass);
    void run_one(Tasklet& tasklet, unsigned cpu, Softirq level, Task& self, GatePass& pass);
    void set_aside(Tasklet& tasklet, unsigned cpu);
    void release_run(Tasklet& tasklet);
    // Something may have become able to run: the CPUs that set tasklets aside look again.
    void recheck_aside();
    WaitResult wait(Task& self, Tasklet& tasklet, std::uint32_t bits, Nanoseconds deadline, const char* call);

    Domain& domain_;
    std::vector<std::unique_ptr<PerCpu>> per_cpu_;
    Atomic<std::uint32_t> waiting_{0};
    Atomic<std::uint32_t> nr_aside_{0};
    WaitQueue waiters_;
};

}  // namespace bottomhalf
