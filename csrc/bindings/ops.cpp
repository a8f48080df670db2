// The hot door: apply(op, *inputs, **fields). Builds the op from the fields, gathers the inputs,
// calls dispatch, wraps the outputs and puts a node on the tape. A loop over the table, no op by
// name.
#include <cstring>

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

constexpr Py_ssize_t kFew = 8;
/// Below this many input elements, letting other threads in costs more than the op.
constexpr int64_t kKeepGil = 8192;

/// name -> row, as a Python dict, so that an interned name costs one look-up by pointer.
PyObject* rows_by_name() {
  static PyObject* dict = [] {
    PyObject* d = PyDict_New();
    for (int i = 0; i < kOpCount; ++i) {
      const std::string_view text = op_info(i).signature.name;
      PyObject* key = PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
      PyUnicode_InternInPlace(&key);
      PyObject* value = PyLong_FromLong(i);
      PyDict_SetItem(d, key, value);
      Py_DECREF(key);
      Py_DECREF(value);
    }
    return d;
  }();
  return dict;
}

const OpInfo* find_row(PyObject* name) {
  PyObject* id = PyUnicode_Check(name) ? PyDict_GetItemWithError(rows_by_name(), name) : nullptr;
  if (id) return &op_info(int(PyLong_AsLong(id)));
  if (!PyErr_Occurred())
    PyErr_Format(registered().errors[int(ErrorKind::Argument)], "there is no op %R", name);
  return nullptr;
}

/// An op on the stack, with its defaults.
class OpValue {
 public:
  explicit OpValue(const OpInfo& row) : row_(row) { row_.construct(at_); }
  ~OpValue() { row_.destroy(at_); }
  OpValue(const OpValue&) = delete;
  void* get() { return at_; }

 private:
  const OpInfo& row_;
  alignas(std::max_align_t) unsigned char at_[kMaxOpSize];
};

bool to_ints(PyObject* o, Ints& out) {
  const py::object list =
      py::reinterpret_steal<py::object>(PySequence_Fast(o, "a list of integers is expected"));
  if (!list) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.ptr()); ++i) {
    const long long v = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(list.ptr(), i));
    if (v == -1 && PyErr_Occurred()) return false;
    out.push_back(v);
  }
  return true;
}

bool to_specs(PyObject* o, SpecList& out) {
  const py::object list =
      py::reinterpret_steal<py::object>(PySequence_Fast(o, "a list of (shape, dtype) is expected"));
  if (!list) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.ptr()); ++i) {
    PyObject *shape = nullptr, *dtype = nullptr;
    Spec spec;
    if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(list.ptr(), i), "OO", &shape, &dtype) ||
        !to_dims(shape, spec.shape, "shape") || !to_dtype(dtype, spec.dtype))
      return false;
    out.push_back(spec);
  }
  return true;
}

bool set_field(const FieldInfo& f, void* at, PyObject* value) {
  switch (f.kind) {
    case FieldKind::Int: {
      const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value));
      if (!index) return false;
      *static_cast<int64_t*>(at) = PyLong_AsLongLong(index.ptr());
      return !PyErr_Occurred();
    }
    case FieldKind::Double:
      *static_cast<double*>(at) = PyFloat_AsDouble(value);
      return !PyErr_Occurred();
    case FieldKind::Bool: {
      const int on = PyObject_IsTrue(value);
      *static_cast<bool*>(at) = on > 0;
      return on >= 0;
    }
    case FieldKind::DType: return to_dtype(value, *static_cast<DType*>(at));
    case FieldKind::Dims:
      static_cast<Dims*>(at)->clear();
      return to_dims(value, *static_cast<Dims*>(at), "a list of sizes");
    case FieldKind::Ints: return to_ints(value, *static_cast<Ints*>(at));
    case FieldKind::SpecList: return to_specs(value, *static_cast<SpecList*>(at));
    case FieldKind::Pointer:
      *static_cast<void**>(at) = PyLong_AsVoidPtr(value);
      return !PyErr_Occurred();
  }
  return false;
}

