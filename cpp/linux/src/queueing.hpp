// What the C functions that queue and that take back have in common.
#pragma once

#include "glue.hpp"

namespace bottomhalf::linux_api {

// f() queues. On a workqueue that is destroyed or drained Linux warns, drops the item and returns true; a machine that
// halts takes nothing any more.
template <class F>
bool queueing(const char* call, F&& f) {
    try {
        return std::forward<F>(f)();
    } catch (const MachineHalted&) {
        return false;
    } catch (const WorkqueueDestroyed&) {
        warned_about(call);
        return true;
    } catch (const WorkqueueDraining&) {
        warned_about(call);
        return true;
    } catch (...) {
        if (!warned_about(call)) throw;
        return false;
    }
}

// sync(&was) takes an item back and waits; where the caller may not sleep Linux says so, and what is left is to take it
// back: without_waiting().
template <class Sync, class Plain>
bool taking_back(const char* call, Sync&& sync, Plain&& without_waiting) {
    bool was_pending = false, once = false;
    try {
        past_lockdep([&] {
            bool now = false;
            struct Keep {
                bool &was, &now;
                ~Keep() { was = was || now; }
            } keep{was_pending, now};
            sync(&now);
            return 0;
        });
    } catch (const SchedulingWhileAtomic&) {
        report_atomic(me(), call);
        once = true;
    } catch (...) {
        if (!warned_about(call)) throw;
    }
    return once ? without_waiting() : was_pending;
}

}  // namespace bottomhalf::linux_api
