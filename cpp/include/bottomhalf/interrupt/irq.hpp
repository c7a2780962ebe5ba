// Interrupt lines (Linux: request_irq and kernel/irq/manage.c): shared, threaded and one-shot actions, a disable depth
// with latched replay, and detection of lines that nobody cares for.
//
// A line is fired by whoever plays the device. Its primary handlers run at once, in the firing thread, in
// hard-interrupt context on the named CPU; when that CPU has interrupts off the interrupt is latched there and
// delivered when they come back on. A line never interrupts itself: fired while it is handled, disabled or masked, it
// is latched once and replayed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/interrupt/softirq.hpp"
#include "bottomhalf/sync/wait_queue.hpp"

namespace bottomhalf {

enum class IrqReturn : int { none = 0, handled = 1, wake_thread = 2 };

namespace irqf {  // Linux's values
inline constexpr unsigned kTriggerRising = 0x1, kTriggerFalling = 0x2, kTriggerHigh = 0x4, kTriggerLow = 0x8;
inline constexpr unsigned kTriggerMask = 0xf, kShared = 0x80, kProbeShared = 0x100, kPercpu = 0x400;
inline constexpr unsigned kNobalancing = 0x800, kOneshot = 0x2000, kNoSuspend = 0x4000, kNoThread = 0x10000;
inline constexpr unsigned kNoAutoen = 0x80000, kNoDebug = 0x100000, kCondOneshot = 0x200000;
}  // namespace irqf

class IrqLine;

// One registration on a line. Made by IrqLine::request, ended by IrqLine::free.
class IrqAction {
public:
    // The primary handler, in hard-interrupt context; the thread function, in the action's own task.
    using Handler = IrqReturn (*)(int irq, void* dev);

    IrqLine& line() const noexcept { return line_; }
    const std::string& name() const noexcept { return name_; }
    void* dev() const noexcept { return dev_; }
    unsigned flags() const noexcept { return flags_; }
    Handler handler() const noexcept { return handler_; }
    Handler thread_fn() const noexcept { return thread_fn_; }

private:
    friend class IrqLine;
    explicit IrqAction(IrqLine& line) : line_(line) {}
    IrqLine& line_;
    Handler handler_ = nullptr;      // I; null: wakes the thread
    Handler thread_fn_ = nullptr;    // I
    unsigned flags_ = 0;             // I
    std::string name_;               // I
    void* dev_ = nullptr;            // I
    Task* thread_ = nullptr;         // I
    bool wake_pending_ = false;      // L: the line's lock
    bool thread_active_ = false;     // L: the line's lock
    bool stopping_ = false;          // L: the line's lock
    bool warned_no_thread_ = false;  // L: the line's lock
};

class IrqLine {
public:
    IrqLine(Domain& domain, int irq) : domain_(domain), irq_(irq) {}
    int irq() const noexcept { return irq_; }

    // Linux: request_threaded_irq. A null handler needs a thread function and ONESHOT. Throws InvalidArgument where
    // Linux answers -EINVAL, MisuseError("irq-busy") where it answers -EBUSY. CONTEXT: task that may sleep.
    std::shared_ptr<IrqAction> request(IrqAction::Handler handler, IrqAction::Handler thread_fn, unsigned flags,
                                       std::string name, void* dev);
    // Linux: free_irq. Waits for running handlers and ends the action's thread. Throws MisuseError("irq-already-free").
    // On TimedOut or Interrupted the action is registered as before.
    // CONTEXT: task that may sleep, not the action's own thread.
    void free(IrqAction& action, Nanoseconds deadline = kForever);
    std::vector<std::shared_ptr<IrqAction>> actions() const;

    // The device raises the line: handled on `cpu` before this returns, unless latched. CONTEXT: any.
    void fire(unsigned cpu);
    // Linux: disable_irq (waits for handlers and threads; the count stays on TimedOut), disable_irq_nosync, enable_irq.
    void disable(Nanoseconds deadline = kForever);
    void disable_nosync();
    void enable();  // throws UnbalancedEnable
    // Linux: irq_wake_thread: the thread of the action with this dev runs as if its primary handler had asked for it.
    // CONTEXT: any.
    void wake_thread(void* dev);
    // Linux: synchronize_irq.
    void synchronize(Nanoseconds deadline = kForever);
    // Linux: synchronize_hardirq: waits for primary handlers alone, without sleeping. RETURNS: no thread of the line is
    // active either. Throws DeadlockError from a handler of the line. CONTEXT: any.
    bool synchronize_hard();
    unsigned depth() const;
    std::uint64_t handled() const noexcept { return handled_.get(); }

private:
    friend class IrqController;
    void handle(unsigned cpu, Task& self);
    void thread_main(IrqAction& action, Task& self);
    IrqReturn call(IrqAction::Handler handler, IrqAction& action, GatePass& pass);
    bool quiescent() const;  // no handler and no woken thread
    void account(bool was_handled);
    void end(IrqAction& action);  // halting: frees it, and evicts a thread function that does not end
    void refuse_own_thread(const Task& self, const char* call) const;

    Domain& domain_;
    const int irq_;
    mutable RawLock lock_;
    std::vector<std::shared_ptr<IrqAction>> actions_;  // L
    unsigned depth_ = 0;                               // L: disable depth
    unsigned masked_ = 0;                              // L: one-shot threads that have not finished
    bool in_progress_ = false;                         // L
    const Task* handled_by_ = nullptr;                 // L: while it is in progress
    bool latched_ = false;                             // L
    unsigned last_cpu_ = 0;                            // L: where a replay goes
    unsigned seen_ = 0, unhandled_ = 0;                // L: for "nobody cared"
    Nanoseconds last_unhandled_ = 0;                   // L
    Counter<std::uint64_t> handled_;                   // L to write
    WaitQueue idle_;
};

class IrqController {
public:
    explicit IrqController(Domain& domain);
    ~IrqController();
    IrqLine& line(int irq);  // made on first use; throws InvalidArgument when negative or above 4095
    // Every registration on every line.
    std::vector<std::shared_ptr<IrqAction>> actions();
    // An interrupt of no line (Linux: what one CPU sends another): function(arg) in hard-interrupt context on that CPU,
    // in the calling thread before this returns or, where the CPU has interrupts off, by whoever turns them on.
    // CONTEXT: any.
    void interrupt(unsigned cpu, void (*function)(void*), void* arg);
    // What interrupt() left for CPUs that have interrupts off. What is returned may have run by then. CONTEXT: any.
    struct Call {
        void (*function)(void*);
        void* arg;
        bool operator==(const Call&) const = default;
    };
    std::vector<Call> waiting();
    // Takes one of them back. False when it is not there any more. CONTEXT: any.
    bool take_back(const Call& call);
    void stop();  // frees every action, joins the threads

private:
    friend class IrqLine;
    struct PerCpu {
        RawLock lock;
        std::vector<IrqLine*> latched;  // L: lock
        std::vector<Call> calls;        // L: lock
        Atomic<bool> any{false};
    };
    void latch(IrqLine& line, unsigned cpu);
    void call(void (*function)(void*), void* arg);
    void deliver_missed(unsigned cpu);
    void deliver(unsigned cpu, Task& self);

    Domain& domain_;
    std::vector<std::unique_ptr<PerCpu>> per_cpu_;
    RawLock lock_;
    std::map<int, std::unique_ptr<IrqLine>> lines_;  // L: lock_
};

}  // namespace bottomhalf
