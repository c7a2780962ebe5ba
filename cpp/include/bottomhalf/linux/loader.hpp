// The loader (Linux: insmod, rmmod, kernel/module): a compiled C module in one machine.
//
// init and exit run as tasks of the machine, "insmod" and "rmmod". A module that is unloaded with something of it still
// queued, armed, registered or running is reported in the log, item by item; what can be taken back is, and while
// anything may still come back to its code the object stays mapped, its code disarmed.
//
// Thread safety: every member may be called from any task that may sleep. Fields: I: set when made; L: under lock_; A:
// atomic.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bottomhalf/linux/image.hpp"
#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::modules {

// Raised by a call that could not go on because the module died in it; the log has the report.
class ModuleDied : public Error {
    using Error::Error;
};

enum class ModuleState : std::uint8_t {
    coming,    // init runs
    live,      // init returned
    going,     // exit runs
    dead,      // it faulted: none of its code runs any more
    unloaded,  // and unmapped, unless something was left behind
};
const char* state_name(ModuleState state) noexcept;

// Names and values, as insmod's command line gives them.
using ParameterValues = std::vector<std::pair<std::string, std::string>>;

class LoadedModule : public std::enable_shared_from_this<LoadedModule> {
public:
    // Linux: the first half of init_module. Maps a copy of the compiled module and sets its parameters. Throws
    // ModuleError: EEXIST when one of that name is loaded into that machine, or the image's own. CONTEXT: task that
    // may sleep.
    static std::shared_ptr<LoadedModule> load(std::shared_ptr<Machine> machine, const std::string& file,
                                              std::string name, const ParameterValues& values);
    // The other half: runs its init, once. Throws ModuleError with what init returned, ModuleDied, MachineHalted:
    // nothing stays loaded then; Interrupted: init goes on in its task, and the module is loaded or gone when that has
    // returned. CONTEXT: task that may sleep.
    void init();
    ~LoadedModule();

    // Linux: delete_module. Runs exit and unmaps. Throws ModuleError: EBUSY when the module has no exit or its init or
    // exit runs, EWOULDBLOCK while somebody uses it; ModuleDied when exit faults: it is unloaded then; Interrupted:
    // exit goes on in its task, and unloads it. Nothing happens when it is unloaded already. CONTEXT: task that may
    // sleep.
    void unload();
    // Without running exit: of a module that is dead, or whose machine is halting. CONTEXT: task that may sleep.
    void abandon();

    const std::string& name() const noexcept { return name_; }
    ModuleState state() const noexcept { return state_.load(); }
    Domain& domain() const noexcept { return machine_->domain(); }
    int references() const noexcept;  // Linux: module_refcount; 0 when it is unloaded
    // The modules that use what it exports, each of which is one of its references (Linux: lsmod's last column).
    std::vector<std::string> users() const;
    // The present values, as /sys/module/NAME/parameters shows them. Empty when it is unloaded. Throws ModuleDied when
    // a get function of its own faults.
    ParameterValues parameters() const;
    // The tags that it was declared with: license, author, description, ...
    ParameterValues information() const;
    // What was found left behind when it was unloaded, a sentence each.
    std::vector<std::string> leftovers() const;
    // Null once it is unmapped.
    std::shared_ptr<ModuleImage> image() const;

    // It faulted; further calls into it end at once. RETURNS: whether this was the first time.
    bool die() noexcept;

private:
    LoadedModule(std::shared_ptr<Machine> machine, std::string name)
        : machine_(std::move(machine)), name_(std::move(name)) {}
    struct Call;
    void map(const std::string& file);
    void refuse_while_used() const;
    void came(int result);
    void sweep();

    const std::shared_ptr<Machine> machine_;
    const std::string name_;
    Atomic<ModuleState> state_{ModuleState::coming};
    Atomic<bool> begun_{false}, abandoned_{false};  // its init; its end
    mutable RawLock lock_;
    std::shared_ptr<ModuleImage> image_;  // L to change
    std::vector<std::string> leftovers_;  // L
};

// The loaded module that this address lies in, or null. CONTEXT: any.
std::shared_ptr<LoadedModule> module_at(const void* address);
// How many modules are mapped in this process. A hint.
unsigned modules_mapped() noexcept;

}  // namespace bottomhalf::modules
