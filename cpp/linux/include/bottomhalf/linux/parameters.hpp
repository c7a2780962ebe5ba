// Module parameters and the other records of a module (Linux: kernel/params.c, modinfo).
#pragma once

#include "bottomhalf/linux/loader.hpp"

namespace bottomhalf::modules {

// Sets what insmod's command line gives. A name that the module does not have is a warning in the log, as in Linux.
// Throws ModuleError: EINVAL, ERANGE or ENOSPC, naming parameter and value. CONTEXT: task.
void set_parameters(Domain& domain, const ModuleImage& image, const ParameterValues& values);
// The present values, as /sys/module/NAME/parameters shows them.
ParameterValues parameter_values(const ModuleImage& image);
// license, author, description, ..., in the order of their declaration.
ParameterValues module_information(const ModuleImage& image);
// Linux: module_refcount.
int reference_count(const ModuleImage& image) noexcept;

}  // namespace bottomhalf::modules
