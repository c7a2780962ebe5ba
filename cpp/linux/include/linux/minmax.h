#ifndef _LINUX_MINMAX_H
#define _LINUX_MINMAX_H
#include <linux/types.h>

#define __bh_choose(x, y, op, a, b) __bh_choose_named(x, y, op, a, b)
#define __bh_choose_named(x, y, op, a, b)   \
    __extension__({                         \
        __typeof__(x) a = (x);              \
        __typeof__(y) b = (y);              \
        a op b ? a : b;                     \
    })
#ifndef __cplusplus /* where templates of these names live */
#define min(x, y) __bh_choose(x, y, <, __UNIQUE_ID(a), __UNIQUE_ID(b))
#define max(x, y) __bh_choose(x, y, >, __UNIQUE_ID(a), __UNIQUE_ID(b))
#define swap(a, b)                       \
    do {                                 \
        __typeof__(a) __bh_swapped = (a); \
        (a) = (b);                       \
        (b) = __bh_swapped;              \
    } while (0)
#define clamp(val, lo, hi) min(max(val, lo), hi)
#define min3(x, y, z) min(min(x, y), z)
#define max3(x, y, z) max(max(x, y), z)
#endif
#define min_t(type, x, y) __bh_choose((type)(x), (type)(y), <, __UNIQUE_ID(a), __UNIQUE_ID(b))
#define max_t(type, x, y) __bh_choose((type)(x), (type)(y), >, __UNIQUE_ID(a), __UNIQUE_ID(b))
#define clamp_t(type, val, lo, hi) min_t(type, max_t(type, val, lo), hi)
#define clamp_val(val, lo, hi) clamp_t(__typeof__(val), val, lo, hi)
#define min_not_zero(x, y)                                                       \
    __extension__({                                                              \
        __typeof__(x) __bh_x = (x);                                              \
        __typeof__(y) __bh_y = (y);                                              \
        __bh_x == 0 ? __bh_y : (__bh_y == 0 ? __bh_x : (__bh_x < __bh_y ? __bh_x : __bh_y)); \
    })
#define in_range(val, start, len) ((u64)(val) - (u64)(start) < (u64)(len))
#endif
