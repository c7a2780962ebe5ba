/* Items and workqueues through <linux/workqueue.h>. */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "check.h"

struct holder {
    int before;
    struct work_struct work;
    struct delayed_work late;
    struct completion started, go;
    atomic_t runs;
    int cpu;
};

static atomic_t plain_runs = ATOMIC_INIT(0);
static void plain(struct work_struct *work) {
    (void)work;
    atomic_inc(&plain_runs);
}
static void note(struct work_struct *work) {
    struct holder *h = container_of(work, struct holder, work);
    h->cpu = smp_processor_id();
    atomic_inc(&h->runs);
}
static void hold(struct work_struct *work) {
    struct holder *h = container_of(work, struct holder, work);
    complete(&h->started);
    wait_for_completion(&h->go);
    atomic_inc(&h->runs);
}
static void late(struct work_struct *work) {
    struct holder *h = container_of(to_delayed_work(work), struct holder, late);
    atomic_inc(&h->runs);
}
static void init_holder(struct holder *h, work_func_t func) {
    INIT_WORK(&h->work, func);
    INIT_DELAYED_WORK(&h->late, late);
    init_completion(&h->started);
    init_completion(&h->go);
    atomic_set(&h->runs, 0);
    h->cpu = -1;
}

static DECLARE_WORK(static_work, plain);
static DECLARE_DELAYED_WORK(static_late, plain);
static DECLARE_DEFERRABLE_WORK(static_deferrable, plain);

int c_static_items_run(void);
int c_static_items_run(void) {
    atomic_set(&plain_runs, 0);
    CHECK(schedule_work(&static_work));
    CHECK(flush_work(&static_work) || atomic_read(&plain_runs) == 1);
    CHECK(atomic_read(&plain_runs) == 1);
    CHECK(schedule_delayed_work(&static_late, 1000 * HZ));
    CHECK(delayed_work_pending(&static_late) && !schedule_delayed_work(&static_late, 1));
    CHECK(cancel_delayed_work(&static_late) && !delayed_work_pending(&static_late));
    CHECK(schedule_delayed_work_on(1, &static_deferrable, 1000 * HZ));
    CHECK(mod_delayed_work(system_wq, &static_deferrable, 0));
    flush_delayed_work(&static_deferrable);
    CHECK(atomic_read(&plain_runs) == 2);
    return 0;
}

int c_queue_and_cancel(void);
int c_queue_and_cancel(void) {
    struct holder *h = kmalloc(sizeof(*h), GFP_KERNEL);
    CHECK(h != NULL);
    init_holder(h, hold);
    CHECK(!work_pending(&h->work) && work_busy(&h->work) == 0);
    CHECK(queue_work_on(1, system_wq, &h->work));
    wait_for_completion(&h->started);
    CHECK(work_busy(&h->work) == WORK_BUSY_RUNNING);
    CHECK(queue_work(system_wq, &h->work) && !queue_work(system_wq, &h->work));
    CHECK(work_busy(&h->work) == (WORK_BUSY_PENDING | WORK_BUSY_RUNNING));
    CHECK(cancel_work(&h->work) && !cancel_work(&h->work));
    complete_all(&h->go);
    CHECK(flush_work(&h->work) || atomic_read(&h->runs) == 1);
    CHECK(!cancel_work_sync(&h->work));
    CHECK(atomic_read(&h->runs) == 1);
    kfree(h);
    return 0;
}

int c_disable_counts(void);
int c_disable_counts(void) {
    struct holder h;
    init_holder(&h, note);
    CHECK(!disable_work(&h.work) && !disable_work_sync(&h.work));
    CHECK(!queue_work(system_wq, &h.work));
    CHECK(!enable_work(&h.work) && enable_work(&h.work));
    CHECK(queue_work_on(1, system_highpri_wq, &h.work));
    flush_work(&h.work);
    CHECK(atomic_read(&h.runs) == 1 && h.cpu == 1);
    CHECK(!disable_delayed_work(&h.late) && enable_delayed_work(&h.late));
    CHECK(!disable_work(&h.work) && enable_and_queue_work(system_wq, &h.work));
    cancel_work_sync(&h.work);
    return 0;
}

