// Workqueue (Linux: struct workqueue_struct): a domain of items with flags, a limit and flush colours. It owns no
// threads: its pool workqueues feed pools that all workqueues share.
//
// Fields: I: set when made; W: under the workqueue's lock (taken outside pool locks); A: atomic.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/base/error.hpp"
#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/sync/completion.hpp"
#include "bottomhalf/workqueue/attrs.hpp"
#include "bottomhalf/workqueue/backlog.hpp"
#include "bottomhalf/workqueue/pool_workqueue.hpp"
#include "bottomhalf/workqueue/worker_pool.hpp"

namespace bottomhalf {

namespace wq_flag {  // Linux's values; kManaged is ours
inline constexpr unsigned kBh = 0x1, kUnbound = 0x2, kFreezable = 0x4, kMemReclaim = 0x8, kHighpri = 0x10;
inline constexpr unsigned kCpuIntensive = 0x20, kSysfs = 0x40, kPowerEfficient = 0x80, kPercpu = 0x100;
inline constexpr unsigned kManaged = 0x1000;
inline constexpr unsigned kDestroying = 0x8000, kDraining = 0x10000, kOrdered = 0x20000, kLegacy = 0x40000;
inline constexpr unsigned kPublic = 0x11ff;
}  // namespace wq_flag

inline constexpr int kWqMaxActive = 512, kWqDefaultActive = 256, kWqDefaultMinActive = 8;
inline constexpr std::size_t kWqNameLength = 32;

class Rescuer;
class WorkqueueSubsystem;
struct DelayedWork;

// Why a workqueue refuses items that its own items did not queue.
enum class Refusal : std::uint8_t { none, draining, destroyed, halted };

class Workqueue : public Recycled<Workqueue> {
public:
    ~Workqueue();
    Workqueue(const Workqueue&) = delete;
    Workqueue& operator=(const Workqueue&) = delete;

    const std::string& name() const noexcept { return name_; }
    unsigned flags() const noexcept { return flags_.load(std::memory_order_relaxed); }
    Domain& domain() const noexcept { return domain_; }
    bool ordered() const noexcept { return (flags() & wq_flag::kOrdered) != 0; }
    int max_active() const noexcept { return max_active_.get(); }
    int min_active() const noexcept { return min_active_.get(); }
    // Those of its pools; of one that is not unbound: what they come to.
    WorkqueueAttrs attrs() const;
    // Linux: apply_workqueue_attrs. New items go to pools of these attributes, what is queued stays where it is, and so
    // does an item that keeps requeueing itself. An ordered workqueue stays ordered: items of the new pool wait for
    // those of the old one. CONTEXT: task that may sleep. Throws InvalidArgument, MisuseError when it is not unbound.
    void set_attrs(const WorkqueueAttrs& attrs) {
        change_attrs([&](WorkqueueAttrs& all) { all = attrs; });
    }
    // The same, of those that are in force then, as one step: what others change meanwhile is not lost. `change` may be
    // called several times. (Linux: a store to one of the workqueue's files in sysfs)
    void change_attrs(const std::function<void(WorkqueueAttrs&)>& change);
    // Linux: queue_work_node: on the caller's CPU if it is of that node, else on the node's first that is online.
    // Throws MisuseError when the workqueue is not unbound. CONTEXT: any.
    bool queue_node(Work& work, int node);
    // The pool that an item queued on this CPU goes to.
    WorkerPool& pool_of(unsigned cpu) const;

    // Linux: queue_work_on / queue_work (cpu = kCpuUnbound: the caller's). False when the item was pending or disabled.
    // Every store before a call that returned true is visible to the handler. CONTEXT: any; never sleeps.
    // Throws WorkqueueDestroyed, WorkqueueDraining, MachineHalted, InvalidArgument (cpu).
    bool queue(Work& work, int cpu = kCpuUnbound);

