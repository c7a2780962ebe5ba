/* Lists that are read in sections while one writer changes them. */
#ifndef _LINUX_RCULIST_H
#define _LINUX_RCULIST_H
#include <linux/list.h>
#include <linux/rcupdate.h>

/* Whoever finds an entry finds it filled in. */
static inline void __bh_list_add_rcu(struct list_head *entry, struct list_head *prev, struct list_head *next) {
    entry->next = next;
    entry->prev = prev;
    rcu_assign_pointer(prev->next, entry);
    next->prev = entry;
}
static inline void list_add_rcu(struct list_head *entry, struct list_head *head) {
    __bh_list_add_rcu(entry, head, head->next);
}
static inline void list_add_tail_rcu(struct list_head *entry, struct list_head *head) {
    __bh_list_add_rcu(entry, head->prev, head);
}
/* Readers that stand at the entry still find the way on. */
static inline void list_del_rcu(struct list_head *entry) {
    __list_del_entry(entry);
    entry->prev = (struct list_head *)LIST_POISON2;
}
static inline void list_replace_rcu(struct list_head *old, struct list_head *entry) {
    entry->next = old->next;
    entry->prev = old->prev;
    rcu_assign_pointer(entry->prev->next, entry);
    entry->next->prev = entry;
    old->prev = (struct list_head *)LIST_POISON2;
}
static inline void hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h) {
    n->next = h->first;
    n->pprev = &h->first;
    rcu_assign_pointer(h->first, n);
    if (n->next != NULL) n->next->pprev = &n->next;
}
static inline void hlist_del_rcu(struct hlist_node *n) {
    __hlist_del(n);
    n->pprev = (struct hlist_node **)LIST_POISON2;
}
static inline void hlist_del_init_rcu(struct hlist_node *n) {
    if (hlist_unhashed(n)) return;
    __hlist_del(n);
    n->pprev = NULL;
}

#define list_entry_rcu(ptr, type, member) container_of(rcu_dereference(ptr), type, member)
#define list_next_rcu(list) ((list)->next)
#define list_first_or_null_rcu(head, type, member)                              \
    __extension__({                                                             \
        struct list_head *__bh_first = rcu_dereference((head)->next);           \
        __bh_first != (head) ? list_entry(__bh_first, type, member) : (type *)NULL; \
    })
#define list_for_each_entry_rcu(pos, head, member, ...)                                                   \
    for (pos = list_entry_rcu((head)->next, __typeof__(*pos), member); !list_entry_is_head(pos, head, member); \
         pos = list_entry_rcu(pos->member.next, __typeof__(*pos), member))
#define hlist_for_each_entry_rcu(pos, head, member, ...)                                         \
    for (pos = hlist_entry_safe(rcu_dereference((head)->first), __typeof__(*(pos)), member); pos; \
         pos = hlist_entry_safe(rcu_dereference((pos)->member.next), __typeof__(*(pos)), member))
#endif
