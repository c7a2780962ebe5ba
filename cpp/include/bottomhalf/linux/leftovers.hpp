// What of a module the machine still holds: items, timers, tasklets, interrupt handlers, kernel threads and files whose
// object or function lies in the module. For the report that Linux does not give: there, the next of them jumps into
// freed memory.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bottomhalf/linux/image.hpp"
#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::modules {

struct Leftover {
    std::string what;                 // "work item 'f' still queued on workqueue 'events'"
    std::string missing;              // the call that exit misses; empty: it is not exit's mistake
    bool running;                     // it cannot be taken back: it has to come to its end
    std::function<void()> take_back;  // empty while it runs. CONTEXT: task that may sleep
};

// CONTEXT: task that may sleep, and nothing that the module left may be freed meanwhile.
std::vector<Leftover> find_leftovers(Machine& machine, const ModuleImage& image);

}  // namespace bottomhalf::modules
