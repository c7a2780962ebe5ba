// Every cell of the tables "state x operation" that were recorded from a Linux 6.12 kernel: return value, whether the
// call blocks while the handlers are held, work_busy() meanwhile, and how often the handler ran in the end.
#include <cstdio>
#include <sstream>

#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

constexpr Jiffies kLong = 1000 * 1000;  // 1000 s: never fires here

enum State {
    kNever,
    kHasRun,
    kTimer,
    kInactive,
    kActive,
    kRunning,
    kAgain,
    kRunTimer,
    kOff,
    kOffTwice,
    kCancelling,
    kStates
};
const char* const kStateNames[] = {
    "never queued",     "has run",         "timer pending", "inactive",       "active, not started", "running",
    "running + queued", "running + timer", "disabled",      "disabled twice", "cancelling"};

// One row: the cells in the order of the states, "-" where there is none.
struct Row {
    const char* name;
    const char* cells;
};

// The states of a plain work have no timer: those cells are "-".
const Row kWorkRows[] = {
    {"queue_same", "1b2r1|1b2r2|-|0b1r1|0b1r1|1b3r2|0b3r2|-|0b0r0|0b0r0|0b2r1"},
    {"queue_other", "1b2r1|1b2r2|-|0b1r1|0b1r1|1b3r2|0b3r2|-|0b0r0|0b0r0|0b2r1"},
    {"cancel", "0b0r0|0b0r1|-|1b0r0|1b0r0|0b2r1|1b2r1|-|0b0r0|0b0r0|0b2r1"},
    {"cancel_sync", "0b0r0|0b0r1|-|1b0r0|1b0r0|0!b2r1|1!b2r1|-|0b0r0|0b0r0|0!b2r1"},
    {"flush", "0b0r0|0b0r1|-|1!b1r1|1!b1r1|1!b2r1|1!b3r2|-|0b0r0|0b0r0|1!b2r1"},
    {"pending", "0b0r0|0b0r1|-|1b1r1|1b1r1|0b2r1|1b3r2|-|0b0r0|0b0r0|0b2r1"},
    {"busy", "0b0r0|0b0r1|-|1b1r1|1b1r1|2b2r1|3b3r2|-|0b0r0|0b0r0|2b2r1"},
    {"disable", "0b0r0|0b0r1|-|1b0r0|1b0r0|0b2r1|1b2r1|-|0b0r0|0b0r0|0b2r1"},
    {"disable_sync", "0b0r0|0b0r1|-|1b0r0|1b0r0|0!b2r1|1!b2r1|-|0b0r0|0b0r0|0!b2r1"},
    {"enable", "-|-|-|-|-|-|-|-|1b0r0|0b0r0|-"},
};
const Row kDelayedRows[] = {
    {"queue_same", "1b2r1|1b2r2|0b1r0|0b1r1|0b1r1|1b3r2|0b3r2|0b3r1|0b0r0|0b0r0|0b2r1"},
    {"queue_other", "1b2r1|1b2r2|0b1r0|0b1r1|0b1r1|1b3r2|0b3r2|0b3r1|0b0r0|0b0r0|0b2r1"},
    {"queue_delayed_0", "1b2r1|1b2r2|0b1r0|0b1r1|0b1r1|1b3r2|0b3r2|0b3r1|0b0r0|0b0r0|0b2r1"},
    {"queue_delayed_long", "1b1r0|1b1r1|0b1r0|0b1r1|0b1r1|1b3r1|0b3r2|0b3r1|0b0r0|0b0r0|0b2r1"},
    {"mod_0", "0b2r1|0b2r2|1b2r1|1b1r1|1b1r1|0b3r2|1b3r2|1b3r2|0b0r0|0b0r0|0b2r1"},
    {"mod_long", "0b1r0|0b1r1|1b1r0|1b1r0|1b1r0|0b3r1|1b3r1|1b3r1|0b0r0|0b0r0|0b2r1"},
    {"cancel", "0b0r0|0b0r1|1b0r0|1b0r0|1b0r0|0b2r1|1b2r1|1b2r1|0b0r0|0b0r0|0b2r1"},
    {"cancel_sync", "0b0r0|0b0r1|1b0r0|1b0r0|1b0r0|0!b2r1|1!b2r1|1!b2r1|0b0r0|0b0r0|0!b2r1"},
    {"flush", "0b0r0|0b0r1|0b1r0|1!b1r1|1!b1r1|1!b2r1|1!b3r2|1!b3r1|0b0r0|0b0r0|1!b2r1"},
    {"flush_delayed", "0b0r0|0b0r1|1!b2r1|1!b1r1|1!b1r1|1!b2r1|1!b3r2|1!b3r2|0b0r0|0b0r0|1!b2r1"},
    {"pending", "0b0r0|0b0r1|1b1r0|1b1r1|1b1r1|0b2r1|1b3r2|1b3r1|0b0r0|0b0r0|0b2r1"},
    {"busy", "0b0r0|0b0r1|1b1r0|1b1r1|1b1r1|2b2r1|3b3r2|3b3r1|0b0r0|0b0r0|2b2r1"},
    {"disable", "0b0r0|0b0r1|1b0r0|1b0r0|1b0r0|0b2r1|1b2r1|1b2r1|0b0r0|0b0r0|0b2r1"},
    {"disable_sync", "0b0r0|0b0r1|1b0r0|1b0r0|1b0r0|0!b2r1|1!b2r1|1!b2r1|0b0r0|0b0r0|0!b2r1"},
    {"enable", "-|-|-|-|-|-|-|-|1b0r0|0b0r0|-"},
};

