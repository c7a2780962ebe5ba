#include "bottomhalf/base/recycled.hpp"

#include <algorithm>
#include <cstdlib>

#include "bottomhalf/base/sanitizer.hpp"

namespace bottomhalf {

namespace {

// Arbitrary: a simulated machine of eight CPUs fits, and a thread that only frees what others made hoards no more.
constexpr std::size_t kMostBytes = 512 * 1024;
constexpr std::size_t kUnit = 64, kClasses = 128, kMostAlign = 1024;

struct Block {
    Block* next;
};

struct Kept {
    Block* free[kClasses];
    std::size_t bytes;
    bool known;   // to the end of the thread
    bool closed;  // the thread ends
};
[[gnu::tls_model("initial-exec")]] thread_local constinit Kept t_kept{};

struct AtThreadEnd {
    ~AtThreadEnd() {
        t_kept.closed = true;
        for (Block*& list : t_kept.free)
            while (Block* block = list) {
                list = block->next;
                std::free(block);
            }
    }
};

constexpr std::size_t class_of(std::size_t size) noexcept { return (size + kUnit - 1) / kUnit; }

void* allocate(std::size_t size) {
    size = class_of(size) * kUnit;
    void* memory = std::aligned_alloc(std::min(size & -size, kMostAlign), size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* recycled_memory(std::size_t size) {
    const std::size_t c = class_of(size);
    if (c >= kClasses || t_kept.free[c] == nullptr) [[unlikely]]
        return allocate(size);
    Block* block = t_kept.free[c];
    t_kept.free[c] = block->next;
    t_kept.bytes -= c * kUnit;
    return block;
}

void recycle_memory(void* memory, std::size_t size) noexcept {
    const std::size_t c = class_of(size);
#if defined(BOTTOMHALF_ASAN) || defined(BOTTOMHALF_TSAN)
    // The sanitizer is to see that it was freed.
    const bool full = true;
#else
    const bool full = t_kept.closed || c >= kClasses || t_kept.bytes + c * kUnit > kMostBytes;
#endif
    if (full) [[unlikely]] {
        std::free(memory);
        return;
    }
    if (!t_kept.known) [[unlikely]] {
        t_kept.known = true;
        thread_local AtThreadEnd end;
        static_cast<void>(&end);
    }
    Block* block = static_cast<Block*>(memory);
    block->next = t_kept.free[c];
    t_kept.free[c] = block;
    t_kept.bytes += c * kUnit;
}

}  // namespace bottomhalf
