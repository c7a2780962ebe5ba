#include "bottomhalf/workqueue/watchdog.hpp"

#include <algorithm>

#include "bottomhalf/sched/gate.hpp"
#include "bottomhalf/workqueue/subsystem.hpp"

namespace bottomhalf {

namespace {
constexpr Nanoseconds kDefault = 30 * kSecond;
}

Atomic<void (*)(Domain&, const std::string&)> Watchdog::on_report{nullptr};

Watchdog::Watchdog(WorkqueueSubsystem& subsystem) : subsystem_(subsystem) { timer_setup(timer_, timer_fn, 0); }
Watchdog::~Watchdog() = default;

Nanoseconds Watchdog::period() const noexcept {
    return threshold() == 0 ? kForever : std::max(threshold() / 4, kMillisecond);
}

void Watchdog::start() {
    Domain& domain = subsystem_.domain();
    if (domain.simulated) return;
    threshold_.store(kDefault);
    try {
        task_ = &domain.spawn("bh-watchdog", thread_main, this, kCpuUnbound, 0, true);
    } catch (const Error& error) {
        domain.log.write(domain.now(), LogLevel::warning, std::string("workqueue: no watchdog: ") + error.what());
    }
}

void Watchdog::stop_timer() {
    if (!subsystem_.domain().simulated) return;
    stopping_.store(true);
    timer_delete(timer_);
}

void Watchdog::stop() {
    stopping_.store(true);
    stop_timer();
    Domain& domain = subsystem_.domain();
    if (task_ == nullptr) return;
    domain.substrate->wake(*task_);
    domain.join_task(*task_);
    task_ = nullptr;
}

void Watchdog::set_threshold(Nanoseconds threshold) {
    Domain& domain = subsystem_.domain();
    threshold_.store(threshold);
    {
        RawGuard guard(lock_);
        seen_.clear();
    }
    if (!domain.simulated) {
        if (task_ != nullptr) domain.substrate->wake(*task_);
        return;
    }
    timer_delete(timer_);
    if (threshold != 0 && !stopping_.load()) domain.timers->arm_now(timer_, ns_to_jiffies(domain.now(), domain.hz) + 1);
}

void Watchdog::thread_main(Task& self, void* arg) {
    Watchdog& me = *static_cast<Watchdog*>(arg);
    Domain& domain = me.subsystem_.domain();
    Nanoseconds next = 0;
    while (!me.stopping_.load()) {
        const Nanoseconds now = domain.now();
        if (now >= next) {
            if (me.look()) me.report(self);
            const Nanoseconds period = me.period();
            next = period == kForever ? kForever : now + period;
        }
        if (me.stopping_.load()) return;
        self.state.store(TaskState::idle, std::memory_order_relaxed);
        // Woken when the threshold changed.
        if (domain.substrate->block(self, next) == Wake::woken) next = 0;
        self.state.store(TaskState::running, std::memory_order_relaxed);
    }
}

void Watchdog::timer_fn(Timer* timer) {
    Watchdog& me = *container_of(timer, &Watchdog::timer_);
    Domain& domain = me.subsystem_.domain();
    if (me.stopping_.load() || me.threshold() == 0) return;
    if (me.look() && (me.task_ == nullptr || me.task_->state.load() == TaskState::dead)) {
        // The report needs a task that may pass gates.
        if (me.task_ != nullptr) domain.join_task(*me.task_);
        me.task_ = &domain.spawn("bh-watchdog", report_main, &me, kCpuUnbound, 0, true);
    }
    domain.timers->arm_now(me.timer_, ns_to_jiffies(domain.now() + me.period(), domain.hz) + 1);
}

void Watchdog::report_main(Task& self, void* arg) { static_cast<Watchdog*>(arg)->report(self); }

bool Watchdog::look() {
    Domain& domain = subsystem_.domain();
    const Nanoseconds now = domain.now(), limit = threshold();
    bool due = false;
    subsystem_.for_each_pool([&](WorkerPool& pool) {
        RawGuard guard(pool.lock);
        pool.splice_inbox();
        std::uint64_t progress = pool.completed;
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next)
            if (container_of(n, &Worker::pool_node)->current_work != nullptr) ++progress;
        RawGuard own(lock_);
        auto seen = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& s) { return s.pool == &pool; });
        if (seen == seen_.end()) seen = seen_.insert(seen_.end(), {&pool, progress, now, now, false});
        if (pool.worklist.empty() || seen->progress != progress) {
            *seen = {&pool, progress, now, now, false};
            return;
        }
        if (limit == 0 || now - std::max(seen->since, seen->reported) < limit) return;
        seen->reported = now;
        seen->due = due = true;
    });
    return due;
}

Nanoseconds Watchdog::hung(const WorkerPool& pool) {
    RawGuard guard(lock_);
    for (const Seen& seen : seen_)
        if (seen.pool == &pool) return subsystem_.domain().now() - seen.since;
    return 0;
}

void Watchdog::report(Task& self) {
    Domain& domain = subsystem_.domain();
    std::vector<WorkerPool*> stalled;
    std::string text;
    const auto say = [&](LogLevel level, const std::string& line) {
        domain.log.write(domain.now(), level, line);
        text += (text.empty() ? "" : "\n") + line;
    };
    {
        RawGuard guard(lock_);
        for (Seen& seen : seen_) {
            if (!seen.due) continue;
            seen.due = false;
            stalled.push_back(seen.pool);
        }
    }
    for (WorkerPool* pool : stalled) {
        std::string info;
        {
            RawGuard guard(pool->lock);
            info = pool->info();
        }
        say(LogLevel::emerg,
            "BUG: workqueue lockup - pool" + info + " stuck for " + std::to_string(hung(*pool) / kSecond) + "s!");
    }
    // From here on a gate may be waited for: whoever holds it for ever has been named as far as that goes.
    for (const std::string& line : subsystem_.show_all(self)) say(LogLevel::info, line);
    std::vector<std::string> lines;
    for (WorkerPool* pool : stalled) backtraces(self, *pool, lines);
    if (!lines.empty()) say(LogLevel::info, "Showing backtraces of busy workers in stalled worker pools:");
    for (const std::string& line : lines) say(LogLevel::info, line);
    if (auto* tell = on_report.load()) tell(domain, text);
}

void Watchdog::backtraces(Task& self, WorkerPool& pool, std::vector<std::string>& lines) {
    struct Busy {
        std::string what;
        Gate* gate;
        const void* state;
    };
    std::vector<Busy> busy;
    GatePass pass(self);
    pass.want(subsystem_.gate_of_running());
    {
        RawGuard guard(pool.lock);
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
            const Worker* w = container_of(n, &Worker::pool_node);
            if (w->current_work == nullptr || w->task == nullptr) continue;
            const char* kind = w->task->wait_kind.load();
            Gate* gate = gate_of(w->current_func);
            busy.push_back({std::string("task ") + w->task->name + " (pid " + std::to_string(w->task->pid.load()) +
                                ") in " + subsystem_.running_name(*w, pass.held()) + " of workqueue '" +
                                w->current_pwq->wq->name() + "'" +
                                (kind != nullptr ? std::string(", waits in ") + kind : std::string()),
                            gate, w->task->gate_state});
        }
    }
    for (const Busy& b : busy) {
        lines.push_back(b.what);
        std::vector<std::string> calls;
        if (b.gate != nullptr && b.gate == pass.held() && b.state != nullptr) b.gate->backtrace(b.state, calls);
        for (std::string& call : calls) lines.push_back("  " + call);
    }
}

}  // namespace bottomhalf
