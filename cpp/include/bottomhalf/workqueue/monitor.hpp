// Monitor: finds workers that have blocked without saying so, and has their pools wake another.
//
// One thread per host machine, "bh-monitor". It sleeps while no pool has work pending behind running workers; a pool
// that gets into that state says so (WorkerPool::watch). From then on it looks at what the running workers' threads do:
// at each of their switches where the system records those, else at ticks that grow longer while nobody blocks. A
// worker is handed over after two looks that show it asleep in the same call. Who waits for a gate, or was preempted,
// is runnable.
//
// Fields: I: set when made; M: the monitor's thread alone; L: under lock_; A: atomic.
#pragma once

#include <memory>
#include <vector>

#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/sched/watcher.hpp"
#include "bottomhalf/workqueue/habits.hpp"
#include "bottomhalf/workqueue/hog.hpp"
#include "bottomhalf/workqueue/worker_pool.hpp"

namespace bottomhalf {

class Monitor {
public:
    Monitor(Domain& domain, std::unique_ptr<Watcher> watcher);
    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    void start();  // CONTEXT: task, at boot
    void stop();   // no pool is looked at any more once it returned. Idempotent. CONTEXT: task
    Detection means() const noexcept { return watcher_->means(); }

    // Under the pool's lock: it is watched from now on.
    void add(WorkerPool& pool) noexcept;
    // Under the pool's lock: another worker is about to run there, and that is what it will find.
    void expect_another(const Work& next) noexcept;

    // Under the pool's lock: the worker begins the item. If such items sleep, it counts as asleep from now on; if they
    // are long ones, it does not count.
    // gate: of the item's function. True: it no longer counts, and whoever is needed behind it has been woken.
    bool begin(Worker& worker, const Work& work, const Gate* gate) noexcept {
        const unsigned known = habits_.times_known();
        const WorkerPool& pool = *worker.pool;
        // With others behind it the pool is watched from now on.
        if (!pool.watched && known == 0 && pool.worklist.empty()) return false;
        worker.habit = name_of(worker, work, gate);
        // Most items are of the same function as the one before, and most functions are known for nothing.
        return (worker.habit != worker.plain || known != worker.plain_as_of) && begin_slow(worker, known);
    }
    // Under a managed pool's lock: the lane of this item, the next to start, if it is known to be a long one, else
    // null.
    Lane* lane_of(WorkerPool& pool, const Work& work) const noexcept;
    // Under a pool's lock: a worker of it leaves idle. Records of switches that are still open after a time of quiet
    // slow each start down: they are closed now.
    void work_again() noexcept {
        if (close_from_.load(std::memory_order_relaxed) != kForever) [[unlikely]]
            close_if_due();
    }
    // The worker has ended an item that was expected to sleep, or to be a long one: was that so? True: it has been
    // outside its gate for a while.
    bool end(Worker& worker) noexcept;

    struct Counters {
        std::uint64_t wakeups;    // how often its thread woke up
        std::uint64_t looks;      // at a worker's thread
        std::uint64_t handovers;  // workers that it took out of the count
    };
    Counters counters() const noexcept { return {wakeups_, looks_, handovers_}; }

private:
    // A running worker as the last look found it. The pointer is a name: the worker may be gone.
    struct Seen {
        const Worker* worker;
        std::uint64_t item;
        Nanoseconds cpu_at_first;  // what its thread had used by the first look at this item
        Nanoseconds cpu;           // and by the last one at which it had used more than before
        Nanoseconds since;         // when that was
    };
    struct Watched {
        WorkerPool* pool;
        std::vector<Seen> seen;
    };
    struct Suspect {
        Worker* worker;
        std::uint64_t item;
        int tid;
        std::uintptr_t permit;
        bool may_sleep;  // it is not known for computing
        Sight sight;
        Nanoseconds used;  // CPU time since the first look at the item
    };
    enum class Outcome : std::uint8_t { calm, changing, handed_over, over };

    static const void* name_of(const Work& work, const Gate* gate) noexcept {
        return gate != nullptr ? gate->function_of(&work) : reinterpret_cast<const void*>(work.func);
    }
    // The same, for the worker that is to run the item.
    static const void* name_of(Worker& worker, const Work& work, const Gate* gate) noexcept {
        if (gate == nullptr) return reinterpret_cast<const void*>(work.func);
        const std::uintptr_t mark = gate->mark_of(&work);
        if (mark == 0 || mark != worker.mark) [[unlikely]] {
            worker.mark = mark;
            worker.marked = gate->function_of(&work);
        }
        return worker.marked;
    }
    bool begin_slow(Worker& worker, unsigned known) noexcept;
    void close_if_due() noexcept;
    static void main(Task& self, void* monitor);
    void run();
    void take_new();
    Outcome look_after(Watched& watched);
    void tick(Watched& watched, std::vector<Suspect>& running);
    Lane* lane_of(WorkerPool& pool, const void* habit) const noexcept;
    bool found_long(WorkerPool& pool, const Suspect& suspect) noexcept;
    bool asleep(Suspect& suspect) noexcept;
    bool out_of_budget(Watched& watched, const Suspect& suspect) noexcept;
    bool hand_over(WorkerPool& pool, const Suspect& suspect) noexcept;
    static Worker* find(WorkerPool& pool, const Suspect& suspect) noexcept;

    Domain& domain_;
    const std::unique_ptr<Watcher> watcher_;  // I
    const bool records_;                      // I: it hears of switches
    Habits habits_;
    Task* task_ = nullptr;  // I: from start() to stop()
    Atomic<bool> stopping_{false};
    Atomic<Nanoseconds> close_from_{kForever};  // A: when open records are to be closed; none are, or it is not quiet
    RawLock lock_;
    List new_;                                            // L: pools on their way here
    std::vector<Watched> pools_;                          // M
    bool attached_ = false;                               // M: to threads, for the records of their switches
    std::vector<Suspect> running_;                        // M: of the pool that is looked at
    Counter<std::uint64_t> wakeups_, looks_, handovers_;  // M to write
};

}  // namespace bottomhalf
