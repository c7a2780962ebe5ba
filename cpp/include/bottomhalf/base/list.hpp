// Intrusive, circular, doubly linked list (Linux: struct list_head).
//
// Thread safety: none of its own; whoever owns the list says which lock guards it.
// Invariants: an unlinked node has prev == nullptr (next may serve as a stack link meanwhile); a node is in one list.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bottomhalf {

struct ListNode {
    ListNode* next = nullptr;
    ListNode* prev = nullptr;
    constexpr bool linked() const noexcept { return prev != nullptr; }
    // Takes the node out of whatever list it is in.
    void unlink() noexcept {
        prev->next = next;
        next->prev = prev;
        next = prev = nullptr;
    }
    void insert_before(ListNode& at) noexcept {
        next = &at;
        prev = at.prev;
        at.prev->next = this;
        at.prev = this;
    }
    void insert_after(ListNode& at) noexcept { insert_before(*at.next); }
};

// The object that holds a member at a known offset (Linux: container_of).
template <class T, class M>
T* container_of(M* member, M T::* which) noexcept {
    alignas(T) static char probe[sizeof(T)];
    auto* base = reinterpret_cast<T*>(probe);
    auto offset = reinterpret_cast<char*>(&(base->*which)) - reinterpret_cast<char*>(base);
    return reinterpret_cast<T*>(reinterpret_cast<char*>(member) - offset);
}

struct LayoutProbe;  // whoever must know where the fields of an object lie: static initialisers of C

class List {
public:
    List() noexcept { head_.next = head_.prev = &head_; }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    bool empty() const noexcept { return head_.next == &head_; }
    ListNode* front() noexcept { return empty() ? nullptr : head_.next; }
    ListNode* back() noexcept { return empty() ? nullptr : head_.prev; }
    ListNode* end() noexcept { return &head_; }
    ListNode* begin() noexcept { return head_.next; }
    void push_back(ListNode& n) noexcept { n.insert_before(head_); }
    void push_front(ListNode& n) noexcept { n.insert_after(head_); }
    ListNode* pop_front() noexcept {
        ListNode* n = front();
        if (n != nullptr) n->unlink();
        return n;
    }
    // Moves the first node, which there is, to the tail of another list.
    void move_front(List& to) noexcept {
        ListNode* const n = head_.next;
        head_.next = n->next;
        n->next->prev = &head_;
        n->insert_before(to.head_);
    }
    // Moves every node of other to this list's tail.
    void splice_back(List& other) noexcept { other.split_front(other.head_, *this); }
    // Moves the nodes from the front up to, but without, `end` (a node of this list, or end() for all) to the tail of
    // another list.
    void split_front(ListNode& end, List& to) noexcept {
        ListNode *first = head_.next, *last = end.prev;
        if (first == &end) return;
        head_.next = &end;
        end.prev = &head_;
        first->prev = to.head_.prev;
        to.head_.prev->next = first;
        last->next = &to.head_;
        to.head_.prev = last;
    }
    std::size_t size() const noexcept {
        std::size_t n = 0;
        for (const ListNode* p = head_.next; p != &head_; p = p->next) ++n;
        return n;
    }

private:
    friend struct LayoutProbe;
    ListNode head_;
};

}  // namespace bottomhalf
