#include "bottomhalf/sched/access_order.hpp"

#include <algorithm>

#include "bottomhalf/base/thread_number.hpp"
#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf {

Atomic<unsigned> g_ordering_machines{0};

namespace {

std::uint64_t next_machine() noexcept {
    static Atomic<std::uint64_t> last{0};
    return last.raw().fetch_add(1) + 1;
}

// From here on flows that ended lend their numbers to new ones, which an access of theirs may then hide. Arbitrary:
// what a clock costs grows with it.
constexpr unsigned kFlowsToSpare = 4096;

std::string place_of(const Place& place) {
    if (place.file == nullptr) return "";
    return std::string(" at ") + place.file + ":" + std::to_string(place.line);
}

}  // namespace

AccessOrder::AccessOrder(Domain& domain)
    : machine_(next_machine()), softirqs_(domain.nr_cpus), hardirqs_(domain.nr_cpus) {
    for (unsigned cpu = 0; cpu < domain.nr_cpus; ++cpu) {
        begin_flow(softirqs_[cpu], "a softirq on CPU " + std::to_string(cpu));
        begin_flow(hardirqs_[cpu], "a hard interrupt on CPU " + std::to_string(cpu));
    }
    ThreadsOwn<AccessOrder>::instance().add(*this);
    g_ordering_machines.raw().fetch_add(1);
}

AccessOrder::~AccessOrder() {
    ThreadsOwn<AccessOrder>::instance().remove(*this);
    g_ordering_machines.raw().fetch_sub(1);
}

AccessOrder* access_order_of(const Task& task) noexcept {
    const Domain* domain = task.domain.load(std::memory_order_relaxed);
    return domain != nullptr ? domain->access_order.get() : nullptr;
}

AccessOrder* AccessOrder::mine() {
    const Task* task = current_task();
    Domain* domain = task != nullptr ? task->domain.load(std::memory_order_relaxed) : nullptr;
    if (domain == nullptr || !domain->simulated || domain->state.load() >= DomainState::halted) return nullptr;
    if (domain->access_order == nullptr) domain->access_order = std::make_unique<AccessOrder>(*domain);
    return domain->access_order.get();
}

void pass_order(const void* object, Handover which, bool release) {
    Task* self = current_task();
    AccessOrder* order = self != nullptr ? access_order_of(*self) : nullptr;
    if (order == nullptr) return;
    if (release)
        order->release(*self, object, which);
    else
        order->acquire(*self, object, which);
}

// --- clocks ---

