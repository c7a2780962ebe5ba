#include "bottomhalf/linux/loader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "bottomhalf/linux/leftovers.hpp"
#include "bottomhalf/linux/oops.hpp"
#include "bottomhalf/linux/parameters.hpp"
#include "module_registry.hpp"

namespace bottomhalf::modules {

namespace {

// How long unloading waits for what still runs, on the machine's clock. Arbitrary: what sleeps longer stays mapped.
constexpr Nanoseconds kPatience = kSecond;
// How long loading waits for the init of a module that it needs something of; as Linux does.
constexpr Nanoseconds kPatienceWithInit = 30 * kSecond;

void log(Domain& domain, LogLevel level, const std::string& text) { domain.log.write(domain.now(), level, text); }

// What call_rcu() and queue_rcu_work() handed in comes before what is looked for.
void wait_for_rcu(Machine& machine, Nanoseconds until) {
    try {
        if (machine.rcu().pending()) machine.rcu().synchronize(machine.domain().self(), until);
    } catch (const TimedOut&) {
        // Somebody is in a section and stays there.
    }
}

const ModuleImage* exporter_of(const std::string& symbol, const ModuleImage::Others& images) {
    for (const auto& image : images)
        for (const auto& found : image->info().exports)
            if (found.name == symbol) return image.get();
    return nullptr;
}

std::string error_text(int error) { return std::to_string(-error) + " (" + std::strerror(error) + ")"; }

}  // namespace

// A function of a module, run in a task of its own: it outlives whoever gives up waiting for it, and sees to what
// follows from its end.
struct LoadedModule::Call {
    std::shared_ptr<LoadedModule> module;
    int (*init)() = nullptr;
    void (*exit)() = nullptr;
    int result = 0;
    bool died = false, evicted = true;

    static void run(Task& self, void* arg) {
        self.process = arg;  // Linux: the program insmod or rmmod
        const std::unique_ptr<std::shared_ptr<Call>> held(static_cast<std::shared_ptr<Call>*>(arg));
        Call& call = **held;
        call.call();
        if (call.init != nullptr && !call.died && call.result >= 0)
            call.module->came(call.result);
        else
            call.module->abandon();
        call.evicted = false;
    }
    void call() {
        try {
            if (init != nullptr)
                result = init();
            else
                exit();
        } catch (const ModuleExit&) {
            died = true;
        } catch (const std::exception& e) {
            // What Linux would not survive either: a deadlock, a mistake that it has no warning for.
            log(module->domain(), LogLevel::err,
                "module " + module->name() + ": exception left its " + (init != nullptr ? "init" : "exit") + ": " +
                    e.what());
            module->die();
            died = true;
        }
    }

