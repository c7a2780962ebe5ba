// The GIL as the engine's gate, and signals while a Python thread waits.
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "gil_words.hpp"
#include "interrupt.hpp"
#include "python.hpp"
#include "simulated.hpp"
#include "thread_state.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

// The interpreter asks for the GIL back after 5 ms. A worker that has had it for this long already hands it over
// between two items, and gives those who wait this long to take it; else it would be first to have it again. In
// nanoseconds.
constexpr std::int64_t kTurn = 500'000, kHandover = 100'000;

PyInterpreterState* g_interpreter = nullptr;
// GIL: tasks that entered although they had the GIL (softirqs run at the end of a section that a handler left open).
std::vector<const Task*> g_nested;
// A, relaxed: tasks that wait to pass the gate, and how many have passed it.
Atomic<int> g_waiting{0};
std::atomic<unsigned> g_passed{0};
[[gnu::tls_model("initial-exec")]] thread_local std::int64_t t_has_it_since = 0;
// GIL: workers that offer the GIL between two items.
std::vector<const Task*> g_offering;
// GIL: references that a task drops once the engine is done with the object (drop_after_callback).
std::vector<std::pair<const Task*, PyObject*>> g_deferred;

// One gate, the GIL, in several objects: a gate is handed engine objects, and each kind has its own.
class GilGate : public Gate {
public:
    explicit GilGate(const Atomic<int>& asked = g_waiting, std::ptrdiff_t mark_at = 0) noexcept
        : Gate(asked, mark_at) {}
    void enter(Task& self) override {
        if (self.adopted && !is_fiber(self)) {
            // A Python thread that let the GIL go for the call it is in has a thread state already.
            adopted_states().push_back(PyGILState_Ensure());
            return;
        }
        if (self.gate_state == nullptr) {
            self.gate_state = is_fiber(self) ? new_state(g_interpreter) : PyThreadState_New(g_interpreter);
            self.gate_cleanup = &GilGate::cleanup;
            pass_in(self);
            trace_python(self);
            return;
        } else if (_PyThreadState_UncheckedGet() == self.gate_state) [[unlikely]] {
            g_nested.push_back(&self);
            return;
        }
        pass_in(self);
    }

    void leave(Task& self) override {
        if (self.adopted && !is_fiber(self)) {
            const PyGILState_STATE state = adopted_states().back();
            adopted_states().pop_back();
            PyGILState_Release(state);
            return;
        }
        if (!g_nested.empty()) [[unlikely]] {
            for (auto it = g_nested.begin(); it != g_nested.end(); ++it) {
                if (*it != &self) continue;
                g_nested.erase(it);
                return;
            }
        }
        PyEval_SaveThread();
    }

    // GIL: builtins as handlers never reach an evaluation loop, where the interpreter would ask for the GIL back; so
    // every now and then it is offered between two items.
    void poll(Task& self, bool now_and_then) override {
        if (self.adopted) return;
        const bool turn_is_over = g_waiting.load(std::memory_order_relaxed) != 0 && now() - t_has_it_since > kTurn;
        if (!now_and_then && !turn_is_over) return;
        g_offering.push_back(&self);
        const unsigned passed = g_passed.load(std::memory_order_relaxed);
        PyEval_SaveThread();
        if (turn_is_over) {
            const std::int64_t end = now() + kHandover;
            while (g_passed.load(std::memory_order_relaxed) == passed && now() < end) sched_yield();
        }
        take_gil_back(static_cast<PyThreadState*>(self.gate_state));
        t_has_it_since = now();
        std::erase(g_offering, &self);
    }

    void regained(Task&) noexcept override { t_has_it_since = now(); }

    void describe(const void* object, char* buffer, std::size_t size) override {
        describe_object(object, buffer, size);
    }
    const void* function_of(const void* object) const noexcept override { return function_of_object(object); }
    bool waits_at(std::uintptr_t address) const noexcept override { return is_gil_word(address); }
    bool holds(const Task& task) const noexcept override { return is_attached(task); }
    bool between(const Task& task) override { return between_items(&task); }
    void backtrace(const void* state, std::vector<std::string>& lines) override { python_backtrace(state, lines); }
    void dropped(void* object) override {
        Hold hold(*this);
        drop_object(object);
    }

