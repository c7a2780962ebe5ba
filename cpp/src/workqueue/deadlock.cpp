#include "bottomhalf/workqueue/deadlock.hpp"

#include <algorithm>

#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

using namespace work_data;

namespace {

// Whose items share a limit: those of a pool workqueue, or of all that have one node. In an ordered workqueue one item
// is active, in whichever of its pool workqueues: after a change of its attributes the later ones wait for the older.
const void* limit_group(const PoolWorkqueue& pwq) noexcept {
    if (pwq.wq->ordered()) return pwq.wq;
    return pwq.node != nullptr ? static_cast<const void*>(pwq.node) : &pwq;
}

// Under the pool's lock. Frozen workqueues have no place at all, until they are thawed.
int limit_of(PoolWorkqueue& pwq) noexcept {
    int limit = pwq.max_active;
    if (pwq.node != nullptr) {
        RawGuard guard(pwq.node->lock);
        limit = pwq.node->max;
    }
    return limit > 0 ? limit : pwq.wq->max_active();
}

bool runs_item(const Task& task) noexcept { return task.worker != nullptr && task.worker->current_work != nullptr; }

}  // namespace

WaitSearch::WaitSearch(Domain& domain, const WaitScope& start, bool named) : domain_(domain), named_(named) {
    node_of(start);
}

WaitSearch::~WaitSearch() {
    for (const Node& node : nodes_)
        if (node.scope != nullptr) node.scope->search_ = nullptr;
}

std::size_t WaitSearch::node_of(const WaitScope& scope) {
    if (scope.search_ != this) {
        scope.search_ = this;
        scope.node_ = nodes_.size();
        nodes_.push_back({&scope, &scope.wait_});
    }
    return scope.node_;
}

void WaitSearch::until_ended(const Task& task) {
    // Who does not wait, or in a way that is not known here, is in nobody's way for ever.
    if (task.waits_for == nullptr) return;
    const std::size_t node = node_of(*static_cast<const WaitScope*>(task.waits_for));
    nodes_[current_].obstacles.push_back({1, {node}});
}

void WaitSearch::until_released(const Task* owner) {
    for (ListNode* n = domain_.holders.begin(); n != domain_.holders.end(); n = n->next) {
        const WaitScope& scope = *container_of(n, &WaitScope::holder_node_);
        if (&scope.self_ != owner) continue;
        Obstacle obstacle{1, {node_of(scope)}};
        obstacle.mutex = true;
        nodes_[current_].obstacles.push_back(std::move(obstacle));
    }
}

void WaitSearch::until_run(const Work& item, std::uint64_t word) {
    PoolWorkqueue& pwq = *pwq_of(word);
    // It never overlaps with itself.
    const Worker* worker = pwq.pool->find_executing(&item);
    if (worker != nullptr && worker->task != nullptr) until_done(*worker);
    if ((word & kInactive) == 0) return;
    const int limit = limit_of(pwq);
    std::string text, name;
    if (named_) {
        text = "max_active=" + std::to_string(limit) + " of workqueue '" + pwq.wq->name() + "'";
        name = describe_function(domain_, &item, item.func);
    }
    const std::size_t group = group_of(limit_group(pwq), std::move(text));
    nodes_[current_].obstacles.push_back({static_cast<std::size_t>(limit), {}, false, group, std::move(name)});
}

void WaitSearch::until_any(const std::vector<const Wait*>& waits, std::string text) {
    Obstacle any{waits.size(), {}, true, kNone, std::move(text)};
    for (const Wait* wait : waits) {
        any.nodes.push_back(nodes_.size());
        nodes_.push_back({nullptr, wait});
    }
    nodes_[current_].obstacles.push_back(std::move(any));
}

std::size_t WaitSearch::group_of(const void* key, std::string limit) {
    for (std::size_t i = 0; i < groups_.size(); ++i)
        if (groups_[i].key == key) return i;
    groups_.push_back({key, std::move(limit), {}});
    return groups_.size() - 1;
}

