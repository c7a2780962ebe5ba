// The table from pool id to pool: one of the engine's two globals.
#include <array>

#include "bottomhalf/workqueue/pool_table.hpp"

namespace bottomhalf {

namespace {

constexpr unsigned kSlotBits = 14, kSlots = 1u << kSlotBits;
constexpr std::uint32_t kGenerations = 1u << (31 - kSlotBits);

struct Slot {
    Atomic<WorkerPool*> pool{nullptr};
    Atomic<std::uint32_t> pins{0};
    std::uint32_t generation = 0;  // under the table's lock
};

struct Table {
    RawLock lock;
    std::uint32_t hint = 1;          // under lock
    std::array<Slot, kSlots> slots;  // slot 0 stays empty: id 0 means "no pool"
};

Table& table() noexcept {
    static Table* t = new Table;  // items outlive every static destructor
    return *t;
}

}  // namespace

void pool_table_add(WorkerPool& pool) {
    Table& t = table();
    RawGuard guard(t.lock);
    for (std::uint32_t n = 0; n < kSlots - 1; ++n) {
        const std::uint32_t slot = 1 + (t.hint - 1 + n) % (kSlots - 1);
        Slot& s = t.slots[slot];
        if (s.pool.load() != nullptr) continue;
        s.generation = (s.generation + 1) % kGenerations;
        pool.id = s.generation << kSlotBits | slot;
        pool.ran_here = work_data::off_queue(pool.id, 0, pool.kind == PoolKind::bh ? work_data::kBh : 0);
        s.pool.store(&pool);
        t.hint = slot + 1;
        return;
    }
    throw Error("more than 16383 worker pools in one process: halt machines that are no longer used");
}

void pool_table_remove(WorkerPool& pool) noexcept {
    Slot& s = table().slots[pool.id & (kSlots - 1)];
    {
        RawGuard guard(table().lock);
        s.pool.store(nullptr);
    }
    // Whoever pinned it before it vanished is inside a short section of the pool's lock.
    while (s.pins.load() != 0) spin_pause();
}

PoolRef::PoolRef(std::uint32_t id) noexcept {
    if (id == 0) return;
    Slot& s = table().slots[id & (kSlots - 1)];
    s.pins.fetch_add(1u);
    WorkerPool* pool = s.pool.load();
    if (pool == nullptr || pool->id != id) {
        s.pins.fetch_sub(1u);
        return;
    }
    slot_ = id & (kSlots - 1);
    pool_ = pool;
}

PoolRef::~PoolRef() {
    if (pool_ != nullptr) table().slots[slot_].pins.fetch_sub(1u);
}

}  // namespace bottomhalf
