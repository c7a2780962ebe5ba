// Concurrency management: how many workers of a pool run, sleep and idle.
#include <algorithm>
#include <cstdio>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class WorkerPools : public MachineTest {
protected:
    WorkerPool& pool_of(int cpu, bool high = false) {
        WorkerPool* found = nullptr;
        wqs().for_each_pool([&](WorkerPool& pool) {
            if (pool.kind == PoolKind::bound && pool.cpu == cpu && (pool.nice < 0) == high) found = &pool;
        });
        return *found;
    }
    static int idle_in(WorkerPool& pool) {
        RawGuard guard(pool.lock);
        return pool.nr_idle;
    }
    static int workers_in(WorkerPool& pool) {
        RawGuard guard(pool.lock);
        return pool.nr_workers;
    }
    std::vector<std::string> task_names() {
        std::vector<std::string> names;
        domain().for_each_task([&](Task& task) { names.emplace_back(task.name); });
        return names;
    }
};

// Items behind a gate that lets the first who comes pass, and nobody else until it is opened.
struct AtGate : Item {
    struct Turnstile final : Gate {
        Atomic<const Task*> first{nullptr};
        Atomic<bool> open{false};
        Atomic<int> waiting{0};
        void enter(Task& self) override {
            const Task* nobody = nullptr;
            if (first.compare_exchange(nobody, &self)) return;
            waiting.fetch_add(1);
            while (first.load() != &self && !open.load()) self.domain.load()->substrate->relax(self);
            waiting.fetch_sub(1);
        }
        void leave(Task&) override {}
        void poll(Task&, bool) override {}
        void describe(const void*, char* buffer, std::size_t size) override { std::snprintf(buffer, size, "at gate"); }
        void dropped(void*) override {}
    };
    explicit AtGate(std::function<void()> b = {}) : Item(std::move(b)) { work.func = &AtGate::run_inside; }
    static void run_inside(Work* work) { run(work); }
};
AtGate::Turnstile g_turnstile;
// Before any machine runs: the table of gates does not change under one.
[[maybe_unused]] const bool g_turnstile_registered =
    (register_gate(reinterpret_cast<void (*)()>(&AtGate::run_inside), &g_turnstile), true);

// Behind another one, which lets everybody pass.
struct AtOpenGate : Item {
    struct Open final : Gate {
        void enter(Task&) override {}
        void leave(Task&) override {}
        void poll(Task&, bool) override {}
        void describe(const void*, char* buffer, std::size_t size) override {
            std::snprintf(buffer, size, "open gate");
        }
        void dropped(void*) override {}
    };
    explicit AtOpenGate(std::function<void()> b = {}) : Item(std::move(b)) { work.func = &AtOpenGate::run_inside; }
    static void run_inside(Work* work) { run(work); }
};
AtOpenGate::Open g_open;
[[maybe_unused]] const bool g_open_registered =
    (register_gate(reinterpret_cast<void (*)()>(&AtOpenGate::run_inside), &g_open), true);

TEST_P(WorkerPools, AWorkerInsideTheGateGoesOnAndNoThirdIsWokenWhileAnotherWaitsForIt) {
    WorkerPool* managed = nullptr;
    wqs().for_each_pool([&](WorkerPool& pool) {
        if (pool.kind == PoolKind::managed && pool.nice == 0) managed = &pool;
    });
    for (WorkerPool* pool : {&pool_of(0), managed}) {
        auto& wq = wqs().system(pool == managed ? SystemWq::managed : SystemWq::percpu);
        AtGate::Turnstile& gate = g_turnstile;
        gate.first.store(nullptr);
        gate.open.store(false);
        Completion started, release;
        AtGate sleeper([&] {
            started.complete();
            release.wait(*current_task());
        });
        AtGate next[3];
        wq->queue(sleeper.work, 0);
        wait(started);
        ASSERT_TRUE(eventually([&] { return pool->nr_running.load() == 0; }));  // it sleeps
        wq->queue(next[0].work, 0);
        ASSERT_TRUE(eventually([&] { return gate.waiting.load() == 1; }));
        wq->queue(next[1].work, 0);
        wq->queue(next[2].work, 0);
        {
            RawGuard guard(pool->lock);
            pool->splice_inbox();
            EXPECT_EQ(pool->nr_at_gate, 1);
            EXPECT_EQ(pool->nr_running.load(), 1);
            EXPECT_FALSE(pool->need_more_worker());  // though the managed pool has room for two
        }
        release.complete();
        for (AtGate& item : next) EXPECT_TRUE(eventually([&] { return item.runs.load() == 1; }));
        EXPECT_EQ(gate.waiting.load(), 1);
        gate.open.store(true);
        wq->flush();
        EXPECT_TRUE(eventually([&] { return pool->nr_running.load() == 0; }));
        RawGuard guard(pool->lock);
        EXPECT_EQ(pool->nr_at_gate, 0);
    }
}

