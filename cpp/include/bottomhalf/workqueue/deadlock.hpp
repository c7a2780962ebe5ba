// Waits that cannot end: the graph of tasks that wait for items, for workqueues and for each other.
//
// A wait without a time limit, of an item, of a task of the machine or of whoever holds a mutex, is a node while it
// lasts. What it waits for are obstacles: "this item must end", "one of those that use max_active up must end", "the
// owner of this mutex must go on". A wait is stuck when one of its obstacles consists of stuck waits only; what is not
// known here (a completion, another lock, a device, a time limit) may always end. Whoever makes a set of waits stuck is
// the last of them to begin, so looking at that moment is enough. Set and searched under the domain's wait_graph lock,
// taken outside the locks of workqueues and pools.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "bottomhalf/workqueue/backlog.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

class WaitScope;
class WaitSearch;

// What one wait needs. It lives as long as the wait.
class Wait {
public:
    virtual ~Wait() = default;
    // Adds what must happen before the wait ends; nothing when it is over already. Under wait_graph.
    virtual void obstacles(WaitSearch& search) const = 0;
};

// The end of an item that is queued once and tells by a completion that it is over (a future).
class ItemWait final : public Wait {
public:
    ItemWait(const Work& item, Completion& over) noexcept : item_(item), over_(over) {}
    void obstacles(WaitSearch& search) const override;

private:
    const Work& item_;
    Completion& over_;
};

// The first of several waits to end.
class AnyWait final : public Wait {
public:
    explicit AnyWait(std::vector<const Wait*> waits) : waits_(std::move(waits)) {}
    void obstacles(WaitSearch& search) const override;

private:
    const std::vector<const Wait*> waits_;
};

// The end of what was queued on a workqueue, by colours.
class FlushWait final : public Wait {
public:
    FlushWait(Workqueue& wq, const Workqueue::Flusher& flusher) noexcept : wq_(wq), flusher_(flusher) {}
    void obstacles(WaitSearch& search) const override;

private:
    Workqueue& wq_;
    const Workqueue::Flusher& flusher_;
};

// A place in the backlog of a workqueue.
class PlaceWait final : public Wait {
public:
    PlaceWait(Workqueue& wq, const Backlog& backlog) noexcept : wq_(wq), backlog_(backlog) {}
    void obstacles(WaitSearch& search) const override;

private:
    // The first of those that one pool workqueue holds back.
    class HeldWait final : public Wait {
    public:
        HeldWait(Workqueue& wq, const PoolWorkqueue* pwq) noexcept : wq_(wq), pwq_(pwq) {}
        void obstacles(WaitSearch& search) const override;

    private:
        Workqueue& wq_;
        const PoolWorkqueue* const pwq_;  // compared only
    };
    Workqueue& wq_;
    const Backlog& backlog_;
    mutable std::deque<HeldWait> held_;  // under wait_graph; of the last look
};

// A mutex that another task has.
class OwnerWait final : public Wait {
public:
    explicit OwnerWait(const Atomic<Task*>& owner) noexcept : owner_(owner) {}
    void obstacles(WaitSearch& search) const override;

private:
    const Atomic<Task*>& owner_;
};

// The calling task waits during this scope. Throws DeadlockError, naming the chain, when the wait could never end.
class WaitScope {
public:
    WaitScope(Task& self, const Wait& wait, Nanoseconds deadline, const char* call);
    ~WaitScope();
    WaitScope(const WaitScope&) = delete;
    WaitScope& operator=(const WaitScope&) = delete;

private:
    friend class WaitSearch;
    void leave();  // under wait_graph
    Task& self_;
    const Wait& wait_;
    bool entered_ = false;
    ListNode holder_node_;                        // in the domain's holders
    mutable const WaitSearch* search_ = nullptr;  // under wait_graph: the search that has it as node_
    mutable std::size_t node_ = 0;                // under wait_graph
};

// Domain::Hooks::wait_for_owner.
void wait_for_owner(Domain& domain, Task& self, const Atomic<Task*>& owner, const char* call, void (*wait)(void*),
                    void* arg);

// Would some wait that lasts never end? Its chain in words, or "". For who takes something away that waits may need.
std::string find_stuck_wait(Domain& domain);

// One look at the graph, from the wait of one task. What Wait::obstacles() calls:
class WaitSearch {
public:
    WaitSearch(const WaitSearch&) = delete;
    WaitSearch& operator=(const WaitSearch&) = delete;
    // Under the lock of the worker's pool: until the item that the worker runs has ended.
    void until_done(const Worker& worker) { until_ended(*worker.task); }
    // Under the lock of its pool, which has spliced its inbox: until this queued item, and what runs of it, has ended.
    void until_run(const Work& item, std::uint64_t word);
    // Until this task has ended. It is kept alive during the call; when its wait is set it stays in that.
    void until_ended(const Task& task);
    // Until this task, which holds what is waited for, goes on. It may be gone: it is compared, never looked at.
    void until_released(const Task* owner);
    // text: what is waited for, where it is not the first of some items to end.
    void until_any(const std::vector<const Wait*>& waits, std::string text = {});

private:
    friend class WaitScope;
    friend std::string find_stuck_wait(Domain& domain);
    static constexpr std::size_t kNone = ~std::size_t{0};
    // Stays while `limit` of its nodes are stuck.
    struct Obstacle {
        std::size_t limit;
        std::vector<std::size_t> nodes;
        bool any = false;           // the nodes are the waits of an AnyWait
        std::size_t group = kNone;  // a limit: its nodes are the group's
        std::string held_back{};    // the item; of `any`: the text
        bool mutex = false;         // the node is the wait of its owner
    };
    // The running items that use a limit up, as far as they wait.
    struct Group {
        const void* key;
        std::string limit;  // "max_active=2 of workqueue 'small'"
        std::vector<std::size_t> nodes;
    };
    struct Node {
        const WaitScope* scope;  // null: one wait of an AnyWait
        const Wait* wait;
        std::vector<Obstacle> obstacles{};
        bool stuck = true;
    };

    WaitSearch(Domain& domain, const WaitScope& start, bool named);
    ~WaitSearch();
    std::size_t node_of(const WaitScope& scope);
    std::size_t group_of(const void* key, std::string limit);
    bool stuck();
    void explore(std::size_t node);
    bool stands(const Obstacle& obstacle) const;
    const std::vector<std::size_t>& nodes_of(const Obstacle& o) const {
        return o.group != kNone ? groups_[o.group].nodes : o.nodes;
    }
    std::string name(std::size_t node);
    std::string chain();

    Domain& domain_;
    const bool named_;         // texts are wanted
    std::vector<Node> nodes_;  // the start first
    std::vector<Group> groups_;
    std::size_t current_ = 0;  // whose obstacles are asked for
};

}  // namespace bottomhalf
