/* What books of before 2.6.20, 4.15 and 5.9 print, with -DBOTTOMHALF_LEGACY_API. */
#define BOTTOMHALF_LEGACY_API
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wcast-function-type"
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
