// WorkerPool and Worker (Linux: struct worker_pool, struct worker).
//
// A pool keeps `width` runnable workers while it has work: 1 for a CPU's pool, its number of CPUs for a managed one,
// and no limit for an unbound one. A worker that sleeps is replaced at once; there is always a spare idle one while
// items run.
//
// Thread safety: producers push onto the inbox without a lock while enough workers run; whoever changes the pool's
// state under its lock splices the inbox first, so order and limits come out as if every push had taken the lock at its
// own moment. Fields: I: set when made; L: under the pool's lock; A: atomic; X: by the owning worker alone.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/interrupt/softirq.hpp"
#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/time/timer.hpp"
#include "bottomhalf/workqueue/pool_workqueue.hpp"

namespace bottomhalf {

class Monitor;

// Items of functions that are known to be long, in a managed pool: so many run at a time, the others wait here, and
// what is behind them in the worklist overtakes them. Fields: L.
struct Lane {
    List held;
    int running = 0;
    int width = 0;
    bool has_room() const noexcept { return running < width; }
};

// Why a worker in an item does not count as running.
enum class Nap : std::uint8_t {
    none,
    told,      // the sleeping call said so
    found,     // the monitor saw that its thread sleeps
    expected,  // items of this function do
};

struct Worker final : TaskObserver, Recycled<Worker> {
    static constexpr unsigned kPrep = 1, kCpuIntensive = 2, kUnbound = 4, kDie = 8, kIdle = 16, kRebound = 32,
                              kRescuer = 64, kLong = 128;  // kLong: of a managed pool, outside its gate (monitor.hpp)
    static constexpr unsigned kNotRunning = kPrep | kCpuIntensive | kUnbound | kRebound | kLong;

    WorkerPool* pool = nullptr;            // I
    Task* task = nullptr;                  // I
    int id = 0;                            // I: the lowest free number of the pool
    Counter<unsigned> flags;               // L to write; X reads without
    Nap nap = Nap::none;                   // L: nr_running was given up, by whom
    Lane* lane = nullptr;                  // L: of its pool: its item runs there
    const void* habit = nullptr;           // L: what the monitor knows the item's function by, or null
    WorkFunction gated = nullptr;          // X: the last item's function,
    Gate* gate = nullptr;                  // X: and its gate
    std::uintptr_t mark = 0;               // X: of the last item (Gate::mark_of),
    const void* marked = nullptr;          // X: and the name that goes with it
    const void* plain = nullptr;           // X: a name that the monitor knew nothing of,
    unsigned plain_as_of = 0;              // X: when it had known so many
    bool expected = false;                 // X: it began the item in Nap::expected
    Nanoseconds began = 0, began_cpu = 0;  // X: when, and with how much CPU time used
    std::uint64_t items = 0;               // L: how many it has begun: which of them runs
    Work* current_work = nullptr;          // L to write: an address; the item itself is never touched after its call
    WorkFunction current_func = nullptr;   // L to write
    PoolWorkqueue* current_pwq = nullptr;  // L to write
    std::uint64_t current_word = 0;        // L: colour and INACTIVE bit of the item, for PoolWorkqueue::leave
    Worker* hash_next = nullptr;           // L: of the pool's BusyWorkers
    List scheduled;                        // L: items that only this worker may run next
    ListNode idle_node;                    // L
    ListNode pool_node;                    // L
    Nanoseconds last_active = 0;           // L: when it became idle
    Nanoseconds cpu_used = 0;              // X: simulated: burnt in this item since it began or was awake again
    Nanoseconds cpu_charged = 0;           // L: what worker_tick() has accounted for
    std::uint32_t preempt_base = 0;        // X: what its task has been in since before the item: a BH worker is a
    std::uint32_t irqs_off_base = 0;       // X: softirq
    char desc[32] = {};                    // X: set_worker_desc

