#include "glue.hpp"

#include <cstdio>

#include "bottomhalf/base/symbol.hpp"
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

void warn_once(Domain& domain, const char* key, const char* where, const std::string& message) {
    if (KernelSide::of(domain).first_time(key)) warn(domain, where, message);
}
void warn_once(Domain& domain, const char* where, const std::string& message) {
    warn_once(domain, where, where, message);
}

void report_init_active(const char* type, const void* function, const char* missing) {
    std::string message = std::string("ODEBUG: init active object type: ") + type;
    if (function != nullptr) message += " hint: " + symbol_of(function).to_string(function);
    warn(here(), "debug_print_object", message + "; it was taken back, " + missing + " comes first");
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
    // Linux has a WARN_ONCE for each mistake of a call.
    const auto once = [&](const char* rule, const std::string& message) {
        warn_once(domain, (std::string(call) + ": " + rule).c_str(), call, message);
        return true;
    };
    try {
        throw;
    } catch (const WorkqueueDestroyed& e) {
        return once("destroyed", std::string("workqueue: ") + e.what());
    } catch (const WorkqueueDraining& e) {
        return once("draining", std::string("workqueue: ") + e.what());
    } catch (const MisuseError& e) {
        bool known = e.rule() == "reclaim-flush";
        for (const char* rule : plain_rules) known = known || e.rule() == rule;
        if (!known) throw;
        return once(e.rule().c_str(), e.what());
    } catch (const InvalidArgument& e) {
        return once("argument", e.what());
    } catch (const SchedulingWhileAtomic&) {
        report_atomic(me(), call);
        return true;
    } catch (const DeadlockError& e) {
        // Linux would hang, and lockdep say so; here the call ends.
        log(domain, LogLevel::err,
            std::string("INFO: task ") + me().name + ":" + std::to_string(me().pid.load()) +
                " would be blocked for ever: " + e.what());
        return false;
    } catch (...) {
        return false;
    }
}

}  // namespace bottomhalf::linux_api
