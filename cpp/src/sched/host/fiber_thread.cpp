#include "bottomhalf/sched/host/fiber_thread.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "bottomhalf/base/error.hpp"
#include "bottomhalf/base/thread_number.hpp"
#include "bottomhalf/sched/host/stall_watch.hpp"

namespace bottomhalf {

FiberThread::FiberThread() noexcept : process_(getpid()) {}

FiberThread::FiberThread(void (*main)(void*), void* arg, std::size_t stack)
    : main_(main), arg_(arg), number_(thread_number()), process_(getpid()) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    // With the signals of the calling thread, for which it stands.
    const int error = pthread_create(&thread_, &attributes, &FiberThread::run, this);
    pthread_attr_destroy(&attributes);
    if (error != 0) throw Error(std::string("cannot create a thread for a simulated task: ") + std::strerror(error));
    pthread_setname_np(thread_, "bh-fiber");
}

FiberThread::~FiberThread() {
    if (main_ == nullptr || !alive()) return;
    ends_.store(true);
    go();
    pthread_join(thread_, nullptr);
}

bool FiberThread::alive() const noexcept { return process_ == getpid(); }

void* FiberThread::run(void* self) {
    FiberThread& me = *static_cast<FiberThread*>(self);
    lend_thread_number(me.number_);
    if (me.wait()) me.main_(me.arg_);
    return nullptr;
}

void FiberThread::go() noexcept {
    baton_.raw().store(1);
    syscall(SYS_futex, &baton_.raw(), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

bool FiberThread::wait() noexcept {
    while (baton_.raw().exchange(0) == 0) syscall(SYS_futex, &baton_.raw(), FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
    if (ends_.raw().load()) return false;
    stall_watch::executes_here();
    return true;
}

}  // namespace bottomhalf
