// LockGraph: in which order a simulated machine's tasks take its locks (Linux: lockdep).
//
// Locks, items and workqueues are nodes: a handler holds its item and its workqueue while it runs, and a flush takes
// them for a moment. An order that contradicts an earlier one is reported at once, although this run did not hang.
//
// Thread safety: none; the machine's own thread. Only simulated machines have one: what it costs is too much elsewhere.
#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

class LockGraph {
public:
    LockGraph();
    ~LockGraph();
    LockGraph(const LockGraph&) = delete;
    LockGraph& operator=(const LockGraph&) = delete;

    // The task is about to wait for the node: from here on the node has its order. what(): "mutex", "item f", ...;
    // called for a node that is new. Throws DeadlockError, naming both sides, when a node that the task holds was taken
    // the other way round before.
    template <class What>
    void before(Task& self, const void* node, What&& what) {
        auto held = held_.find(&self);
        if (held == held_.end()) return;
        node_of(node, what);
        order(self, node, held->second);
    }
    template <class What>
    void taken(Task& self, const void* node, What&& what) {
        Node& n = node_of(node, what);
        ++n.count;
        ++n.holders;
        held_[&self].push_back(node);
    }
    void released(Task& self, const void* node) noexcept;
    // A spin lock about to be taken, and how: throws MisuseError("inconsistent-lock-state") when softirqs (or hard
    // interrupts) take it too, and one could spin for ever on this CPU.
    void check_context(Task& self, const void* lock, bool bh_off, bool irqs_off);
    // The node that was taken most often, and how often: "item f #3 (1000 times)", or "".
    std::string busiest() const;
    // The node is gone, and its address may be another's soon. CONTEXT: any thread.
    static void forget(const void* node) noexcept;

private:
    struct Edge {
        const void* to;
        std::string where;  // who took it first, holding what
    };
    struct Node {
        std::string what;
        std::uint64_t count = 0;  // how often it was taken
        unsigned holders = 0;
        // Nodes that were taken while this one was held: in the order of their first time, which every run shares,
        // unlike that of addresses.
        std::list<Edge> after;
        std::unordered_map<const void*, std::list<Edge>::iterator> edge_to;
        std::unordered_set<const void*> edge_from;  // who has this one among its `after`
        // Where it was first taken so, or empty.
        std::string in_softirq, in_hardirq, with_bh_on, with_irqs_on;
    };
    template <class What>
    Node& node_of(const void* node, What&& what) {
        Node& n = nodes_[node];
        if (n.what.empty()) n.what = what() + (" #" + std::to_string(++numbered_));
        return n;
    }
    void order(Task& self, const void* node, const std::vector<const void*>& held);
    bool path(const void* from, const void* to, std::vector<const Edge*>& edges,
              std::unordered_set<const void*>& seen) const;
    void drop(const void* node) noexcept;

    // Not the trace's numbers: a run that is traced is to say the same as one that is not.
    unsigned numbered_ = 0;
    std::unordered_map<const void*, Node> nodes_;
    std::unordered_map<const Task*, std::vector<const void*>> held_;  // only of tasks that hold something
};

// The graph of the task's machine, or null on the host.
LockGraph* lock_graph_of(const Task& task) noexcept;

}  // namespace bottomhalf
