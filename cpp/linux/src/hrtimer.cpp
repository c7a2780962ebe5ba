// <linux/hrtimer.h>. A task of the machine sleeps until the earliest expiry and calls what is due in hard-interrupt
// context. It is bound to no CPU; the interrupt is on the CPU that the timer was started on.
#include "hrtimer.hpp"

#include <map>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

struct Hrtimer {
    int (*function)(Hrtimer*);
    std::int64_t expires;
    std::uint64_t armed;  // L of the queue
    std::uint32_t running;
    std::uint32_t soft;
};

namespace {

class Queue {
public:
    explicit Queue(Domain& domain) : domain_(domain) {}

    void arm(Hrtimer& timer, Nanoseconds when) {
        std::shared_ptr<UserTask> task = task_;
        {
            RawGuard guard(lock_);
            disarm_locked(timer);
            timer.expires = when;
            timer.armed = ++last_;
            due_.emplace(std::pair{when, last_}, Due{&timer, static_cast<unsigned>(me().cpu.load())});
            task = task_;
        }
        if (task != nullptr) task->wake();
    }
    bool disarm(Hrtimer& timer) {
        RawGuard guard(lock_);
        return disarm_locked(timer);
    }
    std::vector<BusyHrtimer> busy(const std::function<bool(const BusyHrtimer&)>& wanted) {
        std::vector<BusyHrtimer> found;
        const auto add = [&](BusyHrtimer busy) {
            if (wanted(busy)) found.push_back(std::move(busy));
        };
        RawGuard guard(lock_);
        for (const auto& [when, due] : due_)
            add({due.timer, due.timer->function, false, [this, timer = due.timer] { disarm(*timer); }});
        if (running_ != nullptr) add({running_, running_function_, true, {}});
        return found;
    }
    // The task, before the first timer. CONTEXT: task that may sleep.
    void prepare() {
        if (starting_.exchange(true)) return;
        auto task = domain_.machine->tasks().spawn(
            "hrtimer", [](Task& self, void* q) { static_cast<Queue*>(q)->main(self); }, this, kCpuUnbound);
        {
            RawGuard guard(lock_);
            task_ = task;
        }
        task->wake();
    }

private:
    struct Due {
        Hrtimer* timer;
        unsigned cpu;
    };
    bool disarm_locked(Hrtimer& timer) {
        if (timer.armed == 0) return false;
        due_.erase({timer.expires, timer.armed});
        timer.armed = 0;
        return true;
    }
    void main(Task& self) {
        for (;;) {
            Nanoseconds next = kForever;
            Due due{};
            {
                RawGuard guard(lock_);
                if (!due_.empty()) {
                    next = due_.begin()->first.first;
                    if (next <= domain_.now()) {
                        due = due_.begin()->second;
                        due_.erase(due_.begin());
                        due.timer->armed = 0;
                        due.timer->running = 1;
                        running_ = due.timer;
                        running_function_ = due.timer->function;
                    }
                }
            }
            if (due.timer != nullptr)
                fire(self, due);
            else
                task_sleep(self, next, "hrtimer");
        }
    }
    void fire(Task& self, Due due) {
        int saved = 0;
        while (!try_hardirq_enter(self, due.cpu, saved)) domain_.substrate->relax(self);
        int again = 0;
        try {
            again = due.timer->function(due.timer);
        } catch (const ModuleExit&) {
        } catch (const std::exception& e) {
            log(domain_, LogLevel::err, std::string("hrtimer: exception left the callback: ") + e.what());
        }
        hardirq_exit(self, saved);
        domain_.softirqs->run_at_irq_exit(due.cpu, self);
        {
            RawGuard guard(lock_);
            running_ = nullptr;
            due.timer->running = 0;
            if (again != 0 && due.timer->armed == 0) {
                due.timer->armed = ++last_;
                due_.emplace(std::pair{due.timer->expires, last_}, due);
            }
        }
    }

    Domain& domain_;
    Atomic<bool> starting_{false};
    RawLock lock_;
    std::shared_ptr<UserTask> task_;                            // L
    std::map<std::pair<Nanoseconds, std::uint64_t>, Due> due_;  // L
    std::uint64_t last_ = 0;                                    // L
    Hrtimer* running_ = nullptr;                                // L: whose callback runs
    int (*running_function_)(Hrtimer*) = nullptr;               // L: that callback
};

Queue& queue() { return KernelSide::of(here()).part<Queue>(); }

}  // namespace

std::vector<BusyHrtimer> busy_hrtimers(Domain& domain, const std::function<bool(const BusyHrtimer&)>& wanted) {
    return KernelSide::of(domain).part<Queue>().busy(wanted);
}

extern "C" {

// Modules set their timers up where they may sleep: that is when the task is started.
void bh_linux_hrtimer_init(Hrtimer* timer, int, int mode) {
    *timer = Hrtimer{};
    timer->soft = (mode & 4) != 0;
    as_linux("hrtimer_init", [] { queue().prepare(); });
}
void bh_linux_hrtimer_start(Hrtimer* timer, std::int64_t time, int mode) {
    queue().arm(*timer, (mode & 1) != 0 ? here().now() + time : time);
}
int bh_linux_hrtimer_try_to_cancel(Hrtimer* timer) {
    if (queue().disarm(*timer)) return 1;
    return __atomic_load_n(&timer->running, __ATOMIC_SEQ_CST) != 0 ? -1 : 0;
}
int bh_linux_hrtimer_cancel(Hrtimer* timer) {
    for (;;) {
        const int result = bh_linux_hrtimer_try_to_cancel(timer);
        if (result >= 0) return result;
        here().substrate->relax(me());
    }
}
bool bh_linux_hrtimer_active(const Hrtimer* timer) {
    poll();
    return timer->armed != 0 || timer->running != 0;
}
std::uint64_t bh_linux_hrtimer_forward(Hrtimer* timer, std::int64_t now, std::int64_t interval) {
    const std::int64_t late = now - timer->expires;
    if (late < 0 || interval <= 0) return 0;
    const std::int64_t n = late / interval + 1;
    timer->expires += n * interval;
    return static_cast<std::uint64_t>(n);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
