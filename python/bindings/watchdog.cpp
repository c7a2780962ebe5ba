// The stall watchdog's Python part: backtraces of stuck tasks, reports to `logging`, and the knobs.
#include "bottomhalf/workqueue/watchdog.hpp"

#include <algorithm>

#include "python.hpp"

namespace bh_python {

namespace {

PyObject* g_report = nullptr;  // bottomhalf._watchdog.report(text)

void report(Domain& domain, const std::string& text) {
    Task& self = domain.self();
    GatePass pass(self);
    pass.want(gil_gate());
    PyObject* argument = PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
    PyObject* result = argument == nullptr ? nullptr : PyObject_CallFunctionObjArgs(g_report, argument, nullptr);
    Py_XDECREF(argument);
    if (result == nullptr && PyErr_Occurred()) PyErr_WriteUnraisable(g_report);
    Py_XDECREF(result);
}

std::string text_of(PyObject* object) {
    const char* text = object != nullptr && PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : nullptr;
    if (text == nullptr) PyErr_Clear();
    return text != nullptr ? text : "?";
}

}  // namespace

// GIL. The state is a name: the task may have ended since.
void python_backtrace(const void* state, std::vector<std::string>& lines) {
    PyThreadState* thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    while (thread != nullptr && thread != state) thread = PyThreadState_Next(thread);
    if (thread == nullptr) return;
    PyFrameObject* frame = PyThreadState_GetFrame(thread);
    while (frame != nullptr) {
        PyCodeObject* code = PyFrame_GetCode(frame);
        lines.push_back("File \"" + text_of(code->co_filename) + "\", line " +
                        std::to_string(PyFrame_GetLineNumber(frame)) + ", in " + text_of(code->co_name));
        Py_DECREF(code);
        PyFrameObject* caller = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = caller;
    }
    std::reverse(lines.begin(), lines.end());
}

std::string show_all_workqueues(Machine& machine) {
    machine.domain().require_alive();
    std::string text;
    for (const std::string& line : machine.workqueues().show_all(machine.domain().self())) {
        machine.domain().log.write(machine.domain().now(), LogLevel::info, line);
        text += (text.empty() ? "" : "\n") + line;
    }
    return text;
}

void register_watchdog(py::module_& m) {
    m.def("_set_watchdog_report", [](py::object function) {
        g_report = function.release().ptr();
        Watchdog::on_report.store(&report);
    });
}

}  // namespace bh_python
