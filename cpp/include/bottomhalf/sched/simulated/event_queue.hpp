// EventQueue: what is to happen at an instant of virtual time, in its order.
//
// Thread safety: the machine's own thread alone.
#pragma once

#include <algorithm>
#include <map>

#include "bottomhalf/sched/simulated/strand.hpp"

namespace bottomhalf {

struct SimEvent {
    Strand* strand = nullptr;                            // deadline, completion
    unsigned cpu = 0;                                    // hard_irq, clock_event, tick
    void (*fn)(Domain&, unsigned cpu, void*) = nullptr;  // hard_irq
    void* arg = nullptr;
};

class EventQueue {
public:
    // A fresh place: later than all earlier ones of the same instant and kind.
    SimKey place(Nanoseconds when, Turn turn) noexcept { return {when, turn, ++sequence_}; }
    SimKey add(Nanoseconds when, Turn turn, const SimEvent& event) {
        SimKey key = place(when, turn);
        events_.emplace(key, event);
        return key;
    }
    // Removes the event, if there is one, and clears its key.
    void remove(SimKey& key) noexcept {
        if (key.armed()) events_.erase(key);
        key = {};
    }
    std::size_t size() const noexcept { return events_.size(); }
    bool empty() const noexcept { return events_.empty(); }
    bool all_of(Turn turn) const noexcept {
        return std::all_of(events_.begin(), events_.end(), [&](auto& event) { return event.first.turn == turn; });
    }
    Nanoseconds next() const noexcept { return events_.empty() ? kForever : events_.begin()->first.when; }
    std::pair<SimKey, SimEvent> pop() {
        auto first = *events_.begin();
        events_.erase(events_.begin());
        return first;
    }

private:
    std::map<SimKey, SimEvent> events_;
    std::uint64_t sequence_ = 0;
};

}  // namespace bottomhalf
