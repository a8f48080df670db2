// `_core.Node`: one op on the tape. What it keeps is decided by the op's rule; the rules
// themselves, backward and all modes are Python.
#include "bindings/bindings.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

NodeObject* as_node(PyObject* o) { return reinterpret_cast<NodeObject*>(o); }

uint64_t next_sequence() {
  static std::atomic<uint64_t> n{0};
  return n.fetch_add(1, std::memory_order_relaxed);
}

/// Frees nodes in a loop rather than by recursion: a tape of 100,000 ops must not exhaust the
/// stack.
void node_dealloc(PyObject* self) {
  thread_local std::vector<PyObject*>* draining = nullptr;
  NodeObject* node = as_node(self);
  std::vector<PyObject*> sources;
  for (Kept& k : node->inputs)
    if (k.source) sources.push_back(k.source);
  PyTypeObject* type = Py_TYPE(self);
  std::destroy_at(&node->op);
  std::destroy_at(&node->inputs);
  std::destroy_at(&node->outputs);
  type->tp_free(self);
  Py_DECREF(type);
  if (draining) {
    draining->insert(draining->end(), sources.begin(), sources.end());
    return;
  }
  draining = &sources;
  while (!sources.empty()) {
    PyObject* source = sources.back();
    sources.pop_back();
    Py_DECREF(source);
  }
  draining = nullptr;
}

[[noreturn]] void raise_gradient(const std::string& text) {
  PyErr_SetString(registered().gradient_error, text.c_str());
  throw py::error_already_set();
}

void expect_alive(NodeObject* node) {
  if (node->released)
    raise_gradient(join(node->op.info().signature.name,
                        ": backward has already gone through here and freed what it kept; call it "
                        "with retain_graph=True to go twice"));
}

/// A Tensor for something kept, with its place on the tape. A leaf is given as it is.
PyObject* kept_tensor(NodeObject* node, const Kept& k, PyObject* made_by, int output,
                      const char* what, int index) {
  const auto text = [&] {
    return join(node->op.info().signature.name, ": its gradient rule reads ", what, ' ', index);
  };
  if (!k.array) raise_gradient(text() + ", which was declared as not kept");
  if (k.array.storage()->state() && k.array.storage()->version() != k.version)
    raise_gradient(text() +
                   ", a Variable that was assigned before backward; assign after it, or "
                   "use variable.value, which is a copy");
  if (k.source && is_array(k.source)) {
    if (!as_array(k.source)->pending) return Py_NewRef(k.source);
    // Assigned since, inside a StateScope: the memory still holds what the op read, but the
    // Variable now reads as something else, so a gradient of the gradient would go astray.
    if (grad_enabled())
      raise_gradient(text() +
                     ", a Variable that was assigned before backward with create_graph=True");
    return new_tensor(k.array);
  }
  return new_tensor(k.array, made_by, output);
}

