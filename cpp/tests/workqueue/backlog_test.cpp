// Bounded workqueues: who waits for a place, and when none can ever become free.
#include "bottomhalf/workqueue/backlog.hpp"

#include <deque>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class BacklogTest : public MachineTest {
protected:
    void submit(Workqueue& wq, Item& item) {
        Backlog& backlog = *wq.backlog();
        backlog.enter(wq, self());
        wq.queue(item.work);
        backlog.arrived();
    }
    // Items that give their place back when they begin.
    std::deque<Item> items(Workqueue& wq, int n) {
        std::deque<Item> all;
        for (int i = 0; i < n; ++i) all.emplace_back([&wq] { wq.backlog()->leave(); });
        return all;
    }
};

TEST_P(BacklogTest, FullForAMomentIsNoDeadlock) {
    constexpr int kItems = 300;
    auto wq = wqs().alloc("q", wq_flag::kUnbound, 2);
    wq->bound_backlog(1, WhenFull::block);
    auto inner = items(*wq, kItems), one = items(*wq, kItems), two = items(*wq, kItems);
    Atomic<int> refused{0};
    Item submits([&] {
        wq->backlog()->leave();
        try {
            for (Item& item : inner) submit(*wq, item);
        } catch (const DeadlockError&) {
            refused.fetch_add(1);
        }
    });
    submit(*wq, submits);
    Caller first(m(), [&] {
        for (Item& item : one) submit(*wq, item);
    });
    Caller second(m(), [&] {
        for (Item& item : two) submit(*wq, item);
    });
    first.join();
    second.join();
    wq->drain();
    EXPECT_EQ(refused.load(), 0);
    for (auto* all : {&inner, &one, &two})
        for (Item& item : *all) EXPECT_EQ(item.runs.load(), 1);
    EXPECT_EQ(wq->backlog()->taken(), 0u);
}

TEST_P(BacklogTest, HeldBackBehindWhoWaits) {
    auto wq = wqs().alloc("q", wq_flag::kUnbound, 1);
    wq->bound_backlog(1, WhenFull::block);
    auto inner = items(*wq, 2);
    std::string text;
    Item submits([&] {
        wq->backlog()->leave();
        text = message_of<DeadlockError>([&] {
            for (Item& item : inner) submit(*wq, item);
        });
    });
    submit(*wq, submits);
    wq->drain();
    EXPECT_NE(text.find("queue_depth of 1 is reached"), std::string::npos) << text;
    EXPECT_EQ(inner[0].runs.load(), 1);
    EXPECT_EQ(inner[1].runs.load(), 0);
    EXPECT_EQ(wq->backlog()->taken(), 0u);
}

TEST_P(BacklogTest, RaisesWhereItIsToldTo) {
    auto wq = wqs().alloc("q", wq_flag::kUnbound, 1);
    wq->bound_backlog(1, WhenFull::raise);
    ASSERT_TRUE(wq->backlog()->try_enter());
    EXPECT_THROW(wq->backlog()->enter(*wq, self()), QueueFull);
    wq->backlog()->arrived();
    wq->backlog()->leave();
    EXPECT_TRUE(wq->backlog()->try_enter());
    wq->backlog()->arrived();
    wq->backlog()->leave();
}

BH_INSTANTIATE_MACHINES(BacklogTest);

}  // namespace
}  // namespace bottomhalf::testing
