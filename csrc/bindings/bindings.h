// What the rooms of the bindings share: the Python types and the ways between C++ and Python
// values. The hot door (apply, the operators) is raw C API; everything called rarely is pybind11.
#pragma once

#include <pybind11/pybind11.h>
#include <structmember.h>

#include "runtime/dispatch.h"

namespace pyneuro::bindings {

/// `_core.Array`: an Array, its place on the tape, and what belongs to a Variable.
struct ArrayObject {
  PyObject_HEAD Array array;
  PyObject* node;     // the NodeObject that made it, or null
  PyObject* pending;  // the value a Variable has inside a StateScope, or null
  PyObject* grad;     // a Tensor, or null
  PyObject* mask;     // what Keras layers hand on beside a tensor, or null
  PyObject* weakrefs;
  int32_t output;      // which of the node's outputs
  bool requires_grad;  // a leaf that gradients are wanted for
};

/// What the tape keeps of one input or output.
struct Kept {
  PyObject* source =
      nullptr;  // the node that made it, or the leaf itself; null: no gradient wanted
  int output = 0;
  Array array;           // without storage where the rule does not need the elements
  uint64_t version = 0;  // of a state storage when it was kept
};

/// `_core.Node`: one op on the tape. Created here; rules, backward and modes are Python.
struct NodeObject {
  PyObject_HEAD AnyOp op;
  std::vector<Kept> inputs, outputs;
  uint64_t sequence;
  bool released;
};

/// Python classes and switches that the Python side registers once.
struct Registered {
  PyTypeObject* array = nullptr;     // _core.Array
  PyTypeObject* node = nullptr;      // _core.Node
  PyTypeObject* tensor = nullptr;    // pyneuro.Tensor: what every op gives
  PyTypeObject* symbolic = nullptr;  // KerasTensor
  PyObject* convert = nullptr;       // anything -> Tensor, for inputs that are no Tensor
  PyObject* record_symbolic = nullptr;
  PyObject* errors[8] = {};  // by ErrorKind
  PyObject* gradient_error = nullptr;
  PyObject* floatx = nullptr;  // () -> name of the default floating dtype
};
Registered& registered();

/// What the tape keeps for an op's rules; ops that were never declared have no gradient at all.
struct TapeRule {
  bool declared = false, differentiable = false;
  bool keeps_inputs = false, keeps_output = false,
       keeps_rest = false;  // rest: outputs but the first
};
TapeRule& tape_rule(int op_id);
bool& grad_enabled() noexcept;  // of this thread

inline bool is_array(PyObject* o) { return PyObject_TypeCheck(o, registered().array); }
inline ArrayObject* as_array(PyObject* o) { return reinterpret_cast<ArrayObject*>(o); }
/// Casts, or raises TypeError.
ArrayObject* expect_array(PyObject* o);

/// New references; null with a Python error set.
PyObject* new_tensor(Array array, PyObject* node = nullptr, int output = 0);
PyObject* dtype_text(DType d);
PyObject* to_tuple(const Dims& dims);
bool to_dtype(PyObject* o, DType& out);
bool to_dims(PyObject* o, Dims& out, const char* what);
DType floatx();
/// A 0-d array holding a Python number.
Array scalar_array(PyObject* number, DType dtype);

/// Sets the Python error that belongs to the C++ exception being handled.
void set_python_error() noexcept;

/// Runs an op on Python inputs and wraps what it gives. `inputs` are borrowed.
PyObject* run_op(const OpInfo& row, const void* op, PyObject* const* inputs, Py_ssize_t n);

/// Tells a recorder that the elements are about to be seen; raises on the meta device.
void note_read(const Array& array);
Array dense_array(const Array& array);

PyTypeObject* make_array_type(PyObject* module);
PyTypeObject* make_node_type(PyObject* module);
PyObject* make_node(OpRef op, std::span<ArrayObject* const> inputs, Outputs& outputs);
PyObject* numbers_slot_not_implemented();
const PyType_Slot* number_slots(size_t& count);

void bind_ops(pybind11::module_& m);
void bind_arrays(pybind11::module_& m);
void bind_plan(pybind11::module_& m);
void bind_runtime(pybind11::module_& m);
void bind_public(pybind11::module_& m);

}  // namespace pyneuro::bindings
