// UserTasks: the tasks that a user of a machine starts (Linux: kthread_run), and their ends.
//
// Thread safety: every member may be called from any task that may sleep. Fields: I: set when made; L: under lock_; A:
// atomic.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/sched/domain.hpp"
#include "bottomhalf/sync/completion.hpp"

namespace bottomhalf {

class UserTasks;

// A started function. It outlives its task: who holds it may ask and join at any time.
class UserTask {
public:
    struct Info {
        std::string name;
        int pid = 0;
        int cpu = 0;
        TaskState state = TaskState::dead;
    };
    const std::string& name() const noexcept { return name_; }
    bool finished() const noexcept { return finished_.load(); }
    Info info() const;
    // The task, which lives until it has ended and somebody joined it; null from then on.
    Task* task() const noexcept;
    // Whether its task stays after its end, so that the address is nobody else's, until somebody joins it.
    void keep(bool keep) noexcept { kept_.store(keep); }
    // Linux: wake_up_process. True when the task had said that it would sleep. CONTEXT: any.
    bool wake() noexcept;

private:
    friend class UserTasks;
    friend class TaskWait;
    UserTask() = default;
    static void main(Task& self, void* arg);

    std::string name_;                          // I
    void (*function_)(Task&, void*) = nullptr;  // I
    void* arg_ = nullptr;                       // I
    int start_cpu_ = 0;                         // I: where an unbound task counts as running at first
    Completion done_;
    Atomic<bool> finished_{false}, kept_{false};
    mutable RawLock lock_;
    Task* task_ = nullptr;  // L: null once it was reaped
    Info last_;             // L: what the task was when it was reaped
};

class UserTasks {
public:
    explicit UserTasks(Domain& domain) : domain_(domain) {}
    UserTasks(const UserTasks&) = delete;
    UserTasks& operator=(const UserTasks&) = delete;

    // Starts function(task, arg) in a task of its own, bound to a CPU or, for kCpuUnbound, on the caller's and free to
    // move. The function throws nothing but MachineExit. Throws SchedulingWhileAtomic, MachineHalted, Error.
    std::shared_ptr<UserTask> spawn(const std::string& name, void (*function)(Task&, void*), void* arg, int cpu);
    // Waits until the function has returned. Throws TimedOut, Interrupted, DeadlockError from the task itself.
    void join(UserTask& task, Nanoseconds deadline = kForever);
    // Those that have not been reaped; reaps what has ended.
    std::vector<std::shared_ptr<UserTask>> list();
    // Halting: every wait of theirs ends with MachineExit, and all are joined. Nothing can be spawned any more.
    void stop_all();

private:
    void evict(UserTask& task) noexcept;
    void reap(UserTask& task);  // joins a task that has finished, once
    void reap_finished();

    Domain& domain_;
    RawLock lock_;
    std::vector<std::shared_ptr<UserTask>> tasks_;  // L
    bool stopping_ = false;                         // L
};

}  // namespace bottomhalf
