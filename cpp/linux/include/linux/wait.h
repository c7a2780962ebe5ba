/* Wait queues. A condition is looked at before sleeping and after every wake-up; a wait ends early when the machine
 * halts, and an interruptible one when the caller is interrupted (-ERESTARTSYS). */
#ifndef _LINUX_WAIT_H
#define _LINUX_WAIT_H

#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* The engine's wait queue. */
typedef struct wait_queue_head {
    u32 __lock;
    struct list_head head;
} wait_queue_head_t;
/* The engine's entry. */
typedef struct wait_queue_entry {
    struct task_struct *__task;
    struct list_head entry;
    bool __exclusive;
    bool __stays;
    u32 __mode;
} wait_queue_entry_t;
typedef wait_queue_entry_t wait_queue_t;

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) {0, {&(name).head, &(name).head}}
#define DECLARE_WAIT_QUEUE_HEAD(name) struct wait_queue_head name = __WAIT_QUEUE_HEAD_INITIALIZER(name)
#define DECLARE_WAIT_QUEUE_HEAD_ONSTACK(name) DECLARE_WAIT_QUEUE_HEAD(name)
#define __WAITQUEUE_INITIALIZER(name, tsk) {(tsk), {NULL, NULL}, false, true, TASK_NORMAL}
#define DECLARE_WAITQUEUE(name, tsk) struct wait_queue_entry name = __WAITQUEUE_INITIALIZER(name, tsk)
#define DEFINE_WAIT(name) struct wait_queue_entry name = {current, {NULL, NULL}, false, false, TASK_NORMAL}

struct __bh_wait {
    struct wait_queue_entry entry;
    struct wait_queue_head *queue;
    s64 deadline; /* of the machine's time */
    u32 state;
};

void __bh_init_waitqueue_head(struct wait_queue_head *wq) __bh_symbol(init_waitqueue_head);
void __bh_wake_up(struct wait_queue_head *wq, unsigned int mode, int nr) __bh_symbol(wake_up);
int waitqueue_active(struct wait_queue_head *wq) __bh_symbol(waitqueue_active);
void add_wait_queue(struct wait_queue_head *wq, struct wait_queue_entry *entry) __bh_symbol(add_wait_queue);
void add_wait_queue_exclusive(struct wait_queue_head *wq, struct wait_queue_entry *entry)
    __bh_symbol(add_wait_queue_exclusive);
void remove_wait_queue(struct wait_queue_head *wq, struct wait_queue_entry *entry) __bh_symbol(remove_wait_queue);
void prepare_to_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry, int state)
    __bh_symbol(prepare_to_wait);
void prepare_to_wait_exclusive(struct wait_queue_head *wq, struct wait_queue_entry *entry, int state)
    __bh_symbol(prepare_to_wait_exclusive);
void finish_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry) __bh_symbol(finish_wait);
void __bh_wait_begin(struct __bh_wait *wait, struct wait_queue_head *wq, unsigned int state, bool exclusive,
                     long timeout) __bh_symbol(wait_begin);
void __bh_wait_enlist(struct __bh_wait *wait) __bh_symbol(wait_enlist);
int __bh_wait_sleep(struct __bh_wait *wait) __bh_symbol(wait_sleep);
void __bh_wait_end(struct __bh_wait *wait) __bh_symbol(wait_end);
long __bh_wait_left(struct __bh_wait *wait) __bh_symbol(wait_left);

#define init_waitqueue_head(wq) __bh_init_waitqueue_head(wq)
static inline void init_waitqueue_entry(struct wait_queue_entry *entry, struct task_struct *task) {
    struct wait_queue_entry fresh = __WAITQUEUE_INITIALIZER(fresh, task);
    *entry = fresh;
}
/* As DEFINE_WAIT: whoever wakes it takes it off the queue. */
static inline void init_wait(struct wait_queue_entry *entry) {
    init_waitqueue_entry(entry, current);
    entry->__stays = false;
}
#define wq_has_sleeper(wq) waitqueue_active(wq)

#define wake_up(wq) __bh_wake_up(wq, TASK_NORMAL, 1)
#define wake_up_nr(wq, nr) __bh_wake_up(wq, TASK_NORMAL, nr)
#define wake_up_all(wq) __bh_wake_up(wq, TASK_NORMAL, 0)
#define wake_up_locked(wq) __bh_wake_up(wq, TASK_NORMAL, 1)
#define wake_up_interruptible(wq) __bh_wake_up(wq, TASK_INTERRUPTIBLE, 1)
#define wake_up_interruptible_nr(wq, nr) __bh_wake_up(wq, TASK_INTERRUPTIBLE, nr)
#define wake_up_interruptible_all(wq) __bh_wake_up(wq, TASK_INTERRUPTIBLE, 0)
#define wake_up_interruptible_sync(wq) wake_up_interruptible(wq)
#define wake_up_sync(wq) wake_up(wq)
#define wake_up_poll(wq, m) wake_up(wq)
#define wake_up_interruptible_poll(wq, m) wake_up_interruptible(wq)

enum { BH_WAIT_WOKEN = 0, BH_WAIT_TIMEOUT = 1, BH_WAIT_INTERRUPTED = 2 };

