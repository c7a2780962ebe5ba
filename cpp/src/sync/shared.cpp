#include "bottomhalf/sync/shared.hpp"

namespace bottomhalf {

SharedAccess::SharedAccess() {
    if (g_simulated_machines.load(std::memory_order_relaxed) != 0) AccessOrder::mine();
}

void SharedAccess::before(Kind kind, const char* cell, Place place) {
    if (g_simulated_machines.load(std::memory_order_relaxed) == 0) return;
    AccessOrder* order = AccessOrder::mine();
    if (order == nullptr) return;
    explore_point();
    Task& self = *current_task();
    const bool write = kind == Kind::write || kind == Kind::store_release;
    const bool marked = kind == Kind::load_acquire || kind == Kind::store_release;
    order->access(self, history_, {write, marked}, place, cell);
    if (kind == Kind::load_acquire) order->acquire(self, this, Handover::begin);
    if (kind == Kind::store_release) order->release(self, this, Handover::begin);
}

}  // namespace bottomhalf
