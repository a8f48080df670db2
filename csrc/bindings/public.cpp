// public(function): a callable that passes straight through to `function`, unless an argument is a
// symbolic tensor; then the call is recorded instead of run. It costs a few nanoseconds a call.

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

struct PublicObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* dict;
};

bool is_symbolic(PyObject* o) {
  PyTypeObject* symbolic = registered().symbolic;
  if (!symbolic) return false;
  if (Py_TYPE(o) == symbolic) return true;
  if (PyList_CheckExact(o) || PyTuple_CheckExact(o)) {
    PyObject** items = PySequence_Fast_ITEMS(o);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
      if (is_symbolic(items[i])) return true;
  }
  return false;
}

PyObject* call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
  auto* p = reinterpret_cast<PublicObject*>(self);
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf) + (names ? PyTuple_GET_SIZE(names) : 0);
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!is_symbolic(args[i])) continue;
    std::vector<PyObject*> all{self};  // record_symbolic(public function, *args, **kwargs)
    all.insert(all.end(), args, args + n);
    return PyObject_Vectorcall(registered().record_symbolic, all.data(),
                               size_t(PyVectorcall_NARGS(nargsf)) + 1, names);
  }
  return PyObject_Vectorcall(p->function, args, nargsf, names);
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject* function = nullptr;
  if (!PyArg_ParseTuple(args, "O", &function)) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  auto* p = reinterpret_cast<PublicObject*>(self);
  p->vectorcall = call;
  p->function = Py_NewRef(function);
  p->dict = PyDict_New();
  return self;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  auto* p = reinterpret_cast<PublicObject*>(self);
  Py_VISIT(p->function);
  Py_VISIT(p->dict);
  Py_VISIT(Py_TYPE(self));
  return 0;
}
int clear(PyObject* self) {
  auto* p = reinterpret_cast<PublicObject*>(self);
  Py_CLEAR(p->function);
  Py_CLEAR(p->dict);
  return 0;
}
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<public %R>", reinterpret_cast<PublicObject*>(self)->function);
}

PyMemberDef kMembers[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PublicObject, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(PublicObject, dict), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef kGetSet[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class F> void* pointer(F* f) { return reinterpret_cast<void*>(f); }

}  // namespace

void bind_public(py::module_& m) {
  static PyType_Slot slots[] = {{Py_tp_new, pointer(make)},
                                {Py_tp_call, pointer(PyVectorcall_Call)},
                                {Py_tp_dealloc, pointer(dealloc)},
                                {Py_tp_traverse, pointer(traverse)},
                                {Py_tp_clear, pointer(clear)},
                                {Py_tp_repr, pointer(repr)},
                                {Py_tp_members, kMembers},
                                {Py_tp_getset, kGetSet},
                                {0, nullptr}};
  static PyType_Spec spec{"pyneuro._core.Public", sizeof(PublicObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
                          slots};
  PyObject* type = PyType_FromModuleAndSpec(m.ptr(), &spec, nullptr);
  if (!type) throw py::error_already_set();
  m.add_object("Public", py::reinterpret_steal<py::object>(type));
}

}  // namespace pyneuro::bindings
