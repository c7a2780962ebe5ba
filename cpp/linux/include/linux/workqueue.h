/* Workqueues. The objects are the engine's own, the functions its glue; what each returns in which state is what Linux
 * 6.12 returns. */
#ifndef _LINUX_WORKQUEUE_H
#define _LINUX_WORKQUEUE_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/container_of.h>
#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/threads.h>
#include <linux/timer.h>
#include <linux/workqueue_types.h>

struct delayed_work {
    struct work_struct work;
    struct timer_list timer;
    struct workqueue_struct *wq;
    int cpu;
};
struct rcu_work {
    struct work_struct work;
    struct rcu_head rcu;
    struct workqueue_struct *wq;
};
struct execute_work {
    struct work_struct work;
};

enum wq_affn_scope { WQ_AFFN_CPU, WQ_AFFN_SMT, WQ_AFFN_CACHE, WQ_AFFN_NUMA, WQ_AFFN_SYSTEM, WQ_AFFN_NR_TYPES };
#define WQ_AFFN_DFL WQ_AFFN_CACHE

struct workqueue_attrs {
    int nice;
    cpumask_var_t cpumask;
    bool affn_strict;
    enum wq_affn_scope affn_scope;
    bool ordered;
};

enum wq_flags {
    WQ_BH = 1 << 0,
    WQ_UNBOUND = 1 << 1,
    WQ_FREEZABLE = 1 << 2,
    WQ_MEM_RECLAIM = 1 << 3,
    WQ_HIGHPRI = 1 << 4,
    WQ_CPU_INTENSIVE = 1 << 5,
    WQ_SYSFS = 1 << 6,
    WQ_POWER_EFFICIENT = 1 << 7,
    WQ_PERCPU = 1 << 8,
    WQ_MANAGED = 1 << 12, /* ours: unbound, and as many runnable workers as it has CPUs */
    __WQ_DESTROYING = 1 << 15,
    __WQ_DRAINING = 1 << 16,
    __WQ_ORDERED = 1 << 17,
    __WQ_LEGACY = 1 << 18
};
enum wq_consts {
    WQ_MAX_ACTIVE = 512,
    WQ_UNBOUND_MAX_ACTIVE = WQ_MAX_ACTIVE,
    WQ_DFL_ACTIVE = WQ_MAX_ACTIVE / 2,
    WQ_DFL_MIN_ACTIVE = 8
};
#define WORK_CPU_UNBOUND NR_CPUS
#define WORK_BUSY_PENDING (1 << 0)
#define WORK_BUSY_RUNNING (1 << 1)
#define WORKER_DESC_LEN 32
#define WQ_NAME_LEN 32

/* Static and run-time initialisers. */
/* The engine's own callback, by its C++ name: a delayed work is one by its timer's function. */
void delayed_work_timer_fn(struct timer_list *timer)
    __asm__("_ZN10bottomhalf21delayed_work_timer_fnEPNS_5TimerE");
void __bh_init_work(struct work_struct *work, work_func_t func) __bh_symbol(init_work);
void __bh_init_delayed_work(struct delayed_work *dwork, work_func_t func, u32 timer_flags)
    __bh_symbol(init_delayed_work);
void __bh_init_rcu_work(struct rcu_work *rwork, work_func_t func) __bh_symbol(init_rcu_work);

#define __WORK_INITIALIZER(n, f) {ATOMIC_LONG_INIT(0), {NULL, NULL}, (f)}
#define __DELAYED_WORK_INITIALIZER(n, f, tflags) \
    {__WORK_INITIALIZER((n).work, (f)), __TIMER_INITIALIZER(delayed_work_timer_fn, (tflags) | TIMER_IRQSAFE), NULL, 0}
#define DECLARE_DELAYED_WORK(n, f) struct delayed_work n = __DELAYED_WORK_INITIALIZER(n, f, 0)
#define DECLARE_DEFERRABLE_WORK(n, f) struct delayed_work n = __DELAYED_WORK_INITIALIZER(n, f, TIMER_DEFERRABLE)

#include <linux/bh_work_forms.h>
#define INIT_WORK_ONSTACK(work, func) __bh_init_work(work, func)
#define INIT_WORK_ONSTACK_KEY(work, func, key) __bh_init_work(work, func)
#define INIT_DELAYED_WORK(dwork, func) __bh_init_delayed_work(dwork, func, 0)
#define INIT_DELAYED_WORK_ONSTACK(dwork, func) __bh_init_delayed_work(dwork, func, 0)
#define INIT_DEFERRABLE_WORK(dwork, func) __bh_init_delayed_work(dwork, func, TIMER_DEFERRABLE)
#define INIT_DEFERRABLE_WORK_ONSTACK(dwork, func) __bh_init_delayed_work(dwork, func, TIMER_DEFERRABLE)
#define INIT_RCU_WORK(rwork, func) __bh_init_rcu_work(rwork, func)
#define INIT_RCU_WORK_ONSTACK(rwork, func) __bh_init_rcu_work(rwork, func)
static inline void destroy_work_on_stack(struct work_struct *work) { (void)work; }
static inline void destroy_delayed_work_on_stack(struct delayed_work *dwork) { (void)dwork; }