int c_workqueue_kinds(void);
int c_workqueue_kinds(void) {
    struct workqueue_struct *all[] = {
        alloc_workqueue("plain", 0, 0),
        alloc_workqueue("%s/%d", WQ_UNBOUND | WQ_MEM_RECLAIM, 4, "unbound", 1),
        alloc_workqueue("high", WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_FREEZABLE, 2),
        alloc_workqueue("bh", WQ_BH, 0),
        alloc_ordered_workqueue("ordered-%d", WQ_MEM_RECLAIM, 7),
        create_workqueue("legacy"),
        create_singlethread_workqueue("single"),
        create_freezable_workqueue("freezable"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(all); ++i) {
        struct holder h;
        CHECK(all[i] != NULL);
        init_holder(&h, note);
        CHECK(queue_work(all[i], &h.work));
        CHECK(queue_delayed_work(all[i], &h.late, 1));
        flush_workqueue(all[i]);
        CHECK(atomic_read(&h.runs) >= 1);
        flush_delayed_work(&h.late);
        cancel_delayed_work_sync(&h.late);
        CHECK(atomic_read(&h.runs) == 2);
        CHECK(!workqueue_congested(WORK_CPU_UNBOUND, all[i]));
        drain_workqueue(all[i]);
        destroy_workqueue(all[i]);
    }
    return 0;
}

int c_misuse_goes_on(void);
int c_misuse_goes_on(void) {
    struct holder h;
    struct workqueue_struct *wq = alloc_workqueue("shortlived", 0, 1);
    init_holder(&h, note);
    CHECK(alloc_workqueue("bad", WQ_BH | WQ_UNBOUND, 0) == NULL);
    destroy_workqueue(wq);
    CHECK(queue_work(wq, &h.work));
    CHECK(atomic_read(&h.runs) == 0);
    CHECK(enable_work(&h.work));
    wq = alloc_workqueue("clamped", 0, 100000);
    CHECK(wq != NULL);
    destroy_workqueue(wq);
    return 0;
}

static int seen_from_tasklet;
static void sleeper(struct tasklet_struct *t) {
    (void)t;
    msleep(2);
    flush_work(&static_work);
    seen_from_tasklet = 1;
}
static DECLARE_TASKLET(sleeping_tasklet, sleeper);

int c_sleeping_in_atomic_is_reported(void);
int c_sleeping_in_atomic_is_reported(void) {
    seen_from_tasklet = 0;
    tasklet_schedule(&sleeping_tasklet);
    tasklet_kill(&sleeping_tasklet);
    CHECK(seen_from_tasklet);
    return 0;
}

static long thirty(void *arg) { return *(long *)arg + smp_processor_id(); }
static void described(struct work_struct *work) {
    struct holder *h = container_of(work, struct holder, work);
    set_worker_desc("busy %d", 1);
    h->cpu = current_work() == work && !current_is_workqueue_rescuer();
}
int c_elsewhere(void);
int c_elsewhere(void) {
    long twenty_nine = 29;
    struct holder h;
    struct execute_work ew;
    CHECK(work_on_cpu(1, thirty, &twenty_nine) == 30);
    CHECK(work_on_cpu_safe(999, thirty, &twenty_nine) == -ENODEV);
    atomic_set(&plain_runs, 0);
    CHECK(schedule_on_each_cpu(plain) == 0);
    CHECK(atomic_read(&plain_runs) == (int)num_online_cpus());
    CHECK(execute_in_process_context(plain, &ew) == 0);
    init_holder(&h, described);
    schedule_work(&h.work);
    flush_work(&h.work);
    CHECK(h.cpu == 1);
    CHECK(current_work() == NULL);
    return 0;
}

static struct rcu_work after_grace;
static void grace(struct work_struct *work) {
    if (to_rcu_work(work) == &after_grace) atomic_inc(&plain_runs);
}
int c_rcu_work(void);
int c_rcu_work(void) {
    atomic_set(&plain_runs, 0);
    INIT_RCU_WORK(&after_grace, grace);
    rcu_read_lock();
    CHECK(queue_rcu_work(system_wq, &after_grace));
    CHECK(!queue_rcu_work(system_wq, &after_grace));
    rcu_read_unlock();
    flush_rcu_work(&after_grace);
    CHECK(atomic_read(&plain_runs) == 1);
    return 0;
}

int c_attributes(void);
int c_attributes(void) {
    struct workqueue_struct *wq = alloc_workqueue("attrs", WQ_UNBOUND, 0);
    struct workqueue_attrs *attrs = alloc_workqueue_attrs();
    struct holder h;
    CHECK(wq != NULL && attrs != NULL);
    CHECK(MIN_NICE == -20 && MAX_NICE == 19 && NICE_WIDTH == 40);
    attrs->nice = MAX_NICE;
    cpumask_clear(attrs->cpumask);
    cpumask_set_cpu(1, attrs->cpumask);
    attrs->affn_scope = WQ_AFFN_CPU;
    attrs->affn_strict = true;
    CHECK(apply_workqueue_attrs(wq, attrs) == 0);
    init_holder(&h, note);
    queue_work(wq, &h.work);
    flush_work(&h.work);
    CHECK(h.cpu == 1);
    CHECK(apply_workqueue_attrs(system_wq, attrs) == -EINVAL);
    workqueue_set_max_active(wq, 3);
    free_workqueue_attrs(attrs);
    destroy_workqueue(wq);
    return 0;
}
