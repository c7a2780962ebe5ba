// The monitor: workers that block in code which does not say so.
#include "bottomhalf/workqueue/monitor.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

// An item that blocks in read(), of which the engine knows nothing.
struct Blocked : Item {
    Completion started;
    int ends[2];
    Atomic<bool> over{false};
    Blocked() {
        EXPECT_EQ(pipe(ends), 0);
        body = [this] {
            started.complete();
            char byte;
            EXPECT_EQ(read(ends[0], &byte, 1), 1);
            over.store(true);
        };
    }
    ~Blocked() {
        close(ends[0]);
        close(ends[1]);
    }
    void let_go() const { EXPECT_EQ(write(ends[1], "x", 1), 1); }
};

// An item of a function of its own, which computes until it is let go, and for `least` of CPU time.
struct Computing {
    Work work{&Computing::run};
    std::function<void()> first;
    Atomic<bool> started{false}, go{false};
    Atomic<int> runs{0};
    Nanoseconds least = 0;
    static void run(Work* work) {
        const Nanoseconds start = cpu_time();
        Computing& me = *container_of(work, &Computing::work);
        me.started.store(true);
        if (me.first) me.first();
        while (!me.go.load() || cpu_time() < start + me.least) spin_pause();
        me.runs.fetch_add(1);
    }
    static Nanoseconds cpu_time() {
        timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return t.tv_sec * kSecond + t.tv_nsec;
    }
};

// One whose function runs behind a gate, and never leaves it.
struct Keeping : Computing {
    struct AlwaysIn final : Gate {
        void enter(Task&) override {}
        void leave(Task&) override {}
        void poll(Task&, bool) override {}
        void describe(const void*, char* buffer, std::size_t size) override { std::snprintf(buffer, size, "keeping"); }
        const void* function_of(const void*) const noexcept override { return this; }
        void dropped(void*) override {}
    };
    Keeping() {
        work.func = &Keeping::run_inside;
        least = kMillisecond;  // or it would lose the name again
    }
    static void run_inside(Work* work) { run(work); }
};
Keeping::AlwaysIn g_always_in;
// Before any machine runs: the table of gates does not change under one.
[[maybe_unused]] const bool g_keeping_registered =
    (register_gate(reinterpret_cast<void (*)()>(&Keeping::run_inside), &g_always_in), true);

class MonitorTest : public ::testing::TestWithParam<Detection> {
protected:
    void SetUp() override {
        try {
            boot(1);
        } catch (const Unsupported& error) {
            GTEST_SKIP() << error.what();
        }
    }
    void boot(unsigned cpus) {
        MachineOptions options;
        options.cpus = cpus;
        options.detection = GetParam();
        machine = std::make_unique<Machine>(options);
    }
    void TearDown() override {
        if (machine != nullptr) machine->halt();
    }
    Task& self() { return machine->domain().self(); }
    Monitor& monitor() { return *machine->workqueues().monitor(); }
    WorkerPool& pool_of(SystemWq which) {
        const PoolKind kind = which == SystemWq::managed ? PoolKind::managed : PoolKind::bound;
        WorkerPool* found = nullptr;
        machine->workqueues().for_each_pool([&](WorkerPool& pool) {
            if (pool.kind == kind && pool.nice == 0) found = &pool;
        });
        return *found;
    }
    // Where an item goes that is known to be a long one.
    Lane* lane_of(const Work& work) {
        WorkerPool& pool = pool_of(SystemWq::managed);
        RawGuard guard(pool.lock);
        return monitor().lane_of(pool, work);
    }
    // An item behind one that computes starts, and lets that one go.
    void compute_before_another(int times) {
        auto& wq = machine->workqueues().system(SystemWq::managed);
        for (int i = 0; i < times; ++i) {
            Computing computing;
            computing.least = 2 * kMillisecond;  // or it would lose the name again
            Item behind([&] { computing.go.store(true); });
            wq->queue(computing.work);
            EXPECT_TRUE(eventually(*machine, [&] { return computing.started.load(); }));
            wq->queue(behind.work);
            wq->flush();
            EXPECT_EQ(behind.runs.load(), 1);
            EXPECT_EQ(computing.runs.load(), 1);
        }
    }
    // Long items, and a short one behind them that does not wait for them: so as many of them run as may.
    template <class Items>
    void queue_with_one_behind(Items& items) {
        auto& wq = machine->workqueues().system(SystemWq::managed);
        for (auto& item : items) wq->queue(item.work);
        Item behind;
        wq->queue(behind.work);
        flush_work(behind.work);
        EXPECT_EQ(behind.runs.load(), 1);
    }
    // Until the function is known for it: those count that began while the monitor looked at the pool.
    void get_known() {
        const Computing item;
        while (lane_of(item.work) != &pool_of(SystemWq::managed).outside) compute_before_another(1);
    }
    std::unique_ptr<Machine> machine;
};

