#include "bottomhalf/time/wheel.hpp"

#include <bit>

namespace bottomhalf {

namespace {
constexpr unsigned shift_of(unsigned level) noexcept { return level * TimerWheel::kShift; }
constexpr Jiffies granule(unsigned level) noexcept { return Jiffies{1} << shift_of(level); }
// The first delta that is too long for the level below.
constexpr Jiffies start_of(unsigned level) noexcept { return Jiffies{TimerWheel::kBuckets - 1} << shift_of(level - 1); }
constexpr std::uint64_t bit_of(unsigned bucket) noexcept { return std::uint64_t{1} << bucket % TimerWheel::kBuckets; }
}  // namespace

unsigned TimerWheel::level_of(Jiffies delta) const noexcept {
    // A level begins at 63 granules of the one below, a little before a power of two: the width of delta says the
    // level, or the one before it.
    unsigned level = (static_cast<unsigned>(std::bit_width(delta | (kBuckets - 1))) - 4) / kShift;
    if (level >= levels_ - 1) return levels_ - 1;
    return delta >= start_of(level + 1) ? level + 1 : level;
}

unsigned TimerWheel::bucket_of(Jiffies expires, Jiffies& fires) const noexcept {
    // In the past: the next tick.
    if (time_before(expires, clk_)) expires = clk_;
    const Jiffies delta = expires - clk_;
    const unsigned level = level_of(delta);
    const Jiffies cutoff = start_of(levels_);
    // Beyond the last level: as late as that level can hold.
    if (delta >= cutoff) [[unlikely]]
        expires = clk_ + cutoff - granule(levels_ - 1);
    const Jiffies slot = (expires >> shift_of(level)) + 1;
    fires = slot << shift_of(level);
    return level * kBuckets + static_cast<unsigned>(slot % kBuckets);
}

bool TimerWheel::settled(Jiffies expires) const noexcept {
    // The clock is somewhere from clk_ to next_: the level counts, the rest of the bucket follows from expires alone.
    if (next_ == kNever || !time_after(expires, next_)) return false;
    const Jiffies longest = expires - clk_;
    return longest < start_of(levels_) && level_of(longest) == level_of(expires - next_);
}

void TimerWheel::enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept {
    WheelNode*& head = buckets_[bucket];
    node.next = head;
    node.set_link(&head);
    if (head != nullptr) head->set_link(&node.next);
    head = &node;
    pending_[bucket / kBuckets] |= bit_of(bucket);
    ++size_;
    if (fires < next_) next_ = fires;
}

void TimerWheel::dequeue(WheelNode& node, unsigned bucket) noexcept {
    *node.link = node.next;
    if (node.next != nullptr) node.next->set_link(node.link);
    node.set_link(nullptr);
    --size_;
    if (buckets_[bucket] != nullptr) return;
    const unsigned level = bucket / kBuckets;
    if ((pending_[level] & bit_of(bucket)) == 0) return;
    pending_[level] &= ~bit_of(bucket);
    // Was it the next one to fire? Only then the next expiry moves.
    if (static_cast<unsigned>((next_ >> shift_of(level)) % kBuckets) == bucket % kBuckets) next_ = compute_next();
}

Jiffies TimerWheel::compute_next() const noexcept {
    Jiffies next = kNever;
    if (size_ == 0) return next;
    for (unsigned level = 0; level < levels_; ++level) {
        if (pending_[level] == 0) continue;
        // A bucket holds one tick only, the first of its number from clk_ on.
        const Jiffies first = (clk_ + granule(level) - 1) >> shift_of(level);
        const auto ahead = std::countr_zero(std::rotr(pending_[level], static_cast<int>(first % kBuckets)));
        const Jiffies fires = (first + static_cast<unsigned>(ahead)) << shift_of(level);
        if (fires < next) next = fires;
    }
    return next;
}

void TimerWheel::forward(Jiffies now) noexcept {
    const Jiffies limit = next_ < now ? next_ : now;
    if (limit > clk_) clk_ = limit;
}

unsigned TimerWheel::collect(Jiffies now, std::array<WheelNode*, kLevels>& lists) noexcept {
    if (next_ > now) return 0;
    clk_ = next_;
    unsigned top = 0;
    while (top + 1 < levels_ && clk_ % granule(top + 1) == 0) ++top;
    unsigned count = 0;
    for (unsigned level = top + 1; level-- > 0;) {
        const unsigned bucket = level * kBuckets + static_cast<unsigned>((clk_ >> shift_of(level)) % kBuckets);
        if ((pending_[level] & bit_of(bucket)) == 0) continue;
        pending_[level] &= ~bit_of(bucket);
        lists[count] = buckets_[bucket];
        lists[count]->set_link(&lists[count]);
        buckets_[bucket] = nullptr;
        ++count;
    }
    ++clk_;
    next_ = compute_next();
    return count;
}

WheelNode* TimerWheel::pop(WheelNode*& list) noexcept {
    WheelNode* node = list;
    list = node->next;
    if (list != nullptr) list->set_link(&list);
    node->set_link(nullptr);
    --size_;
    return node;
}

}  // namespace bottomhalf
