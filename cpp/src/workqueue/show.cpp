// What is queued and runs, in the format of Linux's show_all_workqueues (sysrq-t).
#include <cstdio>
#include <initializer_list>

#include "bottomhalf/sched/gate.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {

// "f, 3*g, h BAR(12)": equal functions in a row are counted, what is linked follows its item without a comma.
class Listing {
public:
    void add(const std::string& name, bool comma) {
        if (comma && name == last_) {
            ++count_;
            return;
        }
        flush();
        last_ = name;
        comma_ = comma;
        count_ = 1;
    }
    std::string take() {
        flush();
        last_.clear();
        return std::move(text_);
    }

private:
    void flush() {
        if (count_ == 0) return;
        if (!text_.empty()) text_ += comma_ ? ", " : " ";
        if (count_ > 1) text_ += std::to_string(count_) + "*";
        text_ += last_;
        count_ = 0;
    }
    std::string text_, last_;
    bool comma_ = true;
    unsigned count_ = 0;
};

std::string queued_name(Domain& domain, const Work& work) {
    if (WorkqueueSubsystem::is_flush_barrier(work))
        return "BAR(" + std::to_string(WorkqueueSubsystem::barrier_pid(work)) + ")";
    return describe_function(domain, &work, work.func);
}

// The items of this pool workqueue in these lists.
std::string listing(Domain& domain, std::initializer_list<List*> lists, const PoolWorkqueue& pwq) {
    Listing out;
    for (List* list : lists) {
        bool linked = false;
        for (ListNode* n = list->begin(); n != list->end(); n = n->next) {
            const Work* work = container_of(n, &Work::entry);
            const std::uint64_t word = work->data.load(std::memory_order_relaxed);
            if (pwq_of(word) == &pwq) out.add(queued_name(domain, *work), !linked);
            linked = (word & kLinked) != 0;
        }
    }
    return out.take();
}

std::string in_flight(WorkqueueSubsystem& wqs, WorkerPool& pool, const PoolWorkqueue& pwq, Gate* held) {
    std::string out;
    for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
        Worker* w = container_of(n, &Worker::pool_node);
        if (w->current_work == nullptr || w->current_pwq != &pwq) continue;
        out += (out.empty() ? "" : ", ");
        if (w->task == nullptr || pool.kind == PoolKind::bh)
            out += "bh";
        else
            out += std::to_string(w->task->pid.load()) + (w->has(Worker::kRescuer) ? "(RESCUER)" : "");
        out += ":" + wqs.running_name(*w, held);
        const std::string linked = listing(pool.domain, {&w->scheduled}, pwq);
        if (!linked.empty()) out += " " + linked;
    }
    return out;
}

}  // namespace

std::vector<WorkqueueSubsystem::BusyItem> WorkqueueSubsystem::busy_items() {
    std::vector<BusyItem> items;
    for (auto& wq : workqueues()) {
        for (PoolWorkqueue* pwq : wq->pool_workqueues()) {
            WorkerPool& pool = *pwq->pool;
            RawGuard guard(pool.lock);
            pool.splice_inbox();
            const auto add_queued = [&](List& list) {
                for (ListNode* n = list.begin(); n != list.end(); n = n->next) {
                    Work* work = container_of(n, &Work::entry);
                    if (pwq_of(work->data.load(std::memory_order_relaxed)) == pwq && !is_flush_barrier(*work))
                        items.push_back({work, work->func, wq, false});
                }
            };
            add_queued(pool.worklist);
            add_queued(pwq->inactive);
            for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
                Worker* w = container_of(n, &Worker::pool_node);
                add_queued(w->scheduled);
                if (w->in_item() && w->current_pwq == pwq)
                    items.push_back({w->current_work, w->current_func, wq, true});
            }
        }
    }
    return items;
}

Gate* WorkqueueSubsystem::gate_of_running() {
    Gate* gate = nullptr;
    for_each_pool([&](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end() && gate == nullptr; n = n->next)
            if (const Worker* w = container_of(n, &Worker::pool_node); w->current_func != nullptr)
                gate = gate_of(w->current_func);
    });
    return gate;
}

std::string WorkqueueSubsystem::running_name(const Worker& worker, Gate* held) {
    Gate* gate = gate_of(worker.current_func);
    // A running item may be freed by its handler, or go when that returns: behind its gate nobody does that meanwhile.
    if (gate != nullptr && (gate != held || worker.task == nullptr || gate->between(*worker.task))) return "item";
    return describe_function(domain_, worker.current_work, worker.current_func);
}

std::vector<std::string> WorkqueueSubsystem::show_all(Task& self) {
    std::vector<std::string> lines{"Showing busy workqueues and worker pools:"};
    GatePass pass(self);
    pass.want(gate_of_running());
    char text[128];
    for (auto& wq : workqueues()) {
        bool named = false;
        for (PoolWorkqueue* pwq : wq->pool_workqueues()) {
            WorkerPool& pool = *pwq->pool;
            RawGuard guard(pool.lock);
            pool.splice_inbox();
            std::uint64_t in_queue = 0;
            for (auto n : pwq->nr_in_flight) in_queue += n;
            if (!pwq->busy() && in_queue == 0) continue;
            if (!named) {
                std::snprintf(text, sizeof text, "workqueue %s: flags=0x%x", wq->name().c_str(), wq->flags());
                lines.emplace_back(text);
                named = true;
            }
            std::snprintf(text, sizeof text, " active=%d refcnt=%llu%s", pwq->nr_active,
                          static_cast<unsigned long long>(in_queue + 1), pwq->calls ? " MAYDAY" : "");
            lines.push_back("  pwq " + std::to_string(pool.number) + ":" + pool.info() + text);
            const std::pair<const char*, std::string> parts[] = {
                {"in-flight", in_flight(*this, pool, *pwq, pass.held())},
                {"pending", listing(domain_, {&pool.worklist, &pool.outside.held, &pool.inside.held}, *pwq)},
                {"inactive", listing(domain_, {&pwq->inactive}, *pwq)}};
            for (auto& [heading, items] : parts)
                if (!items.empty()) lines.push_back(std::string("    ") + heading + ": " + items);
        }
    }
    for_each_pool([&](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        std::string idle;
        bool busy = false;
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
            const Worker* w = container_of(n, &Worker::pool_node);
            busy = busy || w->current_work != nullptr;
            if (w->task != nullptr && w->has(Worker::kIdle)) idle += " " + std::to_string(w->task->pid.load());
        }
        if (!busy) return;
        const Nanoseconds hung = pool.worklist.empty() ? 0 : watchdog_.hung(pool);
        std::snprintf(text, sizeof text, " hung=%llds workers=%d", static_cast<long long>(hung / kSecond),
                      pool.nr_workers);
        lines.push_back("pool " + std::to_string(pool.number) + ":" + pool.info() + text +
                        (idle.empty() ? "" : " idle:" + idle));
    });
    return lines;
}

}  // namespace bottomhalf