// By the means that see who is awake.
class LongItemTest : public MonitorTest {};

TEST_P(LongItemTest, ALongItemOfAManagedPoolLetsTheNextOneStart) {
    machine->workqueues().hogs().set_threshold(0);  // else that would do it
    compute_before_another(5);
    EXPECT_TRUE(eventually(*machine, [&] { return pool_of(SystemWq::managed).nr_running.load() == 0; }));
    EXPECT_EQ(pool_of(SystemWq::managed).outside.running, 0);
    EXPECT_EQ(monitor().counters().handovers, 0u);
}

TEST_P(LongItemTest, LongItemsWaitForEachOtherAndShortOnesDoNot) {
    machine->workqueues().hogs().set_threshold(0);
    get_known();
    auto& wq = machine->workqueues().system(SystemWq::managed);
    Computing longs[5];
    queue_with_one_behind(longs);
    // The width of the pool is 1, and so is that of its long items.
    EXPECT_TRUE(longs[0].started.load());
    for (int i = 1; i < 5; ++i) EXPECT_FALSE(longs[i].started.load());
    EXPECT_EQ(work_busy(longs[1].work), kWorkBusyPending);
    // They can be cancelled, flushed and named there like anywhere.
    EXPECT_TRUE(cancel_work(longs[1].work));
    std::thread flusher([&] { flush_work(longs[2].work); });
    EXPECT_TRUE(eventually(*machine, [&] {
        const auto lines = machine->workqueues().show_all(self());
        return std::any_of(lines.begin(), lines.end(),
                           [](const std::string& line) { return line.find(" BAR(") != std::string::npos; });
    }));
    EXPECT_TRUE(cancel_work(longs[2].work));
    flusher.join();
    for (Computing& item : longs) item.go.store(true);
    wq->flush();
    const int runs[] = {1, 0, 0, 1, 1};
    for (int i = 0; i < 5; ++i) EXPECT_EQ(longs[i].runs.load(), runs[i]) << i;
    EXPECT_EQ(pool_of(SystemWq::managed).outside.running, 0);
}

TEST_P(LongItemTest, ALongItemMayWaitForAnother) {
    get_known();
    auto& wq = machine->workqueues().system(SystemWq::managed);
    // In a way that the engine sees, in one that it does not, and by polling, of which the rule for hogs takes care.
    enum { flushes, reads, polls };
    for (int way : {flushes, reads, polls}) {
        Computing waits, other;
        Blocked pipe;  // for its pipe
        waits.go.store(true);
        waits.first = [&] {
            char byte;
            if (way == flushes) flush_work(other.work);
            if (way == reads) {
                EXPECT_EQ(read(pipe.ends[0], &byte, 1), 1);
            }
            while (way == polls && other.runs.load() == 0) spin_pause();
        };
        other.go.store(true);
        other.first = [&] {
            if (way == reads) pipe.let_go();
        };
        wq->queue(waits.work);
        wq->queue(other.work);
        wq->flush();
        EXPECT_EQ(waits.runs.load(), 1);
        EXPECT_EQ(other.runs.load(), 1);
        get_known();  // again: it was too quick this time
    }
}

TEST_P(LongItemTest, ItemsThatKeepTheirGateRunOneAtATime) {
    machine.reset();
    boot(2);
    machine->workqueues().hogs().set_threshold(0);
    auto& wq = machine->workqueues().system(SystemWq::managed);
    WorkerPool& pool = pool_of(SystemWq::managed);
    {
        // One for each place of the pool, and one more, or the monitor would not look.
        Keeping items[3];
        for (Keeping& item : items) wq->queue(item.work);
        EXPECT_TRUE(eventually(*machine, [&] { return lane_of(items[0].work) == &pool.inside; }));
        for (Keeping& item : items) item.go.store(true);
        wq->flush();
    }
    enum { no, flushes, reads };
    for (int waits : {no, flushes, reads}) {
        Keeping items[3];
        Blocked pipe;  // for its pipe
        items[0].first = [&] {
            char byte;
            while (waits == flushes && !items[1].work.pending()) std::this_thread::yield();  // queued after this one
            if (waits == flushes) flush_work(items[1].work);
            if (waits == reads) {
                EXPECT_EQ(read(pipe.ends[0], &byte, 1), 1);
            }
        };
        queue_with_one_behind(items);
        EXPECT_FALSE(items[2].started.load());
        if (waits == no) {
            EXPECT_TRUE(items[0].started.load());
            EXPECT_FALSE(items[1].started.load());
            items[0].go.store(true);
        }
        // Those that wait make room.
        EXPECT_TRUE(eventually(*machine, [&] { return items[1].started.load(); }));
        for (Keeping& item : items) item.go.store(true);
        if (waits == reads) pipe.let_go();
        wq->flush();
        for (Keeping& item : items) EXPECT_EQ(item.runs.load(), 1);
        EXPECT_EQ(pool.inside.running, 0);
    }
}

