// BH workqueues: items in softirq context, before the tasklets of their level.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class BhWorkqueues : public MachineTest {
protected:
    std::shared_ptr<Workqueue> bh() { return wqs().system(SystemWq::bh); }
};

TEST_P(BhWorkqueues, RunInSoftirqContextOnTheirCpu) {
    std::uint32_t count = 0;
    Item item([&] {
        count = current_task()->preempt_count;
        EXPECT_THROW(might_sleep(*current_task(), "msleep"), SchedulingWhileAtomic);
    });
    for (int cpu = 0; cpu < 2; ++cpu) {
        EXPECT_TRUE(bh()->queue(item.work, cpu));
        bh()->flush();
        EXPECT_EQ(item.runs.load(), cpu + 1);
        EXPECT_EQ(item.cpu.load(), cpu);
        EXPECT_TRUE(preempt::in_serving_softirq(count));
        EXPECT_FALSE(preempt::in_task(count));
    }
    bh()->flush();
}

std::string* g_order;
TEST_P(BhWorkqueues, OrderAmongTheSoftirqs) {
    std::string order;
    g_order = &order;
    Tasklet hi([](Tasklet*) { *g_order += "hi "; }), plain([](Tasklet*) { *g_order += "a"; });
    Item high([&] { order += "bhwork_hi "; }), low([&] { order += "bhwork "; });
    local_bh_disable(self());
    m().tasklets().schedule(plain);
    bh()->queue(low.work);
    m().tasklets().hi_schedule(hi);
    wqs().system(SystemWq::bh_highpri)->queue(high.work);
    EXPECT_EQ(order, "");
    local_bh_enable(self());
    EXPECT_TRUE(eventually([&] { return !plain.scheduled() && !plain.is_running(); }));
    bh()->flush();
    EXPECT_EQ(order, "bhwork_hi hi bhwork a");
}

TEST_P(BhWorkqueues, FifoAndMoreThanOneInvocationTakes) {
    std::vector<int> order;
    std::vector<std::unique_ptr<Item>> items;
    local_bh_disable(self());
    for (int i = 0; i < 35; ++i) {
        items.push_back(std::make_unique<Item>([&order, i] { order.push_back(i); }));
        bh()->queue(items.back()->work);
    }
    local_bh_enable(self());
    bh()->flush();
    ASSERT_EQ(order.size(), 35u);
    for (int i = 0; i < 35; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_P(BhWorkqueues, FlushCancelDisableAndDelay) {
    auto wq = wqs().alloc("bh", wq_flag::kBh, 0);
    Item item;
    local_bh_disable(self());
    wq->queue(item.work);
    EXPECT_TRUE(cancel_work(item.work));
    wq->queue(item.work);
    EXPECT_FALSE(wq->queue(item.work));
    EXPECT_TRUE(disable_work(item.work));
    EXPECT_FALSE(wq->queue(item.work));
    EXPECT_TRUE(enable_work(item.work));
    local_bh_enable(self());
    EXPECT_EQ(item.runs.load(), 0);
    wq->queue(item.work, 1);
    flush_work(item.work);
    wq->flush();
    EXPECT_EQ(item.runs.load(), 1);
    EXPECT_FALSE(cancel_work_sync(item.work));
    struct Later {
        DelayedWork dwork{[](Work* w) { container_of(DelayedWork::of(w), &Later::dwork)->ran.complete(); }};
        Completion ran;
    } later;
    EXPECT_TRUE(queue_delayed_work(*wq, later.dwork, 2));
    wait(later.ran);
    wq->destroy();
}

TEST_P(BhWorkqueues, OnlyHighpriGoesWithThem) {
    EXPECT_THROW(wqs().alloc("x", wq_flag::kBh | wq_flag::kUnbound, 0), InvalidArgument);
    EXPECT_THROW(wqs().alloc("x", wq_flag::kBh | wq_flag::kMemReclaim, 0), InvalidArgument);
    EXPECT_THROW(wqs().alloc("x", wq_flag::kBh, 1), InvalidArgument);
    wqs().alloc("x", wq_flag::kBh | wq_flag::kHighpri, 0)->destroy();
}

TEST_P(BhWorkqueues, NeverOverlapAndTakeRequeues) {
    Item item;
    item.body = [&] {
        if (item.runs.load() < 30) {
            EXPECT_TRUE(bh()->queue(item.work));
        }
    };
    bh()->queue(item.work, 1);
    EXPECT_TRUE(eventually([&] { return item.runs.load() == 30; }));
    bh()->flush();
    EXPECT_EQ(item.most.load(), 1);
}

BH_INSTANTIATE_MACHINES(BhWorkqueues);

}  // namespace
}  // namespace bottomhalf::testing
