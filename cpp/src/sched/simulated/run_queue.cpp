#include "bottomhalf/sched/simulated/run_queue.hpp"

#include <algorithm>

namespace bottomhalf {

void RunQueue::insert(Strand& strand) {
    auto at = strands_.end();
    if (!empty() && before(strand, *strands_.back()))
        at = std::lower_bound(strands_.begin() + static_cast<std::ptrdiff_t>(first_), strands_.end(), &strand,
                              [](const Strand* a, const Strand* b) { return before(*a, *b); });
    strands_.insert(at, &strand);
}

void RunQueue::remove(Strand& strand) noexcept {
    const auto begin = strands_.begin() + static_cast<std::ptrdiff_t>(first_);
    if (begin != strands_.end() && *begin == &strand) {
        ++first_;
        // Half of the room is waste: moved once for each strand at most.
        if (first_ * 2 >= strands_.size()) {
            strands_.erase(strands_.begin(), strands_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
        return;
    }
    const auto at = std::find(begin, strands_.end(), &strand);
    if (at != strands_.end()) strands_.erase(at);
}

Strand* RunQueue::first_for(unsigned cpu) const noexcept {
    for (Strand* strand : all())
        if (may_have(*strand, cpu)) return strand;
    return nullptr;
}

std::span<Strand* const> RunQueue::best_level() const noexcept {
    std::size_t end = first_;
    while (end < strands_.size() && strands_[end]->task->nice == strands_[first_]->task->nice) ++end;
    return {strands_.data() + first_, end - first_};
}

}  // namespace bottomhalf
