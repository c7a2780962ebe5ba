#include "bottomhalf/interrupt/irq.hpp"

#include <algorithm>
#include <cstdio>

namespace bottomhalf {

namespace {
// Linux: of 100000 interrupts more than 99900 unhandled ones, less than 100 ms apart, make a line nobody cares for.
constexpr unsigned kSpuriousWindow = 100000, kSpuriousLimit = 99900;
// A thread function that is not through after this time is not waited for by a halting machine.
constexpr Nanoseconds kStuck = kSecond;
}  // namespace

std::shared_ptr<IrqAction> IrqLine::request(IrqAction::Handler handler, IrqAction::Handler thread_fn, unsigned flags,
                                            std::string name, void* dev) {
    Task& self = domain_.self();
    might_sleep(self, "request_irq");
    const std::string who = "request_irq(irq=" + std::to_string(irq_) + ", name='" + name + "'): ";
    if (handler == nullptr && thread_fn == nullptr)
        throw InvalidArgument(who + "neither a handler nor a thread function given");
    if ((flags & irqf::kShared) != 0 && dev == nullptr)
        throw InvalidArgument(who + "a shared line needs a dev that tells its actions apart");
    if ((flags & irqf::kShared) != 0 && (flags & irqf::kNoAutoen) != 0)
        throw InvalidArgument(who + "NO_AUTOEN does not go with SHARED: the other actions expect the line enabled");
    if (handler == nullptr && (flags & irqf::kOneshot) == 0)
        throw InvalidArgument(who + "Threaded irq requested with handler=NULL and !ONESHOT; add ONESHOT");
    if (handler != nullptr && thread_fn == nullptr) flags |= irqf::kCondOneshot;

    auto action = std::shared_ptr<IrqAction>(new IrqAction(*this));
    action->handler_ = handler;
    action->thread_fn_ = thread_fn;
    action->flags_ = flags;
    action->name_ = std::move(name);
    action->dev_ = dev;
    if (thread_fn != nullptr) {
        char task_name[Task::kNameSize];
        std::snprintf(task_name, sizeof task_name, "irq/%d-%s", irq_, action->name_.c_str());
        action->thread_ = &domain_.spawn(
            task_name,
            [](Task& me, void* arg) {
                auto& a = *static_cast<IrqAction*>(arg);
                a.line().thread_main(a, me);
            },
            action.get(), kCpuUnbound, 0, true);
    }
    bool conflict = false;
    {
        RawGuard guard(lock_);
        if (!actions_.empty()) {
            const unsigned old = actions_.front()->flags_;
            const unsigned trigger = flags & irqf::kTriggerMask, old_trigger = old & irqf::kTriggerMask;
            const bool oneshot_differs = ((old ^ flags) & irqf::kOneshot) != 0 && (flags & irqf::kCondOneshot) == 0 &&
                                         (old & irqf::kCondOneshot) == 0;
            conflict = (old & flags & irqf::kShared) == 0 ||
                       (trigger != 0 && old_trigger != 0 && trigger != old_trigger) || oneshot_differs ||
                       ((old ^ flags) & irqf::kPercpu) != 0 || actions_.size() >= 64;
        }
        if (!conflict) {
            if (actions_.empty() && (flags & irqf::kNoAutoen) != 0) depth_ = 1;
            actions_.push_back(action);
        } else {
            action->stopping_ = true;
        }
    }
    if (conflict) {
        if (action->thread_ != nullptr) {
            domain_.substrate->wake(*action->thread_);
            domain_.join_task(*action->thread_);
        }
        throw MisuseError("irq-busy",
                          who +
                              "the line is taken, and both sides must ask for SHARED with the same trigger, "
                              "ONESHOT and PERCPU flags (-EBUSY)");
    }
    return action;
}

std::vector<std::shared_ptr<IrqAction>> IrqLine::actions() const {
    RawGuard guard(lock_);
    return actions_;
}

unsigned IrqLine::depth() const {
    RawGuard guard(lock_);
    return depth_;
}

bool IrqLine::quiescent() const {
    RawGuard guard(lock_);
    if (in_progress_) return false;
    return std::none_of(actions_.begin(), actions_.end(),
                        [](auto& a) { return a->thread_active_ || a->wake_pending_; });
}

void IrqLine::free(IrqAction& action, Nanoseconds deadline) {
    Task& self = domain_.self();
    might_sleep(self, "free_irq");
    if (action.thread_ == &self)
        throw DeadlockError("free_irq: called from the action's own thread function, it would wait for itself");
    std::shared_ptr<IrqAction> keep;
    std::ptrdiff_t place = 0;
    {
        RawGuard guard(lock_);
        auto it = std::find_if(actions_.begin(), actions_.end(), [&](auto& a) { return a.get() == &action; });
        if (it != actions_.end()) {
            keep = *it;
            place = it - actions_.begin();
            actions_.erase(it);
            action.stopping_ = true;
        }
    }
    if (keep == nullptr)
        throw MisuseError("irq-already-free", "free_irq: trying to free already-free IRQ " + std::to_string(irq_) +
                                                  " action '" + action.name_ + "'");
    const auto through = [&] {
        RawGuard guard(lock_);
        return !in_progress_ && !action.thread_active_ && !action.wake_pending_;
    };
    try {
        throw_unless_ok(idle_.wait(self, through, deadline, "free_irq"), "free_irq");
    } catch (...) {
        // Registered as before: its thread must not be left behind.
        RawGuard guard(lock_);
        action.stopping_ = false;
        actions_.insert(actions_.begin() + std::min(place, static_cast<std::ptrdiff_t>(actions_.size())), keep);
        throw;
    }
    order_acquire(this, Handover::end);
    order_acquire(&action, Handover::end);
    order_forget(&action);
    if (keep->thread_ != nullptr) {
        domain_.substrate->wake(*keep->thread_);
        domain_.join_task(*keep->thread_);
    }
    RawGuard guard(lock_);
    keep->thread_ = nullptr;
    if (actions_.empty()) {
        depth_ = 0;
        masked_ = 0;
        latched_ = false;
    }
}

void IrqLine::fire(unsigned cpu) {
    explore_point(domain_);
    if (domain_.simulated) [[unlikely]]
        order_release(this);
    cpu = domain_.online_cpu(cpu);
    Task& self = domain_.self();
    {
        RawGuard guard(lock_);
        last_cpu_ = cpu;
        if (actions_.empty()) return;  // no driver: the line is masked at the controller
    }
    int saved_cpu = 0;
    if (!try_hardirq_enter(self, cpu, saved_cpu)) {
        domain_.irqs->latch(*this, cpu);
        return;
    }
    CurrentScope current(self);
    handle(cpu, self);
    hardirq_exit(self, saved_cpu);
}

// In hard-interrupt context of `self` on `cpu`.
void IrqLine::handle(unsigned cpu, Task& self) {
    std::vector<std::shared_ptr<IrqAction>> actions;
    {
        RawGuard guard(lock_);
        if (in_progress_ || depth_ != 0 || masked_ != 0) {
            latched_ = true;
            return;
        }
        in_progress_ = true;
        handled_by_ = &self;
        latched_ = false;
        actions = actions_;
    }
    order_acquire(this, Handover::end);
    for (;;) {
        bool any = false;
        order_acquire(this);
        {
            GatePass pass(self);
            for (auto& action : actions) {
                BH_TRACE(domain_, cpu, self, "irq_handler_entry", "irq=%d name=%s", irq_, action->name_.c_str());
                IrqReturn result =
                    action->handler_ == nullptr ? IrqReturn::wake_thread : call(action->handler_, *action, pass);
                BH_TRACE(domain_, cpu, self, "irq_handler_exit", "irq=%d ret=%s", irq_,
                         result == IrqReturn::none ? "unhandled" : "handled");
                any = any || result != IrqReturn::none;
                if (result != IrqReturn::wake_thread) continue;
                bool warn = false, wake = false;
                {
                    RawGuard guard(lock_);
                    if (action->thread_fn_ == nullptr) {
                        warn = !action->warned_no_thread_;
                        action->warned_no_thread_ = true;
                    } else if (!action->wake_pending_ && !action->stopping_) {
                        wake = action->wake_pending_ = true;
                        // Woken again while it runs, a one-shot thread keeps the line masked for both runs.
                        if ((action->flags_ & irqf::kOneshot) != 0) ++masked_;
                    }
                }
                order_release(action.get());
                if (wake) domain_.substrate->wake(*action->thread_);
                if (warn)
                    domain_.log.write(domain_.now(), LogLevel::warning,
                                      "IRQ " + std::to_string(irq_) + " device " + action->name_ +
                                          " returned IRQ_WAKE_THREAD but no thread function available.");
            }
        }
        order_release(this, Handover::end);
        account(any);
        RawGuard guard(lock_);
        ++handled_;
        // Several interrupts that came meanwhile collapse into one replay.
        if (latched_ && depth_ == 0 && masked_ == 0 && !actions_.empty()) {
            latched_ = false;
            actions = actions_;
            continue;
        }
        in_progress_ = false;
        break;
    }
    idle_.wake_now();
}

void IrqLine::wake_thread(void* dev) {
    explore_point(domain_);
    RawGuard guard(lock_);
    for (auto& action : actions_) {
        if (action->dev_ != dev || action->thread_ == nullptr || action->wake_pending_ || action->stopping_) continue;
        order_release(action.get());
        action->wake_pending_ = true;
        if ((action->flags_ & irqf::kOneshot) != 0) ++masked_;
        domain_.substrate->wake(*action->thread_);
    }
}

IrqReturn IrqLine::call(IrqAction::Handler handler, IrqAction& action, GatePass& pass) {
    pass.want(gate_of(handler));
    if (AccessOrder* order = domain_.access_order.get()) [[unlikely]]
        if (preempt::in_hardirq(domain_.self().preempt_count))
            order->name_handler(domain_.self(), "irq " + std::to_string(irq_) + " handler of " + action.name_);
    try {
        return handler(irq_, action.dev_);
    } catch (const ModuleExit&) {
        return IrqReturn::none;
    } catch (const std::exception& e) {
        domain_.log.write(domain_.now(), LogLevel::err,
                          "irq " + std::to_string(irq_) + " handler of '" + action.name_ + "': exception: " + e.what());
        return IrqReturn::none;
    }
}

void IrqLine::account(bool was_handled) {
    bool give_up = false;
    {
        RawGuard guard(lock_);
        if (!was_handled) {
            const Nanoseconds now = domain_.now();
            unhandled_ = unhandled_ == 0 || now - last_unhandled_ < 100 * kMillisecond ? unhandled_ + 1 : 1;
            last_unhandled_ = now;
        }
        if (++seen_ < kSpuriousWindow) return;
        give_up = unhandled_ > kSpuriousLimit;
        seen_ = unhandled_ = 0;
        if (give_up) ++depth_;
    }
    if (!give_up) return;
    const std::string number = std::to_string(irq_);
    domain_.log.write(domain_.now(), LogLevel::err, "irq " + number + ": nobody cared");
    domain_.log.write(domain_.now(), LogLevel::err, "handlers:");
    for (auto& action : actions()) domain_.log.write(domain_.now(), LogLevel::err, "  " + action->name_);
    domain_.log.write(domain_.now(), LogLevel::emerg, "Disabling IRQ #" + number);
}

void IrqLine::thread_main(IrqAction& action, Task& self) {
    for (;;) {
        bool run = false;
        {
            RawGuard guard(lock_);
            if (action.wake_pending_) {
                action.wake_pending_ = false;
                run = action.thread_active_ = true;
            } else if (action.stopping_) {
                return;
            }
        }
        if (!run) {
            self.state.store(TaskState::idle);
            domain_.substrate->block(self, kForever);
            self.state.store(TaskState::running);
            continue;
        }
        order_acquire(&action);
        {
            GatePass pass(self);
            try {
                call(action.thread_fn_, action, pass);
            } catch (const MachineExit&) {
            }
        }
        order_release(&action, Handover::end);
        bool replay = false;
        unsigned cpu = 0;
        {
            RawGuard guard(lock_);
            action.thread_active_ = false;
            if ((action.flags_ & irqf::kOneshot) != 0 && masked_ != 0) --masked_;
            if (masked_ == 0 && depth_ == 0 && latched_ && !in_progress_ && !actions_.empty()) {
                latched_ = false;
                replay = true;
                cpu = last_cpu_;
            }
        }
        idle_.wake_now();
        if (replay) fire(cpu);
    }
}

void IrqLine::disable_nosync() {
    explore_point(domain_);
    RawGuard guard(lock_);
    ++depth_;
}

void IrqLine::refuse_own_thread(const Task& self, const char* call) const {
    bool own = false;
    {
        RawGuard guard(lock_);
        for (auto& action : actions_) own = own || action->thread_ == &self;
    }
    if (own)
        throw DeadlockError(std::string(call) +
                            ": called from a thread function of this line, it would wait for itself");
}

void IrqLine::disable(Nanoseconds deadline) {
    Task& self = domain_.self();
    might_sleep(self, "disable_irq");
    refuse_own_thread(self, "disable_irq");
    disable_nosync();
    synchronize(deadline);
}

void IrqLine::enable() {
    explore_point(domain_);
    order_release(this);
    unsigned cpu = 0;
    {
        RawGuard guard(lock_);
        if (depth_ == 0)
            throw UnbalancedEnable("Unbalanced enable for IRQ " + std::to_string(irq_) +
                                   ": each enable() needs a disable() before");
        if (--depth_ != 0 || !latched_ || masked_ != 0) return;
        latched_ = false;
        cpu = last_cpu_;
    }
    fire(cpu);
}

void IrqLine::synchronize(Nanoseconds deadline) {
    Task& self = domain_.self();
    might_sleep(self, "synchronize_irq");
    refuse_own_thread(self, "synchronize_irq");
    throw_unless_ok(idle_.wait(self, [&] { return quiescent(); }, deadline, "synchronize_irq"), "synchronize_irq");
    order_acquire(this, Handover::end);
    for (auto& action : actions()) order_acquire(action.get(), Handover::end);
}

bool IrqLine::synchronize_hard() {
    Task& self = domain_.self();
    for (;;) {
        {
            RawGuard guard(lock_);
            if (!in_progress_)
                return std::none_of(actions_.begin(), actions_.end(),
                                    [](auto& a) { return a->thread_active_ || a->wake_pending_; });
            if (handled_by_ == &self)
                throw DeadlockError(
                    "synchronize_hardirq: called from a handler of this line, it would wait for itself");
        }
        domain_.substrate->relax(self);
    }
}

void IrqLine::end(IrqAction& action) {
    try {
        for (Nanoseconds limit = domain_.now() + kStuck;; limit = kForever) {
            try {
                return free(action, limit);
            } catch (const TimedOut&) {
                if (action.thread_ == nullptr) continue;  // a handler that is being called: that ends
                domain_.log.write(domain_.now(), LogLevel::warning,
                                  "machine halt: never ends by itself, evicted: thread function of " +
                                      std::string(action.thread_->name));
                action.thread_->exiting.store(true);
                domain_.substrate->wake(*action.thread_);
            }
        }
    } catch (const MisuseError&) {
        // Freed by somebody else between the look and the call.
    }
}

}  // namespace bottomhalf
