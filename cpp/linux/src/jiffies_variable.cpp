#include "jiffies_variable.hpp"

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

class Ticker {
public:
    explicit Ticker(Domain& domain) : domain_(domain) {}

    std::shared_ptr<void> hold() {
        bool start = false;
        {
            RawGuard guard(state_->lock);
            ++state_->holders;
            start = !std::exchange(state_->running, true);
        }
        // Whoever holds it may outlive the machine.
        std::shared_ptr<void> held(nullptr, [state = state_](void*) {
            RawGuard guard(state->lock);
            --state->holders;
        });
        if (start)
            domain_.machine->tasks()
                .spawn(
                    "jiffies", [](Task& self, void* t) { static_cast<Ticker*>(t)->main(self); }, this, kCpuUnbound)
                ->wake();
        return held;
    }

private:
    struct State {
        RawLock lock;          // a leaf
        unsigned holders = 0;  // L
        bool running = false;  // L: there is a task, and it goes on as long as there are holders
    };

    bool over() {
        RawGuard guard(state_->lock);
        if (state_->holders == 0) state_->running = false;
        return !state_->running;
    }
    void main(Task& self) {
        while (!over()) {
            task_sleep(self, jiffies_to_ns(domain_.jiffies() + 1, domain_.hz), "jiffies");
        }
    }

    Domain& domain_;
    const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace

JiffiesVariable jiffies_variable(Domain& domain) {
    JiffiesVariable variable{&domain.jiffies_seen, nullptr};
    static_assert(sizeof(domain.jiffies_seen) == sizeof(unsigned long));
    domain.jiffies_read.store(true);
    domain.jiffies();
    if (!domain.simulated) variable.ticks = KernelSide::of(domain).part<Ticker>().hold();
    return variable;
}

}  // namespace bottomhalf::linux_api
