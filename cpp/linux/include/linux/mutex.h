/* Mutexes: owner-only unlock, no recursion, task context only. */
#ifndef _LINUX_MUTEX_H
#define _LINUX_MUTEX_H

#include <linux/list.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

/* The engine's mutex. */
struct mutex {
    void *__owner;
    u32 __lock;
    struct list_head __waiters;
};
#define __MUTEX_INITIALIZER(lockname) {NULL, 0, {&(lockname).__waiters, &(lockname).__waiters}}
#define DEFINE_MUTEX(mutexname) struct mutex mutexname = __MUTEX_INITIALIZER(mutexname)

void __bh_mutex_init(struct mutex *lock) __bh_symbol(mutex_init);
void mutex_lock(struct mutex *lock) __bh_symbol(mutex_lock);
int __must_check mutex_lock_interruptible(struct mutex *lock) __bh_symbol(mutex_lock_interruptible);
int mutex_trylock(struct mutex *lock) __bh_symbol(mutex_trylock);
void mutex_unlock(struct mutex *lock) __bh_symbol(mutex_unlock);
bool mutex_is_locked(struct mutex *lock) __bh_symbol(mutex_is_locked);

#define mutex_init(lock) __bh_mutex_init(lock)
#define mutex_lock_killable(lock) mutex_lock_interruptible(lock)
#define mutex_lock_io(lock) mutex_lock(lock)
#define mutex_lock_nested(lock, subclass) mutex_lock(lock)
#define mutex_lock_interruptible_nested(lock, subclass) mutex_lock_interruptible(lock)
static inline void mutex_destroy(struct mutex *lock) { (void)lock; }
static inline int devm_mutex_init(void *dev, struct mutex *lock) {
    (void)dev;
    mutex_init(lock);
    return 0;
}
#endif