TEST_P(LongItemTest, NoneIsLeftWaitingWhenTheFunctionLosesItsName) {
    machine->workqueues().hogs().set_threshold(0);
    get_known();
    Computing items[6];
    queue_with_one_behind(items);
    // From the second on they are short, of which the first says that they are not long any more.
    for (Computing& item : items) item.go.store(true);
    EXPECT_TRUE(eventually(*machine, [&] {
        return std::all_of(std::begin(items), std::end(items), [](const Computing& i) { return i.runs.load() == 1; });
    }));
    EXPECT_EQ(lane_of(items[0].work), nullptr);
    EXPECT_EQ(pool_of(SystemWq::managed).outside.running, 0);
}

TEST_P(LongItemTest, HaltingDropsLongItemsThatWait) {
    machine->workqueues().hogs().set_threshold(0);
    get_known();
    Computing longs[3];
    queue_with_one_behind(longs);
    std::thread halter([&] { machine->halt(HaltPending::cancel); });
    while (longs[1].work.pending() || longs[2].work.pending()) std::this_thread::yield();
    longs[0].go.store(true);
    halter.join();
    EXPECT_EQ(longs[0].runs.load(), 1);
    for (int i : {1, 2}) EXPECT_FALSE(longs[i].started.load());
}

TEST_P(MonitorTest, TheNextItemStartsAndTheCountIsKept) {
    EXPECT_EQ(monitor().means(), GetParam());
    for (SystemWq which : {SystemWq::percpu, SystemWq::managed}) {
        // A machine of its own for each: what the first one learnt of the functions would spare the second its looks.
        machine->halt();
        boot(1);
        auto& wq = machine->workqueues().system(which);
        WorkerPool& pool = pool_of(which);
        // Else the next worker may be on its way anyway, and nobody has to wake it.
        const auto a_spare_is_idle = [&] {
            return eventually(*machine, [&] {
                RawGuard guard(pool.lock);
                return pool.nr_idle >= 1 && pool.nr_starting == 0 && !pool.manager_active;
            });
        };
        Blocked first, second;
        Item behind;
        wq->queue(first.work);
        first.started.wait(self());
        EXPECT_TRUE(a_spare_is_idle());
        wq->queue(second.work);
        second.started.wait(self());
        EXPECT_TRUE(a_spare_is_idle());
        wq->queue(behind.work);
        EXPECT_TRUE(flush_work(behind.work) || behind.runs.load() == 1);
        EXPECT_EQ(behind.runs.load(), 1);
        EXPECT_FALSE(first.over.load());
        EXPECT_FALSE(second.over.load());
        // Counted by whoever hands over, a moment after.
        EXPECT_TRUE(eventually(*machine, [&] { return wq->stats().cm_wakeup >= 2; }));
        EXPECT_GE(monitor().counters().handovers, 2u);
        first.let_go();
        second.let_go();
        wq->flush();
        EXPECT_TRUE(eventually(*machine, [&] { return pool.nr_running.load() == 0; }));
        // One by one again.
        Item items[50];
        for (Item& item : items) wq->queue(item.work);
        wq->flush();
        for (Item& item : items) EXPECT_EQ(item.runs.load(), 1);
        EXPECT_TRUE(eventually(*machine, [&] { return pool.nr_running.load() == 0; }));
    }
}

TEST_P(MonitorTest, PollingIsNotBlocking) {
    if (GetParam() == Detection::budget) GTEST_SKIP() << "goes by CPU time, and who polls uses little";
    machine->workqueues().hogs().set_threshold(0);  // a hog would end the looks
    // It pauses in relax(), as any loop that polls does after a while.
    Atomic<bool> go{false}, started{false};
    Item polls([&] {
        started.store(true);
        const auto until = monitor().counters().looks + 20;
        while (monitor().counters().looks < until) machine->domain().substrate->relax(*current_task());
    });
    Item behind;
    auto& wq = machine->workqueues().system(SystemWq::percpu);
    wq->queue(polls.work);
    wq->queue(behind.work);
    wq->flush();
    EXPECT_EQ(monitor().counters().handovers, 0u);
}