// What stands in the way of one wait.
void WaitSearch::explore(std::size_t node) {
    current_ = node;
    const std::size_t known = groups_.size();
    nodes_[node].wait->obstacles(*this);
    for (std::size_t g = known; g < groups_.size(); ++g) {
        std::vector<std::size_t> users;
        domain_.workqueues->for_each_pool([&](WorkerPool& pool) {
            RawGuard guard(pool.lock);
            for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
                const Worker* w = container_of(n, &Worker::pool_node);
                if (w->current_work == nullptr || w->task == nullptr || (w->current_word & kInactive) != 0 ||
                    limit_group(*w->current_pwq) != groups_[g].key || w->task->waits_for == nullptr)
                    continue;
                users.push_back(node_of(*static_cast<const WaitScope*>(w->task->waits_for)));
            }
            // An item that is active again, and cannot begin before its own run that waits has ended.
            const auto again = [&](List& list) {
                for (ListNode* n = list.begin(); n != list.end(); n = n->next) {
                    const Work* item = container_of(n, &Work::entry);
                    const std::uint64_t word = item->data.load(std::memory_order_relaxed);
                    const PoolWorkqueue* pwq = pwq_of(word);
                    if (pwq == nullptr || (word & kInactive) != 0 || limit_group(*pwq) != groups_[g].key) continue;
                    const Worker* w = pool.find_executing(item);
                    if (w != nullptr && w->task != nullptr && w->task->waits_for != nullptr)
                        users.push_back(node_of(*static_cast<const WaitScope*>(w->task->waits_for)));
                }
            };
            for (List* list : {&pool.worklist, &pool.outside.held, &pool.inside.held}) again(*list);
            for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next)
                again(container_of(n, &Worker::pool_node)->scheduled);
        });
        groups_[g].nodes = std::move(users);
    }
    // A limit that is not used up by waits: an item that does not wait, or has not begun yet, will make room.
    std::erase_if(nodes_[node].obstacles, [&](const Obstacle& o) { return nodes_of(o).size() < o.limit; });
}

bool WaitSearch::stands(const Obstacle& obstacle) const {
    std::size_t stuck = 0;
    for (std::size_t node : nodes_of(obstacle))
        if (nodes_[node].stuck && ++stuck == obstacle.limit) return true;
    return false;
}

// Whoever can go on is taken away until nobody is left who can.
bool WaitSearch::stuck() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        explore(i);
        // The usual case: what is waited for runs without waiting itself, or can start.
        if (nodes_[0].obstacles.empty()) return false;
    }
    for (bool changed = true; changed && nodes_[0].stuck;) {
        changed = false;
        for (Node& node : nodes_) {
            if (!node.stuck) continue;
            std::erase_if(node.obstacles, [&](const Obstacle& o) { return !stands(o); });
            if (!node.obstacles.empty()) continue;
            node.stuck = false;
            changed = true;
        }
    }
    return nodes_[0].stuck;
}

// Every task of a stuck wait sleeps in its item, so the items are there to be named.
std::string WaitSearch::name(std::size_t node) {
    const Task& task = nodes_[node].scope->self_;
    if (!runs_item(task)) return std::string("task ") + task.name;
    const Worker& w = *task.worker;
    return describe_function(domain_, w.current_work, w.current_func) + " (" + task.name + ", workqueue '" +
           w.current_pwq->wq->name() + "')";
}

