// What a loaded kernel module says about itself: MODULE_LICENSE and its kin, its parameters, its two functions.
//
// Compile a module's C with the headers of cpp/linux/include and nothing else in sight:
//   cc -shared -fPIC -std=gnu11 -O1 -g -fexceptions -fvisibility=hidden -fno-strict-aliasing -nostdinc
//      -isystem $(cc -print-file-name=include) -I cpp/linux/include
//      -D__KERNEL__ -DMODULE -DKBUILD_MODNAME='"name"' -DHZ=<the machine's>
// and link it with libbottomhalf.so; open it with RTLD_NOW | RTLD_LOCAL. A copy of the file for each machine: a module
// has one set of variables, and dlopen() knows files by their inode.
//
// Thread safety: as of plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/base/error.hpp"

extern "C" {
struct module;
struct bh_module_record;
}

namespace bottomhalf::linux_api {

// A text that is no value of its parameter, with the error number that Linux's insmod gives.
class BadParameter : public InvalidArgument {
public:
    BadParameter(int error, const std::string& what) : InvalidArgument(what), error_(error) {}
    int error() const noexcept { return error_; }

private:
    int error_;
};

struct ModuleParam {
    std::string name;
    std::string type;         // "int", "uint", "charp", "bool", "string", "custom", ...; of an array: of its elements
    std::string description;  // MODULE_PARM_DESC, or ""
    unsigned perm = 0;        // of its file under /sys; 0: none
    void* address = nullptr;  // of the value, or of the first of an array
    std::size_t size = 0;     // of one value in bytes
    std::size_t max = 0;      // an array: of that many; else 0
    std::uint32_t* count = nullptr;            // an array: where the module wants to read how many were given
    const bh_module_record* record = nullptr;  // in the module
};

// A function or variable that it offers to other modules (EXPORT_SYMBOL).
struct ModuleExport {
    std::string name;
    bool gpl_only = false;
    void* address = nullptr;
};

struct ModuleInfo {
    std::string name;
    std::string license, description, version;
    std::vector<std::string> authors;
    std::vector<std::pair<std::string, std::string>> others;  // tag and text: alias, softdep, ...
    std::vector<ModuleParam> params;                          // in the order of their declarations
    std::vector<ModuleExport> exports;
    int (*init)() = nullptr;        // 0, or a negative error number; null: the module has none
    void (*exit)() = nullptr;       // null: it cannot be unloaded
    struct module* self = nullptr;  // THIS_MODULE
    // Where char * parameters point to; shared by copies, to be kept as long as the module is loaded.
    std::shared_ptr<std::deque<std::string>> strings = std::make_shared<std::deque<std::string>>();

    ModuleParam* param(const std::string& name);
};

// Reads the records of a shared object. handle: of dlopen(). Throws InvalidArgument when it is no module.
ModuleInfo read_module(void* handle);
// Sets a parameter as "insmod name.ko param=value" does: numbers in any base that C has, booleans as 1/0/y/n/on/off,
// arrays separated by commas. Call it before init(). Throws BadParameter, naming module, parameter and what is
// allowed; then the value is as before.
void set_param(ModuleInfo& module, const std::string& name, const std::string& value);
// The value as /sys/module/NAME/parameters/PARAM shows it, without the newline. Throws InvalidArgument.
std::string param_text(ModuleInfo& module, const std::string& name);
// Linux: license_is_gpl_compatible: may it use what is exported to such modules alone?
bool is_gpl(const ModuleInfo& module);
// try_module_get() less module_put(): a module with users must not be unloaded. 0 as well when it is retired.
int module_users(const ModuleInfo& module);
// A module without users gets none any more: try_module_get() refuses. RETURNS: how many users it has.
int retire_module(const ModuleInfo& module);
// Linux: try_module_get. Null counts as a module that always is there.
bool get_module(struct ::module* module) noexcept;
void put_module(struct ::module* module) noexcept;

}  // namespace bottomhalf::linux_api
