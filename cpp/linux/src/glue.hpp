// What the functions behind the Linux headers share: which machine they are on, and what becomes of misuse.
//
// A C function has an exported symbol "bh_linux_" and its name; the header names it so. It takes the engine's objects:
// the C structs are those (layout.cpp proves it). The engine's exceptions are turned into what Linux does: a line in
// the machine's log and Linux's value. What Linux would not survive goes on as an exception through the module's C
// frames, which are compiled with -fexceptions.
#pragma once

#include <cstdarg>
#include <string>
#include <utility>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

// The calling task. Throws Error when the thread is no task of any machine.
Task& me();
inline Domain& here() { return *me().domain.load(std::memory_order_relaxed); }
inline Machine& machine() { return *here().machine; }

// Linux's CPU argument: NR_CPUS means "none named".
inline int cpu_argument(int cpu) { return cpu == static_cast<int>(kMaxCpus) ? kCpuUnbound : cpu; }

// What a WARN leaves in the log: the message, who and where.
void warn(Domain& domain, const std::string& where, const std::string& message);
// The same, once for each place of a machine (Linux: WARN_ONCE).
void warn_once(Domain& domain, const char* where, const std::string& message);
void log(Domain& domain, LogLevel level, std::string text);
// "BUG: scheduling while atomic: comm/pid/0xcount", or what Linux says where only interrupts are off.
void report_atomic(Task& self, const char* call);

// Inside a catch block: has Linux a warning for this mistake, after which it goes on? Then it was written.
// Otherwise the caller throws on.
bool warned_about(const char* call);

// f(), or what Linux returns after it warned.
template <class R, class F>
R as_linux(const char* call, R after_warning, F&& f) {
    try {
        return std::forward<F>(f)();
    } catch (...) {
        if (!warned_about(call)) throw;
        return after_warning;
    }
}
template <class F>
void as_linux(const char* call, F&& f) {
    try {
        std::forward<F>(f)();
    } catch (...) {
        if (!warned_about(call)) throw;
    }
}

// The kernel's printf. Returns the text.
std::string format(const char* fmt, va_list args);
// The name of the function at this address, or its address.
std::string function_name(const void* address);

}  // namespace bottomhalf::linux_api
