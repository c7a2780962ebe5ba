// What the files of the synchronisation objects share.
#pragma once

#include "arguments.hpp"

namespace bh_python {

// A fresh object of a type whose constructor takes no arguments; subclasses may take their own.
inline PyObject* new_sync(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    const bool plain = type->tp_init == PyBaseObject_Type.tp_init;
    if (plain && (PyTuple_GET_SIZE(args) != 0 || (kwargs != nullptr && PyDict_GET_SIZE(kwargs) != 0))) {
        PyErr_Format(PyExc_TypeError, "%s() takes no arguments", type->tp_name);
        return nullptr;
    }
    return type->tp_alloc(type, 0);
}

void register_spin_lock(py::module_& m);  // called by register_sync
void register_shared(py::module_& m);     // called by register_sync

}  // namespace bh_python
