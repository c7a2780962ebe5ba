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

// A look at something that changes: on a simulated machine a loop of such looks lets others run.
inline void poll() {
    Domain& domain = here();
    if (domain.simulated) domain.substrate->relax(me());
}

// Linux's CPU argument: NR_CPUS means "none named".
inline int cpu_argument(int cpu) { return cpu == static_cast<int>(kMaxCpus) ? kCpuUnbound : cpu; }

// The instant at which a sleep of so many jiffies ends, by the timer wheel; negative or MAX_SCHEDULE_TIMEOUT: never.
Nanoseconds sleep_deadline(Domain& domain, long timeout);
// What is left of it, in jiffies.
long jiffies_left(Domain& domain, Nanoseconds deadline);

// What a WARN leaves in the log: the message, who and where.
void warn(Domain& domain, const std::string& where, const std::string& message);
// The same, once for each place of a machine (Linux: WARN_ONCE).
void warn_once(Domain& domain, const char* where, const std::string& message);
void warn_once(Domain& domain, const char* key, const char* where, const std::string& message);
void log(Domain& domain, LogLevel level, std::string text);
// What Linux's debug objects say of an object that is set up again while it is queued or armed; it was taken back.
void report_init_active(const char* type, const void* function, const char* missing);
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

// A module's null pointer where Linux would fault: the oops is written, and the module ends with an exception.
[[noreturn]] void null_pointer(const char* call);
template <class T>
T& deref(T* pointer, const char* call) {
    if (pointer == nullptr) [[unlikely]]
        null_pointer(call);
    return *pointer;
}

// Lockdep's verdict (simulated machines): written once, and that is the end of its looking, as on Linux.
// RETURNS: there was one to write; the caller tries again.
bool lockdep_reported(const char* what);
// f(), which may be told by lockdep that it could deadlock: then that is written, and f() goes on.
template <class F>
auto past_lockdep(F&& f) {
    try {
        return f();
    } catch (const DeadlockError& e) {
        if (!lockdep_reported(e.what())) throw;
    } catch (const MisuseError& e) {
        if (e.rule() != "inconsistent-lock-state" || !lockdep_reported(e.what())) throw;
    }
    return f();
}

// The kernel's printf. Returns the text.
std::string format(const char* fmt, va_list args);

}  // namespace bottomhalf::linux_api
