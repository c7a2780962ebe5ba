// <linux/rcupdate.h>. Callbacks run in RCU_SOFTIRQ, in the order of their calls and one at a time.
#include "rcu.hpp"

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

// A callback waits for the grace period that begins after its call, then for the end of that one, then for the softirq.
// One grace period serves all that came before it began.
class Callbacks {
public:
    explicit Callbacks(Domain& domain) : domain_(domain) {
        domain.softirqs->open(
            Softirq::rcu,
            [](Domain& d, unsigned cpu, Task& self, GatePass&, void*) {
                KernelSide::of(d).part<Callbacks>().run(cpu, self);
            },
            nullptr);
    }

    // CONTEXT: any.
    void call(RcuHead& head, void (*func)(RcuHead*)) {
        new (&head) RcuHead;
        head.func = func;
        {
            RawGuard guard(lock_);
            next_.push_back(head.node);
            if (in_period_) return;
            in_period_ = true;
            current_.splice_back(next_);
        }
        begin_period();
    }

    std::vector<PendingCallback> pending(const std::function<bool(RcuFunction)>& wanted) {
        std::vector<PendingCallback> found;
        RawGuard guard(lock_);
        for (List* list : {&batch_, &over_, &current_, &next_})
            for (ListNode* node = list->begin(); node != list->end(); node = node->next) {
                RcuHead* const head = container_of(node, &RcuHead::node);
                if (wanted(head->func)) found.push_back({head->func, false, [this, head] { take_back(head); }});
            }
        if (running_ != nullptr && wanted(running_)) found.push_back({running_, true, {}});
        return found;
    }

private:
    void begin_period() {
        period_.owner = this;
        // False: the machine halts, and no callback runs any more.
        static_cast<void>(domain_.rcu->call(
            period_.head, [](RcuHead* head) { container_of(head, &Period::head)->owner->period_over(); }));
    }
    void period_over() {
        bool again = false;
        {
            RawGuard guard(lock_);
            over_.splice_back(current_);
            current_.splice_back(next_);
            again = in_period_ = !current_.empty();
        }
        Task& self = domain_.self();
        domain_.softirqs->raise(Softirq::rcu, static_cast<unsigned>(self.cpu.load()), self);
        if (again) begin_period();
    }
    // What the callbacks call_rcu() themselves waits for another turn of the softirq.
    void run(unsigned cpu, Task& self) {
        {
            RawGuard guard(lock_);
            if (draining_) return;  // whoever does it looks again before it ends
            draining_ = true;
            batch_.splice_back(over_);
        }
        while (RcuHead* head = next_of_batch()) call_back(head);
        bool more = false;
        {
            RawGuard guard(lock_);
            draining_ = false;
            more = !over_.empty() || !batch_.empty();
        }
        if (more) domain_.softirqs->raise(Softirq::rcu, cpu, self);
    }
    RcuHead* next_of_batch() {
        RawGuard guard(lock_);
        ListNode* node = batch_.pop_front();
        RcuHead* const head = node != nullptr ? container_of(node, &RcuHead::node) : nullptr;
        running_ = head != nullptr ? head->func : nullptr;
        return head;
    }
    void call_back(RcuHead* head) {
        try {
            running_(head);
        } catch (const ModuleExit&) {
        } catch (const std::exception& e) {
            log(domain_, LogLevel::err, std::string("call_rcu: exception left the callback: ") + e.what());
        }
    }
    void take_back(RcuHead* wanted) {
        RawGuard guard(lock_);
        for (List* list : {&batch_, &over_, &current_, &next_})
            for (ListNode* node = list->begin(); node != list->end(); node = node->next)
                if (node == &wanted->node) {
                    node->unlink();
                    return;
                }
    }

    struct Period {
        RcuHead head;
        Callbacks* owner = nullptr;
    };
    Domain& domain_;
    Period period_;  // of the engine while in_period_
    RawLock lock_;
    List next_;                      // L: for the grace period after the one that runs
    List current_;                   // L: for the one that runs
    List over_;                      // L: for the softirq
    List batch_;                     // L: what the softirq calls now
    bool in_period_ = false;         // L
    bool draining_ = false;          // L
    RcuFunction running_ = nullptr;  // L to write, by the softirq alone: the callback that runs
};
Callbacks& callbacks() { return KernelSide::of(here()).part<Callbacks>(); }

}  // namespace

std::vector<PendingCallback> pending_callbacks(Domain& domain, const std::function<bool(RcuFunction)>& wanted) {
    return KernelSide::of(domain).part<Callbacks>().pending(wanted);
}

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
void bh_linux_call_rcu(RcuHead* head, void (*func)(RcuHead*)) { callbacks().call(*head, func); }
void bh_linux_synchronize_rcu() {
    as_linux("synchronize_rcu", [&] { machine().rcu().synchronize(me()); });
}
// Callbacks run in the order of their calls, so one of its own comes last. It lives on where the wait is given up.
void bh_linux_rcu_barrier() {
    struct Last {
        RcuHead head;
        std::shared_ptr<Completion> done;
    };
    as_linux("rcu_barrier", [] {
        might_sleep(me(), "rcu_barrier");
        auto done = std::make_shared<Completion>();
        auto* last = new Last{{}, done};
        callbacks().call(last->head, [](RcuHead* head) {
            const std::unique_ptr<Last> mine(container_of(head, &Last::head));
            mine->done->complete();
        });
        throw_unless_ok(done->wait(me(), kForever, "rcu_barrier"), "rcu_barrier");
    });
}

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
