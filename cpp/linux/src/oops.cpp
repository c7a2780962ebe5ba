#include "bottomhalf/linux/oops.hpp"

#include <dlfcn.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <malloc.h>
#include <array>
#include <cstdio>
#include <cstring>

#include "bottomhalf/linux/loader.hpp"
#include "bottomhalf/workqueue/worker_pool.hpp"
#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf::modules {

namespace {

constexpr std::uintptr_t kPage = 4096;
// How near to the stack pointer a bad access must be to be taken for a stack that is used up. Arbitrary.
constexpr std::uintptr_t kStackReach = 64 * 1024;
constexpr unsigned kMostFrames = 64, kShownFrames = 16;

const char* const kUnmapped = "an address that holds no code";

// What leaves the module. When the last handler of it has taken it, no frame of the module's is being unwound any more,
// and its code can be closed.
struct Fault : ModuleExit {
    explicit Fault(std::shared_ptr<ModuleImage> i) : image(std::move(i)) {}
    Fault(const Fault&) = default;
    Fault& operator=(const Fault&) = delete;
    ~Fault() { image->disarm(); }
    std::shared_ptr<ModuleImage> image;
};

std::uintptr_t read_uleb128(const unsigned char*& at) noexcept {
    std::uintptr_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const unsigned char byte = *at++;
        value |= static_cast<std::uintptr_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
    }
}

// A function that undoes something lists the calls that may throw; an exception that comes from elsewhere, or out of a
// function that promised none, ends the process. The table is that of the Itanium C++ ABI, as GCC and Clang write it.
bool in_call_sites(const unsigned char* at, std::uintptr_t offset) noexcept {
    constexpr unsigned char kOmitted = 0xff, kUleb128 = 0x01;
    if (*at++ != kOmitted) return false;      // landing pads elsewhere: not ours
    if (*at++ != kOmitted) read_uleb128(at);  // the types that are caught
    if (*at++ != kUleb128) return false;
    const std::uintptr_t size = read_uleb128(at);
    for (const unsigned char* const end = at + size; at < end;) {
        const std::uintptr_t begin = read_uleb128(at), length = read_uleb128(at);
        read_uleb128(at);  // the landing pad
        read_uleb128(at);  // what it does
        if (offset >= begin && offset < begin + length) return true;
    }
    return false;
}

struct Frame {
    std::uintptr_t pc;
    bool exact;      // where it faulted, not where a call returns to
    bool can_leave;  // an exception may pass, though not all that the function has begun may be undone
    bool cleans_up;  // it undoes something when it is left
};

struct Stack {
    std::array<Frame, kMostFrames> frames;
    unsigned count = 0;
};

_Unwind_Reason_Code add_frame(_Unwind_Context* context, void* stack_pointer) {
    Stack& stack = *static_cast<Stack*>(stack_pointer);
    int exact = 0;
    const std::uintptr_t pc = _Unwind_GetIPInfo(context, &exact);
    if (pc == 0 || stack.count == kMostFrames) return _URC_END_OF_STACK;
    const auto* table = static_cast<const unsigned char*>(_Unwind_GetLanguageSpecificData(context));
    const bool listed =
        table == nullptr || in_call_sites(table, pc - (exact != 0 ? 0 : 1) - _Unwind_GetRegionStart(context));
    stack.frames[stack.count++] = {pc, exact != 0, listed, table != nullptr};
    return _URC_NO_REASON;
}

const void* address_in(const Frame& frame) noexcept {
    return reinterpret_cast<const void*>(frame.exact ? frame.pc : frame.pc - 1);
}

enum class Place { module, engine_entry, engine, heap, library, python };

