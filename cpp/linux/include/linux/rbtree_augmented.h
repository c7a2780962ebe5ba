/* Red-black trees whose nodes know something of their subtrees. Who inserts brings the nodes above up to date before. */
#ifndef _LINUX_RBTREE_AUGMENTED_H
#define _LINUX_RBTREE_AUGMENTED_H

#include <linux/rbtree.h>

static inline void rb_insert_augmented(struct rb_node *node, struct rb_root *root,
                                       const struct rb_augment_callbacks *augment) {
    __bh_rb_insert(node, root, augment);
}
static inline void rb_erase_augmented(struct rb_node *node, struct rb_root *root,
                                      const struct rb_augment_callbacks *augment) {
    __bh_rb_erase(node, root, augment);
}
static inline void rb_insert_augmented_cached(struct rb_node *node, struct rb_root_cached *root, bool leftmost,
                                              const struct rb_augment_callbacks *augment) {
    if (leftmost) root->rb_leftmost = node;
    rb_insert_augmented(node, &root->rb_root, augment);
}
static inline void rb_erase_augmented_cached(struct rb_node *node, struct rb_root_cached *root,
                                             const struct rb_augment_callbacks *augment) {
    if (root->rb_leftmost == node) root->rb_leftmost = rb_next(node);
    rb_erase_augmented(node, &root->rb_root, augment);
}

/* compute(entry, exit) brings the value of one entry up to date; with exit it may say that nothing changed. */
#define RB_DECLARE_CALLBACKS(storage, name, type, rbfield, augmented, compute)                \
    static inline void name##_propagate(struct rb_node *node, struct rb_node *stop) {         \
        while (node != stop && !compute(rb_entry(node, type, rbfield), true))                 \
            node = rb_parent(node);                                                           \
    }                                                                                         \
    static inline void name##_copy(struct rb_node *old, struct rb_node *fresh) {              \
        rb_entry(fresh, type, rbfield)->augmented = rb_entry(old, type, rbfield)->augmented;  \
    }                                                                                         \
    static void name##_rotate(struct rb_node *old, struct rb_node *fresh) {                   \
        rb_entry(fresh, type, rbfield)->augmented = rb_entry(old, type, rbfield)->augmented;  \
        (void)compute(rb_entry(old, type, rbfield), false);                                   \
    }                                                                                         \
    storage const struct rb_augment_callbacks name = {name##_propagate, name##_copy, name##_rotate};

/* The value is the greatest that compute(entry) gives in the subtree. */
#define RB_DECLARE_CALLBACKS_MAX(storage, name, type, rbfield, value_type, augmented, compute)  \
    static inline bool name##_compute_max(type *entry, bool exit) {                             \
        value_type greatest = compute(entry);                                                   \
        struct rb_node *const below[2] = {entry->rbfield.rb_left, entry->rbfield.rb_right};     \
        for (int i = 0; i < 2; ++i) {                                                           \
            if (below[i] == NULL) continue;                                                     \
            if (rb_entry(below[i], type, rbfield)->augmented > greatest)                        \
                greatest = rb_entry(below[i], type, rbfield)->augmented;                        \
        }                                                                                       \
        if (exit && entry->augmented == greatest) return true;                                  \
        entry->augmented = greatest;                                                            \
        return false;                                                                           \
    }                                                                                           \
    RB_DECLARE_CALLBACKS(storage, name, type, rbfield, augmented, name##_compute_max)

#endif
