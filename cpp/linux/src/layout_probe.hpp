// Where the fields of the engine's locks and queues lie; and lists that a module left zeroed.
#pragma once

#include <cstddef>

#include "bottomhalf/sync/completion.hpp"
#include "bottomhalf/sync/mutex.hpp"
#include "bottomhalf/sync/spin_lock.hpp"

// Every compiler that builds this lays them out alike; the standard promises it for simpler classes alone.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace bottomhalf {

struct LayoutProbe {
    static constexpr std::size_t spin_owner = offsetof(SpinLock, owner_), spin_parked = offsetof(SpinLock, parked_),
                                 spin_wait_lock = offsetof(SpinLock, wait_lock_),
                                 spin_waiting = offsetof(SpinLock, waiting_);
    static constexpr std::size_t mutex_owner = offsetof(Mutex, owner_), mutex_waiters = offsetof(Mutex, waiters_);
    static constexpr std::size_t queue_lock = offsetof(WaitQueue, lock_), queue_waiters = offsetof(WaitQueue, waiters_);
    static constexpr std::size_t completion_lock = offsetof(Completion, lock_),
                                 completion_done = offsetof(Completion, done_),
                                 completion_waiters = offsetof(Completion, waiters_);
    static constexpr std::size_t list_head = offsetof(List, head_);

    static List& list_of(SpinLock& lock) noexcept { return lock.waiting_; }
    static List& list_of(WaitQueue& queue) noexcept { return queue.waiters_; }
    static List& list_of(Mutex& mutex) noexcept { return mutex.waiters_.waiters_; }
    static List& list_of(Completion& completion) noexcept { return completion.waiters_; }
    // Looked at without the lock that guards the list, so ThreadSanitizer must not: whoever links and unlinks makes one
    // pointer into another, and none is null again.
    __attribute__((no_sanitize("thread"))) static bool zeroed(const List& list) noexcept {
        return __atomic_load_n(&list.head_.next, __ATOMIC_ACQUIRE) == nullptr;
    }
    static void set_up(List& list) noexcept {
        list.head_.prev = &list.head_;
        __atomic_store_n(&list.head_.next, &list.head_, __ATOMIC_RELEASE);
    }
    static void set_done(Completion& completion, std::uint32_t done) noexcept { completion.done_ = done; }
};

}  // namespace bottomhalf

#pragma GCC diagnostic pop

namespace bottomhalf::linux_api {

void set_up_zeroed(List& list) noexcept;

// The object a module hands in. One that was zeroed and never initialised is as good as initialised.
template <class T>
T& usable(T* object, const char* call) {
    T& o = deref(object, call);
    List& list = LayoutProbe::list_of(o);
    if (LayoutProbe::zeroed(list)) [[unlikely]]
        set_up_zeroed(list);
    return o;
}

}  // namespace bottomhalf::linux_api
