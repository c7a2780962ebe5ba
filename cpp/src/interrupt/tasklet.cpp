#include "bottomhalf/interrupt/tasklet.hpp"

#include <algorithm>

namespace bottomhalf {

namespace {
// What each task runs right now: a list on the stacks of nested runs would do, but tasklets do not nest in one task.
[[gnu::tls_model("initial-exec")]] thread_local const Tasklet* t_running = nullptr;
[[gnu::tls_model("initial-exec")]] thread_local const Task* t_runner = nullptr;
}  // namespace

Tasklets::Tasklets(Domain& domain) : domain_(domain) {
    for (unsigned i = 0; i < domain.nr_cpus; ++i) per_cpu_.push_back(std::make_unique<PerCpu>());
    domain.softirqs->open(
        Softirq::hi,
        [](Domain&, unsigned cpu, Task& self, GatePass& pass, void* arg) {
            static_cast<Tasklets*>(arg)->run(cpu, Softirq::hi, self, pass);
        },
        this);
    domain.softirqs->open(
        Softirq::tasklet,
        [](Domain&, unsigned cpu, Task& self, GatePass& pass, void* arg) {
            static_cast<Tasklets*>(arg)->run(cpu, Softirq::tasklet, self, pass);
        },
        this);
}

Tasklets::~Tasklets() = default;

const Tasklet* Tasklets::running_in(const Task& self) noexcept { return t_runner == &self ? t_running : nullptr; }

bool Tasklets::schedule(Tasklet& tasklet, Softirq level, Task& self) {
    explore_point(domain_);
    if (domain_.simulated) [[unlikely]]
        order_release(&tasklet);
    const std::uint32_t bits = Tasklet::kSched | (level == Softirq::hi ? Tasklet::kHi : 0);
    std::uint32_t state = tasklet.state.load(std::memory_order_relaxed);
    for (;;) {
        const bool scheduled = (state & Tasklet::kSched) != 0;
        // Read-modify-write even when it changes nothing: a caller's stores must be seen by the run that is coming.
        if (!tasklet.state.compare_exchange_weak(state, scheduled ? state : (state & ~Tasklet::kHi) | bits)) continue;
        if (scheduled) return false;
        break;
    }
    const auto cpu = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
    tasklet.cpu = static_cast<std::int32_t>(cpu);
    if (gate_of(tasklet.callback) != nullptr) domain_.softirqs->count_gated(level, cpu, 1);
    auto& list = per_cpu_[cpu]->levels[index(level)];
    if (domain_.cpu(cpu).bh_owner.load(std::memory_order_relaxed) == &self) {
        tasklet.next = nullptr;
        *list.tail = &tasklet;
        list.tail = &tasklet.next;
    } else {
        Tasklet* head = list.inbox.load(std::memory_order_relaxed);
        do tasklet.next = head;
        while (!list.inbox.compare_exchange_weak(head, &tasklet));
    }
    if ((domain_.softirqs->pending(cpu) >> static_cast<unsigned>(level) & 1) == 0)
        domain_.softirqs->raise(level, cpu, self);
    return true;
}

void Tasklets::run(unsigned cpu, Softirq level, Task& self, GatePass& pass) {
    if (domain_.softirqs->before_tasklets != nullptr)
        domain_.softirqs->before_tasklets(domain_, cpu, level, self, pass);
    PerCpu& mine = *per_cpu_[cpu];
    auto& list = mine.levels[index(level)];
    // The whole list is detached first: what callbacks schedule runs in a later pass.
    Tasklet* batch = nullptr;
    Tasklet** tail = &batch;
    if (mine.recheck.load(std::memory_order_relaxed) && mine.recheck.exchange(false)) {
        RawGuard guard(mine.aside_lock);
        const auto taken = std::erase_if(mine.aside, [&](Tasklet* t) {
            if (((t->state.load() & Tasklet::kHi) != 0) != (level == Softirq::hi)) return false;
            t->next = nullptr;
            *tail = t;
            tail = &t->next;
            return true;
        });
        nr_aside_.fetch_sub(static_cast<std::uint32_t>(taken));
        // The other level's are left for its own run.
        if (!mine.aside.empty()) mine.recheck.store(true);
    }
    if (list.inbox.load(std::memory_order_relaxed) != nullptr) {
        Tasklet *reversed = nullptr, *t = list.inbox.exchange(nullptr);
        while (t != nullptr) {
            Tasklet* next = t->next;
            t->next = reversed;
            reversed = t;
            t = next;
        }
        *tail = reversed;
        while (*tail != nullptr) tail = &(*tail)->next;
    }
    if (list.head != nullptr) {
        *tail = list.head;
        list.head = nullptr;
        list.tail = &list.head;
    }
    while (batch != nullptr) {
        Tasklet& tasklet = *batch;
        batch = batch->next;
        run_one(tasklet, cpu, level, self, pass);
    }
}

void Tasklets::run_one(Tasklet& tasklet, unsigned cpu, Softirq level, Task& self, GatePass& pass) {
    // It is on this CPU's list, so SCHED is set and no other CPU can claim it; but try_lock() can take RUN at any time.
    std::uint32_t before = tasklet.state.load();
    do {
        if ((before & Tasklet::kRun) != 0 || tasklet.count.load() != 0) return set_aside(tasklet, cpu);
    } while (!tasklet.state.compare_exchange_weak(before, (before & ~Tasklet::kSched) | Tasklet::kRun));
    // Disabled between the look and the claim: a disable() that saw no run in progress has returned already.
    if (tasklet.count.load() != 0) {
        // A kill() that took SCHED in between must not count this run as done: it loses it again.
        std::uint32_t state = tasklet.state.load();
        while (!tasklet.state.compare_exchange_weak(state,
                                                    (state & ~(Tasklet::kRun | Tasklet::kKill)) | Tasklet::kSched)) {
        }
        if (waiting_.load() != 0) waiters_.wake_now();
        // Scheduled anew meanwhile: that schedule stands for both and is queued on its own.
        if ((state & Tasklet::kSched) == 0 || (state & Tasklet::kKill) != 0)
            set_aside(tasklet, cpu);
        else {
            if (gate_of(tasklet.callback) != nullptr) domain_.softirqs->count_gated(level, cpu, -1);
            recheck_aside();
        }
        return;
    }
    auto* const callback = tasklet.callback;
    Gate* const gate = gate_of(callback);
    if (gate != nullptr) domain_.softirqs->count_gated(level, cpu, -1);
    pass.want(gate);
    const Tasklet* const outer = t_running;
    const Task* const outer_task = t_runner;
    t_running = &tasklet;
    t_runner = &self;
    BH_TRACE(domain_, cpu, self, "tasklet_entry", "tasklet=t%u func=f%u", domain_.trace.id_of(&tasklet),
             domain_.trace.id_of(reinterpret_cast<void*>(callback)));
    if (domain_.access_order != nullptr) [[unlikely]] {
        order_acquire(&tasklet);
        order_acquire(&tasklet, Handover::end);
        domain_.access_order->name_handler(self, "tasklet " + describe_callback(gate, &tasklet));
    }
    try {
        callback(&tasklet);
    } catch (const ModuleExit&) {
    } catch (const std::exception& e) {
        domain_.log.write(domain_.now(), LogLevel::err,
                          std::string("tasklet: exception left the callback: ") + e.what());
    }
    t_running = outer;
    t_runner = outer_task;
    BH_TRACE(domain_, cpu, self, "tasklet_exit", "tasklet=t%u", domain_.trace.id_of(&tasklet));
    if (domain_.access_order != nullptr) [[unlikely]]
        domain_.access_order->release_end_if_begun(self, &tasklet);
    // A tasklet ends by this one access: it may be gone right after. Scheduled anew, it may have been set aside
    // meanwhile.
    release_run(tasklet);
}

// By an AND, as Linux does it: a callback that unlocked its own tasklet has given RUN back before.
void Tasklets::release_run(Tasklet& tasklet) {
    if ((tasklet.state.fetch_and(~(Tasklet::kRun | Tasklet::kLocked)) & Tasklet::kSched) != 0) recheck_aside();
    if (waiting_.load() != 0) waiters_.wake_now();
}

bool Tasklets::try_lock(Tasklet& tasklet) {
    explore_point(domain_);
    constexpr std::uint32_t held = Tasklet::kRun | Tasklet::kLocked;
    std::uint32_t state = tasklet.state.load();
    do {
        if ((state & Tasklet::kRun) != 0) return false;
    } while (!tasklet.state.compare_exchange_weak(state, state | held));
    order_acquire(&tasklet, Handover::end);
    return true;
}

void Tasklets::unlock(Tasklet& tasklet) {
    explore_point(domain_);
    order_release(&tasklet);
    release_run(tasklet);
}

void Tasklets::unlock_wait(Tasklet& tasklet, Nanoseconds deadline) {
    Task& self = domain_.self();
    if (running_in(self) == &tasklet)
        throw DeadlockError("tasklet_unlock_wait: called from the tasklet's own callback, it would wait for itself");
    might_sleep(self, "tasklet_unlock_wait");
    throw_unless_ok(wait(self, tasklet, Tasklet::kRun, deadline, "tasklet_unlock_wait"), "tasklet_unlock_wait");
    order_acquire(&tasklet, Handover::end);
}

void Tasklets::set_aside(Tasklet& tasklet, unsigned cpu) {
    PerCpu& mine = *per_cpu_[cpu];
    {
        RawGuard guard(mine.aside_lock);
        mine.aside.push_back(&tasklet);
        nr_aside_.fetch_add(1u);
    }
    // Counted first, looked second; enable() and the end of a run do it in the other order. Only this CPU takes it from
    // there, so it is still alive.
    if (tasklet.count.load() == 0 && !tasklet.is_running()) recheck_aside();
}

void Tasklets::recheck_aside() {
    if (nr_aside_.load() == 0) return;
    for (unsigned cpu = 0; cpu < per_cpu_.size(); ++cpu) {
        PerCpu& mine = *per_cpu_[cpu];
        bool any_hi = false, any = false;
        {
            RawGuard guard(mine.aside_lock);
            for (const Tasklet* t : mine.aside) ((t->state.load() & Tasklet::kHi) != 0 ? any_hi : any) = true;
        }
        if (any_hi || any) mine.recheck.store(true);
        if (any_hi) domain_.softirqs->raise(Softirq::hi, cpu, domain_.self());
        if (any) domain_.softirqs->raise(Softirq::tasklet, cpu, domain_.self());
    }
}

WaitResult Tasklets::wait(Task& self, Tasklet& tasklet, std::uint32_t bits, Nanoseconds deadline, const char* call) {
    waiting_.fetch_add(1u);
    struct Leave {
        Atomic<std::uint32_t>& n;
        ~Leave() { n.fetch_sub(1u); }
    } leave{waiting_};
    return waiters_.wait(self, [&] { return (tasklet.state.load() & bits) == 0; }, deadline, call);
}

void Tasklets::disable(Tasklet& tasklet, Nanoseconds deadline) {
    Task& self = domain_.self();
    if (running_in(self) == &tasklet)
        throw DeadlockError(
            "tasklet_disable: called from the tasklet's own callback, it would wait for itself; use "
            "disable_nosync()");
    might_sleep(self, "tasklet_disable");
    explore_point(domain_);
    tasklet.count.fetch_add(1);
    struct Undo {
        Tasklets& t;
        Tasklet& tasklet;
        bool armed = true;
        ~Undo() {
            if (armed) t.enable(tasklet);
        }
    } undo{*this, tasklet};
    throw_unless_ok(wait(self, tasklet, Tasklet::kRun, deadline, "tasklet_disable"), "tasklet_disable");
    order_acquire(&tasklet, Handover::end);
    undo.armed = false;
}

void Tasklets::enable(Tasklet& tasklet) {
    explore_point(domain_);
    std::int32_t depth = tasklet.count.load();
    do {
        if (depth <= 0)
            throw UnbalancedEnable(
                "tasklet_enable: the tasklet is not disabled; each enable() needs a disable() before");
    } while (
        !tasklet.count.compare_exchange_weak(depth, depth - 1, std::memory_order_seq_cst, std::memory_order_seq_cst));
    order_release(&tasklet);
    if (depth == 1) recheck_aside();
}

void Tasklets::kill(Tasklet& tasklet, Nanoseconds deadline) {
    Task& self = domain_.self();
    if (running_in(self) == &tasklet)
        throw DeadlockError("tasklet_kill: called from the tasklet's own callback, it would wait for itself");
    might_sleep(self, "tasklet_kill");
    explore_point(domain_);
    // Taking SCHED makes a self-rescheduling tasklet's own schedule() do nothing.
    waiting_.fetch_add(1u);
    struct Leave {
        Atomic<std::uint32_t>& n;
        ~Leave() { n.fetch_sub(1u); }
    } leave{waiting_};
    constexpr std::uint32_t held = Tasklet::kSched | Tasklet::kKill;
    auto grabbed = [&] {
        std::uint32_t state = tasklet.state.load();
        return (state & Tasklet::kSched) == 0 && tasklet.state.compare_exchange(state, state | held);
    };
    struct Release {
        Tasklets& t;
        Tasklet& tasklet;
        // False when the claim was lost: a run that was about to begin is pending again.
        bool give_back() {
            std::uint32_t state = tasklet.state.load();
            while ((state & Tasklet::kKill) != 0 && !tasklet.state.compare_exchange_weak(state, state & ~held)) {
            }
            t.waiters_.wake_now();
            return (state & Tasklet::kKill) != 0;
        }
        ~Release() { give_back(); }
    };
    auto not_running = [&] { return (tasklet.state.load() & Tasklet::kRun) == 0; };
    for (bool killed = false; !killed;) {
        throw_unless_ok(waiters_.wait(self, grabbed, deadline, "tasklet_kill"), "tasklet_kill");
        Release release{*this, tasklet};
        throw_unless_ok(waiters_.wait(self, not_running, deadline, "tasklet_kill"), "tasklet_kill");
        killed = release.give_back();
    }
    order_acquire(&tasklet, Handover::end);
}

std::vector<Tasklet*> Tasklets::scheduled(Task& self, const std::function<bool(const Tasklet&)>& wanted) {
    std::vector<Tasklet*> found;
    const auto add = [&](Tasklet* tasklet) {
        if (wanted(*tasklet)) found.push_back(tasklet);
    };
    for (unsigned cpu = 0; cpu < per_cpu_.size(); ++cpu) {
        PerCpu& mine = *per_cpu_[cpu];
        // Only the owner of a CPU's bottom halves empties its lists.
        domain_.cpu(cpu).own_bh(self);
        for (auto& level : mine.levels) {
            for (Tasklet* t = level.inbox.load(); t != nullptr; t = t->next) add(t);
            for (Tasklet* t = level.head; t != nullptr; t = t->next) add(t);
        }
        {
            RawGuard guard(mine.aside_lock);
            for (Tasklet* t : mine.aside) add(t);
        }
        domain_.cpu(cpu).disown_bh(self);
        // An interrupt that came meanwhile left them to this task.
        if (domain_.softirqs->pending(cpu) != 0) domain_.softirqs->wake_ksoftirqd(cpu);
    }
    return found;
}

void Tasklets::drop_all() {
    for (unsigned cpu = 0; cpu < per_cpu_.size(); ++cpu) {
        PerCpu& mine = *per_cpu_[cpu];
        std::vector<Tasklet*> found;
        for (auto& level : mine.levels) {
            for (Tasklet* t = level.inbox.exchange(nullptr); t != nullptr; t = t->next) found.push_back(t);
            for (Tasklet* t = level.head; t != nullptr; t = t->next) found.push_back(t);
            level.head = nullptr;
            level.tail = &level.head;
        }
        {
            RawGuard guard(mine.aside_lock);
            found.insert(found.end(), mine.aside.begin(), mine.aside.end());
            nr_aside_.fetch_sub(static_cast<std::uint32_t>(mine.aside.size()));
            mine.aside.clear();
        }
        for (Tasklet* t : found) {
            auto* gate = gate_of(t->callback);
            t->state.fetch_and(~Tasklet::kSched);
            if (gate != nullptr) gate->dropped(t);
        }
    }
}

}  // namespace bottomhalf
