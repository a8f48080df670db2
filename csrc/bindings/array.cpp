// `_core.Array` as Python sees it: creation, attributes, and NumPy exchange without copies.
#include <cstring>

#include "bindings/bindings.h"

namespace pyneuro::bindings {
namespace {

// ---- life
// ----------------------------------------------------------------------------------------

PyObject* array_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&as_array(self)->array) Array();
  return self;
}

void array_dealloc(PyObject* self) {
  ArrayObject* a = as_array(self);
  PyTypeObject* type = Py_TYPE(self);
  if (a->weakrefs) PyObject_ClearWeakRefs(self);
  a->array.~Array();
  Py_XDECREF(a->node);
  Py_XDECREF(a->pending);
  Py_XDECREF(a->grad);
  Py_XDECREF(a->mask);
  type->tp_free(self);
  Py_DECREF(type);
}

const Array& filled(PyObject* self) {
  const Array& a = as_array(self)->array;
  if (!a) raise(ErrorKind::Internal, "this Tensor was never given a value");
  return a;
}

/// Runs f and turns a C++ exception into a Python error.
template <class F> PyObject* guarded(F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

// ---- attributes
// ----------------------------------------------------------------------------------

PyObject* get_shape(PyObject* self, void*) {
  return guarded([&] { return to_tuple(filled(self).shape()); });
}
PyObject* get_strides(PyObject* self, void*) {
  return guarded([&] { return to_tuple(filled(self).layout().strides); });
}
PyObject* get_dtype(PyObject* self, void*) {
  return guarded([&] { return dtype_text(filled(self).dtype()); });
}
PyObject* get_ndim(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromLong(filled(self).shape().size()); });
}
PyObject* get_size(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromLongLong(filled(self).size()); });
}
PyObject* get_nbytes(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromSize_t(filled(self).bytes()); });
}
PyObject* get_device(PyObject* self, void*) {
  return guarded([&] {
    const std::string_view text = name(filled(self).device());
    return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
  });
}
PyObject* get_is_state(PyObject* self, void*) {
  return guarded([&] { return PyBool_FromLong(filled(self).storage()->state()); });
}
PyObject* get_version(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromUnsignedLongLong(filled(self).storage()->version()); });
}
PyObject* get_data_id(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromVoidPtr(filled(self).storage()); });
}
PyObject* get_dense(PyObject* self, void*) {
  return guarded([&] { return PyBool_FromLong(filled(self).dense()); });
}
PyObject* get_node(PyObject* self, void*) {
  PyObject* node = as_array(self)->node;
  return Py_NewRef(node ? node : Py_None);
}
PyObject* get_output_index(PyObject* self, void*) {
  return PyLong_FromLong(as_array(self)->output);
}
PyObject* get_requires_grad(PyObject* self, void*) {
  return PyBool_FromLong(as_array(self)->node != nullptr || as_array(self)->requires_grad);
}
int set_requires_grad(PyObject* self, PyObject* value, void*) {
  const int on = value ? PyObject_IsTrue(value) : -1;
  if (on < 0) return -1;
  as_array(self)->requires_grad = on != 0;
  return 0;
}

int set_slot(PyObject*& slot, PyObject* value, const char* what) {
  if (value == nullptr || value == Py_None) {
    Py_CLEAR(slot);
    return 0;
  }
  if (!is_array(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be a Tensor or None, not %s", what,
                 Py_TYPE(value)->tp_name);
    return -1;
  }
  Py_XSETREF(slot, Py_NewRef(value));
  return 0;
}
PyObject* get_grad(PyObject* self, void*) {
  PyObject* grad = as_array(self)->grad;
  return Py_NewRef(grad ? grad : Py_None);
}
int set_grad(PyObject* self, PyObject* value, void*) {
  return set_slot(as_array(self)->grad, value, "grad");
}
PyObject* get_pending(PyObject* self, void*) {
  PyObject* pending = as_array(self)->pending;
  return Py_NewRef(pending ? pending : Py_None);
}
int set_pending(PyObject* self, PyObject* value, void*) {
  return set_slot(as_array(self)->pending, value, "pending");
}

PyObject* get_mask(PyObject* self, void*) {
  PyObject* mask = as_array(self)->mask;
  return Py_NewRef(mask ? mask : Py_None);
}
int set_mask(PyObject* self, PyObject* value, void*) {
  return set_slot(as_array(self)->mask, value, "mask");
}

