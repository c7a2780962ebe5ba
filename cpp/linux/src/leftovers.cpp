#include "bottomhalf/linux/leftovers.hpp"

#include "bottomhalf/linux/gpio.hpp"

#include "file_registry.hpp"
#include "hrtimer.hpp"
#include "interrupt.hpp"
#include "irq_work.hpp"
#include "kthread.hpp"
#include "kthread_worker.hpp"
#include "old_forms.hpp"
#include "rcu.hpp"

extern "C" void bh_linux_tasklet_old(bottomhalf::Tasklet* tasklet);

namespace bottomhalf::modules {

namespace {

// As <linux/interrupt.h> has it: the handler of the old form stands behind the engine's tasklet.
struct OldTasklet : Tasklet {
    bool use_callback = false;
    void (*func)(unsigned long) = nullptr;
};
const void* function_of(const Tasklet& tasklet) {
    return tasklet.callback == &bh_linux_tasklet_old
               ? reinterpret_cast<const void*>(static_cast<const OldTasklet&>(tasklet).func)
               : reinterpret_cast<const void*>(tasklet.callback);
}

class Search {
public:
    Search(Machine& machine, const ModuleImage& image) : machine_(machine), image_(image) {}

    std::vector<Leftover> run() {
        // First: what runs in a bottom half now is through with it then, and what it queues is seen below. A vector
        // that the last search took back is free by then.
        softirqs();
        tasklets();
        callbacks();
        timers();
        hrtimers();
        items();
        irqs();
        irq_works();
        pins();
        kthreads();
        files();
        return std::move(found_);
    }

private:
    template <class F>
    bool ours(F* function) const {
        return image_.holds(reinterpret_cast<const void*>(function));
    }
    static std::string name_of(const void* address) {
        const std::string name = function_name(address);
        return "'" + (name.empty() ? symbol_of(address).to_string(address) : name) + "'";
    }
    template <class F>
        requires std::is_function_v<F>
    static std::string name_of(F* function) {
        return name_of(reinterpret_cast<const void*>(function));
    }
    static const void* given(const Work& work) { return linux_api::given_function(&work, work.func); }

    void timers() {
        const auto dwork_of = [](Timer* timer) { return container_of(timer, &DelayedWork::timer); };
        const auto wanted = [&](const TimerSubsystem::Busy& busy) {
            if (image_.holds(busy.timer) || image_.holds(linux_api::given_function(busy.timer, busy.function)))
                return true;
            // One that runs does no more than queue its item; both may be gone by now.
            return !busy.running && busy.function == delayed_work_timer_fn &&
                   image_.holds(given(dwork_of(busy.timer)->work));
        };
        for (const auto& busy : machine_.timers().busy(wanted)) {
            Timer* const timer = busy.timer;
            const std::string name = name_of(linux_api::given_function(timer, busy.function));
            if (busy.running) {
                found_.push_back({"timer " + name + " still runs", "timer_delete_sync()", true, {}});
            } else if (busy.function == delayed_work_timer_fn) {
                DelayedWork* const dwork = dwork_of(timer);
                found_.push_back({"delayed work " + name_of(given(dwork->work)) + " still armed for workqueue '" +
                                      dwork->wq->name() + "'",
                                  "cancel_delayed_work_sync()", false, [dwork] { cancel_delayed_work_sync(*dwork); }});
            } else {
                Task& self = machine_.domain().self();
                found_.push_back({"timer " + name + " still armed", "timer_delete_sync()", false,
                                  [timer, &self] { timer_delete_sync(*timer, self); }});
            }
        }
    }

    void softirqs() {
        Softirqs& softirqs = machine_.softirqs();
        for (const auto& vector : softirqs.opened()) {
            const void* const action = linux_api::softirq_action(vector);
            if (action == nullptr || !image_.holds(action)) continue;
            found_.push_back({std::string("softirq vector ") + softirq_name(vector.nr) + " still calls " +
                                  name_of(action) + ", and no call of Linux's takes a handler back",
                              "open_softirq() with another one", false,
                              [&softirqs, vector] { softirqs.close(vector.nr, vector.handler, vector.arg); }});
        }
    }

    void callbacks() {
        const auto wanted = [&](linux_api::RcuFunction function) { return ours(function); };
        for (const auto& callback : linux_api::pending_callbacks(machine_.domain(), wanted))
            found_.push_back({"RCU callback " + name_of(callback.function) +
                                  (callback.running ? " still runs" : " still waits for a grace period"),
                              "rcu_barrier()", callback.running, callback.take_back});
    }

