#ifndef _LINUX_MATH64_H
#define _LINUX_MATH64_H
#include <linux/math.h>
static inline u64 div_u64(u64 dividend, u32 divisor) { return dividend / divisor; }
static inline s64 div_s64(s64 dividend, s32 divisor) { return dividend / divisor; }
static inline u64 div64_u64(u64 dividend, u64 divisor) { return dividend / divisor; }
static inline s64 div64_s64(s64 dividend, s64 divisor) { return dividend / divisor; }
static inline u64 div_u64_rem(u64 dividend, u32 divisor, u32 *remainder) {
    *remainder = (u32)(dividend % divisor);
    return dividend / divisor;
}
static inline s64 div_s64_rem(s64 dividend, s32 divisor, s32 *remainder) {
    *remainder = (s32)(dividend % divisor);
    return dividend / divisor;
}
static inline u64 div64_u64_rem(u64 dividend, u64 divisor, u64 *remainder) {
    *remainder = dividend % divisor;
    return dividend / divisor;
}
static inline u64 mul_u32_u32(u32 a, u32 b) { return (u64)a * b; }
static inline u64 mul_u64_u32_div(u64 a, u32 mul, u32 div) { return (u64)((unsigned __int128)a * mul / div); }
/* Divides n in place and yields the remainder. */
#define do_div(n, base)                         \
    __extension__({                             \
        u32 __bh_base = (base);                 \
        u32 __bh_rem = (u32)((u64)(n) % __bh_base); \
        (n) = (u64)(n) / __bh_base;             \
        __bh_rem;                               \
    })
#endif