    // Linux: flush_workqueue: waits for everything queued before the call, held-back items included; not for later
    // ones, requeues or timers. Throws DeadlockError from an item of its own, TimedOut, Interrupted. CONTEXT: task, may
    // sleep.
    void flush(Nanoseconds deadline = kForever);
    // Linux: drain_workqueue: flushes until empty; meanwhile only its own items may queue. On TimedOut or Interrupted
    // the workqueue is open again.
    void drain(Nanoseconds deadline = kForever);
    // Linux: destroy_workqueue: drains, then refuses everything. On TimedOut or Interrupted it is open again.
    // Idempotent. System workqueues throw MisuseError.
    void destroy(Nanoseconds deadline = kForever);
    // Linux: workqueue_set_max_active. Raising it starts held-back items at once. Throws InvalidArgument
    // outside 1..512, MisuseError for ordered and BH workqueues, DeadlockError when items would wait for ever that wait
    // for held-back ones (the limit is as before).
    void set_max_active(int max_active);
    // Linux: workqueue_set_min_active: unbound, not ordered.
    void set_min_active(int min_active);
    // Linux: workqueue_congested. A hint.
    bool congested(int cpu = kCpuUnbound);
    WorkqueueStats stats() const noexcept;
    // Items queued or running, armed timers not counted. A hint.
    std::size_t in_flight() const;
    // Items that count against max_active now, running or about to. A hint.
    std::size_t active() const;
    // Bounds what waits in it: whoever queues for others takes a place of the backlog first (Python's submit does).
    // Once, before the workqueue is used. Throws InvalidArgument (depth 0), MisuseError (it has one). CONTEXT: task.
    void bound_backlog(unsigned depth, WhenFull when_full);
    Backlog* backlog() const noexcept { return backlog_; }
    bool destroyed() const noexcept { return (flags() & wq_flag::kDestroying) != 0 && released_.load(); }

private:
    friend class WorkqueueSubsystem;
    friend struct PoolWorkqueue;
    friend struct WorkerPool;
    friend class FlushWait;
    friend class PlaceWait;
    friend struct Aftermath;
    friend bool queue_claimed(Workqueue& wq, Work& work, int cpu, bool from_timer);
    friend bool refuse_claimed(Workqueue& wq, Work& work, bool from_timer);

    enum class Fast : std::uint8_t { queued, refused, slow };
    struct Flusher {
        Completion done;
        int color = -1;  // -1: waits for a free colour
        ListNode node;
    };

    Workqueue(WorkqueueSubsystem& subsystem, std::string name, unsigned flags, int max_active, int nice);
    bool attributed() const noexcept {  // its pools follow from attributes
        return (flags() & (wq_flag::kUnbound | wq_flag::kManaged)) == wq_flag::kUnbound;
    }

    Fast try_fast(PoolWorkqueue& pwq, Work& work);
    Fast pushed_while_closing(Work& work);
    bool queue_locked(Work& work, int cpu);
    void pushed_behind(WorkerPool& pool);
    bool chained(Task& self) const noexcept;
    [[noreturn]] void refuse(const Work& work) const;
    void refuse_other_machine(const Work& work, std::uint64_t word) const;
    [[noreturn]] void belongs_to(const Work& work, const std::string& other_machine) const;
    void check_reclaim(const Task& self, const Workqueue& target, const char* call) const;
    void trace_queue(const Work& work, int req_cpu, const WorkerPool& pool);
    void trace_activate(const Work& work);
    PoolWorkqueue& pick(int cpu, Task& self);

    // Flush colours. All W; arming takes the pools' locks inside.
    bool arm(unsigned color);        // true when some pool workqueue still has items of it
    void stamp(unsigned new_color);  // new items get this colour
    void start_generation(Flusher& flusher);
    void advance();               // the oldest generation is over: completes it and arms the next
    bool pwq_flushed() noexcept;  // under a pool's lock: the last pool workqueue of the armed colour came to zero
    void leave_flush(Flusher& flusher);
    void require_open(const char* call) const;
    bool drained();
    void adjust_limits();
    int change_max_active(int max_active);
    void limit_nodes(int limit);
    // False, and nothing is done: somebody else has changed the attributes since that version, or a CPU came or went.
    bool update_pools(const WorkqueueAttrs& attrs, std::uint64_t version);
    void refresh_pools();  // when CPUs came or went
    void install(unsigned cpu, PoolWorkqueue& fresh);
    void unplug_oldest();
    void prune();
    void start_held_back();  // for Aftermath
    std::vector<PoolWorkqueue*> pool_workqueues() const;
    NodeActive* node_for(const WorkerPool& pool) noexcept;
    void set_refusing();
    std::string busy_report();

