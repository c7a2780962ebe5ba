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
// The calling thread stands in for the one of that number, as long as it lives: it has its number, and what belongs to
// it. They never run at the same time. In the child of a fork() it has one of its own: the other one is not there.
void lend_thread_number(std::uint64_t number) noexcept;

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

// The calling thread's T, made at the first call and destroyed when the thread ends. One that stands in for another
// thread has that one's.
template <class T>
T& threads_one() {
    struct Mine {
        T one;
        Mine() { ThreadsOwn<T>::instance().add(one); }
        ~Mine() { ThreadsOwn<T>::instance().remove(one); }
    };
    struct Known {
        std::uint64_t number;
        T* one;
    };
    [[gnu::tls_model("initial-exec")]] thread_local constinit Known t_known{};
    const std::uint64_t number = thread_number();
    if (t_known.number != number) [[unlikely]] {
        T* found = nullptr;
        ThreadsOwn<T>::instance().for_each_of_mine([&](T& one) { found = &one; });
        if (found == nullptr) {
            thread_local Mine mine;
            found = &mine.one;
        }
        t_known = {number, found};
    }
    return *t_known.one;
}

}  // namespace bottomhalf
