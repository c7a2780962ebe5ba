#include "module_registry.hpp"

#include <cerrno>

namespace bottomhalf::modules {

namespace {

struct Registry {
    struct Entry {
        const LoadedModule* address;
        std::weak_ptr<LoadedModule> module;
        std::shared_ptr<ModuleImage> image;
    };
    RawLock lock;               // a leaf
    std::vector<Entry> loaded;  // L
    Atomic<unsigned> count{0};  // A, L to write
};
Registry& known() {
    static auto* const it = new Registry;  // never freed: a fault may come as late as it likes
    return *it;
}

}  // namespace

namespace registry {

bool find_symbol(const void* address, Symbol& symbol) {
    if (modules_mapped() == 0) return false;
    RawGuard guard(known().lock);
    for (const auto& entry : known().loaded)
        if (entry.image->find(address, symbol)) return true;
    return false;
}

void enter(const std::shared_ptr<LoadedModule>& module) {
    Registry::Entry entry{module.get(), module, module->image()};
    std::vector<std::shared_ptr<LoadedModule>> others;  // let go of outside the lock
    RawGuard guard(known().lock);
    for (const auto& loaded : known().loaded) {
        auto other = loaded.module.lock();
        if (other == nullptr) continue;
        const bool same = other->name() == module->name() && &other->domain() == &module->domain() &&
                          other->state() != ModuleState::unloaded;
        others.push_back(std::move(other));
        if (same)
            throw ModuleError(EEXIST, "module '" + module->name() + "' is loaded into machine '" +
                                          module->domain().name +
                                          "' already; unload it, or give this one another name");
    }
    known().loaded.push_back(std::move(entry));
    known().count.fetch_add(1u);
}

std::vector<std::shared_ptr<LoadedModule>> modules_of(const Domain& domain) {
    std::vector<std::shared_ptr<LoadedModule>> all;
    {
        RawGuard guard(known().lock);
        for (const auto& entry : known().loaded)
            if (auto module = entry.module.lock()) all.push_back(std::move(module));
    }
    // Outside the lock: one of them may end here.
    std::erase_if(all, [&](auto& module) { return &module->domain() != &domain; });
    return all;
}

std::shared_ptr<ModuleImage> leave(const LoadedModule& module) {
    std::shared_ptr<ModuleImage> image;
    RawGuard guard(known().lock);
    std::erase_if(known().loaded, [&](auto& entry) {
        if (entry.address != &module) return false;
        image = std::move(entry.image);
        known().count.fetch_sub(1u);
        return true;
    });
    return image;
}

}  // namespace registry

unsigned modules_mapped() noexcept { return known().count.load(std::memory_order_relaxed); }

std::shared_ptr<LoadedModule> module_at(const void* address) {
    RawGuard guard(known().lock);
    for (const auto& entry : known().loaded)
        if (entry.image->holds(address)) return entry.module.lock();
    return nullptr;
}

}  // namespace bottomhalf::modules