PyGetSetDef kGetSet[] = {
    {"shape", get_shape, nullptr, "Sizes of the dimensions, a tuple.", nullptr},
    {"strides", get_strides, nullptr, "Steps between elements, in elements.", nullptr},
    {"dtype", get_dtype, nullptr, "Name of the element type, such as 'float32'.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"size", get_size, nullptr, "Number of elements.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of the elements.", nullptr},
    {"device", get_device, nullptr, "'cpu', or 'meta' for a shape without memory.", nullptr},
    {"is_state", get_is_state, nullptr, "Whether this is a Variable's memory.", nullptr},
    {"version", get_version, nullptr, "Number of writes to the memory so far.", nullptr},
    {"_storage_id", get_data_id, nullptr, "Identity of the memory, for comparing.", nullptr},
    {"_dense", get_dense, nullptr, "Whether elements lie row-major without gaps.", nullptr},
    {"node", get_node, nullptr, "The Node that made this, or None.", nullptr},
    {"output_index", get_output_index, nullptr, "Which of the node's outputs this is.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether gradients reach it.", nullptr},
    {"grad", get_grad, set_grad, "The gradient that backward() left, or None.", nullptr},
    {"_pending", get_pending, set_pending, "A Variable's value inside a StateScope.", nullptr},
    {"_keras_mask", get_mask, set_mask, "The mask that layers hand on with it.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// ---- the buffer protocol: NumPy sees the same memory, read-only
// ------------------------------------

/// struct-module codes; null where there is none (bfloat16).
const char* format_of(DType d) {
  switch (d) {
    case DType::Bool: return "?";
    case DType::UInt8: return "B";
    case DType::UInt16: return "H";
    case DType::UInt32: return "I";
    case DType::UInt64: return "Q";
    case DType::Int8: return "b";
    case DType::Int16: return "h";
    case DType::Int32: return "i";
    case DType::Int64: return "q";
    case DType::Float16: return "e";
    case DType::Float32: return "f";
    case DType::Float64: return "d";
    case DType::Complex64: return "Zf";
    case DType::Complex128: return "Zd";
    case DType::BFloat16: return nullptr;
  }
  return nullptr;
}

struct BufferDims { Py_ssize_t shape[kMaxRank], strides[kMaxRank]; };

int fill_buffer(PyObject* self, Py_buffer* view, int flags, const Array& a, const char* format,
                size_t itemsize) {
  if (flags & PyBUF_WRITABLE) {
    PyErr_SetString(PyExc_BufferError, "a Tensor is read-only; numpy.array(tensor) makes a copy");
    return -1;
  }
  if (!(flags & PyBUF_STRIDES) && !a.dense()) {
    PyErr_SetString(PyExc_BufferError, "the Tensor is strided, but a plain buffer was asked for");
    return -1;
  }
  auto* dims = new BufferDims;
  for (int i = 0; i < a.shape().size(); ++i) {
    dims->shape[i] = a.shape()[i];
    dims->strides[i] = a.layout().strides[i] * Py_ssize_t(itemsize);
  }
  view->obj = Py_NewRef(self);
  view->buf = a.data();
  view->len = Py_ssize_t(a.bytes());
  view->itemsize = Py_ssize_t(itemsize);
  view->readonly = 1;
  view->ndim = a.shape().size();
  view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format) : nullptr;
  view->shape = dims->shape;
  view->strides = dims->strides;
  view->suboffsets = nullptr;
  view->internal = dims;
  return 0;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  try {
    const Array& a = filled(self);
    const char* format = format_of(a.dtype());
    if (!format || a.storage()->state() || as_array(self)->pending) {
      PyErr_SetString(PyExc_BufferError, "this Tensor is exported as a copy, by numpy()");
      return -1;
    }
    note_read(a);
    return fill_buffer(self, view, flags, a, format, size_of(a.dtype()));
  } catch (...) {
    set_python_error();
    return -1;
  }
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<BufferDims*>(view->internal); }

PyType_Slot kArraySlots[64];

}  // namespace

ArrayObject* expect_array(PyObject* o) {
  if (!is_array(o)) {
    PyErr_Format(PyExc_TypeError, "a Tensor is expected, not %s", Py_TYPE(o)->tp_name);
    throw pybind11::error_already_set();
  }
  filled(o);
  return as_array(o);
}

PyObject* new_tensor(Array array, PyObject* node, int output) {
  PyTypeObject* type = registered().tensor;
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  ArrayObject* a = as_array(self);
  new (&a->array) Array(std::move(array));
  a->node = Py_XNewRef(node);
  a->output = output;
  return self;
}

void note_read(const Array& array) {
  if (array.device() == Device::Meta)
    raise(ErrorKind::Device,
          "the elements of a tensor on the meta device were asked for, but it has "
          "a shape only; inside a layer that is being traced, or in a functional "
          "model, use ops instead of Python values");
  if (Observer* o = observer()) o->read(array);
}

Array dense_array(const Array& array) { return array.dense() ? array : run(Copy{}, {array}); }

PyTypeObject* make_array_type(PyObject* module) {
  size_t n = 0;
  const auto add = [&](int slot, void* f) { kArraySlots[n++] = {slot, f}; };
  add(Py_tp_new, reinterpret_cast<void*>(array_new));
  add(Py_tp_dealloc, reinterpret_cast<void*>(array_dealloc));
  add(Py_tp_getset, kGetSet);
  add(Py_tp_hash, reinterpret_cast<void*>(PyBaseObject_Type.tp_hash));
  add(Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer));
  add(Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer));
  add(Py_tp_doc,
      const_cast<char*>("Native memory with a place on the tape; pyneuro.Tensor builds on it."));
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(ArrayObject, weakrefs), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  add(Py_tp_members, members);
  size_t count = 0;
  const PyType_Slot* numbers = number_slots(count);
  for (size_t i = 0; i < count; ++i) add(numbers[i].slot, numbers[i].pfunc);
  kArraySlots[n] = {0, nullptr};
  static PyType_Spec spec{"pyneuro._core.Array", sizeof(ArrayObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, kArraySlots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

}  // namespace pyneuro::bindings
