// Names of functions, from the dynamic linker and from a source of a higher floor.
#include "bottomhalf/base/symbol.hpp"

#include <gtest/gtest.h>

#include <cstring>

// What is, mangled, unsigned.
extern "C" int j() { return 0; }

namespace bottomhalf {
namespace {

const char g_variable[8] = {};

bool knows_one(const void* address, Symbol& symbol) {
    if (address < g_variable || address >= g_variable + sizeof g_variable) return false;
    symbol = {"variable", "mine", static_cast<std::size_t>(static_cast<const char*>(address) - g_variable), 8};
    return true;
}

TEST(Symbol, LibrariesAreKnown) {
    EXPECT_EQ(function_name(reinterpret_cast<const void*>(&set_symbol_source)), "bottomhalf::set_symbol_source");
    const Symbol unknown = symbol_of(reinterpret_cast<const void*>(16));
    EXPECT_EQ(unknown.to_string(reinterpret_cast<const void*>(16)), "0x10");
}

TEST(Symbol, NamesOfCAreNoTypes) { EXPECT_EQ(function_name(reinterpret_cast<const void*>(&j)), "j"); }

TEST(Symbol, ASourceIsAskedFirst) {
    EXPECT_NE(symbol_of(g_variable).object, "mine");
    set_symbol_source(&knows_one);
    EXPECT_EQ(symbol_of(g_variable + 3).to_string(g_variable + 3), "variable+0x3/0x8 [mine]");
    set_symbol_source(nullptr);
}

}  // namespace
}  // namespace bottomhalf
