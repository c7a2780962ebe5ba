// Preemption points: what the engine's operations ask of a simulated machine as they begin.
#include "bottomhalf/base/error.hpp"
#include "bottomhalf/sched/simulated/substrate.hpp"

namespace bottomhalf {

Atomic<unsigned> g_simulated_machines{0};

// domain: where the operation is; null: wherever the calling task is.
void pass_explore_point(Domain* domain) noexcept {
    Task* self = current_task();
    if (self == nullptr) return;
    Domain* own = self->domain.load(std::memory_order_relaxed);
    if (own == nullptr || (domain != nullptr && domain != own) || !own->simulated) return;
    if (own->state.load(std::memory_order_relaxed) >= DomainState::halted || self->substrate_data == nullptr) return;
    auto& machine = static_cast<SimulatedSubstrate&>(*own->substrate);
    if (!machine.executes(*self)) return;
    try {
        machine.preemption_point(*self);
    } catch (...) {
        machine.raise_in_init(std::current_exception());
    }
}

}  // namespace bottomhalf
