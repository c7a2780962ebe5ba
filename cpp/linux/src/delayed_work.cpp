// <linux/workqueue.h>: delayed items, and those that wait for a grace period.
#include "queueing.hpp"
#include "workqueue.hpp"

namespace bottomhalf::linux_api {

extern "C" {

void bh_linux_init_delayed_work(DelayedWork* dwork, WorkFunction func, std::uint32_t timer_flags) {
    take_back_before_init(dwork);
    new (dwork) DelayedWork(func, (timer_flags & kTimerDeferrable) != 0);
}
void bh_linux_init_rcu_work(RcuWork* rwork, WorkFunction func) { new (rwork) RcuWork(func); }

bool bh_linux_queue_delayed_work_on(int cpu, Workqueue* wq, DelayedWork* dwork, unsigned long delay) {
    return queueing("queue_delayed_work_on", [&] {
        return queue_delayed_work(deref(wq, "queue_delayed_work_on"), *dwork, delay, cpu_argument(cpu));
    });
}
bool bh_linux_mod_delayed_work_on(int cpu, Workqueue* wq, DelayedWork* dwork, unsigned long delay) {
    return queueing("mod_delayed_work_on", [&] {
        return mod_delayed_work(deref(wq, "mod_delayed_work_on"), *dwork, delay, cpu_argument(cpu));
    });
}
bool bh_linux_flush_delayed_work(DelayedWork* dwork) {
    return as_linux("flush_delayed_work", false,
                    [&] { return past_lockdep([&] { return flush_delayed_work(*dwork); }); });
}
bool bh_linux_cancel_delayed_work(DelayedWork* dwork) { return cancel_delayed_work(*dwork); }
bool bh_linux_cancel_delayed_work_sync(DelayedWork* dwork) {
    return taking_back(
        "cancel_delayed_work_sync", [&](bool* was) { cancel_delayed_work_sync(*dwork, kForever, was); },
        [&] { return cancel_delayed_work(*dwork); });
}
bool bh_linux_disable_delayed_work(DelayedWork* dwork) {
    return as_linux("disable_delayed_work", false, [&] { return disable_delayed_work(*dwork); });
}
bool bh_linux_disable_delayed_work_sync(DelayedWork* dwork) {
    return taking_back(
        "disable_delayed_work_sync", [&](bool* was) { disable_delayed_work_sync(*dwork, kForever, was); },
        [&] { return disable_delayed_work(*dwork); });
}
bool bh_linux_enable_delayed_work(DelayedWork* dwork) {
    return as_linux("enable_delayed_work", true, [&] { return enable_delayed_work(*dwork); });
}

bool bh_linux_queue_rcu_work(Workqueue* wq, RcuWork* rwork) {
    return queueing("queue_rcu_work", [&] { return queue_rcu_work(deref(wq, "queue_rcu_work"), *rwork); });
}
bool bh_linux_flush_rcu_work(RcuWork* rwork) {
    return as_linux("flush_rcu_work", false, [&] { return past_lockdep([&] { return flush_rcu_work(*rwork); }); });
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