TEST_P(WorkerPools, ANativeItemIsNotHeldUpByAWorkerThatWaitsForTheGate) {
    auto wq = wqs().alloc("q", wq_flag::kManaged, 0);
    AtGate::Turnstile& gate = g_turnstile;
    gate.first.store(&self());  // nobody passes
    gate.open.store(false);
    AtGate behind_gate;
    wq->queue(behind_gate.work);
    ASSERT_TRUE(eventually([&] { return gate.waiting.load() == 1; }));
    ASSERT_TRUE(cancel_work(behind_gate.work));
    Item native;
    wq->queue(native.work);
    EXPECT_TRUE(eventually([&] { return native.runs.load() == 1; }));
    EXPECT_EQ(gate.waiting.load(), 1);
    gate.open.store(true);
    wq->flush();
    EXPECT_EQ(behind_gate.runs.load(), 0);
}

TEST_P(WorkerPools, AnItemIsNotHeldUpByAWorkerThatWaitsForAnotherGate) {
    auto wq = wqs().alloc("q", wq_flag::kManaged, 0);
    AtGate::Turnstile& gate = g_turnstile;
    gate.first.store(&self());  // nobody passes
    gate.open.store(false);
    AtGate shut_out;
    wq->queue(shut_out.work);
    ASSERT_TRUE(eventually([&] { return gate.waiting.load() == 1; }));
    ASSERT_TRUE(cancel_work(shut_out.work));
    Completion started, release;
    AtOpenGate sleeper([&] {
        started.complete();
        release.wait(*current_task());
    });
    AtOpenGate next;
    wq->queue(sleeper.work);
    wait(started);
    wq->queue(next.work);
    EXPECT_TRUE(eventually([&] { return next.runs.load() == 1; }));
    EXPECT_EQ(gate.waiting.load(), 1);
    release.complete();
    gate.open.store(true);
    wq->flush();
}

TEST_P(WorkerPools, ABusyItemHoldsBackTheNextOfItsPool) {
    auto wq = wqs().alloc("q", 0, 0);
    Busy busy;
    Item next, elsewhere;
    wq->queue(busy.work, 1);
    wait(busy.started);
    wq->queue(next.work, 1);
    // Another CPU's pool goes on; the item of this one has not started when that one ended.
    wq->queue(elsewhere.work, 0);
    EXPECT_TRUE(eventually([&] { return elsewhere.runs.load() == 1; }));
    EXPECT_EQ(next.runs.load(), 0);
    EXPECT_EQ(work_busy(next.work), kWorkBusyPending);
    busy.let_go();
    wq->flush();
    EXPECT_EQ(next.runs.load(), 1);
}

