#include "bottomhalf/trace/sink.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace bottomhalf {

std::string TraceRecord::to_string() const {
    static const char* const contexts[] = {"task", "softirq", "hardirq"};
    char head[128];
    std::snprintf(head, sizeof head, "[%5lld.%09lld] cpu%d %s %s: %s", static_cast<long long>(time_ns / 1000000000),
                  static_cast<long long>(time_ns % 1000000000), cpu, contexts[static_cast<int>(context)], task, name);
    std::string out = head;
    if (fields[0] != '\0') (out += ' ') += fields;
    return out;
}

TraceSink::TraceSink(unsigned cpus, std::size_t capacity_per_cpu) : capacity_(capacity_per_cpu) {
    for (unsigned i = 0; i < cpus; ++i) rings_.push_back(std::make_unique<Ring>());
}

void TraceSink::start() {
    for (auto& ring : rings_) {
        RawGuard guard(ring->lock);
        ring->records.clear();
    }
    lost_.store(0, std::memory_order_relaxed);
    enabled_.store(1);
}

void TraceSink::stop() { enabled_.store(0); }

std::vector<TraceRecord> TraceSink::take() {
    std::vector<TraceRecord> all;
    for (auto& ring : rings_) {
        RawGuard guard(ring->lock);
        all.insert(all.end(), ring->records.begin(), ring->records.end());
        ring->records.clear();
    }
    std::sort(all.begin(), all.end(),
              [](const TraceRecord& a, const TraceRecord& b) { return a.sequence < b.sequence; });
    return all;
}

void TraceSink::emit(std::int64_t time_ns, int cpu, TraceContext context, const char* task, const char* name,
                     const char* format, ...) {
    TraceRecord record;
    record.time_ns = time_ns;
    record.cpu = cpu;
    record.context = context;
    record.name = name;
    std::snprintf(record.task, sizeof record.task, "%s", task);
    va_list args;
    va_start(args, format);
    std::vsnprintf(record.fields, sizeof record.fields, format, args);
    va_end(args);
    Ring& ring = *rings_[static_cast<std::size_t>(cpu < 0 ? 0 : cpu) % rings_.size()];
    RawGuard guard(ring.lock);
    if (ring.records.size() >= capacity_) {
        lost_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    // The number is drawn under the ring's lock, so a ring is in order by itself.
    record.sequence = sequence_.fetch_add(1, std::memory_order_relaxed);
    ring.records.push_back(record);
}

std::uint32_t TraceSink::id_of(const void* object) {
    RawGuard guard(ids_lock_);
    auto [it, fresh] = ids_.try_emplace(object, next_id_);
    if (fresh) ++next_id_;
    return it->second;
}

void TraceSink::forget(const void* object) {
    RawGuard guard(ids_lock_);
    ids_.erase(object);
}

}  // namespace bottomhalf