void AccessOrder::join(Clock& into, const Clock& from) {
    if (into.size() < from.size()) into.resize(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

void AccessOrder::begin_flow(Flow& flow, std::string who) {
    if (next_flow_ >= kFlowsToSpare && !free_flows_.empty()) {
        flow.id = free_flows_.back();
        free_flows_.pop_back();
    } else {
        flow.id = next_flow_++;
    }
    flow.clock = floor_;
    if (flow.clock.size() <= flow.id) flow.clock.resize(flow.id + 1);
    flow.clock[flow.id] = std::max(flow.clock[flow.id], at(gone_, flow.id)) + 1;
    flow.who = std::make_shared<const std::string>(std::move(who));
}

void AccessOrder::end_flow(Flow& flow) {
    join(gone_, flow.clock);
    free_flows_.push_back(flow.id);
}

AccessOrder::TaskFlows& AccessOrder::flows_of(const Task& task) {
    TaskFlows& flows = tasks_[&task];
    if (flows.own == nullptr) {
        flows.own = std::make_unique<Flow>();
        begin_flow(*flows.own, std::string("task ") + task.name);
    }
    return flows;
}

AccessOrder::Flow& AccessOrder::flow_of(Task& self) {
    const auto cpu = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
    if (preempt::in_hardirq(self.preempt_count)) return hardirqs_[cpu];
    if (preempt::in_serving_softirq(self.preempt_count)) return softirqs_[cpu];
    TaskFlows& flows = flows_of(self);
    return flows.runs.empty() ? *flows.own : *flows.runs.back();
}

template <class F>
void AccessOrder::for_each_flow(F&& f) {
    for (auto& [task, flows] : tasks_) f(*flows.own);
    for (auto& [item, flow] : items_) f(*flow);
    for (auto& flow : others_) f(*flow);
    for (Flow& flow : softirqs_) f(flow);
    for (Flow& flow : hardirqs_) f(flow);
}

// --- what the engine tells ---

void AccessOrder::release(Task& self, const void* object, Handover which) {
    Flow& flow = flow_of(self);
    Passed& passed = passed_[object];
    join(which == Handover::begin ? passed.begin : passed.end, flow.clock);
    ++flow.clock[flow.id];
}

void AccessOrder::acquire(Task& self, const void* object, Handover which) {
    auto it = passed_.find(object);
    if (it != passed_.end()) join(flow_of(self).clock, which == Handover::begin ? it->second.begin : it->second.end);
}

void AccessOrder::release_end_if_begun(Task& self, const void* object) {
    if (passed_.contains(object)) release(self, object, Handover::end);
}

AccessOrder::Flow& AccessOrder::flow_of_item(const void* item) {
    auto& flow = items_[item];
    if (flow == nullptr || flow->running) {
        auto fresh = std::make_unique<Flow>();
        begin_flow(*fresh, "");
        fresh->item = item;
        if (flow != nullptr) {
            others_.push_back(std::move(fresh));
            return *others_.back();
        }
        flow = std::move(fresh);
    }
    return *flow;
}

void AccessOrder::begin_run(Task& self, const void* item, const std::function<std::string()>& who) {
    if (preempt::in_interrupt(self.preempt_count)) {
        name_handler(self, who());
    } else {
        TaskFlows& flows = flows_of(self);
        Flow& flow = flow_of_item(item);
        flow.running = true;
        flow.who = std::make_shared<const std::string>(who() + " on " + self.name);
        flows.runs.push_back(&flow);
        join(flow.clock, floor_);
    }
    acquire(self, item, Handover::begin);
    acquire(self, item, Handover::end);
}

void AccessOrder::end_run(Task& self, const void* item) {
    // A softirq runs it, or it had begun when accesses were not compared yet.
    if (preempt::in_interrupt(self.preempt_count) || flows_of(self).runs.empty())
        return release(self, item, Handover::end);
    std::vector<Flow*>& runs = flows_of(self).runs;
    Flow& flow = *runs.back();
    // An item that is gone is waited for by nobody, and another may be at its address.
    if (flow.item != nullptr) release(self, item, Handover::end);
    runs.pop_back();
    flow.running = false;
    auto other = std::find_if(others_.begin(), others_.end(), [&](auto& f) { return f.get() == &flow; });
    if (other == others_.end()) return;
    end_flow(flow);
    others_.erase(other);
}

void AccessOrder::name_handler(Task& self, const std::string& who) {
    Flow& flow = flow_of(self);
    const bool hard = preempt::in_hardirq(self.preempt_count);
    flow.who = std::make_shared<const std::string>(who + (hard ? " (hard interrupt" : " (softirq") + " on CPU " +
                                                   std::to_string(self.cpu.load(std::memory_order_relaxed)) + ")");
}

void AccessOrder::spawned(Task& parent, Task& child) {
    ended(child);
    Flow& flow = *flows_of(child).own;
    Flow& from = flow_of(parent);
    join(flow.clock, from.clock);
    ++from.clock[from.id];
}

void AccessOrder::ended(const Task& task) noexcept {
    auto it = tasks_.find(&task);
    if (it == tasks_.end()) return;
    end_flow(*it->second.own);
    tasks_.erase(it);
}

void AccessOrder::stopped_world(Task& init) {
    Flow& own = flow_of(init);
    join(own.clock, gone_);
    for_each_flow([&](Flow& flow) { join(own.clock, flow.clock); });
    floor_ = own.clock;
    for_each_flow([&](Flow& flow) {
        join(flow.clock, floor_);
        ++flow.clock[flow.id];
    });
}

void AccessOrder::drop(const void* object) noexcept {
    passed_.erase(object);
    auto it = items_.find(object);
    if (it == items_.end()) return;
    std::unique_ptr<Flow> flow = std::move(it->second);
    items_.erase(it);
    for (auto& other : others_)
        if (other->item == object) other->item = nullptr;
    // An item may be freed by its own handler.
    if (flow->running) {
        flow->item = nullptr;
        others_.push_back(std::move(flow));
    } else {
        end_flow(*flow);
    }
}

void AccessOrder::forget(const void* object) noexcept {
    // A simulated machine's objects die on its own thread, or nobody minds.
    ThreadsOwn<AccessOrder>::instance().for_each_of_mine([&](AccessOrder& order) { order.drop(object); });
}

// --- accesses ---

void AccessOrder::access(Task& self, History& history, How how, Place place, const char* cell) {
    if (history.machine != machine_) {
        history.machine = machine_;
        history.accesses.clear();
    }
    Flow& flow = flow_of(self);
    const auto before = [&](const Access& a) { return a.flow == flow.id || a.time <= at(flow.clock, a.flow); };
    for (const Access& other : history.accesses) {
        if ((!how.write && !other.how.write) || (how.marked && other.how.marked) || before(other)) continue;
        throw MisuseError("data-race", std::string("data race on shared cell '") + cell + "': " + *flow.who +
                                           (how.write ? " writes it" : " reads it") + place_of(place) + ", " +
                                           *other.who + (other.how.write ? " wrote it" : " read it") +
                                           place_of(other.place) +
                                           ", and nothing orders the two; let both hold one lock, or let one wait "
                                           "for the other (flush, cancel_sync, a completion)");
    }
    // What comes after this access comes after those that are before it.
    std::erase_if(history.accesses, [&](const Access& a) { return (how.write || !a.how.write) && before(a); });
    history.accesses.push_back({flow.id, flow.clock[flow.id], how, place, flow.who});
}

}  // namespace bottomhalf
