/* Arrays of pointers that may be as long as numbers go. The basics: no marks, no ranges as one entry, no iterators. */
#ifndef _LINUX_XARRAY_H
#define _LINUX_XARRAY_H

#include <linux/bh_id_map.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/spinlock.h>

struct xarray {
    spinlock_t xa_lock; /* for the caller: the array has its own */
    gfp_t xa_flags;
    struct __bh_id_map __map;
};
typedef unsigned int xa_mark_t;
struct xa_limit {
    u32 max, min;
};
#define XA_PRESENT 8U
#define XA_FLAGS_TRACK_FREE 4U
#define XA_FLAGS_ALLOC (XA_FLAGS_TRACK_FREE | 1U)
#define XA_FLAGS_ALLOC1 (XA_FLAGS_TRACK_FREE | 2U)
#ifdef __cplusplus
#define XA_LIMIT(low, high) xa_limit{(u32)(high), (u32)(low)}
#else
#define XA_LIMIT(low, high) ((struct xa_limit){.max = (high), .min = (low)})
#endif
#define xa_limit_32b XA_LIMIT(0, UINT_MAX)
#define xa_limit_31b XA_LIMIT(0, INT_MAX)
#define xa_limit_16b XA_LIMIT(0, USHRT_MAX)

#define XARRAY_INIT(name, flags) {__SPIN_LOCK_UNLOCKED((name).xa_lock), (flags), {NULL, 0, 0}}
#define DEFINE_XARRAY_FLAGS(name, flags) struct xarray name = XARRAY_INIT(name, flags)
#define DEFINE_XARRAY(name) DEFINE_XARRAY_FLAGS(name, 0)
#define DEFINE_XARRAY_ALLOC(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC)
#define DEFINE_XARRAY_ALLOC1(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC1)

/* Small numbers in place of pointers. */
static inline void *xa_mk_value(unsigned long v) { return (void *)((v << 1) | 1); }
static inline unsigned long xa_to_value(const void *entry) { return (unsigned long)entry >> 1; }
static inline bool xa_is_value(const void *entry) { return ((unsigned long)entry & 1) != 0; }
/* What a function returns that could not do what it was asked for. */
static inline bool xa_is_err(const void *entry) { return IS_ERR(entry); }
static inline int xa_err(void *entry) { return IS_ERR(entry) ? (int)PTR_ERR(entry) : 0; }

static inline void xa_init_flags(struct xarray *xa, gfp_t flags) {
    spin_lock_init(&xa->xa_lock);
    xa->xa_flags = flags;
    xa->__map.entries = NULL;
    xa->__map.lock = xa->__map.next = 0;
}
static inline void xa_init(struct xarray *xa) { xa_init_flags(xa, 0); }
static inline void *xa_load(struct xarray *xa, unsigned long index) { return __bh_id_find(&xa->__map, index); }
static inline void *xa_erase(struct xarray *xa, unsigned long index) { return __bh_id_remove(&xa->__map, index, NULL); }
/* NULL erases; in an array that allocates it keeps the place. */
static inline void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp) {
    void *before;
    int error;
    (void)gfp;
    if (entry == NULL && (xa->xa_flags & XA_FLAGS_TRACK_FREE) == 0) return xa_erase(xa, index);
    error = __bh_id_set(&xa->__map, index, entry, 2, &before);
    return error == 0 ? before : ERR_PTR(error);
}
static inline int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp) {
    void *before;
    (void)gfp;
    return __bh_id_set(&xa->__map, index, entry, 0, &before);
}
/* Numbers begin at 1 with XA_FLAGS_ALLOC1. */
static inline unsigned long __bh_xa_first(const struct xarray *xa, struct xa_limit limit) {
    return limit.min == 0 && (xa->xa_flags & XA_FLAGS_ALLOC1) == XA_FLAGS_ALLOC1 ? 1 : limit.min;
}
static inline int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp) {
    unsigned long found = 0;
    int error = __bh_id_alloc(&xa->__map, &found, entry, __bh_xa_first(xa, limit), limit.max);
    (void)gfp;
    if (error == -ENOSPC) return -EBUSY;
    if (error == 0) *id = (u32)found;
    return error;
}
/* 1: it began anew with the lowest number. */
static inline int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
                                  gfp_t gfp) {
    unsigned long found = 0;
    int result;
    (void)gfp;
    xa->__map.next = *next;
    result = __bh_id_alloc_cyclic(&xa->__map, &found, entry, __bh_xa_first(xa, limit), limit.max);
    if (result == -ENOSPC) return -EBUSY;
    if (result < 0) return result;
    *id = (u32)found;
    *next = (u32)found + 1;
    return result;
}
static inline bool xa_empty(const struct xarray *xa) { return __bh_id_is_empty(&xa->__map); }
static inline void xa_destroy(struct xarray *xa) { __bh_id_destroy(&xa->__map); }
/* filter: XA_PRESENT. */
static inline void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter) {
    (void)filter;
    return __bh_id_next(&xa->__map, index, max);
}
static inline void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter) {
    unsigned long after = *index + 1;
    void *entry = after == 0 ? NULL : xa_find(xa, &after, max, filter);
    if (entry != NULL) *index = after;
    return entry;
}

#define xa_for_each_range(xa, index, entry, start, last)                                                        \
    for ((index) = (start), (entry) = (__typeof__(entry))xa_find((xa), &(index), (last), XA_PRESENT); (entry); \
         (entry) = (__typeof__(entry))xa_find_after((xa), &(index), (last), XA_PRESENT))
#define xa_for_each_start(xa, index, entry, start) xa_for_each_range(xa, index, entry, start, ULONG_MAX)
#define xa_for_each(xa, index, entry) xa_for_each_start(xa, index, entry, 0)

#define xa_lock(xa) spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa) spin_unlock(&(xa)->xa_lock)
#define xa_lock_bh(xa) spin_lock_bh(&(xa)->xa_lock)
#define xa_unlock_bh(xa) spin_unlock_bh(&(xa)->xa_lock)
#define xa_lock_irq(xa) spin_lock_irq(&(xa)->xa_lock)
#define xa_unlock_irq(xa) spin_unlock_irq(&(xa)->xa_lock)
#define xa_lock_irqsave(xa, flags) spin_lock_irqsave(&(xa)->xa_lock, flags)
#define xa_unlock_irqrestore(xa, flags) spin_unlock_irqrestore(&(xa)->xa_lock, flags)
#define __xa_store(xa, index, entry, gfp) xa_store(xa, index, entry, gfp)
#define __xa_insert(xa, index, entry, gfp) xa_insert(xa, index, entry, gfp)
#define __xa_erase(xa, index) xa_erase(xa, index)
#define __xa_alloc(xa, id, entry, limit, gfp) xa_alloc(xa, id, entry, limit, gfp)

#endif
