// Values across the border: NumPy arrays in without copies, elements out, Python numbers to 0-d
// arrays.
#include <pybind11/stl.h>

#include <cstring>

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

/// The dtype of a buffer's format, native byte order only; none where it is not ours.
std::optional<DType> dtype_of_format(const char* format, Py_ssize_t itemsize) {
  if (!format) return DType::UInt8;
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  const std::string_view f = format;
  if (f == "?") return DType::Bool;
  if (f == "e") return DType::Float16;
  if (f == "f") return DType::Float32;
  if (f == "d") return DType::Float64;
  if (f == "Zf") return DType::Complex64;
  if (f == "Zd") return DType::Complex128;
  if (f.size() != 1) return std::nullopt;
  const bool is_signed = std::strchr("bhilqn", f[0]) != nullptr;
  if (!is_signed && !std::strchr("BHILQN", f[0])) return std::nullopt;
  switch (itemsize) {
    case 1: return is_signed ? DType::Int8 : DType::UInt8;
    case 2: return is_signed ? DType::Int16 : DType::UInt16;
    case 4: return is_signed ? DType::Int32 : DType::UInt32;
    case 8: return is_signed ? DType::Int64 : DType::UInt64;
    default: return std::nullopt;
  }
}

/// A Py_buffer held by a Storage; released with the GIL, whichever thread lets go.
void release_owner(void* owner) {
  if (!Py_IsInitialized()) return;  // the interpreter is gone, and the memory with it
  const PyGILState_STATE gil = PyGILState_Ensure();
  auto* buffer = static_cast<Py_buffer*>(owner);
  PyBuffer_Release(buffer);
  delete buffer;
  PyGILState_Release(gil);
}

/// The layout of a buffer in elements; false where strides or alignment do not allow sharing.
bool layout_of(const Py_buffer& b, Layout& layout) {
  const Py_ssize_t item = b.itemsize;
  if (b.ndim > kMaxRank)
    raise(ErrorKind::Shape,
          join("an array has ", b.ndim, " dimensions, but at most ", kMaxRank, " are possible"));
  if (reinterpret_cast<uintptr_t>(b.buf) % uintptr_t(item) != 0) return false;
  for (int i = 0; i < b.ndim; ++i) {
    if (b.strides[i] % item != 0) return false;
    layout.shape.push_back(b.shape[i]);
    layout.strides.push_back(b.strides[i] / item);
  }
  return true;
}

/// A Tensor on the memory of anything with the buffer protocol, or None where it must be copied
/// first. `as` reinterprets 2-byte integers as bfloat16.
py::object from_buffer(py::handle source, const std::optional<std::string>& as) {
  auto buffer = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(source.ptr(), buffer.get(), PyBUF_RECORDS_RO) != 0) {
    PyErr_Clear();
    return py::none();
  }
  std::optional<DType> dtype = dtype_of_format(buffer->format, buffer->itemsize);
  if (dtype == DType::UInt16 && as == "bfloat16") dtype = DType::BFloat16;
  Layout layout;
  bool fits = false;
  try {
    fits = dtype && layout_of(*buffer, layout);
  } catch (...) {
    PyBuffer_Release(buffer.get());
    throw;
  }
  if (!fits) {
    PyBuffer_Release(buffer.get());
    return py::none();
  }
  void* data = buffer->buf;
  const size_t bytes = size_t(buffer->len);
  Storage* storage = Storage::borrow(data, bytes, buffer.release(), release_owner);
  return py::reinterpret_steal<py::object>(new_tensor(Array(storage, layout, *dtype)));
}

/// A Python object for one element.
template <class T> PyObject* number(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  if constexpr (std::is_same_v<T, bool>)
    return PyBool_FromLong(v);
  else if constexpr (std::is_floating_point_v<T>)
    return PyFloat_FromDouble(double(v));
  else if constexpr (std::is_signed_v<T>)
    return PyLong_FromLongLong(v);
  else
    return PyLong_FromUnsignedLongLong(v);
}

