/* Every name that the founding documents use and that Linux has, each used as they use it. The forms of before 2.6.20
 * and 5.9 are in old_forms_in_c.c. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/param.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "check.h"

struct driver {
    char name[16];
    atomic_t runs;
    atomic_long_t bytes;
    struct list_head list;
    spinlock_t lock;
    struct completion done;
    wait_queue_head_t waiters;
    bool woken;
    struct work_struct work;
    struct delayed_work late;
    struct timer_list timer;
    struct tasklet_struct tasklet;
};

static void on_work(struct work_struct *work) {
    struct driver *d = container_of(work, struct driver, work);
    work_func_t again = on_work;
    if (work->func != again || in_interrupt()) return;
    spin_lock(&d->lock);
    atomic_long_set(&d->bytes, atomic_long_read(&d->bytes) + (long)sizeof(*d));
    spin_unlock(&d->lock);
    atomic_inc(&d->runs);
    complete(&d->done);
}
static void on_late(struct work_struct *work) {
    struct driver *d = container_of(work, struct driver, late.work);
    atomic_inc(&d->runs);
    d->woken = true;
    wake_up_interruptible(&d->waiters);
}
static void on_tasklet(unsigned long data) {
    struct driver *d = (struct driver *)data;
    if (in_interrupt()) atomic_inc(&d->runs);
}
static DECLARE_WORK(declared, NULL);
static DECLARE_DELAYED_WORK(declared_late, NULL);
static void by_callback(struct tasklet_struct *t) { (void)t; }
static DECLARE_TASKLET(declared_tasklet, by_callback);
static DECLARE_TASKLET_DISABLED(declared_disabled, by_callback);

int exported_for_the_test = 1;
EXPORT_SYMBOL(exported_for_the_test);

static int setup(struct driver *d) {
    memset(d, 0, sizeof(*d));
    strcpy(d->name, "driver");
    strncpy(d->name, "name", sizeof(d->name) - 1);
    memcpy(d->name + 4, "s", 2);
    atomic_set(&d->runs, 0);
    INIT_LIST_HEAD(&d->list);
    spin_lock_init(&d->lock);
    init_completion(&d->done);
    init_waitqueue_head(&d->waiters);
    INIT_WORK(&d->work, on_work);
    INIT_DELAYED_WORK(&d->late, on_late);
    tasklet_init(&d->tasklet, on_tasklet, (unsigned long)d);
    return strcmp(d->name, "names");
}

static int run(struct driver *d, struct workqueue_struct *wq) {
    unsigned long start = jiffies;
    int runs = 0;
    CHECK(queue_work(wq, &d->work));
    wait_for_completion(&d->done);
    flush_workqueue(wq);
    CHECK(atomic_read(&d->runs) == ++runs && atomic_long_read(&d->bytes) == (long)sizeof(*d));
    CHECK(queue_work_on(0, wq, &d->work));
    flush_work(&d->work);
    CHECK(schedule_work(&d->work) && (flush_work(&d->work), true));
    CHECK(schedule_work_on(1, &d->work) && (flush_work(&d->work), true));
    CHECK(atomic_read(&d->runs) == (runs += 3));
    CHECK(queue_delayed_work(wq, &d->late, msecs_to_jiffies(1)));
    CHECK(wait_event_interruptible(d->waiters, d->woken) == 0);
    flush_delayed_work(&d->late);
    CHECK(queue_delayed_work_on(1, wq, &d->late, HZ) && cancel_delayed_work(&d->late));
    CHECK(schedule_delayed_work(&d->late, HZ) && cancel_delayed_work_sync(&d->late));
    CHECK(schedule_delayed_work_on(1, &d->late, HZ) && cancel_delayed_work_sync(&d->late));
    CHECK(d->late.wq == NULL || d->late.cpu >= 0);
    CHECK(!d->late.timer.entry.link && atomic_read(&d->runs) == ++runs);
    CHECK(!cancel_work(&d->work) && !cancel_work_sync(&d->work));
    tasklet_disable_nosync(&d->tasklet);
    tasklet_schedule(&d->tasklet);
    tasklet_enable(&d->tasklet);
    tasklet_kill(&d->tasklet);
    tasklet_hi_schedule(&d->tasklet);
    tasklet_kill(&d->tasklet);
    tasklet_disable(&d->tasklet);
    CHECK(atomic_read(&d->tasklet.count) == 1 && d->tasklet.data == (unsigned long)d && d->tasklet.func == on_tasklet);
    tasklet_enable(&d->tasklet);
    CHECK(d->tasklet.next == NULL && !test_bit(TASKLET_STATE_SCHED, &d->tasklet.state));
    CHECK(atomic_read(&d->runs) == runs + 2);
    msleep(1);
    CHECK(time_after_eq(jiffies, start));
    return 0;
}

int c_founding_names(void);
int c_founding_names(void) {
    struct driver *d = kmalloc(sizeof(*d), GFP_KERNEL);
    struct workqueue_struct *queues[] = {
        create_workqueue("created"),
        create_singlethread_workqueue("single"),
        alloc_workqueue("allocated", WQ_UNBOUND | WQ_MEM_RECLAIM, 0),
        alloc_workqueue("urgent", WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_FREEZABLE, 1),
        alloc_ordered_workqueue("ordered", WQ_MEM_RECLAIM),
    };
    if (!d) return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(queues); ++i) {
        int line;
        CHECK(queues[i] != NULL && setup(d) == 0);
        line = run(d, queues[i]);
        if (line != 0) return line;
        destroy_workqueue(queues[i]);
    }
    CHECK(system_wq != NULL && declared.func == NULL && declared_late.work.func == NULL);
    CHECK(declared_tasklet.callback == by_callback && atomic_read(&declared_disabled.count) == 1);
    printk(KERN_INFO "%s: %d %s on CPU %d, line %d\n", __func__, current->pid, current->comm, smp_processor_id(),
           __LINE__);
    pr_info("%s\n", __FUNCTION__);
    pr_err("done\n");
    kfree(d);
    return exported_for_the_test == 1 ? 0 : __LINE__;
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
int c_flush_scheduled_work(void);
int c_flush_scheduled_work(void) {
    flush_scheduled_work(); /* warns, at compile time and in the log */
    return 0;
}
