#include "bottomhalf/sched/gate.hpp"

#include "bottomhalf/base/error.hpp"

namespace bottomhalf {

namespace detail {
GateTable g_gate_table;

Gate* gate_lookup(void (*function)()) noexcept {
    for (unsigned i = 0; i < g_gate_table.used; ++i)
        if (g_gate_table.functions[i] == function) return g_gate_table.gates[i];
    return nullptr;
}
}  // namespace detail

bool is_gate_wait(std::uintptr_t address) noexcept {
    const auto& table = detail::g_gate_table;
    for (unsigned i = 0; i < table.used; ++i)
        if (table.gates[i]->waits_at(address)) return true;
    return false;
}

void register_gate(void (*function)(), Gate* gate) {
    auto& table = detail::g_gate_table;
    if (table.used == detail::GateTable::kSlots) throw Error("register_gate: all 16 slots are taken");
    table.functions[table.used] = function;
    table.gates[table.used] = gate;
    ++table.used;
    table.bloom |= std::uint64_t{1} << detail::gate_hash(function);
}

std::string describe_callback(Gate* gate, const void* object) {
    if (gate == nullptr) return "callback";
    char text[96];
    gate->describe(object, text, sizeof text);
    return text;
}

}  // namespace bottomhalf
