// The events that tell which task executed where, and why the one before it stopped.
#include "bottomhalf/sched/simulated/schedules.hpp"
#include "simulation.hpp"

namespace bottomhalf {
namespace {

struct TraceSwitch : Simulation {
    void traced_boot(unsigned cpus) {
        boot(cpus);
        machine().set_trace_switches(true);
        domain->trace.start();
    }
    // Of one CPU, one a line.
    std::string switches(int cpu) {
        std::string text;
        for (const TraceRecord& record : records)
            if (record.cpu == cpu) text += std::string(record.fields) + "\n";
        return text;
    }
    void take() { records = domain->trace.take(); }
    std::vector<TraceRecord> records;
};

TEST_F(TraceSwitch, NamesTheReasons) {
    traced_boot(2);
    Task& high = spawn(
        "high",
        [&](Task& self) {
            machine().block(self, kForever);
            sleep(self, ms);
        },
        1, -5);
    spawn(
        "a",
        [&](Task& self) {
            machine().wake(high);
            machine().preemption_point(self);
            machine().yield(self);
            burn(self, 30 * ms);
        },
        1);
    spawn("b", [&](Task& self) { burn(self, 30 * ms); }, 1);
    machine().at(60 * ms, 1, [](Domain&, unsigned, void*) {}, nullptr);
    machine().at(61 * ms, 1, [](Domain&, unsigned, void*) {}, nullptr);
    machine().run_until(62 * ms);
    spawn("c", [](Task&) {}, 1);
    join_all();
    take();
    EXPECT_EQ(switches(1),
              "prev=swapper/1 next=high reason=idle\n"
              "prev=high next=a reason=blocked\n"
              "prev=a next=high reason=preempted-point\n"
              "prev=high next=a reason=blocked\n"
              "prev=a next=b reason=yield\n"
              "prev=b next=high reason=preempted-wakeup\n"
              "prev=high next=b reason=ended\n"
              "prev=b next=a reason=tick\n"
              "prev=a next=b reason=tick\n"
              "prev=b next=a reason=tick\n"
              "prev=a next=b reason=tick\n"
              "prev=b next=a reason=ended\n"
              "prev=a next=swapper/1 reason=ended\n"
              "prev=swapper/1 next=c reason=interrupt\n");
}

TEST_F(TraceSwitch, SaysWhoWentFirstOnAnotherCpu) {
    struct Eager final : Schedule {
        unsigned pick(Choice, Where, std::span<Task* const>) override { return 0; }
        bool preempt(Preemption, Where, const Task&, const Task*) override { return true; }
    };
    traced_boot(3);
    machine().set_schedule(std::make_unique<Eager>());
    for (const int cpu : {1, 2})
        spawn(cpu == 1 ? "a" : "b", [&](Task& self) { machine().preemption_point(self); }, cpu);
    machine().run_until_idle();
    take();
    EXPECT_EQ(switches(1),
              "prev=swapper/1 next=a reason=idle\n"
              "prev=a next=b reason=preempted-point next_cpu=2\n");
    EXPECT_EQ(switches(2),
              "prev=swapper/2 next=b reason=idle\n"
              "prev=b next=a reason=preempted-point next_cpu=1\n");
    join_all();
}

TEST_F(TraceSwitch, IsSilentUnlessAskedFor) {
    boot(1);
    domain->trace.start();
    spawn("a", [](Task&) {});
    join_all();
    take();
    EXPECT_TRUE(records.empty());
}

}  // namespace
}  // namespace bottomhalf
