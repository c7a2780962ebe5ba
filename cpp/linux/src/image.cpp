#include "bottomhalf/linux/image.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "elf_file.hpp"
#include "jiffies_variable.hpp"

namespace bottomhalf::modules {

namespace {

[[noreturn]] void refuse(int error, const std::string& what) { throw ModuleError(error, what); }

// The dynamic linker knows an object by its file: a file of its own is what makes a copy one.
std::string write_copy(const std::string& file, const std::vector<char>& bytes) {
    std::string copy = file + ".XXXXXX";
    const int fd = mkstemp(copy.data());
    if (fd < 0) refuse(errno, "cannot copy module '" + file + "': " + std::strerror(errno));
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t n = write(fd, bytes.data() + written, bytes.size() - written);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            const int error = errno;
            close(fd);
            unlink(copy.c_str());
            refuse(error, "cannot copy module '" + file + "': " + std::strerror(error));
        }
        written += static_cast<std::size_t>(n);
    }
    close(fd);
    return copy;
}

// What the C name of a function of the headers is.
std::string plain_name(std::string symbol) {
    constexpr std::string_view prefix = "bh_linux_";
    if (symbol.starts_with(prefix)) symbol.erase(0, prefix.size());
    return symbol;
}

std::uintptr_t page_down(std::uintptr_t a) noexcept { return a & ~(static_cast<std::uintptr_t>(getpagesize()) - 1); }
std::uintptr_t page_up(std::uintptr_t a) noexcept {
    return page_down(a + static_cast<std::uintptr_t>(getpagesize()) - 1);
}

}  // namespace

ModuleImage::Mapped& ModuleImage::mapped() {
    static auto* const it = new Mapped;  // never freed: it is asked for when the process ends
    return *it;
}

ModuleImage::ModuleImage(const std::string& file, std::string name, const Others& others, Domain& domain)
    : name_(std::move(name)) {
    ElfFile elf(file);
    try {
        bind(elf, others, domain);
        file_ = write_copy(file, elf.bytes());
        handle_ = dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle_ == nullptr) {
            const std::string why = dlerror();
            constexpr std::string_view missing = "undefined symbol: ";
            if (const auto at = why.find(missing); at != std::string::npos) {
                std::string symbol = why.substr(at + missing.size());
                symbol.resize(std::min(symbol.size(), symbol.find_first_of(" ,")));
                refuse_unknown(elf, others, symbol);
            }
            refuse(ENOEXEC, "module '" + name_ + "' cannot be loaded: " + why);
        }
        find_segments();
        read_symbols(elf);
        try {
            info_ = linux_api::read_module(handle_);
        } catch (const InvalidArgument& no_module) {
            refuse(ENOEXEC, "'" + name_ + "': " + no_module.what());
        }
        check_exports(others);
        check_licence();
    } catch (...) {
        unmap();
        throw;
    }
    if (info_.init == nullptr) info_.init = reinterpret_cast<int (*)()>(exported("init_module"));
    if (info_.exit == nullptr) info_.exit = reinterpret_cast<void (*)()>(exported("cleanup_module"));
    RawGuard guard(mapped().lock);
    mapped().images.push_back(this);
}

ModuleImage::~ModuleImage() {
    {
        RawGuard guard(mapped().lock);
        std::erase(mapped().images, this);
    }
    rearm();  // its finalisers are code, too
    unmap();
}

void ModuleImage::unmap() noexcept {
    if (handle_ != nullptr) dlclose(handle_);
    if (!file_.empty()) unlink(file_.c_str());
    for (const Use& use : uses_) linux_api::put_module(use.image->info_.self);
    uses_.clear();
}

// What the others export goes before what else the process has under that name.
void ModuleImage::bind(ElfFile& elf, const Others& others, Domain& domain) {
    elf.symbols(SHT_DYNSYM, [&](ElfW(Sym) & symbol, const std::string& name) {
        if (!ElfFile::is_wanted(symbol)) return;
        if (name == "bh_linux_jiffies_variable") {
            const auto variable = linux_api::jiffies_variable(domain);
            ElfFile::bind(symbol, variable.address);
            ticks_ = variable.ticks;
            return;
        }
        for (const auto& other : others)
            for (const auto& found : other->info_.exports) {
                if (found.name != name) continue;
                Use* const used = use(other);
                if (used == nullptr) continue;
                ElfFile::bind(symbol, found.address);
                if (found.gpl_only) used->gpl_only.push_back(name);
                return;
            }
    });
}

// RETURNS: null when it is about to be unloaded.
ModuleImage::Use* ModuleImage::use(const std::shared_ptr<ModuleImage>& other) {
    for (Use& known : uses_)
        if (known.image == other) return &known;
    if (!linux_api::get_module(other->info_.self)) return nullptr;
    uses_.push_back({other, {}});
    return &uses_.back();
}

bool ModuleImage::uses(const ModuleImage& other) const noexcept {
    return std::any_of(uses_.begin(), uses_.end(), [&](const Use& use) { return use.image.get() == &other; });
}

