/* Tasklets. A part of interrupt.h. */
#ifndef _LINUX_TASKLET_H
#define _LINUX_TASKLET_H

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/types.h>

/* The engine's tasklet, and behind it what the old form of a handler wants. */
struct tasklet_struct {
    struct tasklet_struct *next;
    union {
        struct {
            u32 __state;
            atomic_t count;
        };
        unsigned long state; /* its lower half is the state */
    };
    void (*callback)(struct tasklet_struct *t);
    int __cpu;
    bool use_callback;
    void (*func)(unsigned long data);
    unsigned long data;
};

enum { TASKLET_STATE_SCHED, TASKLET_STATE_RUN };

void tasklet_setup(struct tasklet_struct *t, void (*callback)(struct tasklet_struct *)) __bh_symbol(tasklet_setup);
void tasklet_init(struct tasklet_struct *t, void (*func)(unsigned long), unsigned long data)
    __bh_symbol(tasklet_init);
void tasklet_schedule(struct tasklet_struct *t) __bh_symbol(tasklet_schedule);
void tasklet_hi_schedule(struct tasklet_struct *t) __bh_symbol(tasklet_hi_schedule);
void tasklet_disable_nosync(struct tasklet_struct *t) __bh_symbol(tasklet_disable_nosync);
void tasklet_disable(struct tasklet_struct *t) __bh_symbol(tasklet_disable);
void tasklet_disable_in_atomic(struct tasklet_struct *t) __bh_symbol(tasklet_disable_in_atomic);
void tasklet_enable(struct tasklet_struct *t) __bh_symbol(tasklet_enable);
void tasklet_kill(struct tasklet_struct *t) __bh_symbol(tasklet_kill);
int tasklet_trylock(struct tasklet_struct *t) __bh_symbol(tasklet_trylock);
void tasklet_unlock(struct tasklet_struct *t) __bh_symbol(tasklet_unlock);
void tasklet_unlock_spin_wait(struct tasklet_struct *t) __bh_symbol(tasklet_unlock_spin_wait);
void tasklet_unlock_wait(struct tasklet_struct *t) __bh_symbol(tasklet_unlock_wait);
/* The callback of tasklets whose handler takes a number. */
void __bh_tasklet_old(struct tasklet_struct *t) __bh_symbol(tasklet_old);
#define tasklet_hi_enable(t) tasklet_enable(t)

#define __TASKLET(callback, count) {NULL, {{0, ATOMIC_INIT(count)}}, (callback), 0, true, NULL, 0}
#define __TASKLET_OLD(func, count, data) \
    {NULL, {{0, ATOMIC_INIT(count)}}, __bh_tasklet_old, 0, false, (func), (unsigned long)(data)}
#define DECLARE_TASKLET_OLD(name, func) struct tasklet_struct name = __TASKLET_OLD(func, 0, 0)
#define DECLARE_TASKLET_DISABLED_OLD(name, func) struct tasklet_struct name = __TASKLET_OLD(func, 1, 0)

#define __bh_tasklet_pick(a, b, c, d, ...) d
#define DECLARE_TASKLET(...) \
    __bh_tasklet_pick(__VA_ARGS__, __bh_DECLARE_TASKLET_3, __bh_DECLARE_TASKLET_2, )(0, __VA_ARGS__)
#define DECLARE_TASKLET_DISABLED(...) \
    __bh_tasklet_pick(__VA_ARGS__, __bh_DECLARE_TASKLET_3, __bh_DECLARE_TASKLET_2, )(1, __VA_ARGS__)
#define __bh_DECLARE_TASKLET_2(count, name, callback) struct tasklet_struct name = __TASKLET(callback, count)
/* The variable comes first: what stands before the macro ("static") is for it. */
#ifdef BOTTOMHALF_LEGACY_API
#define __bh_DECLARE_TASKLET_3(count, name, func, data)                                                             \
    struct tasklet_struct name = __TASKLET_OLD(func, count, data);                                                  \
    __attribute__((__unused__)) static inline __bh_legacy(                                                          \
        "DECLARE_TASKLET(name, func, data) lost its data argument in 5.9: the callback takes the struct "           \
        "tasklet_struct *, from_tasklet() leads to what is around it") void __bh_old_tasklet_##name(void) {}        \
    __attribute__((__unused__)) static inline void __bh_tell_tasklet_##name(void) { __bh_old_tasklet_##name(); }    \
    extern struct tasklet_struct name
#else
#define __bh_DECLARE_TASKLET_3(count, name, func, data)                                                             \
    struct tasklet_struct name = __TASKLET_OLD(func, count, data);                                                  \
    __bh_static_assert(0, "DECLARE_TASKLET(name, func, data) lost its data argument in 5.9: give the callback a "   \
                          "struct tasklet_struct * and use from_tasklet(), or tasklet_init(&name, func, data), or " \
                          "build with -DBOTTOMHALF_LEGACY_API")
#endif

#define from_tasklet(var, callback_tasklet, tasklet_fieldname) \
    container_of(callback_tasklet, __typeof__(*var), tasklet_fieldname)
#endif
