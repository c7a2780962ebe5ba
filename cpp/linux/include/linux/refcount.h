#ifndef _LINUX_REFCOUNT_H
#define _LINUX_REFCOUNT_H
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
/* A counter that saturates, and says so, instead of wrapping. */
typedef struct refcount_struct {
    atomic_t refs;
} refcount_t;
#define REFCOUNT_INIT(n) {ATOMIC_INIT(n)}
#define REFCOUNT_SATURATED (-1073741824)
static inline void refcount_set(refcount_t *r, int n) { atomic_set(&r->refs, n); }
static inline unsigned int refcount_read(const refcount_t *r) { return (unsigned int)atomic_read(&r->refs); }
static inline void __bh_refcount_saturate(refcount_t *r, const char *what) {
    refcount_set(r, REFCOUNT_SATURATED);
    WARN_ONCE(1, "refcount_t: %s.\n", what);
}
static inline void refcount_add(int i, refcount_t *r) {
    const int old = atomic_fetch_add_relaxed(i, &r->refs);
    if (unlikely(old == 0))
        __bh_refcount_saturate(r, "addition on 0; use-after-free");
    else if (unlikely(old < 0 || old + i < 0))
        __bh_refcount_saturate(r, "saturated; leaking memory");
}
static inline void refcount_inc(refcount_t *r) { refcount_add(1, r); }
static inline bool refcount_add_not_zero(int i, refcount_t *r) { return atomic_add_unless(&r->refs, i, 0); }
static inline bool refcount_inc_not_zero(refcount_t *r) { return refcount_add_not_zero(1, r); }
static inline bool refcount_sub_and_test(int i, refcount_t *r) {
    const int old = atomic_fetch_sub(i, &r->refs);
    if (old == i) return true;
    if (unlikely(old < i)) __bh_refcount_saturate(r, "underflow; use-after-free");
    return false;
}
static inline bool refcount_dec_and_test(refcount_t *r) { return refcount_sub_and_test(1, r); }
static inline bool refcount_dec_not_one(refcount_t *r) {
    int old = atomic_read(&r->refs);
    do {
        if (unlikely(old == REFCOUNT_SATURATED)) return true;
        if (old == 1) return false;
    } while (!atomic_try_cmpxchg(&r->refs, &old, old - 1));
    return true;
}
static inline bool refcount_dec_if_one(refcount_t *r) {
    int one = 1;
    return atomic_try_cmpxchg(&r->refs, &one, 0);
}
/* True, and the lock held, when the counter came to zero. */
static inline bool refcount_dec_and_lock(refcount_t *r, spinlock_t *lock) {
    if (refcount_dec_not_one(r)) return false;
    spin_lock(lock);
    if (refcount_dec_and_test(r)) return true;
    spin_unlock(lock);
    return false;
}
static inline bool refcount_dec_and_mutex_lock(refcount_t *r, struct mutex *lock) {
    if (refcount_dec_not_one(r)) return false;
    mutex_lock(lock);
    if (refcount_dec_and_test(r)) return true;
    mutex_unlock(lock);
    return false;
}
static inline void refcount_dec(refcount_t *r) {
    if (unlikely(atomic_fetch_sub(1, &r->refs) <= 1)) __bh_refcount_saturate(r, "decrement hit 0; leaking memory");
}
#endif