// Whose code a frame runs, as far as leaving it matters.
Place place_of(const Frame& frame) {
    const void* at = address_in(frame);
    if (module_at(at) != nullptr) return Place::module;
    Dl_info info, engine, library;
    if (dladdr(at, &info) == 0) return Place::library;
    dladdr(reinterpret_cast<void*>(&watch_for_faults), &engine);
    if (info.dli_fbase == engine.dli_fbase) {
        const bool entry = info.dli_sname != nullptr && std::strncmp(info.dli_sname, "bh_linux_", 9) == 0;
        return entry ? Place::engine_entry : Place::engine;
    }
    dladdr(reinterpret_cast<void*>(&std::strlen), &library);
    if (info.dli_fbase != library.dli_fbase) return Place::python;
    for (const void* function :
         {reinterpret_cast<void*>(&malloc), reinterpret_cast<void*>(&free), reinterpret_cast<void*>(&realloc),
          reinterpret_cast<void*>(&calloc), reinterpret_cast<void*>(&memalign)})
        if (info.dli_saddr == function) return Place::heap;
    return Place::library;
}

// The innermost frame of a module's, if all frames inside of it can be left; else -1.
int survivable(const Stack& stack, unsigned first, bool null) {
    for (unsigned i = first; i < stack.count; ++i) {
        const Frame& frame = stack.frames[i];
        switch (place_of(frame)) {
            case Place::module:
                return static_cast<int>(i);
            case Place::library:
                break;
            case Place::engine_entry:
                // Where it faults itself, what it had begun must be nothing.
                if (frame.exact && frame.cleans_up) return -1;
                break;
            case Place::engine:
                // The first touch of an object that is not there comes before anything is locked for it.
                if (frame.exact && !null) return -1;
                break;
            case Place::heap:
            case Place::python:
                return -1;
        }
        if (!frame.can_leave) return -1;
    }
    return -1;
}

std::string hex(std::uintptr_t value, int digits) {
    char text[24];
    std::snprintf(text, sizeof text, "%0*llx", digits, static_cast<unsigned long long>(value));
    return text;
}

class Report {
public:
    explicit Report(Task& self) : self_(self), domain_(*self.domain.load()) {}

    void line(const std::string& text, LogLevel level = LogLevel::alert) {
        domain_.log.write(domain_.now(), level, text);
    }
    void body(const std::string& kind, const std::string& module, const Stack& stack, unsigned first) {
        line("Oops: " + kind + " [#" + std::to_string(domain_oopses()) + "]", LogLevel::warning);
        line("CPU: " + std::to_string(self_.cpu.load()) + " PID: " + std::to_string(self_.pid.load()) +
                 " Comm: " + self_.name,
             LogLevel::warning);
        if (const Worker* worker = current_worker();
            worker != nullptr && worker->current_work != nullptr && worker->current_pwq != nullptr) {
            const void* func = reinterpret_cast<const void*>(worker->current_func);
            line("Workqueue: " + worker->current_pwq->wq->name() + " " + name_in_module(func), LogLevel::warning);
        }
        const void* at = address_in(stack.frames[first]);
        line("RIP: " + (place_of(stack.frames[first]) == Place::library && symbol_of(at).name.empty()
                            ? std::string(object_of(at))
                            : symbol_of(at).to_string(at)),
             LogLevel::warning);
        line("Call Trace:", LogLevel::warning);
        for (unsigned i = first, shown = 0; i < stack.count && shown < kShownFrames; ++i) {
            const Place place = place_of(stack.frames[i]);
            if (place == Place::python) break;
            const void* frame = address_in(stack.frames[i]);
            const Symbol symbol = symbol_of(frame);
            if (symbol.name.empty()) continue;
            line(" " + symbol.to_string(frame), LogLevel::warning);
            ++shown;
        }
        line("Module " + module + " is dead: none of its code runs any more, what it locked stays locked",
             LogLevel::warning);
        line("---[ end trace 0000000000000000 ]---", LogLevel::warning);
    }

private:
    static std::string name_in_module(const void* address) {
        const Symbol symbol = symbol_of(address);
        if (symbol.name.empty()) return symbol.to_string(address);
        return symbol.name + (symbol.object.empty() ? "" : " [" + symbol.object + "]");
    }
    static const char* object_of(const void* address) {
        Dl_info info;
        if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return kUnmapped;
        const char* slash = std::strrchr(info.dli_fname, '/');
        return slash != nullptr ? slash + 1 : info.dli_fname;
    }
    // Of this machine, counted in its log.
    unsigned domain_oopses() const {
        unsigned n = 1;
        for (const LogLine& before : domain_.log.lines()) n += before.text.starts_with("Oops: ") ? 1 : 0;
        return n;
    }

