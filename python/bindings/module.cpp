// bottomhalf._core: one registration function a file, nothing else. Users import bottomhalf.
#include "context.hpp"
#include "python.hpp"
#include "simulated.hpp"

#include "bottomhalf/version.hpp"

PYBIND11_MODULE(_core, m) {
    using namespace bh_python;
    m.doc() = "The engine of bottomhalf. Private: import bottomhalf instead.";
    m.attr("__version__") = BOTTOMHALF_VERSION;
    register_errors(m);
    register_gate(m);
    register_work(m);
    register_rcu_work(m);
    register_future(m);
    register_workqueue(m);
    register_tasklet(m);
    register_timer(m);
    register_irq(m);
    register_gpio(m);
    register_sync(m);
    register_context(m);
    register_task(m);
    register_trace(m);
    register_watchdog(m);
    register_schedules(m);
    register_simulated(m);
    register_machine(m);
    register_loader(m);
}
