// Faults in modules (Linux: the oops). A bad access, a division by zero or a call of null in a module's code ends what
// it did and the module, with a report in the machine's log; the process lives on.
//
// A fault is survived where the frames between it and the engine's call of the module can be left: in the module's own
// code, and in the C library (but for its heap) and the functions of <linux/...> that the module called with a bad
// pointer, as long as those hold nothing. It is not survived in the engine below them, on a stack that is used up, and
// outside a machine's tasks: those faults go to whoever handled them before. Locks that the module held stay held.
#pragma once

#include <cstdint>

namespace bottomhalf::modules {

// Handles SIGSEGV, SIGBUS, SIGFPE and SIGILL from now on, before whoever did. Idempotent. CONTEXT: any.
void watch_for_faults();

// What a module has found out itself, or a function of <linux/...> that it called (Linux: BUG(), panic(), an oops on a
// null pointer): the oops of that kind with the caller's stack; ends the module and leaves it, by ModuleExit. Returns
// where the caller is no loaded module, with nothing done. The first line of the report is the caller's.
// CONTEXT: called by a module, directly or through functions that may be unwound.
void module_bug(const char* kind);

}  // namespace bottomhalf::modules
