/* Readers that try again when a writer came in between. */
#ifndef _LINUX_SEQLOCK_H
#define _LINUX_SEQLOCK_H

#include <linux/processor.h>
#include <linux/spinlock.h>

typedef struct seqcount {
    unsigned sequence;
} seqcount_t;
typedef struct {
    seqcount_t seqcount;
    spinlock_t lock;
} seqlock_t;

#define SEQCNT_ZERO(name) {0}
#define __SEQLOCK_UNLOCKED(lockname) {SEQCNT_ZERO(lockname), __SPIN_LOCK_UNLOCKED((lockname).lock)}
#define DEFINE_SEQLOCK(sl) seqlock_t sl = __SEQLOCK_UNLOCKED(sl)
#define seqcount_init(s) ((void)((s)->sequence = 0))
static inline void seqlock_init(seqlock_t *sl) {
    seqcount_init(&sl->seqcount);
    spin_lock_init(&sl->lock);
}
static inline unsigned read_seqcount_begin(const seqcount_t *s) {
    unsigned sequence;
    while (((sequence = __atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE)) & 1) != 0) cpu_relax();
    return sequence;
}
static inline int read_seqcount_retry(const seqcount_t *s, unsigned start) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&s->sequence, __ATOMIC_RELAXED) != start;
}
/* The first count is seen before what is written, the second after it. */
static inline void write_seqcount_begin(seqcount_t *s) {
    (void)__atomic_fetch_add(&s->sequence, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void write_seqcount_end(seqcount_t *s) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    (void)__atomic_fetch_add(&s->sequence, 1, __ATOMIC_SEQ_CST);
}
static inline unsigned read_seqbegin(const seqlock_t *sl) { return read_seqcount_begin(&sl->seqcount); }
static inline unsigned read_seqretry(const seqlock_t *sl, unsigned start) {
    return (unsigned)read_seqcount_retry(&sl->seqcount, start);
}
static inline void write_seqlock(seqlock_t *sl) {
    spin_lock(&sl->lock);
    write_seqcount_begin(&sl->seqcount);
}
static inline void write_sequnlock(seqlock_t *sl) {
    write_seqcount_end(&sl->seqcount);
    spin_unlock(&sl->lock);
}
static inline void write_seqlock_bh(seqlock_t *sl) {
    spin_lock_bh(&sl->lock);
    write_seqcount_begin(&sl->seqcount);
}
static inline void write_sequnlock_bh(seqlock_t *sl) {
    write_seqcount_end(&sl->seqcount);
    spin_unlock_bh(&sl->lock);
}
static inline void write_seqlock_irq(seqlock_t *sl) {
    spin_lock_irq(&sl->lock);
    write_seqcount_begin(&sl->seqcount);
}
static inline void write_sequnlock_irq(seqlock_t *sl) {
    write_seqcount_end(&sl->seqcount);
    spin_unlock_irq(&sl->lock);
}
#define write_seqlock_irqsave(sl, flags)            \
    do {                                            \
        spin_lock_irqsave(&(sl)->lock, flags);      \
        write_seqcount_begin(&(sl)->seqcount);      \
    } while (0)
static inline void write_sequnlock_irqrestore(seqlock_t *sl, unsigned long flags) {
    write_seqcount_end(&sl->seqcount);
    spin_unlock_irqrestore(&sl->lock, flags);
}
#endif
