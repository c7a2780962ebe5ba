/* Read-copy-update: sections, grace periods, pointers. */
#ifndef _LINUX_RCUPDATE_H
#define _LINUX_RCUPDATE_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/types.h>

void rcu_read_lock(void) __bh_symbol(rcu_read_lock);
void rcu_read_unlock(void) __bh_symbol(rcu_read_unlock);
int rcu_read_lock_held(void) __bh_symbol(rcu_read_lock_held);
void call_rcu(struct rcu_head *head, rcu_callback_t func) __bh_symbol(call_rcu);
void synchronize_rcu(void) __bh_symbol(synchronize_rcu);
void rcu_barrier(void) __bh_symbol(rcu_barrier);
void kfree_rcu_mightsleep_ptr(const void *object) __bh_symbol(kfree_rcu_mightsleep);
void __bh_kfree_rcu(struct rcu_head *head, size_t offset) __bh_symbol(kfree_rcu);

#define call_rcu_hurry(head, func) call_rcu(head, func)
#define synchronize_rcu_expedited() synchronize_rcu()
#define kfree_rcu(ptr, field) __bh_kfree_rcu(&(ptr)->field, offsetof(__typeof__(*(ptr)), field))
#define kfree_rcu_mightsleep(ptr) kfree_rcu_mightsleep_ptr(ptr)
#define rcu_read_lock_bh() rcu_read_lock()
#define rcu_read_unlock_bh() rcu_read_unlock()
#define rcu_read_lock_sched() rcu_read_lock()
#define rcu_read_unlock_sched() rcu_read_unlock()

#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_CONSUME)
#define rcu_dereference_check(p, c) rcu_dereference(p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_dereference_raw(p) rcu_dereference(p)
#define rcu_access_pointer(p) READ_ONCE(p)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, v) ((void)((p) = (v)))
#define RCU_POINTER_INITIALIZER(p, v) .p = (v)
#define rcu_replace_pointer(p, v, c)                \
    __extension__({                                 \
        __typeof__(p) __bh_before = (p);            \
        rcu_assign_pointer(p, v);                   \
        __bh_before;                                \
    })
#endif
