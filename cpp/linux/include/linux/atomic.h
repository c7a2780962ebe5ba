/* Atomic integers. Operations that return a value order everything; the others, and reads and stores, nothing. */
#ifndef _LINUX_ATOMIC_H
#define _LINUX_ATOMIC_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>

/* P the functions' prefix, T the object's type, I the integer's. */
#define __BH_ATOMIC_RETURN(P, T, I, op, builtin, suffix, order)                                                      \
    static inline I P##_##op##_return##suffix(I i, T *v) { return __atomic_##builtin##_fetch(&v->counter, i, order); } \
    static inline I P##_fetch_##op##suffix(I i, T *v) { return __atomic_fetch_##builtin(&v->counter, i, order); }
#define __BH_ATOMIC_OP(P, T, I, op, builtin)                                                                        \
    static inline void P##_##op(I i, T *v) { (void)__atomic_fetch_##builtin(&v->counter, i, __ATOMIC_RELAXED); }     \
    __BH_ATOMIC_RETURN(P, T, I, op, builtin, , __ATOMIC_SEQ_CST)                                                    \
    __BH_ATOMIC_RETURN(P, T, I, op, builtin, _relaxed, __ATOMIC_RELAXED)                                            \
    __BH_ATOMIC_RETURN(P, T, I, op, builtin, _acquire, __ATOMIC_ACQUIRE)                                            \
    __BH_ATOMIC_RETURN(P, T, I, op, builtin, _release, __ATOMIC_RELEASE)
/* What may be weaker is not, where nobody can tell. */
#define __BH_ATOMIC_SWAP(P, T, I, suffix)                                                                           \
    static inline I P##_xchg##suffix(T *v, I i) { return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST); }    \
    static inline I P##_cmpxchg##suffix(T *v, I old, I i) {                                                         \
        __atomic_compare_exchange_n(&v->counter, &old, i, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                    \
        return old;                                                                                                 \
    }                                                                                                               \
    static inline bool P##_try_cmpxchg##suffix(T *v, I *old, I i) {                                                 \
        return __atomic_compare_exchange_n(&v->counter, old, i, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
    }
#define __BH_ATOMIC(P, T, I)                                                                                        \
    static inline I P##_read(const T *v) { return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); }                  \
    static inline I P##_read_acquire(const T *v) { return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); }          \
    static inline void P##_set(T *v, I i) { __atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); }                    \
    static inline void P##_set_release(T *v, I i) { __atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); }            \
    __BH_ATOMIC_OP(P, T, I, add, add)                                                                               \
    __BH_ATOMIC_OP(P, T, I, sub, sub)                                                                               \
    __BH_ATOMIC_OP(P, T, I, and, and)                                                                               \
    __BH_ATOMIC_OP(P, T, I, or, or)                                                                                 \
    __BH_ATOMIC_OP(P, T, I, xor, xor)                                                                               \
    static inline void P##_andnot(I i, T *v) { P##_and(~i, v); }                                                    \
    static inline I P##_fetch_andnot(I i, T *v) { return P##_fetch_and(~i, v); }                                    \
    static inline void P##_inc(T *v) { P##_add(1, v); }                                                             \
    static inline void P##_dec(T *v) { P##_sub(1, v); }                                                             \
    static inline I P##_inc_return(T *v) { return P##_add_return(1, v); }                                           \
    static inline I P##_dec_return(T *v) { return P##_sub_return(1, v); }                                           \
    static inline I P##_fetch_inc(T *v) { return P##_fetch_add(1, v); }                                             \
    static inline I P##_fetch_dec(T *v) { return P##_fetch_sub(1, v); }                                             \
    static inline bool P##_inc_and_test(T *v) { return P##_add_return(1, v) == 0; }                                 \
    static inline bool P##_dec_and_test(T *v) { return P##_sub_return(1, v) == 0; }                                 \
    static inline bool P##_sub_and_test(I i, T *v) { return P##_sub_return(i, v) == 0; }                            \
    static inline bool P##_add_negative(I i, T *v) { return P##_add_return(i, v) < 0; }                             \
    __BH_ATOMIC_SWAP(P, T, I, )                                                                                     \
    __BH_ATOMIC_SWAP(P, T, I, _relaxed)                                                                             \
    __BH_ATOMIC_SWAP(P, T, I, _acquire)                                                                             \
    __BH_ATOMIC_SWAP(P, T, I, _release)                                                                             \
    static inline I P##_fetch_add_unless(T *v, I a, I u) {                                                          \
        I c = P##_read(v);                                                                                          \
        while (c != u && !P##_try_cmpxchg(v, &c, c + a)) {                                                          \
        }                                                                                                           \
        return c;                                                                                                   \
    }                                                                                                               \
    static inline bool P##_add_unless(T *v, I a, I u) { return P##_fetch_add_unless(v, a, u) != u; }                \
    static inline bool P##_inc_not_zero(T *v) { return P##_add_unless(v, 1, 0); }                                   \
    static inline bool P##_inc_unless_negative(T *v) {                                                              \
        I c = P##_read(v);                                                                                          \
        while (c >= 0 && !P##_try_cmpxchg(v, &c, c + 1)) {                                                          \
        }                                                                                                           \
        return c >= 0;                                                                                              \
    }                                                                                                               \
    static inline I P##_dec_if_positive(T *v) {                                                                     \
        I c = P##_read(v);                                                                                          \
        while (c > 0 && !P##_try_cmpxchg(v, &c, c - 1)) {                                                           \
        }                                                                                                           \
        return c - 1;                                                                                               \
    }

__BH_ATOMIC(atomic, atomic_t, int)
__BH_ATOMIC(atomic64, atomic64_t, s64)
__BH_ATOMIC(atomic_long, atomic_long_t, long)

#define xchg(ptr, v) __atomic_exchange_n(ptr, v, __ATOMIC_SEQ_CST)
#define cmpxchg(ptr, old, v)                                                                              \
    __extension__({                                                                                       \
        __typeof__(*(ptr)) __bh_old = (old);                                                              \
        __atomic_compare_exchange_n(ptr, &__bh_old, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
        __bh_old;                                                                                         \
    })
#define cmpxchg64(ptr, old, v) cmpxchg(ptr, old, v)
#define try_cmpxchg(ptr, oldp, v) \
    __atomic_compare_exchange_n(ptr, oldp, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#endif
