// Native items, tasklets and machines, beside oneTBB, Boost.Asio and a bare futex.
//
// The handler of every competitor does the same: it adds one to a counter that its only thread writes. Ours is queued
// from items made before (as kernel code does), theirs from function pointers; a round ends when all have run.
// Options: --rounds N, --items N, --only GROUP, --json FILE.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "alloc_count.hpp"
#include "bottomhalf/machine/machine.hpp"
#include "harness.hpp"

#if defined(HAVE_TBB)
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#endif
#if defined(HAVE_ASIO)
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#endif

namespace {

using namespace bottomhalf;
using bench::Clock;
using bench::ns_since;

std::atomic<std::uint64_t> g_count{0};

void count_alone() { g_count.store(g_count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
void count_shared() { g_count.fetch_add(1, std::memory_order_relaxed); }
void wait_for_count(std::uint64_t n) {
    while (g_count.load(std::memory_order_relaxed) < n) std::this_thread::yield();
}

// Runs submit(producer, index) n times, shared among the producers, then wait(); ns for each.
template <class Submit, class Wait>
double drive(std::size_t n, unsigned producers, Submit submit, Wait wait) {
    g_count.store(0);
    const std::size_t share = n / producers;
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> others;
    for (unsigned p = 1; p < producers; ++p)
        others.emplace_back([&, p] {
            ready.fetch_add(1);
            while (!go.load()) std::this_thread::yield();
            for (std::size_t i = 0; i < share; ++i) submit(p, p * share + i);
        });
    while (ready.load() + 1 < producers) std::this_thread::yield();
    const auto begin = Clock::now();
    go.store(true);
    for (std::size_t i = 0; i < share; ++i) submit(0u, i);
    for (auto& t : others) t.join();
    wait(share * producers);
    return ns_since(begin) / static_cast<double>(share * producers);
}

struct Items {
    std::unique_ptr<Work[]> works;
    Items(std::size_t n, WorkFunction func) : works(new Work[n]) {
        for (std::size_t i = 0; i < n; ++i) works[i].func = func;
    }
};

double ours_queue(Workqueue& wq, Items& items, std::size_t n, unsigned producers, int cpu) {
    return drive(
        n, producers, [&](unsigned, std::size_t i) { wq.queue(items.works[i], cpu); },
        [&](std::size_t) { wq.flush(); });
}

bench::Group throughput(Machine& machine, Items& alone, Items& shared, std::size_t n, unsigned producers) {
    bench::Group group{producers == 1 ? "native items, one producer" : "native items, two producers", "ns/item", {}};
    Workqueue* wq = machine.workqueues().system(SystemWq::percpu).get();
    Workqueue* managed = machine.workqueues().system(SystemWq::managed).get();
    group.cases.push_back({"system_wq", [=, &alone, &shared] {
                               return ours_queue(*wq, producers == 1 ? alone : shared, n, producers, kCpuUnbound);
                           }});
    if (producers > 1)
        group.cases.push_back(
            {"system_wq, all on CPU 0", [=, &alone] { return ours_queue(*wq, alone, n, producers, 0); }});
    group.cases.push_back(
        {"system_managed_wq", [=, &shared] { return ours_queue(*managed, shared, n, producers, kCpuUnbound); }});
#if defined(HAVE_TBB)
    group.cases.push_back(
        {"oneTBB task_arena(1).enqueue", [=] {
             tbb::task_arena arena(1, 0);
             arena.initialize();
             return drive(n, producers, [&](unsigned, std::size_t) { arena.enqueue(count_alone); }, wait_for_count);
         }});
    group.cases.push_back({"oneTBB task_group, arena(2)", [=] {
                               tbb::task_arena arena(2);
                               tbb::task_group tasks;
                               double ns = 0;
                               auto run = [&] {
                                   ns = drive(
                                       n, producers, [&](unsigned, std::size_t) { tasks.run(count_shared); },
                                       [&](std::size_t) { tasks.wait(); });
                               };
                               producers == 1 ? arena.execute(run) : run();
                               return ns;
                           }});
#endif
#if defined(HAVE_ASIO)
    for (unsigned threads : {1u, 2u})
        group.cases.push_back({"Boost.Asio thread_pool(" + std::to_string(threads) + ") post", [=] {
                                   boost::asio::thread_pool pool(threads);
                                   auto* body = threads == 1 ? count_alone : count_shared;
                                   return drive(
                                       n, producers, [&](unsigned, std::size_t) { boost::asio::post(pool, body); },
                                       wait_for_count);
                               }});
#endif
    return group;
}

// --- how soon one item starts when nothing runs ---

std::atomic<std::int64_t> g_started{0};
std::int64_t clock_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}
void stamp() { g_started.store(clock_ns(), std::memory_order_release); }

// The median over many starts, each after a pause that lets the other side park.
template <class Submit>
double start_latency(Submit submit) {
    std::vector<double> v;
    for (int i = 0; i < 200; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        g_started.store(0);
        const std::int64_t begin = clock_ns();
        submit();
        std::int64_t started = 0;
        while ((started = g_started.load(std::memory_order_acquire)) == 0) std::this_thread::yield();
        v.push_back(static_cast<double>(started - begin));
    }
    return bench::median(std::move(v));
}

// A thread that waits on a futex and stamps the time when it wakes: no start can come sooner.
class FutexThread {
public:
    FutexThread() : thread_([this] { run(); }) {}
    ~FutexThread() {
        stop_.store(true);
        wake();
        thread_.join();
    }
    void wake() {
        word_.store(1);
        syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }

private:
    void run() {
        for (;;) {
            while (word_.exchange(0) == 0) syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
            if (stop_.load()) return;
            stamp();
        }
    }
    std::atomic<std::uint32_t> word_{0};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

bench::Group latency(Machine& machine) {
    bench::Group group{"start latency on an idle pool", "ns (median of 200)", {}};
    for (auto which : {SystemWq::percpu, SystemWq::managed})
        group.cases.push_back({which == SystemWq::percpu ? "system_wq" : "system_managed_wq", [&machine, which] {
                                   Work work([](Work*) { stamp(); });
                                   auto wq = machine.workqueues().system(which);
                                   const double ns = start_latency([&] { wq->queue(work); });
                                   flush_work(work);
                                   return ns;
                               }});
    group.cases.push_back({"futex wake of a parked thread", [] {
                               FutexThread thread;
                               return start_latency([&] { thread.wake(); });
                           }});
#if defined(HAVE_TBB)
    group.cases.push_back({"oneTBB task_arena(1).enqueue", [] {
                               tbb::task_arena arena(1, 0);
                               return start_latency([&] { arena.enqueue(stamp); });
                           }});
#endif
#if defined(HAVE_ASIO)
    group.cases.push_back({"Boost.Asio thread_pool(1) post", [] {
                               boost::asio::thread_pool pool(1);
                               return start_latency([&] { boost::asio::post(pool, stamp); });
                           }});
#endif
    return group;
}

// --- single operations ---

struct Chain {
    Work work;
    Workqueue* wq;
    std::size_t left;
    Chain(Workqueue& queue, std::size_t n) : work(&Chain::step), wq(&queue), left(n) {}
    static void step(Work* w) {
        Chain* self = container_of(w, &Chain::work);
        if (--self->left != 0)
            self->wq->queue(self->work);
        else
            self->done.store(true, std::memory_order_release);
    }
    alignas(64) std::atomic<bool> done{false};  // polled by the producer, far from what the worker writes
};

double queue_pending(Machine& machine, std::size_t n) {
    // Held back by a limit of one behind an item that waits, so it stays pending.
    static std::atomic<bool> release;
    release.store(false);
    auto wq = machine.workqueues().alloc("bench", 0, 1);
    Work blocker([](Work*) {
        while (!release.load()) std::this_thread::yield();
    });
    Work work([](Work*) {});
    wq->queue(blocker);
    wq->queue(work);
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < n; ++i) wq->queue(work);
    const double ns = ns_since(begin) / static_cast<double>(n);
    release.store(true);
    wq->destroy();
    return ns;
}

double chain(Machine& machine, std::size_t n) {
    auto wq = machine.workqueues().system(SystemWq::percpu);
    Chain c(*wq, n);
    const auto begin = Clock::now();
    wq->queue(c.work);
    while (!c.done.load(std::memory_order_acquire)) std::this_thread::yield();
    const double ns = ns_since(begin) / static_cast<double>(n);
    flush_work(c.work);
    return ns;
}

#if defined(HAVE_ASIO)
struct AsioChain {
    boost::asio::thread_pool* pool;
    std::size_t* left;
    void operator()() const {
        if (--*left != 0)
            boost::asio::post(*pool, *this);
        else
            g_count.store(1, std::memory_order_release);
    }
};
#endif

bench::Group chains(Machine& machine, std::size_t n) {
    bench::Group group{"an item that queues itself", "ns/run", {}};
    group.cases.push_back({"system_wq", [&machine, n] { return chain(machine, n); }});
#if defined(HAVE_ASIO)
    group.cases.push_back({"Boost.Asio thread_pool(1) post", [n] {
                               boost::asio::thread_pool pool(1);
                               std::size_t left = n;
                               g_count.store(0);
                               const auto begin = Clock::now();
                               boost::asio::post(pool, AsioChain{&pool, &left});
                               wait_for_count(1);
                               return ns_since(begin) / static_cast<double>(n);
                           }});
#endif
    return group;
}

constexpr std::size_t kBatch = 64;

double tasklets_single(Machine& machine, std::size_t n) {
    Task& self = machine.domain().self();
    Tasklet tasklet([](Tasklet*) { count_alone(); });
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < n; ++i) {
        local_bh_disable(self);
        machine.tasklets().schedule(tasklet);
        local_bh_enable(self);
    }
    const double ns = ns_since(begin) / static_cast<double>(n);
    machine.tasklets().kill(tasklet);
    return ns;
}

double tasklets_batch(Machine& machine, std::size_t n) {
    Task& self = machine.domain().self();
    std::vector<std::unique_ptr<Tasklet>> tasklets;
    for (std::size_t i = 0; i < kBatch; ++i)
        tasklets.push_back(std::make_unique<Tasklet>([](Tasklet*) { count_alone(); }));
    const auto begin = Clock::now();
    for (std::size_t done = 0; done < n; done += kBatch) {
        local_bh_disable(self);
        for (auto& t : tasklets) machine.tasklets().schedule(*t);
        local_bh_enable(self);
    }
    const double ns = ns_since(begin) / static_cast<double>((n + kBatch - 1) / kBatch * kBatch);
    for (auto& t : tasklets) machine.tasklets().kill(*t);
    return ns;
}

double allocations(Machine& machine, Items& items, std::size_t n) {
    auto wq = machine.workqueues().system(SystemWq::percpu);
    wq->flush();
    const unsigned long before = bench::g_allocations.load();
    for (std::size_t i = 0; i < n; ++i) wq->queue(items.works[i]);
    wq->flush();
    return static_cast<double>(bench::g_allocations.load() - before) / static_cast<double>(n);
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = bench::Options::parse(argc, argv);
    const std::size_t n = options.items;
    Machine machine;
    bench::Report report(options);  // its cases refer to the machine
    Items alone(n, [](Work*) { count_alone(); });
    Items shared(n, [](Work*) { count_shared(); });
    report.run(throughput(machine, alone, shared, n, 1));
    report.run(throughput(machine, alone, shared, n, 2));
    report.run(latency(machine));
    report.run(chains(machine, n));
    report.run(
        {"queue() of an item that is pending", "ns", {{"system_wq", [&] { return queue_pending(machine, n); }}}});
    report.run({"tasklet schedule + run on the same thread",
                "ns",
                {{"64 in one bottom-half section", [&] { return tasklets_batch(machine, n); }},
                 {"one in each bottom-half section", [&] { return tasklets_single(machine, n); }}}});
    report.run({"heap allocations for each queued item", "allocations", {{"system_wq", [&] {
                                                                              return allocations(machine, alone, n);
                                                                          }}}});
    report.run({"boot and halt of a machine", "us", {{"Machine", [] {
                                                          const auto begin = Clock::now();
                                                          {
                                                              Machine other;
                                                          }
                                                          return ns_since(begin) / 1000;
                                                      }}}});
    return report.write_json() ? 0 : 1;
}