template <class F> PyObject* guarded(F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

PyObject* get_inputs(PyObject* self, void*) {
  return guarded([&] {
    NodeObject* node = as_node(self);
    expect_alive(node);
    py::tuple out(node->inputs.size());
    for (size_t i = 0; i < node->inputs.size(); ++i) {
      const Kept& k = node->inputs[i];
      PyObject* source = k.source && !is_array(k.source) ? k.source : nullptr;
      PyObject* item = k.output < 0 ? Py_NewRef(Py_None)  // an optional input that was not given
                                    : kept_tensor(node, k, source, k.output, "input", int(i));
      if (!item) throw py::error_already_set();
      PyTuple_SET_ITEM(out.ptr(), Py_ssize_t(i), item);
    }
    return out.release().ptr();
  });
}

PyObject* get_outputs(PyObject* self, void*) {
  return guarded([&] {
    NodeObject* node = as_node(self);
    expect_alive(node);
    py::tuple out(node->outputs.size());
    const TapeRule& rule = tape_rule(node->op.info().id);
    for (size_t i = 0; i < node->outputs.size(); ++i) {
      const bool dropped = i == 0 && rule.keeps_rest && !rule.keeps_output;
      PyObject* item = dropped
                           ? Py_NewRef(Py_None)
                           : kept_tensor(node, node->outputs[i], self, int(i), "output", int(i));
      if (!item) throw py::error_already_set();
      PyTuple_SET_ITEM(out.ptr(), Py_ssize_t(i), item);
    }
    return out.release().ptr();
  });
}

PyObject* get_output(PyObject* self, void*) {
  return guarded([&] {
    NodeObject* node = as_node(self);
    expect_alive(node);
    PyObject* item = kept_tensor(node, node->outputs[0], self, 0, "output", 0);
    if (!item) throw py::error_already_set();
    return item;
  });
}

PyObject* get_sources(PyObject* self, void*) {
  return guarded([&] {
    NodeObject* node = as_node(self);
    py::tuple out(node->inputs.size());
    for (size_t i = 0; i < node->inputs.size(); ++i)
      PyTuple_SET_ITEM(out.ptr(), Py_ssize_t(i),
                       Py_NewRef(node->inputs[i].source ? node->inputs[i].source : Py_None));
    return out.release().ptr();
  });
}

PyObject* get_source_outputs(PyObject* self, void*) {
  return guarded([&] {
    NodeObject* node = as_node(self);
    py::tuple out(node->inputs.size());
    for (size_t i = 0; i < node->inputs.size(); ++i) out[i] = py::int_(node->inputs[i].output);
    return out.release().ptr();
  });
}

PyObject* get_specs(const std::vector<Kept>& kept) {
  return guarded([&] {
    py::tuple out(kept.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      const py::object shape = py::reinterpret_steal<py::object>(to_tuple(kept[i].array.shape()));
      const py::object dtype = py::reinterpret_steal<py::object>(dtype_text(kept[i].array.dtype()));
      out[i] = py::make_tuple(shape, dtype);
    }
    return out.release().ptr();
  });
}
PyObject* get_input_specs(PyObject* self, void*) { return get_specs(as_node(self)->inputs); }
PyObject* get_output_specs(PyObject* self, void*) { return get_specs(as_node(self)->outputs); }

PyObject* get_op(PyObject* self, void*) {
  const std::string_view text = as_node(self)->op.info().signature.name;
  return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
}
PyObject* get_op_id(PyObject* self, void*) { return PyLong_FromLong(as_node(self)->op.info().id); }
PyObject* get_sequence(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(as_node(self)->sequence);
}

py::object field_value(const FieldInfo& f, void* at) {
  switch (f.kind) {
    case FieldKind::Int: return py::int_(*static_cast<int64_t*>(at));
    case FieldKind::Double: return py::float_(*static_cast<double*>(at));
    case FieldKind::Bool: return py::bool_(*static_cast<bool*>(at));
    case FieldKind::DType:
      return py::reinterpret_steal<py::object>(dtype_text(*static_cast<DType*>(at)));
    case FieldKind::Dims:
      return py::reinterpret_steal<py::object>(to_tuple(*static_cast<Dims*>(at)));
    case FieldKind::Ints: {
      py::list out;
      for (int64_t v : *static_cast<Ints*>(at)) out.append(v);
      return py::tuple(out);
    }
    case FieldKind::SpecList: {
      py::list out;
      for (const Spec& s : *static_cast<SpecList*>(at))
        out.append(py::make_tuple(py::reinterpret_steal<py::object>(to_tuple(s.shape)),
                                  py::reinterpret_steal<py::object>(dtype_text(s.dtype))));
      return py::tuple(out);
    }
    case FieldKind::Pointer: return py::int_(reinterpret_cast<uintptr_t>(*static_cast<void**>(at)));
  }
  return py::none();
}

PyObject* get_fields(PyObject* self, void*) {
  return guarded([&] {
    const OpRef op = as_node(self)->op.ref();
    py::dict out;
    for (const FieldInfo& f : op.info->fields)
      out[py::str(f.name.data(), f.name.size())] = field_value(f, f.get(const_cast<void*>(op.op)));
    return out.release().ptr();
  });
}

PyObject* get_released(PyObject* self, void*) { return PyBool_FromLong(as_node(self)->released); }

PyObject* release(PyObject* self, PyObject*) {
  NodeObject* node = as_node(self);
  for (Kept& k : node->inputs) k.array.drop();
  for (Kept& k : node->outputs) k.array.drop();
  node->released = true;
  Py_RETURN_NONE;
}

/// fits(i, gradient): whether a gradient has the shape and dtype of input i, so that nothing is
/// left to do to it.
PyObject* fits(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) throw py::type_error("fits(input, gradient)");
    const size_t i = PyLong_AsSize_t(args[0]);
    if (PyErr_Occurred()) throw py::error_already_set();
    const Array& kept = as_node(self)->inputs.at(i).array;
    const Array& g = expect_array(args[1])->array;
    return PyBool_FromLong(kept.shape() == g.shape() && kept.dtype() == g.dtype());
  });
}

