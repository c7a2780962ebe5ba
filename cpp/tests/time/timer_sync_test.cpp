// What takes two: waiting for callbacks, gates, and everything at once.
#include <atomic>

#include "timer_fixture.hpp"

namespace bottomhalf {
namespace {

using testing::HandMachine;
using testing::HostMachine;
using testing::Recorder;

// A timer whose callback stays until it is let go.
struct Held {
    Timer timer;
    std::atomic<bool> entered{false}, release{false};
    std::atomic<int> runs{0};
    explicit Held(std::uint32_t flags = 0) { timer_setup(timer, run, flags); }
    static void run(Timer* timer) {
        Held* self = container_of(timer, &Held::timer);
        ++self->runs;
        self->entered = true;
        while (!self->release) spin_pause();
    }
    void wait_entered(Domain& domain) const {
        while (!entered) domain.substrate->relax(domain.self());
    }
};

TEST(TimerSync, DeleteSyncWaitsForTheCallback) {
    HostMachine m;
    Task& self = m.domain.self();
    Held held;
    m.timers.mod(held.timer, 0);
    held.wait_entered(m.domain);
    EXPECT_FALSE(timer_delete(held.timer));
    EXPECT_EQ(try_to_del_timer(held.timer), -1);
    EXPECT_THROW(timer_delete_sync(held.timer, self, m.domain.now() + kMillisecond), TimedOut);
    EXPECT_FALSE(m.timers.mod(held.timer, m.domain.jiffies() + 100000));
    // What is armed is gone although the callback goes on.
    EXPECT_THROW(timer_delete_sync(held.timer, self, m.domain.now() + kMillisecond), TimedOut);
    EXPECT_FALSE(timer_pending(held.timer));
    Task& helper = m.domain.spawn(
        "helper",
        [](Task& task, void* arg) {
            task.domain.load()->substrate->block(task, task.domain.load()->now() + 5 * kMillisecond);
            static_cast<Held*>(arg)->release = true;
        },
        &held, kCpuUnbound, 0);
    EXPECT_FALSE(timer_delete_sync(held.timer, self));
    EXPECT_EQ(try_to_del_timer(held.timer), 0);
    m.domain.join_task(helper);
    EXPECT_EQ(held.runs, 1);
}

TEST(TimerSync, DeleteSyncSpinsWhereItMayNotSleep) {
    HostMachine m;
    Task& self = m.domain.self();
    Held held;
    m.timers.add_on(held.timer, 0, 1);
    held.wait_entered(m.domain);
    Task& helper = m.domain.spawn(
        "helper",
        [](Task& task, void* arg) {
            task.domain.load()->substrate->block(task, task.domain.load()->now() + 2 * kMillisecond);
            static_cast<Held*>(arg)->release = true;
        },
        &held, kCpuUnbound, 0);
    self.cpu.store(0);
    preempt_disable(self);
    EXPECT_FALSE(timer_delete_sync(held.timer, self));
    preempt_enable(self);
    m.domain.join_task(helper);
}

// The softirq waits for interrupts before it takes the timer, so that whoever has them off may wait for the timer.
TEST(TimerSync, AnIrqsafeTimerCanBeWaitedForWithInterruptsOff) {
    HostMachine m(1);
    Task& self = m.domain.self();
    Recorder::domain = &m.domain;
    for (int round = 0; round < 50; ++round) {
        Held held(kTimerIrqsafe);
        held.release = true;
        m.timers.mod(held.timer, m.domain.jiffies());
        local_irq_save(self);
        m.domain.substrate->burn(self, round % 3 * kMillisecond);
        timer_delete_sync(held.timer, self);
        local_irq_restore(self);
        EXPECT_FALSE(timer_pending(held.timer));
    }
}

struct CountingGate final : Gate {
    void enter(Task&) override { ++entered; }
    void leave(Task&) override { ++left; }
    void poll(Task&, bool) override { ++polled; }
    void describe(const void*, char* buffer, std::size_t size) override { std::snprintf(buffer, size, "gated"); }
    void dropped(void*) override { ++drops; }
    int entered = 0, left = 0, polled = 0, drops = 0;
};
CountingGate g_gate;
int g_gated_runs = 0;
void gated(Timer*) {
    EXPECT_EQ(g_gate.entered, g_gate.left + 1);
    ++g_gated_runs;
}
// Before any machine runs: the table of gates does not change under one.
[[maybe_unused]] const bool g_gated_registered = (register_gate(reinterpret_cast<void (*)()>(gated), &g_gate), true);

TEST(TimerSync, CallbacksBehindAGate) {
    HandMachine m;
    Task& self = m.domain.self();
    Recorder::domain = &m.domain;
    Recorder::events.clear();
    Timer a, b;
    timer_setup(a, gated);
    timer_setup(b, gated);
    Recorder native(1);
    m.timers.mod(a, 5);
    m.timers.mod(b, 5);
    m.timers.mod(native.timer, 5);
    m.to(10);
    EXPECT_EQ(g_gated_runs, 2);
    EXPECT_EQ(g_gate.entered, 1);  // once for the batch
    EXPECT_EQ(g_gate.left, 1);
    EXPECT_GE(g_gate.polled, 1);
    EXPECT_EQ(Recorder::events.size(), 1u);

    // A task that may not pass gates leaves the vector to ksoftirqd, which this machine does not have.
    self.may_gate = false;
    m.timers.mod(a, 15);
    m.to(20);
    EXPECT_EQ(g_gated_runs, 2);
    timer_delete(a);  // none of them left: the vector runs
    m.timers.mod(native.timer, 25);
    m.to(30);
    EXPECT_EQ(Recorder::events.size(), 2u);

    // Armed by a callback of the very softirq that may not run it.
    static TimerSubsystem* timers;
    static Timer* late;
    timers = &m.timers;
    late = &a;
    native.timer.function = [](Timer*) {
        timers->mod(*late, 30);
        Recorder::domain->substrate->burn(*current_task(), 5 * kMillisecond);
    };
    m.timers.mod(native.timer, 30);
    m.to(35);
    EXPECT_EQ(g_gated_runs, 2);
    EXPECT_TRUE(timer_pending(a));
    self.may_gate = true;
    m.softirqs.raise_pending(Softirq::timer, 0);
    m.softirqs.run_at_irq_exit(0, self);
    EXPECT_EQ(g_gated_runs, 3);

    m.timers.mod(a, 500);
    EXPECT_EQ(m.timers.cancel_all([](Timer*) {}), 1u);
    EXPECT_EQ(g_gate.drops, 1);
}

std::atomic<unsigned> g_all_at_once_runs{0};

// Tasks arm, move, delete and wait for the same timers on two CPUs while they fire and re-arm themselves.
TEST(TimerSync, EverythingAtOnce) {
    struct Item {
        Timer timer;
        std::atomic<int> inside{0};
        std::atomic<unsigned> runs{0};
    };
    struct Shared {
        HostMachine m;
        Item items[8];
        std::atomic<unsigned> seed{1};
    } shared;
    static TimerSubsystem* timers;
    static Domain* domain;
    timers = &shared.m.timers;
    g_all_at_once_runs = 0;
    domain = &shared.m.domain;
    for (Item& item : shared.items)
        timer_setup(
            item.timer,
            [](Timer* t) {
                Item* self = container_of(t, &Item::timer);
                EXPECT_EQ(self->inside++, 0) << "beside itself";
                ++g_all_at_once_runs;
                if (++self->runs % 2 == 0) timers->mod(*t, domain->jiffies() + 1);
                --self->inside;
            },
            &item - shared.items < 2   ? kTimerIrqsafe
            : &item - shared.items < 4 ? kTimerPinned
                                       : 0u);
    auto hammer = [](Task& self, void* arg) {
        Shared& s = *static_cast<Shared*>(arg);
        unsigned x = s.seed++ * 2654435761u;
        // Long enough for the ticks to come into it.
        for (int i = 0; i < 3000 || g_all_at_once_runs < 50; ++i) {
            x = x * 1664525u + 1013904223u;
            Item& item = s.items[x >> 10 & 7];
            self.cpu.store(static_cast<int>(x >> 9 & 1));
            switch (x >> 20 & 7) {
                case 0:
                    timer_delete(item.timer);
                    break;
                case 1:
                    timer_delete_sync(item.timer, self);
                    break;
                case 2:
                    try_to_del_timer(item.timer);
                    break;
                case 3:
                    timers->add_on(item.timer, domain->jiffies() + (x >> 28), x >> 27 & 1);
                    break;
                case 4:
                    timers->reduce(item.timer, domain->jiffies() + (x >> 27));
                    break;
                case 5:
                    timers->mod_pending(item.timer, domain->jiffies() + (x >> 24));
                    break;
                default:
                    timers->mod(item.timer, domain->jiffies() + (x >> 30));
                    break;
            }
            timer_pending(item.timer);
        }
    };
    std::vector<Task*> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(&domain->spawn("hammer", hammer, &shared, kCpuUnbound, 0));
    for (Task* task : tasks) domain->join_task(*task);
    for (Item& item : shared.items) {
        timer_shutdown_sync(item.timer, domain->self());
        EXPECT_EQ(item.inside, 0);
        EXPECT_FALSE(timer_pending(item.timer));
    }
    EXPECT_EQ(timers->armed(), 0u);
}

}  // namespace
}  // namespace bottomhalf
