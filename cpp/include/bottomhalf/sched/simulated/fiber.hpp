// Fiber: a context of execution with a stack of its own, switched by hand (greenlets, Linux's own switch_to).
//
// A pooled fiber runs functions one after the other; between two of them it rests in its thread's pool. A native fiber
// stands for the stack that its thread came with. A switch carries the callee-saved registers, the floating point
// control words and the C++ exception state; AddressSanitizer and ThreadSanitizer are told.
//
// Where that cannot be done, or when the environment says BOTTOMHALF_FIBERS=threads, each fiber is a thread of its own
// (sched/host/fiber_thread), and a switch hands a baton over: slower by far, and otherwise the same.
//
// Thread safety: none. A fiber never leaves the thread that first ran it, or those that stand in for it.
#pragma once

#include <cstddef>
#include <memory>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

class FiberThread;
struct FiberPool;

class Fiber {
public:
    // Runs on the fiber and lets no exception out. Returns the fiber to switch to at its end; by then it has put its
    // own fiber back with release(), and may even return that one, when acquire() handed it out again.
    using Main = Fiber* (*)(void* arg);

    // Python's C recursion to its limit overruns 1 MB; only the pages that are touched cost memory.
    static constexpr std::size_t kStackSize = std::size_t{8} << 20;

    Fiber() noexcept;  // native: the calling thread's own stack
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // A fiber out of the thread's pool that runs main(arg) when it is first switched to. Throws Error when the system
    // refuses a stack.
    static Fiber& acquire(Main main, void* arg);
    // Gives a fiber back whose main is about to return, or never ran.
    static void release(Fiber& fiber) noexcept;
    // Leaves from (the calling fiber) and goes on in to. Returns when somebody switches back.
    static void switch_to(Fiber& from, Fiber& to) noexcept;
    // Is each fiber a thread of its own? The same for the whole life of the process.
    static bool on_threads() noexcept;
    // False: its thread was left behind by a fork(), and it cannot be switched to.
    bool usable() const noexcept;

private:
    struct Pooled {};
    explicit Fiber(Pooled);
    static void entry() noexcept;
    static void thread_entry(void* self);
    static bool hand_over(Fiber& from, Fiber& to) noexcept;
    void* initial_frame() noexcept;
    Fiber* run();

    // All fields are touched by the fiber's thread alone.
    void* sp_ = nullptr;            // of a fiber that does not run
    char* mapping_ = nullptr;       // null for native fibers: guard page, then the stack
    const void* bottom_ = nullptr;  // as AddressSanitizer counts: the lowest address of the stack
    std::size_t size_ = 0;
    void* fake_stack_ = nullptr;  // AddressSanitizer's, while the fiber does not run
    void* tsan_ = nullptr;
    void* caught_exceptions_ = nullptr;  // the two words of __cxa_eh_globals, while the fiber does not run
    unsigned uncaught_exceptions_ = 0;
    Main main_ = nullptr;
    void* arg_ = nullptr;
    Fiber* next_free_ = nullptr;
    FiberPool* pool_ = nullptr;            // where a pooled one rests
    std::unique_ptr<FiberThread> thread_;  // on_threads()
    Atomic<bool> handed_in_{false};  // what happened before acquire() happens before main, as with a thread's creation
    friend struct FiberPool;
};

}  // namespace bottomhalf
