// RunQueue: the strands that wait for a CPU (Linux: struct rq), best first: by nice level, then by their place
// (Strand::since).
//
// Thread safety: the machine's own thread alone. Invariant: sorted; every strand in it is ready.
#pragma once

#include <span>
#include <vector>

#include "bottomhalf/sched/simulated/strand.hpp"

namespace bottomhalf {

class RunQueue {
public:
    bool empty() const noexcept { return first_ == strands_.size(); }
    std::size_t size() const noexcept { return strands_.size() - first_; }
    Strand* front() const noexcept { return empty() ? nullptr : strands_[first_]; }
    // The first that may have this CPU.
    Strand* first_for(unsigned cpu) const noexcept;
    std::span<Strand* const> all() const noexcept { return {strands_.data() + first_, size()}; }
    static bool may_have(const Strand& strand, unsigned cpu) noexcept {
        return strand.task->limits == nullptr || strand.adrift || strand.task->limits->allowed.test(cpu);
    }
    // Nearly always at the end of its level: cheap.
    void insert(Strand& strand);
    void remove(Strand& strand) noexcept;
    // Those of the best level.
    std::span<Strand* const> best_level() const noexcept;

    static bool before(const Strand& a, const Strand& b) noexcept {
        return a.task->nice != b.task->nice ? a.task->nice < b.task->nice : a.since < b.since;
    }

private:
    std::vector<Strand*> strands_;
    std::size_t first_ = 0;  // those before it were taken from the front
};

}  // namespace bottomhalf
