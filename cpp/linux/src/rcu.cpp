// <linux/rcupdate.h>.
#include <cstdlib>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

// Sections nest, and the engine gives each a slot that its end wants back.
struct Sections {
    explicit Sections(Domain&) {}
    RawLock lock;
    std::map<const Task*, std::vector<unsigned>> open;  // L
};
Sections& sections() { return KernelSide::of(here()).part<Sections>(); }

}  // namespace

extern "C" {

void bh_linux_rcu_read_lock() {
    Task& self = me();
    const unsigned slot = machine().rcu().read_lock(self);
    Sections& all = sections();
    RawGuard guard(all.lock);
    all.open[&self].push_back(slot);
}
void bh_linux_rcu_read_unlock() {
    Task& self = me();
    unsigned slot = 0;
    bool inside = false;
    Sections& all = sections();
    {
        RawGuard guard(all.lock);
        auto found = all.open.find(&self);
        if (found != all.open.end()) {
            inside = true;
            slot = found->second.back();
            found->second.pop_back();
            if (found->second.empty()) all.open.erase(found);
        }
    }
    if (inside)
        machine().rcu().read_unlock(self, slot);
    else
        warn_once(here(), "rcu_read_unlock", "WARNING: bad unlock balance detected: rcu_read_unlock()");
}
int bh_linux_rcu_read_lock_held() {
    Sections& all = sections();
    RawGuard guard(all.lock);
    return all.open.count(&me()) != 0 ? 1 : 0;
}
void bh_linux_call_rcu(RcuHead* head, void (*func)(RcuHead*)) {
    new (head) RcuHead;
    machine().rcu().call(*head, func);
}
void bh_linux_synchronize_rcu() {
    as_linux("synchronize_rcu", [&] { machine().rcu().synchronize(me()); });
}
// Callbacks run in the order of their calls, so one of its own comes last.
void bh_linux_rcu_barrier() { bh_linux_synchronize_rcu(); }

void bh_linux_kfree_rcu(RcuHead* head, std::size_t offset) {
    struct Later {
        RcuHead head;
        void* object;
    };
    // The head lies in the object, which says nothing of where it begins.
    auto* later = new Later{{}, reinterpret_cast<char*>(head) - offset};
    if (machine().rcu().call(later->head, [](RcuHead* h) {
            auto* mine = container_of(h, &Later::head);
            std::free(mine->object);
            delete mine;
        }))
        return;
    std::free(later->object);
    delete later;
}
void bh_linux_kfree_rcu_mightsleep(const void* object) {
    bh_linux_synchronize_rcu();
    std::free(const_cast<void*>(object));
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
