#include "bottomhalf/linux/parameters.hpp"

#include <cerrno>

#include "bottomhalf/linux/module.hpp"

namespace bottomhalf::modules {

void set_parameters(Domain& domain, linux_api::ModuleInfo& module, const ParameterValues& values) {
    for (const auto& [name, text] : values) {
        if (module.param(name) == nullptr) {
            domain.log.write(domain.now(), LogLevel::warning,
                             module.name + ": unknown parameter '" + name + "' ignored");
            continue;
        }
        try {
            linux_api::set_param(module, name, text);
        } catch (const linux_api::BadParameter& bad) {
            domain.log.write(domain.now(), LogLevel::err,
                             module.name + ": `" + text + "' " + (bad.error() == ENOSPC ? "too large" : "invalid") +
                                 " for parameter `" + name + "'");
            throw ModuleError(bad.error(), bad.what());
        }
    }
}

ParameterValues parameter_values(linux_api::ModuleInfo& module) {
    ParameterValues values;
    for (const auto& p : module.params) values.emplace_back(p.name, linux_api::param_text(module, p.name));
    return values;
}

ParameterValues module_information(const linux_api::ModuleInfo& module) {
    ParameterValues values;
    const auto add = [&](const char* tag, const std::string& text) {
        if (!text.empty()) values.emplace_back(tag, text);
    };
    add("license", module.license);
    for (const auto& author : module.authors) add("author", author);
    add("description", module.description);
    add("version", module.version);
    values.insert(values.end(), module.others.begin(), module.others.end());
    return values;
}

}  // namespace bottomhalf::modules
