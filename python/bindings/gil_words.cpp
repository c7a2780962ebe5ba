#include "gil_words.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "bottomhalf/sched/host/factory.hpp"

namespace bh_python {

namespace {

// The GIL is a mutex and a condition variable for "it is free", and another pair for "another thread has it now", all
// in one structure of some 200 bytes. Who waits sleeps on words of the first condition variable nearly always; seldom,
// for moments, on one of the others that lie behind it.
constexpr std::uintptr_t kBefore = 64, kBehind = 192;
std::atomic<std::uintptr_t> g_low{0}, g_high{0};

struct Learner {
    PyThreadState* state;
    std::atomic<int> tid{0};
};

void* wait_for_gil(void* argument) {
    auto& learner = *static_cast<Learner*>(argument);
    learner.tid.store(static_cast<int>(syscall(SYS_gettid)));
    PyEval_RestoreThread(learner.state);
    PyThreadState_Clear(learner.state);
    PyThreadState_DeleteCurrent();
    return nullptr;
}

double seconds() noexcept {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

}  // namespace

// GIL: held here, so a thread that wants it waits for it, and for nothing else.
void learn_gil_words() {
    if (g_high.load() != 0) return;
    Learner learner{PyThreadState_New(PyInterpreterState_Get())};
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, nullptr, wait_for_gil, &learner);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
        PyThreadState_Clear(learner.state);
        PyThreadState_Delete(learner.state);
        return;
    }
    constexpr int kEnough = 8;
    constexpr double kPatience = 0.02;
    std::uintptr_t low = UINTPTR_MAX, high = 0;
    const double end = seconds() + kPatience;
    for (int seen = 0; seen < kEnough && seconds() < end;) {
        const int tid = learner.tid.load();
        const std::uintptr_t word = tid != 0 ? bottomhalf::futex_waited_for(tid) : 0;
        if (word == 0) {
            sched_yield();
            continue;
        }
        if (seen != 0 && (word + kBehind < low || word > high + kBehind)) {
            // On its way there it has waited for something else.
            low = UINTPTR_MAX;
            high = 0;
            seen = 0;
        }
        low = std::min(low, word);
        high = std::max(high, word);
        ++seen;
    }
    Py_BEGIN_ALLOW_THREADS;
    pthread_join(thread, nullptr);
    Py_END_ALLOW_THREADS;
    if (high == 0) return;
    g_low.store(low - kBefore);
    g_high.store(high + kBehind);
}

bool is_gil_word(std::uintptr_t address) noexcept {
    return address >= g_low.load(std::memory_order_relaxed) && address < g_high.load(std::memory_order_relaxed);
}

}  // namespace bh_python
