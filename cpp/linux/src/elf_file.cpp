#include "elf_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "bottomhalf/linux/image.hpp"

namespace bottomhalf::modules {

ElfFile::ElfFile(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
        throw ModuleError(errno != 0 ? errno : ENOENT,
                          "cannot read module '" + file + "': " + std::strerror(errno != 0 ? errno : ENOENT));
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
}

std::vector<ElfFile::Table> ElfFile::tables(unsigned type) {
    std::vector<Table> found;
    const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(at(0, sizeof(ElfW(Ehdr))));
    if (header == nullptr || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return found;
    const auto* sections =
        reinterpret_cast<const ElfW(Shdr)*>(at(header->e_shoff, std::uint64_t{header->e_shnum} * sizeof(ElfW(Shdr))));
    if (sections == nullptr) return found;
    for (unsigned i = 0; i < header->e_shnum; ++i) {
        if (sections[i].sh_type != type || sections[i].sh_link >= header->e_shnum) continue;
        const auto& names = sections[sections[i].sh_link];
        auto* symbols = reinterpret_cast<ElfW(Sym)*>(at(sections[i].sh_offset, sections[i].sh_size));
        const char* text = at(names.sh_offset, names.sh_size);
        if (symbols != nullptr && text != nullptr)
            found.push_back({symbols, sections[i].sh_size / sizeof(ElfW(Sym)), text, names.sh_size});
    }
    return found;
}

std::string ElfFile::Table::name(const ElfW(Sym) & symbol) const {
    if (symbol.st_name >= text_size) return {};
    return {text + symbol.st_name, strnlen(text + symbol.st_name, text_size - symbol.st_name)};
}

bool ElfFile::is_wanted(const ElfW(Sym) & symbol) noexcept {
    return symbol.st_shndx == SHN_UNDEF && symbol.st_name != 0 && symbol.st_info >> 4 != STB_LOCAL;
}

void ElfFile::bind(ElfW(Sym) & symbol, const void* address) noexcept {
    symbol.st_shndx = SHN_ABS;
    symbol.st_value = reinterpret_cast<std::uintptr_t>(address);
    symbol.st_info &= 0xf;  // STB_LOCAL
    symbol.st_other = STV_HIDDEN;
}

}  // namespace bottomhalf::modules
