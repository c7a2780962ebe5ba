// Work: the intrusive work item (Linux: struct work_struct). 32 bytes, standard layout; zeroed but for its function it
// is valid and idle, so a C static initialiser can make one.
//
// The data word, while queued (PWQ set)            | off queue (PWQ clear)
//   bit 0    PENDING                               | PENDING: a timer runs, or a queueing or a cancel is in transit
//   bit 1    INACTIVE: held back by max_active     | -
//   bit 2    PWQ                                   | 0
//   bit 3    LINKED: the next entry belongs to it  | CLAIMED: a producer will queue it in a moment
//   bit 4    INBOX: claimed, not accounted yet     | BH: last ran on a BH pool
//   bits 5-8 flush colour                          | bits 5-20  disable depth
//   bits 9-  PoolWorkqueue (512-byte aligned)      | bits 21-51 id of the last pool, 0 = none
//
// Who may write the word: whoever turned PENDING on, until it hands the item to a pool; from then on the holder of that
// pool's lock. A change of the depth of an item that is not pending is one compare-and-swap.
#pragma once

#include <cstdint>

#include "bottomhalf/base/atomic.hpp"
#include "bottomhalf/base/list.hpp"

namespace bottomhalf {

struct Work;
struct PoolWorkqueue;
using WorkFunction = void (*)(Work*);

struct Work {
    Atomic<std::uint64_t> data{0};
    ListNode entry;
    WorkFunction func = nullptr;

    constexpr Work() noexcept = default;
    explicit constexpr Work(WorkFunction f) noexcept : func(f) {}
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    // Linux: work_pending. Timer armed, queued, or held back; not while it only runs. CONTEXT: any; a hint.
    bool pending() const noexcept { return (data.load() & 1) != 0; }
};
static_assert(sizeof(Work) == 32);

namespace work_data {
inline constexpr std::uint64_t kPending = 1, kInactive = 2, kPwq = 4, kLinked = 8, kInbox = 16;
inline constexpr std::uint64_t kClaimed = 8, kBh = 16;  // off queue
inline constexpr unsigned kColorShift = 5, kColors = 16, kPwqAlign = 512;
inline constexpr std::uint64_t kColorMask = std::uint64_t{kColors - 1} << kColorShift;
inline constexpr unsigned kDepthShift = 5, kPoolShift = 21;
inline constexpr std::uint64_t kMaxDepth = 0xffff;
inline constexpr std::uint64_t kDepthMask = kMaxDepth << kDepthShift;

constexpr unsigned color(std::uint64_t d) noexcept { return static_cast<unsigned>((d & kColorMask) >> kColorShift); }
constexpr unsigned depth(std::uint64_t d) noexcept {
    return (d & kPwq) != 0 ? 0 : static_cast<unsigned>((d & kDepthMask) >> kDepthShift);
}
// Of an item that is queued.
inline PoolWorkqueue* pwq_in(std::uint64_t d) noexcept {
    return reinterpret_cast<PoolWorkqueue*>(d & ~std::uint64_t{kPwqAlign - 1});
}
inline PoolWorkqueue* pwq_of(std::uint64_t d) noexcept { return (d & kPwq) != 0 ? pwq_in(d) : nullptr; }
constexpr bool claimed(std::uint64_t d) noexcept { return (d & (kPwq | kClaimed)) == kClaimed; }
constexpr std::uint32_t pool_id(std::uint64_t d) noexcept { return static_cast<std::uint32_t>(d >> kPoolShift); }
constexpr std::uint64_t off_queue(std::uint32_t pool_id, unsigned depth, std::uint64_t flags = 0) noexcept {
    return std::uint64_t{pool_id} << kPoolShift | std::uint64_t{depth} << kDepthShift | flags;
}
}  // namespace work_data

// Linux's work_busy() bits.
inline constexpr unsigned kWorkBusyPending = 1, kWorkBusyRunning = 2;

}  // namespace bottomhalf