    Domain& domain_;
    WorkqueueSubsystem& subsystem_;
    const std::string name_;
    const int nice_;  // of a workqueue without attributes
    Atomic<unsigned> flags_;
    Counter<int> max_active_, min_active_;  // W to write
    bool fast_ = false;                     // I: producers may bypass the pool's lock
    Atomic<bool> refusing_{false};          // A: draining, destroying or halting: producers take the slow path
    // I: one per CPU, or a single one. W of an unbound one, whose older ones come first; route_ is what is in use.
    std::vector<PoolWorkqueue*> pwqs_;
    // Unbound: where items of each CPU go. Changes under the lock of the pool that they went to before.
    std::unique_ptr<Atomic<PoolWorkqueue*>[]> route_;
    WorkqueueAttrs attrs_;                            // W
    std::uint64_t attrs_version_ = 0;                 // W
    WorkqueueStats past_;                             // W: of pool workqueues that are no more
    std::vector<std::unique_ptr<NodeActive>> nodes_;  // I: unbound, not ordered: a node each, and one for no node
    Backlog* backlog_ = nullptr;                      // I: null: no bound
    std::unique_ptr<Rescuer> rescuer_;                // I: of a MEM_RECLAIM one

    mutable RawLock lock_;
    unsigned work_color_ = 0;       // W: what new items get
    unsigned flush_color_ = 0;      // W: the oldest colour that somebody waits for
    List flushers_;                 // W: in the order of their colours
    List overflow_;                 // W: wait for a free colour
    Atomic<int> pwqs_to_flush_{0};  // pool workqueues of the armed colour that are not through, plus one while arming
    Atomic<int> advancing_{0};      // A: workers on their way into advance()
    unsigned drainers_ = 0;         // W
    bool system_ = false;           // I
    bool frozen_ = false;           // W
    Atomic<Refusal> refusal_{Refusal::none};  // W to write: messages name it
    Counter<bool> refuse_chained_;            // W to write: halting, and its own items requeue without end
    Atomic<bool> released_{false};
    Atomic<int> armed_{0};  // A: delayed works whose timer will queue here
    friend struct DelayedWork;
    friend class DelayedWorks;
    friend class RcuWorks;
};

// --- operations on items (Linux's names) ---

// Linux: cancel_work. True when it took something pending away. Spins while the item's timer is armed (wrong call: use
// the delayed form). CONTEXT: any.
bool cancel_work(Work& work);
// Linux: cancel_work_sync: also waits for the running instance; a self-requeue meanwhile is refused.
// True when the item was pending. On TimedOut or Interrupted the item is removed and the depth restored.
// CONTEXT: task that may sleep. Throws DeadlockError from the item's own handler.
// *was_pending is set before it waits: it tells what was removed even when the wait ends by an exception.
bool cancel_work_sync(Work& work, Nanoseconds deadline = kForever, bool* was_pending = nullptr);
bool disable_work(Work& work);
bool disable_work_sync(Work& work, Nanoseconds deadline = kForever,
                       bool* was_pending = nullptr);  // on TimedOut: disabled
// Linux: enable_work. True when the depth reached 0. Throws UnbalancedEnable when it was 0 before. CONTEXT: any.
bool enable_work(Work& work);
// Linux: flush_work. True when it waited. CONTEXT: task that may sleep.
bool flush_work(Work& work, Nanoseconds deadline = kForever);
// Ours: does somebody want the running instance to end: a disable, or a cancel that waits for it? For handlers that
// look now and then. CONTEXT: any; a hint.
inline bool work_cancel_requested(const Work& work) noexcept { return work_data::depth(work.data.load()) != 0; }
// Linux: work_busy. A hint.
unsigned work_busy(const Work& work);

// Queues an item whose PENDING bit the caller owns (the timer of a delayed work, mod_delayed_work). CONTEXT: any.
bool queue_claimed(Workqueue& wq, Work& work, int cpu, bool from_timer);

// --- for rooms of this floor ---

// Owns PENDING afterwards. 1: it was pending and was taken out; 0: it was idle; -1: in transit, try again.
// `timer_delete` is asked first when not null (a delayed work's timer).
int try_to_grab_pending(Work& work, bool (*take_timer)(Work&), Aftermath& after);
int grab_pending(Work& work, bool (*take_timer)(Work&));
bool cancel_common(Work& work, bool (*take_timer)(Work&), bool disable);
bool cancel_common_sync(Work& work, bool (*take_timer)(Work&), bool disable, Nanoseconds deadline, bool* was_pending);
// Sets the marks, PENDING among them. False: the item is pending or disabled, as `word` says; nothing was done.
bool claim(Work& work, std::uint64_t marks, std::uint64_t& word) noexcept;
// A queued or idle item whose PENDING bit the caller owns becomes idle; its disable depth stays.
void release_claim(Work& work) noexcept;
// One turn of a loop that waits for the few instructions of somebody else.
void poll_turn();

}  // namespace bottomhalf
