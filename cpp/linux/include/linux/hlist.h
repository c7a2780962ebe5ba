/* Lists for hash tables: one pointer a head. */
#ifndef _LINUX_HLIST_H
#define _LINUX_HLIST_H

#include <linux/container_of.h>
#include <linux/poison.h>

#define HLIST_HEAD_INIT {NULL}
#define HLIST_HEAD(name) struct hlist_head name = HLIST_HEAD_INIT
#define INIT_HLIST_HEAD(ptr) ((ptr)->first = NULL)

static inline void INIT_HLIST_NODE(struct hlist_node *h) {
    h->next = NULL;
    h->pprev = NULL;
}
static inline int hlist_unhashed(const struct hlist_node *h) { return !h->pprev; }
static inline int hlist_empty(const struct hlist_head *h) { return !READ_ONCE(h->first); }
static inline void __hlist_del(struct hlist_node *n) {
    WRITE_ONCE(*n->pprev, n->next);
    if (n->next != NULL) n->next->pprev = n->pprev;
}
static inline void hlist_del(struct hlist_node *n) {
    __hlist_del(n);
    n->next = (struct hlist_node *)LIST_POISON1;
    n->pprev = (struct hlist_node **)LIST_POISON2;
}
static inline void hlist_del_init(struct hlist_node *n) {
    if (hlist_unhashed(n)) return;
    __hlist_del(n);
    INIT_HLIST_NODE(n);
}
static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h) {
    n->next = h->first;
    if (n->next != NULL) n->next->pprev = &n->next;
    n->pprev = &h->first;
    WRITE_ONCE(h->first, n);
}
static inline void hlist_add_before(struct hlist_node *n, struct hlist_node *next) {
    n->pprev = next->pprev;
    n->next = next;
    next->pprev = &n->next;
    WRITE_ONCE(*n->pprev, n);
}
static inline void hlist_add_behind(struct hlist_node *n, struct hlist_node *prev) {
    n->next = prev->next;
    n->pprev = &prev->next;
    WRITE_ONCE(prev->next, n);
    if (n->next != NULL) n->next->pprev = &n->next;
}
static inline void hlist_move_list(struct hlist_head *old, struct hlist_head *fresh) {
    fresh->first = old->first;
    if (fresh->first != NULL) fresh->first->pprev = &fresh->first;
    old->first = NULL;
}

#define hlist_entry(ptr, type, member) container_of(ptr, type, member)
#define hlist_entry_safe(ptr, type, member)                                   \
    __extension__({                                                           \
        struct hlist_node *__bh_node = (ptr);                                 \
        __bh_node != NULL ? hlist_entry(__bh_node, type, member) : (type *)NULL; \
    })
#define hlist_for_each(pos, head) for (pos = (head)->first; pos; pos = pos->next)
#define hlist_for_each_safe(pos, n, head) for (pos = (head)->first; pos && (n = pos->next, 1); pos = n)
#define hlist_for_each_entry(pos, head, member)                               \
    for (pos = hlist_entry_safe((head)->first, __typeof__(*(pos)), member); pos; \
         pos = hlist_entry_safe((pos)->member.next, __typeof__(*(pos)), member))
#define hlist_for_each_entry_safe(pos, n, head, member)                       \
    for (pos = hlist_entry_safe((head)->first, __typeof__(*pos), member);     \
         pos && (n = pos->member.next, 1); pos = hlist_entry_safe(n, __typeof__(*pos), member))
#endif