    void hrtimers() {
        const auto wanted = [&](const linux_api::BusyHrtimer& busy) {
            return image_.holds(busy.timer) || ours(busy.function);
        };
        for (const auto& busy : linux_api::busy_hrtimers(machine_.domain(), wanted))
            found_.push_back({"hrtimer " + name_of(busy.function) + " still " + (busy.running ? "runs" : "armed"),
                              "hrtimer_cancel()", busy.running, busy.cancel});
    }

    void files() {
        Domain& domain = machine_.domain();
        const auto holds = [&](const void* address) { return image_.holds(address); };
        for (const auto& file : linux_api::Files::of(domain).of_module(holds))
            found_.push_back({file.what, file.missing != nullptr ? file.missing : "", file.running, file.remove});
    }

    void items() {
        for (const auto& item : machine_.workqueues().busy_items()) {
            const void* const function = linux_api::given_function(item.work, item.func);
            if (!image_.holds(item.work) && !image_.holds(function)) continue;
            const std::string what = "work item " + name_of(function) + " still ";
            if (item.running)
                found_.push_back(
                    {what + "runs on workqueue '" + item.wq->name() + "'", "cancel_work_sync()", true, {}});
            else
                found_.push_back({what + "queued on workqueue '" + item.wq->name() + "'", "cancel_work_sync()", false,
                                  [work = item.work] { cancel_work_sync(*work); }});
        }
    }

    void tasklets() {
        Task& self = machine_.domain().self();
        const auto wanted = [&](const Tasklet& tasklet) {
            return image_.holds(&tasklet) || image_.holds(function_of(tasklet));
        };
        for (Tasklet* tasklet : machine_.tasklets().scheduled(self, wanted)) {
            const void* const function = function_of(*tasklet);
            found_.push_back(
                {"tasklet " + (image_.holds(function) ? name_of(function) : object_name(tasklet)) + " still scheduled",
                 "tasklet_kill()", false, [this_machine = &machine_, tasklet] {
                     // A disabled one would never be through, nor one that somebody holds.
                     if ((tasklet->state.load() & Tasklet::kLocked) != 0) this_machine->tasklets().unlock(*tasklet);
                     if (tasklet->count.load() != 0) {
                         tasklet->count.store(1);
                         this_machine->tasklets().enable(*tasklet);
                     }
                     this_machine->tasklets().kill(*tasklet);
                 }});
        }
    }

    void kthreads() {
        for (const auto& kthread : linux_api::running_kthreads(machine_.domain()))
            if (kthread.function == &bh_linux_kthread_worker_fn) {
                const auto* const worker = static_cast<const linux_api::KthreadWorker*>(kthread.data);
                if (image_.holds(worker) || image_.holds(worker->made_by))
                    found_.push_back({"kthread worker '" + kthread.name + "' still there", "kthread_destroy_worker()",
                                      true, kthread.ask_to_stop});
            } else if (ours(kthread.function))
                found_.push_back({"kernel thread '" + kthread.name + "' (" + name_of(kthread.function) + ") still runs",
                                  "kthread_stop()", true, kthread.ask_to_stop});
    }

    void irqs() {
        for (const auto& action : machine_.irqs().actions()) {
            if (!ours(action->handler()) && !ours(action->thread_fn()) && !image_.holds(action->dev())) continue;
            found_.push_back({"interrupt handler " +
                                  name_of(action->handler() != nullptr ? action->handler() : action->thread_fn()) +
                                  " ('" + action->name() + "') still registered on line " +
                                  std::to_string(action->line().irq()),
                              "free_irq()", false, [action] { action->line().free(*action); }});
        }
    }

    void irq_works() {
        for (const auto& busy : linux_api::busy_irq_works(machine_.domain()))
            if (image_.holds(busy.work) || ours(busy.func))
                found_.push_back({"irq_work " + name_of(busy.func) + " still " +
                                      (busy.running ? "runs" : "waits for a CPU that has interrupts off"),
                                  "irq_work_sync()", busy.running, busy.take_back});
    }

    void pins() {
        linux_api::GpioChip& chip = linux_api::GpioChip::of(machine_.domain());
        for (const unsigned pin : chip.requested()) {
            const auto seen = chip.look(pin);
            if (image_.holds(seen.owner))
                found_.push_back({"gpio " + std::to_string(pin) + " ('" + seen.label + "') still requested",
                                  "gpio_free()", false, [&chip, pin] { chip.release(pin); }});
        }
    }

    // A variable of the module's, by name.
    std::string object_name(const void* object) const {
        Symbol symbol;
        return image_.find(object, symbol) ? "'" + symbol.name + "'" : "an object of the module";
    }

    Machine& machine_;
    const ModuleImage& image_;
    std::vector<Leftover> found_;
};

}  // namespace

std::vector<Leftover> find_leftovers(Machine& machine, const ModuleImage& image) {
    return Search(machine, image).run();
}

}  // namespace bottomhalf::modules
