// <linux/hrtimer.h>. A task of the machine sleeps until the earliest expiry and calls what is due in hard-interrupt
// context; where a timer is soft, the interrupt only raises HRTIMER_SOFTIRQ, whose handler calls it. The task is bound
// to no CPU; the interrupt is on the CPU that the timer was started on.
#include "hrtimer.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr std::uint32_t kSetUp = 0x68727431;
constexpr int kModeRel = 1, kModeSoft = 4;

// Where a timer stands is kept here, by its address: its memory may be anything when it is set up, and is not touched
// after a callback that returned HRTIMER_NORESTART, which may have freed it.
class Queue {
public:
    explicit Queue(Domain& domain) : domain_(domain) {}

    void arm(Hrtimer& timer, Nanoseconds when) {
        std::shared_ptr<UserTask> task;
        {
            RawGuard guard(lock_);
            disarm_locked(timer);
            timer.expires = when;
            enter({&timer, static_cast<unsigned>(me().cpu.load()), timer.function, timer.soft != 0});
            task = task_;
        }
        if (task != nullptr) task->wake();
    }
    bool disarm(const Hrtimer& timer) {
        RawGuard guard(lock_);
        return disarm_locked(timer);
    }
    // Linux: hrtimer_try_to_cancel. RETURNS: 1 when it was armed, 0 when not, -1 while its callback runs. own: in the
    // calling task.
    int try_to_cancel(Hrtimer& timer, bool& own) {
        RawGuard guard(lock_);
        if (disarm_locked(timer)) return 1;
        const Running* const running = running_locked(timer);
        own = running != nullptr && running->runner == &me();
        return running != nullptr ? -1 : 0;
    }
    bool armed(const Hrtimer& timer) {
        RawGuard guard(lock_);
        return places_.count(&timer) != 0;
    }
    bool running(const Hrtimer& timer) {
        RawGuard guard(lock_);
        return running_locked(timer) != nullptr;
    }
    std::vector<BusyHrtimer> busy(const std::function<bool(const BusyHrtimer&)>& wanted) {
        std::vector<BusyHrtimer> found;
        const auto add = [&](BusyHrtimer busy) {
            if (wanted(busy)) found.push_back(std::move(busy));
        };
        RawGuard guard(lock_);
        for (const auto* armed : {&due_, &expired_})
            for (const auto& [place, due] : *armed)
                add({due.timer, due.function, false, [this, timer = due.timer] { disarm(*timer); }});
        for (const Running& running : running_) add({running.timer, running.function, true, {}});
        return found;
    }
    // The task and the softirq, before the first timer. CONTEXT: task that may sleep.
    void prepare() {
        if (starting_.exchange(true)) return;
        domain_.softirqs->open(
            Softirq::hrtimer,
            [](Domain&, unsigned cpu, Task& self, GatePass&, void* q) { static_cast<Queue*>(q)->serve(self, cpu); },
            this);
        auto task = domain_.machine->tasks().spawn(
            "hrtimer", [](Task& self, void* q) { static_cast<Queue*>(q)->main(self); }, this, kCpuUnbound);
        {
            RawGuard guard(lock_);
            task_ = task;
        }
        task->wake();
    }

private:
    using Place = std::pair<Nanoseconds, std::uint64_t>;
    struct Due {
        Hrtimer* timer = nullptr;
        unsigned cpu = 0;
        int (*function)(Hrtimer*) = nullptr;  // when it was armed: its memory may be gone since
        bool soft = false;
    };
    struct Running {
        Hrtimer* timer;
        int (*function)(Hrtimer*);
        const Task* runner;
    };
    using Armed = std::map<Place, Due>;

    void enter(const Due& due) {
        const Place place{due.timer->expires, ++last_};
        due_.emplace(place, due);
        places_[due.timer] = place;
    }
    bool disarm_locked(const Hrtimer& timer) {
        const auto at = places_.find(&timer);
        if (at == places_.end()) return false;
        if (due_.erase(at->second) == 0) expired_.erase(at->second);
        places_.erase(at);
        return true;
    }
    const Running* running_locked(const Hrtimer& timer) const {
        const auto at =
            std::find_if(running_.begin(), running_.end(), [&](const Running& r) { return r.timer == &timer; });
        return at != running_.end() ? &*at : nullptr;
    }
    // From here on the timer is not armed, and its callback counts as running.
    Due begin_locked(Armed& from, Armed::iterator at, const Task& self) {
        Due due = at->second;
        from.erase(at);
        places_.erase(due.timer);
        due.function = due.timer->function;
        running_.push_back({due.timer, due.function, &self});
        return due;
    }
    void main(Task& self) {
        for (;;) {
            Nanoseconds next = kForever;
            Due due;
            {
                RawGuard guard(lock_);
                if (!due_.empty()) {
                    const auto first = due_.begin();
                    next = first->first.first;
                    const bool expired = next <= domain_.now();
                    if (expired && first->second.soft) {
                        due = first->second;
                        expired_.insert(due_.extract(first));
                    } else if (expired) {
                        due = begin_locked(due_, first, self);
                    }
                }
            }
            if (due.timer != nullptr)
                interrupt(self, due);
            else
                task_sleep(self, next, "hrtimer");
        }
    }
    void interrupt(Task& self, const Due& due) {
        int saved = 0;
        while (!try_hardirq_enter(self, due.cpu, saved)) domain_.substrate->relax(self);
        if (due.soft)
            domain_.softirqs->raise(Softirq::hrtimer, due.cpu, self);
        else
            call(self, due);
        hardirq_exit(self, saved);
    }
    // The softirq: the soft timers of this CPU that have expired, in their order.
    void serve(Task& self, unsigned cpu) {
        for (;;) {
            Due due;
            {
                RawGuard guard(lock_);
                const auto at = std::find_if(expired_.begin(), expired_.end(),
                                             [&](const auto& armed) { return armed.second.cpu == cpu; });
                if (at == expired_.end()) return;
                due = begin_locked(expired_, at, self);
            }
            call(self, due);
        }
    }
    void call(Task& self, const Due& due) {
        int again = 0;
        try {
            again = due.function(due.timer);
        } catch (const ModuleExit&) {
        } catch (const std::exception& e) {
            log(domain_, LogLevel::err, std::string("hrtimer: exception left the callback: ") + e.what());
        }
        std::shared_ptr<UserTask> task;
        {
            // Before the softirqs at the end of the interrupt: they may cancel the timer.
            RawGuard guard(lock_);
            std::erase_if(running_, [&](const Running& r) { return r.timer == due.timer && r.runner == &self; });
            if (again == 0 || places_.count(due.timer) != 0) return;
            enter(due);
            task = task_;
        }
        if (due.soft && task != nullptr) task->wake();
    }