TEST_P(WorkerPools, WhenAnItemSleepsTheNextStarts) {
    auto wq = wqs().alloc("q", 0, 0);
    Busy first;
    Held held[8];
    wq->queue(first.work, 1);
    wait(first.started);
    for (Held& h : held) wq->queue(h.work, 1);
    first.let_go();
    for (Held& h : held) wait(h.started);  // every one sleeps, and so all run at once
    // On the host a worker that was just created may come for an item by itself, before anybody wakes it.
    if (domain().substrate->simulated()) {
        EXPECT_GE(wq->stats().cm_wakeup, 1u);
    }
    for (Held& h : held) h.let_go();
    wq->flush();
    for (Held& h : held) EXPECT_EQ(h.cpu.load(), 1);
}

TEST_P(WorkerPools, ManyShortItemsNeedNoMoreThanTwoWorkers) {
    auto wq = wqs().alloc("q", 0, 0);
    Item items[100];
    for (Item& item : items) wq->queue(item.work, 1);
    wq->flush();
    EXPECT_LE(workers_in(pool_of(1)), 2);
}

TEST_P(WorkerPools, CpuIntensiveDoesNotHoldBackTheNextStart) {
    auto intensive = wqs().alloc("hog", wq_flag::kCpuIntensive, 0);
    auto normal = wqs().alloc("normal", 0, 0);
    Busy hog;
    Item item;
    intensive->queue(hog.work, 1);
    wait(hog.started);
    normal->queue(item.work, 1);
    if (!simulated()) {
        flush_work(item.work);  // ran beside the hog
        EXPECT_EQ(item.runs.load(), 1);
    }
    hog.let_go();
    intensive->flush();
    normal->flush();
}

TEST_P(WorkerPools, ACpuIntensiveStartIsRegulated) {
    auto normal = wqs().alloc("normal", 0, 0);
    auto intensive = wqs().alloc("hog", wq_flag::kCpuIntensive, 0);
    Busy busy;
    Item item, elsewhere;
    normal->queue(busy.work, 1);
    wait(busy.started);
    intensive->queue(item.work, 1);
    intensive->queue(elsewhere.work, 0);
    EXPECT_TRUE(eventually([&] { return elsewhere.runs.load() == 1; }));
    EXPECT_EQ(item.runs.load(), 0);
    busy.let_go();
    intensive->flush();
    normal->flush();
}

TEST_P(WorkerPools, UnboundItemsAllStart) {
    auto wq = wqs().alloc("q", wq_flag::kUnbound, 0);
    Busy busy[4];
    for (Busy& b : busy) wq->queue(b.work);
    for (Busy& b : busy) wait(b.started);
    for (Busy& b : busy) b.let_go();
    wq->flush();
}

TEST_P(WorkerPools, AManagedPoolRunsAsManyAsItHasCpus) {
    auto wq = wqs().alloc("q", wq_flag::kManaged, 0);
    Busy busy[2];
    Held held;
    Item next;
    for (Busy& b : busy) wq->queue(b.work);
    for (Busy& b : busy) wait(b.started);
    wq->queue(next.work);
    EXPECT_EQ(work_busy(next.work), kWorkBusyPending);
    EXPECT_EQ(next.runs.load(), 0);
    busy[0].let_go();
    EXPECT_TRUE(eventually([&] { return next.runs.load() == 1; }));
    // A sleeper is replaced.
    wq->queue(held.work);
    wait(held.started);
    Item another;
    wq->queue(another.work);
    EXPECT_TRUE(eventually([&] { return another.runs.load() == 1; }));
    busy[1].let_go();
    held.let_go();
    wq->flush();
}

