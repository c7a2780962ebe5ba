#include "bottomhalf/sched/lock_graph.hpp"

#include <algorithm>
#include <iterator>

#include "bottomhalf/base/thread_number.hpp"
#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

LockGraph::LockGraph() { ThreadsOwn<LockGraph>::instance().add(*this); }
LockGraph::~LockGraph() { ThreadsOwn<LockGraph>::instance().remove(*this); }

LockGraph* lock_graph_of(const Task& task) noexcept {
    const Domain* domain = task.domain.load(std::memory_order_relaxed);
    return domain != nullptr ? domain->lock_graph.get() : nullptr;
}

bool LockGraph::path(const void* from, const void* to, std::vector<const Edge*>& edges,
                     std::unordered_set<const void*>& seen) const {
    auto it = nodes_.find(from);
    if (it == nodes_.end()) return false;
    for (const Edge& edge : it->second.after) {
        edges.push_back(&edge);
        if (edge.to == to || (seen.insert(edge.to).second && path(edge.to, to, edges, seen))) return true;
        edges.pop_back();
    }
    return false;
}

void LockGraph::order(Task& self, const void* node, const std::vector<const void*>& held) {
    Node& wanted = nodes_.at(node);
    for (const void* h : held) {
        Node& holder = nodes_.at(h);
        // Waiting for oneself is the callee's to report.
        if (h == node || holder.edge_to.contains(node)) continue;
        std::vector<const Edge*> edges;
        std::unordered_set<const void*> seen;
        if (path(node, h, edges, seen)) {
            std::string text = "possible circular locking dependency: " + describe_task(self) + " takes " +
                               wanted.what + " while it holds " + holder.what + ", but before:";
            for (const Edge* edge : edges) text += " " + edge->where + ";";
            throw DeadlockError(text +
                                " two tasks that do both at once wait for each other for ever; take them in one order");
        }
        holder.after.push_back(
            {node, std::string(self.name) + " took " + wanted.what + " while it held " + holder.what});
        holder.edge_to.emplace(node, std::prev(holder.after.end()));
        wanted.edge_from.insert(h);
    }
}

void LockGraph::released(Task& self, const void* node) noexcept {
    auto held = held_.find(&self);
    if (held == held_.end()) return;
    auto it = std::find(held->second.rbegin(), held->second.rend(), node);
    if (it != held->second.rend()) {
        held->second.erase(std::next(it).base());
        --nodes_.at(node).holders;
    }
    // Tasks come and go, and another may be at this address next.
    if (held->second.empty()) held_.erase(held);
}

void LockGraph::check_context(Task& self, const void* lock, bool bh_off, bool irqs_off) {
    Node& node = node_of(lock, [] { return std::string("spin lock"); });
    const bool hardirq = preempt::in_hardirq(self.preempt_count);
    const bool softirq = !hardirq && preempt::in_serving_softirq(self.preempt_count);
    irqs_off = irqs_off || self.irqs_off != 0 || hardirq;
    bh_off = bh_off || irqs_off || preempt::in_softirq(self.preempt_count);
    const auto check = [&](std::string& in_interrupt, bool is_interrupt, std::string& open, bool is_open,
                           const char* kind, const char* form) {
        const bool first_in = is_interrupt && in_interrupt.empty(), first_open = is_open && open.empty();
        if (!first_in && !first_open) return;
        const std::string me = describe_task(self);
        const std::string &inside = first_in ? me : in_interrupt, &outside = first_open ? me : open;
        if (!inside.empty() && !outside.empty())
            throw MisuseError(
                "inconsistent-lock-state",
                "inconsistent lock state: " + node.what + " is taken in a " + kind + " (by " + inside +
                    ") and with those enabled (by " + outside + "): a " + kind +
                    " that comes while the latter holds it on the same CPU spins for ever; take it with " + form +
                    " there");
        // Nothing is kept of a use that was refused.
        (first_in ? in_interrupt : open) = me;
    };
    check(node.in_softirq, softirq, node.with_bh_on, !bh_off, "softirq", "lock.bh() (spin_lock_bh)");
    check(node.in_hardirq, hardirq, node.with_irqs_on, !irqs_off, "hard interrupt",
          "lock.irqsave() (spin_lock_irqsave)");
}

std::string LockGraph::busiest() const {
    const Node* best = nullptr;
    for (auto& [address, node] : nodes_) {
        // Every item of a workqueue takes that too: the item says more. Names break ties, or addresses would.
        if (node.what.starts_with("workqueue")) continue;
        if (best == nullptr || node.count > best->count || (node.count == best->count && node.what < best->what))
            best = &node;
    }
    return best == nullptr ? "" : best->what + " (" + std::to_string(best->count) + " times)";
}

void LockGraph::drop(const void* node) noexcept {
    auto it = nodes_.find(node);
    if (it == nodes_.end()) return;
    Node& n = it->second;
    for (const Edge& edge : n.after) nodes_.at(edge.to).edge_from.erase(node);
    for (const void* from : n.edge_from) {
        Node& holder = nodes_.at(from);
        holder.after.erase(holder.edge_to.at(node));
        holder.edge_to.erase(node);
    }
    // An item may be freed by its own handler.
    if (n.holders != 0) {
        for (auto& [task, held] : held_) std::erase(held, node);
        std::erase_if(held_, [](auto& entry) { return entry.second.empty(); });
    }
    nodes_.erase(it);
}

void LockGraph::forget(const void* node) noexcept {
    if (g_simulated_machines.load(std::memory_order_relaxed) == 0) return;
    // A simulated machine's objects die on its own thread, or nobody minds.
    ThreadsOwn<LockGraph>::instance().for_each_of_mine([&](LockGraph& graph) { graph.drop(node); });
}

}  // namespace bottomhalf
