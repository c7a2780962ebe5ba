#ifndef _LINUX_MATH_H
#define _LINUX_MATH_H
#include <linux/types.h>
#define __round_mask(x, y) ((__typeof__(x))((y) - 1))
#define round_up(x, y) ((((x) - 1) | __round_mask(x, y)) + 1)
#define round_down(x, y) ((x) & ~__round_mask(x, y))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d) DIV_ROUND_UP((unsigned long long)(n), d)
#define DIV_ROUND_DOWN_ULL(n, d) ((unsigned long long)(n) / (d))
#define DIV_ROUND_CLOSEST(x, d)                                                                            \
    __extension__({                                                                                        \
        __typeof__(x) __bh_n = (x);                                                                        \
        __typeof__(d) __bh_d = (d);                                                                        \
        (__bh_n > 0 || __bh_n == 0) == (__bh_d > 0) ? (__bh_n + __bh_d / 2) / __bh_d                       \
                                                    : (__bh_n - __bh_d / 2) / __bh_d;                      \
    })
#define roundup(x, y) ((((x) + ((y) - 1)) / (y)) * (y))
#define rounddown(x, y) ((x) - ((x) % (y)))
#define mult_frac(x, n, d) (((x) / (d)) * (n) + (((x) % (d)) * (n)) / (d))
#define sector_div(a, b)                          \
    __extension__({                               \
        u32 __bh_rest = (u32)((a) % (u32)(b));    \
        (a) /= (u32)(b);                          \
        __bh_rest;                                \
    })
#ifndef __cplusplus
#define abs(x)                                       \
    __extension__({                                  \
        __typeof__(x) __bh_signed = (x);             \
        __bh_signed < 0 ? -__bh_signed : __bh_signed; \
    })
#endif
#define abs_diff(a, b) ((a) > (b) ? (a) - (b) : (b) - (a))
static inline unsigned long int_sqrt(unsigned long x) {
    unsigned long root = 0, bit = 1UL << 62;
    while (bit > x) bit >>= 2;
    for (; bit != 0; bit >>= 2) {
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}
static inline u32 reciprocal_scale(u32 val, u32 ep_ro) { return (u32)(((u64)val * ep_ro) >> 32); }
#endif
