// Traces and the kernel log as Python objects.
#pragma once

#include "python.hpp"

namespace bh_python {

py::list take_trace(Machine& machine);  // everything since the last start or take, as TraceEvents in order
py::list log_lines(Machine& machine);   // LogLines, oldest first

}  // namespace bh_python
