// _core: puts the rooms of the bindings together, and turns errors into Python's.
#include "bindings/bindings.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

PyObject* error_class(ErrorKind kind) {
  PyObject* cls = registered().errors[int(kind)];
  return cls ? cls : PyExc_RuntimeError;
}

/// Tells the native side about the Python classes it creates and raises. Called once, by tensor.py.
void register_python(py::object tensor, py::object convert, py::dict errors,
                     py::object gradient_error, py::object floatx) {
  Registered& r = registered();
  r.tensor = reinterpret_cast<PyTypeObject*>(tensor.release().ptr());
  r.convert = convert.release().ptr();
  r.gradient_error = gradient_error.release().ptr();
  r.floatx = floatx.release().ptr();
  constexpr const char* kNames[] = {"shape", "dtype",    "device",  "memory",
                                    "index", "argument", "capture", "internal"};
  for (int i = 0; i < 8; ++i) r.errors[i] = py::object(errors[kNames[i]]).release().ptr();
}

void register_symbolic(py::object type, py::object record) {
  registered().symbolic = reinterpret_cast<PyTypeObject*>(type.release().ptr());
  registered().record_symbolic = record.release().ptr();
}

}  // namespace

Registered& registered() {
  static Registered r;
  return r;
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    PyErr_SetString(error_class(e.kind()), e.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(error_class(ErrorKind::Memory), "out of memory");
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

}  // namespace pyneuro::bindings

PYBIND11_MODULE(_core, m) {
  using namespace pyneuro::bindings;
  m.doc() = "The native core of pyneuro. Private: use pyneuro's public modules.";
  m.attr("__version__") = PYNEURO_VERSION;
  py::register_exception_translator([](std::exception_ptr p) {
    if (!p) return;
    try {
      std::rethrow_exception(p);
    } catch (const pyneuro::Error& e) {
      PyErr_SetString(error_class(e.kind()), e.what());
    }
  });
  Registered& r = registered();
  r.array = make_array_type(m.ptr());
  r.node = make_node_type(m.ptr());
  if (!r.array || !r.node) throw py::error_already_set();
  m.add_object("Array", py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(r.array)));
  m.add_object("Node", py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(r.node)));
  m.def("register_python", &register_python);
  m.def("register_symbolic", &register_symbolic);
  bind_ops(m);
  bind_arrays(m);
  bind_plan(m);
  bind_runtime(m);
  bind_public(m);
}
