// The irq_work items of a machine: for who unloads the module that they belong to.
#pragma once

#include <functional>
#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

struct IrqWork {  // struct irq_work
    std::uint32_t state;
    void (*func)(IrqWork*);
};

struct BusyIrqWork {
    IrqWork* work;
    void (*func)(IrqWork*);
    bool running;                     // the item may be gone
    std::function<void()> take_back;  // empty while it runs. CONTEXT: any
};
// Those that wait for a CPU to have interrupts on, and those that run.
std::vector<BusyIrqWork> busy_irq_works(Domain& domain);

}  // namespace bottomhalf::linux_api
