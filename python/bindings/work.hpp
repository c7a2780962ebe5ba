// The Python objects that are work items: raw C types with the engine's item inside, 88 bytes and a GC header.
//
// A pending or running item holds one strong reference to its Python object per queueing; an idle one holds none.
#pragma once

#include "low_latency.hpp"
#include "python.hpp"

#include "bottomhalf/workqueue/deadlock.hpp"

namespace bh_python {

// What few items have: made on demand.
struct WorkExtra {
    PyObject* name = nullptr;
    PyObject* exception = nullptr;
    PyObject* scope = nullptr;  // the bottomhalf.WorkScope it was queued through
};

struct PyWork {
    PyObject_HEAD PyObject* func;  // GIL: the callable, or null when the class has run()
    WorkExtra* extra;              // GIL
    PyObject* weakrefs;
    alignas(8) Work work;  // the same place in PyDelayedWork
};

struct PyDelayedWork {
    PyObject_HEAD PyObject* func;
    WorkExtra* extra;
    PyObject* weakrefs;
    alignas(8) DelayedWork dwork;
};

// Waits for a grace period before it is queued.
struct PyRcuWork {
    PyObject_HEAD PyObject* func;
    WorkExtra* extra;
    PyObject* weakrefs;
    alignas(8) RcuWork rwork;
};

// A future is an item that keeps what its function returned.
enum class FutureState : std::uint8_t { pending, running, cancelled, cancelled_notified, finished };
struct PyFuture {
    PyObject_HEAD PyObject* func;
    WorkExtra* extra;
    PyObject* weakrefs;
    alignas(8) Work work;
    PyObject* args;  // GIL; dropped when the function was called
    PyObject* kwargs;
    PyObject* context;  // the submitter's contextvars.Context
    PyObject* result;   // GIL: or the exception
    PyObject* shared;   // GIL: made when somebody looks from outside: the Python side's condition, waiters, callbacks
    PyObject* scope;    // GIL: the bottomhalf.WorkScope it was submitted through, until it is over
    Backlog* place;     // GIL: what it waits in, until it starts or is taken back
    Completion* done;   // GIL to create; complete_all() once finished
    FutureState state;  // GIL
    bool failed;        // GIL: result is an exception
    bool cancel_asked;  // GIL: cancel() was called while it ran
};
static_assert(offsetof(PyWork, work) == offsetof(PyDelayedWork, dwork) &&
              offsetof(PyWork, work) == offsetof(PyRcuWork, rwork) &&
              offsetof(PyWork, work) == offsetof(PyFuture, work));

extern PyTypeObject* g_work_type;
extern PyTypeObject* g_delayed_type;
extern PyTypeObject* g_rcu_type;
extern PyObject* g_run_name;         // "run"
extern PyTypeObject* g_future_type;  // bottomhalf.Future, once the package told us

inline PyWork* work_object(Work* work) noexcept {
    return reinterpret_cast<PyWork*>(reinterpret_cast<char*>(work) - offsetof(PyWork, work));
}
inline bool is_work(PyObject* o) noexcept { return PyObject_TypeCheck(o, g_work_type); }
inline bool is_rcu(PyObject* o) noexcept { return PyObject_TypeCheck(o, g_rcu_type); }
inline bool is_delayed(PyObject* o) noexcept { return PyObject_TypeCheck(o, g_delayed_type); }
// Throws TypeError naming what is needed.
PyWork* as_work(PyObject* o, const char* call);
PyDelayedWork* as_delayed(PyObject* o, const char* call);
// An item that can run: has a function or overrides run(). Throws TypeError.
void require_runnable(PyWork* w);
bool overrides_run(PyObject* self) noexcept;  // its class has a run() of its own

// Queues an item, which holds its object while it is pending: the reference is taken before, for the item may run at
// once and be over when queue() returns.
template <class W, class Queue>
bool keep_if_queued(W* w, Queue&& queue) {
    Py_INCREF(w);
    bool queued = false;
    try {
        queued = queue();
    } catch (...) {
        Py_DECREF(w);
        throw;
    }
    if (!queued) Py_DECREF(w);
    return queued;
}

// Queueing calls for Python items. They throw what the engine throws.
inline bool queue_object(Workqueue& wq, PyWork* w, int cpu) {
    if (w->func == nullptr) [[unlikely]]
        require_runnable(w);
    const bool queued = keep_if_queued(w, [&] { return wq.queue(w->work, cpu); });
    if (queued) [[likely]]
        after_queueing(wq.domain(), w->work);
    return queued;
}
bool queue_node_object(Workqueue& wq, PyWork* w, int node);
bool queue_delayed_object(Workqueue& wq, PyDelayedWork* w, double seconds, int cpu);
bool mod_delayed_object(Workqueue& wq, PyDelayedWork* w, double seconds, int cpu);

// Does somebody want the item's run to end: who cancels it, its scope, its machine? GIL held.
bool cancel_requested(const Work& work, PyObject* scope);
bool queue_rcu_object(Workqueue& wq, PyObject* item);
// The slots of every kind of item, and its handler's call.
int work_traverse(PyObject* self, visitproc visit, void* arg);
int work_clear(PyObject* self);
void work_dealloc(PyObject* self);
void run_object(Work* work);
// What items of one function have in common: its code, or the class. Not to be followed.
const void* function_of_object(const void* object) noexcept;
void describe_object(const void* object, char* buffer, std::size_t size) noexcept;
void drop_object(void* object) noexcept;
void future_function(Work* work);
void future_dropped(PyFuture* f) noexcept;
// What a wait for the first of these futures needs, for the graph of waits; empty when one of them is not ours.
std::vector<ItemWait> item_waits(PyObject* futures);
std::string describe_callable(PyObject* func);

}  // namespace bh_python
