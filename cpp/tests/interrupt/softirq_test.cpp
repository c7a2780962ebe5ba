// The softirq loop: order, limits, and from where what is raised runs.
#include "bottomhalf/interrupt/softirq.hpp"

#include <cstring>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class SoftirqTest : public MachineTest {
protected:
    struct Record {
        std::vector<Softirq> order;
        std::vector<std::string> tasks;
        int again = 0;  // how often the handler raises itself
        Softirq nr = Softirq::net_rx;
        Nanoseconds burn = 0;
    };
    static void record(Domain& d, unsigned cpu, Task& me, GatePass&, void* arg) {
        auto& r = *static_cast<Record*>(arg);
        r.order.push_back(r.nr);
        r.tasks.emplace_back(me.name);
        if (r.burn != 0) d.substrate->burn(me, r.burn);
        if (r.again-- > 0) d.softirqs->raise(r.nr, cpu);
    }
    bool idle(unsigned cpu = 0) {
        return m().softirqs().pending(cpu) == 0 && domain().cpu(cpu).bh_owner.load() == nullptr;
    }
};

TEST_P(SoftirqTest, LowerNumbersFirst) {
    static std::vector<int> order;
    order.clear();
    static const Softirq all[] = {Softirq::net_tx,   Softirq::net_rx, Softirq::block,
                                  Softirq::irq_poll, Softirq::sched,  Softirq::rcu};
    for (const Softirq& nr : all)
        m().softirqs().open(
            nr,
            [](Domain&, unsigned, Task&, GatePass&, void* arg) {
                order.push_back(static_cast<int>(*static_cast<Softirq*>(arg)));
            },
            const_cast<Softirq*>(&nr));
    local_bh_disable(self());
    for (int i = 5; i >= 0; --i) m().softirqs().raise(all[i], 0);
    EXPECT_TRUE(order.empty());
    local_bh_enable(self());
    EXPECT_EQ(order, (std::vector<int>{2, 3, 4, 5, 7, 9}));
    EXPECT_STREQ(softirq_name(Softirq::hi), "HI");
    EXPECT_STREQ(softirq_name(Softirq::rcu), "RCU");
}

TEST_P(SoftirqTest, RaisedTwiceRunsOnce) {
    Record r;
    m().softirqs().open(Softirq::net_rx, record, &r);
    local_bh_disable(self());
    m().softirqs().raise(Softirq::net_rx, 0);
    m().softirqs().raise(Softirq::net_rx, 0);
    local_bh_enable(self());
    EXPECT_EQ(r.order.size(), 1u);
    EXPECT_EQ(m().softirqs().count(0, Softirq::net_rx), 1u);
    EXPECT_EQ(m().softirqs().count(1, Softirq::net_rx), 0u);
    EXPECT_NE(r.tasks[0].substr(0, 9), "ksoftirqd");
}

TEST_P(SoftirqTest, FromTaskContextKsoftirqdRunsIt) {
    Record r;
    m().softirqs().open(Softirq::net_rx, record, &r);
    for (unsigned cpu = 0; cpu < 2; ++cpu) {
        m().softirqs().raise(Softirq::net_rx, cpu);
        EXPECT_TRUE(eventually([&] { return m().softirqs().count(cpu, Softirq::net_rx) == 1 && idle(cpu); }));
        EXPECT_EQ(r.tasks.back(), "ksoftirqd/" + std::to_string(cpu));
    }
}

TEST_P(SoftirqTest, FromAHardInterruptItRunsAtItsExit) {
    Record r;
    m().softirqs().open(Softirq::net_rx, record, &r);
    auto action = m().irqs().line(4).request(
        [](int, void* arg) {
            Domain& d = *current_task()->domain.load();
            d.softirqs->raise(Softirq::net_rx, static_cast<unsigned>(current_task()->cpu.load()));
            EXPECT_TRUE(static_cast<Record*>(arg)->order.empty());
            return IrqReturn::handled;
        },
        nullptr, 0, "dev", &r);
    m().irqs().line(4).fire(0);
    ASSERT_EQ(r.order.size(), 1u) << "before fire() returned";
    EXPECT_STREQ(r.tasks[0].c_str(), self().name);
    r = {};
    // Bottom halves are off: at the outermost enable.
    local_bh_disable(self());
    m().irqs().line(4).fire(0);
    EXPECT_TRUE(r.order.empty());
    local_bh_enable(self());
    EXPECT_EQ(r.order.size(), 1u);
    m().irqs().line(4).free(*action);
}

