#ifndef _LINUX_OVERFLOW_H
#define _LINUX_OVERFLOW_H
#include <linux/types.h>
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d) __builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
static inline size_t size_mul(size_t a, size_t b) {
    size_t bytes;
    return check_mul_overflow(a, b, &bytes) ? ~(size_t)0 : bytes;
}
static inline size_t size_add(size_t a, size_t b) {
    size_t bytes;
    return check_add_overflow(a, b, &bytes) ? ~(size_t)0 : bytes;
}
#define array_size(a, b) size_mul(a, b)
#define flex_array_size(p, member, count) size_mul(count, sizeof(*(p)->member))
#define struct_size(p, member, count) size_add(sizeof(*(p)), flex_array_size(p, member, count))
#endif
