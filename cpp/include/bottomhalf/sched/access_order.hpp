// AccessOrder: which accesses of a simulated machine's tasks and handlers are ordered (Linux: KCSAN asks the same), by
// vector clocks (Flanagan and Freund's FastTrack).
//
// What judges is the order that the program made, not the one that the schedule happened to take: two accesses that
// nothing orders are reported although they came one after the other. A flow of control has a clock: a task; an item,
// whichever worker runs it; the softirqs of a CPU; the hard interrupts of a CPU. An object that one flow hands on and
// another takes over carries a clock from the one to the other: a lock, a completion, an item (queued -> runs; over ->
// flushed), a timer, a tasklet, a line. A CPU's bottom halves and interrupts are two locks that their handlers hold.
//
// Nothing of it is there before the machine's first access to a shared cell: what happened before that is behind all
// that is compared.
//
// Thread safety: none; the machine's own thread. Where no machine has one, a hook costs one look at a global.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bottomhalf/sched/task.hpp"

namespace bottomhalf {

struct Domain;

// Machines that compare accesses.
extern Atomic<unsigned> g_ordering_machines;
// Raw: where the engine is explored, this is no access of its protocols.
inline bool any_machine_orders() noexcept { return g_ordering_machines.raw().load(std::memory_order_relaxed) != 0; }

// Which of an object's two clocks: what its handler begins with, or what whoever waits for its end takes over.
enum class Handover : std::uint8_t { begin, end };

// Where in the user's program: a line of a file, which lives as long as the process.
struct Place {
    const char* file = nullptr;
    int line = 0;
};

class AccessOrder {
public:
    explicit AccessOrder(Domain& domain);
    ~AccessOrder();
    AccessOrder(const AccessOrder&) = delete;
    AccessOrder& operator=(const AccessOrder&) = delete;

    // The one of the machine that the calling task lives on, made when it has none yet; null on the host, where no task
    // calls, and after the machine's end.
    static AccessOrder* mine();

    // marked: never races with another marked one (Linux: READ_ONCE, smp_store_release).
    struct How {
        bool write;
        bool marked;
    };
    // An access, as it is remembered.
    struct Access {
        unsigned flow;
        std::uint32_t time;
        How how;
        Place place;
        std::shared_ptr<const std::string> who;
    };
    // Of one cell: what another access need not come after.
    struct History {
        std::uint64_t machine = 0;
        std::vector<Access> accesses;
    };
    // The calling task is about to access the cell. Throws MisuseError("data-race"), naming both sides, when an earlier
    // access, one of the two being a write, is not ordered before this one; then nothing is remembered of it.
    void access(Task& self, History& history, How how, Place place, const char* cell);

    // The calling flow's past goes with the object; whoever takes it over has it behind itself.
    void release(Task& self, const void* object, Handover which);
    void acquire(Task& self, const void* object, Handover which);
    // The end of a handler is of interest only where its beginning was.
    void release_end_if_begun(Task& self, const void* object);

    // A handler of an item in a worker: a flow of its own, unless a softirq runs it. who(): "item f".
    void begin_run(Task& self, const void* item, const std::function<std::string()>& who);
    void end_run(Task& self, const void* item);
    // What the softirq or hard interrupt that calls is, for reports: "tasklet f".
    void name_handler(Task& self, const std::string& who);
    void spawned(Task& parent, Task& child);
    void ended(const Task& task) noexcept;
    // Init stops the world and lets it go on: what it did is behind everybody, what all did is behind it.
    void stopped_world(Task& init);

    // The object is gone, and its address may be another's soon. CONTEXT: any thread.
    static void forget(const void* object) noexcept;

private:
    using Clock = std::vector<std::uint32_t>;  // by flow
    struct Flow {
        unsigned id = 0;
        Clock clock;
        const void* item = nullptr;  // whose runs it is; null: of none, or of one that is gone
        bool running = false;
        std::shared_ptr<const std::string> who;
    };
    struct TaskFlows {
        std::unique_ptr<Flow> own;
        std::vector<Flow*> runs;  // of the items that it runs; the innermost last
    };
    struct Passed {
        Clock begin, end;
    };

    static void join(Clock& into, const Clock& from);
    static std::uint32_t at(const Clock& clock, unsigned flow) noexcept {
        return flow < clock.size() ? clock[flow] : 0;
    }
    void begin_flow(Flow& flow, std::string who);
    void end_flow(Flow& flow);
    Flow& flow_of(Task& self);
    TaskFlows& flows_of(const Task& task);
    Flow& flow_of_item(const void* item);
    void drop(const void* object) noexcept;
    template <class F>
    void for_each_flow(F&& f);

    const std::uint64_t machine_;  // tells the machines of the process apart
    unsigned next_flow_ = 0;
    std::vector<unsigned> free_flows_;
    Clock floor_;  // every flow begins with this behind itself
    Clock gone_;   // what flows that are no more did
    std::unordered_map<const Task*, TaskFlows> tasks_;
    std::unordered_map<const void*, std::unique_ptr<Flow>> items_;
    std::vector<std::unique_ptr<Flow>> others_;  // of items that are gone, or run twice at once, on two workqueues
    std::vector<Flow> softirqs_, hardirqs_;      // by CPU
    std::unordered_map<const void*, Passed> passed_;
};

void pass_order(const void* object, Handover which, bool release);

// Hooks of the engine's operations, for the calling task; nothing for who is no task of a machine that compares.
inline void order_release(const void* object, Handover which = Handover::begin) {
    if (any_machine_orders()) [[unlikely]]
        pass_order(object, which, true);
}
inline void order_acquire(const void* object, Handover which = Handover::begin) {
    if (any_machine_orders()) [[unlikely]]
        pass_order(object, which, false);
}
inline void order_forget(const void* object) noexcept {
    if (any_machine_orders()) [[unlikely]]
        AccessOrder::forget(object);
}

// The AccessOrder of the task's machine, or null.
AccessOrder* access_order_of(const Task& task) noexcept;

}  // namespace bottomhalf
