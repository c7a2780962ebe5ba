// Habits: functions whose items have been found asleep lately. Such an item is taken to sleep as soon as it begins: the
// next one starts at once instead of after the monitor's looks. Who then computes after all loses the name for it.
//
// A small table in which two functions may share a place: all that a mistake costs is one item too many that runs, or
// one look more. Fields: A: atomic, relaxed: no order matters.
#pragma once

#include <array>
#include <cstdint>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

class Habits {
public:
    // Is there any function to ask for?
    bool any() const noexcept { return known_.load(std::memory_order_relaxed); }
    bool sleeps(const void* who) const noexcept {
        const Place& place = places_[index(who)];
        return who != nullptr && place.who.load(std::memory_order_relaxed) == who &&
               place.times.load(std::memory_order_relaxed) >= kHabit;
    }
    void slept(const void* who) noexcept {
        if (who == nullptr) return;
        Place& place = places_[index(who)];
        const bool same = place.who.load(std::memory_order_relaxed) == who;
        const unsigned times = same ? place.times.load(std::memory_order_relaxed) + 1 : 1;
        place.who.store(who, std::memory_order_relaxed);
        place.times.store(times < kHabit ? times : kHabit, std::memory_order_relaxed);
        if (times >= kHabit) known_.store(true, std::memory_order_relaxed);
    }
    void computed(const void* who) noexcept {
        Place& place = places_[index(who)];
        if (place.who.load(std::memory_order_relaxed) == who) place.times.store(0, std::memory_order_relaxed);
    }

private:
    static constexpr std::size_t kPlaces = 128;
    static constexpr unsigned kHabit = 2;  // so often in a row, and it is one
    struct Place {
        Atomic<const void*> who{nullptr};  // A
        Atomic<unsigned> times{0};         // A
    };
    static std::size_t index(const void* who) noexcept {
        const auto a = reinterpret_cast<std::uintptr_t>(who);
        return (a >> 4 ^ a >> 11) % kPlaces;
    }
    std::array<Place, kPlaces> places_;
    Atomic<bool> known_{false};  // A
};

}  // namespace bottomhalf
