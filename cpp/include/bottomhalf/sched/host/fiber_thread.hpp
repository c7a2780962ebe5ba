// FiberThread: a thread that stands for a fiber: it runs when it gets the baton, and then nobody else does.
//
// Thread safety: go() by whoever has the baton, wait() by the thread itself.
#pragma once

#include <pthread.h>

#include <cstddef>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

class FiberThread {
public:
    // Stands for the calling thread.
    FiberThread() noexcept;
    // Runs main(arg) from its first go() on, and stands in for the calling thread meanwhile (lend_thread_number()).
    // Throws Error when the system refuses a thread.
    FiberThread(void (*main)(void*), void* arg, std::size_t stack);
    // A thread that was started is waiting; its wait() returns false, and it ends.
    ~FiberThread();
    FiberThread(const FiberThread&) = delete;
    FiberThread& operator=(const FiberThread&) = delete;

    void go() noexcept;
    bool wait() noexcept;
    // Is it a thread of this process? None survives a fork() but the one that calls it.
    bool alive() const noexcept;

private:
    static void* run(void* self);

    void (*main_)(void*) = nullptr;
    void* arg_ = nullptr;
    std::uint64_t number_ = 0;
    pthread_t thread_{};  // of one that was started
    const int process_;
    Atomic<std::uint32_t> baton_{0};
    Atomic<bool> ends_{false};
};

}  // namespace bottomhalf
