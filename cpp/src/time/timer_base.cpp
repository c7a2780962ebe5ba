#include "timer_base.hpp"

#include <array>

namespace bottomhalf {

namespace {

constexpr std::uint32_t kSlots = 1 << 16;

struct Slot {
    Atomic<TimerSubsystem::Base*> base{nullptr};
    Atomic<std::uint32_t> pins{0};  // whoever counts itself first and looks at base second may use what it sees
};

struct Table {
    RawLock lock;
    std::uint32_t hint = 1;          // under lock
    std::array<Slot, kSlots> slots;  // slot 0 stays empty: 0 means "never armed"
};

Table& table() noexcept {
    static Table* t = new Table;  // timers outlive every static destructor
    return *t;
}

}  // namespace

std::uint32_t timer_table_add(std::vector<std::unique_ptr<TimerSubsystem::Base>>& bases) {
    Table& t = table();
    const auto n = static_cast<std::uint32_t>(bases.size());
    RawGuard guard(t.lock);
    for (int round = 0; round < 2; ++round) {
        for (std::uint32_t first = t.hint; first + n <= kSlots;) {
            std::uint32_t used = n;
            while (used > 0 && t.slots[first + used - 1].base.load() == nullptr) --used;
            if (used != 0) {
                first += used;
                continue;
            }
            for (std::uint32_t i = 0; i < n; ++i) {
                bases[i]->slot = first + i;
                t.slots[first + i].base.store(bases[i].get());
            }
            t.hint = first + n;
            return first;
        }
        t.hint = 1;
    }
    throw Error("more than 65535 timer bases in one process: halt machines that are no longer used");
}

void timer_table_remove(std::uint32_t first, std::size_t n) noexcept {
    Table& t = table();
    for (std::size_t i = 0; i < n; ++i) {
        Slot& slot = t.slots[first + i];
        {
            RawGuard guard(t.lock);
            slot.base.store(nullptr);
        }
        while (slot.pins.load() != 0) spin_pause();
    }
}

TimerBaseRef::TimerBaseRef(std::uint32_t slot) noexcept : slot_(slot) {
    if (slot == 0 || slot >= kSlots) return;
    Slot& s = table().slots[slot];
    s.pins.fetch_add(1u);
    base_ = s.base.load();
    if (base_ == nullptr) s.pins.fetch_sub(1u);
}

TimerBaseRef::~TimerBaseRef() {
    if (base_ != nullptr) table().slots[slot_].pins.fetch_sub(1u);
}

void trace_timer_event(Domain& domain, unsigned cpu, const char* event, const Timer& timer) noexcept {
    const TraceCaller caller;
    domain.trace.emit(domain.now(), static_cast<int>(cpu), caller.context, caller.name, event, "timer=m%u",
                      domain.trace.id_of(&timer));
}

}  // namespace bottomhalf
