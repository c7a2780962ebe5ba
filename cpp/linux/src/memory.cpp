// <linux/slab.h>, <linux/gfp.h>, <linux/percpu.h>, <linux/uaccess.h>: memory is the C library's, so that the address
// sanitizer sees what a module does with it.
#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "glue.hpp"
#include "kernel_side.hpp"

struct bh_linux_percpu_area {
    char* copies;
};

namespace bottomhalf::linux_api {

namespace {

struct PercpuVariables {
    char *begin, *end;
    bh_linux_percpu_area* area;
    bool hold(const char* address) const noexcept { return address >= begin && address < end; }
};
// Those of modules that export one: only then does an address say nothing about whose variable it is.
struct SharedPercpu {
    RawLock lock;                      // a leaf
    std::vector<PercpuVariables> all;  // L
    Atomic<unsigned> count{0};         // A, L to write

    bool find(const char* address, PercpuVariables& found) {
        if (count.load(std::memory_order_relaxed) == 0) return false;
        RawGuard guard(lock);
        for (const PercpuVariables& variables : all)
            if (variables.hold(address)) {
                found = variables;
                return true;
            }
        return false;
    }
    void add(const PercpuVariables& variables) {
        RawGuard guard(lock);
        all.push_back(variables);
        count.store(static_cast<unsigned>(all.size()));
    }
    void remove(const bh_linux_percpu_area* area) {
        if (count.load() == 0) return;
        RawGuard guard(lock);
        std::erase_if(all, [&](const PercpuVariables& variables) { return variables.area == area; });
        count.store(static_cast<unsigned>(all.size()));
    }
};
SharedPercpu& shared_percpu() {
    static auto* const it = new SharedPercpu;  // never freed: modules are unmapped when the process ends
    return *it;
}

constexpr unsigned kMaySleep = 0x400, kZero = 0x100;  // __GFP_DIRECT_RECLAIM, __GFP_ZERO
constexpr std::size_t kPage = 4096;
constexpr std::size_t kPercpuDistance = 32 * 1024;   // of one CPU's copy to the next one's
void* const kNothing = reinterpret_cast<void*>(16);  // ZERO_SIZE_PTR

void check_context(unsigned flags, const char* call) {
    if ((flags & kMaySleep) == 0) return;
    Task* self = current_task();
    if (self == nullptr || self->domain.load() == nullptr || (self->preempt_count == 0 && self->irqs_off == 0)) return;
    if (KernelSide::of(*self->domain.load()).may_print(call))
        log(*self->domain.load(), LogLevel::err,
            std::string("BUG: sleeping function called from invalid context at ") + call +
                "(GFP_KERNEL): " + describe_task(*self) + "; GFP_ATOMIC never sleeps");
}

// What Linux's slabs give for that size: there, who writes a little beyond an object of 4,200 bytes hits nobody. The
// address sanitizer is to see it.
std::size_t slab_size(std::size_t size) noexcept {
    static const bool watched = dlsym(RTLD_DEFAULT, "__asan_init") != nullptr;
    if (watched || size > SIZE_MAX / 2) return size;
    if (size > 64 && size <= 96) return 96;
    if (size > 128 && size <= 192) return 192;
    return std::bit_ceil(std::max<std::size_t>(size, 8));
}

struct Cache {  // struct kmem_cache
    std::string name;
    std::size_t size, align;
    void (*ctor)(void*);
    Atomic<long> objects{0};
};

}  // namespace

extern "C" {

void* bh_linux_kmalloc(std::size_t size, unsigned flags) {
    check_context(flags, "kmalloc");
    if (size == 0) return kNothing;
    const std::size_t given = slab_size(size);
    return (flags & kZero) != 0 ? std::calloc(1, given) : std::malloc(given);
}
void bh_linux_kfree(const void* object) {
    if (object != kNothing) std::free(const_cast<void*>(object));
}
void* bh_linux_krealloc(const void* object, std::size_t size, unsigned flags) {
    check_context(flags, "krealloc");
    if (size == 0) {
        bh_linux_kfree(object);
        return kNothing;
    }
    void* old = object == kNothing ? nullptr : const_cast<void*>(object);
    const std::size_t before = old != nullptr ? malloc_usable_size(old) : 0;
    void* fresh = std::realloc(old, slab_size(size));
    if (fresh != nullptr && (flags & kZero) != 0 && size > before)
        std::memset(static_cast<char*>(fresh) + before, 0, size - before);
    return fresh;
}
std::size_t bh_linux_ksize(const void* object) {
    return object == nullptr || object == kNothing ? 0 : malloc_usable_size(const_cast<void*>(object));
}
void* bh_linux_kmemdup(const void* src, std::size_t len, unsigned flags) {
    void* copy = bh_linux_kmalloc(len, flags);
    if (copy != nullptr && len != 0) std::memcpy(copy, src, len);
    return copy;
}
char* bh_linux_kmemdup_nul(const char* s, std::size_t len, unsigned flags) {
    auto* copy = static_cast<char*>(bh_linux_kmalloc(len + 1, flags));
    if (copy == nullptr) return nullptr;
    std::memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}
char* bh_linux_kstrdup(const char* s, unsigned flags) {
    return s != nullptr ? bh_linux_kmemdup_nul(s, std::strlen(s), flags) : nullptr;
}
char* bh_linux_kstrndup(const char* s, std::size_t max, unsigned flags) {
    return s != nullptr ? bh_linux_kmemdup_nul(s, strnlen(s, max), flags) : nullptr;
}

unsigned long bh_linux_get_free_pages(unsigned flags, unsigned order) {
    check_context(flags, "get_free_pages");
    void* pages = std::aligned_alloc(kPage, kPage << order);
    if (pages != nullptr && (flags & kZero) != 0) std::memset(pages, 0, kPage << order);
    return reinterpret_cast<unsigned long>(pages);
}
void bh_linux_free_pages(unsigned long address, unsigned) { std::free(reinterpret_cast<void*>(address)); }

Cache* bh_linux_kmem_cache_create(const char* name, unsigned size, unsigned align, unsigned, void (*ctor)(void*)) {
    return new Cache{name, size, align < 16 ? 16u : align, ctor, Atomic<long>{0}};
}
void* bh_linux_kmem_cache_alloc(Cache* cache, unsigned flags) {
    check_context(flags, "kmem_cache_alloc");
    const std::size_t size = (cache->size + cache->align - 1) / cache->align * cache->align;
    void* object = std::aligned_alloc(cache->align, size);
    if (object == nullptr) return nullptr;
    if ((flags & kZero) != 0) std::memset(object, 0, cache->size);
    if (cache->ctor != nullptr) cache->ctor(object);
    cache->objects.fetch_add(1);
    return object;
}
void bh_linux_kmem_cache_free(Cache* cache, void* object) {
    if (object == nullptr) return;
    cache->objects.fetch_sub(1);
    std::free(object);
}
void bh_linux_kmem_cache_destroy(Cache* cache) {
    if (cache == nullptr) return;
    if (cache->objects.load() != 0) {
        warn(here(), "kmem_cache_destroy",
             "kmem_cache_destroy " + cache->name + ": Slab cache still has objects when called");
        return;
    }
    delete cache;
}

// One of each CPU, at the distance that all such memory has: the address of a field is enough to find it.
void* bh_linux_alloc_percpu(std::size_t size, std::size_t align) {
    if (size > kPercpuDistance) return nullptr;
    const unsigned cpus = here().nr_cpus;
    auto* memory = static_cast<char*>(std::aligned_alloc(align < 64 ? 64 : align, kPercpuDistance * cpus));
    if (memory == nullptr) return nullptr;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) std::memset(memory + cpu * kPercpuDistance, 0, size);
    return memory;
}
void bh_linux_free_percpu(void* first) { std::free(first); }

// The variables that a module defines per CPU: CPU 0 has the originals, the others copies of their first values.
void* bh_linux_per_cpu(void* object, unsigned cpu, char* begin, char* end, bh_linux_percpu_area* area) {
    auto* at = static_cast<char*>(object);
    PercpuVariables variables{begin, end, area};
    if (!variables.hold(at) && !shared_percpu().find(at, variables)) return at + cpu * kPercpuDistance;
    if (cpu == 0) return at;
    const auto size = static_cast<std::size_t>(variables.end - variables.begin);
    return variables.area->copies + (cpu - 1) * size + (at - variables.begin);
}
// Called when the module is loaded, before its variables change.
void bh_linux_percpu_setup(char* begin, char* end, bh_linux_percpu_area* area) {
    const auto size = static_cast<std::size_t>(end - begin);
    if (size == 0 || area->copies != nullptr) return;
    area->copies = static_cast<char*>(std::malloc(size * (kMaxCpus - 1)));
    if (area->copies == nullptr) std::abort();
    for (unsigned cpu = 1; cpu < kMaxCpus; ++cpu) std::memcpy(area->copies + (cpu - 1) * size, begin, size);
}
// Called when a module is loaded that exports one of them.
void bh_linux_percpu_share(char* begin, char* end, bh_linux_percpu_area* area) {
    shared_percpu().add({begin, end, area});
}
// When it is unmapped.
void bh_linux_percpu_release(bh_linux_percpu_area* area) {
    shared_percpu().remove(area);
    std::free(area->copies);
    area->copies = nullptr;
}

// User space is the caller's own memory; only a null pointer is a bad address.
unsigned long bh_linux_copy_user(void* to, const void* from, unsigned long n, const void* user) {
    if (user == nullptr && n != 0) return n;
    std::memcpy(to, from, n);
    return 0;
}
long bh_linux_strncpy_from_user(char* to, const char* from, long n) {
    if (from == nullptr) return -EFAULT;
    if (n <= 0) return 0;
    const auto length = static_cast<long>(strnlen(from, static_cast<std::size_t>(n)));
    std::memcpy(to, from, static_cast<std::size_t>(length));
    if (length < n) to[length] = '\0';
    return length;
}
void* bh_linux_memdup_user(const void* from, std::size_t n) {
    if (from == nullptr) return reinterpret_cast<void*>(-static_cast<std::intptr_t>(EFAULT));
    void* copy = bh_linux_kmemdup(from, n, kMaySleep);
    return copy != nullptr ? copy : reinterpret_cast<void*>(-static_cast<std::intptr_t>(ENOMEM));
}
void* bh_linux_memdup_user_nul(const void* from, std::size_t n) {
    if (from == nullptr) return reinterpret_cast<void*>(-static_cast<std::intptr_t>(EFAULT));
    void* copy = bh_linux_kmemdup_nul(static_cast<const char*>(from), n, kMaySleep);
    return copy != nullptr ? copy : reinterpret_cast<void*>(-static_cast<std::intptr_t>(ENOMEM));
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
