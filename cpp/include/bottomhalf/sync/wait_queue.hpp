// Wait queues (Linux: wait_queue_head_t, wait_event, wake_up).
//
// The condition is evaluated before sleeping and after every wake-up, without the queue's lock. A waiter that leaves
// for whatever reason (condition, deadline, interruption, MachineExit) has unlinked itself.
#pragma once

#include "bottomhalf/base/list.hpp"
#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

enum class WaitResult : std::uint8_t { ok, timeout, interrupted };

// Throws TimedOut or Interrupted for the other two results: for waits whose callers have nothing to undo.
void throw_unless_ok(WaitResult result, const char* call);

class WaitQueue {
public:
    WaitQueue() noexcept = default;
    ~WaitQueue() { order_forget(this); }
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;

    // A waiter. mode: the wakes that are meant for it (Linux: its task's state); stays: it leaves the queue by leave()
    // alone, a wake does not take it out.
    static constexpr std::uint32_t kAnyMode = ~0u;
    struct Entry {
        Task* task = nullptr;
        ListNode node;
        bool exclusive = false;
        bool stays = false;
        std::uint32_t mode = kAnyMode;
    };

    // Sleeps until ready() holds. CONTEXT: task that may sleep. Throws SchedulingWhileAtomic, MachineExit.
    template <class Ready>
    WaitResult wait(Task& self, Ready&& ready, Nanoseconds deadline = kForever, const char* kind = "wait_event",
                    bool exclusive = false) {
        might_sleep(self, kind);
        explore_point();
        if (look(ready)) return WaitResult::ok;
        return wait_after_look(self, ready, deadline, kind, exclusive);
    }
    // The two halves of wait(). Whoever wakes has changed what is waited for.
    template <class Ready>
    bool look(Ready&& ready) {
        order_acquire(this);
        return ready();
    }
    template <class Ready>
    WaitResult wait_after_look(Task& self, Ready&& ready, Nanoseconds deadline, const char* kind, bool exclusive) {
        const auto is_ready = [&] { return look(ready); };
        Waiting waiting(*this, self, exclusive);
        for (;;) {
            waiting.enlist();
            if (is_ready()) return WaitResult::ok;
            switch (task_sleep(self, deadline, kind)) {
                case Wake::timeout:
                    return is_ready() ? WaitResult::ok : WaitResult::timeout;
                case Wake::interrupted:
                    return is_ready() ? WaitResult::ok : WaitResult::interrupted;
                default:
                    break;
            }
        }
    }
    // Wakes every non-exclusive waiter and at most n exclusive ones (Linux: wake_up_nr). Returns how many it woke.
    // CONTEXT: any.
    unsigned wake(unsigned n = 1, std::uint32_t mode = kAnyMode) noexcept {
        order_release(this);
        explore_point();
        const unsigned woken = wake_now(n, mode);
        explore_point();
        return woken;
    }
    unsigned wake_all() noexcept { return wake(~0u); }
    // The same as a part of an operation of the engine, which may hold internal locks: no preemption point.
    unsigned wake_now(unsigned n = ~0u, std::uint32_t mode = kAnyMode) noexcept;
    bool active() noexcept;
    // For waits that are put together by hand (Linux: prepare_to_wait, finish_wait). An entry that is enlisted stays
    // where it is; one that leaves need not be there. CONTEXT: any.
    void enlist(Entry& entry) noexcept;
    void leave(Entry& entry) noexcept;

private:
    friend struct LayoutProbe;
    class Waiting {
    public:
        Waiting(WaitQueue& queue, Task& self, bool exclusive) noexcept
            : queue_(queue), entry_{&self, {}, exclusive, false, kAnyMode} {}
        ~Waiting();
        void enlist() noexcept;

    private:
        WaitQueue& queue_;
        Entry entry_;
    };

    RawLock lock_;
    List waiters_;  // L: lock_
};

}  // namespace bottomhalf
