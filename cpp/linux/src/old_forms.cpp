// The handlers of before 2.6.20, 4.15 and 5.9, which took data instead of their object. The data is kept here, by the
// object's address; an object that is set up again gets new data.
#include <unordered_map>

#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

template <class Function, class Data>
class ByAddress {
public:
    struct Old {
        Function function;
        Data data;
    };
    void set(const void* object, Function function, Data data) {
        RawGuard guard(lock_);
        old_[object] = {function, data};
    }
    Old get(const void* object) {
        RawGuard guard(lock_);
        return old_.at(object);
    }

private:
    RawLock lock_;
    std::unordered_map<const void*, Old> old_;  // L
};

using Works = ByAddress<void (*)(void*), void*>;
using Timers = ByAddress<void (*)(unsigned long), unsigned long>;

// Modules are loaded before and unloaded after anything of theirs runs: the process has one of each, and keeps it.
Works& works() {
    static auto* all = new Works;
    return *all;
}
Timers& timers() {
    static auto* all = new Timers;
    return *all;
}

void run_work(Work* work) {
    const auto old = works().get(work);
    old.function(old.data);
}
void run_timer(Timer* timer) {
    const auto old = timers().get(timer);
    old.function(old.data);
}

}  // namespace

extern "C" {

void bh_linux_init_work_old(Work* work, void (*func)(void*), void* data) {
    works().set(work, func, data);
    new (work) Work(run_work);
}
void bh_linux_setup_timer(Timer* timer, void (*func)(unsigned long), unsigned long data) {
    timers().set(timer, func, data);
    timer_setup(*timer, run_timer);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
