// What goes wrong in a simulated machine as a whole is thrown in init.
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf {

Strand& SimulatedSubstrate::fail(std::exception_ptr failure) {
    Strand& init = seize_for_init();
    init.failure = std::move(failure);
    return init;
}

// An exception that nobody else would see; the first of them is thrown.
void SimulatedSubstrate::report(std::exception_ptr failure) {
    if (failure_ == nullptr) failure_ = std::move(failure);
    failure_seen_.store(true, std::memory_order_release);
}

// Takes init out of whatever it waits for, onto its CPU. RETURNS: init.
Strand& SimulatedSubstrate::seize_for_init() {
    Strand* init = init_;
    if (init == nullptr) std::terminate();  // nobody to tell
    events_.remove(init->alarm);
    if (init->state == Strand::State::ready) {
        queue_of(*init).remove(*init);
        --ready_;
    }
    if (init->state == Strand::State::ready || init->state == Strand::State::blocked) {
        const auto cpu = static_cast<unsigned>(init->home);
        if (Strand* holder = cpus_[cpu].holder) {
            holder->keeps_slice = true;
            displace(*holder, false, Left::wakeup);
        }
        give_cpu(*init, cpu);
    }
    init->state = Strand::State::dispatched;
    init->wait.burn_left = 0;
    return *init;
}

std::exception_ptr SimulatedSubstrate::deadlock() const {
    std::string waiting;
    for (auto& [id, strand] : strands_) {
        const Task& task = *strand->task;
        if (strand->state != Strand::State::blocked && strand->state != Strand::State::spinning) continue;
        if (strand->swapper || task.state.load() == TaskState::idle) continue;  // idle workers wait for work
        const char* kind = task.wait_kind.load();
        waiting += waiting.empty() ? "" : "; ";
        waiting += describe_task(task) + " in " + (kind != nullptr ? kind : "a wait without a name");
        if (strand->state == Strand::State::spinning) waiting += " (spinning)";
    }
    return std::make_exception_ptr(
        DeadlockError("deadlock on the simulated machine '" + domain_.name + "' at " + std::to_string(now_) +
                      " ns: no task can run and no timer, deadline or interrupt is to come; waiting: " + waiting));
}

}  // namespace bottomhalf
