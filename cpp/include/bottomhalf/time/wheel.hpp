// TimerWheel: the hierarchical timer wheel of Linux (kernel/time/timer.c), without cascading: a timer never moves to a
// finer level, so it is late by at most one granule of its level, an eighth of its delay.
//
// 64 buckets a level; level L has a granularity of 8^L jiffies. A timer with expires = E in level L fires when the
// clock reaches ((E >> 3L) + 1) << 3L: never early.
// Thread safety: none; the base that owns a wheel locks it. Only whether a node is pending may be asked without.
// Invariants: a bucket's bit is set exactly while it holds a timer; clk() never passes the expiry of a pending bucket;
// next_expiry() is exact.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "bottomhalf/sched/jiffies.hpp"

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
    static constexpr Jiffies kNever = ~Jiffies{0} >> 1;  // later than any tick, as a signed number too

    explicit TimerWheel(unsigned hz, Jiffies clk = 0) noexcept : levels_(hz > 100 ? kLevels : kLevels - 1), clk_(clk) {
        settled_beyond_.fill(std::numeric_limits<std::int64_t>::max());
        for (unsigned level = 0; level + 1 < levels_; ++level)
            settled_beyond_[level] = static_cast<std::int64_t>(level == 0 ? 0 : kStart[level] - 1);
    }

    Jiffies clk() const noexcept { return clk_; }
    // The jiffy at which the next pending bucket fires, or kNever.
    Jiffies next_expiry() const noexcept { return next_; }
    // How many nodes are pending, those of collected lists included.
    std::size_t size() const noexcept { return size_; }

    // The bucket a timer with this expiry goes to now, and when that bucket fires.
    unsigned bucket_of(Jiffies expires, Jiffies& fires) const noexcept;
    // The same in fewer instructions, where it is settled: forward() to whatever instant before the next expiry would
    // not change it, so that the caller can do without reading the clock. False, and nothing else, where it is not, and
    // for the last level.
    bool settled_bucket_of(Jiffies expires, unsigned& bucket, Jiffies& fires) const noexcept;
    void enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept;
    // Also for a node of a collected list.
    void dequeue(WheelNode& node) noexcept;
    // Both at once, of a node of a bucket, to another, settled one. The bucket that it left is returned if that is
    // empty now: it is for emptied(). Else kNone.
    static constexpr unsigned kNone = ~0u;
    unsigned move(WheelNode& node, unsigned to) noexcept;
    // The last node of a bucket left it.
    void emptied(unsigned bucket) noexcept;
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
    [[gnu::visibility("hidden")]] static constexpr auto kStart = [] {
        std::array<Jiffies, 64 / kShift + 2> start{};
        for (unsigned level = 1; level < start.size(); ++level)
            start[level] = level <= kLevels ? Jiffies{kBuckets - 1} << (level - 1) * kShift : ~Jiffies{0};
        return start;
    }();
    static constexpr std::uint64_t bit_of(unsigned bucket) noexcept { return std::uint64_t{1} << bucket % kBuckets; }
    void hang(WheelNode& node, unsigned bucket) noexcept;
    unsigned unhang(WheelNode& node) noexcept;
    Jiffies compute_next() const noexcept;
    // By the width of a delta, less one: its level, or the one before it, when the delta is not below `end`. A level
    // ends at 63 granules of its own, a little before a power of two.
    struct Width {
        Jiffies end;
        unsigned level;
    };
    [[gnu::visibility("hidden")]] static constexpr auto kWidths = [] {
        std::array<Width, 64> widths{};
        for (unsigned i = 0; i < widths.size(); ++i) {
            const unsigned level = i < 6 ? 0 : (i - 3) / kShift;
            widths[i] = {kStart[level + 1], level};
        }
        return widths;
    }();
    // Not limited to the wheel's last. No branch: delays are random to the processor.
    static unsigned level_of(Jiffies delta) noexcept {
        const Width& width = kWidths[static_cast<unsigned>(std::bit_width(delta | 1) - 1)];
        return width.level + static_cast<unsigned>(delta >= width.end);
    }
    static unsigned bucket_at(unsigned level, Jiffies expires, Jiffies& fires) noexcept;
    unsigned levels_;
    Jiffies clk_;
    Jiffies next_ = kNever;
    std::size_t size_ = 0;
    // By level: a settled one is further behind the next expiry. The last level has none: it may be cut off.
    std::array<std::int64_t, 64 / kShift + 2> settled_beyond_;
    std::array<std::uint64_t, kLevels> pending_{};
    std::array<WheelNode*, kLevels * kBuckets> buckets_{};
};

