// LockGraph: in which order a simulated machine's tasks take its locks (Linux: lockdep).
//
// Locks, items and workqueues are nodes: a handler holds its item and its workqueue while it runs, and a flush takes
// them for a moment. An order that contradicts an earlier one is reported at once, although this run did not hang.
//
// Thread safety: none; the machine's own thread. Only simulated machines have one: what it costs is too much elsewhere.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

class LockGraph {
public:
    LockGraph();
    ~LockGraph();
    LockGraph(const LockGraph&) = delete;
    LockGraph& operator=(const LockGraph&) = delete;

    // The task is about to wait for the node: by then it has its order. what: "mutex", "spin lock", "item f", ...
    // Throws DeadlockError, naming both sides, when a node that the task holds was taken the other way round before.
    void before(Task& self, const void* node, const std::string& what);
    void taken(Task& self, const void* node, const std::string& what);
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
        std::vector<Edge> after;  // nodes that were taken while this one was held
        // Where it was first taken so, or empty.
        std::string in_softirq, in_hardirq, with_bh_on, with_irqs_on;
    };
    Node& node_of(const void* node, const std::string& what);
    bool path(const void* from, const void* to, std::vector<const Edge*>& edges, std::vector<const void*>& seen) const;
    std::string name(const void* node) const;
    void drop(const void* node) noexcept;

    // Not the trace's numbers: a run that is traced is to say the same as one that is not.
    unsigned numbered_ = 0;
    std::unordered_map<const void*, Node> nodes_;
    std::unordered_map<const Task*, std::vector<const void*>> held_;
};

}  // namespace bottomhalf
