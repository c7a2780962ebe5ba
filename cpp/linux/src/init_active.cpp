// Objects that are set up a second time, while the engine holds them.
#include "glue.hpp"
#include "old_forms.hpp"
#include "workqueue.hpp"

namespace bottomhalf::linux_api {

namespace {

// The domain, unless a module is being mapped: then nothing of it can be queued.
Domain* here_if_any() {
    Task* self = current_task();
    return self != nullptr ? self->domain.load(std::memory_order_relaxed) : nullptr;
}
// The word alone proves nothing: it may be what was in the memory before.
bool looks_pending(const Work& work) { return work.pending(); }
bool queued(Domain& domain, const Work* work) {
    for (const auto& item : domain.workqueues->busy_items())
        if (item.work == work && !item.running) return true;
    return false;
}
bool armed(Domain& domain, const Timer* timer) {
    return !domain.timers->busy([&](const TimerSubsystem::Busy& busy) { return busy.timer == timer && !busy.running; })
                .empty();
}

}  // namespace

void take_back_before_init(Work* work) {
    Domain* domain = looks_pending(*work) ? here_if_any() : nullptr;
    if (domain == nullptr || !queued(*domain, work)) return;
    const void* const function = given_function(work, work->func);
    if (cancel_work(*work)) report_init_active("work_struct", function, "cancel_work_sync()");
}

void take_back_before_init(DelayedWork* dwork) {
    Domain* domain = looks_pending(dwork->work) ? here_if_any() : nullptr;
    if (domain == nullptr || (!queued(*domain, &dwork->work) && !armed(*domain, &dwork->timer))) return;
    const void* const function = given_function(&dwork->work, dwork->work.func);
    if (cancel_delayed_work(*dwork)) report_init_active("delayed_work", function, "cancel_delayed_work_sync()");
}

void take_back_before_init(Timer* timer) {
    Domain* domain = timer_pending(*timer) ? here_if_any() : nullptr;
    if (domain == nullptr || !armed(*domain, timer)) return;
    const void* const function = given_function(timer, timer->function);
    if (timer_delete(*timer)) report_init_active("timer_list", function, "timer_delete_sync()");
}

}  // namespace bottomhalf::linux_api
