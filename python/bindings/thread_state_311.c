/* Up to CPython 3.11 PyGILState_*() finds the thread state of the calling thread by a key of its own, which switching
 * thread states leaves alone; from 3.12 on the interpreter keeps the two together by itself. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <internal/pycore_runtime.h>

void bh_bind_thread_state(PyThreadState* state) { PyThread_tss_set(&_PyRuntime.gilstate.autoTSSkey, state); }
