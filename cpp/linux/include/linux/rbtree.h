/* Red-black trees. The caller searches and links; the tree balances. Locks are the caller's. */
#ifndef _LINUX_RBTREE_H
#define _LINUX_RBTREE_H

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/rbtree_types.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#define rb_parent(r) ((struct rb_node *)((r)->__rb_parent_color & ~3UL))
#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member)                                   \
    __extension__({                                                        \
        __typeof__(ptr) __bh_node = (ptr);                                 \
        __bh_node != NULL ? rb_entry(__bh_node, type, member) : (type *)0; \
    })
#define RB_EMPTY_ROOT(root) (READ_ONCE((root)->rb_node) == NULL)
/* A node that is in no tree, once it was cleared. */
#define RB_EMPTY_NODE(node) ((node)->__rb_parent_color == (unsigned long)(node))
#define RB_CLEAR_NODE(node) ((node)->__rb_parent_color = (unsigned long)(node))

/* What keeps a value of each subtree up to date: rbtree_augmented.h. */
struct rb_augment_callbacks {
    void (*propagate)(struct rb_node *node, struct rb_node *stop);
    void (*copy)(struct rb_node *old, struct rb_node *fresh);
    void (*rotate)(struct rb_node *old, struct rb_node *fresh);
};
void __bh_rb_insert(struct rb_node *node, struct rb_root *root, const struct rb_augment_callbacks *augment)
    __bh_symbol(rb_insert);
void __bh_rb_erase(struct rb_node *node, struct rb_root *root, const struct rb_augment_callbacks *augment)
    __bh_symbol(rb_erase);
void rb_replace_node(struct rb_node *victim, struct rb_node *fresh, struct rb_root *root) __bh_symbol(rb_replace_node);
struct rb_node *rb_first(const struct rb_root *root) __bh_symbol(rb_first);
struct rb_node *rb_last(const struct rb_root *root) __bh_symbol(rb_last);
struct rb_node *rb_next(const struct rb_node *node) __bh_symbol(rb_next);
struct rb_node *rb_prev(const struct rb_node *node) __bh_symbol(rb_prev);
struct rb_node *rb_first_postorder(const struct rb_root *root) __bh_symbol(rb_first_postorder);
struct rb_node *rb_next_postorder(const struct rb_node *node) __bh_symbol(rb_next_postorder);

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link) {
    node->__rb_parent_color = (unsigned long)parent;
    node->rb_left = node->rb_right = NULL;
    *link = node;
}
static inline void rb_link_node_rcu(struct rb_node *node, struct rb_node *parent, struct rb_node **link) {
    node->__rb_parent_color = (unsigned long)parent;
    node->rb_left = node->rb_right = NULL;
    __atomic_store_n(link, node, __ATOMIC_RELEASE);
}
static inline void rb_insert_color(struct rb_node *node, struct rb_root *root) { __bh_rb_insert(node, root, NULL); }
static inline void rb_erase(struct rb_node *node, struct rb_root *root) { __bh_rb_erase(node, root, NULL); }
static inline void rb_replace_node_rcu(struct rb_node *victim, struct rb_node *fresh, struct rb_root *root) {
    rb_replace_node(victim, fresh, root);
}

#define rb_first_cached(root) ((root)->rb_leftmost)
static inline void rb_insert_color_cached(struct rb_node *node, struct rb_root_cached *root, bool leftmost) {
    if (leftmost) root->rb_leftmost = node;
    rb_insert_color(node, &root->rb_root);
}
static inline struct rb_node *rb_erase_cached(struct rb_node *node, struct rb_root_cached *root) {
    struct rb_node *leftmost = NULL;
    if (root->rb_leftmost == node) leftmost = root->rb_leftmost = rb_next(node);
    rb_erase(node, &root->rb_root);
    return leftmost;
}
static inline void rb_replace_node_cached(struct rb_node *victim, struct rb_node *fresh, struct rb_root_cached *root) {
    if (root->rb_leftmost == victim) root->rb_leftmost = fresh;
    rb_replace_node(victim, fresh, &root->rb_root);
}

