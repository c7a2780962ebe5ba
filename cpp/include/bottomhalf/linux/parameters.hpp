// Module parameters and the other records of a module (Linux: kernel/params.c, modinfo).
#pragma once

#include "bottomhalf/linux/loader.hpp"
#include "bottomhalf/linux/module.hpp"

namespace bottomhalf::modules {

// Sets what insmod's command line gives. A name that the module does not have is a warning in the log, as in Linux.
// Throws ModuleError: EINVAL, ERANGE or ENOSPC, naming parameter and value. CONTEXT: task.
void set_parameters(Domain& domain, linux_api::ModuleInfo& module, const ParameterValues& values);
// The present values, as /sys/module/NAME/parameters shows them.
ParameterValues parameter_values(linux_api::ModuleInfo& module);
// license, author, description, version, and the others in the order of their declaration.
ParameterValues module_information(const linux_api::ModuleInfo& module);

}  // namespace bottomhalf::modules
