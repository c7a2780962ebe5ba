// Rescuer (Linux: rescuer_thread): the thread that a MEM_RECLAIM workqueue has ready for when no worker can be created.
//
// A pool that has items to start, no free worker, and was refused a new one calls for help after 10 ms
// (WorkerPool::call_for_help): each item that waits there has its workqueue's rescuer called, if there is one. It runs
// that workqueue's items, on the pool's CPU, until the pool has a worker again.
//
// Fields: I: set when made; X: of its own task; L: under lock_, which is taken inside a pool's lock.
#pragma once

#include "bottomhalf/workqueue/worker_pool.hpp"

namespace bottomhalf {

class Rescuer {
public:
    // Throws Error when the system refuses the thread. CONTEXT: task.
    explicit Rescuer(Workqueue& wq);
    ~Rescuer();
    Rescuer(const Rescuer&) = delete;
    Rescuer& operator=(const Rescuer&) = delete;

    // Ends the task. No item of the workqueue starts any more. Idempotent. CONTEXT: task.
    void stop();
    // Under the lock of its pool: items of this pool workqueue wait there in vain.
    void mayday(PoolWorkqueue& pwq) noexcept;

private:
    static constexpr unsigned kBatch = 16;  // Linux: RESCUER_BATCH

    static void main(Task& self, void* rescuer);
    void run(Task& self);
    PoolWorkqueue* next() noexcept;
    void rescue(PoolWorkqueue& pwq, GatePass& pass);
    bool take(PoolWorkqueue& pwq) noexcept;  // under the pool's lock: its items become those of this worker

    Workqueue& wq_;
    Worker worker_;         // X: attached to the pool that is being helped
    Task* task_ = nullptr;  // I, until stop()
    Atomic<bool> stopping_{false};
    RawLock lock_;
    List maydays_;  // L
};

}  // namespace bottomhalf
