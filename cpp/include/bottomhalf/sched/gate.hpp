// Gate: what a task must hold to run a callback of a host language. The GIL is the one gate there is.
//
// A gate belongs to the function, not to the object: all Python items share one trampoline, registered with its gate.
// The engine passes a gate before a batch of callbacks and leaves it before the task parks or turns to native work.
// It never waits for a gate while it holds an internal lock.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

struct Task;

class Gate {
public:
    virtual ~Gate() = default;
    virtual void enter(Task& self) = 0;
    virtual void leave(Task& self) = 0;
    // Between two callbacks of a batch, if somebody asks, and every now and then: gives way. now_and_then: whether
    // somebody asks or not.
    virtual void poll(Task& self, bool now_and_then) = 0;
    // A callback gave the gate up for a while, and has it again: its turn begins anew.
    virtual void regained(Task&) noexcept {}
    bool asked() const noexcept { return asked_->load(std::memory_order_relaxed) != 0; }
    // A short name for the callback's object, for traces and reports, without entering the gate. The object is alive.
    virtual void describe(const void* object, char* buffer, std::size_t size) = 0;
    // Tells the object's function from others: an address, not followed. Without entering; the object is alive.
    virtual const void* function_of(const void*) const noexcept { return nullptr; }
    // What objects of one function mostly have in common, and others never while both live: whoever saw the same mark
    // a moment ago need not ask for the function again. 0: has none. Inside the gate.
    std::uintptr_t mark_of(const void* object) const noexcept {
        return mark_at_ == 0 ? 0
                             : *reinterpret_cast<const std::uintptr_t*>(static_cast<const char*>(object) + mark_at_);
    }
    // Does a thread that waits for a futex at this address wait for this gate? Who waits for a gate is runnable, as far
    // as a pool is concerned: another worker behind the same gate would not help. Any thread, outside the gate.
    virtual bool waits_at(std::uintptr_t) const noexcept { return false; }
    // Is the task inside now? A hint for whoever only watches; the task is alive.
    virtual bool holds(const Task&) const noexcept { return true; }
    // Inside the gate: is this task between two callbacks, so that the object of the last one may be gone? Its
    // backtrace, innermost call last, a line each; state is its gate_state.
    virtual bool between(const Task&) { return false; }
    virtual void backtrace(const void* state, std::vector<std::string>& lines) {
        static_cast<void>(state);
        static_cast<void>(lines);
    }
    // The engine discards a queued object (halt, cancel) that nobody will run. Called outside all locks.
    virtual void dropped(void* object) = 0;

protected:
    // asked: A: not 0 while poll() has something to do; none: always.
    // mark_at: where the mark is, from the object's address on.
    explicit Gate(const Atomic<int>& asked = kAlways, std::ptrdiff_t mark_at = 0) noexcept
        : asked_(&asked), mark_at_(mark_at) {}
    static inline const Atomic<int> kAlways{1};

private:
    const Atomic<int>* const asked_;
    const std::ptrdiff_t mark_at_;
};

// Registers function as one that runs behind gate, for the life of the process. At most 16 functions.
void register_gate(void (*function)(), Gate* gate);

namespace detail {
struct GateTable {
    static constexpr unsigned kSlots = 16;
    std::uint64_t bloom = 0;  // written by register_gate before its functions are ever handed to the engine
    unsigned used = 0;
    void (*functions[kSlots])() = {};
    Gate* gates[kSlots] = {};
};
extern GateTable g_gate_table;
inline unsigned gate_hash(void (*function)()) noexcept {
    auto a = reinterpret_cast<std::uintptr_t>(function);
    return static_cast<unsigned>((a >> 4 ^ a >> 10) & 63);
}
Gate* gate_lookup(void (*function)()) noexcept;
}  // namespace detail

// Is a futex wait at this address a wait for some gate?
bool is_gate_wait(std::uintptr_t address) noexcept;

// The gate of a function, or null for native ones.
template <class F>
Gate* gate_of(F* function) noexcept {
    auto f = reinterpret_cast<void (*)()>(function);
    if ((detail::g_gate_table.bloom >> detail::gate_hash(f) & 1) == 0) return nullptr;
    return detail::gate_lookup(f);
}

// What the object of a callback is called, for reports: what its gate (null: none) says.
std::string describe_callback(Gate* gate, const void* object);

// Holds a gate across a batch of callbacks and leaves it at the end of the scope.
class GatePass {
public:
    explicit GatePass(Task& self) noexcept : self_(self) {}
    ~GatePass() { want(nullptr); }
    GatePass(const GatePass&) = delete;
    GatePass& operator=(const GatePass&) = delete;
    // The next callback needs this gate (null: none).
    void want(Gate* gate) {
        if (gate == held_) {
            poll();
            return;
        }
        if (held_ != nullptr) held_->leave(self_);
        held_ = gate;
        if (gate != nullptr) gate->enter(self_);
    }
    // Between two callbacks.
    void poll() {
        if (held_ == nullptr) return;
        const bool now_and_then = ++polls_ % kNowAndThen == 0;
        if (now_and_then || held_->asked()) [[unlikely]]
            held_->poll(self_, now_and_then);
    }
    void regained() noexcept {
        if (held_ != nullptr) held_->regained(self_);
    }
    Gate* held() const noexcept { return held_; }

private:
    static constexpr unsigned kNowAndThen = 256;
    Task& self_;
    Gate* held_ = nullptr;
    unsigned polls_ = 0;
};

}  // namespace bottomhalf