// The dynamic linker names the first one only.
void ModuleImage::refuse_unknown(ElfFile& elf, const Others& others, const std::string& first) const {
    std::vector<std::string> names{first};
    elf.symbols(SHT_DYNSYM, [&](const ElfW(Sym) & symbol, const std::string& name) {
        const bool weak = symbol.st_info >> 4 == STB_WEAK;
        // A library that was to come with the module, a sanitizer's, is gone again: its names are its own.
        if (!ElfFile::is_wanted(symbol) || weak || name == first || name.starts_with("__")) return;
        if (dlsym(RTLD_DEFAULT, name.c_str()) != nullptr || name.starts_with("bh_linux_")) return;
        names.push_back(name);
    });
    const std::string symbol = plain_name(first);
    std::string what = name_ + ": Unknown symbol " + symbol + " (err -2): ";
    const auto owner = std::find_if(others.begin(), others.end(), [&](auto& other) { return other->defines(first); });
    if (first != symbol)
        what += "it is declared in the headers, and nobody provides it";
    else if (owner != others.end())
        what += "module '" + (*owner)->name() + "' defines it and does not export it; EXPORT_SYMBOL(" + symbol +
                ") is missing there";
    else
        what += "the module declares it, and no module that is loaded exports it; one that has EXPORT_SYMBOL(" +
                symbol + ") must be loaded first";
    for (std::string& name : names) name = plain_name(name);
    throw UnknownSymbols(std::move(names), what);
}

void ModuleImage::check_exports(const Others& others) const {
    for (const auto& mine : info_.exports)
        for (const auto& other : others)
            for (const auto& theirs : other->info_.exports)
                if (mine.name == theirs.name)
                    refuse(ENOEXEC,
                           name_ + ": exports duplicate symbol " + mine.name + " (owned by " + other->name() + ")");
}

void ModuleImage::check_licence() const {
    if (linux_api::is_gpl(info_)) return;
    std::vector<std::string> names;
    for (const Use& use : uses_) names.insert(names.end(), use.gpl_only.begin(), use.gpl_only.end());
    if (names.empty()) return;
    const std::string what = name_ + ": Unknown symbol " + names.front() +
                             " (err -2): it is exported with EXPORT_SYMBOL_GPL, and the module's licence is '" +
                             (info_.license.empty() ? "unspecified" : info_.license) + "'";
    throw UnknownSymbols(std::move(names), what);
}

void* ModuleImage::exported(const char* symbol) const noexcept {
    void* found = dlsym(handle_, symbol);
    // Not one of the libraries that it needs.
    return holds(found) ? found : nullptr;
}

void ModuleImage::find_segments() {
    link_map* map = nullptr;
    dlinfo(handle_, RTLD_DI_LINKMAP, &map);
    base_ = map->l_addr;
    begin_ = ~std::uintptr_t{0};
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* self) {
            auto& me = *static_cast<ModuleImage*>(self);
            if (info->dlpi_addr != me.base_) return 0;
            for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
                const auto& header = info->dlpi_phdr[i];
                if (header.p_type != PT_LOAD) continue;
                const std::uintptr_t begin = page_down(me.base_ + header.p_vaddr);
                const std::uintptr_t end = page_up(me.base_ + header.p_vaddr + header.p_memsz);
                me.begin_ = std::min(me.begin_, begin);
                me.end_ = std::max(me.end_, end);
                if ((header.p_flags & PF_X) != 0) me.code_.push_back({begin, end});
            }
            return 1;
        },
        this);
}

void ModuleImage::read_symbols(ElfFile& elf) {
    elf.symbols(SHT_SYMTAB, [&](const ElfW(Sym) & symbol, std::string name) {
        const auto type = symbol.st_info & 0xf;
        if ((type != STT_FUNC && type != STT_OBJECT) || symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0) return;
        // The compiler's clones ("f.part.0") go by the name of what they were made from.
        if (const auto dot = name.find('.', 1); dot != std::string::npos) name.resize(dot);
        const bool alias = name.starts_with("bh_linux_");
        symbols_.push_back({base_ + symbol.st_value, symbol.st_size, std::move(name), alias});
    });
    std::sort(symbols_.begin(), symbols_.end());
}

bool ModuleImage::defines(const std::string& wanted) const {
    return std::any_of(symbols_.begin(), symbols_.end(), [&](const Named& named) { return named.name == wanted; });
}

bool ModuleImage::find(const void* address, Symbol& symbol) const {
    if (!holds(address)) return false;
    const auto a = reinterpret_cast<std::uintptr_t>(address);
    auto after = std::upper_bound(symbols_.begin(), symbols_.end(), a,
                                  [](std::uintptr_t wanted, const Named& named) { return wanted < named.address; });
    if (after == symbols_.begin()) return false;
    const Named& named = *std::prev(after);
    if (a >= named.address + named.size) return false;
    symbol = {named.name, name_, a - named.address, named.size};
    return true;
}

void ModuleImage::disarm() noexcept {
    if (disarmed_.exchange(true)) return;
    for (const Segment& code : code_) mprotect(reinterpret_cast<void*>(code.begin), code.end - code.begin, PROT_READ);
}

void ModuleImage::rearm_all() noexcept {
    RawGuard guard(mapped().lock);
    for (ModuleImage* image : mapped().images) image->rearm();
}

void ModuleImage::rearm() noexcept {
    if (!disarmed_.exchange(false)) return;
    for (const Segment& code : code_)
        mprotect(reinterpret_cast<void*>(code.begin), code.end - code.begin, PROT_READ | PROT_EXEC);
}

}  // namespace bottomhalf::modules
