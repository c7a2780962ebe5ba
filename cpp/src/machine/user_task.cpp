#include "bottomhalf/machine/user_task.hpp"

#include <algorithm>

#include "bottomhalf/workqueue/deadlock.hpp"

namespace bottomhalf {

// The end of a task, for the graph of waits.
class TaskWait final : public Wait {
public:
    explicit TaskWait(UserTask& task) noexcept : task_(task) {}
    void obstacles(WaitSearch& search) const override {
        if (task_.finished()) return;
        RawGuard guard(task_.lock_);  // who frees the task takes it from here first
        if (task_.task_ != nullptr) search.until_ended(*task_.task_);
    }

private:
    UserTask& task_;
};

UserTask::Info UserTask::info() const {
    RawGuard guard(lock_);
    if (task_ == nullptr) return last_;
    // A task that ended is dead for everybody but its joiner.
    return {name_, task_->pid.load(), task_->cpu.load(), finished() ? TaskState::dead : task_->state.load()};
}

Task* UserTask::task() const noexcept {
    RawGuard guard(lock_);
    return task_;
}

bool UserTask::wake() noexcept {
    RawGuard guard(lock_);
    if (task_ == nullptr) return false;
    const bool slept = task_->announced.exchange(0) != 0;
    task_->domain.load(std::memory_order_relaxed)->substrate->wake(*task_);
    return slept;
}

void UserTask::main(Task& self, void* arg) {
    UserTask& me = *static_cast<UserTask*>(arg);
    if (self.bound_cpu == kCpuUnbound) self.cpu.store(me.start_cpu_);
    try {
        me.function_(self, me.arg_);
    } catch (const MachineExit&) {
        // Evicted: whoever asks sees a task that has ended.
    }
    if (self.preempt_count != 0 || self.irqs_off != 0) {
        // As for a work item: a CPU must not stay closed because somebody forgot to open it.
        Domain& domain = *self.domain.load();
        domain.log.write(domain.now(), LogLevel::err, "BUG: task ended in atomic context: " + describe_task(self));
        while (self.irqs_off != 0) local_irq_restore(self);
        while ((self.preempt_count & preempt::kPreemptMask) != 0) preempt_enable(self);
        while (preempt::in_softirq(self.preempt_count)) local_bh_enable(self);
    }
    me.finished_.store(true);
    me.done_.complete_all();
}

std::shared_ptr<UserTask> UserTasks::spawn(const std::string& name, void (*function)(Task&, void*), void* arg,
                                           int cpu) {
    domain_.require_alive();
    Task& self = domain_.self();
    might_sleep(self, "spawn");
    if (cpu != kCpuUnbound) domain_.check_online(cpu, "cpu");
    reap_finished();
    auto task = std::shared_ptr<UserTask>(new UserTask);
    task->name_ = name;
    task->function_ = function;
    task->arg_ = arg;
    task->start_cpu_ = self.cpu.load();
    {
        // On the list before it runs, so that a halt cannot miss it; started without a lock.
        RawGuard guard(lock_);
        if (stopping_) throw MachineHalted(message::halted(domain_.name));
        tasks_.push_back(task);
    }
    try {
        Task& started = domain_.spawn(name.c_str(), &UserTask::main, task.get(), cpu, 0);
        {
            RawGuard guard(task->lock_);
            task->task_ = &started;
        }
        bool stopping = false;
        {
            RawGuard guard(lock_);
            stopping = stopping_;
        }
        if (stopping) evict(*task);
    } catch (...) {
        task->finished_.store(true);
        task->done_.complete_all();
        RawGuard guard(lock_);
        std::erase(tasks_, task);
        throw;
    }
    return task;
}

void UserTasks::evict(UserTask& task) noexcept {
    RawGuard guard(task.lock_);
    if (task.task_ == nullptr) return;
    task.task_->exiting.store(true);
    domain_.substrate->wake(*task.task_);
}

void UserTasks::reap(UserTask& task) {
    Task* ended = nullptr;
    {
        RawGuard guard(task.lock_);
        ended = task.task_;
        if (ended == nullptr) return;
        task.last_ = {task.name_, ended->pid.load(), ended->cpu.load(), TaskState::dead};
        task.task_ = nullptr;
    }
    domain_.join_task(*ended);
    RawGuard guard(lock_);
    std::erase_if(tasks_, [&](auto& t) { return t.get() == &task; });
}

void UserTasks::reap_finished() {
    std::vector<std::shared_ptr<UserTask>> ended;
    {
        RawGuard guard(lock_);
        for (auto& t : tasks_)
            if (t->finished() && !t->kept_.load()) ended.push_back(t);
    }
    for (auto& t : ended) reap(*t);
}

void UserTasks::join(UserTask& task, Nanoseconds deadline) {
    if (task.finished() && domain_.state.load() >= DomainState::halted) return;
    Task& self = domain_.self();
    might_sleep(self, "join");
    bool own = false;
    {
        RawGuard guard(task.lock_);
        own = task.task_ == &self;
    }
    if (own) throw DeadlockError("join: task '" + task.name_ + "' would wait for its own end");
    {
        const TaskWait wait(task);
        WaitScope scope(self, wait, deadline, "join");
        throw_unless_ok(task.done_.wait(self, deadline, "join"), "join");
    }
    reap(task);
}

std::vector<std::shared_ptr<UserTask>> UserTasks::list() {
    reap_finished();
    RawGuard guard(lock_);
    auto all = tasks_;
    std::erase_if(all, [](const auto& task) { return task->finished(); });
    return all;
}

void UserTasks::stop_all() {
    Task& self = domain_.self();
    for (;;) {
        std::vector<std::shared_ptr<UserTask>> all;
        {
            RawGuard guard(lock_);
            stopping_ = true;
            all = tasks_;
        }
        if (all.empty()) return;
        for (auto& t : all) evict(*t);
        for (auto& t : all) {
            while (t->done_.wait(self, kForever, "halt") != WaitResult::ok) {
                // A signal must not leave tasks behind of a machine that is about to go.
            }
            reap(*t);
        }
        // One whose spawn() has not returned yet is reaped by the next turn.
        domain_.substrate->relax(self);
    }
}

}  // namespace bottomhalf