static inline struct delayed_work *to_delayed_work(struct work_struct *work) {
    return container_of(work, struct delayed_work, work);
}
static inline struct rcu_work *to_rcu_work(struct work_struct *work) {
    return container_of(work, struct rcu_work, work);
}
#define from_work(var, callback_work, work_fieldname) container_of(callback_work, __typeof__(*var), work_fieldname)

bool __bh_work_pending(const struct work_struct *work) __bh_symbol(work_pending);
#define work_pending(work) __bh_work_pending(work)
#define delayed_work_pending(dwork) work_pending(&(dwork)->work)

/* The machine's own workqueues. */
struct workqueue_struct *__bh_system_wq(int which) __bh_symbol(system_wq);
enum { /* the engine's SystemWq */
    BH_SYSTEM_WQ,
    BH_SYSTEM_HIGHPRI_WQ,
    BH_SYSTEM_LONG_WQ,
    BH_SYSTEM_UNBOUND_WQ,
    BH_SYSTEM_FREEZABLE_WQ,
    BH_SYSTEM_POWER_EFFICIENT_WQ,
    BH_SYSTEM_FREEZABLE_POWER_EFFICIENT_WQ,
    BH_SYSTEM_BH_WQ,
    BH_SYSTEM_BH_HIGHPRI_WQ,
    BH_SYSTEM_MANAGED_WQ
};
#define system_wq __bh_system_wq(BH_SYSTEM_WQ)
#define system_percpu_wq __bh_system_wq(BH_SYSTEM_WQ)
#define system_highpri_wq __bh_system_wq(BH_SYSTEM_HIGHPRI_WQ)
#define system_long_wq __bh_system_wq(BH_SYSTEM_LONG_WQ)
#define system_unbound_wq __bh_system_wq(BH_SYSTEM_UNBOUND_WQ)
#define system_dfl_wq __bh_system_wq(BH_SYSTEM_UNBOUND_WQ)
#define system_dfl_long_wq __bh_system_wq(BH_SYSTEM_UNBOUND_WQ)
#define system_freezable_wq __bh_system_wq(BH_SYSTEM_FREEZABLE_WQ)
#define system_power_efficient_wq __bh_system_wq(BH_SYSTEM_POWER_EFFICIENT_WQ)
#define system_freezable_power_efficient_wq __bh_system_wq(BH_SYSTEM_FREEZABLE_POWER_EFFICIENT_WQ)
#define system_bh_wq __bh_system_wq(BH_SYSTEM_BH_WQ)
#define system_bh_highpri_wq __bh_system_wq(BH_SYSTEM_BH_HIGHPRI_WQ)
#define system_managed_wq __bh_system_wq(BH_SYSTEM_MANAGED_WQ)

__printf(1, 4) struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
    __bh_symbol(alloc_workqueue);
__printf(1, 3) struct workqueue_struct *alloc_ordered_workqueue(const char *fmt, unsigned int flags, ...)
    __bh_symbol(alloc_ordered_workqueue);
void destroy_workqueue(struct workqueue_struct *wq) __bh_symbol(destroy_workqueue);
void drain_workqueue(struct workqueue_struct *wq) __bh_symbol(drain_workqueue);
void __flush_workqueue(struct workqueue_struct *wq) __bh_symbol(flush_workqueue);
struct workqueue_attrs *alloc_workqueue_attrs(void) __bh_symbol(alloc_workqueue_attrs);
void free_workqueue_attrs(struct workqueue_attrs *attrs) __bh_symbol(free_workqueue_attrs);
int apply_workqueue_attrs(struct workqueue_struct *wq, const struct workqueue_attrs *attrs)
    __bh_symbol(apply_workqueue_attrs);
void workqueue_set_max_active(struct workqueue_struct *wq, int max_active) __bh_symbol(workqueue_set_max_active);
void workqueue_set_min_active(struct workqueue_struct *wq, int min_active) __bh_symbol(workqueue_set_min_active);
int workqueue_sysfs_register(struct workqueue_struct *wq) __bh_symbol(workqueue_sysfs_register);

bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work) __bh_symbol(queue_work_on);
bool queue_work_node(int node, struct workqueue_struct *wq, struct work_struct *work) __bh_symbol(queue_work_node);
bool queue_delayed_work_on(int cpu, struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
    __bh_symbol(queue_delayed_work_on);
bool mod_delayed_work_on(int cpu, struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
    __bh_symbol(mod_delayed_work_on);
bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *rwork) __bh_symbol(queue_rcu_work);

bool flush_work(struct work_struct *work) __bh_symbol(flush_work);
bool cancel_work(struct work_struct *work) __bh_symbol(cancel_work);
bool cancel_work_sync(struct work_struct *work) __bh_symbol(cancel_work_sync);
bool flush_delayed_work(struct delayed_work *dwork) __bh_symbol(flush_delayed_work);
bool cancel_delayed_work(struct delayed_work *dwork) __bh_symbol(cancel_delayed_work);
bool cancel_delayed_work_sync(struct delayed_work *dwork) __bh_symbol(cancel_delayed_work_sync);
bool disable_work(struct work_struct *work) __bh_symbol(disable_work);
bool disable_work_sync(struct work_struct *work) __bh_symbol(disable_work_sync);
bool enable_work(struct work_struct *work) __bh_symbol(enable_work);
bool disable_delayed_work(struct delayed_work *dwork) __bh_symbol(disable_delayed_work);
bool disable_delayed_work_sync(struct delayed_work *dwork) __bh_symbol(disable_delayed_work_sync);
bool enable_delayed_work(struct delayed_work *dwork) __bh_symbol(enable_delayed_work);
bool flush_rcu_work(struct rcu_work *rwork) __bh_symbol(flush_rcu_work);

bool workqueue_congested(int cpu, struct workqueue_struct *wq) __bh_symbol(workqueue_congested);
unsigned int work_busy(struct work_struct *work) __bh_symbol(work_busy);
__printf(1, 2) void set_worker_desc(const char *fmt, ...) __bh_symbol(set_worker_desc);
struct work_struct *current_work(void) __bh_symbol(current_work);
bool current_is_workqueue_rescuer(void) __bh_symbol(current_is_workqueue_rescuer);
void show_all_workqueues(void) __bh_symbol(show_all_workqueues);
void show_one_workqueue(struct workqueue_struct *wq) __bh_symbol(show_one_workqueue);

int schedule_on_each_cpu(work_func_t func) __bh_symbol(schedule_on_each_cpu);
int execute_in_process_context(work_func_t fn, struct execute_work *ew) __bh_symbol(execute_in_process_context);
long work_on_cpu(int cpu, long (*fn)(void *), void *arg) __bh_symbol(work_on_cpu);
long work_on_cpu_safe(int cpu, long (*fn)(void *), void *arg) __bh_symbol(work_on_cpu_safe);

#define create_workqueue(name) alloc_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, 1, (name))
#define create_freezable_workqueue(name) \
    alloc_workqueue("%s", __WQ_LEGACY | WQ_FREEZABLE | WQ_UNBOUND | WQ_MEM_RECLAIM, 1, (name))
#define create_singlethread_workqueue(name) alloc_ordered_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, name)

static inline bool queue_work(struct workqueue_struct *wq, struct work_struct *work) {
    return queue_work_on(WORK_CPU_UNBOUND, wq, work);
}
static inline bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay) {
    return queue_delayed_work_on(WORK_CPU_UNBOUND, wq, dwork, delay);
}
static inline bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay) {
    return mod_delayed_work_on(WORK_CPU_UNBOUND, wq, dwork, delay);
}
static inline bool schedule_work_on(int cpu, struct work_struct *work) { return queue_work_on(cpu, system_wq, work); }
static inline bool schedule_work(struct work_struct *work) { return queue_work(system_wq, work); }
static inline bool schedule_delayed_work_on(int cpu, struct delayed_work *dwork, unsigned long delay) {
    return queue_delayed_work_on(cpu, system_wq, dwork, delay);
}
static inline bool schedule_delayed_work(struct delayed_work *dwork, unsigned long delay) {
    return queue_delayed_work(system_wq, dwork, delay);
}
static inline bool enable_and_queue_work(struct workqueue_struct *wq, struct work_struct *work) {
    if (!enable_work(work)) return false;
    queue_work(wq, work);
    return true;
}

/* Flushing a system workqueue waits for what others queued, too; Linux says so when it compiles. */
#define flush_workqueue(wq) __flush_workqueue(wq)
void __bh_flush_scheduled_work(void) __bh_symbol(flush_scheduled_work);
static inline __attribute__((__deprecated__("flushing system-wide workqueues is on its way out: flush or cancel the items, "
                                            "or use a workqueue of your own"))) void
flush_scheduled_work(void) { __bh_flush_scheduled_work(); }

#ifdef BOTTOMHALF_LEGACY_API
#include <linux/bh_legacy_workqueue.h>
#endif

#endif
