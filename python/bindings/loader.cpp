// C modules: what insmod and rmmod of bottomhalf.Machine call, and the object behind bottomhalf.Module.
#include <dlfcn.h>

#include "simulated.hpp"

#include "bottomhalf/linux/loader.hpp"

namespace bh_python {

namespace {

using modules::LoadedModule;

py::list pairs(const modules::ParameterValues& values) {
    py::list list;
    for (const auto& [name, value] : values)
        list.append(py::make_tuple(name, py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
                                             value.data(), static_cast<Py_ssize_t>(value.size()), "replace"))));
    return list;
}

}  // namespace

void register_loader(py::module_& m) {
    static PyObject* died = PyErr_NewExceptionWithDoc(
        "bottomhalf.ModuleDied", "A C module faulted in this call; the machine's log has the report.",
        m.attr("BottomHalfError").ptr(), nullptr);
    m.attr("ModuleDied") = py::reinterpret_borrow<py::object>(died);
    py::register_exception_translator([](std::exception_ptr p) {
        try {
            if (p) std::rethrow_exception(p);
        } catch (const modules::ModuleError& e) {
            // OSError chooses the subclass that goes with the number.
            PyErr_SetObject(PyExc_OSError, py::make_tuple(e.error(), e.what()).ptr());
        } catch (const modules::ModuleDied& e) {
            PyErr_SetString(died, e.what());
        } catch (const ModuleExit&) {
            PyErr_SetString(died, "a C module faulted in this call; the machine's log has the report");
        }
    });

    py::class_<LoadedModule, std::shared_ptr<LoadedModule>>(m, "_LoadedModule")
        .def_property_readonly("name", &LoadedModule::name)
        .def_property_readonly("state", [](LoadedModule& l) { return modules::state_name(l.state()); })
        .def_property_readonly("references", &LoadedModule::references)
        .def_property_readonly("parameters", [](LoadedModule& l) { return pairs(l.parameters()); })
        .def_property_readonly("information", [](LoadedModule& l) { return pairs(l.information()); })
        .def_property_readonly("leftovers", &LoadedModule::leftovers)
        .def_property_readonly("mapped", [](LoadedModule& l) { return l.image() != nullptr; })
        .def("unload", [](const std::shared_ptr<LoadedModule>& l) {
            SignalScope signals(l->domain());
            MaybeRelease release;
            l->unload();
        });
    // What modules are linked with: the very library that runs here.
    m.def("_library", [] {
        Dl_info info;
        return std::string(dladdr(reinterpret_cast<void*>(&modules::modules_mapped), &info) != 0 ? info.dli_fname : "");
    });
    m.def("_insmod", [](py::object machine, const std::string& file, const std::string& name,
                        const std::vector<std::pair<std::string, std::string>>& values) {
        const std::shared_ptr<Machine> shared = shared_machine(machine.ptr());
        SignalScope signals(shared->domain());
        MaybeRelease release;
        return LoadedModule::load(shared, file, name, values);
    });
}

}  // namespace bh_python
