/* What code says of the locks it needs. Locks themselves are watched on simulated machines. */
#ifndef _LINUX_LOCKDEP_H
#define _LINUX_LOCKDEP_H
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/types.h>
struct lock_class_key {
    int __none;
};
struct mutex;
struct spinlock;
struct rw_semaphore;
/* Mutexes and spin locks begin with their owner; a rw_semaphore has its count second. Of others nothing is known. */
static inline bool __bh_owned(const void *lock) { return *(void *const volatile *)lock != NULL; }
static inline bool __bh_counted(const void *lock) { return ((const volatile s32 *)lock)[1] != 0; }
static inline bool __bh_not_known(const void *lock) { return lock != NULL; }
#ifdef __cplusplus
#define lockdep_is_held(lock) __bh_not_known(lock)
#else
#define lockdep_is_held(lock)                                                                  \
    _Generic((lock), struct mutex *: __bh_owned, struct spinlock *: __bh_owned,                \
             struct rw_semaphore *: __bh_counted, default: __bh_not_known)(lock)
#endif
#define lockdep_assert_held(lock) WARN_ON_ONCE(!lockdep_is_held(lock))
#define lockdep_assert_held_once(lock) lockdep_assert_held(lock)
#define lockdep_assert_not_held(lock) ((void)(lock))
#define lockdep_set_class(lock, key) ((void)(lock), (void)(key))
#define lockdep_register_key(key) ((void)(key))
#define lockdep_unregister_key(key) ((void)(key))
#define lockdep_assert_irqs_disabled() WARN_ON_ONCE(!irqs_disabled())
#define lockdep_assert_irqs_enabled() WARN_ON_ONCE(irqs_disabled())
#include <linux/irqflags.h>
#endif