/// Sets the fields that were given by name; checks that all required ones were.
bool set_fields(const OpInfo& row, void* op, PyObject* const* values, PyObject* names) {
  uint32_t given = 0;
  const Py_ssize_t n = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t k = 0; k < n; ++k) {
    Py_ssize_t length = 0;
    const char* text = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(names, k), &length);
    if (!text) return false;
    size_t i = 0;
    while (i < row.fields.size() && row.fields[i].name != std::string_view(text, size_t(length)))
      ++i;
    if (i == row.fields.size()) {
      PyErr_Format(PyExc_TypeError, "%s has no field '%s'", row.signature.name.data(), text);
      return false;
    }
    if (!set_field(row.fields[i], row.fields[i].get(op), values[k])) return false;
    given |= 1u << i;
  }
  for (size_t i = 0; i < row.fields.size(); ++i)
    if (row.fields[i].required && !(given >> i & 1)) {
      PyErr_Format(PyExc_TypeError, "%s needs the field '%s'", row.signature.name.data(),
                   std::string(row.fields[i].name).c_str());
      return false;
    }
  return true;
}

bool is_number(PyObject* o) {
  return PyFloat_Check(o) || PyLong_Check(o) || PyBool_Check(o) || PyComplex_Check(o);
}

/// The dtype that a Python number takes beside arrays of dtype `other` (none: no array beside it).
DType number_dtype(PyObject* number, std::optional<DType> other) {
  if (PyBool_Check(number)) return other.value_or(DType::Bool);
  if (PyLong_Check(number)) return other && !is_bool(*other) ? *other : DType::Int32;
  if (PyComplex_Check(number)) return other && is_complex(*other) ? *other : DType::Complex64;
  return other && (is_floating(*other) || is_complex(*other)) ? *other : floatx();
}

/// The inputs of one call: borrowed where they are Tensors, owned where they had to be made.
class Gathered {
 public:
  Gathered(const OpInfo& row, PyObject* const* inputs, Py_ssize_t n) : n_(n) {
    if (n > kFew) {
      heap_.resize(size_t(n));
      objects_ = heap_.data();
      heap_arrays_.resize(size_t(n));
      arrays_ = heap_arrays_.data();
    }
    std::optional<DType> common;
    bool numbers = false;
    for (Py_ssize_t i = 0; i < n; ++i) {
      objects_[i] = nullptr;
      PyObject* o = inputs[i];
      if (o == Py_None) continue;
      if (is_number(o)) {
        numbers = true;
        continue;
      }
      objects_[i] = array_of(o);
      const DType d = objects_[i]->array.dtype();
      common = common ? promote(*common, d) : d;
    }
    if (numbers)
      for (Py_ssize_t i = 0; i < n; ++i)
        if (is_number(inputs[i])) {
          const DType d = number_dtype(inputs[i], row.promotes ? common : std::nullopt);
          objects_[i] = own(new_tensor(scalar_array(inputs[i], d)));
        }
    for (Py_ssize_t i = 0; i < n; ++i) {
      arrays_[i] = objects_[i] ? &objects_[i]->array : nullptr;
      if (objects_[i]) elements_ += objects_[i]->array.size();
    }
  }
  ~Gathered() {
    for (PyObject* o : owned_) Py_DECREF(o);
  }
  Gathered(const Gathered&) = delete;

  std::span<ArrayObject* const> objects() const { return {objects_, size_t(n_)}; }
  std::span<const Array* const> arrays() const { return {arrays_, size_t(n_)}; }
  int64_t elements() const { return elements_; }

