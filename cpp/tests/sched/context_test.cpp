// The context predicates of SEMANTICS 4.5, asked where they hold, and what may sleep.
#include "bottomhalf/sched/context.hpp"

#include "bottomhalf/sync/spin_lock.hpp"
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

// hardirq softirq serving interrupt task atomic irqs_off, as the table's columns.
std::string predicates(const Task& t) {
    using namespace preempt;
    const auto c = t.preempt_count;
    std::string s;
    for (bool b : {in_hardirq(c), in_softirq(c), in_serving_softirq(c), in_interrupt(c), in_task(c), in_atomic(c),
                   t.irqs_off != 0})
        s += b ? '1' : '0';
    return s;
}

std::string* g_seen;
std::uint32_t* g_count;
void look() {
    *g_seen = predicates(*current_task());
    *g_count = current_task()->preempt_count;
}

class Contexts : public MachineTest {
protected:
    void SetUp() override {
        MachineTest::SetUp();
        g_seen = &seen;
        g_count = &count;
    }
    void here(const char* expected, std::uint32_t expected_count) {
        look();
        EXPECT_EQ(seen, expected);
        EXPECT_EQ(count, expected_count);
    }
    std::string seen;
    std::uint32_t count = 0;
};

TEST_P(Contexts, OfATask) {
    Task& me = self();
    here("0000100", 0x0);
    preempt_disable(me);
    here("0000110", 0x1);
    preempt_enable(me);
    local_bh_disable(me);
    here("0101110", 0x200);
    local_bh_disable(me);
    here("0101110", 0x400);
    local_bh_enable(me);
    local_bh_enable(me);
    SpinLock lock;
    lock.lock(me);
    here("0000110", 0x1);
    lock.unlock(me);
    lock.lock(me, SpinKind::bh);
    here("0101110", 0x201);
    lock.unlock(me, SpinKind::bh);
    local_irq_save(me);
    here("0000101", 0x0);
    local_irq_save(me);
    local_irq_restore(me);
    here("0000101", 0x0);
    local_irq_restore(me);
    lock.lock(me, SpinKind::irqsave);
    here("0000111", 0x1);
    lock.unlock(me, SpinKind::irqsave);
    here("0000100", 0x0);
}

TEST_P(Contexts, OfItems) {
    Item item(look);
    for (auto which : {SystemWq::percpu, SystemWq::highpri, SystemWq::unbound, SystemWq::managed}) {
        run_once(*wqs().system(which), item.work, 1);
        EXPECT_EQ(seen, "0000100");
    }
    wqs().system(SystemWq::bh)->queue(item.work, 1);
    wqs().system(SystemWq::bh)->flush();
    EXPECT_EQ(seen, "0111010");
    EXPECT_EQ(count, 0x100u);
}

TEST_P(Contexts, OfTaskletsAndTimers) {
    Tasklet tasklet([](Tasklet*) { look(); });
    m().tasklets().schedule(tasklet);
    m().tasklets().kill(tasklet);
    EXPECT_EQ(seen, "0111010");
    EXPECT_EQ(count, 0x100u);
    static Completion* fired;
    Completion done;
    fired = &done;
    for (auto flags : {0u, kTimerIrqsafe}) {
        Timer timer;
        timer_setup(
            timer,
            [](Timer*) {
                look();
                fired->complete();
            },
            flags);
        m().timers().mod(timer, domain().jiffies());
        wait(done);
        EXPECT_EQ(seen, flags != 0 ? "0111011" : "0111010");
        timer_delete_sync(timer, self());
    }
}

TEST_P(Contexts, OfInterrupts) {
    auto handler = [](int, void*) {
        look();
        return IrqReturn::handled;
    };
    auto action = m().irqs().line(7).request(handler, nullptr, 0, "dev", this);
    m().irqs().line(7).fire(0);
    EXPECT_EQ(seen, "1001011");
    EXPECT_EQ(count, 0x10000u);
    // Over a softirq.
    static IrqLine* line;
    line = &m().irqs().line(7);
    Tasklet tasklet([](Tasklet*) { line->fire(static_cast<unsigned>(current_task()->cpu.load())); });
    m().tasklets().schedule(tasklet);
    m().tasklets().kill(tasklet);
    EXPECT_EQ(seen, "1111011");
    EXPECT_EQ(count, 0x10100u);
    line->free(*action);
    // A threaded handler is a task.
    action =
        line->request(nullptr, [](int, void*) { return look(), IrqReturn::handled; }, irqf::kOneshot, "dev", nullptr);
    line->fire(0);
    line->synchronize();
    EXPECT_EQ(seen, "0000100");
    line->free(*action);
    here("0000100", 0x0);
}

TEST_P(Contexts, SleepingIsRefusedWhereLinuxRefusesIt) {
    Task& me = self();
    Completion c;
    SpinLock lock;
    auto text = [&] { return message_of<SchedulingWhileAtomic>([&] { c.wait(me); }); };
    preempt_disable(me);
    EXPECT_NE(text().find("while holding a spin lock"), std::string::npos) << text();
    preempt_enable(me);
    local_bh_disable(me);
    EXPECT_NE(text().find("with bottom halves disabled"), std::string::npos) << text();
    local_bh_enable(me);
    local_irq_save(me);
    EXPECT_NE(text().find("with interrupts off"), std::string::npos) << text();
    EXPECT_NE(text().find("wait_for_completion may sleep"), std::string::npos) << text();
    local_irq_restore(me);
    c.complete();
    EXPECT_EQ(text(), "") << "where it may";
}

BH_INSTANTIATE_MACHINES(Contexts);

}  // namespace
}  // namespace bottomhalf::testing
