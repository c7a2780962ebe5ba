// The functions behind <linux/workqueue.h> and <linux/timer.h> that other files here call.
#pragma once

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

extern "C" {
void bh_linux_init_work(Work* work, WorkFunction func);
bool bh_linux_queue_work_on(int cpu, Workqueue* wq, Work* work);
bool bh_linux_cancel_work_sync(Work* work);
bool bh_linux_queue_delayed_work_on(int cpu, Workqueue* wq, DelayedWork* dwork, unsigned long delay);
bool bh_linux_cancel_delayed_work_sync(DelayedWork* dwork);
void bh_linux_timer_setup(Timer* timer, void (*function)(Timer*), unsigned flags);
}

// Setting up again what is queued or armed would tear the engine's lists: it is taken back before, and reported as
// Linux's debug objects do. The memory may hold anything. CONTEXT: any.
void take_back_before_init(Work* work);
void take_back_before_init(DelayedWork* dwork);
void take_back_before_init(Timer* timer);

}  // namespace bottomhalf::linux_api