TEST_P(MonitorTest, SleepsWhileNothingIsPendingBehindAWorker) {
    auto& wq = machine->workqueues().system(SystemWq::percpu);
    Blocked blocked;
    Item one;
    for (int i = 0; i < 100; ++i) {
        wq->queue(one.work);
        flush_work(one.work);
        // Else the next one would be pending behind a worker that is just leaving this one.
        EXPECT_TRUE(eventually(*machine, [&] { return wq->pool_of(0).nr_running.load() == 0; }));
    }
    wq->queue(blocked.work);
    blocked.started.wait(self());
    EXPECT_EQ(monitor().counters().wakeups, 0u);
    EXPECT_EQ(monitor().counters().looks, 0u);
    blocked.let_go();
    wq->flush();
}

// The monitor's own stay; those of a worker would slow down each of its wake-ups.
TEST_P(MonitorTest, NoSwitchIsRecordedWhereAllIsQuiet) {
    const auto records = [] {
        int n = 0;
        for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            n += std::filesystem::read_symlink(file.path(), gone) == "anon_inode:[perf_event]";
        }
        return n;
    };
    const int own = GetParam() == Detection::switch_records ? 1 : 0;
    auto& wq = machine->workqueues().system(SystemWq::percpu);
    for (int i = 0; i < 3; ++i) {
        Computing computing;
        Item behind;
        wq->queue(computing.work);
        EXPECT_TRUE(eventually(*machine, [&] { return computing.started.load(); }));
        wq->queue(behind.work);
        EXPECT_TRUE(eventually(*machine, [&] { return own == 0 || records() > own; }));
        computing.go.store(true);
        wq->flush();
        // Nobody wakes up to close them; but what starts after a time of quiet has none to carry any more.
        const auto wakeups = [&] { return monitor().counters().wakeups; };
        std::uint64_t last = wakeups();
        Nanoseconds since = machine->domain().now();
        EXPECT_TRUE(eventually(*machine, [&] {
            const Nanoseconds now = machine->domain().now();
            if (std::exchange(last, wakeups()) != last) since = now;  // those of the last looks
            return now - since > 200 * kMillisecond;
        }));
        EXPECT_TRUE(own == 0 || records() > own);
        const std::uint64_t quiet = wakeups();
        EXPECT_TRUE(eventually(*machine, [&] {
            Item starts;
            wq->queue(starts.work);
            flush_work(starts.work);
            return records() == own;
        }));
        EXPECT_LE(wakeups() - quiet, 1u);
    }
}

TEST_P(MonitorTest, AHeldBackItemWaitsForItsTurnAllTheSame) {
    auto wq = machine->workqueues().alloc("one", 0, 1);
    Blocked blocked;
    Item behind;
    wq->queue(blocked.work);
    blocked.started.wait(self());
    wq->queue(behind.work);
    Item other;
    machine->workqueues().system(SystemWq::percpu)->queue(other.work);
    flush_work(other.work);
    EXPECT_EQ(other.runs.load(), 1);
    EXPECT_EQ(behind.runs.load(), 0);
    blocked.let_go();
    wq->flush();
    EXPECT_EQ(behind.runs.load(), 1);
    wq->destroy();
}

std::string name_of_means(const ::testing::TestParamInfo<Detection>& info) {
    std::string name = detection_name(info.param);
    std::erase(name, '-');
    return name;
}

// Items marked by their function, which a gate would have to be asked for.
struct Marked {
    const void* function;
    Work work;
    struct Asked final : Gate {
        Asked() : Gate(kAlways, -static_cast<std::ptrdiff_t>(sizeof(void*))) {}
        void enter(Task&) override {}
        void leave(Task&) override {}
        void poll(Task&, bool) override {}
        void describe(const void*, char* buffer, std::size_t size) override { std::snprintf(buffer, size, "marked"); }
        void dropped(void*) override {}
        const void* function_of(const void* work) const noexcept override {
            ++times;
            return static_cast<const char*>(work) - sizeof(void*);
        }
        mutable int times = 0;
    };
};
static_assert(offsetof(Marked, work) == sizeof(void*));

