// Recycled<T>: objects whose memory is kept for the next one of their kind. Machines are booted and halted by the
// thousand in explorations, and the heap would sort the same few blocks again and again.
//
// Thread safety: every thread keeps its own; an object may be freed by another thread than the one that made it.
#pragma once

#include <cstddef>
#include <new>

namespace bottomhalf {

// Memory for an object of that size, aligned to whatever power of two divides the size, and back. What a thread keeps
// is limited, and freed when it ends. With AddressSanitizer or ThreadSanitizer nothing is kept: they are to see it go.
void* recycled_memory(std::size_t size);
void recycle_memory(void* memory, std::size_t size) noexcept;

// A base of T, for whatever alignment T has. Not for objects that are deleted through a base without virtual
// destructor.
template <class T>
struct Recycled {
    static void* operator new(std::size_t size) { return recycled_memory(size); }
    static void* operator new(std::size_t size, std::align_val_t) { return recycled_memory(size); }
    static void* operator new(std::size_t, void* place) noexcept { return place; }
    static void operator delete(void* memory, std::size_t size) noexcept { recycle_memory(memory, size); }
    static void operator delete(void* memory, std::size_t size, std::align_val_t) noexcept {
        recycle_memory(memory, size);
    }
    static void operator delete(void*, void*) noexcept {}
};

}  // namespace bottomhalf
