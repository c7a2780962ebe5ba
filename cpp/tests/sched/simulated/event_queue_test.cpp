#include "bottomhalf/sched/simulated/event_queue.hpp"

#include <gtest/gtest.h>

namespace bottomhalf {
namespace {

TEST(EventQueue, ByTimeThenTurnThenSequence) {
    EventQueue queue;
    queue.add(5, Turn::completion, {nullptr, 1});
    queue.add(5, Turn::hard_irq, {nullptr, 2});
    queue.add(3, Turn::tick, {nullptr, 3});
    queue.add(5, Turn::hard_irq, {nullptr, 4});
    queue.add(5, Turn::clock_event, {nullptr, 5});
    EXPECT_EQ(queue.next(), 3);
    for (unsigned expected : {3u, 2u, 4u, 5u, 1u}) EXPECT_EQ(queue.pop().second.cpu, expected);
    EXPECT_EQ(queue.next(), kForever);
}

TEST(EventQueue, RemovesOnce) {
    EventQueue queue;
    SimKey key = queue.add(5, Turn::deadline, {});
    EXPECT_TRUE(key.armed());
    queue.remove(key);
    EXPECT_FALSE(key.armed());
    EXPECT_TRUE(queue.empty());
    queue.remove(key);
}

}  // namespace
}  // namespace bottomhalf
