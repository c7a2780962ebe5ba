// The modules that are mapped in this process, for the loader and for who asks about an address.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <memory>
#include <vector>

#include "bottomhalf/linux/loader.hpp"

namespace bottomhalf::modules::registry {

// The function or variable of a module there (Source of base/symbol.hpp).
bool find_symbol(const void* address, Symbol& symbol);
// Throws ModuleError when a module of that name is loaded into that machine.
void enter(const std::shared_ptr<LoadedModule>& module);
// RETURNS: what the registry held of the image; to be dropped outside its lock.
std::shared_ptr<ModuleImage> leave(const LoadedModule& module);
// Those that are loaded into that machine, in the order of their loading.
std::vector<std::shared_ptr<LoadedModule>> modules_of(const Domain& domain);

}  // namespace bottomhalf::modules::registry
