// What machine.cpp needs of the workqueue binding.
#pragma once

#include "python.hpp"

namespace bh_python {

PyObject* submit_object(Workqueue& wq, PyObject* scope, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

}  // namespace bh_python
