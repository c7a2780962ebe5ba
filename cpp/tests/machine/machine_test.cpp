// Booting and halting: draining, cancelling, what is named and evicted, several machines, and fork().
#include "bottomhalf/machine/machine.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "bottomhalf/base/sanitizer.hpp"
#include "bottomhalf/sync/shared.hpp"
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class MachineLife : public MachineTest {};

TEST_P(MachineLife, HaltDrains) {
    auto wq = wqs().alloc("q", 0, 1);
    Item items[20], chained;
    chained.body = [&] {
        if (chained.runs.load() < 3) wq->queue(chained.work);
    };
    for (Item& item : items) wq->queue(item.work, 1);
    wq->queue(chained.work, 0);
    m().halt();
    for (Item& item : items) EXPECT_EQ(item.runs.load(), 1);
    EXPECT_EQ(chained.runs.load(), 3) << "its own items may still queue";
    EXPECT_TRUE(m().halted());
    m().halt();
    Item late;
    const std::string text = message_of<MachineHalted>([&] { wq->queue(late.work); });
    EXPECT_NE(text.find("is halted; boot a new Machine"), std::string::npos) << text;
    EXPECT_FALSE(late.work.pending());
}

TEST_P(MachineLife, HaltCancelsAndNamesWhatWasPending) {
    auto wq = wqs().alloc("q", 0, 1);
    Held held;
    Item pending;
    wq->queue(held.work, 1);
    wait(held.started);
    wq->queue(pending.work, 1);
    held.let_go();
    wqs().refuse_all(true);
    Held second;
    EXPECT_THROW(wq->queue(second.work), MachineHalted);
    m().halt(HaltPending::cancel);
    EXPECT_LE(pending.runs.load(), 1);
    if (pending.runs.load() == 0) {
        EXPECT_TRUE(logged("machine halt: cancelled pending"));
    }
    EXPECT_FALSE(pending.work.pending());
}

TEST_P(MachineLife, ArmedDelayedWorksAreCancelledAndNamed) {
    auto wq = wqs().alloc("later", 0, 0);
    Atomic<int> runs{0};
    static Atomic<int>* counter;
    counter = &runs;
    DelayedWork timed([](Work*) { counter->fetch_add(1); });
    queue_delayed_work(*wq, timed, 1000 * 1000, 1);
    m().halt();
    EXPECT_EQ(runs.load(), 0);
    EXPECT_FALSE(timed.work.pending());
    EXPECT_TRUE(logged("of workqueue 'later'"));
    EXPECT_TRUE(logged("1 armed timers and delayed items cancelled"));
}

TEST_P(MachineLife, AnItemThatNeverEndsIsNamedAndEvicted) {
    auto wq = wqs().alloc("stuck", 0, 0);
    Held held;
    bool evicted = false;
    held.body = [&] {
        held.started.complete();
        try {
            held.release.wait(*current_task());
        } catch (const MachineExit&) {
            evicted = true;
            throw;
        }
    };
    wq->queue(held.work, 1);
    wait(held.started);
    m().halt();
    EXPECT_TRUE(evicted);
    EXPECT_TRUE(logged("never ends by itself, evicted"));
    EXPECT_TRUE(logged("of workqueue 'stuck'"));
}

TEST_P(MachineLife, AnItemThatRequeuesItselfWithoutEndIsNamedAndRefused) {
    auto wq = wqs().alloc("endless", 0, 0);
    Item item;
    item.body = [&] { wq->queue(item.work); };
    wq->queue(item.work, 1);
    m().halt();
    EXPECT_TRUE(logged("requeues itself without end"));
    EXPECT_FALSE(item.work.pending());
}

TEST_P(MachineLife, AnItemThatRearmsItselfEndsWithItsMachine) {
    auto wq = wqs().alloc("ticks", 0, 0);
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
    queue_delayed_work(*wq, tick.dwork, 1, 1);
    EXPECT_TRUE(eventually([&] { return tick.runs.load() >= 2; }));
    m().halt();
    EXPECT_FALSE(tick.dwork.work.pending());
}

// From armed to fired to queued to running to armed: wherever idle() looks first, it may not be taken in.
TEST_P(MachineLife, WhileAnItemRearmsItselfTheMachineIsNotIdle) {
    auto wq = wqs().alloc("ticks", 0, 0);
    struct Tick {
        DelayedWork dwork{[](Work* w) {
            Tick& t = *container_of(DelayedWork::of(w), &Tick::dwork);
            if (t.runs.fetch_add(1) + 1 < 100) queue_delayed_work(*t.wq, t.dwork, 1);
        }};
        Atomic<int> runs{0};
        Workqueue* wq = nullptr;
    } tick;
    tick.wq = wq.get();
    queue_delayed_work(*wq, tick.dwork, 1, 1);
    ASSERT_TRUE(eventually([&] { return m().idle(); }));
    EXPECT_EQ(tick.runs.load(), 100);
}