// One cell: a workqueue, an item whose handler is held, and what brings them into the state. Works are queued on CPU 1.
struct Cell {
    Machine& machine;
    const bool delayed;
    std::shared_ptr<Workqueue> wq;
    DelayedWork dwork;  // first: the handler finds the cell by it
    Work& work = dwork.work;
    Completion started, release;
    Atomic<int> runs{0};
    Busy busy;
    Held held;
    std::unique_ptr<Caller> canceller;

    Cell(Machine& m, bool d, State state) : machine(m), delayed(d) {
        wq = m.workqueues().alloc("cell", 0, state == kInactive ? 1 : 0);
        dwork.work.func = [](Work* w) {
            Cell* cell = container_of(DelayedWork::of(w), &Cell::dwork);
            cell->runs.fetch_add(1);
            cell->started.complete();
            cell->release.wait(*current_task(), kForever, "held");
        };
        enter(state);
    }
    Task& self() { return machine.domain().self(); }
    void start() {
        wq->queue(work, 1);
        started.wait(self());
    }
    void enter(State state) {
        switch (state) {
            case kHasRun:
                release.complete();
                start();
                flush_work(work);
                return;
            case kTimer:
                queue_delayed_work(*wq, dwork, kLong, 1);
                return;
            case kInactive:
                wq->queue(held.work, 1);
                held.started.wait(self());
                wq->queue(work, 1);
                return;
            case kActive:
                wq->queue(busy.work, 1);
                busy.started.wait(self());
                wq->queue(work, 1);
                return;
            case kRunning:
                return start();
            case kAgain:
                start();
                wq->queue(work, 1);
                return;
            case kRunTimer:
                start();
                queue_delayed_work(*wq, dwork, kLong, 1);
                return;
            case kOffTwice:
                disable_work(work);
                [[fallthrough]];
            case kOff:
                disable_work(work);
                return;
            case kCancelling:
                start();
                canceller = std::make_unique<Caller>(
                    machine, [this] { delayed ? cancel_delayed_work_sync(dwork) : cancel_work_sync(work); });
                EXPECT_TRUE(eventually(machine, [&] { return canceller->waits_in("cancel_work_sync"); }));
                return;
            default:
                return;
        }
    }
    int apply(const std::string& op) {
        if (op == "queue_same") return wq->queue(work, 1);
        if (op == "queue_other") return wq->queue(work, 0);
        if (op == "queue_delayed_0") return queue_delayed_work(*wq, dwork, 0, 1);
        if (op == "queue_delayed_long") return queue_delayed_work(*wq, dwork, kLong, 1);
        if (op == "mod_0") return mod_delayed_work(*wq, dwork, 0, 1);
        if (op == "mod_long") return mod_delayed_work(*wq, dwork, kLong, 1);
        if (op == "cancel") return delayed ? cancel_delayed_work(dwork) : cancel_work(work);
        if (op == "cancel_sync") return delayed ? cancel_delayed_work_sync(dwork) : cancel_work_sync(work);
        if (op == "flush") return flush_work(work);
        if (op == "flush_delayed") return flush_delayed_work(dwork);
        if (op == "pending") return work.pending();
        if (op == "busy") return static_cast<int>(work_busy(work));
        if (op == "disable") return delayed ? disable_delayed_work(dwork) : disable_work(work);
        if (op == "disable_sync") return delayed ? disable_delayed_work_sync(dwork) : disable_work_sync(work);
        if (op == "enable") return enable_work(work);
        ADD_FAILURE() << op;
        return -1;
    }
    ~Cell() {
        canceller.reset();
        cancel_delayed_work_sync(dwork);
        wq->destroy();
    }
};

class StateTable : public MachineTest {
protected:
    void check(bool delayed, const Row& row) {
        std::istringstream cells(row.cells);
        std::string text;
        for (int s = 0; std::getline(cells, text, '|'); ++s) {
            if (text == "-") continue;
            SCOPED_TRACE(std::string(row.name) + " on " + kStateNames[s] + ": " + text);
            const int value = text[0] - '0';
            const bool blocks = text[1] == '!';
            const unsigned busy = static_cast<unsigned>(text[blocks ? 3 : 2] - '0');
            const int runs = text.back() - '0';
            check_cell(delayed, row.name, static_cast<State>(s), value, blocks, busy, runs);
        }
    }
    void check_cell(bool delayed, const char* op, State state, int value, bool blocks, unsigned busy, int runs) {
        Cell cell(m(), delayed, state);
        int result = -1;
        {
            Caller caller(m(), [&] { result = cell.apply(op); });
            EXPECT_TRUE(eventually([&] { return caller.settled(); }));
            // A call that does not block may still sleep for an instant, so each is waited for by what it should do.
            EXPECT_TRUE(eventually([&] { return blocks ? caller.settled() : caller.finished(); }));
            EXPECT_EQ(caller.finished(), !blocks);
            EXPECT_TRUE(eventually([&] { return work_busy(cell.work) == busy; })) << work_busy(cell.work);
            cell.release.complete_all();
            cell.busy.let_go();
            cell.held.let_go();
        }
        cell.wq->flush();
        EXPECT_EQ(result, value);
        EXPECT_EQ(cell.runs.load(), runs);
    }
};

TEST_P(StateTable, Work) {
    for (const Row& row : kWorkRows) check(false, row);
}

TEST_P(StateTable, DelayedWork) {
    for (const Row& row : kDelayedRows) check(true, row);
}

BH_INSTANTIATE_MACHINES(StateTable);

}  // namespace
}  // namespace bottomhalf::testing
