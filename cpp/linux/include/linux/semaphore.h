#ifndef _LINUX_SEMAPHORE_H
#define _LINUX_SEMAPHORE_H

#include <linux/completion.h>

/* A counter and those who wait for it to be positive, first come first served: a completion is the same. */
struct semaphore {
    struct completion __count;
};
#define __SEMAPHORE_INITIALIZER(name, n) {{0, (n), {&(name).__count.__waiters, &(name).__count.__waiters}}}
#define DEFINE_SEMAPHORE(name, ...) \
    struct semaphore name = __SEMAPHORE_INITIALIZER(name, __bh_first(__VA_ARGS__ __VA_OPT__(, ) 1))
#define __bh_first(...) __bh_first_of(__VA_ARGS__, )
#define __bh_first_of(a, ...) a

void sema_init(struct semaphore *sem, int val) __bh_symbol(sema_init);
void down(struct semaphore *sem) __bh_symbol(down);
int __must_check down_interruptible(struct semaphore *sem) __bh_symbol(down_interruptible);
int __must_check down_trylock(struct semaphore *sem) __bh_symbol(down_trylock);
int __must_check down_timeout(struct semaphore *sem, long timeout) __bh_symbol(down_timeout);
void up(struct semaphore *sem) __bh_symbol(up);
#define down_killable(sem) down_interruptible(sem)
#define init_MUTEX(sem) sema_init(sem, 1)
#define init_MUTEX_LOCKED(sem) sema_init(sem, 0)
#define DECLARE_MUTEX(name) DEFINE_SEMAPHORE(name, 1)
#endif