    Domain& domain_;
    Atomic<bool> starting_{false};
    RawLock lock_;
    std::shared_ptr<UserTask> task_;                    // L
    Armed due_;                                         // L: not yet expired
    Armed expired_;                                     // L: soft ones whose softirq is to come
    std::unordered_map<const Hrtimer*, Place> places_;  // L: where in those two each armed timer stands
    std::uint64_t last_ = 0;                            // L
    std::vector<Running> running_;                      // L: whose callbacks run
};

Queue& queue() { return KernelSide::of(here()).part<Queue>(); }

}  // namespace

std::vector<BusyHrtimer> busy_hrtimers(Domain& domain, const std::function<bool(const BusyHrtimer&)>& wanted) {
    return KernelSide::of(domain).part<Queue>().busy(wanted);
}

extern "C" {

// Modules set their timers up where they may sleep: that is when the task is started.
void bh_linux_hrtimer_init(Hrtimer* timer, int, int mode) {
    if (queue().disarm(*timer)) report_init_active("hrtimer", nullptr, "hrtimer_cancel()");
    *timer = Hrtimer{};
    timer->set_up = kSetUp;
    timer->soft = (mode & kModeSoft) != 0;
    as_linux("hrtimer_init", [] { queue().prepare(); });
}
void bh_linux_hrtimer_start(Hrtimer* timer, std::int64_t time, int mode) {
    if (timer->set_up != kSetUp || timer->function == nullptr) {
        warn_once(here(), "hrtimer_start",
                  timer->set_up == kSetUp ? "hrtimer_start: the timer has no function"
                                          : "hrtimer_start: the timer was never set up; hrtimer_setup() comes first");
        return;
    }
    if (((mode & kModeSoft) != 0) != (timer->soft != 0))
        warn_once(here(), "hrtimer_start:mode", "hrtimer_start",
                  "hrtimer_start: the timer was set up " + std::string(timer->soft != 0 ? "with" : "without") +
                      " HRTIMER_MODE_SOFT, and that is where it expires; start it with the same mode");
    const Nanoseconds now = here().now();
    queue().arm(*timer, (mode & kModeRel) == 0 ? time : time > kForever - now ? kForever : now + time);
}
int bh_linux_hrtimer_try_to_cancel(Hrtimer* timer) {
    bool own = false;
    return queue().try_to_cancel(*timer, own);
}
// From its own callback it would wait for itself: Linux hangs there; here the call ends.
int bh_linux_hrtimer_cancel(Hrtimer* timer) {
    return as_linux("hrtimer_cancel", 0, [&] {
        for (;;) {
            bool own = false;
            const int result = queue().try_to_cancel(*timer, own);
            if (result >= 0) return result;
            if (own)
                throw DeadlockError("hrtimer_cancel: called from the timer's own callback; return HRTIMER_NORESTART");
            here().substrate->relax(me());
        }
    });
}
bool bh_linux_hrtimer_active(const Hrtimer* timer) {
    poll();
    return queue().armed(*timer) || queue().running(*timer);
}
bool bh_linux_hrtimer_is_queued(const Hrtimer* timer) {
    poll();
    return queue().armed(*timer);
}
bool bh_linux_hrtimer_callback_running(const Hrtimer* timer) {
    poll();
    return queue().running(*timer);
}
std::uint64_t bh_linux_hrtimer_forward(Hrtimer* timer, std::int64_t now, std::int64_t interval) {
    std::int64_t late = 0;
    if (now < timer->expires) return 0;
    if (__builtin_sub_overflow(now, timer->expires, &late)) late = kForever;
    if (queue().armed(*timer)) {
        warn_once(here(), "hrtimer_forward", "hrtimer_forward: the timer is armed; hrtimer_cancel() comes first");
        return 0;
    }
    if (interval < 1) interval = 1;  // the resolution
    const std::uint64_t n = static_cast<std::uint64_t>(late / interval) + 1;
    // Beyond the end of time it never fires.
    std::int64_t step = 0;
    if (__builtin_mul_overflow(n, interval, &step) || __builtin_add_overflow(timer->expires, step, &timer->expires))
        timer->expires = kForever;
    return n;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
