/* create_workqueue and its kin, saying what they are today, and items that are queued with a delay though they are no
 * delayed_work. Included by workqueue.h alone. */
#ifndef _LINUX_BH_LEGACY_WORKQUEUE_H
#define _LINUX_BH_LEGACY_WORKQUEUE_H

#include <linux/workqueue.h>

#ifdef BOTTOMHALF_LEGACY_API
#undef create_workqueue
#undef create_freezable_workqueue
#undef create_singlethread_workqueue
static inline __bh_legacy("create_workqueue(name) starts no threads since 2.6.36: alloc_workqueue(name, flags, max_active) "
                          "says what is wanted") struct workqueue_struct *
create_workqueue(const char *name) {
    return alloc_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, 1, name);
}
static inline __bh_legacy("create_freezable_workqueue(name) is alloc_workqueue(name, WQ_FREEZABLE | WQ_UNBOUND | "
                          "WQ_MEM_RECLAIM, 1) since 2.6.36") struct workqueue_struct *
create_freezable_workqueue(const char *name) {
    return alloc_workqueue("%s", __WQ_LEGACY | WQ_FREEZABLE | WQ_UNBOUND | WQ_MEM_RECLAIM, 1, name);
}
static inline __bh_legacy("create_singlethread_workqueue(name) is alloc_ordered_workqueue(name, WQ_MEM_RECLAIM) since "
                          "2.6.36") struct workqueue_struct *
create_singlethread_workqueue(const char *name) {
    return alloc_ordered_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, name);
}

/* Until 2.6.20 a work_struct had a timer. */
#define __bh_old_delay(name)                                                                                      \
    name "() took a struct work_struct until 2.6.20: declare a struct delayed_work, whose handler comes to it by " \
         "to_delayed_work()"
bool __bh_cancel_delayed_work_sync_old(struct work_struct *work) __bh_symbol(cancel_delayed_work_sync_old);
#ifdef __cplusplus
bool __bh_queue_delayed_work_old(int cpu, struct workqueue_struct *wq, struct work_struct *work, unsigned long delay)
    __bh_symbol(queue_delayed_work_old);
bool __bh_cancel_delayed_work_old(struct work_struct *work) __bh_symbol(cancel_delayed_work_old);
static inline __bh_legacy(__bh_old_delay("queue_delayed_work")) bool
queue_delayed_work(struct workqueue_struct *wq, struct work_struct *work, unsigned long delay) {
    return __bh_queue_delayed_work_old(WORK_CPU_UNBOUND, wq, work, delay);
}
static inline __bh_legacy(__bh_old_delay("schedule_delayed_work")) bool
schedule_delayed_work(struct work_struct *work, unsigned long delay) {
    return __bh_queue_delayed_work_old(WORK_CPU_UNBOUND, system_wq, work, delay);
}
static inline __bh_legacy(__bh_old_delay("cancel_delayed_work")) bool
cancel_delayed_work(struct work_struct *work) { return __bh_cancel_delayed_work_old(work); }
#else
/* Chosen by the argument's type. A function that is named but not called must not warn: "deprecated" would. */
bool __bh_queue_delayed_work_on_old(int cpu, struct workqueue_struct *wq, struct work_struct *work, unsigned long delay)
    __bh_symbol(queue_delayed_work_old) __attribute__((__warning__(__bh_old_delay("queue_delayed_work"))));
bool __bh_cancel_delayed_work_old(struct work_struct *work) __bh_symbol(cancel_delayed_work_old)
    __attribute__((__warning__(__bh_old_delay("cancel_delayed_work"))));
#define __bh_by_item(work, old, current) _Generic((work), struct work_struct *: old, default: current)
#define queue_delayed_work_on(cpu, wq, work, delay) \
    __bh_by_item(work, __bh_queue_delayed_work_on_old, queue_delayed_work_on)(cpu, wq, work, delay)
#define queue_delayed_work(wq, work, delay) queue_delayed_work_on(WORK_CPU_UNBOUND, wq, work, delay)
#define schedule_delayed_work_on(cpu, work, delay) queue_delayed_work_on(cpu, system_wq, work, delay)
#define schedule_delayed_work(work, delay) queue_delayed_work_on(WORK_CPU_UNBOUND, system_wq, work, delay)
#define cancel_delayed_work(work) __bh_by_item(work, __bh_cancel_delayed_work_old, cancel_delayed_work)(work)
#define cancel_delayed_work_sync(work) \
    __bh_by_item(work, __bh_cancel_delayed_work_sync_old, cancel_delayed_work_sync)(work)
#endif
static inline __bh_legacy("cancel_rearming_delayed_work(work) is cancel_delayed_work_sync(dwork) since 2.6.23") void
cancel_rearming_delayed_work(struct work_struct *work) { (void)__bh_cancel_delayed_work_sync_old(work); }

static inline __bh_legacy("INIT_DELAYED_WORK_DEFERRABLE(dwork, func) is INIT_DEFERRABLE_WORK since 3.7") void
__bh_init_delayed_work_deferrable(struct delayed_work *dwork, work_func_t func) {
    INIT_DEFERRABLE_WORK(dwork, func);
}
#define INIT_DELAYED_WORK_DEFERRABLE(dwork, func) __bh_init_delayed_work_deferrable(dwork, (work_func_t)(func))

#endif /* BOTTOMHALF_LEGACY_API */
#endif
