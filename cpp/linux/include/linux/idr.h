/* Pointers by small numbers, and numbers alone. An IDR's locking is the caller's, as long as entries come and go. */
#ifndef _LINUX_IDR_H
#define _LINUX_IDR_H

#include <linux/bh_id_map.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/limits.h>

struct idr {
    struct __bh_id_map __map;
    unsigned int idr_base;
};
#ifdef __cplusplus
#define IDR_INIT_BASE(name, base) {{NULL, 0, 0}, (base)}
#else
#define IDR_INIT_BASE(name, base) (struct idr){{NULL, 0, 0}, (base)}
#endif
#define IDR_INIT(name) IDR_INIT_BASE(name, 0)
#define DEFINE_IDR(name) struct idr name = {{NULL, 0, 0}, 0}

static inline void idr_init_base(struct idr *idr, int base) {
    idr->__map.entries = NULL;
    idr->__map.lock = idr->__map.next = 0;
    idr->idr_base = (unsigned int)base;
}
static inline void idr_init(struct idr *idr) { idr_init_base(idr, 0); }

/* Numbers from start to end - 1; an end of 0 or less: up to INT_MAX. */
static inline int __bh_idr_alloc(struct idr *idr, void *ptr, int start, int end, bool cyclic) {
    unsigned long id = 0, first = (unsigned long)start, last = end > 0 ? (unsigned long)end - 1 : INT_MAX;
    int error;
    if (WARN_ON_ONCE(start < 0)) return -EINVAL;
    if (first < idr->idr_base) first = idr->idr_base;
    error = cyclic ? __bh_id_alloc_cyclic(&idr->__map, &id, ptr, first, last)
                   : __bh_id_alloc(&idr->__map, &id, ptr, first, last);
    return error < 0 ? error : (int)id;
}
static inline int idr_alloc(struct idr *idr, void *ptr, int start, int end, gfp_t gfp) {
    (void)gfp;
    return __bh_idr_alloc(idr, ptr, start, end, false);
}
static inline int idr_alloc_cyclic(struct idr *idr, void *ptr, int start, int end, gfp_t gfp) {
    (void)gfp;
    return __bh_idr_alloc(idr, ptr, start, end, true);
}
static inline int idr_alloc_u32(struct idr *idr, void *ptr, u32 *nextid, unsigned long max, gfp_t gfp) {
    unsigned long id = *nextid;
    int error = __bh_id_alloc(&idr->__map, &id, ptr, id < idr->idr_base ? idr->idr_base : id, max);
    (void)gfp;
    if (error == 0) *nextid = (u32)id;
    return error;
}
static inline void *idr_remove(struct idr *idr, unsigned long id) { return __bh_id_remove(&idr->__map, id, NULL); }
static inline void *idr_find(const struct idr *idr, unsigned long id) { return __bh_id_find(&idr->__map, id); }
static inline void *idr_replace(struct idr *idr, void *ptr, unsigned long id) {
    void *before;
    int error = __bh_id_set(&idr->__map, id, ptr, 1, &before);
    return error == 0 ? before : ERR_PTR(error);
}
static inline void *idr_get_next_ul(struct idr *idr, unsigned long *nextid) {
    return __bh_id_next(&idr->__map, nextid, ULONG_MAX);
}
static inline void *idr_get_next(struct idr *idr, int *nextid) {
    unsigned long id = (unsigned long)*nextid;
    void *entry = __bh_id_next(&idr->__map, &id, INT_MAX);
    if (entry != NULL) *nextid = (int)id;
    return entry;
}
static inline int idr_for_each(const struct idr *idr, int (*fn)(int id, void *p, void *data), void *data) {
    unsigned long id = 0;
    void *entry;
    for (; (entry = __bh_id_next(&idr->__map, &id, INT_MAX)) != NULL; ++id) {
        int result = fn((int)id, entry, data);
        if (result != 0) return result;
    }
    return 0;
}
static inline bool idr_is_empty(const struct idr *idr) { return __bh_id_is_empty(&idr->__map); }
static inline unsigned int idr_get_cursor(const struct idr *idr) { return idr->__map.next; }
static inline void idr_set_cursor(struct idr *idr, unsigned int val) { idr->__map.next = val; }
static inline void idr_destroy(struct idr *idr) { __bh_id_destroy(&idr->__map); }
/* Accepted: memory is allocated where it is needed. */
static inline void idr_preload(gfp_t gfp) { (void)gfp; }
static inline void idr_preload_end(void) {}

#define idr_for_each_entry(idr, entry, id) \
    for ((id) = 0; ((entry) = (__typeof__(entry))idr_get_next((idr), &(id))) != NULL; (id) += 1U)
#define idr_for_each_entry_continue(idr, entry, id) \
    for (; ((entry) = (__typeof__(entry))idr_get_next((idr), &(id))) != NULL; (id) += 1U)

/* Numbers alone, with a lock of their own. */
struct ida {
    struct __bh_id_map __map;
};
#define IDA_INIT(name) {{NULL, 0, 0}}
#define DEFINE_IDA(name) struct ida name = IDA_INIT(name)
static inline void ida_init(struct ida *ida) {
    ida->__map.entries = NULL;
    ida->__map.lock = ida->__map.next = 0;
}
static inline int ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max, gfp_t gfp) {
    unsigned long id = 0;
    int error;
    (void)gfp;
    if ((int)min < 0) return -ENOSPC;
    error = __bh_id_alloc(&ida->__map, &id, NULL, min, (int)max < 0 ? INT_MAX : max);
    return error < 0 ? error : (int)id;
}
#define ida_alloc(ida, gfp) ida_alloc_range((ida), 0, ~0U, (gfp))
#define ida_alloc_min(ida, min, gfp) ida_alloc_range((ida), (min), ~0U, (gfp))
#define ida_alloc_max(ida, max, gfp) ida_alloc_range((ida), 0, (max), (gfp))
static inline void ida_free(struct ida *ida, unsigned int id) {
    bool was_there;
    if ((int)id < 0) return;
    __bh_id_remove(&ida->__map, id, &was_there);
    WARN(!was_there, "ida_free called for id=%u which is not allocated.\n", id);
}
static inline bool ida_is_empty(const struct ida *ida) { return __bh_id_is_empty(&ida->__map); }
static inline void ida_destroy(struct ida *ida) { __bh_id_destroy(&ida->__map); }

#endif
