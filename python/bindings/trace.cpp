// bottomhalf.TraceEvent and bottomhalf.LogLine.
#include "trace.hpp"

#include <functional>
#include <string_view>

namespace bh_python {

namespace {

struct EventObject {
    TraceRecord record;
};

// "vec=3 [action=NET_RX]" is {"vec": "3", "action": "NET_RX"}; values have no spaces.
py::dict fields_of(const TraceRecord& record) {
    py::dict fields;
    std::string_view rest = record.fields;
    while (!rest.empty()) {
        const std::size_t end = rest.find(' ');
        std::string_view word = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        if (!word.empty() && word.front() == '[') word.remove_prefix(1);
        if (!word.empty() && word.back() == ']') word.remove_suffix(1);
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) continue;
        fields[py::str(std::string(word.substr(0, equals)))] = py::str(std::string(word.substr(equals + 1)));
    }
    return fields;
}

}  // namespace

py::list take_trace(Machine& machine) {
    py::list list;
    for (TraceRecord& record : machine.domain().trace.take()) list.append(py::cast(EventObject{record}));
    return list;
}

py::list log_lines(Machine& machine) {
    py::list list;
    for (LogLine& line : machine.domain().log.lines()) list.append(py::cast(std::move(line)));
    return list;
}

void register_trace(py::module_& m) {
    py::class_<EventObject>(m, "TraceEvent", "One event of a trace; str() is its canonical line.")
        .def(py::init([](const py::args&, const py::kwargs&) -> EventObject {
            throw py::type_error("bottomhalf.TraceEvent has no constructor: `with m.trace() as t:` collects events");
        }))
        .def_property_readonly(
            "time_ns", [](const EventObject& e) { return e.record.time_ns; }, "Nanoseconds since boot.")
        .def_property_readonly(
            "cpu", [](const EventObject& e) { return e.record.cpu; }, "Where it happened.")
        .def_property_readonly(
            "context",
            [](const EventObject& e) {
                static const char* const names[] = {"task", "softirq", "hardirq"};
                return names[static_cast<int>(e.record.context)];
            },
            "'task', 'softirq' or 'hardirq'.")
        .def_property_readonly(
            "task", [](const EventObject& e) { return std::string(e.record.task); }, "The task's name.")
        .def_property_readonly(
            "name", [](const EventObject& e) { return e.record.name; }, "The name of Linux's tracepoint.")
        .def_property_readonly(
            "fields", [](const EventObject& e) { return fields_of(e.record); },
            "The event's fields by name; values are text.")
        .def("__str__", [](const EventObject& e) { return e.record.to_string(); })
        .def("__repr__", [](const EventObject& e) { return "<bottomhalf.TraceEvent " + e.record.to_string() + ">"; })
        .def("__eq__",
             [](const EventObject& a, const py::object& other) {
                 return py::isinstance<EventObject>(other) &&
                        a.record.to_string() == other.cast<const EventObject&>().record.to_string();
             })
        .def("__hash__", [](const EventObject& e) { return std::hash<std::string>()(e.record.to_string()); });
    py::class_<LogLine>(m, "LogLine", "One line of a machine's kernel log; str() is the line as dmesg prints it.")
        .def(py::init([](const py::args&, const py::kwargs&) -> LogLine {
            throw py::type_error("bottomhalf.LogLine has no constructor: m.log lists the lines");
        }))
        .def_property_readonly(
            "time_ns", [](const LogLine& l) { return l.time_ns; }, "Nanoseconds since boot.")
        .def_property_readonly(
            "level", [](const LogLine& l) { return static_cast<int>(l.level); },
            "Linux's level: 0 (emerg) to 7 (debug).")
        .def_property_readonly(
            "text", [](const LogLine& l) { return l.text; }, "The text, without time and level.")
        .def("__str__", [](const LogLine& l) { return l.to_string(); })
        .def("__repr__", [](const LogLine& l) { return "<bottomhalf.LogLine " + l.to_string() + ">"; })
        .def("__eq__",
             [](const LogLine& a, const py::object& other) {
                 return py::isinstance<LogLine>(other) && a.to_string() == other.cast<const LogLine&>().to_string();
             })
        .def("__hash__", [](const LogLine& l) { return std::hash<std::string>()(l.to_string()); });
}

}  // namespace bh_python
