#include "bottomhalf/time/wheel.hpp"

#include <algorithm>
#include <bit>

namespace bottomhalf {

namespace {
constexpr unsigned shift_of(unsigned level) noexcept { return level * TimerWheel::kShift; }
constexpr Jiffies granule(unsigned level) noexcept { return Jiffies{1} << shift_of(level); }
// The first delta that is too long for the level below.
constexpr Jiffies start_of(unsigned level) noexcept { return Jiffies{TimerWheel::kBuckets - 1} << shift_of(level - 1); }
}  // namespace

unsigned TimerWheel::bucket_of(Jiffies expires, Jiffies& fires) const noexcept {
    // In the past: the next tick.
    Jiffies delta = time_before(expires, clk_) ? 0 : expires - clk_;
    if (delta == 0) expires = clk_;
    unsigned level = 0;
    while (level + 1 < levels_ && delta >= start_of(level + 1)) ++level;
    const Jiffies cutoff = start_of(levels_);
    // Beyond the last level: as late as that level can hold.
    if (delta >= cutoff) expires = clk_ + cutoff - granule(levels_ - 1);
    const Jiffies slot = (expires >> shift_of(level)) + 1;
    fires = slot << shift_of(level);
    return level * kBuckets + static_cast<unsigned>(slot % kBuckets);
}

void TimerWheel::enqueue(WheelNode& node, unsigned bucket, Jiffies fires) noexcept {
    WheelNode*& head = buckets_[bucket];
    node.next = head;
    node.link = &head;
    if (head != nullptr) head->link = &node.next;
    head = &node;
    pending_[bucket / kBuckets] |= std::uint64_t{1} << bucket % kBuckets;
    ++size_;
    if (fires < next_) next_ = fires;
}

void TimerWheel::dequeue(WheelNode& node, unsigned bucket) noexcept {
    *node.link = node.next;
    if (node.next != nullptr) node.next->link = node.link;
    node.link = nullptr;
    --size_;
    if (buckets_[bucket] != nullptr) return;
    pending_[bucket / kBuckets] &= ~(std::uint64_t{1} << bucket % kBuckets);
    // Too early a next expiry costs one look; too late would cost a timer. It is corrected when it is looked at.
    if (size_ == 0) next_ = kNever;
}

Jiffies TimerWheel::compute_next() const noexcept {
    Jiffies next = kNever;
    for (unsigned level = 0; level < levels_; ++level) {
        if (pending_[level] == 0) continue;
        const Jiffies first = (clk_ + granule(level) - 1) >> shift_of(level);
        const auto ahead = std::countr_zero(std::rotr(pending_[level], static_cast<int>(first % kBuckets)));
        const Jiffies fires = (first + static_cast<unsigned>(ahead)) << shift_of(level);
        if (fires < next) next = fires;
    }
    return next;
}

void TimerWheel::forward(Jiffies now) noexcept {
    if (now <= clk_) return;
    clk_ = next_ > now ? now : std::max(clk_, next_);
}

unsigned TimerWheel::collect(Jiffies now, std::array<WheelNode*, kLevels>& lists) noexcept {
    for (;;) {
        if (next_ > now) return 0;
        clk_ = std::max(clk_, next_);
        unsigned count = 0;
        std::array<WheelNode*, kLevels> found;
        for (unsigned level = 0; level < levels_ && clk_ % granule(level) == 0; ++level) {
            const auto slot = static_cast<unsigned>((clk_ >> shift_of(level)) % kBuckets);
            WheelNode*& head = buckets_[level * kBuckets + slot];
            if (head == nullptr) continue;
            found[count++] = head;
            head = nullptr;
            pending_[level] &= ~(std::uint64_t{1} << slot);
        }
        // Everything with a tick up to now is in reach: the next look finds it.
        ++clk_;
        next_ = compute_next();
        for (unsigned i = 0; i < count; ++i) lists[i] = found[count - 1 - i];
        if (count != 0) return count;
    }
}

}  // namespace bottomhalf