PyObject* element(DType d, const void* p) {
  switch (d) {
    case DType::Bool: return number<bool>(p);
    case DType::UInt8: return number<uint8_t>(p);
    case DType::UInt16: return number<uint16_t>(p);
    case DType::UInt32: return number<uint32_t>(p);
    case DType::UInt64: return number<uint64_t>(p);
    case DType::Int8: return number<int8_t>(p);
    case DType::Int16: return number<int16_t>(p);
    case DType::Int32: return number<int32_t>(p);
    case DType::Int64: return number<int64_t>(p);
    case DType::Float32: return number<float>(p);
    case DType::Float64: return number<double>(p);
    case DType::Float16:
    case DType::BFloat16: return nullptr;  // the caller casts
    case DType::Complex64: {
      Complex64 v;
      std::memcpy(&v, p, sizeof v);
      return PyComplex_FromDoubles(v.re, v.im);
    }
    case DType::Complex128: {
      Complex128 v;
      std::memcpy(&v, p, sizeof v);
      return PyComplex_FromDoubles(v.re, v.im);
    }
  }
  return nullptr;
}

py::object item(py::handle o) {
  ArrayObject* self = expect_array(o.ptr());
  Array a = (self->pending ? as_array(self->pending) : self)->array;
  if (a.size() != 1)
    raise(ErrorKind::Shape, join("a tensor of shape ", a.shape(), " has ", a.size(),
                                 " elements, but one is needed for a Python number"));
  note_read(a);
  if (a.dtype() == DType::Float16 || a.dtype() == DType::BFloat16)
    a = run(Cast{DType::Float32}, {a});
  return py::reinterpret_steal<py::object>(element(a.dtype(), a.data()));
}

/// The elements as a contiguous copy in a bytearray, for what the buffer protocol cannot say.
py::object to_bytes(py::handle o) {
  ArrayObject* self = expect_array(o.ptr());
  const Array a = (self->pending ? as_array(self->pending) : self)->array;
  note_read(a);
  const Array dense = dense_array(a);
  return py::reinterpret_steal<py::object>(PyByteArray_FromStringAndSize(
      static_cast<const char*>(dense.data()), Py_ssize_t(dense.bytes())));
}

/// The same elements as a storage of its own identity: a recorder tells inputs apart by it.
py::object alias(py::handle o) {
  const Array& a = expect_array(o.ptr())->array;
  a.storage()->retain();
  Storage* storage = Storage::borrow(a.data(), a.bytes(), a.storage(),
                                     [](void* owner) { static_cast<Storage*>(owner)->release(); });
  return py::reinterpret_steal<py::object>(
      new_tensor(Array(storage, {a.shape(), a.layout().strides, 0}, a.dtype())));
}

/// Makes the object stand for what `source` stands for: its elements and its place on the tape.
void rebind(py::handle target, py::handle source) {
  if (!is_array(target.ptr())) throw py::type_error("rebind: a Tensor is expected");
  ArrayObject *to = as_array(target.ptr()), *from = expect_array(source.ptr());
  if (to->array && (to->array.storage()->state() || (to->requires_grad && !to->node)))
    raise(ErrorKind::Argument,
          "a Variable, or a tensor that gradients are wanted for, cannot be written "
          "to in place; assign to the Variable, or compute a new tensor");
  to->array = from->array;
  to->output = from->output;
  Py_XSETREF(to->node, Py_XNewRef(from->node));
}

/// Gives a Variable memory of its own: a copy of `source`, marked as state.
void adopt_state(py::handle target, py::handle source) {
  if (!is_array(target.ptr())) throw py::type_error("adopt_state: a Tensor is expected");
  const Array& from = expect_array(source.ptr())->array;
  const bool meta = from.device() == Device::Meta;
  Array own = meta ? Array::empty(from.spec(), Device::Meta) : run(Copy{}, {from});
  own.storage()->mark_state();
  as_array(target.ptr())->array = std::move(own);
}

/// The same elements without a place on the tape.
py::object detach(py::handle o) {
  ArrayObject* self = expect_array(o.ptr());
  if (self->pending) self = as_array(self->pending);
  return py::reinterpret_steal<py::object>(new_tensor(self->array));
}

py::object from_number(py::handle value, const std::string& dtype) {
  const auto d = dtype_from_name(dtype);
  if (!d) raise(ErrorKind::DType, join("there is no dtype '", dtype, "'"));
  return py::reinterpret_steal<py::object>(new_tensor(scalar_array(value.ptr(), *d)));
}

