/* Queues in an array: one reader and one writer need no lock. */
#ifndef _LINUX_KFIFO_H
#define _LINUX_KFIFO_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>

struct __kfifo {
    unsigned int in, out, mask, esize;
    void *data;
};
static inline unsigned int __bh_kfifo_in(struct __kfifo *f, const void *from, unsigned int n) {
    const unsigned int in = f->in, room = f->mask + 1 - (in - __atomic_load_n(&f->out, __ATOMIC_ACQUIRE));
    if (n > room) n = room;
    for (unsigned int i = 0; i < n; ++i)
        __builtin_memcpy((char *)f->data + (size_t)((in + i) & f->mask) * f->esize, (const char *)from + (size_t)i * f->esize,
                         f->esize);
    __atomic_store_n(&f->in, in + n, __ATOMIC_RELEASE);
    return n;
}
static inline unsigned int __bh_kfifo_peek(struct __kfifo *f, void *to, unsigned int n) {
    const unsigned int out = f->out, there = __atomic_load_n(&f->in, __ATOMIC_ACQUIRE) - out;
    if (n > there) n = there;
    for (unsigned int i = 0; i < n; ++i)
        __builtin_memcpy((char *)to + (size_t)i * f->esize, (char *)f->data + (size_t)((out + i) & f->mask) * f->esize,
                         f->esize);
    return n;
}
static inline unsigned int __bh_kfifo_out(struct __kfifo *f, void *to, unsigned int n) {
    n = __bh_kfifo_peek(f, to, n);
    __atomic_store_n(&f->out, f->out + n, __ATOMIC_RELEASE);
    return n;
}
static inline int __bh_kfifo_alloc(struct __kfifo *f, unsigned int size, unsigned int esize, gfp_t gfp) {
    if (size < 2) return -EINVAL;
    size = (unsigned int)roundup_pow_of_two(size);
    f->data = kmalloc_array(size, esize, gfp);
    f->in = f->out = 0;
    f->mask = f->data != NULL ? size - 1 : 0;
    f->esize = esize;
    return f->data != NULL ? 0 : -ENOMEM;
}
/* The size of a static one: a power of two, at least 2. */
#define __bh_kfifo_size(size) ((size) >= 2 && ((size) & ((size)-1)) == 0 ? (size) : -1)
/* Bytes to and from user space, at most len; *copied says how many. */
static inline int __bh_kfifo_to_user(struct __kfifo *f, void *to, unsigned int len, unsigned int *copied) {
    if (to == NULL && len != 0) return -EFAULT;
    *copied = __bh_kfifo_out(f, to, len / f->esize) * f->esize;
    return 0;
}
static inline int __bh_kfifo_from_user(struct __kfifo *f, const void *from, unsigned int len, unsigned int *copied) {
    if (from == NULL && len != 0) return -EFAULT;
    *copied = __bh_kfifo_in(f, from, len / f->esize) * f->esize;
    return 0;
}

#define __STRUCT_KFIFO(type, size) \
    struct {                       \
        struct __kfifo kfifo;      \
        type buf[__bh_kfifo_size(size)]; \
        type *__type[0];           \
    }
#define STRUCT_KFIFO(type, size) __STRUCT_KFIFO(type, size)
struct kfifo {
    struct __kfifo kfifo;
    unsigned char buf[0];
    unsigned char *__type[0];
};
#define STRUCT_KFIFO_PTR(type)    \
    struct {                      \
        struct __kfifo kfifo;     \
        type buf[0];              \
        type *__type[0];          \
    }
#define DECLARE_KFIFO(fifo, type, size) STRUCT_KFIFO(type, size) fifo
#define DECLARE_KFIFO_PTR(fifo, type) STRUCT_KFIFO_PTR(type) fifo
#define DEFINE_KFIFO(fifo, type, size) \
    STRUCT_KFIFO(type, size) fifo = {.kfifo = {0, 0, (size)-1, sizeof(type), fifo.buf}}
