// A CPU as an exclusion domain: what bottom halves off, interrupts off and preemption off hold back.
#include "bottomhalf/sched/cpu.hpp"

#include "bottomhalf/sync/spin_lock.hpp"
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Cpus : public MachineTest {
protected:
    // The caller stands on CPU 0; an item of the other CPU tells that the machine goes on.
    void elsewhere_goes_on() {
        Item item;
        wqs().system(SystemWq::long_running)->queue(item.work, 1);
        EXPECT_TRUE(eventually([&] { return item.runs.load() == 1 && item.inside.load() == 0; }));
        EXPECT_TRUE(eventually([&] { return work_busy(item.work) == 0; }));
    }
};

TEST_P(Cpus, BottomHalvesOffHoldBackABoundWorker) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    local_bh_disable(self());
    wq->queue(item.work, 0);
    elsewhere_goes_on();
    EXPECT_EQ(item.runs.load(), 0);
    local_bh_enable(self());
    wq->flush();
    EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(Cpus, PreemptionOffAndInterruptsOffHoldBackABoundWorker) {
    auto wq = wqs().alloc("q", 0, 0);
    Item item;
    SpinLock lock;
    lock.lock(self());
    wq->queue(item.work, 0);
    elsewhere_goes_on();
    EXPECT_EQ(item.runs.load(), 0);
    lock.unlock(self());
    wq->flush();
    EXPECT_EQ(item.runs.load(), 1);
    local_irq_save(self());
    wq->queue(item.work, 0);
    elsewhere_goes_on();
    EXPECT_EQ(item.runs.load(), 1);
    local_irq_restore(self());
    wq->flush();
    EXPECT_EQ(item.runs.load(), 2);
}

TEST_P(Cpus, BottomHalvesOffHoldBackOtherSoftirqsOfThatCpuOnly) {
    static Atomic<int> runs[2];
    runs[0].store(0);
    runs[1].store(0);
    m().softirqs().open(
        Softirq::net_rx, [](Domain&, unsigned cpu, Task&, GatePass&, void*) { runs[cpu].fetch_add(1); }, nullptr);
    local_bh_disable(self());
    // Raised by another task, for either CPU.
    Caller raiser(
        m(),
        [&] {
            m().softirqs().raise(Softirq::net_rx, 0);
            m().softirqs().raise(Softirq::net_rx, 1);
        },
        1);
    EXPECT_TRUE(eventually([&] { return raiser.finished(); }));
    EXPECT_TRUE(eventually([&] { return runs[1].load() == 1; }));
    EXPECT_EQ(runs[0].load(), 0);
    local_bh_enable(self());
    EXPECT_TRUE(eventually([&] { return runs[0].load() == 1; }));
}

TEST_P(Cpus, ABottomHalfSectionOfAnotherTaskWaits) {
    if (simulated()) GTEST_SKIP() << "a simulated CPU has one task at a time anyway";
    local_bh_disable(self());
    Atomic<bool> inside{false};
    Caller other(m(), [&] {
        Task& me = *current_task();
        local_bh_disable(me);
        inside.store(true);
        local_bh_enable(me);
    });
    EXPECT_TRUE(eventually([&] { return domain().cpu(0).waiters.load() != 0; }));
    EXPECT_FALSE(inside.load());
    local_bh_enable(self());
    other.join();
    EXPECT_TRUE(inside.load());
}

TEST_P(Cpus, ANestedSectionEndsOnce) {
    Task& me = self();
    local_bh_disable(me);
    local_bh_disable(me);
    m().softirqs().raise(Softirq::net_tx, 0);
    local_bh_enable(me);
    EXPECT_EQ(m().softirqs().pending(0), 1u << static_cast<unsigned>(Softirq::net_tx));
    local_bh_enable(me);
    EXPECT_EQ(m().softirqs().pending(0), 0u);
    EXPECT_EQ(domain().cpu(0).bh_owner.load(), nullptr);
}

TEST_P(Cpus, InterruptsOffLatchAnInterrupt) {
    static Atomic<int> fired;
    fired.store(0);
    auto& line = m().irqs().line(9);
    auto action =
        line.request([](int, void*) { return fired.fetch_add(1), IrqReturn::handled; }, nullptr, 0, "dev", this);
    local_irq_save(self());
    line.fire(0);
    line.fire(0);
    EXPECT_EQ(fired.load(), 0);
    line.fire(1);
    EXPECT_EQ(fired.load(), 1) << "the other CPU takes it";
    local_irq_restore(self());
    EXPECT_EQ(fired.load(), 2) << "several latched ones collapse into one";
    line.free(*action);
}

TEST_P(Cpus, BadNumbersAreNamed) {
    const std::string text = message_of<InvalidArgument>([&] { domain().check_cpu(5, "cpu"); });
    EXPECT_EQ(text, "cpu=5 is not a CPU of machine '" + m().name() + "': allowed are 0 to 1");
}

BH_INSTANTIATE_MACHINES(Cpus);

}  // namespace
}  // namespace bottomhalf::testing
