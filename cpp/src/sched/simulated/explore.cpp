// Exploring the engine itself: what an access to one of its atomics, and one of its locks, is to a simulated machine.
#include "bottomhalf/base/raw_lock.hpp"

#ifdef BH_EXPLORE

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "border.hpp"
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf {

thread_local bool t_in_simulator = false;

namespace {
// The machine of this thread whose engine is explored.
thread_local SimulatedSubstrate* t_explored = nullptr;

[[noreturn]] void give_up(const char* what) noexcept {
    std::fprintf(stderr, "exploring the engine: %s\n", what);
    std::abort();
}
}  // namespace

void SimulatedSubstrate::explore_here() noexcept {
    if (Fiber::on_threads()) t_explored = engine_points_ != EnginePoints::off ? this : nullptr;
}

struct SimulatedSubstrate::Exploring {
    // The strand that executes a part of the engine here, or null.
    static Strand* here() noexcept {
        SimulatedSubstrate* machine = t_explored;
        if (machine == nullptr || t_in_simulator || machine->reaper_ != nullptr) return nullptr;
        Strand* me = machine->executing_;
        // Not init: it sets up what is explored, and waits.
        if (me == nullptr || me == machine->init_ || me->task != current_task()) return nullptr;
        return machine->cpus_[me->cpu].holder == me ? me : nullptr;
    }
    static void access(bool hint) noexcept {
        Strand* me = here();
        if (me == nullptr || (hint && me->machine->engine_points_ == EnginePoints::ordered)) return;
        me->machine->engine_point(*me);
    }
    static void spin() noexcept {
        if (Strand* me = here()) me->machine->engine_spin(*me);
    }
    static void locked(RawLock& lock) noexcept {
        Strand* me = here();
        lock.holder = me;
        if (me != nullptr) ++me->raw_locks;
    }
    static void unlocked(RawLock& lock, void* holder) noexcept {
        Strand& strand = *static_cast<Strand*>(holder);
        --strand.raw_locks;
        strand.machine->lock_freed(lock);
    }
    static bool contended(RawLock& lock) noexcept {
        if (t_explored == nullptr) return false;
        Strand* me = here();
        // Who could give the lock back never executes again.
        if (me == nullptr) give_up("the simulator, init or a halt wants a lock that a preempted task holds");
        if (lock.holder == me) give_up("a task takes an internal lock that it holds");
        me->machine->await_lock(*me, lock);
        return true;
    }
    static constexpr EngineHooks kHooks{&access, &spin, &locked, &unlocked, &contended};
};

void SimulatedSubstrate::set_engine_points(EnginePoints which) {
    check_thread("set_engine_points");
    const bool on = which != EnginePoints::off;
    // A CPU's idle task is made while the machine decides, when others may hold the lock of the list of tasks.
    if (on)
        for (unsigned c = 0; c < cpus_.size(); ++c) swapper(c);
    engine_points_ = which;
    t_explored = on ? this : nullptr;
    g_engine_hooks.store(&Exploring::kHooks, std::memory_order_release);
}

// Somebody else may go first, and nobody knows it: interrupts are not served here.
void SimulatedSubstrate::engine_point(Strand& me) noexcept {
    InSimulator inside;
    try {
        // What is due at this instant is among those that may go first.
        while (events_.next() <= now_) handle_event();
        if (gives_way(me)) {
            displace(me, false, Left::point);
        } else if (lets_others_go(me, true)) {
            kept_cpu_ = &me;
            make_dispatched(me);
        } else {
            return;
        }
        gave_way_ = &me;
    } catch (...) {
        report(std::current_exception());
        make_dispatched(me);
    }
    wait_in_engine(me);
}

// One turn takes time: whatever it waits for is then done before, as with relax().
void SimulatedSubstrate::engine_spin(Strand& me) noexcept {
    InSimulator inside;
    if (auto livelock = count_spin(me)) report(livelock);
    const Strand::Wait wait = std::exchange(me.wait, {});
    me.wait.deaf = true;
    me.wait.burn_left = kRelaxCost;
    begin_burn(me);
    wait_in_engine(me);
    me.wait = wait;
}

void SimulatedSubstrate::await_lock(Strand& me, const RawLock& lock) noexcept {
    InSimulator inside;
    const Strand::Wait wait = std::exchange(me.wait, {});
    me.wait.deaf = true;
    me.lock_wanted = &lock;
    me.state = Strand::State::spinning;
    wait_in_engine(me);
    me.lock_wanted = nullptr;
    me.wait = wait;
}

void SimulatedSubstrate::lock_freed(const RawLock& lock) noexcept {
    InSimulator inside;
    for (VirtualCpu& cpu : cpus_)
        if (cpu.holder != nullptr && cpu.holder->lock_wanted == &lock && cpu.holder->state == Strand::State::spinning)
            make_dispatched(*cpu.holder);
}

void SimulatedSubstrate::wait_in_engine(Strand& me) noexcept {
    const bool before = std::exchange(me.in_engine, true);
    try {
        reschedule(me);
    } catch (...) {
        report(std::current_exception());
    }
    me.in_engine = before;
}

}  // namespace bottomhalf

#endif
