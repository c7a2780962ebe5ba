// How the thread gets from one strand's stack to the next.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "border.hpp"
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"
#if BOTTOMHALF_HOST
#include "bottomhalf/sched/host/stall_watch.hpp"
#endif

namespace bottomhalf {

// The strand has said what it waits for. Returns when it is its turn.
void SimulatedSubstrate::reschedule(Strand& me) {
    if (reaper_ != nullptr) throw MachineExit{};
    for (;;) {
        Strand& next = choose_next();
        if (trace_switches_) [[unlikely]]
            trace_switch(me, next);
        if (&next != &me) {
            prepare_switch(me, next);
            Fiber::switch_to(*me.fiber, *next.fiber);
            arrived(me);
        }
        if (settled(me)) return;
    }
}

void SimulatedSubstrate::prepare_switch(Strand& from, Strand& to) {
    ++counters_.switches;
    from.current = current_task();
    previous_ = &from;
    executing_ = &to;
#if BOTTOMHALF_HOST
    // What the machine's own thread does outside is nobody's concern; nor are stand-ins, which live on its stack.
    shown_->turn_to(to.task->adopted ? nullptr : to.task);
#endif
    if (hook_.before == nullptr) return;
    const SwitchHook hook = hook_;
    TsanHeed heed;
    hook.before(hook.arg, *from.task, *to.task);
}

void SimulatedSubstrate::arrived(Strand& me) {
    enter_simulator();
#ifdef BH_EXPLORE
    explore_here();
#endif
    set_current_task(me.current);
    if (hook_.after == nullptr) return;
    const SwitchHook hook = hook_;
    Task &from = *previous_->task, &to = *me.task;
    TsanHeed heed;
    hook.after(hook.arg, from, to);
}

void SimulatedSubstrate::trace_switch(const Strand& from, const Strand& to) {
    static const char* const reasons[] = {"idle",  "blocked", "preempted-point", "preempted-wakeup", "tick",
                                          "yield", "burn",    "ended",           "interrupt"};
    const Strand* kept = std::exchange(kept_cpu_, nullptr);
    // Who is only to ask its Interrupter gets no CPU for that.
    if (!domain_.trace.enabled() || to.poll) return;
    if (kept == &from && &from != &to)
        domain_.trace.emit(now_, static_cast<int>(from.cpu), trace_context(*from.task), from.task->name, "sched_switch",
                           "prev=%s next=%s reason=preempted-point next_cpu=%u", from.task->name, to.task->name,
                           to.cpu);
    VirtualCpu& cpu = cpus_[to.cpu];
    if (cpu.shown == to.id) return;
    char idle[Task::kNameSize];
    std::snprintf(idle, sizeof idle, "swapper/%u", to.cpu);
    const char* prev = cpu.shown == 0 ? idle : cpu.shown_name;
    const Left why = cpu.shown == 0 ? Left::idle : cpu.left;
    domain_.trace.emit(now_, static_cast<int>(to.cpu), TraceContext::task, prev, "sched_switch",
                       "prev=%s next=%s reason=%s", prev, to.task->name, reasons[static_cast<unsigned>(why)]);
    cpu.shown = to.id;
    std::memcpy(cpu.shown_name, to.task->name, sizeof cpu.shown_name);
}

// Was the strand resumed to go on? No: it did what it was resumed for, and waits as before.
bool SimulatedSubstrate::settled(Strand& me) {
    if (reaper_ != nullptr) return true;
    if (me.failure != nullptr) {
        me.state = Strand::State::executing;
        failure_seen_.load(std::memory_order_acquire);
        std::rethrow_exception(std::exchange(me.failure, nullptr));
    }
    if (me.irq) {
        me.irq = false;
        run_interrupts(me);
        return false;
    }
    if (me.poll) {
        me.poll = false;
        poll_interrupter(me);
        return false;
    }
    me.state = Strand::State::executing;
    return true;
}

// On top of whatever the strand does: what it waited for is set aside, and time that passes here comes on top.
void SimulatedSubstrate::run_interrupts(Strand& me) {
    if (me.state == Strand::State::burning) stop_burn(me);
    events_.remove(me.alarm);
    const Strand::State state = me.state;
    const SimKey since = me.since;
    const Strand::Wait wait = std::exchange(me.wait, {});
    me.wait.deaf = me.swapper;
    me.state = Strand::State::executing;
    VirtualCpu& cpu = cpus_[me.cpu];
    while (!cpu.interrupts.empty() && !masked(me)) {
        const Interrupt interrupt = cpu.interrupts.front();
        cpu.interrupts.erase(cpu.interrupts.begin());
        --interrupts_;
        ++counters_.interrupts;
        ++progress_;
        InProgram outside;
        try {
            if (interrupt.fn != nullptr)
                interrupt.fn(domain_, me.cpu, interrupt.arg);
            else if (domain_.hooks.clock_event != nullptr)
                domain_.hooks.clock_event(domain_, me.cpu);
        } catch (const MachineExit&) {
        } catch (...) {
            report(std::current_exception());
        }
    }
    me.state = state;
    me.since = since;
    me.wait = wait;
    if (me.swapper) {
        leave_cpu(me, Left::interrupt);
        me.state = Strand::State::blocked;
    } else if (state == Strand::State::burning) {
        begin_burn(me);
    } else if (state == Strand::State::spinning) {
        if (me.task->permit.load() != 0)
            make_dispatched(me);
        else if (wait.deadline != kForever)
            me.alarm = events_.add(std::max(wait.deadline, now_), Turn::deadline, {&me});
    }
}

void SimulatedSubstrate::poll_interrupter(Strand& me) {
    me.state = Strand::State::executing;
    const Strand::Wait wait = me.wait;
    bool pending;
    {
        TsanHeed heed;
        pending = me.task->interrupter->pending();
    }
    me.wait = wait;
    me.state = Strand::State::blocked;
    if (!pending && me.task->permit.load() == 0) return;
    me.wait.interrupted = pending;
    make_ready(me);
}

Fiber* SimulatedSubstrate::strand_main(void* arg) {
    Strand& me = *static_cast<Strand*>(arg);
    SimulatedSubstrate& machine = *me.machine;
    Task& task = *me.task;
    std::exception_ptr failure;
    try {
        {
            TsanIgnore ignore;
            machine.arrived(me);
            if (!machine.settled(me)) machine.reschedule(me);
        }
        const Side program(false);
        if (machine.reaper_ == nullptr) task.entry(task, task.entry_arg);
    } catch (const MachineExit&) {
    } catch (...) {
        failure = std::current_exception();
    }
    if (task.gate_cleanup != nullptr) task.gate_cleanup(task);
    InSimulator inside;
    if (failure != nullptr) machine.report(std::move(failure));
    return machine.finish(me);
}

Fiber* SimulatedSubstrate::finish(Strand& me) {
    leave_cpu(me, Left::ended);
    me.state = Strand::State::ended;
    me.task->state.store(TaskState::dead);
    me.end_seen.store(true, std::memory_order_release);
    ++progress_;
    if (me.joiner != nullptr && me.joiner->state == Strand::State::blocked) make_ready(*me.joiner);
    // Before the choice: a task that starts next may have this very fiber.
    Fiber::release(*std::exchange(me.fiber, nullptr));
    Strand& next = reaper_ != nullptr ? *reaper_ : choose_next();
    if (trace_switches_ && reaper_ == nullptr) [[unlikely]]
        trace_switch(me, next);
    prepare_switch(me, next);
    return next.fiber;
}

// Marks the tasks that run interrupts on idle CPUs; they do that in settled() and never come here.
void SimulatedSubstrate::swapper_main(Task&, void*) {}

// Every wait returns Wake::exit, or raises MachineExit, until the frames are gone.
void SimulatedSubstrate::unwind(bool swappers_only) noexcept {
    Strand* const executing = executing_;
    Task stand_in;
    stand_in.domain.store(&domain_);
    stand_in.adopted = true;
    stand_in.process = &stand_in;
    Strand reaper;
    Fiber native;
    reaper.task = &stand_in;
    reaper.fiber = &native;
    reaper_ = &reaper;
    set_current_task(current_task());
    for (auto& [id, strand] : strands_) {
        strand->end_seen.load(std::memory_order_acquire);
        if (strand->fiber == nullptr || strand.get() == init_ || (swappers_only && !strand->swapper)) continue;
        if (!strand->fiber->usable()) continue;
        strand->task->exiting.store(true);
        prepare_switch(reaper, *strand);
        Fiber::switch_to(native, *strand->fiber);
        arrived(reaper);
        strand->end_seen.load(std::memory_order_acquire);
    }
    if (swappers_only) {
        executing_ = executing;
        reaper_ = nullptr;
    } else if (init_ != nullptr) {
        delete init_->fiber;
    }
}

}  // namespace bottomhalf
