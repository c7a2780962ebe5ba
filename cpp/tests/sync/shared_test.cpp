#include "bottomhalf/sync/shared.hpp"

#include <gtest/gtest.h>

#include "bottomhalf/machine/machine.hpp"
#include "bottomhalf/sync/spin_lock.hpp"

namespace bottomhalf {
namespace {

struct Adder {
    Work work{&Adder::run};
    Shared<int>* cell = nullptr;
    SpinLock* lock = nullptr;
    std::string error;

    static void run(Work* work) {
        Adder& me = *container_of(work, &Adder::work);
        Task& self = *current_task();
        try {
            if (me.lock != nullptr) me.lock->lock(self);
            me.cell->set(me.cell->get() + 1);
        } catch (const MisuseError& e) {
            me.error = e.rule() + ": " + e.what();
        }
        if (me.lock != nullptr) me.lock->unlock(self);
    }
};

// Two items on two CPUs; what the second one says.
std::string two_adders(bool simulated, bool locked) {
    MachineOptions options;
    options.cpus = 2;
    options.simulated = simulated;
    Machine machine(options);
    Shared<int> cell(0, "counter");
    SpinLock lock;
    Adder adders[2];
    for (int cpu = 0; cpu < 2; ++cpu) {
        adders[cpu].cell = &cell;
        adders[cpu].lock = locked ? &lock : nullptr;
        machine.workqueues().system(SystemWq::percpu)->queue(adders[cpu].work, cpu);
        // On the host one after the other, for there nobody looks after plain variables.
        if (!simulated && !locked) flush_work(adders[cpu].work);
    }
    for (Adder& adder : adders) flush_work(adder.work);
    if (adders[1].error.empty()) {
        EXPECT_EQ(cell.get(), 2);
    }
    EXPECT_EQ(adders[0].error, "");
    return adders[1].error;
}

TEST(Shared, IsAVariableOnTheHost) {
    EXPECT_EQ(two_adders(false, false), "");
    EXPECT_EQ(two_adders(false, true), "");
}

TEST(Shared, LockedAccessesAreOrdered) { EXPECT_EQ(two_adders(true, true), ""); }

TEST(Shared, UnorderedAccessesAreADataRace) {
    const std::string error = two_adders(true, false);
    EXPECT_NE(error.find("data-race: data race on shared cell 'counter'"), std::string::npos) << error;
    EXPECT_NE(error.find("kworker/1:0 reads it at"), std::string::npos) << error;
    EXPECT_NE(error.find("kworker/0:0 wrote it at"), std::string::npos) << error;
    EXPECT_NE(error.find("shared_test.cpp:"), std::string::npos) << error;
}

TEST(Shared, AFlagOrdersWhatWasDoneBefore) {
    MachineOptions options;
    options.simulated = true;
    Machine machine(options);
    Shared<int> cell, flag;
    struct Sender {
        Work work{[](Work* w) {
            Sender& me = *container_of(w, &Sender::work);
            me.cell.set(7);
            me.flag.store_release(1);
        }};
        Shared<int>&cell, &flag;
        Sender(Shared<int>& c, Shared<int>& f) : cell(c), flag(f) {}
    } sender(cell, flag);
    machine.workqueues().system(SystemWq::percpu)->queue(sender.work, 1);
    Task& self = machine.domain().self();
    while (flag.load_acquire() == 0) machine.domain().substrate->relax(self);
    EXPECT_EQ(cell.get(), 7);
    flush_work(sender.work);
}

}  // namespace
}  // namespace bottomhalf
