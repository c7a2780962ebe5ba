// Shared<T>: a variable that tasks and handlers share (Linux: any variable, watched by KCSAN).
//
// On a simulated machine each access is a preemption point, and two accesses that nothing orders, one of them a write,
// are a data race: the later one throws MisuseError("data-race"), which names both. The form with `release` and
// `acquire` in its name is the exception: what a flag is for (Linux: smp_store_release, smp_load_acquire). On the host
// it is a plain variable.
//
// Thread safety: as of a plain T.
#pragma once

#include <string>
#include <utility>

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

// The part that judges; whoever keeps the value asks it before each access.
class SharedAccess {
public:
    // A cell that is made on a simulated machine is watched from there on, whoever begins to run before its first use.
    SharedAccess();
    ~SharedAccess() { order_forget(this); }
    SharedAccess(const SharedAccess&) = delete;
    SharedAccess& operator=(const SharedAccess&) = delete;

    // CONTEXT: any. Throws MisuseError("data-race").
    void read(const char* cell, Place place) { before(Kind::read, cell, place); }
    void write(const char* cell, Place place) { before(Kind::write, cell, place); }
    // Never race among themselves, but with the two above.
    void load_acquire(const char* cell, Place place) { before(Kind::load_acquire, cell, place); }
    void store_release(const char* cell, Place place) { before(Kind::store_release, cell, place); }

private:
    enum class Kind : std::uint8_t { read, write, load_acquire, store_release };
    void before(Kind kind, const char* cell, Place place);

    AccessOrder::History history_;
};

// Where it is called, as a default argument too. Not std::source_location, which not every C++20 compiler has.
constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) noexcept { return {file, line}; }

template <class T>
class Shared {
public:
    explicit Shared(T value = {}, std::string name = "shared") : value_(std::move(value)), name_(std::move(name)) {}

    T get(Place from = here()) {
        access_.read(name_.c_str(), from);
        return value_;
    }
    void set(T value, Place from = here()) {
        access_.write(name_.c_str(), from);
        value_ = std::move(value);
    }
    T load_acquire(Place from = here()) {
        access_.load_acquire(name_.c_str(), from);
        return value_;
    }
    void store_release(T value, Place from = here()) {
        access_.store_release(name_.c_str(), from);
        value_ = std::move(value);
    }

private:
    T value_;
    const std::string name_;
    SharedAccess access_;
};

}  // namespace bottomhalf
