// CPUs that go away and come back: down = workqueue, time, interrupt, sched; up = the other way round.
#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf {

namespace {

class MutexGuard {
public:
    MutexGuard(Mutex& mutex, Task& self) : mutex_(mutex), self_(self) {
        throw_unless_ok(mutex.lock(self, kForever), "cpu hotplug");
    }
    ~MutexGuard() { mutex_.unlock(self_); }
    MutexGuard(const MutexGuard&) = delete;
    MutexGuard& operator=(const MutexGuard&) = delete;

private:
    Mutex& mutex_;
    Task& self_;
};

}  // namespace

void Machine::cpu_down(int number) {
    domain_.require_alive();
    const unsigned cpu = domain_.check_cpu(number, "cpu");
    if (cpu == 0)
        throw InvalidArgument("cpu=0 stays online on machine '" + domain_.name +
                              "': what the other CPUs leave behind goes there; take down one from 1 on");
    Task& self = domain_.self();
    might_sleep(self, "cpu_down");
    if (domain_.simulated && self.cpu.load() == number)
        throw InvalidArgument("cpu=" + std::to_string(number) + ": " + describe_task(self) +
                              " runs there; call cpu_down() from another CPU");
    MutexGuard guard(hotplug_mutex_, self);
    if (!domain_.online(cpu)) return;
    domain_.cpu(cpu).online.store(false);
    workqueues_->cpu_down(cpu);
    {
        // No softirq of the CPU runs meanwhile.
        struct Owned {
            Cpu& cpu;
            Task& self;
            Owned(Cpu& c, Task& s) : cpu(c), self(s) { cpu.own_bh(self); }
            ~Owned() { cpu.disown_bh(self); }
        } owned(domain_.cpu(cpu), self);
        timers_->cpu_down(cpu);
    }
    while (!domain_.substrate->set_online(cpu, false)) domain_.substrate->relax(self);
    domain_.log.write(domain_.now(), LogLevel::info, "CPU " + std::to_string(cpu) + " is offline");
}

void Machine::cpu_up(int number) {
    domain_.require_alive();
    const unsigned cpu = domain_.check_cpu(number, "cpu");
    Task& self = domain_.self();
    might_sleep(self, "cpu_up");
    MutexGuard guard(hotplug_mutex_, self);
    if (domain_.online(cpu)) return;
    domain_.substrate->set_online(cpu, true);
    softirqs_->cpu_up(cpu);
    timers_->cpu_up(cpu);
    domain_.cpu(cpu).online.store(true);
    workqueues_->cpu_up(cpu);
    domain_.log.write(domain_.now(), LogLevel::info, "CPU " + std::to_string(cpu) + " is online");
}

}  // namespace bottomhalf
