#include "bottomhalf/sync/spin_lock.hpp"

namespace bottomhalf {

namespace {
struct Parked {
    Task* task;
    ListNode node;
};
std::string lock_name() { return "spin lock"; }
void disable(Task& self, SpinKind kind) {
    if (kind == SpinKind::bh) local_bh_disable(self);
    if (kind == SpinKind::irqsave) local_irq_save(self);
    preempt_disable(self);
}
void enable(Task& self, SpinKind kind) {
    preempt_enable(self);
    if (kind == SpinKind::irqsave) local_irq_restore(self);
    if (kind == SpinKind::bh) local_bh_enable(self);
}
}  // namespace

bool SpinLock::acquire(Task& self) noexcept {
    Task* none = nullptr;
    if (!owner_.compare_exchange(none, &self)) return false;
    order_acquire(this);
    if (LockGraph* graph = lock_graph_of(self)) [[unlikely]]
        graph->taken(self, this, lock_name);
    return true;
}

void SpinLock::check(Task& self, SpinKind kind) {
    LockGraph* graph = lock_graph_of(self);
    if (graph == nullptr) [[likely]]
        return;
    graph->check_context(self, this, kind == SpinKind::bh, kind == SpinKind::irqsave);
    graph->before(self, this, lock_name);
}

bool SpinLock::try_lock(Task& self, SpinKind kind) {
    explore_point();
    disable(self, kind);
    if (acquire(self)) return true;
    enable(self, kind);
    return false;
}

void SpinLock::lock(Task& self, SpinKind kind) {
    if (owner_.load() == &self)
        throw DeadlockError("spin_lock: " + describe_task(self) + " holds this lock already; it does not nest");
    check(self, kind);
    explore_point();
    disable(self, kind);
    Substrate& substrate = *self.domain.load(std::memory_order_relaxed)->substrate;
    if (!substrate.simulated()) {
        for (int turn = 0; turn < 200; ++turn) {
            if (acquire(self)) return;
            spin_pause();
        }
    } else if (acquire(self)) {
        return;
    }
    Parked me{&self, {}};
    parked_.fetch_add(1u);
    for (;;) {
        {
            RawGuard guard(wait_lock_);
            if (!me.node.linked()) waiting_.push_back(me.node);
        }
        if (acquire(self)) break;
        substrate.block(self, kForever);
    }
    {
        RawGuard guard(wait_lock_);
        if (me.node.linked()) me.node.unlink();
    }
    parked_.fetch_sub(1u);
}

void SpinLock::unlock(Task& self, SpinKind kind) {
    if (owner_.load() != &self)
        throw MisuseError("spinlock-not-owner", "spin_unlock: " + describe_task(self) + " does not hold this lock");
    if (LockGraph* graph = lock_graph_of(self)) [[unlikely]]
        graph->released(self, this);
    order_release(this);
    owner_.exchange(nullptr);
    if (parked_.load() != 0) {
        RawGuard guard(wait_lock_);
        if (ListNode* node = waiting_.pop_front())
            self.domain.load()->substrate->wake(*container_of(node, &Parked::node)->task);
    }
    enable(self, kind);
    explore_point();
}

}  // namespace bottomhalf
