#include "bottomhalf/base/symbol.hpp"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {

namespace {
using Source = bool (*)(const void*, Symbol&);
Atomic<Source> g_source{nullptr};
}  // namespace

void set_symbol_source(Source source) noexcept { g_source.store(source); }

Symbol symbol_of(const void* address) {
    Symbol symbol;
    if (Source source = g_source.load(); source != nullptr && source(address, symbol)) return symbol;
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_sname == nullptr) return symbol;
    symbol.name = info.dli_sname;
    // A function of C may be called as a type is abbreviated: "f" is no float.
    if (symbol.name.starts_with("_Z")) {
        int status = 0;
        char* demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
        if (status == 0) symbol.name = demangled;
        std::free(demangled);
    }
    if (const auto paren = symbol.name.find('('); paren != std::string::npos) symbol.name.resize(paren);
    symbol.offset = static_cast<std::size_t>(static_cast<const char*>(address) - static_cast<char*>(info.dli_saddr));
    return symbol;
}

std::string Symbol::to_string(const void* address) const {
    char text[64];
    if (name.empty()) {
        std::snprintf(text, sizeof text, "0x%llx",
                      static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(address)));
        return text;
    }
    std::snprintf(text, sizeof text, size != 0 ? "+0x%zx/0x%zx" : "+0x%zx", offset, size);
    return name + text + (object.empty() ? "" : " [" + object + "]");
}

}  // namespace bottomhalf
