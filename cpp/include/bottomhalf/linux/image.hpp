// ModuleImage: one copy of a compiled module in memory (Linux: what load_module() lays out).
//
// Every image is mapped from a file of its own, so two machines, or two loads, never share a module's variables.
// Thread safety: constant once made, but for disarm(), which any thread may call.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "bottomhalf/base/atomic.hpp"
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/base/symbol.hpp"
#include "bottomhalf/linux/module.hpp"

namespace bottomhalf {
struct Domain;
}

namespace bottomhalf::modules {

// A module that Linux would not load or unload, with the errno that Linux gives.
class ModuleError : public Error {
public:
    ModuleError(int error, const std::string& what) : Error(what), error_(error) {}
    int error() const noexcept { return error_; }

private:
    int error_;
};

// Symbols that nobody provides, or that are not for this module (ENOENT).
class UnknownSymbols : public ModuleError {
public:
    UnknownSymbols(std::vector<std::string> names, const std::string& what)
        : ModuleError(ENOENT, what), names_(std::move(names)) {}
    const std::vector<std::string>& names() const noexcept { return names_; }

private:
    std::vector<std::string> names_;
};

class ElfFile;

class ModuleImage {
public:
    using Others = std::vector<std::shared_ptr<ModuleImage>>;
    // Maps a copy of that file, bound to what the others export (Linux: simplify_symbols); those that it uses have one
    // user more as long as it lives. Throws ModuleError: UnknownSymbols; ENOEXEC for what is no module, or exports what
    // another one does; the system's errno for a file that cannot be read or copied.
    ModuleImage(const std::string& file, std::string name, const Others& others, Domain& domain);
    ~ModuleImage();
    ModuleImage(const ModuleImage&) = delete;
    ModuleImage& operator=(const ModuleImage&) = delete;

    const std::string& name() const noexcept { return name_; }
    // What it says about itself; init and exit also where they bear the names that Linux itself gives them.
    linux_api::ModuleInfo& info() noexcept { return info_; }
    // Is the address in the module's code or data? CONTEXT: any.
    bool holds(const void* address) const noexcept {
        const auto a = reinterpret_cast<std::uintptr_t>(address);
        return a >= begin_ && a < end_;
    }
    // Has it a function or variable of that name, exported or not? CONTEXT: any.
    bool defines(const std::string& symbol) const;
    // Is it bound to something of that one? CONTEXT: any.
    bool uses(const ModuleImage& other) const noexcept;
    // The function or variable there, static ones too. CONTEXT: any.
    bool find(const void* address, Symbol& symbol) const;

    // Its code can be called no more: whoever calls it, or comes back to it, faults. Its frames can still be unwound.
    void disarm() noexcept;
    bool disarmed() const noexcept { return disarmed_.load(); }
    void rearm() noexcept;
    // Of all that are mapped: the process ends, and the dynamic linker calls their finalisers.
    static void rearm_all() noexcept;

private:
    struct Named {
        std::uintptr_t address;
        std::size_t size;
        std::string name;
        bool alias;  // of the loader's making: an author's own name is better
        bool operator<(const Named& other) const noexcept {
            return std::tie(address, other.alias, name) < std::tie(other.address, alias, other.name);
        }
    };
    struct Segment {
        std::uintptr_t begin, end;
    };
    struct Mapped {
        RawLock lock;                      // a leaf
        std::vector<ModuleImage*> images;  // L
    };
    static Mapped& mapped();
    struct Use {
        std::shared_ptr<ModuleImage> image;
        std::vector<std::string> gpl_only;  // what it was bound to and may need a licence for
    };
    void map();
    void bind(ElfFile& elf, const Others& others, Domain& domain);
    Use* use(const std::shared_ptr<ModuleImage>& other);
    void unmap() noexcept;
    void check_exports(const Others& others) const;
    void check_licence() const;
    [[noreturn]] void refuse_unknown(ElfFile& elf, const Others& others, const std::string& first) const;
    void* exported(const char* symbol) const noexcept;
    void find_segments();
    void read_symbols(ElfFile& elf);

    const std::string name_;
    std::string file_;  // the copy
    void* handle_ = nullptr;
    linux_api::ModuleInfo info_;
    std::vector<Use> uses_;
    std::shared_ptr<void> ticks_;  // while it reads jiffies as a variable
    std::uintptr_t base_ = 0, begin_ = 0, end_ = 0;
    std::vector<Segment> code_;
    std::vector<Named> symbols_;  // by address
    Atomic<bool> disarmed_{false};
};

}  // namespace bottomhalf::modules
