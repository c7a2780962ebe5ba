// What belongs to the thread that made it: machines and their checkers may outlive their threads, and be destroyed by
// others.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bottomhalf/base/raw_lock.hpp"

namespace bottomhalf {

// A number that no other thread of the process has or had; never 0.
std::uint64_t thread_number() noexcept;

// All living T, for the thread that made them to find its own.
//
// Thread safety: every member may be called from any thread. Who finds an object may use it: only its own thread looks
// for it, and another one destroys it only when that thread no longer can.
template <class T>
class ThreadsOwn {
public:
    static ThreadsOwn& instance() {
        static ThreadsOwn* all = new ThreadsOwn;  // outlives every thread
        return *all;
    }
    void add(T& object) {
        RawGuard guard(lock_);
        all_.push_back({&object, thread_number()});
    }
    void remove(T& object) noexcept {
        RawGuard guard(lock_);
        std::erase_if(all_, [&](const Entry& entry) { return entry.object == &object; });
    }
    // f(T&) for each of the calling thread's; it must not add or remove any.
    template <class F>
    void for_each_of_mine(F&& f) {
        RawGuard guard(lock_);
        const std::uint64_t me = thread_number();
        for (const Entry& entry : all_)
            if (entry.thread == me) f(*entry.object);
    }

private:
    struct Entry {
        T* object;
        std::uint64_t thread;
    };
    ThreadsOwn() {
        // The child's only thread may be another than the one that was here.
        pthread_atfork([] { instance().lock_.lock(); }, [] { instance().lock_.unlock(); },
                       [] { instance().lock_.unlock(); });
    }

    RawLock lock_;
    std::vector<Entry> all_;  // L
};

}  // namespace bottomhalf
