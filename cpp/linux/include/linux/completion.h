/* Completions. */
#ifndef _LINUX_COMPLETION_H
#define _LINUX_COMPLETION_H

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/types.h>

/* The engine's completion. */
struct completion {
    u32 __lock;
    unsigned int done;
    struct list_head __waiters;
};

#define COMPLETION_INITIALIZER(work) {0, 0, {&(work).__waiters, &(work).__waiters}}
#define COMPLETION_INITIALIZER_ONSTACK(work) (*__bh_init_completion(&(work)))
#define DECLARE_COMPLETION(work) struct completion work = COMPLETION_INITIALIZER(work)
#define DECLARE_COMPLETION_ONSTACK(work) struct completion work = COMPLETION_INITIALIZER(work)

struct completion *__bh_init_completion(struct completion *x) __bh_symbol(init_completion);
void reinit_completion(struct completion *x) __bh_symbol(reinit_completion);
void complete(struct completion *x) __bh_symbol(complete);
void complete_all(struct completion *x) __bh_symbol(complete_all);
void wait_for_completion(struct completion *x) __bh_symbol(wait_for_completion);
int wait_for_completion_interruptible(struct completion *x) __bh_symbol(wait_for_completion_interruptible);
unsigned long wait_for_completion_timeout(struct completion *x, unsigned long timeout)
    __bh_symbol(wait_for_completion_timeout);
long wait_for_completion_interruptible_timeout(struct completion *x, unsigned long timeout)
    __bh_symbol(wait_for_completion_interruptible_timeout);
bool try_wait_for_completion(struct completion *x) __bh_symbol(try_wait_for_completion);
bool completion_done(struct completion *x) __bh_symbol(completion_done);

#define init_completion(x) ((void)__bh_init_completion(x))
#define wait_for_completion_io(x) wait_for_completion(x)
#define wait_for_completion_io_timeout(x, timeout) wait_for_completion_timeout(x, timeout)
#define wait_for_completion_killable(x) wait_for_completion_interruptible(x)
#define wait_for_completion_killable_timeout(x, timeout) wait_for_completion_interruptible_timeout(x, timeout)
#define complete_and_exit(x, code) kthread_complete_and_exit(x, code)
#endif
