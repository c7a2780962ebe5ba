#include "bottomhalf/base/list.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace bottomhalf {
namespace {

struct Entry {
    int value = 0;
    ListNode node;
};

std::vector<int> values(List& list) {
    std::vector<int> out;
    for (ListNode* n = list.begin(); n != list.end(); n = n->next) out.push_back(container_of(n, &Entry::node)->value);
    return out;
}

TEST(List, KeepsItsOrder) {
    List list;
    Entry e[4];
    for (int i = 0; i < 4; ++i) e[i].value = i;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.front(), nullptr);
    EXPECT_EQ(list.back(), nullptr);
    EXPECT_EQ(list.pop_front(), nullptr);
    list.push_back(e[1].node);
    list.push_back(e[3].node);
    list.push_front(e[0].node);
    e[2].node.insert_before(e[3].node);
    EXPECT_EQ(values(list), (std::vector<int>{0, 1, 2, 3}));
    EXPECT_EQ(list.size(), 4u);
    e[1].node.unlink();
    EXPECT_FALSE(e[1].node.linked());
    EXPECT_EQ(values(list), (std::vector<int>{0, 2, 3}));
    e[1].node.insert_after(e[3].node);
    EXPECT_EQ(list.back(), &e[1].node);
    EXPECT_EQ(list.pop_front(), &e[0].node);
    EXPECT_FALSE(e[0].node.linked());
}

TEST(List, MovesTheFrontToAnotherTail) {
    List a, b;
    Entry e[5];
    for (int i = 0; i < 5; ++i) {
        e[i].value = i;
        a.push_back(e[i].node);
    }
    a.split_front(e[0].node, b);
    EXPECT_TRUE(b.empty());
    a.split_front(e[2].node, b);
    EXPECT_EQ(values(a), (std::vector<int>{2, 3, 4}));
    EXPECT_EQ(values(b), (std::vector<int>{0, 1}));
    a.move_front(b);
    EXPECT_EQ(values(a), (std::vector<int>{3, 4}));
    EXPECT_EQ(values(b), (std::vector<int>{0, 1, 2}));
    a.split_front(*a.end(), b);
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(values(b), (std::vector<int>{0, 1, 2, 3, 4}));
    // Both ways: the links back as well.
    for (int i = 4; i >= 0; --i) {
        EXPECT_EQ(b.back(), &e[i].node);
        e[i].node.unlink();
    }
    EXPECT_TRUE(b.empty());
}

TEST(List, SplicesToTheTail) {
    List a, b;
    Entry e[4];
    for (int i = 0; i < 4; ++i) e[i].value = i;
    a.splice_back(b);
    EXPECT_TRUE(a.empty());
    b.push_back(e[0].node);
    b.push_back(e[1].node);
    a.splice_back(b);
    EXPECT_TRUE(b.empty());
    b.push_back(e[2].node);
    b.push_back(e[3].node);
    a.splice_back(b);
    EXPECT_EQ(values(a), (std::vector<int>{0, 1, 2, 3}));
    e[3].node.unlink();
    b.push_back(e[3].node);
    EXPECT_EQ(values(b), (std::vector<int>{3}));
}

TEST(List, ContainerOfFindsTheObject) {
    Entry e;
    EXPECT_EQ(container_of(&e.node, &Entry::node), &e);
}

}  // namespace
}  // namespace bottomhalf
