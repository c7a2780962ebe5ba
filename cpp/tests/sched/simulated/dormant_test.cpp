// Tasks that begin with waiting: they cost a fiber only when somebody wakes them.
#include "simulation.hpp"

namespace bottomhalf {
namespace {

class Dormant : public Simulation {
public:
    Task& spawn_dormant(const char* name, std::function<void(Task&)> fn, int cpu = kCpuUnbound) {
        functions.push_back(std::make_unique<std::function<void(Task&)>>(std::move(fn)));
        Task& task = domain->spawn_dormant(
            name, [](Task& self, void* arg) { (*static_cast<std::function<void(Task&)>*>(arg))(self); },
            functions.back().get(), cpu, 0);
        unjoined.push_back(&task);
        return task;
    }
};

TEST_F(Dormant, TheFirstWakeStartsItAndIsUsedUp) {
    Task& a = spawn_dormant(
        "a",
        [&](Task& self) {
            note("begins");
            EXPECT_EQ(machine().block(self, kForever), Wake::woken);  // the second: it came before the wait
            EXPECT_EQ(machine().block(self, now() + ms), Wake::timeout);
            note("ends");
        },
        1);
    EXPECT_EQ(a.state.load(), TaskState::idle);
    EXPECT_TRUE(machine().dormant(a));
    const auto switches = machine().counters().switches;
    machine().run_until_idle();
    EXPECT_EQ(machine().counters().switches, switches);
    machine().wake(a);
    machine().wake(a);
    EXPECT_FALSE(machine().dormant(a));
    machine().run_until_idle();
    EXPECT_EQ(take_log(), "begins@0 ends@1000");
}

TEST_F(Dormant, OneThatNobodyWokeEndsWithoutABeginning) {
    Task& a = spawn_dormant("a", [&](Task&) { note("a"); });
    domain->evict_waiters(&init());
    EXPECT_FALSE(a.exiting.load());
    join(a);
    EXPECT_EQ(take_log(), "");
    spawn_dormant("left to the end", [&](Task&) { note("b"); });
}

TEST_F(Dormant, UnboundOnesLieOnTheCpusInTurn) {
    boot(3);
    for (int cpu : {0, 1, 2, 0}) EXPECT_EQ(spawn_dormant("a", [](Task&) {}).cpu.load(), cpu);
}

TEST_F(Dormant, IsNotWaitingForAnythingInAReportOfADeadlock) {
    spawn_dormant("idler", [](Task&) {});
    try {
        task_sleep(init(), kForever, "wait_for_completion");
        FAIL() << "nobody wakes it";
    } catch (const DeadlockError& error) {
        EXPECT_EQ(std::string(error.what()).find("idler"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace bottomhalf
