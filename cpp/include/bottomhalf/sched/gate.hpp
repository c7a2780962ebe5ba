// Gate: what a task must hold to run a callback of a host language. The GIL is the one gate there is.
//
// The engine passes a gate before a batch of callbacks and leaves it before the task parks or turns to native work.
// It never waits for a gate while it holds an internal lock.
#pragma once

namespace bottomhalf {

struct Task;

class Gate {
public:
    virtual ~Gate() = default;
    virtual void enter(Task& self) = 0;
    virtual void leave(Task& self) = 0;
    // Between two callbacks of a batch: gives way if somebody asks.
    virtual void poll(Task& self) = 0;
};

}  // namespace bottomhalf
