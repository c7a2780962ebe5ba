// TimerWheel: the hierarchical timer wheel of Linux (kernel/time/timer.c), without cascading: a timer never moves to a
// finer level, so it is late by at most one granule of its level, an eighth of its delay.
//
// 64 buckets a level; level L has a granularity of 8^L jiffies. A timer with expires = E in level L fires when the
// clock reaches ((E >> 3L) + 1) << 3L: never early.
//
// Deferring, which Linux does not: a pending timer that is to fire later may stay where it hangs, with the bucket it
// belongs to noted; it goes there when the bucket that it hangs in is collected. So a timeout that is put off again and
// again costs one cache line each time, not four, and moves once for each time it would have fired. What fires when and
// in which order is the same as with move(); only next_expiry() may be the tick of a bucket whose timers have all been
// put off.
// Thread safety: none; the base that owns a wheel locks it. Only whether a node is pending may be asked without.
// Invariants: a bucket's bit is set exactly while it holds a timer; clk() never passes the expiry of a pending bucket;
// next_expiry() is exact, but for deferred timers, where it is early.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "bottomhalf/base/sanitizer.hpp"
#include "bottomhalf/sched/jiffies.hpp"

namespace bottomhalf {

// First in a timer: how it hangs in a bucket. Zeroed = not pending.
struct WheelNode {
    WheelNode* next = nullptr;
    WheelNode** link = nullptr;  // what points to this node; null while not pending
    // From the lowest bit: the bucket it hangs in, 10 bits; the one it belongs to, 10; the number of its arming.
    std::uint64_t place = 0;
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

