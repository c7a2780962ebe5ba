/* User space: whoever opened the file, in the same process. */
#ifndef _LINUX_UACCESS_H
#define _LINUX_UACCESS_H
#include <linux/errno.h>
#include <linux/types.h>
unsigned long __bh_copy_user(void *to, const void *from, unsigned long n, const void *user) __bh_symbol(copy_user);
long strncpy_from_user(char *to, const char __user *from, long n) __bh_symbol(strncpy_from_user);
/* How many bytes could not be copied. */
static inline unsigned long __must_check copy_to_user(void __user *to, const void *from, unsigned long n) {
    return __bh_copy_user(to, from, n, to);
}
static inline unsigned long __must_check copy_from_user(void *to, const void __user *from, unsigned long n) {
    return __bh_copy_user(to, from, n, from);
}
#define __copy_to_user copy_to_user
#define __copy_from_user copy_from_user
static inline unsigned long __must_check clear_user(void __user *to, unsigned long n) {
    if (to == NULL) return n;
    __builtin_memset(to, 0, n);
    return 0;
}
#define access_ok(addr, size) ((addr) != NULL)
#define put_user(x, ptr)                                            \
    __extension__({                                                 \
        __typeof__(*(ptr)) __user *__bh_to = (ptr);                 \
        __bh_to != NULL ? (*__bh_to = (x), 0) : -EFAULT;            \
    })
#define get_user(x, ptr)                                            \
    __extension__({                                                 \
        const __typeof__(*(ptr)) __user *__bh_from = (ptr);         \
        __bh_from != NULL ? ((x) = *__bh_from, 0) : -EFAULT;        \
    })
#define __put_user(x, ptr) put_user(x, ptr)
#define __get_user(x, ptr) get_user(x, ptr)
static inline ssize_t simple_read_from_buffer(void __user *to, size_t count, loff_t *ppos, const void *from,
                                              size_t available) {
    if (*ppos < 0) return -EINVAL;
    if ((size_t)*ppos >= available || count == 0) return 0;
    if (count > available - (size_t)*ppos) count = available - (size_t)*ppos;
    const size_t rest = copy_to_user(to, (const char *)from + *ppos, count);
    if (rest == count) return -EFAULT;
    *ppos += (loff_t)(count - rest);
    return (ssize_t)(count - rest);
}
static inline ssize_t simple_write_to_buffer(void *to, size_t available, loff_t *ppos, const void __user *from,
                                             size_t count) {
    if (*ppos < 0) return -EINVAL;
    if ((size_t)*ppos >= available || count == 0) return 0;
    if (count > available - (size_t)*ppos) count = available - (size_t)*ppos;
    const size_t rest = copy_from_user((char *)to + *ppos, from, count);
    if (rest == count) return -EFAULT;
    *ppos += (loff_t)(count - rest);
    return (ssize_t)(count - rest);
}
#endif
