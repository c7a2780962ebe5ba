// Jiffies and their conversions (Linux: include/linux/jiffies.h). HZ is a property of the machine, so it is an
// argument.
#pragma once

#include <cmath>
#include <cstdint>

namespace bottomhalf {

using Jiffies = std::uint64_t;
using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kForever = INT64_MAX;
inline constexpr Nanoseconds kSecond = 1'000'000'000;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kMicrosecond = 1'000;

// Linux: MAX_JIFFY_OFFSET, the longest delay that compares safely.
inline constexpr Jiffies kMaxJiffyOffset = (static_cast<Jiffies>(INT64_MAX) >> 1) - 1;

constexpr Jiffies ns_to_jiffies(Nanoseconds ns, unsigned hz) noexcept {
    return static_cast<Jiffies>(static_cast<unsigned __int128>(ns) * hz / kSecond);
}
// The first instant at which the jiffy counter shows j.
constexpr Nanoseconds jiffies_to_ns(Jiffies j, unsigned hz) noexcept {
    auto ns = (static_cast<unsigned __int128>(j) * kSecond + hz - 1) / hz;
    return ns > static_cast<unsigned __int128>(kForever) ? kForever : static_cast<Nanoseconds>(ns);
}
// Rounds up; a negative value means "as long as possible", as in Linux.
constexpr Jiffies msecs_to_jiffies(std::int64_t ms, unsigned hz) noexcept {
    if (ms < 0) return kMaxJiffyOffset;
    return static_cast<Jiffies>((static_cast<unsigned __int128>(ms) * hz + 999) / 1000);
}
constexpr Jiffies usecs_to_jiffies(std::int64_t us, unsigned hz) noexcept {
    if (us < 0) return kMaxJiffyOffset;
    return static_cast<Jiffies>((static_cast<unsigned __int128>(us) * hz + 999'999) / 1'000'000);
}
constexpr std::uint64_t jiffies_to_msecs(Jiffies j, unsigned hz) noexcept {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(j) * 1000 + hz - 1) / hz);
}
constexpr std::uint64_t jiffies_to_usecs(Jiffies j, unsigned hz) noexcept {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(j) * 1'000'000 + hz - 1) / hz);
}
constexpr bool time_after(Jiffies a, Jiffies b) noexcept { return static_cast<std::int64_t>(b - a) < 0; }
constexpr bool time_after_eq(Jiffies a, Jiffies b) noexcept { return static_cast<std::int64_t>(a - b) >= 0; }
constexpr bool time_before(Jiffies a, Jiffies b) noexcept { return time_after(b, a); }
constexpr bool time_before_eq(Jiffies a, Jiffies b) noexcept { return time_after_eq(b, a); }

// A delay in seconds as the Python and C++ faces take it: rounded up with a tolerance for binary fractions
// (0.003 s is 3 jiffies at HZ 1000, not 4), at least 1 when positive. The caller has refused negatives.
inline Jiffies seconds_to_jiffies(double s, unsigned hz) noexcept {
    if (s <= 0) return 0;
    double j = std::ceil(s * hz - 1e-6);
    if (j < 1) return 1;
    return j >= static_cast<double>(kMaxJiffyOffset) ? kMaxJiffyOffset : static_cast<Jiffies>(j);
}

// Linux: round_jiffies(): to a whole second, with a skew per CPU so that not all fire together.
Jiffies round_jiffies(Jiffies j, unsigned cpu, Jiffies now, unsigned hz, bool force_up = false) noexcept;

}  // namespace bottomhalf
