// Task: a thread of the machine (Linux: struct task_struct, as far as deferred work needs one).
//
// A kworker, a ksoftirqd, a thread of an interrupt line, a spawned function, or a foreign thread that called in and was
// adopted. Fields carry their rule: I: set before the task starts; O: the task itself alone; A: atomic.
#pragma once

#include <cstdint>

#include "bottomhalf/base/atomic.hpp"
#include "bottomhalf/base/cpu_mask.hpp"
#include "bottomhalf/base/list.hpp"
#include "bottomhalf/base/recycled.hpp"
#include "bottomhalf/sched/context.hpp"
#include "bottomhalf/sched/substrate.hpp"

namespace bottomhalf {

// Told when its task goes to sleep and when it runs again: concurrency management hangs on this.
class TaskObserver {
public:
    virtual ~TaskObserver() = default;
    virtual void sleeping(Task& self) noexcept = 0;  // Linux: wq_worker_sleeping
    virtual void running(Task& self) noexcept = 0;   // Linux: wq_worker_running
};

struct Worker;  // workqueue

enum class TaskState : std::uint8_t { running, sleeping, idle, dead };

// Where a task that is bound to no CPU may run, and where it is at home as far as there is room.
struct TaskLimits {
    CpuMask allowed, preferred;
};

struct Task : Recycled<Task> {
    static constexpr std::size_t kNameSize = 32;
    static constexpr const void* kNothingShared = nullptr;  // for one, no terminal

    Atomic<Domain*> domain{nullptr};      // A: null again when the machine went away under an adopted task
    Atomic<int> cpu{0};                   // A: written by the task; the CPU it runs on, or counts as running on
    int bound_cpu = kCpuUnbound;          // O: the CPU it may not leave, or kCpuUnbound; changes with its CPU (hotplug)
    int nice = 0;                         // I
    const TaskLimits* limits = nullptr;   // I: null: anywhere
    Atomic<int> pid{0};                   // A: the thread's id on the host, a small number when simulated
    bool adopted = false;                 // I: a foreign thread, or a simulated machine's init
    bool quiet = false;                   // I: sleeps are not load (Linux: TASK_IDLE)
    char name[kNameSize] = {};            // I: the thread's real name on the host (cut to 15 characters there)
    const void* process = nullptr;        // O: null: a thread of the kernel, and not of a process (Linux: mm)
    const std::uint64_t signals[2] = {};  // I: Linux's pending and blocked; nobody sends any
    const void* const shared = &kNothingShared;  // I: what the threads of a process share (Linux: signal)

    std::uint32_t preempt_count = 0;  // O: laid out as in context.hpp
    std::uint32_t irqs_off = 0;       // O: depth of local_irq_save
    Atomic<TaskState> state{TaskState::running};
    TaskObserver* observer = nullptr;        // O
    Worker* worker = nullptr;                // I: what the workqueue floor keeps for a kworker
    Interrupter* interrupter = nullptr;      // O
    bool may_gate = false;                   // O: callbacks behind a gate may run in this task (see interrupt/softirq)
    void* gate_state = nullptr;              // O: what a gate keeps for this task
    bool gate_attached = false;              // O: the gate was held when a simulated task left its stack
    void* gate_frame = nullptr;              // O: what else the gate keeps of it meanwhile
    void (*gate_cleanup)(Task&) = nullptr;   // O: gives it back when the task ends
    void (*entry)(Task&, void*) = nullptr;   // I
    void* entry_arg = nullptr;               // I
    const void* waits_for = nullptr;         // under the domain's wait_graph lock: see workqueue/deadlock
    Atomic<Nanoseconds> sleeps_until{0};     // A: the deadline of its sleep; for reports and for halting
    Atomic<const char*> wait_kind{nullptr};  // A: a string literal naming what it waits for; for reports
    Atomic<bool> exiting{false};             // A: the machine evicts it: waits return Wake::exit
    Atomic<std::uint32_t> announced{0};  // A: as what it said that it would sleep (Linux: __state); a wake clears it
    void* owner_data = nullptr;          // O: what whoever started it keeps of it

    ListNode in_domain;               // under the domain's tasks lock
    void* substrate_data = nullptr;   // owned by the substrate
    Atomic<std::uint32_t> permit{0};  // A: the substrate's binary permit
    Atomic<int> woken_from{-1};       // A: the host's CPU that the last to wake it from sleep was on; -1: none, or used
    Atomic<int> seat{-1};             // A, its thread to write: the host's CPU that it is bound to; -1: none
    bool summoned = false;   // O: adopted; it woke a task of its CPU that sat elsewhere, and has not waited since
    std::uint32_t refs = 1;  // under the adoption lock: adopted tasks belong to thread and domain
    int nr_mutexes = 0;      // O: that it holds
};

// The task of the calling thread (or fiber), or null for a thread no machine has seen. Not inlined, so that no compiler
// keeps it across a fiber switch.
Task* current_task() noexcept;
void set_current_task(Task* task) noexcept;

// Makes a task current for a scope (an adopted thread entering a section of a machine).
class CurrentScope {
public:
    explicit CurrentScope(Task& task) noexcept : before_(current_task()) { set_current_task(&task); }
    ~CurrentScope() { set_current_task(before_); }
    CurrentScope(const CurrentScope&) = delete;
    CurrentScope& operator=(const CurrentScope&) = delete;

private:
    Task* before_;
};

}  // namespace bottomhalf
