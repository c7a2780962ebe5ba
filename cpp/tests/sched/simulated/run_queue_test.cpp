#include "bottomhalf/sched/simulated/run_queue.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace bottomhalf {
namespace {

struct RunQueueTest : ::testing::Test {
    RunQueue queue;
    std::deque<Task> tasks;
    std::deque<Strand> strands;
    std::uint64_t sequence = 0;

    Strand& add(int nice, Nanoseconds when = 0) {
        tasks.emplace_back().nice = nice;
        Strand& s = strands.emplace_back();
        s.task = &tasks.back();
        s.id = strands.size();
        s.since = {when, Turn::completion, ++sequence};
        queue.insert(s);
        return s;
    }
    std::string drain() {
        std::string order;
        while (Strand* s = queue.front()) {
            order += std::to_string(s->id);
            queue.remove(*s);
        }
        return order;
    }
};

TEST_F(RunQueueTest, LevelThenAge) {
    add(0), add(5), add(-5), add(0), add(-5);
    EXPECT_EQ(queue.best_level().size(), 2u);
    EXPECT_EQ(drain(), "35142");
}

TEST_F(RunQueueTest, WhoeverWaitedLongerGoesFirst) {
    add(0, 2), add(0, 1), add(0, 2), add(0, 0);
    EXPECT_EQ(drain(), "4213");
}

TEST_F(RunQueueTest, TakesFromTheMiddle) {
    add(0);
    Strand& middle = add(0);
    add(0);
    queue.remove(*queue.front());
    queue.remove(middle);
    add(0);
    EXPECT_EQ(queue.size(), 2u);
    EXPECT_EQ(drain(), "34");
    EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace bottomhalf
