#include "bottomhalf/workqueue/deadlock.hpp"

#include <algorithm>

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

struct WaitSearch {
    struct Running {
        Task* task;
        const Work* work;
        WorkFunction func;
        const Workqueue* wq;
    };

    Domain& domain;
    const Task& start;
    std::vector<const Task*> seen;
    std::vector<Running> chain;

    // Every task of a closed chain sleeps in a wait of its item, so the items are there to be named.
    std::string name(const Running& r) {
        return describe_function(domain, r.work, r.func) + " (" + r.task->name + ", workqueue '" + r.wq->name() + "')";
    }

    // The workers that must finish before a wait for this item, or this workqueue, ends.
    std::vector<Running> running(const Work* item, const Workqueue* wq) {
        std::vector<Running> out;
        domain.workqueues->for_each_pool([&](WorkerPool& pool) {
            RawGuard guard(pool.lock);
            for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
                Worker* w = container_of(n, &Worker::pool_node);
                if (w->current_work == nullptr || w->task == nullptr) continue;
                if (w->current_work != item && (wq == nullptr || w->current_pwq->wq != wq)) continue;
                out.push_back({w->task, w->current_work, w->current_func, w->current_pwq->wq});
            }
        });
        return out;
    }

    bool reaches_start(const WaitScope& wait) {
        for (Running& r : running(wait.item_, wait.wq_)) {
            chain.push_back(r);
            if (r.task == &start) return true;
            if (std::find(seen.begin(), seen.end(), r.task) == seen.end()) {
                seen.push_back(r.task);
                auto* next = static_cast<const WaitScope*>(r.task->waits_for);
                if (next != nullptr && reaches_start(*next)) return true;
            }
            chain.pop_back();
        }
        return false;
    }
};

WaitScope::WaitScope(Task& self, const Work* item, const Workqueue* wq, const char* call)
    : self_(self), item_(item), wq_(wq) {
    // Nobody can wait for a task that runs no item.
    if (self.worker == nullptr || self.worker->current_work == nullptr) return;
    Domain& domain = *self.domain.load();
    RawGuard guard(domain.wait_graph);
    WaitSearch search{domain, self, {}, {}};
    if (search.reaches_start(*this)) {
        std::string text = std::string(call) + " would wait for ever: ";
        text += search.name(search.chain.back());
        for (auto& link : search.chain) text += " waits for " + search.name(link);
        throw DeadlockError(text + "; let one of them not wait, or move its wait out of the item");
    }
    self.waits_for = this;
    entered_ = true;
}

WaitScope::~WaitScope() {
    if (!entered_) return;
    RawGuard guard(self_.domain.load()->wait_graph);
    self_.waits_for = nullptr;
}

}  // namespace bottomhalf
