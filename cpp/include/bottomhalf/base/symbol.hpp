// What functions are called, for reports and traces: what the dynamic linker knows of an address, and before it what a
// higher floor has told (the functions of C modules, static ones among them).
#pragma once

#include <string>

namespace bottomhalf {

struct Symbol {
    std::string name;        // demangled, without parameters; empty: unknown
    std::string object;      // of a C module: what that is called
    std::size_t offset = 0;  // of the address in it
    std::size_t size = 0;    // 0: unknown
    // "name+0x12/0x40 [object]", as Linux prints it; an address without a name as itself.
    std::string to_string(const void* address) const;
};

// CONTEXT: any, no internal lock held but a pool's.
Symbol symbol_of(const void* address);
inline std::string function_name(const void* address) { return symbol_of(address).name; }

// source(address, symbol) is asked first and returns whether it knew. It may be called under a pool's lock.
void set_symbol_source(bool (*source)(const void* address, Symbol& symbol)) noexcept;

}  // namespace bottomhalf