    Task& self_;
    Domain& domain_;
};

// --- signals ---

constexpr std::array<int, 4> kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
struct sigaction g_before[kSignals.size()];  // under g_install
RawLock g_install;

// The fault is nobody's here: the instruction is run again, and whoever handled it before sees it.
[[gnu::tls_model("initial-exec")]] thread_local bool t_pass_on = false;
// A fault while one is being reported.
[[gnu::tls_model("initial-exec")]] thread_local bool t_reporting = false;

#if defined(__x86_64__)
constexpr int kPc = REG_RIP, kSp = REG_RSP;
greg_t& reg(ucontext_t& c, int r) { return c.uc_mcontext.gregs[r]; }
#elif defined(__aarch64__)
constexpr int kPc = 0, kSp = 1;
unsigned long long& reg(ucontext_t& c, int r) { return r == kPc ? c.uc_mcontext.pc : c.uc_mcontext.sp; }
#endif

std::uintptr_t value(ucontext_t& c, int r) { return static_cast<std::uintptr_t>(reg(c, r)); }

std::string kind_of(int signal, ucontext_t& context) {
    if (signal == SIGFPE) return "divide error: 0000";
    if (signal == SIGILL) return "invalid opcode: 0000";
    unsigned error = 0;
#if defined(__x86_64__)
    error = static_cast<unsigned>(context.uc_mcontext.gregs[REG_ERR]) & 0xffff;
#else
    static_cast<void>(context);
#endif
    return hex(error, 4);
}

// Called where the fault was, the signal's frame as its caller. Returns to have the fault passed on.
void fault(int signal, std::uintptr_t address, ucontext_t& context) {
    Task& self = *current_task();
    Domain& domain = *self.domain.load();
    const std::uintptr_t pc = value(context, kPc), sp = value(context, kSp);
#if defined(__x86_64__)
    // A call of what is no code: the frame that called is the one to report and to leave.
    const bool wild = signal == SIGSEGV && address == pc && module_at(reinterpret_cast<void*>(pc)) == nullptr;
    if (wild) {
        reg(context, kPc) = *reinterpret_cast<const greg_t*>(sp) - 1;
        reg(context, kSp) += static_cast<greg_t>(sizeof(void*));
    }
#else
    const bool wild = false;
#endif
    Stack stack;
    _Unwind_Backtrace(&add_frame, &stack);
    unsigned first = 0;
    while (first < stack.count && stack.frames[first].pc != value(context, kPc)) ++first;
    const int frame = first < stack.count ? survivable(stack, first, signal == SIGSEGV && address < kPage) : -1;
    const auto module = frame < 0 ? nullptr : module_at(address_in(stack.frames[static_cast<unsigned>(frame)]));
    const auto image = module != nullptr ? module->image() : nullptr;
    if (image == nullptr) {
        reg(context, kPc) = static_cast<std::remove_reference_t<decltype(reg(context, kPc))>>(pc);
        reg(context, kSp) = static_cast<std::remove_reference_t<decltype(reg(context, kSp))>>(sp);
        return;
    }
    // Code that was closed is called, or come back to: that was reported when it was closed. What its frames undo is
    // closed as well, and comes here again: the exception is lost then, so it must not hold the image.
    if (image->disarmed() && image->holds(reinterpret_cast<void*>(address)) && address == pc) throw ModuleExit();
    t_reporting = true;
    if (module->die() || !image->disarmed()) {
        Report report(self);
        if (signal == SIGSEGV || signal == SIGBUS)
            report.line(address < kPage ? "BUG: kernel NULL pointer dereference, address: " + hex(address, 16)
                                        : "BUG: unable to handle page fault for address: " + hex(address, 16));
        if (wild) report.line("#PF: a call of what is no code", LogLevel::alert);
        report.body(kind_of(signal, context), module->name(), stack, first);
    }
    t_reporting = false;
    static_cast<void>(domain);
    throw Fault(image);
}