    // Throws MachineHalted when the machine's end came before the function's.
    static std::shared_ptr<Call> make(Machine& machine, const char* task, Call call) {
        auto shared = std::make_shared<Call>(std::move(call));
        auto held = std::make_unique<std::shared_ptr<Call>>(shared);
        const auto started = machine.tasks().spawn(task, &Call::run, held.get(), kCpuUnbound);
        held.release();  // the task's
        machine.tasks().join(*started);
        if (shared->evicted) throw MachineHalted(message::halted(machine.domain().name));
        return shared;
    }
};

const char* state_name(ModuleState state) noexcept {
    static const char* const names[] = {"coming", "live", "going", "dead", "unloaded"};
    return names[static_cast<int>(state)];
}

std::shared_ptr<ModuleImage> LoadedModule::image() const {
    RawGuard guard(lock_);
    return image_;
}

std::shared_ptr<LoadedModule> LoadedModule::load(std::shared_ptr<Machine> machine, const std::string& file,
                                                 std::string name, const ParameterValues& values) {
    Domain& domain = machine->domain();
    domain.require_alive();
    might_sleep(domain.self(), "insmod");
    set_symbol_source(&registry::find_symbol);
    watch_for_faults();
    [[maybe_unused]] static const int at_exit = std::atexit(&ModuleImage::rearm_all);
    const std::shared_ptr<LoadedModule> module(new LoadedModule(std::move(machine), std::move(name)));
    module->map(file);
    registry::enter(module);
    try {
        // A set function of the module's is its code already: it runs as the caller, and may die.
        CurrentScope scope(domain.self());
        set_parameters(domain, module->image_->info(), values);
    } catch (const ModuleExit&) {
        module->abandon();
        throw ModuleDied("a parameter's set function of module '" + module->name() +
                         "' died; the machine's log has the report");
    } catch (...) {
        module->abandon();
        throw;
    }
    return module;
}

void LoadedModule::map(const std::string& file) {
    const Nanoseconds until = domain().now() + kPatienceWithInit;
    for (;;) {
        ModuleImage::Others live, coming;
        for (const auto& other : registry::modules_of(domain())) {
            const ModuleState state = other->state();
            if (state != ModuleState::live && state != ModuleState::coming) continue;
            if (auto image = other->image()) (state == ModuleState::live ? live : coming).push_back(std::move(image));
        }
        try {
            image_ = std::make_shared<ModuleImage>(file, name_, live, domain());
            return;
        } catch (const UnknownSymbols& unknown) {
            const ModuleImage* const exporter = exporter_of(unknown.names().front(), coming);
            if (exporter == nullptr || domain().now() >= until) {
                if (exporter != nullptr)
                    log(domain(), LogLevel::warning,
                        name_ + ": gave up waiting for init of module " + exporter->name() + ".");
                for (const std::string& symbol : unknown.names())
                    log(domain(), LogLevel::warning, name_ + ": Unknown symbol " + symbol + " (err -2)");
                throw;
            }
        }
        machine_->sleep(kMillisecond);
    }
}

void LoadedModule::init() {
    might_sleep(machine_->domain().self(), "insmod");
    const auto mapped = image();
    if (mapped == nullptr || begun_.exchange(true))
        throw ModuleError(EBUSY, "module '" + name_ + "' had its init already");
    const auto init = mapped->info().init;
    if (init == nullptr) return came(0);
    std::shared_ptr<Call> call;
    try {
        call = Call::make(*machine_, "insmod", {shared_from_this(), init});
    } catch (const MachineHalted&) {
        abandon();
        throw;
    }
    if (call->died) throw ModuleDied("init of module '" + name_ + "' died; the machine's log has the report");
    if (call->result < 0)
        throw ModuleError(-call->result, "init of module '" + name_ + "' returned " + error_text(-call->result));
}

// Its init has returned that, 0 or more.
void LoadedModule::came(int result) {
    if (result > 0) {
        log(domain(), LogLevel::warning,
            "do_init_module: '" + name_ + "'->init suspiciously returned " + std::to_string(result) +
                ", it should follow 0/-E convention");
        log(domain(), LogLevel::warning, "do_init_module: loading module anyway...");
    }
    ModuleState coming = ModuleState::coming;
    state_.compare_exchange(coming, ModuleState::live);
}

LoadedModule::~LoadedModule() {
    // Nothing of a halted machine runs any more. Where one still lives, somebody may come back to this code: it stays.
    if (image_ != nullptr && begun_.load() && !machine_->halted()) {
        new std::shared_ptr<ModuleImage>(image_);
        return;
    }
    const auto known = registry::leave(*this);
}

bool LoadedModule::die() noexcept {
    ModuleState before = state_.load();
    while (before != ModuleState::dead && before != ModuleState::unloaded)
        if (state_.compare_exchange(before, ModuleState::dead)) return true;
    return false;
}

int LoadedModule::references() const noexcept {
    const auto mapped = image();
    return mapped == nullptr ? 0 : linux_api::module_users(mapped->info());
}

std::vector<std::string> LoadedModule::users() const {
    std::vector<std::string> names;
    const auto mapped = image();
    if (mapped == nullptr) return names;
    for (const auto& other : registry::modules_of(domain()))
        if (const auto image = other->image(); image != nullptr && image->uses(*mapped)) names.push_back(other->name());
    return names;
}

// Throws ModuleError while other modules are bound to this one.
void LoadedModule::refuse_while_used() const {
    std::string names;
    for (const std::string& user : users()) names += (names.empty() ? "" : ", ") + user;
    if (!names.empty()) throw ModuleError(EWOULDBLOCK, "Module " + name_ + " is in use by: " + names);
}

ParameterValues LoadedModule::parameters() const {
    const auto mapped = image();
    if (mapped == nullptr) return {};
    if (!domain().running()) return parameter_values(mapped->info());
    CurrentScope scope(domain().self());
    try {
        return parameter_values(mapped->info());
    } catch (const ModuleExit&) {
        throw ModuleDied("a parameter's get function of module '" + name_ + "' died; the machine's log has the report");
    }
}

ParameterValues LoadedModule::information() const {
    const auto mapped = image();
    return mapped == nullptr ? ParameterValues{} : module_information(mapped->info());
}

std::vector<std::string> LoadedModule::leftovers() const {
    RawGuard guard(lock_);
    return leftovers_;
}

void LoadedModule::unload() {
    might_sleep(machine_->domain().self(), "rmmod");
    if (state() == ModuleState::unloaded) return;
    refuse_while_used();
    if (state() == ModuleState::dead) return abandon();
    const auto image = this->image();
    if (image == nullptr) return;  // another task was faster
    const auto exit = image->info().exit;
    if (exit == nullptr && image->info().init != nullptr)
        throw ModuleError(EBUSY, "module '" + name_ +
                                     "' has an init and no exit, so Linux cannot unload it; declare one with "
                                     "module_exit(), or halt the machine");
    ModuleState before = ModuleState::live;
    if (!state_.compare_exchange(before, ModuleState::going)) {
        if (before == ModuleState::unloaded) return;
        if (before == ModuleState::dead) return abandon();
        throw ModuleError(EBUSY, "module '" + name_ + "' is " + state_name(before) + ": its " +
                                     (before == ModuleState::coming ? "init" : "exit") + " has not returned");
    }
    // From here on try_module_get() refuses.
    if (const int users = linux_api::retire_module(image->info()); users > 0) {
        before = ModuleState::going;
        state_.compare_exchange(before, ModuleState::live);
        refuse_while_used();  // by one that was faster
        throw ModuleError(EAGAIN, "module '" + name_ + "' is in use: its reference count is " + std::to_string(users) +
                                      "; close its files, or whatever took the references");
    }
    if (exit == nullptr) return abandon();
    if (Call::make(*machine_, "rmmod", {shared_from_this(), nullptr, exit})->died)
        throw ModuleDied("exit of module '" + name_ + "' died; the machine's log has the report");
}

void LoadedModule::abandon() {
    if (state() == ModuleState::unloaded) return;
    if (!abandoned_.exchange(true))
        sweep();
    else if (domain().running())
        return;  // another task is at it
    state_.store(ModuleState::unloaded);
}

// Whatever the machine holds of the module is named, taken back and waited for.
void LoadedModule::sweep() {
    Domain& domain = machine_->domain();
    const auto image = this->image();
    if (!domain.running() || image == nullptr) return;
    // A dead module never got as far as cancelling: only what would be a mistake is told.
    const bool tell = state() != ModuleState::dead;
    const Nanoseconds until = domain.now() + kPatience;
    for (bool first = true;; first = false) {
        wait_for_rcu(*machine_, until);
        const auto found = find_leftovers(*machine_, *image);
        if (found.empty() && linux_api::module_users(image->info()) <= 0) break;
        if (first && tell && !found.empty()) {
            log(domain, LogLevel::err, "BUG: module " + name_ + " unloaded while the machine still holds of it:");
            for (const Leftover& left : found) {
                std::string line = left.what + (left.missing.empty() ? "" : "; its exit misses " + left.missing);
                log(domain, LogLevel::err, "  " + line);
                RawGuard guard(lock_);
                leftovers_.push_back(std::move(line));
            }
        }
        // What is called from here on, or comes back from a sleep, ends there.
        image->disarm();
        for (const Leftover& left : found)
            if (left.take_back) left.take_back();
        if (domain.now() >= until) {
            log(domain, LogLevel::err, "module " + name_ + " stays mapped: something of it has not come to its end");
            return;
        }
        machine_->sleep(kMillisecond);
    }
    const auto known = registry::leave(*this);
    std::shared_ptr<ModuleImage> mine;  // goes outside of the lock
    RawGuard guard(lock_);
    mine.swap(image_);
}

}  // namespace bottomhalf::modules
