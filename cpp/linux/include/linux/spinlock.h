/* Spin locks and reader-writer spin locks. Their holders may not sleep. */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

#include <linux/bottom_half.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/spinlock_types.h>

void __bh_spin_lock_init(spinlock_t *lock) __bh_symbol(spin_lock_init);
void spin_lock(spinlock_t *lock) __bh_symbol(spin_lock);
void spin_unlock(spinlock_t *lock) __bh_symbol(spin_unlock);
int spin_trylock(spinlock_t *lock) __bh_symbol(spin_trylock);
void spin_lock_bh(spinlock_t *lock) __bh_symbol(spin_lock_bh);
void spin_unlock_bh(spinlock_t *lock) __bh_symbol(spin_unlock_bh);
int spin_trylock_bh(spinlock_t *lock) __bh_symbol(spin_trylock_bh);
void spin_lock_irq(spinlock_t *lock) __bh_symbol(spin_lock_irq);
void spin_unlock_irq(spinlock_t *lock) __bh_symbol(spin_unlock_irq);
int spin_trylock_irq(spinlock_t *lock) __bh_symbol(spin_trylock_irq);
unsigned long __bh_spin_lock_irqsave(spinlock_t *lock) __bh_symbol(spin_lock_irqsave);
void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags) __bh_symbol(spin_unlock_irqrestore);
int __bh_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags) __bh_symbol(spin_trylock_irqsave);
int spin_is_locked(spinlock_t *lock) __bh_symbol(spin_is_locked);
void __bh_assert_spin_locked(spinlock_t *lock) __bh_symbol(assert_spin_locked);

void __bh_read_lock(rwlock_t *lock) __bh_symbol(read_lock);
void __bh_read_unlock(rwlock_t *lock) __bh_symbol(read_unlock);
int __bh_read_trylock(rwlock_t *lock) __bh_symbol(read_trylock);
void __bh_write_lock(rwlock_t *lock) __bh_symbol(write_lock);
void __bh_write_unlock(rwlock_t *lock) __bh_symbol(write_unlock);
int __bh_write_trylock(rwlock_t *lock) __bh_symbol(write_trylock);

/* Macros, as in Linux: variables of modules have these names. */
#define read_lock(lock) __bh_read_lock(lock)
#define read_unlock(lock) __bh_read_unlock(lock)
#define read_trylock(lock) __bh_read_trylock(lock)
#define write_lock(lock) __bh_write_lock(lock)
#define write_unlock(lock) __bh_write_unlock(lock)
#define write_trylock(lock) __bh_write_trylock(lock)

#define spin_lock_init(lock) __bh_spin_lock_init(lock)
#define spin_lock_irqsave(lock, flags) ((void)((flags) = __bh_spin_lock_irqsave(lock)))
#define spin_lock_irqsave_nested(lock, flags, subclass) spin_lock_irqsave(lock, flags)
#define spin_trylock_irqsave(lock, flags) __bh_spin_trylock_irqsave(lock, &(flags))
#define spin_lock_nested(lock, subclass) spin_lock(lock)
#define spin_lock_bh_nested(lock, subclass) spin_lock_bh(lock)
#define assert_spin_locked(lock) __bh_assert_spin_locked(lock)
#define spin_is_contended(lock) (READ_ONCE((lock)->__parked) != 0)

#define raw_spin_lock_init(lock) spin_lock_init(lock)
#define raw_spin_lock(lock) spin_lock(lock)
#define raw_spin_unlock(lock) spin_unlock(lock)
#define raw_spin_trylock(lock) spin_trylock(lock)
#define raw_spin_lock_bh(lock) spin_lock_bh(lock)
#define raw_spin_unlock_bh(lock) spin_unlock_bh(lock)
#define raw_spin_lock_irq(lock) spin_lock_irq(lock)
#define raw_spin_unlock_irq(lock) spin_unlock_irq(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)

#define rwlock_init(lock) ((void)((lock)->__count = 0))
static inline void read_lock_bh(rwlock_t *lock) {
    local_bh_disable();
    read_lock(lock);
}
static inline void read_unlock_bh(rwlock_t *lock) {
    read_unlock(lock);
    local_bh_enable();
}
static inline void write_lock_bh(rwlock_t *lock) {
    local_bh_disable();
    write_lock(lock);
}
static inline void write_unlock_bh(rwlock_t *lock) {
    write_unlock(lock);
    local_bh_enable();
}
static inline void read_lock_irq(rwlock_t *lock) {
    local_irq_disable();
    read_lock(lock);
}
static inline void read_unlock_irq(rwlock_t *lock) {
    read_unlock(lock);
    local_irq_enable();
}
static inline void write_lock_irq(rwlock_t *lock) {
    local_irq_disable();
    write_lock(lock);
}
static inline void write_unlock_irq(rwlock_t *lock) {
    write_unlock(lock);
    local_irq_enable();
}
#define read_lock_irqsave(lock, flags)  \
    do {                                \
        local_irq_save(flags);          \
        read_lock(lock);                \
    } while (0)
#define read_unlock_irqrestore(lock, flags) \
    do {                                    \
        read_unlock(lock);                  \
        local_irq_restore(flags);           \
    } while (0)
#define write_lock_irqsave(lock, flags) \
    do {                                \
        local_irq_save(flags);          \
        write_lock(lock);               \
    } while (0)
#define write_unlock_irqrestore(lock, flags) \
    do {                                     \
        write_unlock(lock);                  \
        local_irq_restore(flags);            \
    } while (0)

static inline bool atomic_dec_and_lock(atomic_t *atomic, spinlock_t *lock) {
    spin_lock(lock);
    if (__atomic_sub_fetch(&atomic->counter, 1, __ATOMIC_SEQ_CST) == 0) return true;
    spin_unlock(lock);
    return false;
}
#endif
