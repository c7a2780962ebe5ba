/* Circular doubly linked lists with the links inside the elements. Hash lists are in hlist.h. */
#ifndef _LINUX_LIST_H
#define _LINUX_LIST_H

#include <linux/container_of.h>
#include <linux/poison.h>
#include <linux/types.h>

#define LIST_HEAD_INIT(name) {&(name), &(name)}
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *list) { list->next = list->prev = list; }

static inline void __list_add(struct list_head *entry, struct list_head *prev, struct list_head *next) {
    next->prev = entry;
    entry->next = next;
    entry->prev = prev;
    WRITE_ONCE(prev->next, entry);
}
static inline void list_add(struct list_head *entry, struct list_head *head) { __list_add(entry, head, head->next); }
static inline void list_add_tail(struct list_head *entry, struct list_head *head) {
    __list_add(entry, head->prev, head);
}
static inline void __list_del(struct list_head *prev, struct list_head *next) {
    next->prev = prev;
    WRITE_ONCE(prev->next, next);
}
static inline void __list_del_entry(struct list_head *entry) { __list_del(entry->prev, entry->next); }
static inline void list_del(struct list_head *entry) {
    __list_del_entry(entry);
    entry->next = (struct list_head *)LIST_POISON1;
    entry->prev = (struct list_head *)LIST_POISON2;
}
static inline void list_del_init(struct list_head *entry) {
    __list_del_entry(entry);
    INIT_LIST_HEAD(entry);
}
static inline void list_del_init_careful(struct list_head *entry) { list_del_init(entry); }
static inline void list_replace(struct list_head *old, struct list_head *entry) {
    entry->next = old->next;
    entry->next->prev = entry;
    entry->prev = old->prev;
    entry->prev->next = entry;
}
static inline void list_replace_init(struct list_head *old, struct list_head *entry) {
    list_replace(old, entry);
    INIT_LIST_HEAD(old);
}
static inline void list_move(struct list_head *list, struct list_head *head) {
    __list_del_entry(list);
    list_add(list, head);
}
static inline void list_move_tail(struct list_head *list, struct list_head *head) {
    __list_del_entry(list);
    list_add_tail(list, head);
}
static inline int list_empty(const struct list_head *head) { return READ_ONCE(head->next) == head; }
static inline int list_empty_careful(const struct list_head *head) {
    const struct list_head *next = READ_ONCE(head->next);
    return next == head && next == head->prev;
}
static inline int list_is_first(const struct list_head *list, const struct list_head *head) {
    return list->prev == head;
}
static inline int list_is_last(const struct list_head *list, const struct list_head *head) {
    return list->next == head;
}
static inline int list_is_head(const struct list_head *list, const struct list_head *head) { return list == head; }
static inline int list_is_singular(const struct list_head *head) {
    return !list_empty(head) && head->next == head->prev;
}
static inline void list_swap(struct list_head *entry1, struct list_head *entry2) {
    struct list_head *pos = entry2->prev;
    __list_del_entry(entry2);
    list_replace(entry1, entry2);
    if (pos == entry1) pos = entry2;
    list_add(entry1, pos);
}
static inline void list_rotate_left(struct list_head *head) {
    if (!list_empty(head)) list_move_tail(head->next, head);
}
static inline void __list_splice(const struct list_head *list, struct list_head *prev, struct list_head *next) {
    struct list_head *first = list->next, *last = list->prev;
    first->prev = prev;
    prev->next = first;
    last->next = next;
    next->prev = last;
}
static inline void list_splice(const struct list_head *list, struct list_head *head) {
    if (!list_empty(list)) __list_splice(list, head, head->next);
}
static inline void list_splice_tail(struct list_head *list, struct list_head *head) {
    if (!list_empty(list)) __list_splice(list, head->prev, head);
}
static inline void list_splice_init(struct list_head *list, struct list_head *head) {
    list_splice(list, head);
    INIT_LIST_HEAD(list);
}
static inline void list_splice_tail_init(struct list_head *list, struct list_head *head) {
    list_splice_tail(list, head);
    INIT_LIST_HEAD(list);
}
/* What stands before and at the entry goes to the other list. */
static inline void list_cut_position(struct list_head *list, struct list_head *head, struct list_head *entry) {
    if (list_empty(head) || entry == head) {
        INIT_LIST_HEAD(list);
        return;
    }
    struct list_head *rest = entry->next;
    list->next = head->next;
    list->next->prev = list;
    list->prev = entry;
    entry->next = list;
    head->next = rest;
    rest->prev = head;
}
static inline size_t list_count_nodes(struct list_head *head) {
    size_t count = 0;
    for (struct list_head *pos = head->next; pos != head; pos = pos->next) ++count;
    return count;
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(ptr, type, member) list_entry((ptr)->next, type, member)
#define list_last_entry(ptr, type, member) list_entry((ptr)->prev, type, member)
#define list_first_entry_or_null(ptr, type, member) \
    (list_empty(ptr) ? (type *)NULL : list_first_entry(ptr, type, member))
#define list_next_entry(pos, member) list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_prev_entry(pos, member) list_entry((pos)->member.prev, __typeof__(*(pos)), member)
#define list_entry_is_head(pos, head, member) (&(pos)->member == (head))

#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_continue(pos, head) for (pos = pos->next; pos != (head); pos = pos->next)
#define list_for_each_prev(pos, head) for (pos = (head)->prev; pos != (head); pos = pos->prev)
#define list_for_each_safe(pos, n, head) for (pos = (head)->next, n = pos->next; pos != (head); pos = n, n = pos->next)
#define list_for_each_prev_safe(pos, n, head) \
    for (pos = (head)->prev, n = pos->prev; pos != (head); pos = n, n = pos->prev)
#define list_for_each_entry(pos, head, member)                                                            \
    for (pos = list_first_entry(head, __typeof__(*pos), member); !list_entry_is_head(pos, head, member); \
         pos = list_next_entry(pos, member))
#define list_for_each_entry_reverse(pos, head, member)                                                   \
    for (pos = list_last_entry(head, __typeof__(*pos), member); !list_entry_is_head(pos, head, member); \
         pos = list_prev_entry(pos, member))
#define list_prepare_entry(pos, head, member) ((pos) ? (pos) : list_entry(head, __typeof__(*pos), member))
#define list_for_each_entry_continue(pos, head, member)                                        \
    for (pos = list_next_entry(pos, member); !list_entry_is_head(pos, head, member);           \
         pos = list_next_entry(pos, member))
#define list_for_each_entry_from(pos, head, member) \
    for (; !list_entry_is_head(pos, head, member); pos = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member)                                              \
    for (pos = list_first_entry(head, __typeof__(*pos), member), n = list_next_entry(pos, member);  \
         !list_entry_is_head(pos, head, member); pos = n, n = list_next_entry(n, member))
#define list_for_each_entry_safe_reverse(pos, n, head, member)                                      \
    for (pos = list_last_entry(head, __typeof__(*pos), member), n = list_prev_entry(pos, member);   \
         !list_entry_is_head(pos, head, member); pos = n, n = list_prev_entry(n, member))
#define list_for_each_entry_safe_continue(pos, n, head, member)                                     \
    for (pos = list_next_entry(pos, member), n = list_next_entry(pos, member);                      \
         !list_entry_is_head(pos, head, member); pos = n, n = list_next_entry(n, member))
#define list_for_each_entry_safe_from(pos, n, head, member)                                         \
    for (n = list_next_entry(pos, member); !list_entry_is_head(pos, head, member);                  \
         pos = n, n = list_next_entry(n, member))
#define list_safe_reset_next(pos, n, member) n = list_next_entry(pos, member)

#include <linux/hlist.h>
#endif
