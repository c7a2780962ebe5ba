// <linux/sched.h>, <linux/delay.h>: sleeping by hand and by time.
#include "kthread.hpp"

#include <cerrno>

#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr std::uint32_t kInterruptible = 1, kUninterruptible = 2;
constexpr long kMaxTimeout = INT64_MAX;  // MAX_SCHEDULE_TIMEOUT

// Sleeps as announced until somebody wakes the task or the time is over. RETURNS: the time is over.
bool sleep_announced(Task& self, Nanoseconds deadline, const char* kind) {
    while (const std::uint32_t state = self.announced.load()) {
        const Wake wake = task_sleep(self, deadline, kind);
        if (wake == Wake::timeout) {
            self.announced.store(0);
            return true;
        }
        if (wake != Wake::interrupted) continue;
        self.announced.store(0);
        if ((state & kInterruptible) == 0) throw Interrupted(std::string(kind) + ": interrupted by a signal");
    }
    return false;
}

// Where sleeping is forbidden Linux complains and loses its way; here time passes and the caller goes on.
void burn_instead(Task& self, const char* call, Nanoseconds duration) {
    report_atomic(self, call);
    self.announced.store(0);
    if (duration > 0 && duration != kForever) here().substrate->burn(self, duration);
}

long sleep_for(long timeout, std::uint32_t state, const char* call) {
    Task& self = me();
    Domain& domain = here();
    if (state != 0) self.announced.store(state);
    if (timeout < 0) {
        log(domain, LogLevel::err, "schedule_timeout: wrong timeout value " + std::to_string(timeout));
        self.announced.store(0);
        return 0;
    }
    const Nanoseconds deadline = sleep_deadline(domain, timeout);
    try {
        if (self.announced.load() == 0)
            domain.substrate->yield(self);  // not asleep: it only gives way
        else
            sleep_announced(self, deadline, call);
    } catch (const SchedulingWhileAtomic&) {
        burn_instead(self, call, deadline == kForever ? 0 : deadline - domain.now());
        return 0;
    }
    return timeout == kMaxTimeout ? kMaxTimeout : jiffies_left(domain, deadline);
}

}  // namespace

Nanoseconds sleep_deadline(Domain& domain, long timeout) {
    if (timeout < 0 || timeout == kMaxTimeout) return kForever;
    const Jiffies now = domain.jiffies();
    const auto delay = static_cast<Jiffies>(timeout);
    if (delay >= kMaxJiffyOffset) return kForever;
    Jiffies fires = 0;
    static_cast<void>(TimerWheel(domain.hz, now).bucket_of(now + delay, fires));
    return jiffies_to_ns(fires, domain.hz);
}

long jiffies_left(Domain& domain, Nanoseconds deadline) {
    if (deadline == kForever) return kMaxTimeout;
    const Nanoseconds left = deadline - domain.now();
    return left > 0 ? static_cast<long>(ns_to_jiffies(left, domain.hz)) : 0;
}

extern "C" {

Task* bh_linux_current() { return &me(); }
void bh_linux_set_current_state(std::uint32_t state) { me().announced.store(state); }
std::uint32_t bh_linux_get_current_state() { return me().announced.load(); }

void bh_linux_schedule() { sleep_for(kMaxTimeout, 0, "schedule"); }
long bh_linux_schedule_timeout(long timeout) { return sleep_for(timeout, 0, "schedule_timeout"); }
long bh_linux_schedule_timeout_interruptible(long timeout) {
    return sleep_for(timeout, kInterruptible, "schedule_timeout");
}
long bh_linux_schedule_timeout_uninterruptible(long timeout) {
    return sleep_for(timeout, kUninterruptible, "schedule_timeout");
}
int bh_linux_wake_up_process(Task* task) {
    order_release(task);
    explore_point(here());
    const int woken = wake_kthread(here(), &deref(task, "wake_up_process"));
    if (woken >= 0) return woken;
    const bool slept = task->announced.exchange(0) != 0;
    here().substrate->wake(*task);
    return slept ? 1 : 0;
}
int bh_linux_cond_resched() {
    Task& self = me();
    if (self.preempt_count == 0 && self.irqs_off == 0) here().substrate->yield(self);
    return 0;
}
void bh_linux_yield() { bh_linux_cond_resched(); }
int bh_linux_signal_pending(Task* task) {
    Task& self = me();
    return task == &self && self.interrupter != nullptr && self.interrupter->pending() ? 1 : 0;
}
int bh_linux_set_cpus_allowed_ptr(Task* task, const CpuMask* mask) {
    if (mask->empty()) return -EINVAL;
    if (mask->count() != 1) return 0;
    const unsigned cpu = mask->first();
    if (cpu >= here().nr_cpus || !here().online(cpu)) return -EINVAL;
    bind_task(here(), *task, static_cast<int>(cpu));
    return 0;
}

void bh_linux_might_sleep(const char* file, int line) {
    Task& self = me();
    if (self.preempt_count == 0 && self.irqs_off == 0) return;
    Domain& domain = here();
    log(domain, LogLevel::err,
        std::string("BUG: sleeping function called from invalid context at ") + file + ":" + std::to_string(line));
    log(domain, LogLevel::err,
        "in_atomic(): " + std::to_string(self.preempt_count != 0) +
            ", irqs_disabled(): " + std::to_string(self.irqs_off != 0) +
            ", non_block: 0, pid: " + std::to_string(self.pid.load()) + ", name: " + self.name);
}

void bh_linux_msleep(unsigned msecs) {
    Task& self = me();
    Domain& domain = here();
    long timeout = static_cast<long>(msecs_to_jiffies(msecs, domain.hz));
    while (timeout > 0) {
        const std::uint32_t atomic = self.preempt_count | self.irqs_off;
        timeout = sleep_for(timeout, kUninterruptible, "msleep");
        if (atomic != 0) return;
    }
}
unsigned long bh_linux_msleep_interruptible(unsigned msecs) {
    Domain& domain = here();
    const long left =
        sleep_for(static_cast<long>(msecs_to_jiffies(msecs, domain.hz)), kInterruptible, "msleep_interruptible");
    return jiffies_to_msecs(static_cast<Jiffies>(left), domain.hz);
}
void bh_linux_usleep_range(unsigned long min, unsigned long) {
    Task& self = me();
    Domain& domain = here();
    const Nanoseconds duration = static_cast<Nanoseconds>(min) * kMicrosecond;
    self.announced.store(kUninterruptible);
    try {
        sleep_announced(self, domain.now() + duration, "usleep_range");
    } catch (const SchedulingWhileAtomic&) {
        burn_instead(self, "usleep_range", duration);
    }
}
void bh_linux_ndelay(unsigned long nsecs) {
    if (nsecs != 0) here().substrate->burn(me(), static_cast<Nanoseconds>(nsecs));
}
void bh_linux_cpu_relax() { here().substrate->relax(me()); }

}  // extern "C"

}  // namespace bottomhalf::linux_api
