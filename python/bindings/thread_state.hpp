// Python thread states of simulated machines: many tasks, each with its own, share one thread of the system.
#pragma once

#include "python.hpp"

namespace bh_python {

// Is this a task of a simulated machine? Then its thread state is Task::gate_state, also for init, and never the one
// that PyGILState_*() would find.
bool is_fiber(const Task& task) noexcept;
// Does the task hold the GIL now? A hint without it; the task, a worker in an item, is alive.
bool is_attached(const Task& task) noexcept;
// Does any thread hold it? A hint; where the interpreter does not tell, true.
bool may_be_held() noexcept;
// Attaches the task's own thread state. GIL: not held, taken.
void attach(Task& self);
// A thread state for a task of a simulated machine: one that a task of this thread has left, or a new one. GIL: not
// needed.
PyThreadState* new_state(PyInterpreterState* interpreter);
// The calling task, which has its own attached, needs it no more. GIL: given up.
void release_state(PyThreadState* state) noexcept;
// After a fork(), in the child: those that were left there are gone.
void forget_states() noexcept;
// The machine's tasks take their thread states along when the thread turns from one to another; init's is the caller's.
// GIL held.
void switch_thread_states(Machine& machine);

}  // namespace bh_python
