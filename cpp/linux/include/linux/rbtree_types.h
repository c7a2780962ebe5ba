#ifndef _LINUX_RBTREE_TYPES_H
#define _LINUX_RBTREE_TYPES_H

#include <linux/stddef.h>

struct rb_node {
    unsigned long __rb_parent_color; /* the parent's address, and 1 where the node is black */
    struct rb_node *rb_right;
    struct rb_node *rb_left;
} __attribute__((__aligned__(sizeof(long))));
struct rb_root {
    struct rb_node *rb_node;
};
/* With the leftmost node at hand. */
struct rb_root_cached {
    struct rb_root rb_root;
    struct rb_node *rb_leftmost;
};

#ifdef __cplusplus
#define RB_ROOT rb_root{NULL}
#define RB_ROOT_CACHED rb_root_cached{{NULL}, NULL}
#else
#define RB_ROOT ((struct rb_root){NULL})
#define RB_ROOT_CACHED ((struct rb_root_cached){{NULL}, NULL})
#endif

#endif