TEST_P(SoftirqTest, TenPassesThenKsoftirqd) {
    Record r;
    r.again = 14;
    m().softirqs().open(Softirq::net_rx, record, &r);
    local_bh_disable(self());
    m().softirqs().raise(Softirq::net_rx, 0);
    local_bh_enable(self());
    EXPECT_TRUE(eventually([&] { return m().softirqs().count(0, Softirq::net_rx) == 15 && idle(); }));
    ASSERT_EQ(r.tasks.size(), 15u);
    if (simulated()) {
        for (int i = 0; i < 10; ++i) EXPECT_EQ(r.tasks[static_cast<std::size_t>(i)], self().name) << i;
    }
    // On the host the two milliseconds may be over before.
    EXPECT_EQ(r.tasks[10], "ksoftirqd/0");
    EXPECT_EQ(r.tasks[14], "ksoftirqd/0");
}

TEST_P(SoftirqTest, TwoMillisecondsThenKsoftirqd) {
    if (!simulated()) GTEST_SKIP() << "virtual time only";
    Record r;
    r.again = 7;
    r.burn = 900 * kMicrosecond;
    m().softirqs().open(Softirq::net_rx, record, &r);
    local_bh_disable(self());
    m().softirqs().raise(Softirq::net_rx, 0);
    local_bh_enable(self());
    EXPECT_TRUE(eventually([&] { return m().softirqs().count(0, Softirq::net_rx) == 8 && idle(); }));
    int mine = 0;
    while (r.tasks[static_cast<std::size_t>(mine)] == self().name) ++mine;
    EXPECT_EQ(mine, 3) << "passes began at 0, 0.9 and 1.8 ms";
    // The first pass counts too.
    r = {};
    r.again = 1;
    r.burn = 3 * kMillisecond;
    local_bh_disable(self());
    m().softirqs().raise(Softirq::net_rx, 0);
    local_bh_enable(self());
    EXPECT_TRUE(eventually([&] { return m().softirqs().count(0, Softirq::net_rx) == 10 && idle(); }));
    EXPECT_EQ(r.tasks, (std::vector<std::string>{self().name, "ksoftirqd/0"}));
}

TEST_P(SoftirqTest, AVectorRaisedBelowWaitsForTheNextPass) {
    static std::string order;
    order.clear();
    m().softirqs().open(Softirq::net_tx, [](Domain&, unsigned, Task&, GatePass&, void*) { order += "t"; }, nullptr);
    m().softirqs().open(
        Softirq::net_rx,
        [](Domain& d, unsigned cpu, Task&, GatePass&, void*) {
            order += "r";
            d.softirqs->raise(Softirq::net_tx, cpu);
            d.softirqs->raise(Softirq::block, cpu);
        },
        nullptr);
    m().softirqs().open(Softirq::block, [](Domain&, unsigned, Task&, GatePass&, void*) { order += "b"; }, nullptr);
    local_bh_disable(self());
    m().softirqs().raise(Softirq::net_rx, 0);
    m().softirqs().raise(Softirq::block, 0);
    local_bh_enable(self());
    EXPECT_EQ(order, "rbtb");
}

TEST_P(SoftirqTest, AHandlerThatChangesTheCountIsReportedAndMended) {
    m().softirqs().open(
        Softirq::net_rx, [](Domain&, unsigned, Task& me, GatePass&, void*) { me.preempt_count += 1; }, nullptr);
    m().softirqs().open(
        Softirq::net_tx, [](Domain&, unsigned, Task&, GatePass&, void*) { throw Error("oh dear"); }, nullptr);
    local_bh_disable(self());
    m().softirqs().raise(Softirq::net_rx, 0);
    m().softirqs().raise(Softirq::net_tx, 0);
    local_bh_enable(self());
    EXPECT_EQ(self().preempt_count, 0u);
    EXPECT_TRUE(logged("huh, entered softirq 3 NET_RX with preempt_count"));
    EXPECT_TRUE(logged("oh dear"));
}

TEST_P(SoftirqTest, RaisedOnACpuWhoseKsoftirqdHasEnded) {
    // While the machine halts, ksoftirqd/1 raises on CPU 0 as soon as ksoftirqd/0 is gone: its task must not be.
    m().softirqs().open(
        Softirq::net_rx,
        [](Domain& d, unsigned cpu, Task& me, GatePass&, void*) {
            if (cpu == 0) return;
            bool there = true;
            while (there) {
                d.substrate->relax(me);
                there = false;
                d.for_each_task([&](Task& t) { there |= std::string_view(t.name) == "ksoftirqd/0"; });
            }
            for (int i = 0; i < 1000; ++i) d.softirqs->raise(Softirq::net_rx, 0, me);
        },
        nullptr);
    m().softirqs().raise(Softirq::net_rx, 1);
    m().halt();
    EXPECT_EQ(m().softirqs().count(1, Softirq::net_rx), 1u);
}

BH_INSTANTIATE_MACHINES(SoftirqTest);

}  // namespace
}  // namespace bottomhalf::testing
