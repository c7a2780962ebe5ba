// Watcher: sees from outside what a thread does: whether it runs, sleeps in the kernel, or waits for a gate.
//
// The host substrate makes one (its eyes are /proc, perf's switch records and the threads' CPU clocks); the workqueue
// floor's monitor is its one user and owns its thread. A simulated machine needs none: there nobody sleeps unannounced.
#pragma once

#include <cstdint>
#include <string>

#include "bottomhalf/sched/jiffies.hpp"

namespace bottomhalf {

// How a pool learns that a worker has blocked without saying so. Best first.
enum class Detection : std::uint8_t {
    automatic,       // the best that the system permits
    switch_records,  // perf tells of every switch; /proc, why
    sampling,        // a look at /proc every now and then
    budget,          // it has used no CPU time for too long
    hooks,           // only who says so
};
const char* detection_name(Detection means) noexcept;

// What one look shows. Two looks with the same mark, a little apart: the thread sleeps in one and the same call.
struct Sight {
    enum class State : std::uint8_t { running, blocked, unknown };
    State state = State::unknown;
    std::uintptr_t word = 0;  // it waits for this word, when it waits for a futex
    std::uint64_t mark = 0;
};

class Watcher {
public:
    virtual ~Watcher() = default;
    virtual Detection means() const noexcept = 0;

    // The rest is the monitor's alone, but for notify(). Threads go by their id in the system: a thread that is gone
    // is seen as unknown, never mistaken for another while this watcher has looked at it before.
    virtual Sight look(int tid) noexcept = 0;
    // CPU time that the thread has used, or -1. CONTEXT: any.
    virtual Nanoseconds cpu_time(int tid) noexcept = 0;
    // The next switch of that thread ends wait(); those behind it are not told. False: there are no records of it.
    virtual bool attach(int tid) noexcept = 0;
    // No thread's switches are told any more, until it is attached again.
    virtual void mute_all() noexcept = 0;
    // And none of them is recorded: a switch of a thread with records takes a microsecond or two longer, heard or not.
    // To attach it again takes a hundred.
    virtual void detach_all() noexcept = 0;
    // Sleeps until notify(), a switch record, or that long (kForever: no limit). True: there was a switch.
    virtual bool wait(Nanoseconds duration) noexcept = 0;
    // Sleeps that long; a notify() meanwhile does not end it, and costs its caller nothing, but the next wait() does
    // not sleep.
    virtual void doze(Nanoseconds duration) noexcept = 0;
    // CONTEXT: any; internal locks may be held.
    virtual void notify() noexcept = 0;
};

}  // namespace bottomhalf