    // The GIL for a call from anywhere: a task of the machine has a thread state of its own, others have Python's.
    class Hold {
    public:
        explicit Hold(GilGate& gate) : gate_(gate), task_(current_task()) {
            if (has_own_state())
                gate_.GilGate::enter(*task_);
            else
                state_ = PyGILState_Ensure();
        }
        ~Hold() {
            if (has_own_state())
                gate_.GilGate::leave(*task_);
            else
                PyGILState_Release(state_);
        }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

    private:
        bool has_own_state() const noexcept { return task_ != nullptr && (!task_->adopted || is_fiber(*task_)); }
        GilGate& gate_;
        Task* task_;
        PyGILState_STATE state_ = PyGILState_UNLOCKED;
    };

private:
    static std::int64_t now() noexcept {
        timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
    }
    static void pass_in(Task& self) {
        if (is_fiber(self)) {
            attach(self);
            return;
        }
        // Displaced in the middle of queue(), it has the GIL: one more look at the CPU is cheaper for both than a wait.
        if (self.domain.load(std::memory_order_relaxed)->substrate->displaced_waker(self) && may_be_held())
            sched_yield();
        g_waiting.fetch_add(1, std::memory_order_relaxed);
        attach(self);
        g_waiting.fetch_sub(1, std::memory_order_relaxed);
        g_passed.fetch_add(1, std::memory_order_relaxed);
        t_has_it_since = now();
    }
    static std::vector<PyGILState_STATE>& adopted_states() {
        thread_local std::vector<PyGILState_STATE> states;
        return states;
    }
    static void cleanup(Task& self) {
        attach(self);
        auto* const state = static_cast<PyThreadState*>(self.gate_state);
        if (is_fiber(self)) {
            release_state(state);
        } else {
            PyThreadState_Clear(state);
            PyThreadState_DeleteCurrent();
        }
        self.gate_state = nullptr;
    }
};

void drop_deferred(const Task& self) {
    // Out of the list first: a destructor may run anything.
    std::vector<PyObject*> mine;
    std::erase_if(g_deferred, [&](auto& entry) {
        if (entry.first != &self) return false;
        mine.push_back(entry.second);
        return true;
    });
    for (PyObject* object : mine) Py_DECREF(object);
}

class TaskletGate final : public GilGate {
public:
    TaskletGate() noexcept : GilGate(kAlways) {}
    void leave(Task& self) override {
        if (!g_deferred.empty()) drop_deferred(self);
        GilGate::leave(self);
    }
    void poll(Task& self, bool now_and_then) override {
        if (!g_deferred.empty()) drop_deferred(self);
        GilGate::poll(self, now_and_then);
    }
    void describe(const void* object, char* buffer, std::size_t size) override {
        describe_tasklet(static_cast<const Tasklet*>(object), buffer, size);
    }
    void dropped(void* object) override {
        Hold hold(*this);
        drop_tasklet(static_cast<Tasklet*>(object));
    }
};

class TimerGate final : public GilGate {
public:
    void describe(const void* object, char* buffer, std::size_t size) override {
        describe_timer(static_cast<const Timer*>(object), buffer, size);
    }
    void dropped(void* object) override {
        Hold hold(*this);
        drop_timer(static_cast<Timer*>(object));
    }
};

class PlainGate final : public GilGate {
public:
    void describe(const void*, char* buffer, std::size_t size) override {
        std::snprintf(buffer, size, "python_handler");
    }
    void dropped(void*) override {}
};

// An item is marked by its func.
constexpr auto kWork = static_cast<std::ptrdiff_t>(offsetof(PyWork, work));
constexpr auto kFunc = static_cast<std::ptrdiff_t>(offsetof(PyWork, func));
GilGate g_gate(g_waiting, kFunc - kWork);
TaskletGate g_tasklet_gate;
TimerGate g_timer_gate;
PlainGate g_plain_gate;