 private:
  ArrayObject* own(PyObject* o) {
    if (!o) throw py::error_already_set();
    owned_.push_back(o);
    return as_array(o);
  }
  ArrayObject* array_of(PyObject* o) {
    if (!is_array(o)) {
      PyObject* made = PyObject_CallOneArg(registered().convert, o);
      if (made && !is_array(made)) {
        Py_DECREF(made);
        PyErr_Format(PyExc_TypeError, "%s cannot be made a Tensor", Py_TYPE(o)->tp_name);
        made = nullptr;
      }
      return own(made);
    }
    ArrayObject* a = as_array(o);
    if (a->pending) {
      PyObject* pending = Py_NewRef(a->pending);
      a = own(pending);
    }
    if (!a->array) raise(ErrorKind::Internal, "this Tensor was never given a value");
    return a;
  }

  Py_ssize_t n_;
  ArrayObject* inline_[kFew];
  const Array* inline_arrays_[kFew];
  ArrayObject** objects_ = inline_;
  const Array** arrays_ = inline_arrays_;
  std::vector<ArrayObject*> heap_;
  std::vector<const Array*> heap_arrays_;
  std::vector<PyObject*> owned_;
  int64_t elements_ = 0;
};

bool wants_gradient(const OpInfo& row, std::span<ArrayObject* const> inputs) {
  if (!grad_enabled()) return false;
  const TapeRule& rule = tape_rule(row.id);
  if (rule.declared && !rule.differentiable) return false;
  for (ArrayObject* a : inputs)
    if (a && (a->node || a->requires_grad)) return true;
  return false;
}

PyObject* wrap(OpRef op, const Gathered& inputs, Outputs& outputs) {
  py::object node;
  if (wants_gradient(*op.info, inputs.objects()))
    node = py::reinterpret_steal<py::object>(make_node(op, inputs.objects(), outputs));
  const auto tensor = [&](int i) {
    PyObject* on_tape = node && is_floating(outputs[i].dtype()) ? node.ptr() : nullptr;
    PyObject* t = new_tensor(std::move(outputs[i]), on_tape, i);
    if (!t) throw py::error_already_set();
    return t;
  };
  if (outputs.size() == 0) return Py_NewRef(Py_None);
  if (outputs.size() == 1 && op.info->id != op_id<Split> && op.info->id != op_id<HostCall>)
    return tensor(0);
  py::tuple out(outputs.size());
  for (int i = 0; i < outputs.size(); ++i) PyTuple_SET_ITEM(out.ptr(), i, tensor(i));
  return out.release().ptr();
}

