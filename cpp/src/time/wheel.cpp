#include "bottomhalf/time/wheel.hpp"

#include <bit>
#include <utility>

namespace bottomhalf {

void TimerWheel::emptied(unsigned bucket) noexcept {
    const unsigned level = bucket / kBuckets;
    if ((pending_[level] & bit_of(bucket)) == 0) return;
    pending_[level] &= ~bit_of(bucket);
    mixed_[level] &= ~bit_of(bucket);
    // Was it the next one to fire? Only then the next expiry moves.
    if (static_cast<unsigned>((next_ >> shift_of(level)) % kBuckets) == bucket % kBuckets) next_ = compute_next();
}

Jiffies TimerWheel::compute_next() const noexcept {
    Jiffies next = kNever;
    if (size_ == 0) return next;
    for (unsigned level = 0; level < levels_; ++level) {
        if (pending_[level] == 0) continue;
        // A bucket is for one tick only, the first of its number from clk_ on.
        const Jiffies first = (clk_ + granule(level) - 1) >> shift_of(level);
        const auto ahead = std::countr_zero(std::rotr(pending_[level], static_cast<int>(first % kBuckets)));
        const Jiffies fires = (first + static_cast<unsigned>(ahead)) << shift_of(level);
        if (fires < next) next = fires;
    }
    return next;
}

// By merging, last armed first.
WheelNode* TimerWheel::sorted(WheelNode* list) noexcept {
    if (list == nullptr || list->next == nullptr) return list;
    WheelNode* middle = list;
    for (WheelNode* end = list->next; end != nullptr && end->next != nullptr; end = end->next->next)
        middle = middle->next;
    WheelNode* b = sorted(std::exchange(middle->next, nullptr));
    WheelNode* a = sorted(list);
    WheelNode* first = nullptr;
    for (WheelNode** last = &first;; last = &(*last)->next) {
        if (a == nullptr || b == nullptr) {
            *last = a != nullptr ? a : b;
            return first;
        }
        WheelNode*& next = later(*a, *b) ? a : b;
        *last = next;
        next = next->next;
    }
}

// Sends the deferred nodes among these lists where they belong, which may be another of the lists. Links are not kept.
void TimerWheel::sort_out(std::array<WheelNode*, kLevels>& due) noexcept {
    std::array<WheelNode*, kLevels> here{};
    for (unsigned level = 0; level < kLevels; ++level) {
        for (WheelNode* node = std::exchange(due[level], nullptr); node != nullptr;) {
            WheelNode& n = *std::exchange(node, node->next);
            const unsigned bucket = bucket_of(n);
            const Jiffies fires = tick_of(bucket);
            n.place = (n.place & ~std::uint64_t{kPlaceMask}) | bucket;
            if (fires == clk_) {
                n.next = std::exchange(here[bucket / kBuckets], &n);
                continue;
            }
            // Others that hang there may have been armed after it, and before.
            if (buckets_[bucket] != nullptr && later(*buckets_[bucket], n)) mixed_[bucket / kBuckets] |= bit_of(bucket);
            hang(n, bucket, fires);
        }
    }
    for (unsigned level = 0; level < kLevels; ++level) due[level] = sorted(here[level]);
}

unsigned TimerWheel::collect(Jiffies now, std::array<WheelNode*, kLevels>& lists) noexcept {
    unsigned count = 0;
    while (count == 0 && next_ <= now) {
        clk_ = next_;
        std::array<WheelNode*, kLevels> due{};
        bool mixed = false;
        for (unsigned level = 0; level < levels_ && clk_ % granule(level) == 0; ++level) {
            const unsigned bucket = level * kBuckets + static_cast<unsigned>((clk_ >> shift_of(level)) % kBuckets);
            if ((pending_[level] & bit_of(bucket)) == 0) continue;
            mixed = mixed || (mixed_[level] & bit_of(bucket)) != 0;
            pending_[level] &= ~bit_of(bucket);
            mixed_[level] &= ~bit_of(bucket);
            due[level] = std::exchange(buckets_[bucket], nullptr);
        }
        if (mixed) [[unlikely]]
            sort_out(due);
        for (unsigned level = levels_; level-- > 0;) {
            if (due[level] == nullptr) continue;
            lists[count] = due[level];
            for (WheelNode** link = &lists[count]; *link != nullptr && (mixed || link == &lists[count]);
                 link = &(*link)->next)
                (*link)->set_link(link);
            ++count;
        }
        // A tick at which nothing fires was none: what is armed now must not come later for it.
        if (count != 0) ++clk_;
        next_ = compute_next();
    }
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