// Inline: re-arming among many waits for memory, and the fewer instructions lie between two far timers, the more of
// them the processor fetches at once.

inline unsigned TimerWheel::bucket_at(unsigned level, Jiffies expires, Jiffies& fires) noexcept {
    const Jiffies slot = (expires >> shift_of(level)) + 1;
    fires = slot << shift_of(level);
    return level * kBuckets + static_cast<unsigned>(slot % kBuckets);
}

inline unsigned TimerWheel::bucket_of(Jiffies expires, Jiffies& fires) const noexcept {
    // In the past: the next tick.
    if (time_before(expires, clk_)) expires = clk_;
    const Jiffies delta = expires - clk_, cutoff = kStart[levels_];
    // Beyond the last level: as late as that level can hold.
    if (delta >= cutoff) expires = clk_ + cutoff - granule(levels_ - 1);
    return bucket_at(std::min(level_of(delta), levels_ - 1), expires, fires);
}

inline bool TimerWheel::settled_bucket_of(Jiffies expires, unsigned& bucket, Jiffies& fires) const noexcept {
    // The clock is somewhere from clk_ to next_: the level counts, the rest of the bucket follows from expires alone.
    // The past has a huge delta, and so a level that has nothing settled.
    const unsigned level = level_of(expires - clk_);
    if (static_cast<std::int64_t>(expires - next_) <= settled_beyond_[level]) [[unlikely]]
        return false;
    bucket = bucket_at(level, expires, fires);
    return true;
}

inline void TimerWheel::hang(WheelNode& node, unsigned bucket) noexcept {
    WheelNode*& head = buckets_[bucket];
    node.next = head;
    node.set_link(&head);
    if (head != nullptr) {
        head->set_link(&node.next);
    } else {
        pending_[bucket / kBuckets] |= bit_of(bucket);
    }
    head = &node;
}

inline unsigned TimerWheel::unhang(WheelNode& node) noexcept {
    WheelNode* const next = node.next;
    WheelNode** const link = node.link;
    *link = next;
    if (next != nullptr) {
        next->set_link(link);
        return kNone;
    }
    // The last of its list: was it the only one, and the list a bucket's?
    const std::uintptr_t place = reinterpret_cast<std::uintptr_t>(link) - reinterpret_cast<std::uintptr_t>(&buckets_);
    return place < sizeof buckets_ ? static_cast<unsigned>(place / sizeof *link) : kNone;
}

inline void TimerWheel::enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept {
    hang(node, bucket);
    if (fires < next_) next_ = fires;
    ++size_;
}

inline void TimerWheel::dequeue(WheelNode& node) noexcept {
    --size_;
    const unsigned left = unhang(node);
    node.set_link(nullptr);
    if (left != kNone) [[unlikely]]
        emptied(left);
}

inline unsigned TimerWheel::move(WheelNode& node, unsigned to) noexcept {
    const unsigned left = unhang(node);
    hang(node, to);
    return left;
}

inline void TimerWheel::forward(Jiffies now) noexcept {
    const Jiffies limit = next_ < now ? next_ : now;
    if (limit > clk_) clk_ = limit;
}

}  // namespace bottomhalf