#if defined(__x86_64__)
// The signal's frame as the system lays it out, as far as unwinding and returning from it need it.
struct SignalFrame {
    std::uintptr_t return_to;  // the C library's call of sigreturn
    char context[304];         // the system's ucontext, shorter than the C library's
    int signal;
    std::uintptr_t address;
};

// On the stack that faulted. Its caller, so to speak, is the signal's frame.
void fault_moved(SignalFrame* frame) {
    fault(frame->signal, frame->address, *reinterpret_cast<ucontext_t*>(frame->context));
    t_pass_on = true;
}
#endif

void pass_on(int signal, bool again) {
    RawGuard guard(g_install);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        if (kSignals[i] != signal) continue;
        sigaction(signal, &g_before[i], nullptr);
        // Whoever that was has had his turn: the second time it is the system's.
        g_before[i] = {};
        g_before[i].sa_handler = SIG_DFL;
    }
    if (again) raise(signal);
}

void on_signal(int signal, siginfo_t* info, void* context_pointer) {
    auto& context = *static_cast<ucontext_t*>(context_pointer);
    const bool sent = info->si_code <= 0;  // by a process, not by an instruction
    const Task* task = current_task();
    const auto address =
        signal == SIGFPE || signal == SIGILL ? value(context, kPc) : reinterpret_cast<std::uintptr_t>(info->si_addr);
    const std::uintptr_t sp = value(context, kSp);
    const bool overflow = signal == SIGSEGV && address + kStackReach > sp && address < sp + kPage;
    const bool mine = !sent && !t_pass_on && !t_reporting && modules_mapped() != 0 && task != nullptr &&
                      task->domain.load() != nullptr && !overflow;
    if (!mine) {
        t_pass_on = false;
        return pass_on(signal, sent);
    }
#if defined(__x86_64__)
    stack_t alternate{};
    if (sigaltstack(nullptr, &alternate) == 0 && (alternate.ss_flags & SS_ONSTACK) != 0) {
        // There is little room here, and the unwinder wants some: on with it where the fault was, as if the signal had
        // been delivered there. Below what the function may use without moving its stack pointer.
        auto* frame = reinterpret_cast<SignalFrame*>(((sp - 128 - sizeof(SignalFrame)) & ~std::uintptr_t{15}) - 8);
        frame->return_to = reinterpret_cast<std::uintptr_t*>(context_pointer)[-1];
        std::memcpy(frame->context, context_pointer, sizeof frame->context);
        frame->signal = signal;
        frame->address = address;
        reg(context, REG_RIP) = reinterpret_cast<greg_t>(&fault_moved);
        reg(context, REG_RSP) = reinterpret_cast<greg_t>(frame);
        reg(context, REG_RDI) = reinterpret_cast<greg_t>(frame);
        return;
    }
#endif
    fault(signal, address, context);
    t_pass_on = true;
}

}  // namespace

void watch_for_faults() {
    RawGuard guard(g_install);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        struct sigaction before{};
        sigaction(kSignals[i], nullptr, &before);
        if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction == &on_signal) continue;
        struct sigaction action{};
        action.sa_sigaction = &on_signal;
        // The signal is not blocked: its frame is left by an exception, and nobody would unblock it.
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        g_before[i] = before;
        sigaction(kSignals[i], &action, nullptr);
    }
}

void module_bug(const char* kind) {
    Task* self = current_task();
    if (self == nullptr || modules_mapped() == 0) return;
    Stack stack;
    _Unwind_Backtrace(&add_frame, &stack);
    unsigned first = 0;
    while (first < stack.count && place_of(stack.frames[first]) != Place::module) ++first;
    const auto module = first < stack.count ? module_at(address_in(stack.frames[first])) : nullptr;
    const auto image = module != nullptr ? module->image() : nullptr;
    if (image == nullptr) return;
    if (module->die() || !image->disarmed()) Report(*self).body(kind, module->name(), stack, first);
    throw Fault(image);
}

}  // namespace bottomhalf::modules
