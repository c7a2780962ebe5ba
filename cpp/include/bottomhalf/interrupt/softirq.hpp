// Softirqs: the ten vectors, their pending bits, the processing loop with its limits, and ksoftirqd
// (Linux: kernel/softirq.c).
//
// Pending bits are per CPU; a softirq runs on the CPU where it was raised, on the way out of a hard interrupt, at the
// outermost local_bh_enable, or in ksoftirqd/N. On the host "running on CPU N" means holding N's bottom-half lock.
// Thread safety: every member may be called from any context unless it says otherwise.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/sched/gate.hpp"

namespace bottomhalf {

enum class Softirq : std::uint8_t { hi, timer, net_tx, net_rx, block, irq_poll, tasklet, sched, hrtimer, rcu };
inline constexpr unsigned kNrSoftirqs = 10;
const char* softirq_name(Softirq nr) noexcept;  // as /proc/softirqs: "HI", "TIMER", ...

// Runs in softirq context on `cpu`. arg is what open() was given.
using SoftirqHandler = void (*)(Domain&, unsigned cpu, Task& self, GatePass& pass, void* arg);

class Softirqs {
public:
    explicit Softirqs(Domain& domain);
    ~Softirqs();
    void start();  // boots ksoftirqd/N. CONTEXT: task
    void stop();   // joins them

    // Sets the handler of a vector (Linux: open_softirq). `gated`: the handler itself runs behind a gate.
    void open(Softirq nr, SoftirqHandler handler, void* arg, bool gated = false);
    // Linux has no such call: the vector goes back to the handler that it had before that one. A run of it may not be
    // over yet; it is when its CPU's bottom halves have been free once.
    void close(Softirq nr, SoftirqHandler handler, void* arg);
    struct Opened {
        Softirq nr;
        SoftirqHandler handler;
        void* arg;
    };
    // Every open() without its close().
    std::vector<Opened> opened();
    // Linux: raise_softirq. Sets the pending bit and, when no interrupt exit or local_bh_enable of the caller will look
    // at it, wakes ksoftirqd of that CPU.
    void raise(Softirq nr, unsigned cpu) {
        explore_point(domain_);
        raise(nr, cpu, domain_.self());
    }
    // As a part of an operation of the engine, which may hold internal locks: no preemption point.
    void raise(Softirq nr, unsigned cpu, Task& self);
    // Linux: __raise_softirq_irqoff. The pending bit only: the caller's context is left soon.
    void raise_pending(Softirq nr, unsigned cpu) noexcept {
        per_cpu_[cpu]->pending.fetch_or(1u << static_cast<unsigned>(nr));
    }
    void wake_ksoftirqd(unsigned cpu) noexcept;

    std::uint32_t pending(unsigned cpu) const noexcept { return per_cpu_[cpu]->pending.load(); }
    // Handler invocations per CPU and vector, as in /proc/softirqs.
    std::uint64_t count(unsigned cpu, Softirq nr) const noexcept {
        return per_cpu_[cpu]->counts[static_cast<unsigned>(nr)].get();
    }
    // How many objects that run behind a gate this vector holds on this CPU: a task that may not pass gates (the host's
    // clock) leaves such a vector to ksoftirqd.
    void count_gated(Softirq nr, unsigned cpu, int change) noexcept {
        per_cpu_[cpu]->gated[static_cast<unsigned>(nr)].fetch_add(change, std::memory_order_relaxed);
    }

    // The CPU is back: its ksoftirqd, which went on elsewhere with what was raised for the CPU, returns to it.
    void cpu_up(unsigned cpu);
    // Runs pending softirqs on the CPU when the calling context allows it, else wakes ksoftirqd or leaves them to
    // whoever holds the CPU's bottom halves. For the end of a hard interrupt.
    void run_at_irq_exit(unsigned cpu, Task& self);
    // BH workqueues run before the tasklets of a level (workqueue installs it). Vector is hi or tasklet.
    void (*before_tasklets)(Domain&, unsigned cpu, Softirq level, Task& self, GatePass& pass) = nullptr;

private:
    struct alignas(64) PerCpu : Recycled<PerCpu> {
        Atomic<std::uint32_t> pending{0};
        std::array<Counter<std::uint64_t>, kNrSoftirqs> counts;  // under the CPU's bottom-half lock
        std::array<Atomic<int>, kNrSoftirqs> gated;
        std::atomic<Task*> ksoftirqd{nullptr};  // null before start() and once it has been joined
        Softirqs* owner = nullptr;              // I
        unsigned id = 0;                        // I
    };
    struct Vector {
        SoftirqHandler handler = nullptr;  // I
        void* arg = nullptr;               // I
        bool gated = false;                // I
        Softirq nr{};                      // I
        bool closed = false;               // L: open_lock_
    };
    bool must_defer(unsigned cpu, const Task& self) const noexcept;
    // The processing loop. The caller owns the CPU's bottom-half lock.
    // RETURNS: it woke ksoftirqd for what is still pending.
    bool process(unsigned cpu, Task& self);
    void ksoftirqd_main(Task& self, unsigned cpu);

    Domain& domain_;
    std::vector<std::unique_ptr<PerCpu>> per_cpu_;
    // Joined, and not freed yet: the ksoftirqd of another CPU, or a worker, may be about to wake one.
    std::vector<std::unique_ptr<Task>> ended_;  // whoever halts the machine
    std::array<Atomic<const Vector*>, kNrSoftirqs> vectors_;
    std::vector<std::unique_ptr<Vector>> vector_storage_;  // L: open_lock_; in the order of open()
    RawLock open_lock_;
    Atomic<bool> stopping_{false};
};

// The calling task enters and leaves a hard interrupt on `cpu` (Linux: irq_enter, irq_exit). On the host it owns the
// CPU's interrupt lock meanwhile; `saved_cpu` is what the task goes back to.
bool try_hardirq_enter(Task& self, unsigned cpu, int& saved_cpu);
void hardirq_exit(Task& self, int saved_cpu);

}  // namespace bottomhalf
