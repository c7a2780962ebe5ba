/* Objects that are set up again while the engine holds them. */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "check.h"

static struct completion started, go;
static atomic_t runs = ATOMIC_INIT(0), fires = ATOMIC_INIT(0);
static void hold(struct work_struct *work) {
    (void)work;
    complete(&started);
    wait_for_completion(&go);
}
static void count(struct work_struct *work) {
    (void)work;
    atomic_inc(&runs);
}
static void fired(struct timer_list *t) {
    (void)t;
    atomic_inc(&fires);
}

int c_init_of_what_is_active(void);
int c_init_of_what_is_active(void) {
    struct workqueue_struct *wq = alloc_ordered_workqueue("one", 0);
    struct work_struct blocker, first, middle, last;
    struct delayed_work late;
    struct timer_list timer;
    atomic_set(&runs, 0);
    atomic_set(&fires, 0);
    init_completion(&started);
    init_completion(&go);
    INIT_WORK(&blocker, hold);
    INIT_WORK(&first, count);
    INIT_WORK(&middle, count);
    INIT_WORK(&last, count);
    queue_work(wq, &blocker);
    wait_for_completion(&started);
    CHECK(queue_work(wq, &first) && queue_work(wq, &middle) && queue_work(wq, &last));
    INIT_WORK(&middle, count); /* queued: reports, and takes it back */
    CHECK(!work_pending(&middle) && work_pending(&first) && work_pending(&last));
    complete_all(&go);
    flush_workqueue(wq);
    CHECK(atomic_read(&runs) == 2);
    CHECK(queue_work(wq, &middle));
    flush_workqueue(wq);
    CHECK(atomic_read(&runs) == 3);

    INIT_DELAYED_WORK(&late, count);
    CHECK(queue_delayed_work(wq, &late, 1000 * HZ));
    INIT_DELAYED_WORK(&late, count); /* armed */
    CHECK(!delayed_work_pending(&late) && !cancel_delayed_work_sync(&late));
    timer_setup(&timer, fired, 0);
    mod_timer(&timer, jiffies + 1000 * HZ);
    timer_setup(&timer, fired, 0); /* armed */
    CHECK(!timer_pending(&timer));
    mod_timer(&timer, jiffies + 1);
    while (atomic_read(&fires) == 0) schedule_timeout_uninterruptible(1);
    timer_delete_sync(&timer);
    destroy_workqueue(wq);
    CHECK(atomic_read(&runs) == 3);
    return 0;
}
