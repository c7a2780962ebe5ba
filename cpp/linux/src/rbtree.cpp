// <linux/rbtree.h>: the algorithms of Cormen, Leiserson, Rivest and Stein, with missing children for black leaves.
#include <cstdint>

namespace bottomhalf::linux_api {

namespace {

struct Node {  // struct rb_node
    std::uintptr_t parent_and_black;
    Node *right, *left;

    Node* parent() const noexcept { return reinterpret_cast<Node*>(parent_and_black & ~std::uintptr_t{3}); }
    bool black() const noexcept { return (parent_and_black & 1) != 0; }
    void set_parent(Node* p) noexcept {
        parent_and_black = reinterpret_cast<std::uintptr_t>(p) | (parent_and_black & 1);
    }
    void set_black(bool black) noexcept {
        parent_and_black = (parent_and_black & ~std::uintptr_t{1}) | (black ? 1 : 0);
    }
};
struct Root {  // struct rb_root
    Node* node;
};
struct Augment {  // struct rb_augment_callbacks
    void (*propagate)(Node* node, Node* stop);
    void (*copy)(Node* old, Node* fresh);
    void (*rotate)(Node* old, Node* fresh);
};

bool is_black(const Node* node) noexcept { return node == nullptr || node->black(); }

// The two sides, so that mirrored cases are one.
Node*& child(Node* of, bool left) noexcept { return left ? of->left : of->right; }

void put_in_place(Root& root, Node* parent, const Node* old, Node* fresh) noexcept {
    if (parent == nullptr)
        root.node = fresh;
    else
        child(parent, parent->left == old) = fresh;
}

// The child on the other side comes up, and the node goes down to that side.
void rotate(Root& root, Node* node, bool to_left, const Augment* augment) {
    Node* const up = child(node, !to_left);
    Node* const between = child(up, to_left);
    child(node, !to_left) = between;
    if (between != nullptr) between->set_parent(node);
    up->set_parent(node->parent());
    put_in_place(root, node->parent(), node, up);
    child(up, to_left) = node;
    node->set_parent(up);
    if (augment != nullptr) augment->rotate(node, up);
}

void mend_insertion(Root& root, Node* node, const Augment* augment) {
    while (!is_black(node->parent())) {
        Node* parent = node->parent();
        Node* const grandparent = parent->parent();
        const bool left = grandparent->left == parent;
        Node* const uncle = child(grandparent, !left);
        if (!is_black(uncle)) {
            parent->set_black(true);
            uncle->set_black(true);
            grandparent->set_black(false);
            node = grandparent;
            continue;
        }
        if (child(parent, !left) == node) {
            rotate(root, parent, left, augment);
            parent = node;
        }
        parent->set_black(true);
        grandparent->set_black(false);
        rotate(root, grandparent, !left, augment);
        break;
    }
    root.node->set_black(true);
}

// The paths through `node`, which may be missing, lack one black node.
void mend_erasure(Root& root, Node* node, Node* parent, const Augment* augment) {
    while (parent != nullptr && is_black(node)) {
        const bool left = parent->left == node;
        Node* sibling = child(parent, !left);
        if (!sibling->black()) {
            sibling->set_black(true);
            parent->set_black(false);
            rotate(root, parent, left, augment);
            sibling = child(parent, !left);
        }
        if (is_black(sibling->left) && is_black(sibling->right)) {
            sibling->set_black(false);
            node = parent;
            parent = node->parent();
            continue;
        }
        if (is_black(child(sibling, !left))) {
            child(sibling, left)->set_black(true);
            sibling->set_black(false);
            rotate(root, sibling, !left, augment);
            sibling = child(parent, !left);
        }
        sibling->set_black(parent->black());
        parent->set_black(true);
        child(sibling, !left)->set_black(true);
        rotate(root, parent, left, augment);
        return;
    }
    if (node != nullptr) node->set_black(true);
}

const Node* outermost(const Node* node, bool left) noexcept {
    while (node != nullptr && child(const_cast<Node*>(node), left) != nullptr)
        node = child(const_cast<Node*>(node), left);
    return node;
}
// The neighbour in order.
const Node* beside(const Node* node, bool left) noexcept {
    if (node->parent_and_black == reinterpret_cast<std::uintptr_t>(node)) return nullptr;  // in no tree
    if (const Node* below = child(const_cast<Node*>(node), left)) return outermost(below, !left);
    const Node* parent = node->parent();
    while (parent != nullptr && child(const_cast<Node*>(parent), left) == node) {
        node = parent;
        parent = node->parent();
    }
    return parent;
}
const Node* deepest_left(const Node* node) noexcept {
    for (;;) {
        if (node->left != nullptr)
            node = node->left;
        else if (node->right != nullptr)
            node = node->right;
        else
            return node;
    }
}

}  // namespace

extern "C" {

// The node is linked already, and red.
void bh_linux_rb_insert(Node* node, Root* root, const Augment* augment) { mend_insertion(*root, node, augment); }

void bh_linux_rb_erase(Node* node, Root* root, const Augment* augment) {
    Node *moved = nullptr, *parent = node->parent();
    bool black = node->black();
    if (node->left == nullptr || node->right == nullptr) {
        moved = node->left != nullptr ? node->left : node->right;
        put_in_place(*root, parent, node, moved);
        if (moved != nullptr) moved->set_parent(parent);
        if (augment != nullptr) augment->propagate(parent, nullptr);
    } else {
        // The next in order, which has no left child, comes to the node's place, with its colour.
        Node* const heir = const_cast<Node*>(outermost(node->right, true));
        black = heir->black();
        moved = heir->right;
        parent = heir->parent();
        if (parent == node) {
            parent = heir;
        } else {
            parent->left = moved;
            if (moved != nullptr) moved->set_parent(parent);
            heir->right = node->right;
            heir->right->set_parent(heir);
        }
        heir->left = node->left;
        heir->left->set_parent(heir);
        put_in_place(*root, node->parent(), node, heir);
        heir->parent_and_black = node->parent_and_black;
        if (augment != nullptr) {
            augment->copy(node, heir);
            if (parent != heir) augment->propagate(parent, heir);
            augment->propagate(heir, nullptr);
        }
    }
    if (black) mend_erasure(*root, moved, parent, augment);
}

void bh_linux_rb_replace_node(Node* victim, Node* fresh, Root* root) {
    *fresh = *victim;
    if (fresh->left != nullptr) fresh->left->set_parent(fresh);
    if (fresh->right != nullptr) fresh->right->set_parent(fresh);
    put_in_place(*root, victim->parent(), victim, fresh);
}

const Node* bh_linux_rb_first(const Root* root) { return outermost(root->node, true); }
const Node* bh_linux_rb_last(const Root* root) { return outermost(root->node, false); }
const Node* bh_linux_rb_next(const Node* node) { return beside(node, false); }
const Node* bh_linux_rb_prev(const Node* node) { return beside(node, true); }
const Node* bh_linux_rb_first_postorder(const Root* root) {
    return root->node != nullptr ? deepest_left(root->node) : nullptr;
}
const Node* bh_linux_rb_next_postorder(const Node* node) {
    if (node == nullptr) return nullptr;
    const Node* const parent = node->parent();
    return parent != nullptr && parent->left == node && parent->right != nullptr ? deepest_left(parent->right) : parent;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