#define INIT_KFIFO(fifo)                                                           \
    do {                                                                           \
        (fifo).kfifo.in = (fifo).kfifo.out = 0;                                    \
        (fifo).kfifo.esize = sizeof(*(fifo).buf);                                  \
        (fifo).kfifo.mask = (unsigned int)(sizeof((fifo).buf) / sizeof(*(fifo).buf)) - 1; \
        (fifo).kfifo.data = (fifo).buf;                                            \
    } while (0)

#define kfifo_alloc(fifo, size, gfp) __bh_kfifo_alloc(&(fifo)->kfifo, size, sizeof(*(fifo)->buf), gfp)
#define kfifo_free(fifo)               \
    do {                               \
        kfree((fifo)->kfifo.data);     \
        (fifo)->kfifo.data = NULL;     \
        (fifo)->kfifo.mask = 0;        \
        (fifo)->kfifo.in = (fifo)->kfifo.out = 0; \
    } while (0)
#define kfifo_initialized(fifo) ((fifo)->kfifo.mask != 0)
#define kfifo_esize(fifo) ((fifo)->kfifo.esize)
#define kfifo_size(fifo) ((fifo)->kfifo.mask + 1)
#define kfifo_len(fifo) ((fifo)->kfifo.in - (fifo)->kfifo.out)
#define kfifo_avail(fifo) (kfifo_size(fifo) - kfifo_len(fifo))
#define kfifo_is_empty(fifo) ((fifo)->kfifo.in == (fifo)->kfifo.out)
#define kfifo_is_full(fifo) (kfifo_len(fifo) > (fifo)->kfifo.mask)
#define kfifo_reset(fifo) ((void)((fifo)->kfifo.in = (fifo)->kfifo.out = 0))
#define kfifo_reset_out(fifo) ((void)((fifo)->kfifo.out = (fifo)->kfifo.in))
#define kfifo_skip(fifo) ((void)++(fifo)->kfifo.out)
#define kfifo_put(fifo, val)                                        \
    __extension__({                                                 \
        __typeof__((fifo)->buf[0]) __bh_value = (val);              \
        (int)__bh_kfifo_in(&(fifo)->kfifo, &__bh_value, 1);         \
    })
#define kfifo_get(fifo, ptr) ((int)__bh_kfifo_out(&(fifo)->kfifo, ptr, 1))
#define kfifo_peek(fifo, ptr) ((int)__bh_kfifo_peek(&(fifo)->kfifo, ptr, 1))
#define kfifo_in(fifo, buf, n) __bh_kfifo_in(&(fifo)->kfifo, buf, n)
#define kfifo_out(fifo, buf, n) __bh_kfifo_out(&(fifo)->kfifo, buf, n)
#define kfifo_out_peek(fifo, buf, n) __bh_kfifo_peek(&(fifo)->kfifo, buf, n)
#define kfifo_to_user(fifo, to, len, copied) __bh_kfifo_to_user(&(fifo)->kfifo, to, len, copied)
#define kfifo_from_user(fifo, from, len, copied) __bh_kfifo_from_user(&(fifo)->kfifo, from, len, copied)
#define kfifo_in_spinlocked(fifo, buf, n, lock)                     \
    __extension__({                                                 \
        unsigned long __bh_flags;                                   \
        unsigned int __bh_done;                                     \
        spin_lock_irqsave(lock, __bh_flags);                        \
        __bh_done = kfifo_in(fifo, buf, n);                         \
        spin_unlock_irqrestore(lock, __bh_flags);                   \
        __bh_done;                                                  \
    })
#define kfifo_out_spinlocked(fifo, buf, n, lock)                    \
    __extension__({                                                 \
        unsigned long __bh_flags;                                   \
        unsigned int __bh_done;                                     \
        spin_lock_irqsave(lock, __bh_flags);                        \
        __bh_done = kfifo_out(fifo, buf, n);                        \
        spin_unlock_irqrestore(lock, __bh_flags);                   \
        __bh_done;                                                  \
    })
#define kfifo_in_locked kfifo_in_spinlocked
#define kfifo_out_locked kfifo_out_spinlocked
#endif
