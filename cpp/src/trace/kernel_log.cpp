#include "bottomhalf/trace/kernel_log.hpp"

#include <cstdio>

namespace bottomhalf {

std::string LogLine::to_string() const {
    char stamp[40];
    std::snprintf(stamp, sizeof stamp, "[%5lld.%06lld] ", static_cast<long long>(time_ns / 1000000000),
                  static_cast<long long>(time_ns % 1000000000 / 1000));
    return stamp + text;
}

void KernelLog::write(std::int64_t time_ns, LogLevel level, std::string text) {
    RawGuard guard(lock_);
    if (lines_.size() == capacity_) lines_.pop_front();
    lines_.push_back({time_ns, level, std::move(text)});
    ++written_;
}

bool KernelLog::extend(std::uint64_t number, const std::string& text) {
    RawGuard guard(lock_);
    if (number != written_.get() || lines_.empty()) return false;
    lines_.back().text += text;
    return true;
}

std::vector<LogLine> KernelLog::lines() const {
    RawGuard guard(lock_);
    return {lines_.begin(), lines_.end()};
}

void KernelLog::clear() {
    RawGuard guard(lock_);
    lines_.clear();
}

}  // namespace bottomhalf
