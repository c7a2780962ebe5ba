// <linux/kthread.h>: kthread workers.
#include "kthread_worker.hpp"

#include <cerrno>

#include "glue.hpp"
#include "kthread.hpp"

extern "C" {
bool bh_linux_kthread_should_stop();
int bh_linux_kthread_stop(bottomhalf::Task* task);
}

namespace bottomhalf::linux_api {

namespace {

class Guard {
public:
    explicit Guard(KthreadWorker& worker) : worker_(worker), self_(me()) {
        worker_.lock.lock(self_, SpinKind::irqsave);
    }
    ~Guard() { worker_.lock.unlock(self_, SpinKind::irqsave); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

private:
    KthreadWorker& worker_;
    Task& self_;
};

// An item that tells when everything before it is through.
struct Flush {
    KthreadWork item{{}, &run, nullptr, 0};
    Completion done;
    Flush() { item.node.init(); }
    static void run(KthreadWork* item) { container_of(item, &Flush::item)->done.complete(); }
};

// Written under the lock of the worker that it names; asked for without one, to know which lock that is.
KthreadWorker* worker_of(const KthreadWork& item) noexcept { return __atomic_load_n(&item.worker, __ATOMIC_ACQUIRE); }
void set_worker(KthreadWork& item, KthreadWorker& worker) noexcept {
    __atomic_store_n(&item.worker, &worker, __ATOMIC_RELEASE);
}

void insert_locked(KthreadWorker& worker, KthreadWork& item, ListNode& before) {
    item.node.insert_before(before);
    set_worker(item, worker);
    order_release(&item);
    if (worker.running == nullptr && worker.task != nullptr) wake_kthread(here(), worker.task);
}
bool blocked_locked(const KthreadWork& item) { return !item.node.empty() || item.canceling != 0; }

bool queue_delayed_locked(KthreadWorker& worker, KthreadDelayedWork& delayed, unsigned long delay) {
    if (delay == 0) {
        insert_locked(worker, delayed.work, worker.items);
        return true;
    }
    delayed.work.node.insert_before(worker.delayed);
    set_worker(delayed.work, worker);
    here().timers->mod(delayed.timer, here().jiffies() + delay);
    return true;
}

// The timer must not queue the item again: whoever waits for it to be through with that keeps everybody off meanwhile.
void stop_timer(KthreadWorker& worker, KthreadDelayedWork& delayed) {
    {
        Guard guard(worker);
        ++delayed.work.canceling;
    }
    timer_delete_sync(delayed.timer, me());
    Guard guard(worker);
    --delayed.work.canceling;
}

void wait_for(const char* call, Flush& flush) {
    as_linux(call, [&] { static_cast<void>(flush.done.wait(me(), kForever, call)); });
}

void flush_item(KthreadWork& item) {
    KthreadWorker* const worker = worker_of(item);
    if (worker == nullptr) return;
    Flush flush;
    {
        Guard guard(*worker);
        if (!item.node.empty())
            insert_locked(*worker, flush.item, *item.node.next);
        else if (worker->running == &item)
            insert_locked(*worker, flush.item, *worker->items.next);
        else
            return;
    }
    wait_for("kthread_flush_work", flush);
}

bool cancel(KthreadWork& item, KthreadDelayedWork* delayed) {
    KthreadWorker* const worker = worker_of(item);
    if (worker == nullptr) return false;  // never queued
    if (delayed != nullptr) stop_timer(*worker, *delayed);
    bool was_pending = false;
    {
        Guard guard(*worker);
        was_pending = !item.node.empty();
        if (was_pending) item.node.remove();
        if (worker->running != &item) return was_pending;
        ++item.canceling;  // it may queue itself as long as it runs
    }
    flush_item(item);
    Guard guard(*worker);
    --item.canceling;
    return was_pending;
}

KthreadWorker* create(unsigned flags, const std::string& name, const void* made_by, int cpu) {
    auto* worker = new KthreadWorker{};
    worker->items.init();
    worker->delayed.init();
    worker->flags = flags;
    worker->made_by = made_by;
    Task* const task = create_kthread("kthread_create_worker", &bh_linux_kthread_worker_fn, worker, name, cpu);
    const auto value = reinterpret_cast<std::intptr_t>(task);
    if (value < 0 && value >= -4095) {
        delete worker;
        return reinterpret_cast<KthreadWorker*>(value);
    }
    worker->task = task;
    wake_kthread(here(), task);
    return worker;
}

}  // namespace

extern "C" {

void bh_linux_kthread_init_worker(KthreadWorker* worker) {
    new (worker) KthreadWorker{};
    worker->items.init();
    worker->delayed.init();
}

int bh_linux_kthread_worker_fn(void* arg) {
    KthreadWorker& worker = *static_cast<KthreadWorker*>(arg);
    Task& self = me();
    {
        Guard guard(worker);
        worker.task = &self;
    }
    for (;;) {
        // Before it looks for an item: what is queued after kthread_stop() stays.
        const bool stop = bh_linux_kthread_should_stop();
        KthreadWork* item = nullptr;
        {
            Guard guard(worker);
            if (stop) {
                worker.task = nullptr;
                worker.running = nullptr;
                return 0;
            }
            if (!worker.items.empty()) {
                item = reinterpret_cast<KthreadWork*>(worker.items.next);
                item->node.remove();
            }
            worker.running = item;
        }
        if (item == nullptr) {
            task_sleep(self, kForever, "kthread_worker_fn");
            continue;
        }
        order_acquire(item);
        item->func(item);
    }
}

KthreadWorker* bh_linux_kthread_create_worker(unsigned flags, const char* namefmt, ...) {
    va_list args;
    va_start(args, namefmt);
    const std::string name = format(namefmt, args);
    va_end(args);
    return create(flags, name, namefmt, kCpuUnbound);
}
KthreadWorker* bh_linux_kthread_create_worker_on_cpu(int cpu, unsigned flags, const char* namefmt, ...) {
    va_list args;
    va_start(args, namefmt);
    const std::string name = format(namefmt, args);
    va_end(args);
    return create(flags, name, namefmt, cpu);
}

bool bh_linux_kthread_queue_work(KthreadWorker* worker, KthreadWork* item) {
    Guard guard(deref(worker, "kthread_queue_work"));
    if (blocked_locked(*item)) return false;
    insert_locked(*worker, *item, worker->items);
    return true;
}
bool bh_linux_kthread_queue_delayed_work(KthreadWorker* worker, KthreadDelayedWork* delayed, unsigned long delay) {
    Guard guard(deref(worker, "kthread_queue_delayed_work"));
    return !blocked_locked(delayed->work) && queue_delayed_locked(*worker, *delayed, delay);
}
// RETURNS: false when it was idle.
bool bh_linux_kthread_mod_delayed_work(KthreadWorker* worker, KthreadDelayedWork* delayed, unsigned long delay) {
    KthreadWork& item = delayed->work;
    if (worker_of(item) != nullptr) stop_timer(*worker, *delayed);
    Guard guard(*worker);
    if (item.canceling != 0) return true;  // somebody cancels it, and wins
    const bool was_pending = !item.node.empty();
    if (was_pending) item.node.remove();
    queue_delayed_locked(*worker, *delayed, delay);
    return was_pending;
}
void bh_linux_kthread_delayed_work_timer_fn(Timer* timer) {
    auto* const delayed = container_of(timer, &KthreadDelayedWork::timer);
    KthreadWorker* const worker = worker_of(delayed->work);
    if (worker == nullptr) {
        warn_once(here(), "kthread_delayed_work_timer_fn", "kthread_delayed_work_timer_fn: the item has no worker");
        return;
    }
    Guard guard(*worker);
    if (delayed->work.node.empty()) return;
    delayed->work.node.remove();
    if (delayed->work.canceling == 0) insert_locked(*worker, delayed->work, worker->items);
}

void bh_linux_kthread_flush_work(KthreadWork* item) { flush_item(*item); }
void bh_linux_kthread_flush_worker(KthreadWorker* worker) {
    Flush flush;
    bh_linux_kthread_queue_work(worker, &flush.item);
    wait_for("kthread_flush_worker", flush);
}
bool bh_linux_kthread_cancel_work_sync(KthreadWork* item) { return cancel(*item, nullptr); }
bool bh_linux_kthread_cancel_delayed_work_sync(KthreadDelayedWork* delayed) { return cancel(delayed->work, delayed); }

void bh_linux_kthread_destroy_worker(KthreadWorker* worker) {
    if (deref(worker, "kthread_destroy_worker").task == nullptr) {
        warn(here(), "kthread_destroy_worker", "kthread_destroy_worker: the worker has no thread");
        return;
    }
    bh_linux_kthread_flush_worker(worker);
    bh_linux_kthread_stop(worker->task);
    if (!worker->items.empty() || !worker->delayed.empty())
        warn(here(), "kthread_destroy_worker",
             "kthread_destroy_worker: items are still queued or delayed; kthread_cancel_delayed_work_sync() comes "
             "first");
    else
        delete worker;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
