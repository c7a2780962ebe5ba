// BH workqueues: items that run in softirq context on the queueing CPU, before the tasklets of their level, and the
// helpers that run a function on given CPUs.
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {
// Linux: BH_WORKER_JIFFIES and BH_WORKER_RESTARTS: then the vector is raised again, so that others get their turn.
constexpr Nanoseconds kBhTime = 2 * kMillisecond;
constexpr int kBhItems = 10;
}  // namespace

void WorkqueueSubsystem::kick_bh(WorkerPool& pool) {
    pool.bh_pending.store(true);
    domain_.softirqs->raise(pool.nice != 0 ? Softirq::hi : Softirq::tasklet, static_cast<unsigned>(pool.cpu),
                            domain_.self());
}

void WorkqueueSubsystem::run_bh(unsigned cpu, Softirq level, Task& self, GatePass& pass) {
    WorkerPool& pool = *pools_[4 * cpu + (level == Softirq::hi ? 1 : 0)];
    Worker& worker = *bh_workers_[2 * cpu + (level == Softirq::hi ? 1 : 0)];
    // Whoever queues after this look raises the vector again.
    if (!pool.bh_pending.load(std::memory_order_relaxed) || !pool.bh_pending.exchange(false)) return;
    pool.lock.lock();
    worker.task = &self;
    worker.preempt_base = self.preempt_count;
    worker.irqs_off_base = self.irqs_off;
    Nanoseconds limit = 0;
    for (int n = 0;; ++n) {
        ListNode* first = worker.scheduled.front();
        if (first == nullptr) {
            pool.splice_inbox();
            first = pool.worklist.front();
        }
        if (first == nullptr) break;
        if (n == 0) limit = domain_.now() + kBhTime;
        if (n >= kBhItems || domain_.now() >= limit) {
            kick_bh(pool);
            break;
        }
        Work* work = container_of(first, &Work::entry);
        Gate* gate = gate_of(work->func);
        if (gate != pass.held()) {
            pool.lock.unlock();
            pass.want(gate);
            pool.lock.lock();
            --n;
            continue;
        }
        process_one_work(worker, *work, pass);
    }
    worker.task = nullptr;
    pool.lock.unlock();
}

void WorkqueueSubsystem::on_each_cpu(WorkFunction func, Nanoseconds deadline) {
    Task& self = domain_.self();
    might_sleep(self, "schedule_on_each_cpu");
    std::vector<std::unique_ptr<Work>> works;
    try {
        for (unsigned cpu = 0; cpu < domain_.nr_cpus; ++cpu) {
            if (!domain_.online(cpu)) continue;
            works.push_back(std::make_unique<Work>(func));
            system(SystemWq::percpu)->queue(*works.back(), static_cast<int>(cpu));
        }
        for (auto& work : works) flush_work(*work, deadline);
    } catch (...) {
        // The items live here: none may be left behind. One that runs on is known to the engine by its address only.
        for (auto& work : works) {
            cancel_work(*work);
            try {
                cancel_work_sync(*work);
            } catch (...) {
            }
        }
        throw;
    }
}

namespace {

// One owner is the caller, who may have to give up its wait; the other is the run, or whoever took that away.
struct OnCpu {
    Work work{&OnCpu::run};
    long (*fn)(void*);
    void* arg;
    long result = 0;
    Atomic<bool> ran{false};
    Atomic<int> owners{2};

    OnCpu(long (*f)(void*), void* a) : fn(f), arg(a) {}
    void drop() noexcept {
        if (owners.fetch_sub(1) == 1) delete this;
    }
    static void run(Work* work) {
        struct Drop {
            OnCpu& item;
            ~Drop() {
                item.ran.store(true);
                item.drop();
            }
        } drop{*container_of(work, &OnCpu::work)};
        drop.item.result = drop.item.fn(drop.item.arg);
    }
};

}  // namespace

long WorkqueueSubsystem::on_cpu(unsigned cpu, long (*fn)(void*), void* arg) {
    Task& self = domain_.self();
    might_sleep(self, "work_on_cpu");
    struct Drop {
        OnCpu& item;
        ~Drop() { item.drop(); }
    } drop{*new OnCpu(fn, arg)};
    OnCpu& item = drop.item;
    bool queued = false;
    try {
        queued = system(SystemWq::percpu)->queue(item.work, static_cast<int>(cpu));
        flush_work(item.work);
    } catch (...) {
        if (!queued || cancel_work(item.work)) item.drop();
        throw;
    }
    if (item.ran.load()) return item.result;
    item.drop();
    throw MachineHalted("work_on_cpu: " + message::halted(domain_.name));
}

}  // namespace bottomhalf
