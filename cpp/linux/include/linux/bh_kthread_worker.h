/* Workers of a module's own: a thread that runs items one after another. A part of kthread.h. */
#ifndef _LINUX_BH_KTHREAD_WORKER_H
#define _LINUX_BH_KTHREAD_WORKER_H

#include <linux/list.h>
#include <linux/spinlock_types.h>
#include <linux/timer.h>
#include <linux/types.h>

struct task_struct;
struct kthread_work;
typedef void (*kthread_work_func_t)(struct kthread_work *work);

enum { KTW_FREEZABLE = 1 };

struct kthread_worker {
    unsigned int flags;
    raw_spinlock_t lock;
    struct list_head work_list;
    struct list_head delayed_work_list;
    struct task_struct *task;
    struct kthread_work *current_work;
    const void *__made_by; /* the text that named it: the module's */
};
struct kthread_work {
    struct list_head node;
    kthread_work_func_t func;
    struct kthread_worker *worker;
    int canceling;
};
struct kthread_delayed_work {
    struct kthread_work work;
    struct timer_list timer;
};

void kthread_init_worker(struct kthread_worker *worker) __bh_symbol(kthread_init_worker);
int kthread_worker_fn(void *worker_ptr) __bh_symbol(kthread_worker_fn);
__printf(2, 3) struct kthread_worker *kthread_create_worker(unsigned int flags, const char *namefmt, ...)
    __bh_symbol(kthread_create_worker);
__printf(3, 4) struct kthread_worker *kthread_create_worker_on_cpu(int cpu, unsigned int flags, const char *namefmt, ...)
    __bh_symbol(kthread_create_worker_on_cpu);
bool kthread_queue_work(struct kthread_worker *worker, struct kthread_work *work) __bh_symbol(kthread_queue_work);
bool kthread_queue_delayed_work(struct kthread_worker *worker, struct kthread_delayed_work *dwork,
                                unsigned long delay) __bh_symbol(kthread_queue_delayed_work);
bool kthread_mod_delayed_work(struct kthread_worker *worker, struct kthread_delayed_work *dwork, unsigned long delay)
    __bh_symbol(kthread_mod_delayed_work);
void kthread_flush_work(struct kthread_work *work) __bh_symbol(kthread_flush_work);
void kthread_flush_worker(struct kthread_worker *worker) __bh_symbol(kthread_flush_worker);
bool kthread_cancel_work_sync(struct kthread_work *work) __bh_symbol(kthread_cancel_work_sync);
bool kthread_cancel_delayed_work_sync(struct kthread_delayed_work *dwork) __bh_symbol(kthread_cancel_delayed_work_sync);
void kthread_destroy_worker(struct kthread_worker *worker) __bh_symbol(kthread_destroy_worker);
/* The handler of such a delayed item's timer. */
void kthread_delayed_work_timer_fn(struct timer_list *timer) __bh_symbol(kthread_delayed_work_timer_fn);

#define KTHREAD_WORKER_INIT(worker)                                                                  \
    {0, __SPIN_LOCK_UNLOCKED((worker).lock), LIST_HEAD_INIT((worker).work_list),                     \
     LIST_HEAD_INIT((worker).delayed_work_list), NULL, NULL, NULL}
#define KTHREAD_WORK_INIT(work, fn) {LIST_HEAD_INIT((work).node), (fn), NULL, 0}
#define KTHREAD_DELAYED_WORK_INIT(dwork, fn) \
    {KTHREAD_WORK_INIT((dwork).work, (fn)), __TIMER_INITIALIZER(kthread_delayed_work_timer_fn, TIMER_IRQSAFE)}
#define DEFINE_KTHREAD_WORKER(worker) struct kthread_worker worker = KTHREAD_WORKER_INIT(worker)
#define DEFINE_KTHREAD_WORKER_ONSTACK(worker) DEFINE_KTHREAD_WORKER(worker)
#define DEFINE_KTHREAD_WORK(work, fn) struct kthread_work work = KTHREAD_WORK_INIT(work, fn)
#define DEFINE_KTHREAD_DELAYED_WORK(dwork, fn) struct kthread_delayed_work dwork = KTHREAD_DELAYED_WORK_INIT(dwork, fn)

static inline void __bh_kthread_init_work(struct kthread_work *work, kthread_work_func_t fn) {
    INIT_LIST_HEAD(&work->node);
    work->func = fn;
    work->worker = NULL;
    work->canceling = 0;
}
#define kthread_init_work(work, fn) __bh_kthread_init_work(work, fn)
#define kthread_init_delayed_work(dwork, fn)                                          \
    do {                                                                              \
        __bh_kthread_init_work(&(dwork)->work, (fn));                                 \
        timer_setup(&(dwork)->timer, kthread_delayed_work_timer_fn, TIMER_IRQSAFE);   \
    } while (0)

#endif
