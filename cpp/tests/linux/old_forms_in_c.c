/* What books of before 2.6.20, 4.15 and 5.9 print, with -DBOTTOMHALF_LEGACY_API. */
#define BOTTOMHALF_LEGACY_API
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wcast-function-type"
#pragma GCC diagnostic ignored "-Wattribute-warning"
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "check.h"

static int value = 7;
static int work_sum, tasklet_sum;
static DECLARE_COMPLETION(timer_fired);

static void old_work(void *data) { work_sum += *(int *)data; }
static void old_tasklet(unsigned long data) { tasklet_sum += (int)data; }
static void old_timer(unsigned long data) { complete((struct completion *)data); }

static DECLARE_WORK(declared, old_work, &value);
DECLARE_WORK(visible, old_work, &value);
static DECLARE_TASKLET(declared_tasklet, old_tasklet, 42);

/* Until 2.6.20 a work_struct could be queued with a delay. */
static void current_form(struct work_struct *work) {
    (void)work;
    work_sum += 100;
}
int c_old_delays(void);
int c_old_delays(void) {
    struct workqueue_struct *wq = create_singlethread_workqueue("old");
    struct work_struct old, mixed;
    struct delayed_work modern;
    work_sum = 0;
    INIT_WORK(&old, old_work, &value);
    INIT_WORK(&mixed, current_form);
    INIT_DELAYED_WORK_DEFERRABLE(&modern, current_form);
    CHECK(schedule_delayed_work(&old, 1) && !schedule_delayed_work(&old, 1));
    CHECK(queue_delayed_work(wq, &mixed, 1000 * HZ) && !queue_delayed_work(wq, &mixed, 1));
    CHECK(cancel_delayed_work(&mixed) && !cancel_delayed_work(&mixed));
    CHECK(queue_delayed_work(wq, &mixed, 0));
    flush_workqueue(wq);
    CHECK(work_sum % 100 == 0 ? work_sum == 100 : work_sum == 107);
    while (READ_ONCE(work_sum) != 107) msleep(1);
    cancel_rearming_delayed_work(&old);
    CHECK(queue_delayed_work_on(1, wq, &modern, 1000 * HZ) && delayed_work_pending(&modern));
    CHECK(cancel_delayed_work_sync(&modern) && !cancel_delayed_work(&modern));
    CHECK(schedule_delayed_work_on(1, &modern, 0));
    flush_delayed_work(&modern);
    CHECK(work_sum == 207);
    destroy_workqueue(wq);
    return 0;
}

int c_old_forms(void);
int c_old_forms(void) {
    struct workqueue_struct *wq = create_workqueue("old");
    struct work_struct initialised;
    struct timer_list timer;
    work_sum = tasklet_sum = 0;
    INIT_WORK(&initialised, old_work, &value);
    CHECK(queue_work(wq, &declared) && queue_work(wq, &visible) && queue_work(wq, &initialised));
    flush_workqueue(wq);
    CHECK(work_sum == 3 * 7);
    destroy_workqueue(wq);
    local_bh_disable();
    tasklet_schedule(&declared_tasklet);
    local_bh_enable();
    tasklet_kill(&declared_tasklet);
    CHECK(tasklet_sum == 42);
    reinit_completion(&timer_fired);
    setup_timer(&timer, old_timer, (unsigned long)&timer_fired);
    mod_timer(&timer, jiffies + 2);
    wait_for_completion(&timer_fired);
    CHECK(del_timer_sync(&timer) == 0 && del_timer(&timer) == 0);
    return 0;
}