TEST_P(MachineLife, ADrainThatTakesTooLongLeavesTheMachine) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held;
    wq->queue(held.work, 1);
    wait(held.started);
    EXPECT_THROW(m().halt(HaltPending::drain, soon()), TimedOut);
    EXPECT_FALSE(m().halted());
    held.let_go();
    m().halt();
    EXPECT_TRUE(m().halted());
}

TEST_P(MachineLife, HaltFromOneOfItsOwnTasksIsRefused) {
    auto wq = wqs().alloc("q", 0, 0);
    std::string text;
    Item item([&] { text = message_of<DeadlockError>([&] { m().halt(); }); });
    run_once(*wq, item.work);
    EXPECT_NE(text.find("halt it from outside"), std::string::npos) << text;
    local_bh_disable(self());
    EXPECT_THROW(m().halt(), SchedulingWhileAtomic);
    local_bh_enable(self());
}

TEST_P(MachineLife, InterruptLinesTaskletsAndTimersEndWithTheirMachine) {
    auto stuck = m().irqs().line(3).request(
        nullptr,
        [](int, void* dev) {
            static_cast<Completion*>(dev)[0].complete();
            static_cast<Completion*>(dev)[1].wait(*current_task());
            return IrqReturn::handled;
        },
        irqf::kOneshot, "stuck", new Completion[2]);
    auto* gates = static_cast<Completion*>(stuck->dev());
    m().irqs().line(3).fire(0);
    wait(gates[0]);
    Tasklet disabled([](Tasklet*) {}, true);
    m().tasklets().schedule(disabled);
    Timer timer;
    timer_setup(timer, [](Timer*) {});
    m().timers().mod(timer, domain().jiffies() + 1000 * 1000);
    m().halt();
    EXPECT_FALSE(disabled.scheduled());
    EXPECT_FALSE(timer_pending(timer));
    EXPECT_EQ(m().irqs().line(3).actions().size(), 0u);
    delete[] gates;
}

TEST_P(MachineLife, OutOfRangeOptionsAreRefused) {
    EXPECT_THROW(reboot(with(kMaxCpus + 1)), InvalidArgument);
    EXPECT_THROW(reboot(with(2, 9)), InvalidArgument);
    EXPECT_THROW(reboot(with(2, 100001)), InvalidArgument);
    MachineOptions real;
    real.voluntary = true;
    EXPECT_THROW(Machine{real}, InvalidArgument);
    real.voluntary = false;
    real.schedule = [] { return std::make_unique<Fifo>(); };
    EXPECT_THROW(Machine{real}, InvalidArgument);
    reboot(with(1));
    EXPECT_EQ(domain().nr_cpus, 1u);
}

TEST_P(MachineLife, SeveralSideBySide) {
    MachineOptions o = with(2);
    o.simulated = simulated();
    Machine a(o), b(o);
    EXPECT_NE(a.name(), b.name());
    auto qa = a.workqueues().alloc("q", 0, 0), qb = b.workqueues().alloc("q", 0, 0);
    Item item;
    for (int i = 1; i <= 10; ++i) {
        auto& wq = i & 1 ? qa : qb;
        EXPECT_TRUE(wq->queue(item.work, 1));
        flush_work(item.work);
        EXPECT_EQ(item.runs.load(), i);
    }
    a.halt();
    EXPECT_TRUE(qb->queue(item.work, 1)) << "the pool it ran on last is gone or halted";
    qb->flush();
    EXPECT_TRUE(b.idle());
    qa.reset();
    qb.reset();
}

TEST_P(MachineLife, AnItemOutlivesItsMachines) {
    Item item;
    for (int i = 0; i < 5; ++i) {
        reboot(with(2));
        auto wq = wqs().alloc("q", 0, 0);
        EXPECT_TRUE(wq->queue(item.work, 1));
        wq->flush();
        EXPECT_EQ(item.runs.load(), i + 1);
    }
    machine_.reset();
    EXPECT_FALSE(cancel_work_sync(item.work));
    EXPECT_FALSE(flush_work(item.work));
    EXPECT_EQ(work_busy(item.work), 0u);
}

TEST_P(MachineLife, AHundredBootsAndHalts) {
    for (int i = 0; i < 100; ++i) {
        reboot(with(2));
        Item item;
        wqs().system(i % 2 ? SystemWq::percpu : SystemWq::managed)->queue(item.work, i & 1);
        if (i % 3 == 0) m().halt();
        if (i % 3 == 1) m().halt(HaltPending::cancel);
        machine_.reset();  // the rest: halted by its destructor
        EXPECT_LE(item.runs.load(), 1);
        EXPECT_FALSE(item.work.pending());
    }
}

