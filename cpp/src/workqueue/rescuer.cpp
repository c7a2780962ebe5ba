#include "bottomhalf/workqueue/rescuer.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {

// Linux: MAYDAY_INITIAL_TIMEOUT and MAYDAY_INTERVAL, in ticks.
Jiffies first_call(unsigned hz) noexcept { return std::max(hz / 100, 2u); }
Jiffies next_call(unsigned hz) noexcept { return std::max(hz / 10, 2u); }

std::uint64_t word_of(ListNode* node) noexcept {
    return container_of(node, &Work::entry)->data.load(std::memory_order_relaxed);
}

}  // namespace

// --- a pool that is short of workers ---

void WorkerPool::call_for_help() noexcept {
    if (stopping || timer_pending(mayday_timer)) return;
    const Jiffies delay = distressed ? next_call(domain.hz) : first_call(domain.hz);
    domain.timers->arm_now(mayday_timer, ns_to_jiffies(domain.now(), domain.hz) + delay);
}

void WorkerPool::mayday() noexcept {
    bool create = false;
    {
        RawGuard guard(lock);
        splice_inbox();
        if (stopping || !short_of_workers || !stuck()) return;
        distressed = true;
        for (ListNode* n = worklist.begin(); n != worklist.end(); n = n->next) {
            PoolWorkqueue* pwq = pwq_of(word_of(n));
            if (Rescuer* rescuer = pwq->wq->rescuer_.get()) rescuer->mayday(*pwq);
        }
        // Its last worker has gone on without a spare, and blocks: somebody else has to ask for one.
        create = !manager_active && domain.workqueues->may_create_worker();
    }
    if (create) domain.workqueues->system(SystemWq::unbound)->queue(create_work);
}

void WorkerPool::create_again() {
    if (create_worker()) return;
    RawGuard guard(lock);
    if (stuck()) call_for_help();
}

bool WorkerPool::wait_for_spare(Worker& worker) {
    // A pool's only worker is not kept back: nobody else could come back and take over.
    if (nr_workers == 1 || stopping || worker.has(Worker::kDie)) return false;
    Task& self = *worker.task;
    manager_active = true;
    manager = &self;
    if (!worklist.empty()) call_for_help();
    // Where the limit is what refuses, nothing changes by itself.
    const Nanoseconds until = domain.workqueues->may_create_worker() ? create_again_at : kForever;
    lock.unlock();
    self.state.store(TaskState::idle, std::memory_order_relaxed);
    domain.substrate->block(self, until);
    self.state.store(TaskState::running, std::memory_order_relaxed);
    lock.lock();
    manager = nullptr;
    manager_active = false;
    splice_inbox();
    return true;
}

void WorkerPool::retry_creation() {
    RawGuard guard(lock);
    create_again_at = 0;
    if (manager != nullptr)
        domain.substrate->wake(*manager);
    else if (short_of_workers && stuck())
        call_for_help();
}

// --- the rescuer ---

Rescuer::Rescuer(Workqueue& wq) : wq_(wq) {
    worker_.id = -1;
    worker_.flags.set(Worker::kPrep | Worker::kRescuer);  // never counts as running
    char name[Task::kNameSize];
    std::snprintf(name, sizeof name, "kworker/R-%s", wq.name().c_str());
    task_ = &wq.domain().spawn_dormant(name, &Rescuer::main, this, kCpuUnbound, -20);
}

Rescuer::~Rescuer() { stop(); }

void Rescuer::stop() {
    if (task_ == nullptr) return;
    Domain& domain = wq_.domain();
    stopping_.store(true);
    if (!domain.substrate->dormant(*task_)) domain.substrate->wake(*task_);
    domain.join_task(*std::exchange(task_, nullptr));
}

void Rescuer::mayday(PoolWorkqueue& pwq) noexcept {
    if (pwq.calls) return;
    pwq.calls = true;
    ++pwq.mayday;
    {
        RawGuard guard(lock_);
        maydays_.push_back(pwq.mayday_node);
    }
    wq_.domain().substrate->wake(*task_);
}

PoolWorkqueue* Rescuer::next() noexcept {
    RawGuard guard(lock_);
    ListNode* node = maydays_.pop_front();
    return node != nullptr ? container_of(node, &PoolWorkqueue::mayday_node) : nullptr;
}

void Rescuer::main(Task& self, void* rescuer) { static_cast<Rescuer*>(rescuer)->run(self); }

void Rescuer::run(Task& self) {
    worker_.task = &self;
    GatePass pass(self);
    while (!stopping_.load()) {
        while (PoolWorkqueue* pwq = next()) rescue(*pwq, pass);
        self.state.store(TaskState::idle, std::memory_order_relaxed);
        if (!stopping_.load()) wq_.domain().substrate->block(self, kForever);
        self.state.store(TaskState::running, std::memory_order_relaxed);
    }
}

// What waits there, a batch of it at most; what an item runs in another worker goes there.
bool Rescuer::take(PoolWorkqueue& pwq) noexcept {
    WorkerPool& pool = *pwq.pool;
    unsigned taken = 0;
    for (ListNode* n = pool.worklist.begin(); n != pool.worklist.end() && taken < kBatch;) {
        ListNode* last = n;
        while ((word_of(last) & kLinked) != 0) last = last->next;
        ListNode* const behind = last->next;
        if (pwq_of(word_of(n)) == &pwq) {
            Worker* other = pool.find_executing(container_of(n, &Work::entry));
            move_linked(n, other != nullptr ? other->scheduled : worker_.scheduled);
            if (other == nullptr) {
                ++taken;
                ++pwq.rescued;
            }
        }
        n = behind;
    }
    return taken != 0;
}

void Rescuer::rescue(PoolWorkqueue& pwq, GatePass& pass) {
    Task& self = *worker_.task;
    WorkerPool& pool = *pwq.pool;
    pool.lock.lock();
    pool.splice_inbox();
    pwq.calls = false;
    worker_.pool = &pool;
    pool.workers.push_back(worker_.pool_node);
    self.worker = &worker_;
    self.observer = &worker_;
    while (!stopping_.load() && take(pwq)) {
        process_items(worker_, pass);
        if (!pool.stuck()) break;
        RawGuard guard(lock_);
        if (maydays_.empty()) continue;
        // Others of the workqueue wait as well: back into the line.
        if (!pwq.calls) maydays_.push_back(pwq.mayday_node);
        pwq.calls = true;
        break;
    }
    pool.kick();
    self.observer = nullptr;
    self.worker = nullptr;
    worker_.pool_node.unlink();
    worker_.pool = nullptr;
    pool.lock.unlock();
    pass.want(nullptr);
    if (self.bound_cpu != kCpuUnbound) wq_.domain().substrate->rebind(self, kCpuUnbound);
}

}  // namespace bottomhalf