PyGetSetDef kGetSet[] = {
    {"op", get_op, nullptr, "Name of the op.", nullptr},
    {"op_id", get_op_id, nullptr, "Row of the op table.", nullptr},
    {"sequence", get_sequence, nullptr, "Nodes made later have larger numbers.", nullptr},
    {"inputs", get_inputs, nullptr, "The inputs as Tensors, if the rule keeps them.", nullptr},
    {"outputs", get_outputs, nullptr,
     "The outputs as Tensors, if the rule keeps them; the first is None if it keeps the rest only.",
     nullptr},
    {"output", get_output, nullptr, "The first output.", nullptr},
    {"sources", get_sources, nullptr, "For each input: Node, leaf Tensor, or None.", nullptr},
    {"source_outputs", get_source_outputs, nullptr, "Which output of each source.", nullptr},
    {"input_specs", get_input_specs, nullptr, "(shape, dtype) of each input.", nullptr},
    {"output_specs", get_output_specs, nullptr, "(shape, dtype) of each output.", nullptr},
    {"fields", get_fields, nullptr, "The op's fields, a dict.", nullptr},
    {"released", get_released, nullptr, "Whether backward has freed what was kept.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef kMethods[] = {
    {"release", release, METH_NOARGS, "Frees what was kept."},
    {"fits", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(fits)), METH_FASTCALL,
     "fits(i, gradient): whether it has input i's shape and dtype."},
    {nullptr, nullptr, 0, nullptr}};

Kept keep(const Array& array, bool elements) {
  Kept k;
  k.version = array.storage()->version();
  k.array = array;
  if (!elements) k.array.drop();
  return k;
}

}  // namespace

PyTypeObject* make_node_type(PyObject* module) {
  static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                                {Py_tp_getset, kGetSet},
                                {Py_tp_methods, kMethods},
                                {Py_tp_doc, const_cast<char*>("One op on the tape.")},
                                {0, nullptr}};
  static PyType_Spec spec{"pyneuro._core.Node", sizeof(NodeObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

PyObject* make_node(OpRef op, std::span<ArrayObject* const> inputs, Outputs& outputs) {
  PyTypeObject* type = registered().node;
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) throw py::error_already_set();
  NodeObject* node = as_node(self);
  new (&node->op) AnyOp(op);
  new (&node->inputs) std::vector<Kept>();
  new (&node->outputs) std::vector<Kept>();
  const TapeRule& rule = tape_rule(op.info->id);
  node->sequence = next_sequence();
  node->released = false;
  node->inputs.reserve(inputs.size());
  for (ArrayObject* a : inputs) {
    if (!a) {
      node->inputs.push_back({nullptr, -1, {}, 0});
      continue;
    }
    Kept k = keep(a->array, rule.keeps_inputs);
    if (a->node) {
      k.source = Py_NewRef(a->node);
      k.output = a->output;
    } else if (a->requires_grad) {
      k.source = Py_NewRef(reinterpret_cast<PyObject*>(a));
    }
    node->inputs.push_back(std::move(k));
  }
  for (int i = 0; i < outputs.size(); ++i)
    node->outputs.push_back(keep(outputs[i], i == 0 ? rule.keeps_output : rule.keeps_rest));
  return self;
}

}  // namespace pyneuro::bindings
