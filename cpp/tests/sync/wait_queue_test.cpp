#include "bottomhalf/sync/wait_queue.hpp"

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class WaitQueues : public MachineTest {};

TEST_P(WaitQueues, ACheckedConditionNeedsNoSleep) {
    WaitQueue queue;
    EXPECT_EQ(queue.wait(self(), [] { return true; }), WaitResult::ok);
    EXPECT_EQ(queue.wait(self(), [] { return false; }, at_once()), WaitResult::timeout);
    EXPECT_FALSE(queue.active());
    EXPECT_EQ(queue.wake_all(), 0u);
}

TEST_P(WaitQueues, WakesAllNonExclusiveAndAsManyExclusiveAsAsked) {
    WaitQueue queue;
    Atomic<int> tokens{0};
    Atomic<bool> open{false};
    std::vector<std::unique_ptr<Caller>> waiters;
    auto take = [&] {
        int t = tokens.load();
        while (t > 0 && !tokens.compare_exchange(t, t - 1)) {
        }
        return t > 0;
    };
    for (int i = 0; i < 5; ++i) {
        waiters.push_back(std::make_unique<Caller>(m(), [&, i] {
            if (i < 2)
                queue.wait(*current_task(), [&] { return open.load(); }, kForever, "open");
            else
                queue.wait(*current_task(), take, kForever, "token", true);
        }));
        EXPECT_TRUE(eventually([&] { return waiters.back()->waits_in(i < 2 ? "open" : "token"); }));
    }
    open.store(true);
    tokens.store(2);
    EXPECT_EQ(queue.wake(2), 4u);
    EXPECT_TRUE(eventually([&] { return tokens.load() == 0; }));
    waiters[0]->join();
    waiters[1]->join();
    EXPECT_TRUE(queue.active()) << "the last exclusive one";
    tokens.store(1);
    EXPECT_EQ(queue.wake(), 1u);
    waiters.clear();
    EXPECT_FALSE(queue.active());
}

TEST_P(WaitQueues, AFalseWakeUpSleepsOn) {
    WaitQueue queue;
    Atomic<int> looks{0};
    Atomic<bool> open{false};
    Caller waiter(m(), [&] {
        queue.wait(*current_task(), [&] {
            looks.fetch_add(1);
            return open.load();
        });
    });
    EXPECT_TRUE(eventually([&] { return waiter.waits_in("wait_event"); }));
    const int before = looks.load();
    EXPECT_EQ(queue.wake_all(), 1u);
    EXPECT_TRUE(eventually([&] { return looks.load() > before && waiter.waits_in("wait_event"); }));
    open.store(true);
    queue.wake_all();
}

TEST_P(WaitQueues, AnEvictedWaiterUnlinksItself) {
    WaitQueue queue;
    Caller waiter(m(), [&] { queue.wait(*current_task(), [] { return false; }); });
    EXPECT_TRUE(eventually([&] { return waiter.waits_in("wait_event"); }));
    waiter.task().exiting.store(true);
    domain().substrate->wake(waiter.task());
    waiter.join();
    EXPECT_TRUE(waiter.evicted());
    EXPECT_FALSE(queue.active());
}

TEST_P(WaitQueues, ResultsBecomeExceptions) {
    EXPECT_NO_THROW(throw_unless_ok(WaitResult::ok, "call"));
    EXPECT_EQ(message_of<TimedOut>([] { throw_unless_ok(WaitResult::timeout, "call"); }),
              "call: the time limit passed");
    EXPECT_THROW(throw_unless_ok(WaitResult::interrupted, "call"), Interrupted);
}

TEST_P(WaitQueues, AWakeIsForThoseWhoseModeItNames) {
    constexpr std::uint32_t interruptible = 1, uninterruptible = 2;
    WaitQueue queue;
    WaitQueue::Entry mine{&self(), {}, false, false, uninterruptible};
    queue.enlist(mine);
    self().announced.store(uninterruptible);
    EXPECT_EQ(queue.wake(1, interruptible), 0u);
    EXPECT_EQ(self().announced.load(), uninterruptible);
    EXPECT_EQ(queue.wake(1, interruptible | uninterruptible), 1u);
    EXPECT_EQ(self().announced.load(), 0u);
    EXPECT_FALSE(queue.active());
    queue.leave(mine);  // it is not there: nothing happens
}

TEST_P(WaitQueues, AnEntryThatStaysIsWokenAgainAndAgain) {
    WaitQueue queue;
    WaitQueue::Entry staying{&self(), {}, false, true, WaitQueue::kAnyMode};
    queue.enlist(staying);
    queue.enlist(staying);
    EXPECT_EQ(queue.wake(), 1u);
    EXPECT_EQ(queue.wake(), 1u);
    queue.leave(staying);
    EXPECT_EQ(queue.wake(), 0u);
}

// A wait that serves signals looks at its Interrupter and gives up when that says so.
TEST_P(WaitQueues, AnInterrupterEndsAWait) {
    if (simulated()) GTEST_SKIP() << "signals of the host";
    struct Always : Interrupter {
        bool pending() override { return true; }
    } always;
    WaitQueue queue;
    self().interrupter = &always;
    EXPECT_EQ(queue.wait(self(), [] { return false; }), WaitResult::interrupted);
    self().interrupter = nullptr;
    EXPECT_FALSE(queue.active());
}

BH_INSTANTIATE_MACHINES(WaitQueues);

}  // namespace
}  // namespace bottomhalf::testing
