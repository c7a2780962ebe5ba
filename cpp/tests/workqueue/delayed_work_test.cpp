// Delayed works: arming, moving, flushing and taking back.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

constexpr Jiffies kLong = 1000 * 1000;

struct Delayed {
    DelayedWork dwork{&Delayed::run};
    Completion ran;
    Atomic<int> runs{0}, cpu{-1};
    Jiffies at = 0;
    static void run(Work* w) {
        Delayed& d = *container_of(DelayedWork::of(w), &Delayed::dwork);
        d.cpu.store(current_task()->cpu.load());
        d.at = current_task()->domain.load()->jiffies();
        d.runs.fetch_add(1);
        d.ran.complete();
    }
};

class DelayedWorkTest : public MachineTest {};

TEST_P(DelayedWorkTest, IsNeverEarly) {
    auto wq = wqs().alloc("q", 0, 0);
    for (Jiffies delay : {1, 3, 20}) {
        Delayed d;
        const Jiffies before = domain().jiffies();
        EXPECT_TRUE(queue_delayed_work(*wq, d.dwork, delay, 1));
        EXPECT_TRUE(delayed_work_pending(d.dwork));
        wait(d.ran);
        EXPECT_GT(d.at, before + delay - 1);
        EXPECT_EQ(d.cpu.load(), 1);
        wq->flush();
    }
}

TEST_P(DelayedWorkTest, FiveSecondsFireAtTheWheelsGranule) {
    if (!simulated()) GTEST_SKIP() << "virtual time only";
    auto wq = wqs().alloc("q", 0, 0);
    Delayed d;
    const Jiffies before = domain().jiffies();
    queue_delayed_work(*wq, d.dwork, 5000);
    wait(d.ran);
    EXPECT_GE(d.at, before + 5000);
    EXPECT_LE(d.at, before + 5000 + 512);
}

TEST_P(DelayedWorkTest, DelayZeroQueuesAtOnce) {
    auto wq = wqs().alloc("q", 0, 1);
    Held first;
    Delayed d;
    wq->queue(first.work, 1);
    wait(first.started);
    EXPECT_TRUE(queue_delayed_work(*wq, d.dwork, 0, 1));
    EXPECT_FALSE(timer_pending(d.dwork.timer));
    EXPECT_TRUE(d.dwork.work.pending());
    EXPECT_TRUE(mod_delayed_work(*wq, d.dwork, 0, 1));
    EXPECT_FALSE(timer_pending(d.dwork.timer));
    first.let_go();
    wq->flush();
    EXPECT_EQ(d.runs.load(), 1);
}

TEST_P(DelayedWorkTest, ModPutsAQueuedItemAtTheTail) {
    auto wq = wqs().alloc("q", 0, 0);
    Busy gate;
    std::vector<int> order;
    Item a([&] { order.push_back(1); });
    struct Second {
        DelayedWork dwork{[](Work* w) { container_of(DelayedWork::of(w), &Second::dwork)->order->push_back(0); }};
        std::vector<int>* order;
    } b;
    b.order = &order;
    wq->queue(gate.work, 1);
    wait(gate.started);
    wq->queue(b.dwork.work, 1);
    wq->queue(a.work, 1);
    EXPECT_TRUE(mod_delayed_work(*wq, b.dwork, 0, 1));
    gate.let_go();
    wq->flush();
    EXPECT_EQ(order, (std::vector<int>{1, 0}));
}

TEST_P(DelayedWorkTest, FlushQueuesAnArmedItemNow) {
    auto wq = wqs().alloc("q", 0, 0);
    Delayed d;
    queue_delayed_work(*wq, d.dwork, kLong, 1);
    EXPECT_TRUE(flush_delayed_work(d.dwork));
    EXPECT_EQ(d.runs.load(), 1);
    EXPECT_EQ(d.cpu.load(), 1);
    EXPECT_FALSE(flush_delayed_work(d.dwork));
}

TEST_P(DelayedWorkTest, ModTellsWhatItDid) {
    auto wq = wqs().alloc("q", 0, 0);
    Delayed d;
    bool taken = true, armed = false;
    EXPECT_FALSE(mod_delayed_work(*wq, d.dwork, kLong, 1, &taken, &armed));
    EXPECT_FALSE(taken);
    EXPECT_TRUE(armed);
    EXPECT_TRUE(mod_delayed_work(*wq, d.dwork, kLong, 1, &taken, &armed));
    EXPECT_TRUE(taken);
    EXPECT_TRUE(disable_delayed_work(d.dwork));
    armed = false;
    EXPECT_FALSE(mod_delayed_work(*wq, d.dwork, 0, 1, &taken, &armed));
    EXPECT_FALSE(armed);
    EXPECT_TRUE(enable_delayed_work(d.dwork));
    EXPECT_THROW(queue_delayed_work(*wq, d.dwork, 5, 7), InvalidArgument);
    EXPECT_THROW(mod_delayed_work(*wq, d.dwork, 5, 7), InvalidArgument);
    EXPECT_FALSE(d.dwork.work.pending());
}

TEST_P(DelayedWorkTest, FromInterruptContext) {
    auto wq = wqs().alloc("q", 0, 0);
    struct Device {
        Workqueue& wq;
        Delayed d;
    } device{*wq, {}};
    auto action = m().irqs().line(5).request(
        [](int, void* dev) {
            auto& d = *static_cast<Device*>(dev);
            EXPECT_FALSE(mod_delayed_work(d.wq, d.d.dwork, kLong));
            EXPECT_TRUE(cancel_delayed_work(d.d.dwork));
            EXPECT_TRUE(queue_delayed_work(d.wq, d.d.dwork, 1));
            return IrqReturn::handled;
        },
        nullptr, 0, "dev", &device);
    m().irqs().line(5).fire(1);
    wait(device.d.ran);
    EXPECT_EQ(device.d.cpu.load(), 1);
    m().irqs().line(5).free(*action);
    wq->flush();
}

TEST_P(DelayedWorkTest, ASelfRearmingItemEndsByCancelSync) {
    auto wq = wqs().alloc("q", 0, 0);
    struct Tick {
        DelayedWork dwork{[](Work* w) {
            Tick& t = *container_of(DelayedWork::of(w), &Tick::dwork);
            t.runs.fetch_add(1);
            queue_delayed_work(*t.wq, t.dwork, 1);
        }};
        Atomic<int> runs{0};
        Workqueue* wq = nullptr;
    } tick;
    tick.wq = wq.get();
    queue_delayed_work(*wq, tick.dwork, 1);
    EXPECT_TRUE(eventually([&] { return tick.runs.load() >= 3; }));
    cancel_delayed_work_sync(tick.dwork);
    EXPECT_EQ(work_busy(tick.dwork.work), 0u);
    const int runs = tick.runs.load();
    if (simulated()) m().sleep(kSecond);
    EXPECT_EQ(tick.runs.load(), runs);
}

BH_INSTANTIATE_MACHINES(DelayedWorkTest);

}  // namespace
}  // namespace bottomhalf::testing
