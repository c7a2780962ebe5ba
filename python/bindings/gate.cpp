// The GIL as the engine's gate, and signals while a Python thread waits.
#include "python.hpp"
#include "work.hpp"

namespace bh_python {

namespace {

// GIL: builtins as handlers never reach an evaluation loop, where the interpreter would ask for the GIL back; so every
// now and then it is offered between two items.
constexpr unsigned kItemsPerOffer = 256;

class GilGate final : public Gate {
public:
    void enter(Task& self) override {
        if (self.adopted) {
            // A Python thread that let the GIL go for the call it is in has a thread state already.
            adopted_states().push_back(PyGILState_Ensure());
            return;
        }
        if (self.gate_state == nullptr) {
            self.gate_state = PyThreadState_New(interpreter_);
            self.gate_cleanup = &GilGate::cleanup;
        }
        PyEval_RestoreThread(static_cast<PyThreadState*>(self.gate_state));
    }

    void leave(Task& self) override {
        if (self.adopted) {
            const PyGILState_STATE state = adopted_states().back();
            adopted_states().pop_back();
            PyGILState_Release(state);
            return;
        }
        PyEval_SaveThread();
    }

    void poll(Task& self) override {
        if (self.adopted) return;
        [[gnu::tls_model("initial-exec")]] thread_local unsigned items = 0;
        if (++items % kItemsPerOffer != 0) return;
        PyEval_SaveThread();
        PyEval_RestoreThread(static_cast<PyThreadState*>(self.gate_state));
    }

    void describe(const void* object, char* buffer, std::size_t size) override { describe_object(object, buffer, size); }

    void dropped(void* object) override {
        const PyGILState_STATE state = PyGILState_Ensure();
        drop_object(object);
        PyGILState_Release(state);
    }

    PyInterpreterState* interpreter_ = nullptr;

private:
    static std::vector<PyGILState_STATE>& adopted_states() {
        thread_local std::vector<PyGILState_STATE> states;
        return states;
    }
    static void cleanup(Task& self) {
        PyEval_RestoreThread(static_cast<PyThreadState*>(self.gate_state));
        PyThreadState_Clear(static_cast<PyThreadState*>(self.gate_state));
        PyThreadState_DeleteCurrent();
        self.gate_state = nullptr;
    }
};

GilGate g_gate;

class SignalChecker final : public Interrupter {
public:
    bool pending() override {
        py::gil_scoped_acquire acquire;
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

Gate* gil_gate() noexcept { return &g_gate; }

SignalScope::SignalScope(Domain& domain) : task_(nullptr), before_(nullptr) {
    if (PyThread_get_thread_ident() != g_main_thread) return;
    Task* task = &domain.self();
    if (!task->adopted) return;
    task_ = task;
    before_ = task->interrupter;
    task->interrupter = &g_signals;
}

SignalScope::~SignalScope() {
    if (task_ == nullptr) return;
    task_->interrupter = before_;
    if (g_signals.type == nullptr) return;
    // Handed back to Python: translate() finds it set.
    PyErr_Restore(g_signals.type, g_signals.value, g_signals.traceback);
    g_signals.type = g_signals.value = g_signals.traceback = nullptr;
}

void register_gate(py::module_& m) {
    g_gate.interpreter_ = PyInterpreterState_Get();
    g_main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
    m.def("_main_thread_changed", [] {
        g_main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
    });
}

}  // namespace bh_python
