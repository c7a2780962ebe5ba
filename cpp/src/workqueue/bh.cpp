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
    domain_.softirqs->raise(pool.nice != 0 ? Softirq::hi : Softirq::tasklet, static_cast<unsigned>(pool.cpu));
}

void WorkqueueSubsystem::run_bh(unsigned cpu, Softirq level, Task& self, GatePass& pass) {
    WorkerPool& pool = *pools_[4 * cpu + (level == Softirq::hi ? 1 : 0)];
    Worker& worker = *bh_workers_[2 * cpu + (level == Softirq::hi ? 1 : 0)];
    // Whoever queues after this look raises the vector again.
    if (!pool.bh_pending.load(std::memory_order_relaxed) || !pool.bh_pending.exchange(false)) return;
    pool.lock.lock();
    worker.task = &self;
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
    for (unsigned cpu = 0; cpu < domain_.nr_cpus; ++cpu) {
        works.push_back(std::make_unique<Work>(func));
        system(SystemWq::percpu)->queue(*works.back(), static_cast<int>(cpu));
    }
    for (auto& work : works) {
        try {
            flush_work(*work, deadline);
        } catch (...) {
            // The items live here: none may be left behind.
            for (auto& rest : works) cancel_work_sync(*rest);
            throw;
        }
    }
}

long WorkqueueSubsystem::on_cpu(unsigned cpu, long (*fn)(void*), void* arg) {
    struct OnCpu {
        Work work;
        long (*fn)(void*);
        void* arg;
        long result;
    } item{Work([](Work* w) {
               auto* self = container_of(w, &OnCpu::work);
               self->result = self->fn(self->arg);
           }),
           fn, arg, 0};
    system(SystemWq::percpu)->queue(item.work, static_cast<int>(cpu));
    try {
        flush_work(item.work);
    } catch (...) {
        cancel_work_sync(item.work);
        throw;
    }
    return item.result;
}

}  // namespace bottomhalf
