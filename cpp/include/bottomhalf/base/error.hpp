// The engine's exceptions. Every message names the mistake and the way out; after any of them the refused operation
// has not happened.
#pragma once

#include <stdexcept>
#include <string>

namespace bottomhalf {

class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A row of Linux's own warnings that a caller can provoke. rule() is a short stable id, e.g. "unbalanced-enable".
class MisuseError : public Error {
public:
    MisuseError(std::string rule, const std::string& what) : Error(what), rule_(std::move(rule)) {}
    const std::string& rule() const noexcept { return rule_; }

private:
    std::string rule_;
};

class UnbalancedEnable : public MisuseError {
public:
    explicit UnbalancedEnable(const std::string& what) : MisuseError("unbalanced-enable", what) {}
};
class SchedulingWhileAtomic : public Error {
    using Error::Error;
};
class DeadlockError : public Error {
    using Error::Error;
};
class BudgetExceeded : public Error {
    using Error::Error;
};
class WorkqueueDestroyed : public Error {
    using Error::Error;
};
class WorkqueueDraining : public Error {
    using Error::Error;
};
// A workqueue with a bound on what waits in it, made to refuse.
class QueueFull : public Error {
    using Error::Error;
};
class MachineHalted : public Error {
    using Error::Error;
};
class WrongThread : public Error {
    using Error::Error;
};
class Unsupported : public Error {
    using Error::Error;
};
// The wait's time limit passed; what the call undid is written at the call.
class TimedOut : public Error {
    using Error::Error;
};
// The waiter was asked to give up (a signal with a handler of the host language); see Interrupter.
class Interrupted : public Error {
    using Error::Error;
};
// A bad argument: names the argument, the value and what is allowed.
class InvalidArgument : public std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// Raised in whatever still waits when its machine halts. Not an Error: handlers must not swallow it by accident.
struct MachineExit {};
// Likewise, in what still runs of a C module that is dead. Whoever ended the module has reported it.
struct ModuleExit : MachineExit {};

// Error texts that several rooms share and tests assert on.
namespace message {
std::string forked(const std::string& machine);
std::string halted(const std::string& machine);
}  // namespace message

}  // namespace bottomhalf