py::object empty_meta(py::handle shape, const std::string& dtype) {
  Spec spec;
  const auto d = dtype_from_name(dtype);
  if (!d) raise(ErrorKind::DType, join("there is no dtype '", dtype, "'"));
  if (!to_dims(shape.ptr(), spec.shape, "shape")) throw py::error_already_set();
  spec.dtype = *d;
  expect_shape("meta", spec.shape);
  return py::reinterpret_steal<py::object>(new_tensor(Array::empty(spec, Device::Meta)));
}

template <class T> void store(void* p, T v) { std::memcpy(p, &v, sizeof v); }

[[noreturn]] void raise_range(PyObject* number, DType d) {
  const py::str text(py::reinterpret_borrow<py::object>(number));
  raise(ErrorKind::DType, join("the number ", std::string(text), " does not fit ", name(d)));
}

template <class T> void store_integer(void* p, PyObject* number, DType d) {
  int overflow = 0;
  const long long v = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow == 0 && v == -1 && PyErr_Occurred()) throw py::error_already_set();
  if (overflow > 0 && std::is_same_v<T, uint64_t>) {
    const unsigned long long u = PyLong_AsUnsignedLongLong(number);
    if (!PyErr_Occurred()) return store(p, T(u));
    PyErr_Clear();
  }
  const bool below = std::is_unsigned_v<T> && v < 0;
  if (overflow != 0 || below || static_cast<long long>(T(v)) != v) raise_range(number, d);
  store(p, T(v));
}

/// A number of 16 bits. No recorder sees how it is made: to a program it is a constant.
Array narrowed(const Array& number, DType d) {
  struct Unseen {
    Observer* before = set_observer(nullptr);
    ~Unseen() { set_observer(before); }
  } unseen;
  return run(Cast{d}, {number});
}

}  // namespace

Array scalar_array(PyObject* number, DType d) {
  const bool half = d == DType::Float16 || d == DType::BFloat16;
  Array a = Array::empty({Shape{}, half ? DType::Float32 : d});
  void* p = a.data();
  if (is_floating(d) || is_complex(d)) {
    if (PyComplex_Check(number) && !is_complex(d)) raise_range(number, d);
    const Py_complex z = PyComplex_AsCComplex(number);
    if (PyErr_Occurred()) throw py::error_already_set();
    if (d == DType::Float64)
      store(p, z.real);
    else if (d == DType::Complex64)
      store(p, Complex64{float(z.real), float(z.imag)});
    else if (d == DType::Complex128)
      store(p, Complex128{z.real, z.imag});
    else
      store(p, float(z.real));
    return half ? narrowed(a, d) : a;
  }
  if (d == DType::Bool) {
    const int v = PyObject_IsTrue(number);
    if (v < 0) throw py::error_already_set();
    store(p, bool(v));
    return a;
  }
  if (!PyLong_Check(number)) raise_range(number, d);
  switch (d) {
    case DType::UInt8: store_integer<uint8_t>(p, number, d); break;
    case DType::UInt16: store_integer<uint16_t>(p, number, d); break;
    case DType::UInt32: store_integer<uint32_t>(p, number, d); break;
    case DType::UInt64: store_integer<uint64_t>(p, number, d); break;
    case DType::Int8: store_integer<int8_t>(p, number, d); break;
    case DType::Int16: store_integer<int16_t>(p, number, d); break;
    case DType::Int32: store_integer<int32_t>(p, number, d); break;
    default: store_integer<int64_t>(p, number, d); break;
  }
  return a;
}

void bind_arrays(py::module_& m) {
  m.def("from_buffer", &from_buffer, py::arg("source"), py::arg("as_dtype") = py::none());
  m.def("from_number", &from_number, py::arg("value"), py::arg("dtype"));
  m.def("empty_meta", &empty_meta, py::arg("shape"), py::arg("dtype"));
  m.def("item", &item, py::arg("array"));
  m.def("to_bytes", &to_bytes, py::arg("array"));
  m.def("rebind", &rebind, py::arg("target"), py::arg("source"));
  m.def("adopt_state", &adopt_state, py::arg("target"), py::arg("source"));
  m.def("alias", &alias, py::arg("array"));
  m.def("detach", &detach, py::arg("array"));
}

}  // namespace pyneuro::bindings
