// TimerWheel: the hierarchical timer wheel of Linux (kernel/time/timer.c), without cascading: a timer never moves to a
// finer level, so it is late by at most one granule of its level, an eighth of its delay.
//
// 64 buckets a level; level L has a granularity of 8^L jiffies. A timer with expires = E in level L fires when the
// clock reaches ((E >> 3L) + 1) << 3L: never early.
// Thread safety: none; the base that owns a wheel locks it. Only whether a node is pending may be asked without.
// Invariants: a bucket's bit is set exactly while it holds a timer; clk() never passes the expiry of a pending bucket;
// next_expiry() is exact.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "bottomhalf/sched/jiffies.hpp"

#if defined(__SANITIZE_THREAD__)
#define BOTTOMHALF_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BOTTOMHALF_TSAN 1
#endif
#endif

namespace bottomhalf {

// First in a timer: how it hangs in a bucket. Zeroed = not pending.
struct WheelNode {
    WheelNode* next = nullptr;
    WheelNode** link = nullptr;  // what points to this node; null while not pending
    // CONTEXT: any; a hint without the lock.
    bool pending() const noexcept { return __atomic_load_n(&link, __ATOMIC_RELAXED) != nullptr; }
    void set_link(WheelNode** l) noexcept { __atomic_store_n(&link, l, __ATOMIC_RELAXED); }
};

class TimerWheel {
public:
    static constexpr unsigned kLevels = 9, kBuckets = 64, kShift = 3;
    static constexpr Jiffies kNever = ~Jiffies{0};

    explicit TimerWheel(unsigned hz, Jiffies clk = 0) noexcept : levels_(hz > 100 ? kLevels : kLevels - 1), clk_(clk) {}

    Jiffies clk() const noexcept { return clk_; }
    // The jiffy at which the next pending bucket fires, or kNever.
    Jiffies next_expiry() const noexcept { return next_; }
    // How many nodes are pending, those of collected lists included.
    std::size_t size() const noexcept { return size_; }

    // The bucket a timer with this expiry goes to now, and when that bucket fires.
    unsigned bucket_of(Jiffies expires, Jiffies& fires) const noexcept;
    void enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept;
    // Also for a node of a collected list.
    void dequeue(WheelNode& node, unsigned bucket) noexcept;
    // Nothing was missed up to now: the clock may jump there, so that new timers get the finest level they can.
    void forward(Jiffies now) noexcept;
    // True: forward() to whatever instant before the next expiry would not change the bucket of this expiry, so that
    // the caller can do without reading the clock.
    bool settled(Jiffies expires) const noexcept;
    // Takes the lists of the next pending tick, if it is not after now, into the caller's array: highest level first,
    // last armed first in each. Their nodes stay pending; each leaves by dequeue() or, the first of a list, by pop().
    // The array stays where it is until then. Returns how many lists; clk() is one past that tick then.
    unsigned collect(Jiffies now, std::array<WheelNode*, kLevels>& lists) noexcept;
    WheelNode* pop(WheelNode*& list) noexcept;

private:
    unsigned level_of(Jiffies delta) const noexcept;
    Jiffies compute_next() const noexcept;
    const unsigned levels_;
    Jiffies clk_;
    Jiffies next_ = kNever;
    std::size_t size_ = 0;
    std::array<std::uint64_t, kLevels> pending_{};
    std::array<WheelNode*, kLevels * kBuckets> buckets_{};
};

}  // namespace bottomhalf
