// The execution context as Linux encodes it in preempt_count (include/linux/preempt.h), and its predicates.
#pragma once

#include <cstdint>

namespace bottomhalf::preempt {

inline constexpr std::uint32_t kPreemptOffset = 0x1;      // preempt_disable, spin_lock
inline constexpr std::uint32_t kSoftirqOffset = 0x100;    // serving a softirq
inline constexpr std::uint32_t kSoftirqDisable = 0x200;   // one local_bh_disable
inline constexpr std::uint32_t kHardirqOffset = 0x10000;  // in a hard interrupt
inline constexpr std::uint32_t kPreemptMask = 0x000000ff;
inline constexpr std::uint32_t kSoftirqMask = 0x0000ff00;
inline constexpr std::uint32_t kHardirqMask = 0x000f0000;
inline constexpr std::uint32_t kNmiMask = 0x00f00000;

constexpr bool in_hardirq(std::uint32_t c) noexcept { return (c & kHardirqMask) != 0; }
constexpr bool in_softirq(std::uint32_t c) noexcept { return (c & kSoftirqMask) != 0; }
constexpr bool in_serving_softirq(std::uint32_t c) noexcept { return (c & kSoftirqOffset) != 0; }
constexpr bool in_interrupt(std::uint32_t c) noexcept { return (c & (kNmiMask | kHardirqMask | kSoftirqMask)) != 0; }
constexpr bool in_task(std::uint32_t c) noexcept { return (c & (kNmiMask | kHardirqMask | kSoftirqOffset)) == 0; }
constexpr bool in_atomic(std::uint32_t c) noexcept { return c != 0; }

}  // namespace bottomhalf::preempt
