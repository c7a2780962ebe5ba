// Virtual CPUs that go away and come back.
#include "border.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf {

void SimulatedSubstrate::rebind(Task& task, int cpu) {
    InSimulator inside;
    check_thread("rebind");
    task.bound_cpu = cpu;
    auto* strand = static_cast<Strand*>(task.substrate_data);
    if (strand == nullptr || strand->home == cpu) return;
    if (strand->state == Strand::State::ready) {
        queue_of(*strand).remove(*strand);
        strand->home = cpu;
        queue_of(*strand).insert(*strand);
        return;
    }
    strand->home = cpu;
    // It goes there at once if it may be taken from where it is, else when it next waits for a CPU.
    const bool holds = strand->state == Strand::State::dispatched || strand->state == Strand::State::burning;
    if (holds && cpu != kCpuUnbound && strand->cpu != static_cast<unsigned>(cpu) && preemptible(*strand))
        displace(*strand, false, Left::wakeup);
    // The caller itself: it goes on where it belongs.
    if (strand == executing_ && strand->state == Strand::State::ready) reschedule(*strand);
}

void SimulatedSubstrate::look_adrift(Strand& strand) const noexcept {
    if (strand.task->limits == nullptr) return;
    const CpuMask& allowed = strand.task->limits->allowed;
    strand.adrift = true;
    for (unsigned cpu = allowed.first(); cpu < cpus_.size(); cpu = allowed.next(cpu + 1))
        if (cpus_[cpu].online) strand.adrift = false;
}

bool SimulatedSubstrate::repatriate(Task& task) {
    InSimulator inside;
    auto* strand = static_cast<Strand*>(task.substrate_data);
    const CpuMask& home = task.limits->preferred;
    if (strand == nullptr || strand->state != Strand::State::blocked || strand->adrift || home.test(strand->cpu))
        return false;
    strand->cpu = home.first();
    return true;
}

bool SimulatedSubstrate::set_online(unsigned cpu, bool online) {
    InSimulator inside;
    check_thread("set_online");
    VirtualCpu& mine = cpus_[cpu];
    mine.online = online;
    for (auto& [id, strand] : strands_) look_adrift(*strand);
    if (online) return true;
    for (auto& [id, strand] : strands_)
        if (strand->home == static_cast<int>(cpu) && !strand->swapper && strand.get() != init_)
            rebind(*strand->task, kCpuUnbound);
    Strand* holder = mine.holder;
    if (holder == nullptr || holder->swapper) return true;
    if (holder->state != Strand::State::dispatched && holder->state != Strand::State::burning) return false;
    if (!preemptible(*holder)) return false;
    displace(*holder, false, Left::wakeup);
    return true;
}

}  // namespace bottomhalf