    Worker() noexcept { flags.set(kPrep); }
    void begin(Task& self) noexcept;  // its task is there: it is idle, for the first time
    void set_die() noexcept { flags.set(flags | kDie); }
    bool has(unsigned bits) const noexcept { return (flags.get() & bits) != 0; }
    // L: it runs somebody's item (a flush barrier is nobody's).
    bool in_item() const noexcept { return current_work != nullptr && (current_word & work_data::kInactive) == 0; }
    void sleeping(Task& self) noexcept override;  // Linux: wq_worker_sleeping
    void running(Task& self) noexcept override;   // Linux: wq_worker_running
    void doze_off(Nap how) noexcept;              // L: gives nr_running up and has another worker woken
    void wake_up() noexcept;                      // L: counts again
    // L: its item is a long one (monitor.hpp). Outside its gate: nr_running is given up. What leaves counts again.
    void enter_lane(Lane& which) noexcept;
    void leave_lane() noexcept;
    void set_flags(unsigned bits) noexcept;    // X, under L: leaves nr_running when it becomes NOT_RUNNING
    void clear_flags(unsigned bits) noexcept;  // X, under L
};

// The workers inside items, by the address of the item (Linux: busy_hash). Most of the time there is at most one, and
// nothing to hash. Fields: L.
class BusyWorkers {
public:
    void add(Worker& worker) noexcept {
        if (unhashed_ == nullptr) {
            unhashed_ = &worker;
            return;
        }
        Worker*& place = hash_[bucket(worker.current_work)];
        worker.hash_next = place;
        place = &worker;
        ++nr_hashed_;
    }
    void remove(Worker& worker) noexcept {
        if (unhashed_ == &worker) {
            unhashed_ = nullptr;
            return;
        }
        Worker** link = &hash_[bucket(worker.current_work)];
        while (*link != &worker) link = &(*link)->hash_next;
        *link = worker.hash_next;
        --nr_hashed_;
    }
    // A worker that matches, if it is inside an item of this address; or null.
    template <class Matches>
    Worker* find(const Work* work, Matches&& matches) noexcept {
        if (unhashed_ != nullptr && matches(*unhashed_)) return unhashed_;
        if (nr_hashed_ == 0) return nullptr;
        for (Worker* w = hash_[bucket(work)]; w != nullptr; w = w->hash_next)
            if (matches(*w)) return w;
        return nullptr;
    }

private:
    static constexpr unsigned kBuckets = 64;
    static unsigned bucket(const Work* work) noexcept {
        const auto a = reinterpret_cast<std::uintptr_t>(work);
        return static_cast<unsigned>(a >> 5 ^ a >> 11) % kBuckets;
    }
    Worker* unhashed_ = nullptr;  // the first that came while nobody was; others may be in the hash
    unsigned nr_hashed_ = 0;
    std::array<Worker*, kBuckets> hash_{};
};

enum class PoolKind : std::uint8_t { bound, unbound, managed, bh };

struct WorkerPool : Recycled<WorkerPool> {
    static constexpr unsigned kNoLimit = ~0u >> 1;  // of width

    WorkerPool(Domain& domain, PoolKind kind, int cpu, int nice, unsigned width, int number,
               const TaskLimits* limits = nullptr);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    Domain& domain;
    const PoolKind kind;
    const int cpu;               // I: of a bound or BH pool, else kCpuUnbound
    Cpu* const home;             // I: that one, or null
    const int nice;              // I
    unsigned width;              // L: how many runnable workers it keeps; no limit while its CPU is offline
    int bound_to;                // L: the CPU its workers are bound to: its own, or while that is offline none
    const int number;            // I: as Linux numbers pools, in names and dumps
    std::uint32_t id = 0;        // I: slot and generation in the table of pools
    std::uint64_t ran_here = 0;  // I: the word of an item that this pool ran
    // I: where its workers may run, and its pod: where they are at home (elsewhere as far as there is no room there).
    TaskLimits limits;
    bool has_pod = false;   // I: these differ
    bool confined = false;  // I: not all CPUs are allowed

    alignas(64) Atomic<ListNode*> inbox{nullptr};  // A: claimed items, newest first, linked by next
    alignas(64) Atomic<int> nr_running{0};         // A: workers that count as running
    // A, L to write: producers take the lock while nr_running is below it. width, or 0 while a woken worker is on its
    // way: it raises this again before it looks at the inbox, so whoever pushed and saw 0 is served.
    Atomic<int> wake_below{1};
    // kUnwatched, while workers are inside items, nothing is pending behind them, and the monitor does not look: then
    // the first that comes behind them takes the lock and tells the monitor.
    static constexpr int kUnwatched = INT32_MAX;
    Atomic<bool> lingering{false};  // A, L to write: a worker looks for work a little before it parks
    alignas(64) RawLock lock;
    unsigned linger_looks = 8;         // L: how long it will look, as experience says
    List worklist;                     // L
    Lane outside, inside;              // L: of a managed pool: long items that compute outside their gate, and inside
    BusyWorkers busy;                  // L
    List idle;                         // L: most recently idle first
    List workers;                      // L: all; with a monitor those first that left idle last
    int nr_workers = 0, nr_idle = 0;   // L
    int nr_starting = 0;               // L: created, not idle for the first time yet
    int nr_at_gate = 0;                // L: count as running, but wait, without an item yet,
    const Gate* awaited = nullptr;     // L: for this gate (who waits for another one meanwhile is not told apart)
    bool manager_active = false;       // L
    Task* manager = nullptr;           // L: waits to create a spare worker
    bool short_of_workers = false;     // L: the last one that it asked for was refused
    bool distressed = false;           // L: called for help, and has had no idle worker since
    Atomic<bool> bh_pending{false};    // A: a BH pool has something to run
    bool stopping = false;             // L
    Nanoseconds create_again_at = 0;   // L: after a failed creation
    Counter<std::uint64_t> completed;  // L to write
    Monitor* monitor = nullptr;        // I: of bound and managed pools when the machine has one
    bool watched = false;              // L: the monitor looks at it every now and then
    ListNode watch_node;               // under the monitor's lock: on its way to it
    Timer idle_timer;                  // armed while too many are idle
    Work cull_work;                    // queued by idle_timer
    Timer mayday_timer;                // armed while items wait for a worker that cannot be created
    Work create_work;                  // queued by mayday_timer

