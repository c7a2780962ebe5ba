// <linux/interrupt.h>: tasklets.
#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

// The C struct tasklet_struct begins with the engine's tasklet; layout.cpp holds the two against each other.
struct CTasklet : Tasklet {
    bool use_callback = true;
    void (*func)(unsigned long) = nullptr;
    unsigned long data = 0;
};

Tasklets& tasklets() { return machine().tasklets(); }

// Where it may not sleep, the mistake is reported and it spins.
template <class Sleeps, class Spins>
void sleep_or_spin(const char* call, Sleeps&& sleeps, Spins&& spins) {
    as_linux(call, [&] {
        try {
            sleeps();
        } catch (const SchedulingWhileAtomic&) {
            report_atomic(me(), call);
            spins();
        }
    });
}

}  // namespace

extern "C" {

void bh_linux_tasklet_old(Tasklet* t) {
    const auto* whole = static_cast<CTasklet*>(t);
    whole->func(whole->data);
}
void bh_linux_tasklet_setup(CTasklet* t, void (*callback)(Tasklet*)) {
    new (t) CTasklet;
    t->callback = callback;
}
void bh_linux_tasklet_init(CTasklet* t, void (*func)(unsigned long), unsigned long data) {
    new (t) CTasklet;
    t->callback = bh_linux_tasklet_old;
    t->use_callback = false;
    t->func = func;
    t->data = data;
}
void bh_linux_tasklet_schedule(Tasklet* t) { tasklets().schedule(*t); }
void bh_linux_tasklet_hi_schedule(Tasklet* t) { tasklets().hi_schedule(*t); }
void bh_linux_tasklet_disable_nosync(Tasklet* t) { tasklets().disable_nosync(*t); }
int bh_linux_tasklet_trylock(Tasklet* t) { return tasklets().try_lock(*t) ? 1 : 0; }
void bh_linux_tasklet_unlock(Tasklet* t) { tasklets().unlock(*t); }
void bh_linux_tasklet_unlock_spin_wait(Tasklet* t) {
    Task& self = me();
    while (t->is_running()) here().substrate->relax(self);
}
void bh_linux_tasklet_unlock_wait(Tasklet* t) {
    sleep_or_spin(
        "tasklet_unlock_wait", [&] { tasklets().unlock_wait(*t); }, [&] { bh_linux_tasklet_unlock_spin_wait(t); });
}
void bh_linux_tasklet_disable_in_atomic(Tasklet* t) {
    tasklets().disable_nosync(*t);
    if (Tasklets::running_in(me()) != t) bh_linux_tasklet_unlock_spin_wait(t);
}
void bh_linux_tasklet_disable(Tasklet* t) {
    try {
        sleep_or_spin(
            "tasklet_disable", [&] { tasklets().disable(*t); }, [&] { bh_linux_tasklet_disable_in_atomic(t); });
    } catch (const DeadlockError&) {  // from its own callback: counted, as far as Linux would have come
        tasklets().disable_nosync(*t);
        throw;
    }
}
void bh_linux_tasklet_enable(Tasklet* t) {
    try {
        tasklets().enable(*t);
    } catch (const UnbalancedEnable&) {
        // Linux counts below zero without a word, and the tasklet does not run again before that is made good.
        t->count.fetch_sub(1);
    }
}
void bh_linux_tasklet_kill(Tasklet* t) {
    if (preempt::in_interrupt(me().preempt_count))
        log(here(), LogLevel::notice, "Attempt to kill tasklet from interrupt");
    as_linux("tasklet_kill", [&] { tasklets().kill(*t); });
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
