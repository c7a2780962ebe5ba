#ifndef _LINUX_RWSEM_H
#define _LINUX_RWSEM_H

#include <linux/wait.h>

struct rw_semaphore {
    u32 __lock;
    s32 __count; /* readers, or -1: a writer */
    struct wait_queue_head __waiters;
};
#define __RWSEM_INITIALIZER(name) {0, 0, __WAIT_QUEUE_HEAD_INITIALIZER((name).__waiters)}
#define DECLARE_RWSEM(name) struct rw_semaphore name = __RWSEM_INITIALIZER(name)

void __bh_init_rwsem(struct rw_semaphore *sem) __bh_symbol(init_rwsem);
void down_read(struct rw_semaphore *sem) __bh_symbol(down_read);
int __must_check down_read_interruptible(struct rw_semaphore *sem) __bh_symbol(down_read_interruptible);
int down_read_trylock(struct rw_semaphore *sem) __bh_symbol(down_read_trylock);
void up_read(struct rw_semaphore *sem) __bh_symbol(up_read);
void down_write(struct rw_semaphore *sem) __bh_symbol(down_write);
int __must_check down_write_killable(struct rw_semaphore *sem) __bh_symbol(down_write_killable);
int down_write_trylock(struct rw_semaphore *sem) __bh_symbol(down_write_trylock);
void up_write(struct rw_semaphore *sem) __bh_symbol(up_write);
void downgrade_write(struct rw_semaphore *sem) __bh_symbol(downgrade_write);
int rwsem_is_locked(struct rw_semaphore *sem) __bh_symbol(rwsem_is_locked);
#define init_rwsem(sem) __bh_init_rwsem(sem)
#define down_read_killable(sem) down_read_interruptible(sem)
#endif
