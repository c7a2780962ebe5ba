#include "bottomhalf/sched/simulated/fiber.hpp"

#include <cxxabi.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bottomhalf/base/error.hpp"
#include "bottomhalf/base/thread_number.hpp"
#include "sanitizer.hpp"
#if BOTTOMHALF_HOST
#include "bottomhalf/sched/host/fiber_thread.hpp"
#else
namespace bottomhalf {
class FiberThread {};
}  // namespace bottomhalf
#endif

#ifdef BOTTOMHALF_ASAN
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack_save, const void** bottom_old, std::size_t* size_old);
}
#endif
#ifdef BOTTOMHALF_TSAN
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#define BH_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define BH_NO_TSAN
#endif

// bh_fiber_switch(void** save, void* load): pushes what the ABI lets a callee change only if it restores it, stores the
// stack pointer, takes the other one and pops. bh_fiber_entry: the return address of a fresh fiber; ends the chain of
// frames for debuggers and unwinders and jumps to Fiber::entry.
extern "C" {
void bh_fiber_switch(void** save, void* load) noexcept;
void bh_fiber_entry() noexcept;
}

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(BH_NO_FIBER_SWITCH)
#define BH_NO_FIBER_SWITCH  // may be asked for on the others, too
#endif

#if defined(BH_NO_FIBER_SWITCH)
#if !BOTTOMHALF_HOST
#error "no fiber switch for this architecture: write bh_fiber_switch and Fiber::initial_frame, or build with threads"
#endif
void bh_fiber_switch(void**, void*) noexcept {}
void bh_fiber_entry() noexcept {}
#elif defined(__x86_64__)
asm(R"(.text
.globl bh_fiber_switch
.hidden bh_fiber_switch
.type bh_fiber_switch,@function
bh_fiber_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size bh_fiber_switch,.-bh_fiber_switch
.globl bh_fiber_entry
.hidden bh_fiber_entry
.type bh_fiber_entry,@function
bh_fiber_entry:
    jmp *%rbx
.size bh_fiber_entry,.-bh_fiber_entry
)");
#else
asm(R"(.text
.globl bh_fiber_switch
.hidden bh_fiber_switch
.type bh_fiber_switch,%function
bh_fiber_switch:
    hint #34
    sub sp, sp, #176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    ret
.size bh_fiber_switch,.-bh_fiber_switch
.globl bh_fiber_entry
.hidden bh_fiber_entry
.type bh_fiber_entry,%function
bh_fiber_entry:
    mov x30, xzr
    mov x16, x19
    br x16
.size bh_fiber_entry,.-bh_fiber_entry
)");
#endif

namespace bottomhalf {

namespace {

// The Itanium ABI's __cxa_eh_globals; libstdc++ and libc++abi agree on these two words.
struct EhGlobals {
    void* caught;
    unsigned uncaught;
};
EhGlobals& eh_globals() noexcept { return *reinterpret_cast<EhGlobals*>(abi::__cxa_get_globals()); }

std::size_t page_size() noexcept { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// The fiber that a switch left, for the one it reached; and the one it reached, for a fresh fiber to know itself.
[[gnu::tls_model("initial-exec")]] thread_local Fiber* t_left = nullptr;
[[gnu::tls_model("initial-exec")]] thread_local Fiber* t_reached = nullptr;

}  // namespace

struct FiberPool {
    // Machines are booted by the thousand in explorations: their stacks are used again. More than this only hoards.
    static constexpr unsigned kKept = 32;
    Fiber* free = nullptr;
    unsigned count = 0;