TEST_P(WorkerPools, NamesAreLinuxNames) {
    auto names = task_names();
    for (const char* name :
         {"kworker/0:0", "kworker/1:0", "kworker/0:0H", "kworker/1:0H", "kworker/u8:0", "ksoftirqd/0", "ksoftirqd/1"})
        EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

TEST_P(WorkerPools, HighpriItemsHaveAPoolOfTheirOwn) {
    auto wq = wqs().alloc("high", wq_flag::kHighpri, 0);
    Held held;
    std::string name;
    int nice = 0;
    held.body = [&] {
        name = current_task()->name;
        nice = current_task()->nice;
        held.started.complete();
        held.release.wait(*current_task());
    };
    Busy busy;
    wqs().system(SystemWq::percpu)->queue(busy.work, 1);
    wait(busy.started);
    wq->queue(held.work, 1);  // starts although the normal pool of this CPU is busy
    wait(held.started);
    EXPECT_EQ(name.substr(0, 10), "kworker/1:");
    EXPECT_EQ(name.back(), 'H');
    EXPECT_EQ(nice, -20);
    EXPECT_EQ(wq->attrs().nice, -20);
    held.let_go();
    busy.let_go();
    wq->flush();
    wqs().system(SystemWq::percpu)->flush();
}

TEST_P(WorkerPools, CurrentWorkIsKnownInItemsOnly) {
    auto wq = wqs().alloc("q", 0, 0);
    Work* seen = nullptr;
    Item item([&] { seen = current_work(); });
    run_once(*wq, item.work);
    EXPECT_EQ(seen, &item.work);
    EXPECT_EQ(current_work(), nullptr);
    Item bh([&] { seen = current_work(); });
    run_once(*wqs().system(SystemWq::bh), bh.work);
    EXPECT_EQ(bh.runs.load(), 1);
    EXPECT_EQ(seen, nullptr);
}

TEST_P(WorkerPools, AnItemMayFreeItself) {
    auto wq = wqs().alloc("q", 0, 0);
    struct Own {
        Work work;
        Completion* done;
    };
    Completion done;
    for (int i = 0; i < 10; ++i) {
        auto* own = new Own{Work([](Work* w) {
                                Own* o = container_of(w, &Own::work);
                                Completion* d = o->done;
                                delete o;
                                d->complete();
                            }),
                            &done};
        wq->queue(own->work, 1);
        wait(done);
    }
    wq->flush();
}

TEST_P(WorkerPools, AnExceptionLeavesTheItemAndNotTheWorker) {
    auto wq = wqs().alloc("q", 0, 0);
    Item bad([] { throw Error("oh dear"); }), good;
    wq->queue(bad.work, 1);
    wq->queue(good.work, 1);
    wq->flush();
    EXPECT_EQ(good.runs.load(), 1);
    EXPECT_TRUE(logged("oh dear"));
}

TEST_P(WorkerPools, ALeakedContextIsReportedAndMended) {
    auto wq = wqs().alloc("q", 0, 0);
    Item bad([] {
        preempt_disable(*current_task());
        local_bh_disable(*current_task());
        local_irq_save(*current_task());
    });
    Item good;
    wq->queue(bad.work, 1);
    wq->queue(good.work, 1);
    wq->flush();
    EXPECT_EQ(good.runs.load(), 1);
    EXPECT_TRUE(logged("BUG: workqueue leaked atomic, lock or RCU: kworker/1:"));
}

// After a burst of workers and five minutes without work exactly two idle ones remain. In virtual time.
TEST_P(WorkerPools, IdleWorkersAreCulledDownToTwo) {
    auto wq = wqs().alloc("q", 0, 0);
    Held held[8];
    for (Held& h : held) wq->queue(h.work, 1);
    for (Held& h : held) wait(h.started);
    EXPECT_GE(workers_in(pool_of(1)), 8);
    if (!simulated()) wqs().set_idle_timeout(0);
    for (Held& h : held) h.let_go();
    wq->flush();
    if (simulated()) {
        m().sleep(200 * kSecond);
        EXPECT_GE(workers_in(pool_of(1)), 8);
        m().sleep(200 * kSecond);
    }
    EXPECT_TRUE(eventually([&] { return workers_in(pool_of(1)) == 2; })) << workers_in(pool_of(1));
    EXPECT_EQ(idle_in(pool_of(1)), 2);
    Item item;
    run_once(*wq, item.work, 1);
    EXPECT_EQ(item.runs.load(), 1);
}

BH_INSTANTIATE_MACHINES(WorkerPools);

}  // namespace
}  // namespace bottomhalf::testing
