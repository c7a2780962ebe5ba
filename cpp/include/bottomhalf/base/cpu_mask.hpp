// CpuMask: a set of logical CPUs of a machine (Linux: cpumask_t).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>

namespace bottomhalf {

inline constexpr unsigned kMaxCpus = 1024;
// "No CPU named" (Linux: WORK_CPU_UNBOUND, which is NR_CPUS).
inline constexpr int kCpuUnbound = -1;

class CpuMask {
public:
    constexpr CpuMask() noexcept : words_{} {}
    static CpuMask first_n(unsigned n) noexcept {
        CpuMask m;
        for (unsigned i = 0; i < n; ++i) m.set(i);
        return m;
    }
    static CpuMask of(unsigned cpu) noexcept {
        CpuMask m;
        m.set(cpu);
        return m;
    }
    constexpr void set(unsigned c) noexcept { words_[c / 64] |= std::uint64_t{1} << (c % 64); }
    constexpr void clear(unsigned c) noexcept { words_[c / 64] &= ~(std::uint64_t{1} << (c % 64)); }
    constexpr bool test(unsigned c) const noexcept { return c < kMaxCpus && (words_[c / 64] >> (c % 64) & 1) != 0; }
    unsigned count() const noexcept {
        unsigned n = 0;
        for (auto w : words_) n += static_cast<unsigned>(std::popcount(w));
        return n;
    }
    bool empty() const noexcept { return count() == 0; }
    // The first CPU of the set that is >= from, or kMaxCpus.
    unsigned next(unsigned from) const noexcept {
        for (unsigned c = from; c < kMaxCpus; ++c) {
            std::uint64_t w = words_[c / 64] >> (c % 64);
            if (w == 0) {
                c |= 63;
                continue;
            }
            return c + static_cast<unsigned>(std::countr_zero(w));
        }
        return kMaxCpus;
    }
    unsigned first() const noexcept { return next(0); }
    CpuMask operator&(const CpuMask& o) const noexcept {
        CpuMask r;
        for (std::size_t i = 0; i < words_.size(); ++i) r.words_[i] = words_[i] & o.words_[i];
        return r;
    }
    CpuMask operator|(const CpuMask& o) const noexcept {
        CpuMask r;
        for (std::size_t i = 0; i < words_.size(); ++i) r.words_[i] = words_[i] | o.words_[i];
        return r;
    }
    bool operator==(const CpuMask&) const noexcept = default;
    // As Linux prints a CPU list: "0-3,8".
    std::string to_list() const;

private:
    std::array<std::uint64_t, kMaxCpus / 64> words_;
};

}  // namespace bottomhalf
