// Tracepoints and their per-CPU ring buffers (Linux: include/trace/events/{workqueue,irq,timer}.h).
//
// A sink: everybody writes to it, handing in time and CPU; it knows neither tasks nor work. Switched off, a tracepoint
// costs one predictable branch on enabled(). Switched on, the record is formatted at once, so nothing it names need
// outlive the event.
// Thread safety: each ring has its own lock; records of all rings are merged by (time, sequence).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bottomhalf/base/atomic.hpp"
#include "bottomhalf/base/raw_lock.hpp"

namespace bottomhalf {

// The context an event was emitted in, as the timeline shows it.
enum class TraceContext : std::uint8_t { task, softirq, hardirq };

struct TraceRecord {
    std::int64_t time_ns = 0;
    std::uint64_t sequence = 0;
    int cpu = 0;
    TraceContext context = TraceContext::task;
    char task[24] = {};
    const char* name = "";  // a string literal: the tracepoint's name of SEMANTICS 8.1
    char fields[168] = {};  // "key=value key=value", values without spaces

    std::string to_string() const;  // the canonical text, one event a line
};

class TraceSink {
public:
    explicit TraceSink(unsigned cpus, std::size_t capacity_per_cpu = 1 << 16);

    bool enabled() const noexcept { return enabled_.load(std::memory_order_relaxed) != 0; }
    void start();
    void stop();
    // Everything recorded since start(), merged; the rings are left empty.
    std::vector<TraceRecord> take();
    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

    // printf-style fields. Called only behind enabled().
    void emit(std::int64_t time_ns, int cpu, TraceContext context, const char* task, const char* name,
              const char* format, ...) __attribute__((format(printf, 7, 8)));

    // A small number that stands for the object in every record of this machine: traces never show an address.
    std::uint32_t id_of(const void* object);
    // The object at this address is a new one from now on.
    void forget(const void* object);

private:
    struct Ring {
        RawLock lock;
        std::vector<TraceRecord> records;  // L: lock
    };
    const std::size_t capacity_;
    Atomic<std::uint32_t> enabled_{0};
    Atomic<std::uint64_t> sequence_{0};
    Atomic<std::uint64_t> lost_{0};
    std::vector<std::unique_ptr<Ring>> rings_;
    RawLock ids_lock_;
    std::unordered_map<const void*, std::uint32_t> ids_;  // L: ids_lock_
    std::uint32_t next_id_ = 1;                           // L: ids_lock_
};

}  // namespace bottomhalf
