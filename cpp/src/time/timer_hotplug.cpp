// The timers of a CPU that goes away.
#include "timer_base.hpp"

namespace bottomhalf {

// The caller owns the CPU's bottom halves, so none of its callbacks runs.
void TimerSubsystem::cpu_down(unsigned cpu) {
    for (unsigned kind = 0; kind < kBaseKinds; ++kind) {
        Base& from = *bases_[cpu * kBaseKinds + kind];
        Base& to = *bases_[kind];
        std::vector<Timer*> moving;
        {
            RawGuard guard(from.lock);
            from.offline = true;
            const auto take = [&](WheelNode*& list) {
                while (list != nullptr) {
                    Timer* timer = timer_of(from.wheel.pop(list));
                    from.left(*timer);
                    timer->base.store(kMigrating);  // whoever wants it waits for the few instructions
                    moving.push_back(timer);
                }
            };
            for (unsigned i = from.due_next; i < from.due_end; ++i) take(from.due[i]);
            from.due_next = from.due_end = 0;
            std::array<WheelNode*, TimerWheel::kLevels> lists;
            // A wheel that was emptied like this starts again when it is used again.
            while (const unsigned n = from.wheel.collect(TimerWheel::kNever - 1, lists))
                for (unsigned i = 0; i < n; ++i) take(lists[i]);
        }
        if (moving.empty()) continue;
        const Jiffies now = domain_.jiffies();
        RawGuard guard(to.lock);
        to.wheel.forward(now);
        for (Timer* timer : moving) {
            Jiffies fires = 0;
            const unsigned bucket = to.wheel.bucket_of(timer->expires, fires);
            timer->base.store(to.slot);
            enqueue(to, *timer, timer->expires, bucket, fires);
        }
    }
    program(0);
}

void TimerSubsystem::cpu_up(unsigned cpu) {
    for (unsigned kind = 0; kind < kBaseKinds; ++kind) {
        Base& base = *bases_[cpu * kBaseKinds + kind];
        RawGuard guard(base.lock);
        base.wheel = TimerWheel(domain_.hz, domain_.jiffies());
        base.offline = false;
    }
}

}  // namespace bottomhalf
