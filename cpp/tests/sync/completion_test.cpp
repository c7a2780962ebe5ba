#include "bottomhalf/sync/completion.hpp"

#include <sched.h>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Completions : public MachineTest {};

TEST_P(Completions, CountsEvents) {
    Completion c;
    EXPECT_FALSE(c.done());
    EXPECT_FALSE(c.try_wait());
    c.complete();
    c.complete();
    EXPECT_TRUE(c.done());
    EXPECT_EQ(c.wait(self()), WaitResult::ok);
    EXPECT_TRUE(c.try_wait());
    EXPECT_FALSE(c.done());
    EXPECT_EQ(c.wait(self(), at_once()), WaitResult::timeout);
    c.complete_all();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(c.wait(self()), WaitResult::ok);
    c.complete();
    EXPECT_TRUE(c.done());
    c.reinit();
    EXPECT_FALSE(c.done());
}

TEST_P(Completions, WakesOneWaiterPerEventFirstComeFirstServed) {
    Completion c;
    std::vector<int> order;
    std::vector<std::unique_ptr<Caller>> waiters;
    for (int i = 0; i < 3; ++i) {
        waiters.push_back(std::make_unique<Caller>(m(), [&, i] {
            c.wait(*current_task());
            order.push_back(i);
        }));
        EXPECT_TRUE(eventually([&] { return waiters.back()->waits_in("wait_for_completion"); }));
    }
    EXPECT_TRUE(c.waited_for());
    for (int i = 0; i < 3; ++i) {
        c.complete();
        waiters[static_cast<std::size_t>(i)]->join();
    }
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
    EXPECT_FALSE(c.waited_for());
}

TEST_P(Completions, CompleteAllWakesAll) {
    Completion c;
    std::vector<std::unique_ptr<Caller>> waiters;
    for (int i = 0; i < 4; ++i) waiters.push_back(std::make_unique<Caller>(m(), [&] { c.wait(*current_task()); }));
    for (auto& w : waiters) EXPECT_TRUE(eventually([&] { return w->waits_in("wait_for_completion"); }));
    c.complete_all();
    waiters.clear();
}

// The first step leaves it asleep; the second wakes it, and it looks again. Woken on its waker's CPU it knows, once.
TEST_P(Completions, AWakeInTwoSteps) {
    if (simulated()) GTEST_SKIP() << "one step wakes it there";
    cpu_set_t before, zero;
    CPU_ZERO(&zero);
    CPU_SET(0, &zero);
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    if (sched_setaffinity(0, sizeof zero, &zero) != 0) GTEST_SKIP() << "CPU 0 is not for us";
    Substrate& substrate = *m().domain().substrate;
    for (const int bound : {0, kCpuUnbound}) {
        Completion c;
        bool displaced = false, again = true;
        Caller waiter(
            m(),
            [&] {
                c.wait(*current_task());
                displaced = substrate.displaced_waker(*current_task());
                again = substrate.displaced_waker(*current_task());
            },
            bound);
        RestOfWake rest;
        EXPECT_TRUE(eventually([&] {
            rest = substrate.begin_wake(waiter.task());
            return rest.finish != nullptr;
        }));
        EXPECT_EQ(substrate.begin_wake(waiter.task()).finish, nullptr);  // once is enough
        EXPECT_FALSE(waiter.finished());
        rest.finish(rest.word);
        c.complete();
        waiter.join();
        EXPECT_EQ(displaced, bound == 0);
        EXPECT_FALSE(again);
    }
    sched_setaffinity(0, sizeof before, &before);
}

TEST_P(Completions, AWaiterThatGivesUpLeaves) {
    Completion c;
    EXPECT_EQ(c.wait(self(), soon()), WaitResult::timeout);
    EXPECT_FALSE(c.waited_for());
    Caller waiter(m(), [&] { EXPECT_EQ(c.wait(*current_task()), WaitResult::ok); });
    EXPECT_TRUE(eventually([&] { return c.waited_for(); }));
    EXPECT_EQ(c.wait(self(), soon()), WaitResult::timeout);
    c.complete();
}

TEST_P(Completions, MayBeDestroyedAsSoonAsTheWaitReturned) {
    auto wq = wqs().alloc("q", 0, 0);
    for (int i = 0; i < 300; ++i) {
        auto c = std::make_unique<Completion>();
        Item item([&, raw = c.get()] { raw->complete(); });
        wq->queue(item.work, 1);
        c->wait(self());
        c.reset();
        flush_work(item.work);
    }
}

TEST_P(Completions, CompleteFromAnyContext) {
    struct Device {
        Completion done;
    } device;
    auto action = m().irqs().line(2).request(
        [](int, void* dev) { return static_cast<Device*>(dev)->done.complete(), IrqReturn::handled; }, nullptr, 0,
        "dev", &device);
    Caller waiter(m(), [&] { device.done.wait(*current_task()); });
    EXPECT_TRUE(eventually([&] { return waiter.waits_in("wait_for_completion"); }));
    m().irqs().line(2).fire(1);
    waiter.join();
    m().irqs().line(2).free(*action);
}

BH_INSTANTIATE_MACHINES(Completions);

}  // namespace
}  // namespace bottomhalf::testing