/* How it ended, in `how`; `before` and `after` stand around each sleep. */
#define __bh_wait_loop(wq_head, condition, state, exclusive, timeout, how, left, before, after)             \
    do {                                                                                                    \
        struct __bh_wait __bh_w __bh_cleanup(__bh_wait_end);                                                \
        __bh_wait_begin(&__bh_w, &(wq_head), state, exclusive, timeout);                                    \
        for (;;) {                                                                                          \
            __bh_wait_enlist(&__bh_w);                                                                      \
            if (condition) {                                                                                \
                how = BH_WAIT_WOKEN;                                                                        \
                break;                                                                                      \
            }                                                                                               \
            if (how != BH_WAIT_WOKEN) break;                                                                \
            before;                                                                                         \
            how = __bh_wait_sleep(&__bh_w);                                                                 \
            after;                                                                                          \
        }                                                                                                   \
        left = __bh_wait_left(&__bh_w);                                                                     \
    } while (0)

#define __bh_wait_plain(wq_head, condition, state, exclusive, before, after)                                \
    __extension__({                                                                                         \
        int __bh_how = BH_WAIT_WOKEN;                                                                       \
        long __bh_left = 0;                                                                                 \
        if (!(condition))                                                                                   \
            __bh_wait_loop(wq_head, condition, state, exclusive, MAX_SCHEDULE_TIMEOUT, __bh_how, __bh_left, \
                           before, after);                                                                  \
        (void)__bh_left;                                                                                    \
        __bh_how == BH_WAIT_INTERRUPTED ? -ERESTARTSYS : 0;                                                 \
    })
/* 0: the time is over and the condition false; else what is left of it, at least 1. */
#define __bh_wait_timed(wq_head, condition, state, exclusive, timeout, before, after)                       \
    __extension__({                                                                                         \
        int __bh_how = BH_WAIT_WOKEN;                                                                       \
        const long __bh_timeout = (timeout);                                                                \
        long __bh_left = __bh_timeout;                                                                      \
        if (!(condition))                                                                                   \
            __bh_wait_loop(wq_head, condition, state, exclusive, __bh_timeout, __bh_how, __bh_left, before, \
                           after);                                                                          \
        __bh_how == BH_WAIT_INTERRUPTED ? (long)-ERESTARTSYS                                                \
        : __bh_how == BH_WAIT_TIMEOUT   ? 0L                                                                \
                                        : (__bh_left > 0 ? __bh_left : 1L);                                 \
    })
#define __bh_nothing ((void)0)

#define wait_event(wq, condition) \
    ((void)__bh_wait_plain(wq, condition, TASK_UNINTERRUPTIBLE, false, __bh_nothing, __bh_nothing))
#define wait_event_freezable(wq, condition) wait_event_interruptible(wq, condition)
#define wait_event_idle(wq, condition) wait_event(wq, condition)
#define wait_event_cmd(wq, condition, cmd1, cmd2) \
    ((void)__bh_wait_plain(wq, condition, TASK_UNINTERRUPTIBLE, false, cmd1, cmd2))
#define wait_event_exclusive_cmd(wq, condition, cmd1, cmd2) \
    ((void)__bh_wait_plain(wq, condition, TASK_UNINTERRUPTIBLE, true, cmd1, cmd2))
#define wait_event_interruptible(wq, condition) \
    __bh_wait_plain(wq, condition, TASK_INTERRUPTIBLE, false, __bh_nothing, __bh_nothing)
#define wait_event_interruptible_exclusive(wq, condition) \
    __bh_wait_plain(wq, condition, TASK_INTERRUPTIBLE, true, __bh_nothing, __bh_nothing)
#define wait_event_killable(wq, condition) \
    __bh_wait_plain(wq, condition, TASK_KILLABLE, false, __bh_nothing, __bh_nothing)
#define wait_event_killable_exclusive(wq, condition) \
    __bh_wait_plain(wq, condition, TASK_KILLABLE, true, __bh_nothing, __bh_nothing)
#define wait_event_timeout(wq, condition, timeout) \
    __bh_wait_timed(wq, condition, TASK_UNINTERRUPTIBLE, false, timeout, __bh_nothing, __bh_nothing)
#define wait_event_idle_timeout(wq, condition, timeout) wait_event_timeout(wq, condition, timeout)
#define wait_event_interruptible_timeout(wq, condition, timeout) \
    __bh_wait_timed(wq, condition, TASK_INTERRUPTIBLE, false, timeout, __bh_nothing, __bh_nothing)
#define wait_event_killable_timeout(wq, condition, timeout) \
    __bh_wait_timed(wq, condition, TASK_KILLABLE, false, timeout, __bh_nothing, __bh_nothing)
#define wait_event_freezable_timeout(wq, condition, timeout) wait_event_interruptible_timeout(wq, condition, timeout)
/* The lock is held around the condition and given up for the sleep. */
#define wait_event_lock_irq(wq, condition, lock) \
    ((void)__bh_wait_plain(wq, condition, TASK_UNINTERRUPTIBLE, false, spin_unlock_irq(&(lock)), spin_lock_irq(&(lock))))
#define wait_event_lock_irq_cmd(wq, condition, lock, cmd)                              \
    ((void)__bh_wait_plain(                                                           \
        wq, condition, TASK_UNINTERRUPTIBLE, false,                                   \
        do {                                                                          \
            spin_unlock_irq(&(lock));                                                 \
            cmd;                                                                      \
        } while (0),                                                                  \
        spin_lock_irq(&(lock))))
#define wait_event_interruptible_lock_irq(wq, condition, lock) \
    __bh_wait_plain(wq, condition, TASK_INTERRUPTIBLE, false, spin_unlock_irq(&(lock)), spin_lock_irq(&(lock)))
#define wait_event_interruptible_lock_irq_timeout(wq, condition, lock, timeout)                                 \
    __bh_wait_timed(wq, condition, TASK_INTERRUPTIBLE, false, timeout, spin_unlock_irq(&(lock)),                \
                    spin_lock_irq(&(lock)))
#endif
