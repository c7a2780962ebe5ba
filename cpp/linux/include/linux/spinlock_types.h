#ifndef _LINUX_SPINLOCK_TYPES_H
#define _LINUX_SPINLOCK_TYPES_H
#include <linux/types.h>

/* The engine's spin lock; all zero is unlocked, too. */
typedef struct spinlock {
    void *__owner;
    u32 __parked;
    u32 __wait_lock;
    struct list_head __waiting;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;
typedef struct {
    int __count; /* readers, or -1: a writer */
} rwlock_t;

#define __SPIN_LOCK_UNLOCKED(lockname) {NULL, 0, 0, {&(lockname).__waiting, &(lockname).__waiting}}
#define __RAW_SPIN_LOCK_UNLOCKED(lockname) __SPIN_LOCK_UNLOCKED(lockname)
#define DEFINE_SPINLOCK(x) spinlock_t x = __SPIN_LOCK_UNLOCKED(x)
#define DEFINE_RAW_SPINLOCK(x) raw_spinlock_t x = __SPIN_LOCK_UNLOCKED(x)
#define __RW_LOCK_UNLOCKED(lockname) {0}
#define DEFINE_RWLOCK(x) rwlock_t x = __RW_LOCK_UNLOCKED(x)
#endif
