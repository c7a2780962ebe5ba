// PoolWorkqueue: a workqueue's share in one worker pool (Linux: struct pool_workqueue).
//
// It counts what is active against max_active, holds back the rest in order, and counts what is in flight per flush
// colour. Fields: I: set when made; L: under its pool's lock; A: atomic; N: under the node's lock.
#pragma once

#include <array>

#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/workqueue/work.hpp"

namespace bottomhalf {

struct WorkerPool;
struct Worker;
class Workqueue;

// The counters of SEMANTICS 2.15; cpu_time in microseconds, as far as ticks have seen it.
struct WorkqueueStats {
    std::uint64_t started = 0, completed = 0, cpu_time = 0, cpu_intensive = 0, cm_wakeup = 0, repatriated = 0,
                  mayday = 0, rescued = 0;
};

// One shared count for the pool workqueues of an unbound workqueue whose pools lie in one NUMA node, and one more for
// those that lie in several (Linux: struct wq_node_nr_active). Those that wait for a place are served in turn, one item
// each.
struct NodeActive {
    RawLock lock;       // taken inside a pool's lock
    int nr = 0;         // N
    int max = 0;        // N
    List pending_pwqs;  // N
};

// What is to be done for a workqueue once the lock of a pool that an item left is dropped.
struct Aftermath {
    Workqueue* flushed = nullptr;    // the item was the last of a flush
    Workqueue* held_back = nullptr;  // items of another pool may start
    bool any() const noexcept { return flushed != nullptr || held_back != nullptr; }
    void run();
};

struct alignas(work_data::kPwqAlign) PoolWorkqueue : Recycled<PoolWorkqueue> {
    WorkerPool* pool = nullptr;      // I
    Workqueue* wq = nullptr;         // I
    NodeActive* node = nullptr;      // I: null for per-CPU, BH and managed workqueues: they have a limit of their own
    bool for_cpu_intensive = false;  // I: the workqueue's items count for nothing
    // A line of their own: producers read the pointers above for every item, the worker writes these.
    alignas(64) unsigned work_color = 0;                           // L
    int flush_color = -1;                                          // L: the colour a flush waits for, or -1
    std::array<std::uint32_t, work_data::kColors> nr_in_flight{};  // L
    int nr_active = 0;                                             // L
    int max_active = 0;                                            // L: of a pwq without node
    bool plugged = false;     // L: of an ordered workqueue: older ones still have items, and nothing starts here
    bool superseded = false;  // L: the attributes changed: no new items, but those that follow themselves
    List inactive;            // L
    ListNode pending_node;    // N
    bool calls = false;       // L: its rescuer has been called
    ListNode mayday_node;     // under the rescuer's lock
    // L to write, read by anybody. cpu_time: nanoseconds.
    Counter<std::uint64_t> started, completed, cpu_time, cpu_intensive, cm_wakeup, repatriated, mayday, rescued;

    // A new item enters under the pool's lock: gets its colour, becomes active or is held back.
    void enqueue(Work& work, std::uint64_t extra_bits = 0) noexcept;
    // The same for those that came one after the other, of a pwq without node: first, newest first, as long as they are
    // its own, with the colour and held back all (returns the first that is not its own); then, oldest first, the
    // places among the active are given out.
    ListNode* stamp_batch(ListNode* newest, List& batch, unsigned& count) noexcept;
    void enqueue_batch(List& batch, unsigned count) noexcept;
    // An item left (ran to its end, or was cancelled); word is its data word then. What follows from it is left in
    // `after`, for the caller to run after dropping the lock.
    void leave(std::uint64_t word, Aftermath& after) noexcept;
    // leave(), if nothing follows from it; else false, and nothing is done.
    bool leave_quietly(std::uint64_t word) noexcept {
        const unsigned c = work_data::color(word);
        if ((word & work_data::kInactive) != 0 || node != nullptr || superseded ||
            (nr_in_flight[c] == 1 && flush_color == static_cast<int>(c))) [[unlikely]]
            return false;
        --nr_in_flight[c];
        give_place_on();
        return true;
    }
    // Starts one held-back item if the limit allows. Under the pool's lock.
    bool activate_one() noexcept;
    void add_to(WorkqueueStats& stats) const noexcept;
    bool busy() const noexcept { return nr_active != 0 || !const_cast<List&>(inactive).empty(); }

private:
    bool try_take_active(bool fill) noexcept;
    void activate_first() noexcept;
    void drop_active(Aftermath& after) noexcept;
    // Of a pwq without node: a place among the active becomes free.
    void give_place_on() noexcept {
        if (inactive.empty() || nr_active > max_active)
            --nr_active;
        else
            activate_first();
    }
    bool take_turn() noexcept;
    void tell_held_back(Aftermath& after) noexcept;
    friend class Workqueue;
};

// Moves the item and the barriers linked to it to the tail of a list.
void move_linked(ListNode* first, List& to) noexcept;

}  // namespace bottomhalf