/* The node that the search for an entry ends below, and the link there. */
struct __bh_rb_place {
    struct rb_node *parent, **link;
    bool leftmost;
};
static inline struct __bh_rb_place __bh_rb_place(struct rb_node *node, struct rb_root *root,
                                                 bool (*less)(struct rb_node *, const struct rb_node *)) {
    struct __bh_rb_place place = {NULL, &root->rb_node, true};
    while (*place.link != NULL) {
        place.parent = *place.link;
        if (less(node, place.parent)) {
            place.link = &place.parent->rb_left;
        } else {
            place.link = &place.parent->rb_right;
            place.leftmost = false;
        }
    }
    return place;
}
static inline void rb_add(struct rb_node *node, struct rb_root *tree,
                          bool (*less)(struct rb_node *, const struct rb_node *)) {
    struct __bh_rb_place place = __bh_rb_place(node, tree, less);
    rb_link_node(node, place.parent, place.link);
    rb_insert_color(node, tree);
}
/* Returns the node when it is the leftmost one now, else NULL. */
static inline struct rb_node *rb_add_cached(struct rb_node *node, struct rb_root_cached *tree,
                                            bool (*less)(struct rb_node *, const struct rb_node *)) {
    struct __bh_rb_place place = __bh_rb_place(node, &tree->rb_root, less);
    rb_link_node(node, place.parent, place.link);
    rb_insert_color_cached(node, tree, place.leftmost);
    return place.leftmost ? node : NULL;
}
/* Returns the node that is there already, else NULL. */
static inline struct rb_node *rb_find_add(struct rb_node *node, struct rb_root *tree,
                                          int (*cmp)(struct rb_node *, const struct rb_node *)) {
    struct rb_node **link = &tree->rb_node, *parent = NULL;
    while (*link != NULL) {
        int order = cmp(node, *link);
        parent = *link;
        if (order == 0) return parent;
        link = order < 0 ? &parent->rb_left : &parent->rb_right;
    }
    rb_link_node(node, parent, link);
    rb_insert_color(node, tree);
    return NULL;
}
static inline struct rb_node *rb_find(const void *key, const struct rb_root *tree,
                                      int (*cmp)(const void *key, const struct rb_node *)) {
    struct rb_node *node = tree->rb_node;
    int order;
    while (node != NULL && (order = cmp(key, node)) != 0) node = order < 0 ? node->rb_left : node->rb_right;
    return node;
}
/* The first of several that are equal. */
static inline struct rb_node *rb_find_first(const void *key, const struct rb_root *tree,
                                            int (*cmp)(const void *key, const struct rb_node *)) {
    struct rb_node *node = tree->rb_node, *match = NULL;
    while (node != NULL) {
        int order = cmp(key, node);
        if (order == 0) match = node;
        node = order <= 0 ? node->rb_left : node->rb_right;
    }
    return match;
}
static inline struct rb_node *rb_next_match(const void *key, struct rb_node *node,
                                            int (*cmp)(const void *key, const struct rb_node *)) {
    node = rb_next(node);
    return node != NULL && cmp(key, node) == 0 ? node : NULL;
}
#define rb_for_each(node, key, tree, cmp) \
    for ((node) = rb_find_first((key), (tree), (cmp)); (node); (node) = rb_next_match((key), (node), (cmp)))

/* Children first: the body may free the entry. */
#define rbtree_postorder_for_each_entry_safe(pos, n, root, field)                                           \
    for ((pos) = rb_entry_safe(rb_first_postorder(root), __typeof__(*(pos)), field);                        \
         (pos) != NULL &&                                                                                   \
         ((n) = rb_entry_safe(rb_next_postorder(&(pos)->field), __typeof__(*(pos)), field), true);          \
         (pos) = (n))

#endif
