// Interrupt lines: requesting, sharing, threads, one-shot masking, the disable depth, replay and freeing.
#include "bottomhalf/interrupt/irq.hpp"

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

struct Device {
    IrqReturn answer = IrqReturn::handled;
    Atomic<int> hard{0}, threaded{0};
    std::function<void()> in_handler, in_thread;
    std::string* order = nullptr;
    char tag = 'd';
    static IrqReturn handler(int, void* dev) {
        Device& d = *static_cast<Device*>(dev);
        d.hard.fetch_add(1);
        if (d.order != nullptr) *d.order += d.tag;
        if (d.in_handler) d.in_handler();
        return d.answer;
    }
    static IrqReturn thread(int, void* dev) {
        Device& d = *static_cast<Device*>(dev);
        if (d.in_thread) d.in_thread();
        d.threaded.fetch_add(1);
        return IrqReturn::handled;
    }
};

class IrqTest : public MachineTest {
protected:
    IrqLine& line() { return m().irqs().line(11); }
};

TEST_P(IrqTest, RunsBeforeFireReturnsOnItsCpu) {
    Device d;
    int cpu = -1;
    d.in_handler = [&] { cpu = current_task()->cpu.load(); };
    line().fire(0);  // nobody there: ignored
    auto action = line().request(Device::handler, nullptr, 0, "dev", &d);
    for (unsigned c = 0; c < 2; ++c) {
        line().fire(c);
        EXPECT_EQ(cpu, static_cast<int>(c));
    }
    EXPECT_EQ(d.hard.load(), 2);
    EXPECT_EQ(line().handled(), 2u);
    EXPECT_EQ(self().cpu.load(), 0);
    line().free(*action);
    line().fire(0);
    EXPECT_EQ(d.hard.load(), 2);
}

TEST_P(IrqTest, SharersRunInOrderOfRegistration) {
    Device d[3];
    std::string order;
    std::vector<std::shared_ptr<IrqAction>> actions;
    for (int i = 0; i < 3; ++i) {
        d[i].order = &order;
        d[i].tag = static_cast<char>('0' + i);
        d[i].answer = i == 1 ? IrqReturn::handled : IrqReturn::none;
        actions.push_back(line().request(Device::handler, nullptr, irqf::kShared, "dev", &d[i]));
    }
    line().fire(1);
    EXPECT_EQ(order, "012");
    line().free(*actions[1]);
    line().fire(1);
    EXPECT_EQ(order, "01202");
    EXPECT_EQ(line().actions().size(), 2u);
    line().free(*actions[0]);
    line().free(*actions[2]);
}

TEST_P(IrqTest, BadRequestsAreRefused) {
    Device d;
    EXPECT_THROW(line().request(nullptr, nullptr, 0, "x", &d), InvalidArgument);
    EXPECT_THROW(line().request(Device::handler, nullptr, irqf::kShared, "x", nullptr), InvalidArgument);
    EXPECT_THROW(line().request(Device::handler, nullptr, irqf::kShared | irqf::kNoAutoen, "x", &d), InvalidArgument);
    EXPECT_NE(message_of<InvalidArgument>([&] {
                  line().request(nullptr, Device::thread, 0, "x", &d);
              }).find("Threaded irq requested with handler=NULL and !ONESHOT"),
              std::string::npos);
    EXPECT_THROW(m().irqs().line(-1), InvalidArgument);
    EXPECT_THROW(m().irqs().line(4096), InvalidArgument);
    auto alone = line().request(Device::handler, nullptr, 0, "x", &d);
    EXPECT_THROW(line().request(Device::handler, nullptr, irqf::kShared, "y", &d), MisuseError);
    line().free(*alone);
    auto rising = line().request(Device::handler, nullptr, irqf::kShared | irqf::kTriggerRising, "x", &d);
    EXPECT_THROW(line().request(Device::handler, Device::thread, irqf::kShared | irqf::kTriggerFalling, "y", &d),
                 MisuseError);
    EXPECT_EQ(line().actions().size(), 1u);
    line().free(*rising);
    EXPECT_THROW(line().free(*rising), MisuseError);
}

TEST_P(IrqTest, AThreadRunsOncePerWakeUpAndCoalesces) {
    Device d;
    d.answer = IrqReturn::wake_thread;
    Completion started, release;
    d.in_thread = [&] {
        started.complete();
        release.wait(*current_task());
    };
    auto action = line().request(Device::handler, Device::thread, 0, "dev", &d);
    bool named = false;
    domain().for_each_task([&](Task& t) { named = named || std::string(t.name) == "irq/11-dev"; });
    EXPECT_TRUE(named);
    line().fire(0);
    wait(started);
    for (int i = 0; i < 3; ++i) line().fire(0);  // one more run
    EXPECT_EQ(d.hard.load(), 4);
    release.complete_all();
    line().synchronize();
    EXPECT_EQ(d.threaded.load(), 2);
    line().free(*action);
}

TEST_P(IrqTest, OneshotKeepsTheLineMaskedAndReplaysOnce) {
    Device d;
    d.answer = IrqReturn::wake_thread;
    Completion started, release;
    d.in_thread = [&] {
        started.complete();
        release.wait(*current_task());
    };
    auto action = line().request(Device::handler, Device::thread, irqf::kOneshot, "dev", &d);
    line().fire(0);
    wait(started);
    for (int i = 0; i < 3; ++i) line().fire(0);
    EXPECT_EQ(d.hard.load(), 1) << "masked until the thread is through";
    release.complete();
    wait(started);
    EXPECT_EQ(d.hard.load(), 2) << "several collapse into one";
    release.complete_all();
    line().synchronize();
    EXPECT_EQ(d.threaded.load(), 2);
    line().free(*action);
}