BH_INSTANTIATE_MACHINES(MachineLife);

// --- only threads can do this ---

TEST(HostMachine, ASecondHalterWaitsForTheFirst) {
    for (int i = 0; i < 20; ++i) {
        MachineOptions o;
        o.cpus = 2;
        Machine machine(o);
        Item item;
        machine.workqueues().system(SystemWq::percpu)->queue(item.work, 1);
        std::vector<std::thread> threads;
        for (int k = 0; k < 3; ++k)
            threads.emplace_back([&] {
                machine.halt();
                EXPECT_TRUE(machine.halted());
            });
        for (auto& t : threads) t.join();
        EXPECT_EQ(item.runs.load(), 1);
    }
}

TEST(HostMachine, ForeignThreadsAreAdoptedAndHaveHomes) {
    MachineOptions o;
    o.cpus = 2;
    Machine machine(o);
    EXPECT_EQ(machine.domain().self().cpu.load(), 0);
    int cpus[3] = {-1, -1, -1};
    for (int& cpu : cpus)
        std::thread([&] {
            Task& task = machine.domain().self();
            EXPECT_TRUE(task.adopted);
            EXPECT_EQ(&machine.domain().self(), &task);
            cpu = task.cpu.load();
        }).join();
    EXPECT_EQ(cpus[0], 1);
    EXPECT_EQ(cpus[1], 0);
    EXPECT_EQ(cpus[2], 1);
}

// A program with a data race that did not show itself; the machine is over when it returns.
std::unique_ptr<Machine> simulated_and_halted() {
    MachineOptions o;
    o.cpus = 2;
    o.simulated = true;
    auto machine = std::make_unique<Machine>(o);
    machine->domain().self();
    Shared<int> cell(0, "cell");
    Item item;
    item.body = [&] { cell.set(1); };
    machine->workqueues().system(SystemWq::percpu)->queue(item.work, 1);
    flush_work(item.work);
    EXPECT_EQ(cell.get(), 1);
    machine->halt();
    return machine;
}

// Where objects are collected, a machine is destroyed wherever that happens to come.
TEST(SimulatedMachine, MayBeDestroyedAfterItsThreadEnded) {
    for (int i = 0; i < 20; ++i) {
        std::unique_ptr<Machine> machine;
        std::thread([&] { machine = simulated_and_halted(); }).join();
        std::thread([&] { machine.reset(); }).join();
    }
}

TEST(SimulatedMachine, MayBeDestroyedByAnotherThreadWhileItsOwnGoesOn) {
    for (int i = 0; i < 20; ++i) {
        auto machine = simulated_and_halted();
        std::thread([&] { machine.reset(); }).join();
        simulated_and_halted();
    }
}

// Every other thread of the process sleeps.
bool all_asleep() {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        if (thread.path().filename() == std::to_string(gettid())) continue;
        std::ifstream file(thread.path() / "stat");
        std::string stat;
        std::getline(file, stat);
        const auto name_end = stat.rfind(')');
        if (name_end == std::string::npos || stat.compare(name_end, 3, ") S") != 0) return false;
    }
    return true;
}

TEST(HostMachine, ForkedChildKnowsThatItsMachineIsDead) {
#ifdef BOTTOMHALF_TSAN
    GTEST_SKIP() << "ThreadSanitizer cannot start threads in a forked child";
#endif
    MachineOptions o;
    o.cpus = 2;
    o.name = "parent";
    Machine machine(o);
    auto wq = machine.workqueues().alloc("q", 0, 0);
    Item item;
    wq->queue(item.work, 1);
    wq->flush();
    // AddressSanitizer's allocator has locks that the child finds taken for ever when a thread was inside it.
    ASSERT_TRUE(eventually(machine, all_asleep));
    const pid_t child = fork();
    if (child == 0) {
        int failures = 0;
        try {
            wq->queue(item.work, 1);
            failures |= 1;
        } catch (const MachineHalted& e) {
            if (std::string(e.what()).find("fork()") == std::string::npos) failures |= 2;
        }
        try {
            wq->flush();
            failures |= 4;
        } catch (const MachineHalted&) {
        }
        machine.halt();
        {
            Machine fresh(o);
            Item mine;
            fresh.workqueues().system(SystemWq::percpu)->queue(mine.work, 1);
            fresh.workqueues().system(SystemWq::percpu)->flush();
            if (mine.runs.load() != 1) failures |= 8;
        }
        _exit(failures);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    wq->queue(item.work, 1);
    wq->flush();
    EXPECT_EQ(item.runs.load(), 2) << "the parent goes on";
}

}  // namespace
}  // namespace bottomhalf::testing
