// A simulated machine belongs to the thread that booted it.
#include <thread>

#include "simulation.hpp"

namespace bottomhalf {
namespace {

using WrongThreadTest = Simulation;

TEST_F(WrongThreadTest, IsRefusedInEveryCall) {
    Task& me = init();
    std::thread([&] {
        EXPECT_THROW(domain->self(), WrongThread);
        EXPECT_THROW(machine().block(me, kForever), WrongThread);
        EXPECT_THROW(machine().burn(me, 1), WrongThread);
        EXPECT_THROW(machine().relax(me), WrongThread);
        EXPECT_THROW(machine().yield(me), WrongThread);
        EXPECT_THROW(machine().preemption_point(me), WrongThread);
        EXPECT_THROW(machine().run_until(1), WrongThread);
        EXPECT_THROW(domain->spawn("t", [](Task&, void*) {}, nullptr, kCpuUnbound, 0), WrongThread);
        EXPECT_THROW(machine().at(0, 0, nullptr, nullptr), WrongThread);
    }).join();
    sleep(init(), ms);
    EXPECT_EQ(now(), ms);
}

TEST_F(WrongThreadTest, EveryThreadMayHaveItsOwnMachine) {
    std::thread([] {
        Domain d("own", 1, 1000);
        d.substrate = make_simulated_substrate(d);
        d.state.store(DomainState::running);
        task_sleep(d.self(), kSecond, "sleep");
        EXPECT_EQ(d.now(), kSecond);
    }).join();
}

}  // namespace
}  // namespace bottomhalf
