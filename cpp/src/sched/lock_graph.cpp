#include "bottomhalf/sched/lock_graph.hpp"

#include <algorithm>

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

namespace {
// The graphs of the calling thread: a simulated machine's objects die there, or nobody minds.
std::vector<LockGraph*>& graphs() {
    thread_local std::vector<LockGraph*> all;
    return all;
}
}  // namespace

LockGraph::LockGraph() { graphs().push_back(this); }
LockGraph::~LockGraph() { std::erase(graphs(), this); }

LockGraph::Node& LockGraph::node_of(const void* node, const std::string& what) {
    Node& n = nodes_[node];
    if (n.what.empty()) n.what = what + " #" + std::to_string(++numbered_);
    return n;
}

std::string LockGraph::name(const void* node) const {
    auto it = nodes_.find(node);
    return it != nodes_.end() ? it->second.what : "?";
}

bool LockGraph::path(const void* from, const void* to, std::vector<const Edge*>& edges,
                     std::vector<const void*>& seen) const {
    auto it = nodes_.find(from);
    if (it == nodes_.end()) return false;
    for (const Edge& edge : it->second.after) {
        edges.push_back(&edge);
        if (edge.to == to) return true;
        if (std::find(seen.begin(), seen.end(), edge.to) == seen.end()) {
            seen.push_back(edge.to);
            if (path(edge.to, to, edges, seen)) return true;
        }
        edges.pop_back();
    }
    return false;
}

void LockGraph::before(Task& self, const void* node, const std::string& what) {
    auto held = held_.find(&self);
    if (held == held_.end() || held->second.empty()) return;
    node_of(node, what);
    for (const void* h : held->second) {
        if (h == node) continue;  // waiting for oneself is the callee's to report
        Node& holder = nodes_[h];
        const bool known = std::any_of(holder.after.begin(), holder.after.end(), [&](Edge& e) { return e.to == node; });
        if (known) continue;
        std::vector<const Edge*> edges;
        std::vector<const void*> seen;
        if (path(node, h, edges, seen)) {
            std::string text = "possible circular locking dependency: " + describe_task(self) + " takes " + name(node) +
                               " while it holds " + name(h) + ", but before:";
            for (const Edge* edge : edges) text += " " + edge->where + ";";
            throw DeadlockError(text +
                                " two tasks that do both at once wait for each other for ever; take them in one order");
        }
        holder.after.push_back({node, std::string(self.name) + " took " + name(node) + " while it held " + name(h)});
    }
}

void LockGraph::taken(Task& self, const void* node, const std::string& what) {
    ++node_of(node, what).count;
    held_[&self].push_back(node);
}

void LockGraph::released(Task& self, const void* node) noexcept {
    auto held = held_.find(&self);
    if (held == held_.end()) return;
    auto it = std::find(held->second.rbegin(), held->second.rend(), node);
    if (it != held->second.rend()) held->second.erase(std::next(it).base());
    // Tasks come and go, and another may be at this address next.
    if (held->second.empty()) held_.erase(held);
}

void LockGraph::check_context(Task& self, const void* lock, bool bh_off, bool irqs_off) {
    Node& node = node_of(lock, "spin lock");
    const bool hardirq = preempt::in_hardirq(self.preempt_count);
    const bool softirq = !hardirq && preempt::in_serving_softirq(self.preempt_count);
    irqs_off = irqs_off || self.irqs_off != 0 || hardirq;
    bh_off = bh_off || irqs_off || preempt::in_softirq(self.preempt_count);
    const auto complain = [&](const std::string& interrupt, const char* kind, const std::string& open,
                              const char* form) {
        throw MisuseError("inconsistent-lock-state",
                          "inconsistent lock state: " + node.what + " is taken in a " + kind + " (by " + interrupt +
                              ") and with those enabled (by " + open + "): a " + kind +
                              " that comes while the latter holds it on the same CPU spins for ever; take it with " +
                              form + " there");
    };
    const std::string me = describe_task(self);
    const auto first = [&](const std::string& where, bool now) { return where.empty() && now ? me : where; };
    const std::string in_softirq = first(node.in_softirq, softirq), bh_on = first(node.with_bh_on, !bh_off);
    if (!in_softirq.empty() && !bh_on.empty()) complain(in_softirq, "softirq", bh_on, "lock.bh() (spin_lock_bh)");
    const std::string in_hardirq = first(node.in_hardirq, hardirq), irqs_on = first(node.with_irqs_on, !irqs_off);
    if (!in_hardirq.empty() && !irqs_on.empty())
        complain(in_hardirq, "hard interrupt", irqs_on, "lock.irqsave() (spin_lock_irqsave)");
    // Nothing is kept of a use that was refused.
    node.in_softirq = in_softirq;
    node.with_bh_on = bh_on;
    node.in_hardirq = in_hardirq;
    node.with_irqs_on = irqs_on;
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
    if (nodes_.erase(node) == 0) return;
    for (auto& [address, n] : nodes_) std::erase_if(n.after, [&](const Edge& e) { return e.to == node; });
    for (auto& [task, held] : held_) std::erase(held, node);
}

void LockGraph::forget(const void* node) noexcept {
    if (g_simulated_machines.load(std::memory_order_relaxed) == 0) return;
    for (LockGraph* graph : graphs()) graph->drop(node);
}

}  // namespace bottomhalf
