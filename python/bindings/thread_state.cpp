#include "thread_state.hpp"

#include "bottomhalf/sched/simulated/substrate.hpp"

#if PY_VERSION_HEX < 0x030c0000
extern "C" void bh_bind_thread_state(PyThreadState* state);
#else
static void bh_bind_thread_state(PyThreadState*) {}
#endif

namespace bh_python {

namespace {

// The thread state that this thread of the system has attached, or null.
PyThreadState* attached() noexcept {
    PyThreadState* const current = _PyThreadState_UncheckedGet();
#if PY_VERSION_HEX < 0x030c0000
    // There it is the one of whatever thread has the GIL.
    if (current != PyGILState_GetThisThreadState()) return nullptr;
#endif
    return current;
}
PyThreadState* state_of(const Task& task) noexcept { return static_cast<PyThreadState*>(task.gate_state); }

// pybind11's stack of the calls that its dispatcher is in. It is the thread's, and its own business; but each task has
// calls of its own that end in their own order.
using Frame = py::detail::loader_life_support*& (*)();
Frame frame_of_calls();
template <Frame F>
struct FrameAccess {
    friend Frame frame_of_calls() { return F; }
};
template struct FrameAccess<&py::detail::loader_life_support::tls_current_frame>;

void before(void*, Task& from, Task&) {
    from.gate_frame = frame_of_calls()();
    from.gate_attached = attached() != nullptr;
    // Whoever destroys a machine stands for no task that the gate has seen; nor may the thread be left bound to
    // another's thread state then.
    if (from.adopted && from.gate_state == nullptr) from.gate_state = PyGILState_GetThisThreadState();
}

// GIL: a task that left with it finds it again, and one that left without does not hold it: whatever the bindings do
// around a call of the engine, it is the same as if each task were a thread.
void after(void*, Task&, Task& to) {
    frame_of_calls()() = static_cast<py::detail::loader_life_support*>(to.gate_frame);
    PyThreadState* const now = attached();
    PyThreadState* const wanted = to.gate_attached ? state_of(to) : nullptr;
    if (now == wanted) {
        // Nothing to do; PyGILState_*() may still have been bound to another task's.
    } else if (now != nullptr && wanted != nullptr) {
        PyThreadState_Swap(wanted);
    } else if (now != nullptr) {
        PyEval_SaveThread();
    } else {
        PyEval_RestoreThread(wanted);
    }
    if (to.gate_state != nullptr) bh_bind_thread_state(state_of(to));
}

}  // namespace

bool is_fiber(const Task& task) noexcept {
    const Domain* domain = task.domain.load(std::memory_order_relaxed);
    return domain != nullptr && domain->simulated;
}

void attach(Task& self) {
    PyEval_RestoreThread(state_of(self));
    if (is_fiber(self)) bh_bind_thread_state(state_of(self));
}

void switch_thread_states(Machine& machine) {
    Domain& domain = machine.domain();
    domain.self().gate_state = attached();
    static_cast<SimulatedSubstrate&>(*domain.substrate).set_switch_hook({before, after, nullptr});
}

}  // namespace bh_python
