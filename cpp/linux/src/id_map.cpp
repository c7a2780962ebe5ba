// <linux/idr.h> and <linux/xarray.h>: pointers by number.
#include <cerrno>
#include <map>
#include <new>
#include <utility>

#include "bottomhalf/base/raw_lock.hpp"

namespace bottomhalf::linux_api {

namespace {

using Entries = std::map<unsigned long, void*>;

struct IdMap {  // struct __bh_id_map
    Entries* entries;
    RawLock lock;        // a leaf
    std::uint32_t next;  // L
};
#ifndef BH_EXPLORE  // there a lock also knows its holder
static_assert(sizeof(IdMap) == 16 && sizeof(RawLock) == 4);
#endif

// Under the lock. The map is made by the first entry, so that static initialisers need no code.
Entries& entries_of(IdMap& map) {
    if (map.entries == nullptr) map.entries = new Entries;
    return *map.entries;
}

// The first free number in the range, when there is one.
bool first_free(const Entries& entries, unsigned long first, unsigned long last, unsigned long& id) {
    id = first;
    for (auto at = entries.lower_bound(first); at != entries.end() && at->first == id; ++at) {
        if (id == last) return false;
        ++id;
    }
    return first <= last;
}

}  // namespace

extern "C" {

int bh_linux_id_alloc(IdMap* map, unsigned long* id, void* entry, unsigned long first, unsigned long last) try {
    RawGuard guard(map->lock);
    Entries& entries = entries_of(*map);
    unsigned long found = 0;
    if (!first_free(entries, first, last, found)) return -ENOSPC;
    entries.emplace(found, entry);
    *id = found;
    return 0;
} catch (const std::bad_alloc&) {
    return -ENOMEM;
}
int bh_linux_id_alloc_cyclic(IdMap* map, unsigned long* id, void* entry, unsigned long first, unsigned long last) try {
    RawGuard guard(map->lock);
    Entries& entries = entries_of(*map);
    const unsigned long begin = map->next > first && map->next <= last ? map->next : first;
    unsigned long found = 0;
    bool anew = false;
    if (!first_free(entries, begin, last, found)) {
        if (begin == first || !first_free(entries, first, begin - 1, found)) return -ENOSPC;
        anew = true;
    }
    entries.emplace(found, entry);
    map->next = static_cast<std::uint32_t>(found + 1);
    *id = found;
    return anew ? 1 : 0;
} catch (const std::bad_alloc&) {
    return -ENOMEM;
}
void* bh_linux_id_find(IdMap* map, unsigned long id) {
    RawGuard guard(map->lock);
    if (map->entries == nullptr) return nullptr;
    const auto at = map->entries->find(id);
    return at != map->entries->end() ? at->second : nullptr;
}
int bh_linux_id_set(IdMap* map, unsigned long id, void* entry, int there, void** before) try {
    RawGuard guard(map->lock);
    Entries& entries = entries_of(*map);
    const auto at = entries.find(id);
    *before = at != entries.end() ? at->second : nullptr;
    if (there == 0 && at != entries.end()) return -EBUSY;
    if (there == 1 && at == entries.end()) return -ENOENT;
    entries[id] = entry;
    return 0;
} catch (const std::bad_alloc&) {
    return -ENOMEM;
}
void* bh_linux_id_remove(IdMap* map, unsigned long id, bool* was_there) {
    RawGuard guard(map->lock);
    void* before = nullptr;
    const bool found = map->entries != nullptr && map->entries->count(id) != 0;
    if (found) {
        const auto at = map->entries->find(id);
        before = at->second;
        map->entries->erase(at);
    }
    if (was_there != nullptr) *was_there = found;
    return before;
}
void* bh_linux_id_next(IdMap* map, unsigned long* id, unsigned long last) {
    RawGuard guard(map->lock);
    if (map->entries == nullptr) return nullptr;
    for (auto at = map->entries->lower_bound(*id); at != map->entries->end() && at->first <= last; ++at) {
        if (at->second == nullptr) continue;
        *id = at->first;
        return at->second;
    }
    return nullptr;
}
bool bh_linux_id_is_empty(IdMap* map) {
    RawGuard guard(map->lock);
    return map->entries == nullptr || map->entries->empty();
}
void bh_linux_id_destroy(IdMap* map) {
    Entries* entries = nullptr;
    {
        RawGuard guard(map->lock);
        std::swap(entries, map->entries);
        map->next = 0;
    }
    delete entries;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
