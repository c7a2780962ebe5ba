// Waits that cannot end: the graph of tasks that wait for items and workqueues.
//
// Edges exist only while a worker's item waits inside flush or a sync cancel; they are set and searched under the
// domain's wait_graph lock, taken outside pool locks.
#pragma once

#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

// The calling task waits for an item or a workqueue during this scope. Throws DeadlockError, naming the chain, when
// that closes a cycle.
class WaitScope {
public:
    WaitScope(Task& self, const Work* item, const Workqueue* wq, const char* call);
    ~WaitScope();
    WaitScope(const WaitScope&) = delete;
    WaitScope& operator=(const WaitScope&) = delete;

private:
    friend struct WaitSearch;
    Task& self_;
    const Work* item_;
    const Workqueue* wq_;
    bool entered_ = false;
};

}  // namespace bottomhalf
