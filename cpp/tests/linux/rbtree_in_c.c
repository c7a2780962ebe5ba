/* <linux/rbtree.h>: every tree of many insertions and erasures is ordered, balanced and up to date. */
#include <linux/module.h>
#include <linux/rbtree.h>
#include <linux/rbtree_augmented.h>

#include "check.h"

#define NUMBERS 400
struct number {
    struct rb_node node;
    u32 key, greatest;
    bool in;
};
static struct number numbers[NUMBERS];

static u32 key_of(struct number *n) { return n->key; }
RB_DECLARE_CALLBACKS_MAX(static, greatest_below, struct number, node, u32, greatest, key_of)

static u32 draw_state = 1;
static u32 draw(u32 below) {
    draw_state = draw_state * 1664525 + 1013904223;
    return (draw_state >> 8) % below;
}

/* The number of black nodes on every way down, or -1 for what is no red-black tree. */
static int black_height(const struct rb_node *node, bool parent_is_red, int *size) {
    const struct number *n;
    bool red;
    int left, right;
    u32 greatest;
    if (node == NULL) return 1;
    n = rb_entry(node, struct number, node);
    red = (node->__rb_parent_color & 1) == 0;
    if (red && parent_is_red) return -1;
    if (node->rb_left && rb_parent(node->rb_left) != node) return -1;
    if (node->rb_right && rb_parent(node->rb_right) != node) return -1;
    greatest = n->key;
    if (node->rb_left) greatest = max(greatest, rb_entry(node->rb_left, struct number, node)->greatest);
    if (node->rb_right) greatest = max(greatest, rb_entry(node->rb_right, struct number, node)->greatest);
    if (greatest != n->greatest) return -1;
    ++*size;
    left = black_height(node->rb_left, red, size);
    right = black_height(node->rb_right, red, size);
    return left < 0 || left != right ? -1 : left + !red;
}
static bool is_sound(const struct rb_root_cached *tree, int size) {
    const struct rb_root *root = &tree->rb_root;
    int seen = 0;
    struct rb_node *node, *before = NULL;
    if (root->rb_node != NULL && rb_parent(root->rb_node) != NULL) return false;
    if (black_height(root->rb_node, true, &seen) < 0 || seen != size) return false;
    if (rb_first(root) != rb_first_cached(tree)) return false;
    for (node = rb_first(root); node; node = rb_next(node)) {
        if (before && rb_entry(before, struct number, node)->key > rb_entry(node, struct number, node)->key)
            return false;
        if (rb_prev(node) != before) return false;
        before = node;
        --seen;
    }
    return seen == 0 && rb_last(root) == before;
}

static void insert(struct number *n, struct rb_root_cached *tree) {
    struct rb_node **link = &tree->rb_root.rb_node, *parent = NULL;
    bool leftmost = true;
    n->greatest = n->key;
    while (*link) {
        struct number *at = rb_entry(*link, struct number, node);
        parent = *link;
        if (at->greatest < n->key) at->greatest = n->key;
        if (n->key < at->key) {
            link = &parent->rb_left;
        } else {
            link = &parent->rb_right;
            leftmost = false;
        }
    }
    rb_link_node(&n->node, parent, link);
    rb_insert_augmented_cached(&n->node, tree, leftmost, &greatest_below);
}

int c_rbtree_stays_balanced(void);
int c_rbtree_stays_balanced(void) {
    struct rb_root_cached tree = RB_ROOT_CACHED;
    int size = 0;
    for (int i = 0; i < NUMBERS; ++i) numbers[i].in = false;
    for (int turn = 0; turn < 4000; ++turn) {
        struct number *n = &numbers[draw(NUMBERS)];
        if (n->in) {
            rb_erase_augmented_cached(&n->node, &tree, &greatest_below);
            --size;
        } else {
            n->key = draw(300); /* some are equal */
            insert(n, &tree);
            ++size;
        }
        n->in = !n->in;
        CHECK(is_sound(&tree, size));
    }
    for (int i = 0; i < NUMBERS; ++i) {
        if (!numbers[i].in) continue;
        rb_erase_augmented_cached(&numbers[i].node, &tree, &greatest_below);
        CHECK(is_sound(&tree, --size));
    }
    CHECK(RB_EMPTY_ROOT(&tree.rb_root) && rb_first_cached(&tree) == NULL);
    return 0;
}

static bool less(struct rb_node *a, const struct rb_node *b) {
    return rb_entry(a, struct number, node)->key < rb_entry(b, struct number, node)->key;
}
static int compare(const void *key, const struct rb_node *node) {
    u32 there = rb_entry(node, struct number, node)->key, wanted = *(const u32 *)key;
    return wanted < there ? -1 : wanted > there;
}
static int compare_nodes(struct rb_node *a, const struct rb_node *b) {
    return compare(&rb_entry(a, struct number, node)->key, b);
}
int c_rbtree_helpers(void);
int c_rbtree_helpers(void) {
    struct rb_root tree = RB_ROOT;
    struct rb_root_cached cached = RB_ROOT_CACHED;
    struct number fresh = {.key = 10}, *pos, *next;
    struct rb_node *node;
    u32 key = 10, absent = 11;
    int n = 0;
    CHECK(rb_first(&tree) == NULL && rb_last(&tree) == NULL && rb_first_postorder(&tree) == NULL);
    RB_CLEAR_NODE(&fresh.node);
    CHECK(RB_EMPTY_NODE(&fresh.node) && rb_next(&fresh.node) == NULL);
    for (u32 i = 0; i < 30; ++i) {
        numbers[i].key = 5 * (i / 3); /* each three times */
        rb_add(&numbers[i].node, &tree, less);
    }
    CHECK(rb_find(&key, &tree, compare) != NULL && rb_find(&absent, &tree, compare) == NULL);
    CHECK(rb_find_first(&key, &tree, compare) == &numbers[6].node);
    rb_for_each(node, &key, &tree, compare) ++n;
    CHECK(n == 3);
    CHECK(rb_find_add(&fresh.node, &tree, compare_nodes) != NULL);
    rb_replace_node(&numbers[7].node, &fresh.node, &tree);
    CHECK(rb_next(&numbers[6].node) == &fresh.node && rb_prev(&numbers[8].node) == &fresh.node);
    fresh.key = 11;
    rb_erase(&fresh.node, &tree);
    CHECK(rb_find_add(&fresh.node, &tree, compare_nodes) == NULL && rb_find(&absent, &tree, compare) == &fresh.node);
    n = 0;
    rbtree_postorder_for_each_entry_safe(pos, next, &tree, node) {
        CHECK(pos->key < 100);
        pos->key = 100; /* its children were before it */
        if (pos->node.rb_left) CHECK(rb_entry(pos->node.rb_left, struct number, node)->key == 100);
        if (pos->node.rb_right) CHECK(rb_entry(pos->node.rb_right, struct number, node)->key == 100);
        ++n;
    }
    CHECK(n == 30);
    numbers[0].key = 2;
    numbers[1].key = 1;
    CHECK(rb_add_cached(&numbers[0].node, &cached, less) == &numbers[0].node);
    CHECK(rb_add_cached(&numbers[1].node, &cached, less) == &numbers[1].node);
    CHECK(rb_add_cached(&numbers[2].node, &cached, less) == NULL);
    CHECK(rb_erase_cached(&numbers[1].node, &cached) == &numbers[0].node);
    CHECK(rb_erase_cached(&numbers[2].node, &cached) == NULL && rb_first_cached(&cached) == &numbers[0].node);
    return 0;
}
