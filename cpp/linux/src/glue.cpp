#include "glue.hpp"

#include <cstdio>

#include "bottomhalf/linux/oops.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

Task& me() {
    Task* self = current_task();
    if (self == nullptr || self->domain.load(std::memory_order_relaxed) == nullptr) [[unlikely]]
        throw Error("a function of the Linux headers was called by a thread that is no task of a machine");
    return *self;
}

void log(Domain& domain, LogLevel level, std::string text) { domain.log.write(domain.now(), level, std::move(text)); }

void warn(Domain& domain, const std::string& where, const std::string& message) {
    Task& self = domain.self();
    log(domain, LogLevel::warning, "------------[ cut here ]------------");
    if (!message.empty()) log(domain, LogLevel::warning, message);
    char line[256];
    std::snprintf(line, sizeof line, "WARNING: CPU: %d PID: %d at %s", self.cpu.load(), self.pid.load(), where.c_str());
    log(domain, LogLevel::warning, line);
    std::snprintf(line, sizeof line, "CPU: %d PID: %d Comm: %s", self.cpu.load(), self.pid.load(), self.name);
    log(domain, LogLevel::warning, line);
    log(domain, LogLevel::warning, "---[ end trace 0000000000000000 ]---");
}

void warn_once(Domain& domain, const char* where, const std::string& message) {
    if (KernelSide::of(domain).first_time(where)) warn(domain, where, message);
}

void report_atomic(Task& self, const char* call) {
    Domain& domain = *self.domain.load();
    char line[160];
    if (self.preempt_count != 0) {
        std::snprintf(line, sizeof line, "BUG: scheduling while atomic: %s/%d/0x%08x", self.name, self.pid.load(),
                      self.preempt_count);
        log(domain, LogLevel::err, line);
        return;
    }
    std::snprintf(line, sizeof line, "BUG: sleeping function called from invalid context at %s", call);
    log(domain, LogLevel::err, line);
    std::snprintf(line, sizeof line, "in_atomic(): 0, irqs_disabled(): %d, non_block: 0, pid: %d, name: %s",
                  self.irqs_off != 0, self.pid.load(), self.name);
    log(domain, LogLevel::err, line);
}

void null_pointer(const char* call) {
    Task& self = me();
    Domain& domain = here();
    log(domain, LogLevel::alert, "BUG: kernel NULL pointer dereference, address: 0000000000000000");
    modules::module_bug((std::string("null pointer in ") + call).c_str());
    log(domain, LogLevel::alert,
        std::string("Oops: ") + call + " CPU: " + std::to_string(self.cpu.load()) +
            " PID: " + std::to_string(self.pid.load()) + " Comm: " + self.name);
    throw MisuseError("kernel-oops", std::string(call) + ": a null pointer was handed in; was an allocation checked?");
}

bool lockdep_reported(const char* what) {
    Domain& domain = here();
    if (domain.lock_graph == nullptr) return false;
    log(domain, LogLevel::warning, "======================================================");
    log(domain, LogLevel::warning, std::string("WARNING: possible locking problem detected: ") + what);
    log(domain, LogLevel::warning, "======================================================");
    domain.lock_graph.reset();
    return true;
}

namespace {

// Rules of the engine for which Linux has a WARN_ONCE of no words.
const char* plain_rules[] = {"work-without-function",   "queue-node-bound", "attrs-fixed",        "min-active-fixed",
                             "max-active-fixed",        "disable-overflow", "unbalanced-enable",  "timer-flags",
                             "delete-sync-in-hardirq",  "irq-already-free", "spinlock-not-owner", "mutex-not-owner",
                             "destroy-system-workqueue"};

}  // namespace

bool warned_about(const char* call) {
    Domain& domain = here();
    try {
        throw;
    } catch (const WorkqueueDestroyed& e) {
        warn_once(domain, call, std::string("workqueue: ") + e.what());
    } catch (const WorkqueueDraining& e) {
        warn_once(domain, call, std::string("workqueue: ") + e.what());
    } catch (const MisuseError& e) {
        if (e.rule() == "reclaim-flush") {
            warn_once(domain, call, e.what());
            return true;
        }
        bool known = false;
        for (const char* rule : plain_rules) known = known || e.rule() == rule;
        if (!known) throw;
        warn_once(domain, call, e.what());
    } catch (const InvalidArgument& e) {
        warn_once(domain, call, e.what());
    } catch (const SchedulingWhileAtomic&) {
        report_atomic(me(), call);
    } catch (const DeadlockError& e) {
        // Linux would hang, and lockdep say so; here the call ends.
        log(domain, LogLevel::err,
            std::string("INFO: task ") + me().name + ":" + std::to_string(me().pid.load()) +
                " would be blocked for ever: " + e.what());
        return false;
    } catch (...) {
        return false;
    }
    return true;
}

}  // namespace bottomhalf::linux_api
