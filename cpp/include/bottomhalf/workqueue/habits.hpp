// Habits: functions whose items have been found asleep lately, or found to compute for long, outside their gate or
// inside. An item of such a function is taken for one from its beginning, instead of after the monitor's looks. Who
// then does otherwise loses the name for it.
//
// A small table in which two functions may share a place: all that a mistake costs is one item too many that runs, or
// one look more. Fields: A: atomic, relaxed: no order matters.
#pragma once

#include <array>
#include <cstdint>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

enum class Habit : std::uint8_t { sleeps, is_long, keeps_gate };

class Habits {
public:
    // How often a function has been found to have a habit: none yet, and there is nobody to ask for; as before, and who
    // had none has none.
    unsigned times_known() const noexcept { return times_known_.load(std::memory_order_relaxed); }
    bool has(Habit habit, const void* who) const noexcept {
        const Place& place = places_[index(who)];
        return who != nullptr && place.who.load(std::memory_order_relaxed) == who &&
               place.times_of(habit).load(std::memory_order_relaxed) >= kHabit;
    }
    void found(Habit habit, const void* who) noexcept {
        if (who == nullptr) return;
        Place& place = places_[index(who)];
        if (place.who.load(std::memory_order_relaxed) != who) {
            for (auto& times : place.times) times.store(0, std::memory_order_relaxed);
            place.who.store(who, std::memory_order_relaxed);
        }
        const unsigned times = place.times_of(habit).load(std::memory_order_relaxed) + 1;
        place.times_of(habit).store(times < kMost ? times : kMost, std::memory_order_relaxed);
        if (times >= kHabit) times_known_.fetch_add(1, std::memory_order_relaxed);
    }
    // Seen once without it.
    void doubt(Habit habit, const void* who) noexcept {
        Place& place = places_[index(who)];
        const unsigned times = place.times_of(habit).load(std::memory_order_relaxed);
        if (times != 0 && place.who.load(std::memory_order_relaxed) == who)
            place.times_of(habit).store(times - 1, std::memory_order_relaxed);
    }
    void lose(Habit habit, const void* who) noexcept {
        Place& place = places_[index(who)];
        if (place.who.load(std::memory_order_relaxed) == who) place.times_of(habit).store(0, std::memory_order_relaxed);
    }

private:
    static constexpr std::size_t kPlaces = 128;
    static constexpr unsigned kHabit = 2, kMost = 4;  // so often in a row, and it is one; more is not counted
    struct Place {
        Atomic<const void*> who{nullptr};       // A
        std::array<Atomic<unsigned>, 3> times;  // A: by habit
        Atomic<unsigned>& times_of(Habit habit) noexcept { return times[static_cast<std::size_t>(habit)]; }
        const Atomic<unsigned>& times_of(Habit habit) const noexcept { return times[static_cast<std::size_t>(habit)]; }
    };
    static std::size_t index(const void* who) noexcept {
        const auto a = reinterpret_cast<std::uintptr_t>(who);
        return (a >> 4 ^ a >> 11) % kPlaces;
    }
    std::array<Place, kPlaces> places_{};
    Atomic<unsigned> times_known_{0};  // A
};

}  // namespace bottomhalf
