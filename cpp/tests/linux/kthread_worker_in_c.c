/* Kthread workers, through <linux/kthread.h>. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "check.h"

struct counted {
    struct kthread_work work;
    struct kthread_delayed_work delayed;
    struct completion entered, go;
    int runs, again;
    struct task_struct *by;
};
static void count(struct kthread_work *work) {
    struct counted *c = container_of(work, struct counted, work);
    c->by = current;
    ++c->runs;
    if (c->again > 0) {
        --c->again;
        kthread_queue_work(work->worker, work);
    }
}
static void count_delayed(struct kthread_work *work) {
    ++container_of(work, struct counted, delayed.work)->runs;
}
static void stand(struct kthread_work *work) {
    struct counted *c = container_of(work, struct counted, work);
    complete(&c->entered);
    wait_for_completion(&c->go);
    ++c->runs;
    kthread_queue_work(work->worker, work); /* refused while somebody cancels it */
}
static void set_up(struct counted *c, kthread_work_func_t fn) {
    memset(c, 0, sizeof(*c));
    kthread_init_work(&c->work, fn);
    kthread_init_delayed_work(&c->delayed, count_delayed);
    init_completion(&c->entered);
    init_completion(&c->go);
}

static DEFINE_KTHREAD_WORKER(declared_worker);
static int declared_runs;
static void count_declared(struct kthread_work *work) {
    (void)work;
    ++declared_runs;
}
static DEFINE_KTHREAD_WORK(declared_work, count_declared);
static DEFINE_KTHREAD_DELAYED_WORK(declared_delayed, count_declared);

int c_kthread_workers(void);
int c_kthread_workers(void) {
    struct counted c, slow;
    struct task_struct *task;
    struct kthread_worker *worker = kthread_create_worker(0, "worker/%d", 7);
    CHECK(!IS_ERR(worker) && worker->task != NULL && strcmp(worker->task->comm, "worker/7") == 0);
    task = worker->task;
    set_up(&c, count);
    c.again = 2;
    CHECK(kthread_queue_work(worker, &c.work));
    kthread_flush_worker(worker);
    while (READ_ONCE(c.runs) < 3) msleep(1);
    kthread_flush_work(&c.work); /* idle: nothing */
    CHECK(c.runs == 3 && c.by == task);

    /* One item at a time, each once however often it was queued. */
    set_up(&slow, stand);
    set_up(&c, count);
    CHECK(kthread_queue_work(worker, &slow.work));
    wait_for_completion(&slow.entered);
    CHECK(kthread_queue_work(worker, &c.work) && !kthread_queue_work(worker, &c.work));
    CHECK(c.runs == 0);
    CHECK(kthread_cancel_work_sync(&c.work) && !kthread_cancel_work_sync(&c.work));
    CHECK(kthread_queue_work(worker, &c.work));
    complete_all(&slow.go);
    CHECK(!kthread_cancel_work_sync(&slow.work) || slow.runs > 0);
    kthread_flush_work(&c.work);
    CHECK(c.runs == 1 && slow.runs >= 1);
    kthread_cancel_work_sync(&slow.work);

    /* Delayed ones. */
    CHECK(kthread_queue_delayed_work(worker, &c.delayed, 2) && !kthread_queue_delayed_work(worker, &c.delayed, 1));
    while (READ_ONCE(c.runs) < 2) msleep(1);
    CHECK(!kthread_mod_delayed_work(worker, &c.delayed, 1000 * HZ)); /* it was idle */
    CHECK(kthread_mod_delayed_work(worker, &c.delayed, 2000 * HZ));
    CHECK(kthread_cancel_delayed_work_sync(&c.delayed) && !kthread_cancel_delayed_work_sync(&c.delayed));
    CHECK(kthread_queue_delayed_work(worker, &c.delayed, 1000 * HZ) && kthread_mod_delayed_work(worker, &c.delayed, 0));
    kthread_flush_work(&c.delayed.work);
    CHECK(c.runs == 3 && !timer_pending(&c.delayed.timer));
    CHECK(kthread_queue_work(worker, &c.work));
    kthread_destroy_worker(worker); /* what is queued runs before */
    CHECK(c.runs == 4);

    /* A worker of the module's own thread. */
    declared_runs = 0;
    task = kthread_run(kthread_worker_fn, &declared_worker, "declared");
    CHECK(!IS_ERR(task));
    CHECK(kthread_queue_work(&declared_worker, &declared_work));
    CHECK(kthread_queue_delayed_work(&declared_worker, &declared_delayed, 1));
    while (READ_ONCE(declared_runs) < 2) msleep(1);
    kthread_flush_worker(&declared_worker);
    kthread_stop(task);
    CHECK(declared_worker.task == NULL);
    declared_work.worker = declared_delayed.work.worker = NULL;

    worker = kthread_create_worker_on_cpu(1, 0, "bound/%d", 1);
    CHECK(!IS_ERR(worker));
    set_up(&c, count);
    kthread_queue_work(worker, &c.work);
    kthread_flush_work(&c.work);
    CHECK(c.runs == 1 && task_cpu(c.by) == 1);
    kthread_destroy_worker(worker);
    return 0;
}
