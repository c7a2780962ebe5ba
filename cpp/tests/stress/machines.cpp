// Machines booted and halted in parallel, by several halters at once, with items, workqueues and timers under way.
#include "support/stress.hpp"

using namespace bottomhalf;

namespace {

struct Delayed {
    DelayedWork dwork{[](Work*) {}};
};

void live_and_die(std::minstd_rand& random) {
    Machine machine(stress::host(1 + static_cast<unsigned>(random() % 2)));
    auto& wqs = machine.workqueues();
    Work items[8];
    for (Work& w : items) w.func = [](Work*) {};
    Delayed delayed[4];
    {
        auto wq = wqs.alloc("q", random() % 2 ? wq_flag::kUnbound : 0u, 1 + static_cast<int>(random() % 3));
        std::vector<std::thread> users;
        for (int t = 0; t < 3; ++t)
            users.emplace_back([&, t] {
                std::minstd_rand mine(static_cast<unsigned>(t) + 1);
                try {
                    for (int n = 0; n < 200; ++n) {
                        wq->queue(items[mine() % 8]);
                        if (n % 16 == 0) wq->flush();
                        if (n % 32 == 0) queue_delayed_work(*wq, delayed[mine() % 4].dwork, mine() % 3);
                        if (n % 64 == 0) wqs.alloc("short", 0, 0)->destroy();
                    }
                } catch (const MachineHalted&) {
                } catch (const MachineExit&) {
                }
            });
        std::thread halters[2];
        if (random() % 2) {
            const auto pending = random() % 2 ? HaltPending::cancel : HaltPending::drain;
            for (auto& h : halters) h = std::thread([&machine, pending] { machine.halt(pending); });
            for (auto& h : halters) h.join();
        }
        for (auto& u : users) u.join();
        machine.halt();
    }
    for (Work& w : items) STRESS_CHECK(!w.pending());
    for (Delayed& d : delayed) STRESS_CHECK(!d.dwork.work.pending());
}

}  // namespace

int main(int argc, char** argv) {
    Machine clock(stress::host(1));
    stress::Crew crew(clock, argc, argv, 4);
    for (int i = 0; i < 3; ++i) crew.add(live_and_die);
    crew.run();
    return 0;
}