PyObject* apply(PyObject*, PyObject* const* args, size_t nargsf, PyObject* names) {
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  if (n < 1) {
    PyErr_SetString(PyExc_TypeError, "apply(op, *inputs, **fields): the op is missing");
    return nullptr;
  }
  const OpInfo* row = find_row(args[0]);
  if (!row) return nullptr;
  try {
    OpValue op(*row);
    if (!set_fields(*row, op.get(), args + n, names)) return nullptr;
    return run_op(*row, op.get(), args + 1, n - 1);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

PyMethodDef kApply{
    "apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(apply)),
    METH_FASTCALL | METH_KEYWORDS,
    "apply(op, *inputs, **fields)\n--\n\n"
    "Runs a native op: the one door from Python. Inputs are Tensors, arrays, numbers, or "
    "None for\nan optional input; fields are the op's."};

void declare_rule(const std::string& name, bool differentiable, bool inputs, bool output,
                  bool rest) {
  const OpInfo* row = find_op(name);
  if (!row) raise(ErrorKind::Argument, join("there is no op '", name, "'"));
  tape_rule(row->id) = {true, differentiable, inputs, output, rest};
}

/// What tests and documentation read of a row.
py::dict describe(int id) {
  const OpInfo& row = op_info(id);
  py::list inputs, fields;
  for (int i = 0; i < row.signature.size(); ++i)
    inputs.append(std::string(row.signature.inputs[size_t(i)]));
  for (const FieldInfo& f : row.fields) fields.append(std::string(f.name));
  py::dict out;
  out["name"] = std::string(row.signature.name);
  out["inputs"] = py::tuple(inputs);
  out["fields"] = py::tuple(fields);
  out["aliases"] = row.alias != nullptr;
  out["mutates"] = row.mutates != nullptr;
  out["strided"] = row.reads == nullptr;
  return out;
}

}  // namespace

TapeRule& tape_rule(int op_id) {
  static TapeRule rules[kOpCount];
  return rules[op_id];
}

bool& grad_enabled() noexcept {
  thread_local bool on = true;
  return on;
}

PyObject* run_op(const OpInfo& row, const void* op, PyObject* const* given, Py_ssize_t n) {
  try {
    const OpRef ref(row, op);
    const Gathered inputs(row, given, n);
    const bool small = inputs.elements() <= kKeepGil && n > 0 && row.id != op_id<RandomUniform> &&
                       row.id != op_id<RandomNormal>;
    std::optional<py::gil_scoped_release> release;
    if (!small && !row.alias) release.emplace();
    Outputs outputs = dispatch(ref, inputs.arrays());
    release.reset();
    return wrap(ref, inputs, outputs);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

DType floatx() {
  const py::object text =
      py::reinterpret_steal<py::object>(PyObject_CallNoArgs(registered().floatx));
  DType d;
  if (!text || !to_dtype(text.ptr(), d)) throw py::error_already_set();
  return d;
}

PyObject* dtype_text(DType d) {
  static PyObject* texts[kDTypeCount] = {};
  PyObject*& text = texts[size_t(d)];
  if (!text) text = PyUnicode_InternFromString(std::string(name(d)).c_str());
  return Py_XNewRef(text);
}

PyObject* to_tuple(const Dims& dims) {
  PyObject* out = PyTuple_New(dims.size());
  for (int i = 0; out && i < dims.size(); ++i) {
    PyObject* v = PyLong_FromLongLong(dims[i]);
    if (!v) {
      Py_DECREF(out);
      return nullptr;
    }
    PyTuple_SET_ITEM(out, i, v);
  }
  return out;
}

bool to_dtype(PyObject* o, DType& out) {
  const char* text = PyUnicode_Check(o) ? PyUnicode_AsUTF8(o) : nullptr;
  if (text)
    if (const auto d = dtype_from_name(text)) {
      out = *d;
      return true;
    }
  if (!PyErr_Occurred())
    PyErr_Format(registered().errors[int(ErrorKind::DType)], "there is no dtype %R", o);
  return false;
}

bool to_dims(PyObject* o, Dims& out, const char* what) {
  if (PyLong_Check(o)) {
    out.push_back(PyLong_AsLongLong(o));
    return !PyErr_Occurred();
  }
  const py::object list = py::reinterpret_steal<py::object>(PySequence_Fast(o, what));
  if (!list) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(list.ptr());
  if (n > kMaxRank)
    raise(ErrorKind::Shape,
          join(what, ": ", n, " entries, but at most ", kMaxRank, " dimensions are possible"));
  for (Py_ssize_t i = 0; i < n; ++i) {
    const py::object v =
        py::reinterpret_steal<py::object>(PyNumber_Index(PySequence_Fast_GET_ITEM(list.ptr(), i)));
    if (!v) return false;
    out.push_back(PyLong_AsLongLong(v.ptr()));
    if (PyErr_Occurred()) return false;
  }
  return true;
}

void bind_ops(py::module_& m) {
  m.add_object("apply", py::reinterpret_steal<py::object>(PyCFunction_New(&kApply, nullptr)));
  m.def("declare_rule", &declare_rule, py::arg("op"), py::arg("differentiable"),
        py::arg("keeps_inputs"), py::arg("keeps_output"), py::arg("keeps_rest"));
  m.def("set_grad_enabled", [](bool on) { return std::exchange(grad_enabled(), on); });
  m.def("is_grad_enabled", [] { return grad_enabled(); });
  m.def("op_table", [] {
    py::list out;
    for (int i = 0; i < kOpCount; ++i) out.append(describe(i));
    return out;
  });
}

}  // namespace pyneuro::bindings
