#include "bottomhalf/linux/image.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace bottomhalf::modules {

namespace {

[[noreturn]] void refuse(int error, const std::string& what) { throw ModuleError(error, what); }

std::vector<char> contents(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) refuse(errno != 0 ? errno : ENOENT, "cannot read module '" + file + "': " + std::strerror(errno));
    return {std::istreambuf_iterator<char>(in), {}};
}

// The dynamic linker knows an object by its file: a file of its own is what makes a copy one.
std::string copy_of(const std::string& file) {
    const std::vector<char> bytes = contents(file);
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

std::uintptr_t page_down(std::uintptr_t a) noexcept { return a & ~(static_cast<std::uintptr_t>(getpagesize()) - 1); }
std::uintptr_t page_up(std::uintptr_t a) noexcept {
    return page_down(a + static_cast<std::uintptr_t>(getpagesize()) - 1);
}

}  // namespace

ModuleImage::Mapped& ModuleImage::mapped() {
    static auto* const it = new Mapped;  // never freed: it is asked for when the process ends
    return *it;
}

ModuleImage::ModuleImage(const std::string& file, std::string name) : name_(std::move(name)), file_(copy_of(file)) {
    handle_ = dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
        std::string why = dlerror();
        unlink(file_.c_str());
        if (const auto at = why.find("undefined symbol: "); at != std::string::npos) {
            std::string symbol = why.substr(at + std::strlen("undefined symbol: "));
            symbol.resize(std::min(symbol.size(), symbol.find_first_of(" ,")));
            if (symbol.starts_with("bh_linux_")) symbol.erase(0, std::strlen("bh_linux_"));
            refuse(ENOENT, name_ + ": Unknown symbol " + symbol +
                               " (err -2): it is declared in the headers or by the module, and nobody provides it");
        }
        refuse(ENOEXEC, "module '" + name_ + "' cannot be loaded: " + why);
    }
    find_segments();
    read_symbols();
    try {
        info_ = linux_api::read_module(handle_);
    } catch (const InvalidArgument& no_module) {
        dlclose(handle_);
        unlink(file_.c_str());
        refuse(ENOEXEC, "'" + name_ + "': " + no_module.what());
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
    dlclose(handle_);
    unlink(file_.c_str());
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

void ModuleImage::read_symbols() {
    const std::vector<char> bytes = contents(file_);
    const auto at = [&](std::uint64_t offset, std::uint64_t size) -> const char* {
        return offset <= bytes.size() && size <= bytes.size() - offset ? bytes.data() + offset : nullptr;
    };
    const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(at(0, sizeof(ElfW(Ehdr))));
    if (header == nullptr) return;
    const auto* sections =
        reinterpret_cast<const ElfW(Shdr)*>(at(header->e_shoff, std::uint64_t{header->e_shnum} * sizeof(ElfW(Shdr))));
    if (sections == nullptr) return;
    for (unsigned i = 0; i < header->e_shnum; ++i) {
        if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum) continue;
        const auto& names = sections[sections[i].sh_link];
        const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(at(sections[i].sh_offset, sections[i].sh_size));
        const char* text = at(names.sh_offset, names.sh_size);
        if (symbols == nullptr || text == nullptr) continue;
        for (std::size_t n = 0; n < sections[i].sh_size / sizeof(ElfW(Sym)); ++n) {
            const auto& symbol = symbols[n];
            const auto type = symbol.st_info & 0xf;
            if ((type != STT_FUNC && type != STT_OBJECT) || symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0)
                continue;
            const char* name = text + symbol.st_name;
            std::string text_name(name, strnlen(name, static_cast<std::size_t>(text + names.sh_size - name)));
            // The compiler's clones ("f.part.0") go by the name of what they were made from.
            if (const auto dot = text_name.find('.', 1); dot != std::string::npos) text_name.resize(dot);
            const bool alias = text_name.starts_with("bh_linux_");
            symbols_.push_back({base_ + symbol.st_value, symbol.st_size, std::move(text_name), alias});
        }
    }
    std::sort(symbols_.begin(), symbols_.end());
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
