#include "bottomhalf/time/wheel.hpp"

#include <bit>

namespace bottomhalf {

void TimerWheel::emptied(unsigned bucket) noexcept {
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
