// The handlers of before 2.6.20, 4.15 and 5.9, which took data instead of their object, and items that had a timer of
// their own. What the old form gave is kept here, by the object's address; an object that is set up again gets new
// data.
#include "old_forms.hpp"

#include <memory>
#include <unordered_map>

#include "glue.hpp"
#include "workqueue.hpp"

namespace bottomhalf::linux_api {

namespace {

template <class Function, class Data>
struct Given {
    Function function = nullptr;
    Data data{};
};

// Modules are loaded before and unloaded after anything of theirs runs: the process has one table of each kind, and
// keeps it.
template <class Object, class Value>
class ByAddress {
public:
    static ByAddress& all() {
        static auto* const it = new ByAddress;
        return *it;
    }
    void set(const Object* object, Value value) {
        RawGuard guard(lock_);
        values_[object] = std::move(value);
    }
    // What f() finds or leaves there.
    template <class F>
    decltype(auto) with(const Object* object, F&& f) {
        RawGuard guard(lock_);
        return f(values_[object]);
    }

private:
    RawLock lock_;
    std::unordered_map<const Object*, Value> values_;  // L
};
using Works = ByAddress<Work, Given<void (*)(void*), void*>>;
using Timers = ByAddress<Timer, Given<void (*)(unsigned long), unsigned long>>;

// Until 2.6.20 every item could be queued with a delay. Such a delay is another item of the engine, which calls this
// one's function when it runs.
struct Late {
    DelayedWork dwork;
    Work* item = nullptr;         // I
    const void* given = nullptr;  // by whoever queues it while it is not pending
};
using Lates = ByAddress<Work, std::unique_ptr<Late>>;

// An object that was copied after it was set up has nothing here.
template <class Value>
bool known(const Value& value, const char* what) {
    if (value.function != nullptr) return true;
    warn_once(here(), what, std::string(what) + ": this object was copied, or never set up by the old form");
    return false;
}

void run_work(Work* work) {
    const auto given = Works::all().with(work, [](auto& value) { return value; });
    if (known(given, "INIT_WORK")) given.function(given.data);
}
void run_timer(Timer* timer) {
    const auto given = Timers::all().with(timer, [](auto& value) { return value; });
    if (known(given, "setup_timer")) given.function(given.data);
}
void run_late(Work* work) {
    Work* const item = container_of(container_of(work, &DelayedWork::work), &Late::dwork)->item;
    item->func(item);
}

Late& late_of(Work* item) {
    return Lates::all().with(item, [&](std::unique_ptr<Late>& late) -> Late& {
        if (late == nullptr) {
            late = std::make_unique<Late>();
            new (&late->dwork) DelayedWork(run_late);
            late->item = item;
        }
        return *late;
    });
}

}  // namespace

const void* given_function(const Work* work, WorkFunction function) {
    if (function == run_work)
        return reinterpret_cast<const void*>(Works::all().with(work, [](auto& value) { return value.function; }));
    if (function == run_late)
        return container_of(container_of(const_cast<Work*>(work), &DelayedWork::work), &Late::dwork)->given;
    return reinterpret_cast<const void*>(function);
}
const void* given_function(const Timer* timer, void (*function)(Timer*)) {
    if (function != run_timer) return reinterpret_cast<const void*>(function);
    return reinterpret_cast<const void*>(Timers::all().with(timer, [](auto& value) { return value.function; }));
}

extern "C" {

void bh_linux_init_work_old(Work* work, void (*func)(void*), void* data) {
    bh_linux_init_work(work, run_work);
    Works::all().set(work, {func, data});
}
void bh_linux_setup_timer(Timer* timer, void (*func)(unsigned long), unsigned long data) {
    bh_linux_timer_setup(timer, run_timer, 0);
    Timers::all().set(timer, {func, data});
}

bool bh_linux_queue_delayed_work_old(int cpu, Workqueue* wq, Work* work, unsigned long delay) {
    if (delay == 0) return bh_linux_queue_work_on(cpu, wq, work);
    Late& late = late_of(work);
    if (work->pending() || late.dwork.work.pending()) return false;
    late.given = given_function(work, work->func);
    return bh_linux_queue_delayed_work_on(cpu, wq, &late.dwork, delay);
}
bool bh_linux_cancel_delayed_work_old(Work* work) { return cancel_delayed_work(late_of(work).dwork); }
bool bh_linux_cancel_delayed_work_sync_old(Work* work) {
    const bool was_late = bh_linux_cancel_delayed_work_sync(&late_of(work).dwork);
    return bh_linux_cancel_work_sync(work) || was_late;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