    // --- under the lock ---
    void splice_inbox() noexcept {
        if (inbox.load(std::memory_order_relaxed) != nullptr) splice_inbox_slow();
    }
    // What is to start next: a long item that waited for its turn and has it, else the first of the worklist. Null:
    // nothing.
    ListNode* first_startable() noexcept {
        if (kind == PoolKind::managed)
            for (Lane* lane : {&outside, &inside})
                if (!lane->held.empty() && lane->has_room()) [[unlikely]]
                    return lane->held.front();
        return worklist.front();
    }
    bool need_more_worker() noexcept {
        ListNode* const first = first_startable();
        return first != nullptr && nr_running.load() < static_cast<int>(width) && !comes_through_gate(first);
    }
    // A worker waits for the gate of this item already: another would only wait beside it.
    bool comes_through_gate(ListNode* item) const noexcept {
        return nr_at_gate != 0 && gate_of(container_of(item, &Work::entry)->func) == awaited;
    }
    // Items wait that nobody will start.
    bool stuck() noexcept { return need_more_worker() && nr_idle + nr_starting == 0; }
    // No worker can be created: unless that changes soon, rescuers are called.
    void call_for_help() noexcept;
    // The worker, the last free one, could not create a spare. It waits for one rather than start what may keep it,
    // until that is worth another try (Linux: maybe_create_worker). False: it is to go on without. X of the worker;
    // lets the lock go meanwhile.
    bool wait_for_spare(Worker& worker);
    // May a worker that is through with its item begin another? Who waits for a gate has none: it is not in the way of
    // one that is inside, and that had to be woken again if it parked now.
    bool keep_working() noexcept { return nr_running.load() - nr_at_gate <= static_cast<int>(width); }
    // Brings a worker that is to go on back into its pod, if it is elsewhere, and counts that.
    void count_repatriated(Task& task) noexcept;
    // Wakes the idle worker that will help, if one is needed; when the caller has let the lock go, if it gives a
    // wake_q. True when it did. (Linux: kick_pool)
    bool kick(WakeQ* wake_q = nullptr) noexcept;
    // kick(), for a worker that begins an item and leaves others behind. Mostly all is as it should be: as many run as
    // may, and the monitor looks after them.
    void kick_behind() noexcept {
        if (worklist.empty()) return;
        if (watched && !lingering.load(std::memory_order_relaxed) && nr_running.load() >= static_cast<int>(width))
            [[likely]]
            return;
        kick();
    }
    // Each worker that counts as running is inside an item, none between two.
    bool all_in_items() noexcept;
    // Has it lanes, and one of them no room? Then the next item may have to wait there.
    bool lane_is_full() const noexcept {
        return kind == PoolKind::managed && !(outside.has_room() && inside.has_room());
    }
    bool holds_any() noexcept { return !outside.held.empty() || !inside.held.empty(); }
    // The item, the next to start, is known to be a long one: it waits until one of those that run is over, or sleeps.
    void hold(ListNode* item, Lane& lane) noexcept;
    // Something is pending behind running workers: the monitor is to look whether they have blocked.
    void watch() noexcept;
    // A worker begins an item: who looks after what comes behind it?
    void watch_behind() noexcept {
        if (monitor != nullptr && !watched) watch_behind_slow();
    }
    // There is something for a lingering worker that its look at the inbox would not show.
    void poke_lingerer() noexcept {
        if (lingering.load(std::memory_order_relaxed)) lingering.store(false, std::memory_order_relaxed);
    }
    Worker* find_executing(const Work* work) noexcept { return find_executing(work, work->func); }
    Worker* find_executing(const Work* work, WorkFunction func) noexcept {
        return busy.find(work, [=](const Worker& w) { return w.current_work == work && w.current_func == func; });
    }
    bool too_many_idle() const noexcept {
        const int nr_busy = nr_workers - nr_idle;
        const int spare = nr_idle + (manager_active ? 1 : 0);
        return spare > 2 && (spare - 2) * 4 >= nr_busy;
    }
    std::string info() const;  // Linux's " cpus=LIST flags=0xHEX nice=N"