class SignalChecker final : public Interrupter {
public:
    bool pending() override {
        GilGate::Hold hold(g_gate);
        // A handler that raises (KeyboardInterrupt) leaves its error set; the wait carries it out as Interrupted.
        if (PyErr_CheckSignals() == 0) return false;
        PyErr_Fetch(&type, &value, &traceback);
        return true;
    }
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
};

SignalChecker g_signals;
unsigned long g_main_thread = 0;

}  // namespace

void take_gil_back(PyThreadState* state) {
    // The main thread is the one that finalises.
    while (finalising() && PyThread_get_thread_ident() != g_main_thread) pause();
    try {
        PyEval_RestoreThread(state);
    } catch (ForcedUnwind&) {
        // It began to finalise meanwhile: as in enter_python().
        for (;;) pause();
    }
}

Gate* gil_gate() noexcept { return &g_gate; }
Gate* tasklet_gate() noexcept { return &g_tasklet_gate; }
Gate* timer_gate() noexcept { return &g_timer_gate; }
Gate* plain_gate() noexcept { return &g_plain_gate; }

void drop_after_callback(Task& self, PyObject* object) { g_deferred.emplace_back(&self, object); }

bool between_items(const Task* task) noexcept {
    return std::find(g_offering.begin(), g_offering.end(), task) != g_offering.end();
}

void describe_func(PyObject* func, const PyObject* self, char* buffer, std::size_t size) noexcept {
    const char* text = func != nullptr ? Py_TYPE(func)->tp_name : Py_TYPE(self)->tp_name;
    if (func != nullptr && PyMethod_Check(func)) func = PyMethod_GET_FUNCTION(func);
    if (func != nullptr && PyFunction_Check(func)) {
        PyObject* name = reinterpret_cast<PyFunctionObject*>(func)->func_name;
        if (name != nullptr && PyUnicode_IS_COMPACT_ASCII(name)) text = static_cast<const char*>(PyUnicode_DATA(name));
    } else if (func != nullptr && PyCFunction_Check(func)) {
        text = reinterpret_cast<PyCFunctionObject*>(func)->m_ml->ml_name;
    }
    std::snprintf(buffer, size, "%s", text);
    std::replace(buffer, buffer + std::strlen(buffer), ' ', '_');
}

void refuse_when_finalising() {
    if (finalising())
        throw MachineHalted(
            "the interpreter is finalising, and the tasks of a simulated machine execute no Python any more; use it "
            "before (atexit)");
}

SignalScope::SignalScope(Domain& domain) : task_(nullptr), before_(nullptr) {
    if (domain.simulated) refuse_when_finalising();
    const bool main_thread = PyThread_get_thread_ident() == g_main_thread;
    if (!main_thread && !domain.simulated) return;
    Task* task = &domain.self();
    if (!task->adopted) return;
    task_ = task;
    before_ = task->interrupter;
    if (main_thread) task->interrupter = &g_signals;
}

SignalScope::~SignalScope() {
    if (task_ == nullptr) return;
    task_->interrupter = before_;
    if (g_signals.type == nullptr) return;
    // Handed back to Python: translate() finds it set.
    PyErr_Restore(g_signals.type, g_signals.value, g_signals.traceback);
    g_signals.type = g_signals.value = g_signals.traceback = nullptr;
}

void stop_simulated(Domain& domain, PyObject* type, PyObject* value, PyObject* traceback) {
    Py_XDECREF(std::exchange(g_signals.type, type));
    Py_XDECREF(std::exchange(g_signals.value, value));
    Py_XDECREF(std::exchange(g_signals.traceback, traceback));
    static_cast<SimulatedSubstrate&>(*domain.substrate)
        .raise_in_init(std::make_exception_ptr(Interrupted("stopped by a handler")));
}

void register_gate(py::module_& m) {
    g_interpreter = PyInterpreterState_Get();
    g_main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
    m.def("_main_thread_changed", [] {
        forget_states();
        g_waiting.store(0, std::memory_order_relaxed);  // of a child: nobody else is there
        g_main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
    });
}

}  // namespace bh_python
