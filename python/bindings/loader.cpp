// C modules: what insmod and rmmod of bottomhalf.Machine call, and the object behind bottomhalf.Module.
#include <dlfcn.h>

#include "simulated.hpp"

#include "bottomhalf/linux/files.hpp"
#include "bottomhalf/linux/loader.hpp"

namespace bh_python {

namespace {

using modules::LoadedModule;

using linux_api::OpenFile;

// An open file and the machine that it is on. GIL: the pointer.
struct FileObject {
    std::shared_ptr<Machine> machine;
    std::unique_ptr<OpenFile> file;

    // fn(file) without the GIL: the file's functions may sleep.
    template <class F>
    auto call(F&& fn) {
        SignalScope signals(machine->domain());
        MaybeRelease release;
        return fn(*file);
    }
};

// The memory of a bytes-like object, as long as this lives.
class Memory {
public:
    Memory(py::handle object, int flags) {
        if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) throw py::error_already_set();
    }
    ~Memory() { PyBuffer_Release(&view_); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    void* data() const noexcept { return view_.buf; }
    std::size_t size() const noexcept { return static_cast<std::size_t>(view_.len); }

private:
    Py_buffer view_{};
};

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
        } catch (const linux_api::FileError& e) {
            PyErr_SetObject(PyExc_OSError, py::make_tuple(e.number(), e.what()).ptr());
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
        .def_property_readonly("users", &LoadedModule::users)
        .def_property_readonly("parameters", [](LoadedModule& l) { return pairs(l.parameters()); })
        .def_property_readonly("information", [](LoadedModule& l) { return pairs(l.information()); })
        .def_property_readonly("leftovers", &LoadedModule::leftovers)
        .def_property_readonly("mapped", [](LoadedModule& l) { return l.image() != nullptr; })
        .def("init",
             [](const std::shared_ptr<LoadedModule>& l) {
                 SignalScope signals(l->domain());
                 MaybeRelease release;
                 l->init();
             })
        .def("unload", [](const std::shared_ptr<LoadedModule>& l) {
            SignalScope signals(l->domain());
            MaybeRelease release;
            l->unload();
        });
    py::class_<FileObject>(m, "_OpenFile")
        .def("readinto",
             [](FileObject& f, py::object buffer) {
                 const Memory memory(buffer, PyBUF_WRITABLE);
                 return f.call([&](OpenFile& file) { return file.read(memory.data(), memory.size()); });
             })
        .def("write",
             [](FileObject& f, py::object data) {
                 const Memory memory(data, PyBUF_SIMPLE);
                 return f.call([&](OpenFile& file) { return file.write(memory.data(), memory.size()); });
             })
        .def("seek", [](FileObject& f, std::int64_t offset,
                        int whence) { return f.call([&](OpenFile& file) { return file.seek(offset, whence); }); })
        .def("ioctl",
             [](FileObject& f, unsigned command, unsigned long argument) {
                 return f.call([&](OpenFile& file) { return file.ioctl(command, argument); });
             })
        .def("poll",
             [](FileObject& f, unsigned events, py::object timeout) {
                 return wait_without_gil(f.machine->domain(), timeout,
                                         [&](Nanoseconds deadline) { return f.file->poll(events, deadline); });
             })
        .def("close", [](FileObject& f) { f.call([](OpenFile& file) { file.close(); }); });
    m.def("_open_file", [](py::object machine, const std::string& path, unsigned flags) {
        auto f = std::make_unique<FileObject>(FileObject{shared_machine(machine.ptr()), nullptr});
        f->machine->domain().require_alive();
        SignalScope signals(f->machine->domain());
        MaybeRelease release;
        f->file = linux_api::open_file(f->machine->domain(), path, flags);
        return f;
    });
    m.def("_list_files", [](py::object machine) {
        py::list paths;
        for (const auto& entry : linux_api::list_files(machine_of(machine.ptr()).domain()))
            if (!entry.directory) paths.append(entry.path);
        return paths;
    });
    // What modules are linked with: the very library that runs here.
    m.def("_library", [] {
        Dl_info info;
        return std::string(dladdr(reinterpret_cast<void*>(&modules::modules_mapped), &info) != 0 ? info.dli_fname : "");
    });
    m.def("_load_module", [](py::object machine, const std::string& file, const std::string& name,
                             const std::vector<std::pair<std::string, std::string>>& values) {
        const std::shared_ptr<Machine> shared = shared_machine(machine.ptr());
        SignalScope signals(shared->domain());
        MaybeRelease release;
        return LoadedModule::load(shared, file, name, values);
    });
}

}  // namespace bh_python