    ~FiberPool() {
        while (free != nullptr) drop_one();
        count = kKept;  // what is released later is freed at once
    }
    void drop_one() noexcept {
        Fiber* fiber = free;
        free = fiber->next_free_;
        --count;
        delete fiber;
    }
    static void arrived(Fiber& here) noexcept;
};

bool Fiber::on_threads() noexcept {
#if !BOTTOMHALF_HOST
    return false;
#elif defined(BH_NO_FIBER_SWITCH)
    return true;
#else
    static const bool asked_for = [] {
        const char* fibers = std::getenv("BOTTOMHALF_FIBERS");
        return fibers != nullptr && std::strcmp(fibers, "threads") == 0;
    }();
    return asked_for;
#endif
}

#if BOTTOMHALF_HOST
bool Fiber::usable() const noexcept { return thread_ == nullptr || thread_->alive(); }

void Fiber::thread_entry(void* self) {
    Fiber& me = *static_cast<Fiber*>(self);
    for (;;) {
        Fiber* next = me.run();
        if (next != &me && !hand_over(me, *next)) return;
    }
}

// RETURNS: false: from is not needed any more.
bool Fiber::hand_over(Fiber& from, Fiber& to) noexcept {
    if (!to.usable()) {
        std::fputs(
            "bottomhalf: a task of a simulated machine whose tasks are threads (BOTTOMHALF_FIBERS=threads) went on in "
            "a child that it forked, where the machine's other threads are not: end such a child with os._exit()\n",
            stderr);
        std::abort();
    }
    to.thread_->go();
    return from.thread_->wait();
}
#else
bool Fiber::usable() const noexcept { return true; }
#endif

Fiber::Fiber() noexcept {
#if BOTTOMHALF_HOST
    if (on_threads()) thread_ = std::make_unique<FiberThread>();
#endif
#ifdef BOTTOMHALF_TSAN
    tsan_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(Pooled) {
#if BOTTOMHALF_HOST
    if (on_threads()) {
        thread_ = std::make_unique<FiberThread>(&Fiber::thread_entry, this, kStackSize);
        return;
    }
#endif
    const std::size_t guard = page_size();
    void* memory = mmap(nullptr, kStackSize + guard, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) != 0) {
        const int error = errno;
        if (memory != MAP_FAILED) munmap(memory, kStackSize + guard);
        throw Error(std::string("cannot map the stack of a simulated task: ") + std::strerror(error) +
                    "; each takes two of the process's mappings (vm.max_map_count)");
    }
    mapping_ = static_cast<char*>(memory);
    bottom_ = mapping_ + guard;
    size_ = kStackSize;
    sp_ = initial_frame();
#ifdef BOTTOMHALF_TSAN
    tsan_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
    if (mapping_ == nullptr) return;
#ifdef BOTTOMHALF_TSAN
    __tsan_destroy_fiber(tsan_);
#endif
    munmap(mapping_, size_ + page_size());
}

// What bh_fiber_switch pops at the first switch.
void* Fiber::initial_frame() noexcept {
    auto* top = reinterpret_cast<std::uintptr_t*>(mapping_ + page_size() + kStackSize);
    [[maybe_unused]] const auto target = reinterpret_cast<std::uintptr_t>(&Fiber::entry);
    [[maybe_unused]] const auto trampoline = reinterpret_cast<std::uintptr_t>(&bh_fiber_entry);
#if defined(__x86_64__)
    std::uint32_t mxcsr;
    std::uint16_t x87;
    asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    *--top = 0;  // entry's return address: the chain of frames ends here; a call leaves the stack aligned like this
    *--top = trampoline;
    *--top = 0;                              // rbp
    *--top = target;                         // rbx
    for (int i = 0; i < 4; ++i) *--top = 0;  // r12 to r15
    *--top = mxcsr | std::uintptr_t{x87} << 32;
#elif defined(__aarch64__)
    top -= 22;  // 176 bytes
    std::memset(top, 0, 176);
    top[0] = target;       // x19
    top[11] = trampoline;  // x30
    std::uintptr_t fpcr;
    asm volatile("mrs %0, fpcr" : "=r"(fpcr));
    top[20] = fpcr;
#endif
    return top;
}

Fiber& Fiber::acquire(Main main, void* arg) {
    TsanIgnore ignore;
    auto& pool = threads_one<FiberPool>();
    while (pool.free != nullptr && !pool.free->usable()) pool.drop_one();
    Fiber* fiber = pool.free;
    if (fiber != nullptr) {
        pool.free = fiber->next_free_;
        --pool.count;
    } else {
        fiber = new Fiber(Pooled{});
        fiber->pool_ = &pool;
    }
    fiber->main_ = main;
    fiber->arg_ = arg;
    fiber->handed_in_.store(true, std::memory_order_release);
    return *fiber;
}

void Fiber::release(Fiber& fiber) noexcept {
    TsanIgnore ignore;
    // Also beyond the limit: the caller may be standing on it. The surplus goes with the next release.
    FiberPool& pool = *fiber.pool_;
    if (pool.count >= FiberPool::kKept && pool.free != nullptr) {
        pool.drop_one();
    }
    fiber.next_free_ = pool.free;
    pool.free = &fiber;
    ++pool.count;
}

// The first thing on the stack that a switch reached.
BH_NO_TSAN void FiberPool::arrived(Fiber& here) noexcept {
#ifdef BOTTOMHALF_ASAN
    // What the left stack's bounds are is known now, which is how a native fiber learns them.
    __sanitizer_finish_switch_fiber(here.fake_stack_, &t_left->bottom_, &t_left->size_);
#endif
    EhGlobals& globals = eh_globals();
    globals.caught = here.caught_exceptions_;
    globals.uncaught = here.uncaught_exceptions_;
}

BH_NO_TSAN void Fiber::switch_to(Fiber& from, Fiber& to) noexcept {
#if BOTTOMHALF_HOST
    if (from.thread_ != nullptr) [[unlikely]] {
        hand_over(from, to);
        return;
    }
#endif
    EhGlobals& globals = eh_globals();
    from.caught_exceptions_ = globals.caught;
    from.uncaught_exceptions_ = globals.uncaught;
    t_left = &from;
    t_reached = &to;
#ifdef BOTTOMHALF_ASAN
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.size_);
#endif
#ifdef BOTTOMHALF_TSAN
    // A switch orders what the two fibers do: they are one thread. Races between virtual CPUs are for a checker that
    // knows what a schedule may reorder; without this order every object that outlives its tasks would be reported.
    __tsan_switch_to_fiber(to.tsan_, 0);
#endif
    bh_fiber_switch(&from.sp_, to.sp_);
    FiberPool::arrived(from);
}

// Out of entry's line, because ThreadSanitizer does not look into that.
__attribute__((noinline)) Fiber* Fiber::run() {
    handed_in_.load(std::memory_order_acquire);
    return main_(arg_);
}

BH_NO_TSAN void Fiber::entry() noexcept {
    Fiber& self = *t_reached;
    FiberPool::arrived(self);
    for (;;) {
        Fiber* next = self.run();
        if (next != &self) switch_to(self, *next);
    }
}

}  // namespace bottomhalf