    // The bucket a timer with this expiry goes to now, and when that bucket fires. Settled: forward() to whatever
    // instant before the next expiry would not change the bucket, so that the caller can do without reading the clock.
    unsigned bucket_of(Jiffies expires, Jiffies& fires, bool& settled) const noexcept;
    unsigned bucket_of(Jiffies expires, Jiffies& fires) const noexcept {
        bool settled = false;
        return bucket_of(expires, fires, settled);
    }
    void enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept;
    // Also for a node of a collected list.
    void dequeue(WheelNode& node) noexcept;
    // Both at once, of a node that hangs in a bucket.
    void move(WheelNode& node, unsigned to, Jiffies fires) noexcept;
    // The same, if it can be put off: true when `to` fires no earlier than where the node hangs now. The bucket is to
    // be a settled one.
    bool defer(WheelNode& node, unsigned to, Jiffies fires) noexcept;
    // The bucket that a pending node belongs to.
    static unsigned bucket_of(const WheelNode& node) noexcept { return node.place >> kPlaceBits & kPlaceMask; }
    // Nothing was missed up to now: the clock may jump there, so that new timers get the finest level they can.
    void forward(Jiffies now) noexcept;
    // Takes the lists of the next pending tick, if it is not after now, into the caller's array: highest level first,
    // last armed first in each. Their nodes stay pending; each leaves by dequeue() or, the first of a list, by pop().
    // The array stays where it is until then. Returns how many lists; clk() is one past that tick then.
    unsigned collect(Jiffies now, std::array<WheelNode*, kLevels>& lists) noexcept;
    WheelNode* pop(WheelNode*& list) noexcept;
    // Every node that hangs in the wheel, in no order. fn changes nothing.
    template <class F>
    void for_each(F&& fn) const {
        for (WheelNode* list : buckets_)
            for (WheelNode* node = list; node != nullptr; node = node->next) fn(*node);
    }

private:
    static constexpr unsigned shift_of(unsigned level) noexcept { return level * kShift; }
    static constexpr Jiffies granule(unsigned level) noexcept { return Jiffies{1} << shift_of(level); }
    // The first delta of each level: too long for the one below. One level more than any wheel has, and then what a
    // width of 64 bits can name.
    static constexpr auto kStart = [] {
        std::array<Jiffies, 64 / kShift + 2> start{};
        for (unsigned level = 1; level < start.size(); ++level)
            start[level] = level <= kLevels ? Jiffies{kBuckets - 1} << (level - 1) * kShift : ~Jiffies{0};
        return start;
    }();
    static constexpr std::uint64_t bit_of(unsigned bucket) noexcept { return std::uint64_t{1} << bucket % kBuckets; }
    unsigned level_of(Jiffies delta) const noexcept;
    static constexpr unsigned kPlaceBits = 10, kPlaceMask = (1u << kPlaceBits) - 1;
    static constexpr std::uint64_t kArming = std::uint64_t{1} << 2 * kPlaceBits;
    static unsigned hangs_in(const WheelNode& node) noexcept { return node.place & kPlaceMask; }
    // Armed later than the other. The numbers may wrap.
    static bool later(const WheelNode& a, const WheelNode& b) noexcept {
        return static_cast<std::int64_t>((a.place & ~(kArming - 1)) - (b.place & ~(kArming - 1))) > 0;
    }
    // The tick of a bucket, from clk_ on.
    Jiffies tick_of(unsigned bucket) const noexcept {
        const unsigned shift = shift_of(bucket / kBuckets);
        const Jiffies first = (clk_ + (Jiffies{1} << shift) - 1) >> shift;
        return (first + (bucket - first) % kBuckets) << shift;
    }
    void hang(WheelNode& node, unsigned bucket, Jiffies fires) noexcept;
    void unhang(WheelNode& node) noexcept;
    void sort_out(std::array<WheelNode*, kLevels>& due) noexcept;
    static WheelNode* sorted(WheelNode* list) noexcept;
    // The last node of a bucket left it.
    void emptied(unsigned bucket) noexcept;
    Jiffies compute_next() const noexcept;
    unsigned levels_;
    Jiffies clk_;
    Jiffies next_ = kNever;
    std::size_t size_ = 0;
    std::uint64_t arming_ = 0;  // the last one's number, where a place has it
    std::array<std::uint64_t, kLevels> pending_{};
    // Buckets that hold, or held, deferred nodes, or nodes that are not in the order of their arming.
    std::array<std::uint64_t, kLevels> mixed_{};
    std::array<WheelNode*, kLevels * kBuckets> buckets_{};
};

// Inline: re-arming among many waits for memory, and the fewer instructions lie between two far timers, the more of
// them the processor fetches at once.

inline unsigned TimerWheel::level_of(Jiffies delta) const noexcept {
    // A level begins at 63 granules of the one below, a little before a power of two: the width of delta says the
    // level, or the one before it. No branch: delays are random to the processor.
    const unsigned level = (static_cast<unsigned>(std::bit_width(delta | (kBuckets - 1))) - 4) / kShift;
    const unsigned next = level + static_cast<unsigned>(delta >= kStart[level + 1]);
    return next < levels_ ? next : levels_ - 1;
}

inline unsigned TimerWheel::bucket_of(Jiffies expires, Jiffies& fires, bool& settled) const noexcept {
    // In the past: the next tick.
    if (time_before(expires, clk_)) [[unlikely]]
        expires = clk_;
    const Jiffies delta = expires - clk_;
    const unsigned level = level_of(delta);
    const Jiffies cutoff = kStart[levels_];
    // The clock is somewhere from clk_ to next_: the level counts, the rest of the bucket follows from expires alone.
    settled = expires > next_ && delta < cutoff && expires - next_ >= kStart[level];
    // Beyond the last level: as late as that level can hold.
    if (delta >= cutoff) [[unlikely]]
        expires = clk_ + cutoff - granule(levels_ - 1);
    const Jiffies slot = (expires >> shift_of(level)) + 1;
    fires = slot << shift_of(level);
    return level * kBuckets + static_cast<unsigned>(slot % kBuckets);
}

inline void TimerWheel::hang(WheelNode& node, unsigned bucket, Jiffies fires) noexcept {
    WheelNode*& head = buckets_[bucket];
    node.next = head;
    node.set_link(&head);
    if (head != nullptr) head->set_link(&node.next);
    head = &node;
    pending_[bucket / kBuckets] |= bit_of(bucket);
    if (fires < next_) next_ = fires;
}

inline void TimerWheel::unhang(WheelNode& node) noexcept {
    *node.link = node.next;
    if (node.next != nullptr) node.next->set_link(node.link);
    const unsigned bucket = hangs_in(node);
    if (buckets_[bucket] == nullptr) [[unlikely]]
        emptied(bucket);
}

inline void TimerWheel::enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept {
    node.place = (arming_ += kArming) | bucket << kPlaceBits | bucket;
    hang(node, bucket, fires);
    ++size_;
}

inline void TimerWheel::dequeue(WheelNode& node) noexcept {
    --size_;
    unhang(node);
    node.set_link(nullptr);
}

inline void TimerWheel::move(WheelNode& node, unsigned to, Jiffies fires) noexcept {
    unhang(node);
    node.place = (arming_ += kArming) | to << kPlaceBits | to;
    hang(node, to, fires);
}

inline bool TimerWheel::defer(WheelNode& node, unsigned to, Jiffies fires) noexcept {
    const unsigned bucket = hangs_in(node);
    if (fires < tick_of(bucket)) return false;
    node.place = (arming_ += kArming) | to << kPlaceBits | bucket;
    mixed_[bucket / kBuckets] |= bit_of(bucket);
    return true;
}

inline void TimerWheel::forward(Jiffies now) noexcept {
    const Jiffies limit = next_ < now ? next_ : now;
    if (limit > clk_) clk_ = limit;
}

}  // namespace bottomhalf
