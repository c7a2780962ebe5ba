#include "bottomhalf/sched/domain.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bottomhalf/base/thread_number.hpp"
#include "sched/running_task.hpp"

namespace bottomhalf {

constinit thread_local Task* t_current = nullptr;

namespace {

// Every domain of the process, for fork(): threads do not survive it, so the child's machines are dead.
struct DomainRegistry {
    RawLock lock;
    std::vector<Domain*> domains;  // L: lock
    DomainRegistry() {
        pthread_atfork([] { instance().lock.lock(); }, [] { instance().lock.unlock(); },
                       [] {
                           for (Domain* d : instance().domains) d->state.store(DomainState::forked);
                           instance().lock.unlock();
                           t_current = nullptr;
                       });
    }
    static DomainRegistry& instance() {
        static DomainRegistry* registry = new DomainRegistry;  // outlives every thread
        return *registry;
    }
};

}  // namespace

Task* current_task() noexcept { return t_current; }
void set_current_task(Task* task) noexcept { t_current = task; }

// A thread's adopted tasks, one for each machine it called into. A task belongs to its thread and to its domain; the
// registry's lock guards both ends, and whichever goes last frees it.
struct AdoptionTable {
    std::vector<Task*> tasks;  // under the registry's lock

    ~AdoptionTable() {
        RawGuard guard(DomainRegistry::instance().lock);
        if (t_current != nullptr && t_current->adopted) t_current = nullptr;
        for (Task* task : tasks) {
            Domain* domain = task->domain.load();
            if (domain != nullptr && domain->state.load() != DomainState::forked) {
                domain->substrate->release(*task);
                RawGuard tasks_guard(domain->tasks_lock_);
                task->in_domain.unlink();
            }
            delete task;
        }
    }
    static AdoptionTable& mine() { return threads_one<AdoptionTable>(); }
    static Task& adopt(Domain& domain) {
        AdoptionTable& table = mine();
        Task* found = nullptr;
        {
            RawGuard guard(DomainRegistry::instance().lock);
            std::erase_if(table.tasks, [](Task* task) {
                bool dead = task->domain.load() == nullptr && task->preempt_count == 0;
                if (dead && t_current == task) t_current = nullptr;
                if (dead) delete task;
                return dead;
            });
            for (Task* task : table.tasks)
                if (task->domain.load() == &domain) found = task;
        }
        if (found == nullptr) {
            auto made = std::make_unique<Task>();
            found = made.get();
            found->domain.store(&domain);
            found->adopted = true;
            found->process = found;
            found->may_gate = true;
            found->cpu.store(static_cast<int>(domain.next_home_.fetch_add(1u) % domain.nr_cpus));
            std::snprintf(found->name, sizeof found->name, "%s", domain.substrate->simulated() ? "init" : "thread");
            found->pid.store(domain.next_pid_.fetch_add(1));
            domain.substrate->adopt(*found);  // a simulated machine refuses foreign threads
            RawGuard guard(DomainRegistry::instance().lock);
            table.tasks.push_back(made.release());
            domain.add(*found);
        }
        // A foreign thread keeps the task it used last, so that the next call finds it at once. A task of another
        // machine that calls across stays itself.
        if (t_current == nullptr || (t_current->adopted && t_current->preempt_count == 0)) t_current = found;
        return *found;
    }
    static void disown(Domain& domain) {
        AdoptionTable& table = mine();
        RawGuard guard(DomainRegistry::instance().lock);
        if (domain.state.load() == DomainState::forked) {
            // The substrate is left alone, and a thread of the parent may have held the lock of the tasks.
            for (Task* task : table.tasks)
                if (task->domain.load() == &domain) task->domain.store(nullptr);
            return;
        }
        RawGuard tasks_guard(domain.tasks_lock_);
        for (ListNode* n = domain.tasks_.begin(); n != domain.tasks_.end();) {
            Task* task = container_of(n, &Task::in_domain);
            n = n->next;
            if (!task->adopted) continue;
            domain.substrate->release(*task);
            task->in_domain.unlink();
            task->domain.store(nullptr);  // the thread frees it when it next calls in, or ends
        }
    }
};

Domain::Domain(std::string n, unsigned nr, unsigned h)
    : name(std::move(n)), nr_cpus(nr), hz(h), topology(Topology::flat(nr)), trace(nr) {
    for (unsigned i = 0; i < nr; ++i) {
        cpus.push_back(std::make_unique<Cpu>());
        cpus.back()->id = i;
        cpus.back()->domain = this;
    }
    auto& registry = DomainRegistry::instance();
    RawGuard guard(registry.lock);
    registry.domains.push_back(this);
}

Domain::~Domain() {
    AdoptionTable::disown(*this);
    auto& registry = DomainRegistry::instance();
    RawGuard guard(registry.lock);
    std::erase(registry.domains, this);
}

Task& Domain::adopt() {
    require_alive();
    return AdoptionTable::adopt(*this);
}

void Domain::disown_adopted() { AdoptionTable::disown(*this); }

void Domain::refuse() const {
    if (state.load() == DomainState::forked) throw MachineHalted(message::forked(name));
    throw MachineHalted(message::halted(name));
}

unsigned Domain::check_cpu(int cpu, const char* argument) const {
    if (cpu < 0 || static_cast<unsigned>(cpu) >= nr_cpus)
        throw InvalidArgument(std::string(argument) + "=" + std::to_string(cpu) + " is not a CPU of machine '" + name +
                              "': allowed are 0 to " + std::to_string(nr_cpus - 1));
    return static_cast<unsigned>(cpu);
}

unsigned Domain::check_online(int cpu, const char* argument) const {
    const unsigned c = check_cpu(cpu, argument);
    if (!online(c))
        throw InvalidArgument(std::string(argument) + "=" + std::to_string(cpu) + " is offline on machine '" + name +
                              "': cpu_up(" + std::to_string(cpu) + ") brings it back");
    return c;
}

void Domain::add(Task& task) {
    RawGuard guard(tasks_lock_);
    tasks_.push_back(task.in_domain);
}
void Domain::remove(Task& task) {
    RawGuard guard(tasks_lock_);
    task.in_domain.unlink();
}

Task& Domain::spawn(const char* task_name, void (*entry)(Task&, void*), void* arg, int bound_cpu, int nice, bool quiet,
                    const TaskLimits* limits, void (Substrate::*start)(Task&)) {
    auto task = std::make_unique<Task>();
    task->domain.store(this);
    task->bound_cpu = bound_cpu;
    task->cpu.store(bound_cpu != kCpuUnbound ? bound_cpu
                    : limits != nullptr      ? static_cast<int>(limits->preferred.first())
                                             : 0);
    task->limits = limits;
    task->nice = nice;
    task->quiet = quiet;
    task->entry = entry;
    task->entry_arg = arg;
    task->may_gate = true;
    task->pid.store(next_pid_.fetch_add(1));
    std::memcpy(task->name, task_name, std::min(std::strlen(task_name), sizeof task->name - 1));
    add(*task);
    if (access_order != nullptr) [[unlikely]]
        access_order->spawned(self(), *task);
    try {
        (substrate.get()->*start)(*task);
    } catch (...) {
        remove(*task);
        throw;
    }
    return *task.release();
}

void Domain::join_task(Task& task) { join_and_keep(task); }

std::unique_ptr<Task> Domain::join_and_keep(Task& task) {
    substrate->join(task);
    if (access_order != nullptr) [[unlikely]]
        access_order->ended(task);
    remove(task);
    return std::unique_ptr<Task>(&task);
}

void Domain::for_each_task(const std::function<void(Task&)>& fn) {
    RawGuard guard(tasks_lock_);
    for (ListNode* n = tasks_.begin(); n != tasks_.end(); n = n->next) fn(*container_of(n, &Task::in_domain));
}

void Domain::evict_waiters(const Task* except) {
    RawGuard guard(tasks_lock_);
    for (ListNode* n = tasks_.begin(); n != tasks_.end(); n = n->next) {
        Task* task = container_of(n, &Task::in_domain);
        // Who has not executed yet waits for nothing.
        if (task == except || substrate->dormant(*task)) continue;
        task->exiting.store(true);
        substrate->wake(*task);
    }
}

TraceContext trace_context(const Task& task) noexcept {
    if (preempt::in_hardirq(task.preempt_count)) return TraceContext::hardirq;
    return preempt::in_serving_softirq(task.preempt_count) ? TraceContext::softirq : TraceContext::task;
}

std::string describe_task(const Task& task) {
    char text[96];
    std::snprintf(text, sizeof text, "task %s (pid %d, CPU %d, preempt_count 0x%x%s)", task.name, task.pid.load(),
                  task.cpu.load(std::memory_order_relaxed), task.preempt_count,
                  task.irqs_off ? ", interrupts off" : "");
    return text;
}

Nanoseconds deadline_after(Domain& domain, double seconds) {
    if (seconds < 0) return kForever;
    double ns = seconds * 1e9;
    Nanoseconds now = domain.now();
    return ns >= static_cast<double>(kForever - now) ? kForever : now + static_cast<Nanoseconds>(ns);
}

void might_sleep(Task& self, const char* call) {
    if (self.preempt_count == 0 && self.irqs_off == 0) [[likely]]
        return;
    const char* where = preempt::in_hardirq(self.preempt_count)           ? "in a hard interrupt handler"
                        : preempt::in_serving_softirq(self.preempt_count) ? "in a softirq, tasklet or timer callback"
                        : preempt::in_softirq(self.preempt_count)         ? "with bottom halves disabled"
                        : self.irqs_off != 0                              ? "with interrupts off"
                                                                          : "while holding a spin lock";
    throw SchedulingWhileAtomic(std::string(call) + " may sleep, but was called " + where + " by " +
                                describe_task(self) + "; move it to a work item, or use a call that does not wait");
}

Wake task_sleep(Task& self, Nanoseconds deadline, const char* kind) {
    might_sleep(self, kind);
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    if (self.exiting.load(std::memory_order_relaxed)) throw MachineExit{};
    self.wait_kind.store(kind, std::memory_order_relaxed);
    self.sleeps_until.store(deadline, std::memory_order_relaxed);
    self.state.store(TaskState::sleeping, std::memory_order_relaxed);
    if (self.observer != nullptr) self.observer->sleeping(self);
    Wake wake = domain.substrate->block(self, deadline);
    if (self.observer != nullptr) self.observer->running(self);
    self.state.store(TaskState::running, std::memory_order_relaxed);
    self.wait_kind.store(nullptr, std::memory_order_relaxed);
    if (self.exiting.load(std::memory_order_relaxed)) throw MachineExit{};
    return wake;
}

void preempt_disable(Task& self) noexcept {
    if ((self.preempt_count & preempt::kPreemptMask) == 0)
        self.domain.load(std::memory_order_relaxed)->cpu(static_cast<unsigned>(self.cpu.load())).hold_preemption();
    self.preempt_count += preempt::kPreemptOffset;
}

void preempt_enable(Task& self) noexcept {
    self.preempt_count -= preempt::kPreemptOffset;
    if ((self.preempt_count & preempt::kPreemptMask) == 0)
        self.domain.load(std::memory_order_relaxed)->cpu(static_cast<unsigned>(self.cpu.load())).release_preemption();
}

namespace {
// Neither a hard interrupt nor a softirq comes in between.
void order_irqs_on(const Cpu& cpu) {
    order_release(&cpu.irq_owner);
    order_release(&cpu.bh_owner);
}
}  // namespace

void order_irqs_off(const Cpu& cpu) {
    order_acquire(&cpu.irq_owner);
    order_acquire(&cpu.bh_owner);
}

void local_bh_disable(Task& self) {
    // In a hard interrupt Linux warns and only counts: the CPU's bottom halves cannot run anyway.
    if (!preempt::in_softirq(self.preempt_count) && !preempt::in_hardirq(self.preempt_count)) {
        Domain& domain = *self.domain.load(std::memory_order_relaxed);
        const auto cpu = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
        domain.cpu(cpu).own_bh(self);
        if (domain.simulated) [[unlikely]]
            order_acquire(&domain.cpu(cpu).bh_owner);
    }
    self.preempt_count += preempt::kSoftirqDisable;
}

void local_bh_enable(Task& self) {
    constexpr std::uint32_t off = preempt::kSoftirqDisable;
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    const auto cpu_id = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
    if ((self.preempt_count & preempt::kSoftirqMask) != off || preempt::in_hardirq(self.preempt_count)) {
        self.preempt_count -= off;
        return;
    }
    Cpu& cpu = domain.cpu(cpu_id);
    if (domain.simulated) [[unlikely]]
        order_release(&cpu.bh_owner);
    for (bool left = false;;) {
        if (domain.hooks.softirq_pending != nullptr && domain.hooks.softirq_pending(domain, cpu_id)) {
            self.preempt_count -= off;
            left = domain.hooks.run_softirqs(domain, cpu_id, self);
            self.preempt_count += off;
        }
        cpu.disown_bh(self);
        if (left) break;
        // Raised by another thread between the look and the release: that thread found the lock taken and left it to
        // us.
        if (domain.hooks.softirq_pending == nullptr || !domain.hooks.softirq_pending(domain, cpu_id)) break;
        if (!cpu.try_own_bh(self)) break;
    }
    self.preempt_count -= off;
}

void local_irq_save(Task& self) {
    if (self.irqs_off == 0 && !preempt::in_hardirq(self.preempt_count)) {
        Domain& domain = *self.domain.load(std::memory_order_relaxed);
        Cpu& cpu = domain.cpu(static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed)));
        cpu.own_irq(self);
        if (domain.simulated) [[unlikely]]
            order_irqs_off(cpu);
    }
    ++self.irqs_off;
}

void local_irq_restore(Task& self) {
    if (--self.irqs_off != 0 || preempt::in_hardirq(self.preempt_count)) return;
    Domain& domain = *self.domain.load(std::memory_order_relaxed);
    const auto cpu_id = static_cast<unsigned>(self.cpu.load(std::memory_order_relaxed));
    if (domain.simulated) [[unlikely]]
        order_irqs_on(domain.cpu(cpu_id));
    domain.cpu(cpu_id).disown_irq(self);
    if (domain.hooks.irq_latched != nullptr && domain.hooks.irq_latched(domain, cpu_id))
        domain.hooks.deliver_irqs(domain, cpu_id, self);
}

}  // namespace bottomhalf
