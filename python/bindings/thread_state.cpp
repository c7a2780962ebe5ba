#include "thread_state.hpp"

#include <mutex>

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
    PyThreadState* const now = attached();
    from.gate_attached = now != nullptr;
    // Init has that of whoever calls the machine: the thread, a task of another of its machines, or who destroys it.
    // The thread must not be left bound to another one.
    if (from.adopted) from.gate_state = now != nullptr ? now : PyGILState_GetThisThreadState();
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
        take_gil_back(wanted);
    }
    if (to.gate_state != nullptr) bh_bind_thread_state(state_of(to));
}

// The same where each task is a thread: each of them has its own frames and its own thread state, but the GIL does not
// go from one to the next by itself.
void before_on_threads(void*, Task& from, Task&) {
    from.gate_attached = attached() != nullptr;
    if (from.gate_attached) from.gate_state = PyEval_SaveThread();
}
void after_on_threads(void*, Task&, Task& to) {
    if (to.gate_attached) take_gil_back(state_of(to));
}

// Making a thread state, and its stack of frames with the first call, takes longer than all that a short item does.
// Arbitrary: more tasks than this seldom end in one machine.
constexpr std::size_t kMostStates = 32;

std::mutex g_abandoned_lock;
std::vector<PyThreadState*> g_abandoned;  // under it: of threads that ended; whoever has the GIL next deletes them

struct States {
    std::vector<PyThreadState*> free;
    ~States() {
        const std::lock_guard guard(g_abandoned_lock);
        g_abandoned.insert(g_abandoned.end(), free.begin(), free.end());
        free.clear();
    }
    static States& mine() {
        thread_local States states;
        return states;
    }
};

// Is there nothing in it that a task could have left, and the next one would find? As PyThreadState_Clear() lists it.
bool is_as_new(const PyThreadState& s) noexcept {
#if PY_VERSION_HEX >= 0x030e0000
    return false;  // not looked at yet
#else
#if PY_VERSION_HEX >= 0x030d0000
    const bool frames = s.current_frame != nullptr || s.threading_local_key != nullptr ||
                        s.threading_local_sentinel != nullptr || s.delete_later != nullptr;
#elif PY_VERSION_HEX >= 0x030c0000
    const bool frames = s.cframe != &s.root_cframe || s.cframe->current_frame != nullptr || s.on_delete != nullptr ||
                        s.trash.delete_later != nullptr;
#elif PY_VERSION_HEX >= 0x030b0000
    const bool frames = s.cframe != &s.root_cframe || s.cframe->current_frame != nullptr || s.on_delete != nullptr ||
                        s.trash_delete_later != nullptr;
#else
    const bool frames =
        s.cframe != &s.root_cframe || s.frame != nullptr || s.on_delete != nullptr || s.trash_delete_later != nullptr;
#endif
#if PY_VERSION_HEX >= 0x030c0000
    const bool error = s.current_exception != nullptr;
#else
    const bool error = s.curexc_type != nullptr;
#endif
    return !frames && !error && s.dict == nullptr && s.context == nullptr && s.async_exc == nullptr &&
           s.c_tracefunc == nullptr && s.c_profilefunc == nullptr && s.exc_info == &s.exc_state &&
           s.exc_state.exc_value == nullptr && s.exc_state.previous_item == nullptr &&
           s.coroutine_origin_tracking_depth == 0 && s.async_gen_firstiter == nullptr &&
           s.async_gen_finalizer == nullptr;
#endif
}

void delete_abandoned() noexcept {
    std::vector<PyThreadState*> states;
    {
        const std::lock_guard guard(g_abandoned_lock);
        states.swap(g_abandoned);
    }
    for (PyThreadState* state : states) {
        PyThreadState_Clear(state);
        PyThreadState_Delete(state);
    }
}

}  // namespace

PyThreadState* new_state(PyInterpreterState* interpreter) {
    auto& free = States::mine().free;
    // The interpreter deletes the others' when it ends.
    if (free.empty() || finalising() || PyThreadState_GetInterpreter(free.back()) != interpreter)
        return PyThreadState_New(interpreter);
    PyThreadState* const state = free.back();
    free.pop_back();
    return state;
}

void release_state(PyThreadState* state) noexcept {
    auto& free = States::mine().free;
    if (free.size() < kMostStates && is_as_new(*state) && !finalising()) {
        free.push_back(state);
        PyEval_SaveThread();
        return;
    }
    delete_abandoned();
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

void forget_states() noexcept {
    States::mine().free.clear();
    g_abandoned.clear();
}

bool is_fiber(const Task& task) noexcept {
    const Domain* domain = task.domain.load(std::memory_order_relaxed);
    return domain != nullptr && domain->simulated;
}

bool is_attached(const Task& task) noexcept {
    const PyThreadState* state = state_of(task);
    if (state == nullptr) return false;
#if PY_VERSION_HEX >= 0x030d0000
    return __atomic_load_n(&state->state, __ATOMIC_RELAXED) == 1;  // _Py_THREAD_ATTACHED
#elif PY_VERSION_HEX >= 0x030c0000
    return state->_status.active != 0;
#else
    return state == _PyThreadState_UncheckedGet();
#endif
}

bool may_be_held() noexcept {
#if PY_VERSION_HEX >= 0x030c0000
    return true;  // each thread knows of itself only
#else
    return _PyThreadState_UncheckedGet() != nullptr;
#endif
}

void attach(Task& self) {
    take_gil_back(state_of(self));
    if (is_fiber(self)) bh_bind_thread_state(state_of(self));
}

void switch_thread_states(Machine& machine) {
    Domain& domain = machine.domain();
    domain.self().gate_state = attached();
    auto& substrate = static_cast<SimulatedSubstrate&>(*domain.substrate);
    if (Fiber::on_threads())
        substrate.set_switch_hook({before_on_threads, after_on_threads, nullptr});
    else
        substrate.set_switch_hook({before, after, nullptr});
}

}  // namespace bh_python