std::string WaitSearch::chain() {
    constexpr std::size_t kNamed = 8;  // of those that use a limit up; the chain itself is named whole
    std::string text = name(0);
    std::vector<bool> seen(nodes_.size());
    bool limited = false, locked = false, place = false;
    for (std::size_t at = 0; !seen[at];) {
        seen[at] = true;
        const Obstacle& o = nodes_[at].obstacles.front();
        std::vector<std::size_t> stuck;
        for (std::size_t node : nodes_of(o))
            if (nodes_[node].stuck) stuck.push_back(node);
        // On with one that has not been named yet, if there is any.
        std::size_t next = stuck.front();
        for (std::size_t node : stuck)
            if (!seen[node]) next = node;
        if (o.any && !o.held_back.empty()) {
            place = true;
            text += " waits for " + o.held_back + ", and so";
        } else if (o.any) {
            text += " waits for the first of " + std::to_string(o.nodes.size()) + " items to end, one of which";
        } else if (o.group == kNone) {
            locked |= o.mutex;
            text += (o.mutex ? " waits for a mutex of " : " waits for ") + name(next);
        } else {
            limited = true;
            text += " waits for " + o.held_back + ", held back by " + groups_[o.group].limit + " behind ";
            std::size_t named = 0;
            for (std::size_t node : stuck)
                if (node != next && named++ < kNamed) text += name(node) + ", ";
            if (named > kNamed) text += "..., ";
            text += (named != 0 ? "and " : "") + name(next);
        }
        if (!seen[next] && !o.any) text += ", which";
        at = next;
    }
    if (place) return text + "; raise max_active or queue_depth, or submit from outside the workqueue";
    if (limited)
        return text +
               "; raise max_active, give what is waited for a workqueue of its own, or let the item end instead "
               "of waiting";
    if (locked) return text + "; unlock the mutex before waiting, or take mutexes in one order everywhere";
    return text + "; let one of them not wait, or move its wait out of the item";
}

void ItemWait::obstacles(WaitSearch& search) const {
    if (over_.done()) return;
    const std::uint64_t seen = item_.data.load();
    PoolWorkqueue* pwq = pwq_of(seen);
    PoolRef pool(pwq != nullptr ? pwq->pool->id : pool_id(seen));
    if (!pool) return;
    RawGuard guard(pool->lock);
    pool->splice_inbox();
    const std::uint64_t word = item_.data.load();
    pwq = pwq_of(word);
    if (pwq == nullptr) {
        if (Worker* worker = pool->find_executing(&item_)) search.until_done(*worker);
    } else if (pwq->pool == pool.get() && (word & kInbox) == 0) {
        search.until_run(item_, word);
    }
}

void OwnerWait::obstacles(WaitSearch& search) const { search.until_released(owner_.load()); }

void AnyWait::obstacles(WaitSearch& search) const { search.until_any(waits_); }

WaitScope::WaitScope(Task& self, const Wait& wait, Nanoseconds deadline, const char* call) : self_(self), wait_(wait) {
    // Nobody can wait for a thread that only called in and holds nothing, and a wait with a time limit ends.
    if (deadline != kForever || (self.adopted && self.nr_mutexes == 0 && !runs_item(self))) return;
    Domain& domain = *self.domain.load();
    std::string chain;
    {
        RawGuard guard(domain.wait_graph);
        self.waits_for = this;
        if (self.nr_mutexes != 0) domain.holders.push_back(holder_node_);
        if (WaitSearch(domain, *this, false).stuck()) {
            // Once more, for the names; somebody may have cancelled an item meanwhile.
            WaitSearch named(domain, *this, true);
            if (named.stuck()) chain = named.chain();
        }
        if (!chain.empty()) leave();
    }
    if (!chain.empty()) throw DeadlockError(std::string(call) + " would wait for ever: " + chain);
    entered_ = true;
}

WaitScope::~WaitScope() {
    if (!entered_) return;
    RawGuard guard(self_.domain.load()->wait_graph);
    leave();
}

void WaitScope::leave() {
    self_.waits_for = nullptr;
    if (holder_node_.linked()) holder_node_.unlink();
}

void wait_for_owner(Domain&, Task& self, const Atomic<Task*>& owner, const char* call, void (*wait)(void*), void* arg) {
    const OwnerWait owned(owner);
    WaitScope scope(self, owned, kForever, call);
    wait(arg);
}

std::string find_stuck_wait(Domain& domain) {
    RawGuard guard(domain.wait_graph);
    std::vector<const WaitScope*> scopes;
    domain.for_each_task([&](Task& task) {
        if (task.waits_for != nullptr) scopes.push_back(static_cast<const WaitScope*>(task.waits_for));
    });
    for (const WaitScope* scope : scopes) {
        WaitSearch search(domain, *scope, true);
        if (search.stuck()) return search.chain();
    }
    return {};
}

}  // namespace bottomhalf
