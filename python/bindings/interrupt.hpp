// The interrupt side of the bindings: gates of its trampolines, and what machine.cpp binds as methods of Machine.
#pragma once

#include "python.hpp"

namespace bh_python {

// One gate for each kind of object, because a gate is told which engine object was dropped. All are the GIL.
Gate* tasklet_gate() noexcept;
Gate* timer_gate() noexcept;
Gate* plain_gate() noexcept;  // softirq and interrupt handlers, tasks: the engine hands it no objects

// For gate.cpp. Without the GIL; the object is alive.
void describe_tasklet(const Tasklet* tasklet, char* buffer, std::size_t size) noexcept;
void describe_timer(const Timer* timer, char* buffer, std::size_t size) noexcept;
// GIL: the engine gave up the scheduling or arming, and with it the reference.
void drop_tasklet(Tasklet* tasklet) noexcept;
void drop_timer(Timer* timer) noexcept;
// Writes the name of a callable (or of the type when func is null) as one word. Reads immutable parts only: no GIL.
void describe_func(PyObject* func, const PyObject* self, char* buffer, std::size_t size) noexcept;
// GIL: the engine looks at a tasklet once more after its callback; the reference is dropped when that is over.
void drop_after_callback(Task& self, PyObject* object);
// GIL: the task finished an item but is still on record as running it.
bool between_items(const Task* task) noexcept;

// m.irq(n): the same Python object for the same line while it lives.
py::object irq_line_object(Machine& machine, int irq);
// m.gpio(n).
py::object gpio_pin_object(Machine& machine, long long pin);
// m.open_softirq(nr, handler). Throws TypeError, ValueError for a vector the engine uses itself.
void open_softirq_object(Machine& machine, Softirq nr, py::object handler);
// Drops the handlers of softirqs and interrupt lines. GIL held. To be called once the machine has halted (and when it
// was destroyed: the domain is a key and is not looked at).
void release_interrupt_objects(const Domain* domain);

}  // namespace bh_python
