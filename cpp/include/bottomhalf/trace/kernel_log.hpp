// The machine's kernel log (Linux: printk and its ring buffer, read with dmesg). The engine prints nothing itself.
//
// Thread safety: one lock, held while a line is appended or lines are copied out.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "bottomhalf/base/raw_lock.hpp"

namespace bottomhalf {

// Linux's levels, KERN_EMERG .. KERN_DEBUG.
enum class LogLevel : std::uint8_t { emerg, alert, crit, err, warning, notice, info, debug };

struct LogLine {
    std::int64_t time_ns;
    LogLevel level;
    std::string text;
    std::string to_string() const;  // "[    0.004000] text", as dmesg prints it
};

class KernelLog {
public:
    explicit KernelLog(std::size_t capacity = 16384) : capacity_(capacity) {}
    void write(std::int64_t time_ns, LogLevel level, std::string text);
    // Appends to the line that was the number-th to be written, from 1, if none came after it (Linux: KERN_CONT).
    bool extend(std::uint64_t number, const std::string& text);
    std::vector<LogLine> lines() const;
    // Lines written so far, those pushed out of the ring included.
    std::uint64_t written() const noexcept { return written_.get(); }
    void clear();

private:
    const std::size_t capacity_;
    mutable RawLock lock_;
    std::deque<LogLine> lines_;       // L: lock_
    Counter<std::uint64_t> written_;  // L: lock_ to write
};

}  // namespace bottomhalf