TEST_P(MonitorTest, AGateIsAskedForAFunctionOnceWhileTheMarkIsTheSame) {
    const int one = 0, other = 0;
    Marked items[] = {{&one, Work()}, {&one, Work()}, {&other, Work()}, {nullptr, Work()}, {nullptr, Work()}};
    const Marked::Asked gate;
    WorkerPool& pool = pool_of(SystemWq::managed);
    Worker worker;
    worker.pool = &pool;
    // The name that goes with each, and how often the gate has been asked by then.
    const struct {
        int item, named_by, asked;
    } steps[] = {{0, 0, 1}, {1, 0, 1}, {2, 2, 2}, {1, 1, 3}, {3, 3, 4}, {4, 4, 5}};
    for (const auto& step : steps) {
        RawGuard guard(pool.lock);
        const bool watched = std::exchange(pool.watched, true);
        monitor().begin(worker, items[step.item].work, &gate);
        pool.watched = watched;
        EXPECT_EQ(worker.habit, &items[step.named_by]);
        EXPECT_EQ(gate.times, step.asked);
    }
}

// One that sleeps behind a gate, which counts how often it was said to have been given up meanwhile.
struct Sleeping : Blocked {
    struct Counting final : Gate {
        Atomic<int> times{0}, waiting{0};
        Atomic<bool> closed{false};
        void enter(Task& self) override {
            waiting.fetch_add(1);
            while (closed.load()) self.domain.load()->substrate->relax(self);
            waiting.fetch_sub(1);
        }
        void leave(Task&) override {}
        void poll(Task&, bool) override {}
        void regained(Task&) noexcept override { times.fetch_add(1); }
        void describe(const void*, char* buffer, std::size_t size) override { std::snprintf(buffer, size, "sleeping"); }
        const void* function_of(const void*) const noexcept override { return this; }
        void dropped(void*) override {}
    };
    Sleeping() { work.func = &Sleeping::run_inside; }
    static void run_inside(Work* work) { run(work); }
};
Sleeping::Counting g_counting;
[[maybe_unused]] const bool g_sleeping_registered =
    (register_gate(reinterpret_cast<void (*)()>(&Sleeping::run_inside), &g_counting), true);

TEST_P(LongItemTest, WhoIsKnownToSleepHasGivenItsGateUpMeanwhile) {
    get_known();  // once any function is known, every item is named
    auto& wq = machine->workqueues().system(SystemWq::percpu);
    Sleeping::Counting& gate = g_counting;
    const int before = gate.times.load();
    // It gets known; until then nobody says so.
    for (int i = 0; i < 20 && gate.times.load() == before; ++i) {
        Sleeping item;
        Item behind;
        wq->queue(item.work);
        item.started.wait(self());
        const Nanoseconds start = machine->domain().now();
        wq->queue(behind.work);
        flush_work(behind.work);
        EXPECT_EQ(behind.runs.load(), 1);
        // Or it would seem to compute: it sleeps for longer than it has computed.
        EXPECT_TRUE(eventually(*machine, [&] { return machine->domain().now() - start > 5 * kMillisecond; }));
        item.let_go();
        wq->flush();
        if (i == 0) {
            EXPECT_EQ(gate.times.load(), before);
        }
    }
    EXPECT_EQ(gate.times.load(), before + 1);
    // And nobody is told to look whether it has: the one behind it starts all the same.
    WorkerPool& pool = pool_of(SystemWq::percpu);
    const auto watched = [&] {
        RawGuard guard(pool.lock);
        return pool.watched;
    };
    EXPECT_TRUE(eventually(*machine, [&] { return !watched(); }));
    gate.closed.store(true);
    Sleeping item;
    Item behind;
    wq->queue(item.work);
    EXPECT_TRUE(eventually(*machine, [&] { return gate.waiting.load() == 1; }));
    wq->queue(behind.work);
    gate.closed.store(false);
    flush_work(behind.work);
    EXPECT_EQ(behind.runs.load(), 1);
    EXPECT_FALSE(watched());
    item.let_go();
    wq->flush();
}

INSTANTIATE_TEST_SUITE_P(Means, MonitorTest,
                         ::testing::Values(Detection::switch_records, Detection::sampling, Detection::budget),
                         name_of_means);
INSTANTIATE_TEST_SUITE_P(Means, LongItemTest, ::testing::Values(Detection::switch_records, Detection::sampling),
                         name_of_means);

TEST(Detection, NamesAndRefusals) {
    MachineOptions options;
    options.detection = Detection::hooks;
    Machine machine(options);
    EXPECT_EQ(machine.workqueues().monitor(), nullptr);
    machine.halt();
    options.simulated = true;
    options.detection = Detection::sampling;
    EXPECT_THROW(Machine simulated(options), InvalidArgument);
    EXPECT_STREQ(detection_name(Detection::automatic), "auto");
}

}  // namespace
}  // namespace bottomhalf::testing
