// ElfFile: the bytes of a compiled module, as far as the loader reads and changes them before they are mapped.
//
// Thread safety: as of plain data.
#pragma once

#include <elf.h>
#include <link.h>

#include <string>
#include <vector>

namespace bottomhalf::modules {

class ElfFile {
public:
    // Throws ModuleError with the system's errno. What is no ELF file has no symbols.
    explicit ElfFile(const std::string& file);

    const std::vector<char>& bytes() const noexcept { return bytes_; }

    // Calls each(symbol, name) for every symbol of the file's table of that type (SHT_SYMTAB, SHT_DYNSYM).
    template <class F>
    void symbols(unsigned table, F&& each) {
        for (const Table& found : tables(table))
            for (std::size_t i = 0; i < found.count; ++i) each(found.symbols[i], found.name(found.symbols[i]));
    }
    // A symbol that others must provide, to be found in the table of the dynamic linker.
    static bool is_wanted(const ElfW(Sym) & symbol) noexcept;
    // The dynamic linker is to take this address for it and look nowhere else: a local symbol with an absolute value is
    // not looked up, and not moved with the object.
    static void bind(ElfW(Sym) & symbol, const void* address) noexcept;

private:
    struct Table {
        ElfW(Sym) * symbols;
        std::size_t count;
        const char* text;
        std::size_t text_size;
        std::string name(const ElfW(Sym) & symbol) const;
    };
    std::vector<Table> tables(unsigned type);
    char* at(std::uint64_t offset, std::uint64_t size) noexcept {
        return offset <= bytes_.size() && size <= bytes_.size() - offset ? bytes_.data() + offset : nullptr;
    }

    std::vector<char> bytes_;
};

}  // namespace bottomhalf::modules
