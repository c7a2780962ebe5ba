// <linux/completion.h> and <linux/semaphore.h>: a semaphore is a completion that begins with a count.
#include <cerrno>

#include "glue.hpp"
#include "layout_probe.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr long kRestart = -512;  // -ERESTARTSYS

// Consumes an event, or returns how it ended without one.
WaitResult consume(Completion& x, long timeout, const char* call) {
    Task& self = me();
    try {
        return x.wait(self, sleep_deadline(here(), timeout), call);
    } catch (const SchedulingWhileAtomic&) {
        report_atomic(self, call);
        if (x.try_wait()) return WaitResult::ok;
        throw;
    }
}

long timed(Completion* x, unsigned long timeout, const char* call, bool interruptible) {
    Domain& domain = here();
    const long limit = timeout > static_cast<unsigned long>(INT64_MAX) ? INT64_MAX : static_cast<long>(timeout);
    const Nanoseconds deadline = sleep_deadline(domain, limit);
    switch (consume(usable(x, call), limit, call)) {
        case WaitResult::timeout:
            return 0;
        case WaitResult::interrupted:
            if (interruptible) return kRestart;
            throw Interrupted(std::string(call) + ": interrupted by a signal");
        default:
            break;
    }
    const long left = jiffies_left(domain, deadline);
    return left > 0 ? left : 1;
}

void untimed(Completion* x, const char* call) { throw_unless_ok(consume(usable(x, call), INT64_MAX, call), call); }

}  // namespace

extern "C" {

Completion* bh_linux_init_completion(Completion* x) {
    order_forget(x);
    return new (x) Completion;
}
void bh_linux_reinit_completion(Completion* x) { usable(x, "reinit_completion").reinit(); }
void bh_linux_complete(Completion* x) { usable(x, "complete").complete(); }
void bh_linux_complete_all(Completion* x) { usable(x, "complete_all").complete_all(); }
void bh_linux_wait_for_completion(Completion* x) { untimed(x, "wait_for_completion"); }
int bh_linux_wait_for_completion_interruptible(Completion* x) {
    const char* call = "wait_for_completion";
    return consume(usable(x, call), INT64_MAX, call) == WaitResult::ok ? 0 : static_cast<int>(kRestart);
}
unsigned long bh_linux_wait_for_completion_timeout(Completion* x, unsigned long timeout) {
    return static_cast<unsigned long>(timed(x, timeout, "wait_for_completion", false));
}
long bh_linux_wait_for_completion_interruptible_timeout(Completion* x, unsigned long timeout) {
    return timed(x, timeout, "wait_for_completion", true);
}
bool bh_linux_try_wait_for_completion(Completion* x) { return usable(x, "try_wait_for_completion").try_wait(); }
bool bh_linux_completion_done(Completion* x) {
    poll();
    return usable(x, "completion_done").done();
}

void bh_linux_sema_init(Completion* sem, int count) {
    bh_linux_init_completion(sem);
    LayoutProbe::set_done(*sem, static_cast<std::uint32_t>(count));
}
void bh_linux_down(Completion* sem) { untimed(sem, "down"); }
int bh_linux_down_interruptible(Completion* sem) {
    return consume(usable(sem, "down"), INT64_MAX, "down") == WaitResult::ok ? 0 : -EINTR;
}
int bh_linux_down_trylock(Completion* sem) { return usable(sem, "down_trylock").try_wait() ? 0 : 1; }
int bh_linux_down_timeout(Completion* sem, long timeout) {
    return consume(usable(sem, "down_timeout"), timeout < 0 ? 0 : timeout, "down_timeout") == WaitResult::ok ? 0
                                                                                                             : -ETIME;
}
void bh_linux_up(Completion* sem) { usable(sem, "up").complete(); }

}  // extern "C"

}  // namespace bottomhalf::linux_api