    // --- without the lock ---
    // Creates a worker and starts it; false when the system refuses. CONTEXT: task.
    // dormant: where the substrate can, its task begins to execute when it is needed.
    bool create_worker(bool dormant = false);
    // Ends every worker and joins it. Nothing may be queued any more. CONTEXT: task.
    void stop();
    // Its CPU goes away: from now on its items are started as those of an unbound pool, wherever (Linux:
    // unbind_workers). Or it is back (Linux: rebind_workers): its workers return to it with their next item, and the
    // surplus of them ends when it looks for one. CONTEXT: task.
    void unbind();
    void rebind();
    // Creating workers may succeed from now on.
    void retry_creation();
    // Ends workers that have been idle for too long while there are too many (Linux: idle_cull_fn). CONTEXT: task.
    void cull_idle();

    // X, under the lock: the worker enters and leaves the idle list.
    void enter_idle(Worker& worker) noexcept;
    void leave_idle(Worker& worker) noexcept;

    // A worker that runs no item is about to look at the inbox.
    void say_served() noexcept {
        const bool blind = monitor != nullptr && !watched && nr_running.load() >= static_cast<int>(width);
        wake_below.store(blind ? kUnwatched : static_cast<int>(width));
    }
    // The counterpart of watch(), the monitor's: false when something has come meanwhile, and it stays watched.
    bool unwatch() noexcept;

private:
    void splice_inbox_slow() noexcept;
    void watch_behind_slow() noexcept;
    void mayday() noexcept;  // CONTEXT: softirq
    void create_again();     // CONTEXT: task
    void arm_idle_timer(Nanoseconds at) noexcept;
};

// A pool looked up by the id in an item's word, pinned against being freed; the table is one of the engine's two
// globals, because flush(work) knows neither machine nor workqueue.
class PoolRef {
public:
    PoolRef() noexcept = default;
    explicit PoolRef(std::uint32_t id) noexcept;
    ~PoolRef();
    PoolRef(const PoolRef&) = delete;
    PoolRef& operator=(const PoolRef&) = delete;
    WorkerPool* operator->() const noexcept { return pool_; }
    WorkerPool* get() const noexcept { return pool_; }
    explicit operator bool() const noexcept { return pool_ != nullptr; }

private:
    std::uint32_t slot_ = 0;
    WorkerPool* pool_ = nullptr;
};

// The calling task as a worker, or null (Linux: current_wq_worker).
inline Worker* current_worker() noexcept {
    Task* task = current_task();
    return task != nullptr ? task->worker : nullptr;
}
// The item the calling worker runs, or null (Linux: current_work). CONTEXT: task.
inline Work* current_work() noexcept {
    Task* task = current_task();
    return task != nullptr && task->worker != nullptr && preempt::in_task(task->preempt_count)
               ? task->worker->current_work
               : nullptr;
}

// Linux: current_is_workqueue_rescuer: is the caller an item that a rescuer runs? CONTEXT: any.
inline bool current_is_rescuer() noexcept {
    Task* task = current_task();
    return task != nullptr && task->worker != nullptr && preempt::in_task(task->preempt_count) &&
           task->worker->has(Worker::kRescuer);
}

// A worker is on its way to this pending item, or to another of its pool: none that would have to end an item first.
// CONTEXT: any; a hint.
bool worker_coming(const Work& work);

// "name of the function" for traces and reports, without entering a gate.
std::string describe_function(Domain& domain, const Work* work, WorkFunction func);
// What the lock graph calls them.
std::string lock_name(Domain& domain, const Work& work);
std::string lock_name(const Workqueue& wq);

void worker_main(Task& self, void* arg);
// Runs the worker's items, and those of its pool as long as it is needed there; a rescuer only its own. The pool's lock
// is held at entry and exit.
void process_items(Worker& worker, GatePass& pass);
// Runs one item. The pool's lock is held at entry and exit, and let go while the handler runs.
void process_one_work(Worker& worker, Work& work, GatePass& pass);

}  // namespace bottomhalf