TEST_P(IrqTest, TheDefaultPrimaryWakesTheThread) {
    Device d;
    auto action = line().request(nullptr, Device::thread, irqf::kOneshot, "dev", &d);
    line().fire(1);
    line().synchronize();
    EXPECT_EQ(d.threaded.load(), 1);
    line().free(*action);
}

TEST_P(IrqTest, WakeThreadWithoutAThreadWarnsOnce) {
    Device d;
    d.answer = IrqReturn::wake_thread;
    auto action = line().request(Device::handler, nullptr, 0, "dev", &d);
    line().fire(0);
    line().fire(0);
    int warnings = 0;
    for (auto& l : domain().log.lines())
        if (l.text.find("returned IRQ_WAKE_THREAD but no thread function") != std::string::npos) ++warnings;
    EXPECT_EQ(warnings, 1);
    line().free(*action);
}

TEST_P(IrqTest, DisableNestsLatchesAndReplaysOnce) {
    Device d;
    auto action = line().request(Device::handler, nullptr, 0, "dev", &d);
    line().disable();
    line().disable_nosync();
    EXPECT_EQ(line().depth(), 2u);
    for (int i = 0; i < 5; ++i) line().fire(1);
    line().enable();
    EXPECT_EQ(d.hard.load(), 0);
    line().enable();
    EXPECT_EQ(d.hard.load(), 1);
    line().disable();
    line().enable();
    EXPECT_EQ(d.hard.load(), 1) << "nothing was latched";
    EXPECT_EQ(message_of<UnbalancedEnable>([&] { line().enable(); }).substr(0, 27), "Unbalanced enable for IRQ 1");
    EXPECT_EQ(line().depth(), 0u);
    line().free(*action);
}

TEST_P(IrqTest, NoAutoenStartsDisabled) {
    Device d;
    auto action = line().request(Device::handler, nullptr, irqf::kNoAutoen, "dev", &d);
    EXPECT_EQ(line().depth(), 1u);
    line().fire(0);
    EXPECT_EQ(d.hard.load(), 0);
    line().enable();
    EXPECT_EQ(d.hard.load(), 1);
    line().free(*action);
    EXPECT_EQ(line().depth(), 0u);
}

TEST_P(IrqTest, ALineNeverInterruptsItself) {
    Device d;
    int depth = 0, most = 0;
    d.in_handler = [&] {
        most = std::max(most, ++depth);
        if (d.hard.load() < 3) line().fire(0);
        --depth;
    };
    auto action = line().request(Device::handler, nullptr, 0, "dev", &d);
    line().fire(0);
    EXPECT_EQ(d.hard.load(), 3);
    EXPECT_EQ(most, 1);
    line().free(*action);
}

TEST_P(IrqTest, DisableWaitsForTheThreadAndKeepsTheCountOnTimeout) {
    Device d;
    d.answer = IrqReturn::wake_thread;
    Completion started, release;
    d.in_thread = [&] {
        started.complete();
        EXPECT_THROW(line().disable(), DeadlockError);
        release.wait(*current_task());
    };
    auto action = line().request(Device::handler, Device::thread, 0, "dev", &d);
    line().fire(0);
    wait(started);
    EXPECT_THROW(line().disable(soon()), TimedOut);
    EXPECT_EQ(line().depth(), 1u);
    Caller waiter(m(), [&] { line().synchronize(); });
    EXPECT_TRUE(eventually([&] { return waiter.waits_in("synchronize_irq"); }));
    EXPECT_THROW(line().free(*action, soon()), TimedOut);
    EXPECT_EQ(line().actions().size(), 1u) << "registered as before";
    release.complete_all();
    waiter.join();
    line().enable();
    line().free(*action);
    EXPECT_EQ(d.threaded.load(), 1);
}

TEST_P(IrqTest, FreeWaitsForTheThreadAndEndsIt) {
    Device d;
    d.answer = IrqReturn::wake_thread;
    Completion started, release;
    d.in_thread = [&] {
        started.complete();
        release.wait(*current_task());
    };
    auto action = line().request(Device::handler, Device::thread, 0, "dev", &d);
    line().fire(0);
    wait(started);
    Caller freer(m(), [&] { line().free(*action); });
    EXPECT_TRUE(eventually([&] { return freer.waits_in("free_irq"); }));
    line().fire(0);
    EXPECT_EQ(d.hard.load(), 1) << "unlinked already";
    release.complete_all();
    freer.join();
    bool alive = false;
    domain().for_each_task([&](Task& t) { alive = alive || std::string(t.name) == "irq/11-dev"; });
    EXPECT_FALSE(alive);
}

TEST_P(IrqTest, ALineNobodyCaresForIsDisabled) {
    Device d;
    d.answer = IrqReturn::none;
    auto action = line().request(Device::handler, nullptr, 0, "dev", &d);
    // A pause of a tenth of a second, as a busy host makes them, begins the count anew.
    for (int i = 0; i < 2'000'000 && line().depth() == 0; ++i) line().fire(0);
    EXPECT_TRUE(logged("irq 11: nobody cared"));
    EXPECT_TRUE(logged("Disabling IRQ #11"));
    EXPECT_EQ(line().depth(), 1u);
    line().free(*action);
}

TEST_P(IrqTest, AnExceptionInAHandlerIsLogged) {
    Device d;
    d.in_handler = [] { throw Error("oh dear"); };
    auto action = line().request(Device::handler, nullptr, 0, "dev", &d);
    line().fire(0);
    EXPECT_TRUE(logged("oh dear"));
    EXPECT_EQ(self().preempt_count, 0u);
    line().free(*action);
}

BH_INSTANTIATE_MACHINES(IrqTest);

}  // namespace
}  // namespace bottomhalf::testing
