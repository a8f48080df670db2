// Python's operators on Arrays: each is one op of the table, without a detour through Python.
#include "bindings/bindings.h"

namespace pyneuro::bindings {
namespace {

bool is_number(PyObject* o) { return PyFloat_Check(o) || PyLong_Check(o) || PyBool_Check(o); }

/// What stands beside a Tensor in an expression: arrays, numbers and lists; anything else may know
/// better itself (KerasTensor does).
bool is_operand(PyObject* o) {
  if (is_array(o) || is_number(o)) return true;
  if (o == Py_None || PyUnicode_Check(o) || Py_TYPE(o) == registered().symbolic) return false;
  return PyObject_CheckBuffer(o) || PyList_Check(o) || PyTuple_Check(o) || PyComplex_Check(o) ||
         PyObject_HasAttrString(o, "__array__");
}

template <class T> PyObject* binary(PyObject* a, PyObject* b) {
  if (!is_operand(a) || !is_operand(b)) Py_RETURN_NOTIMPLEMENTED;
  const T op{};
  PyObject* inputs[] = {a, b};
  return run_op(op_info(op_id<T>), &op, inputs, 2);
}
template <class F> PyObject* binary_of(PyObject* a, PyObject* b) { return binary<Binary<F>>(a, b); }

template <class F> PyObject* unary_of(PyObject* x) {
  const Unary<F> op{};
  return run_op(op_info(op_id<Unary<F>>), &op, &x, 1);
}

/// Integers divide as floats: both sides become floatx first.
PyObject* true_divide(PyObject* a, PyObject* b) {
  if (!is_operand(a) || !is_operand(b)) Py_RETURN_NOTIMPLEMENTED;
  bool floating = false;
  for (PyObject* o : {a, b})
    floating |= is_array(o) ? is_floating(as_array(o)->array.dtype()) : !PyLong_Check(o);
  if (floating) return binary_of<formulas::Divide>(a, b);
  PyObject* sides[2] = {nullptr, nullptr};
  PyObject* given[2] = {a, b};
  Cast cast{};
  try {
    cast.dtype = floatx();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  for (int i = 0; i < 2; ++i) {
    sides[i] = is_array(given[i]) ? run_op(op_info(op_id<Cast>), &cast, &given[i], 1)
                                  : Py_NewRef(given[i]);
  }
  PyObject* out = sides[0] && sides[1] ? binary_of<formulas::Divide>(sides[0], sides[1]) : nullptr;
  Py_XDECREF(sides[0]);
  Py_XDECREF(sides[1]);
  return out;
}

/// x ** 2 is x * x: exact and quick; everything else is power.
PyObject* power(PyObject* a, PyObject* b, PyObject*) {
  if (is_array(a) && PyLong_CheckExact(b)) {
    int overflow = 0;
    if (PyLong_AsLongAndOverflow(b, &overflow) == 2 && !overflow)
      return unary_of<formulas::Square>(a);
  }
  return binary_of<formulas::Power>(a, b);
}

PyObject* matrix_product(PyObject* a, PyObject* b) { return binary<Matmul>(a, b); }

PyObject* positive(PyObject* x) { return Py_NewRef(x); }

/// ~ & | ^ are logical and for bool only.
bool expect_bool(PyObject* o, const char* sign) {
  const bool fine =
      is_array(o) ? is_bool(as_array(o)->array.dtype()) : !is_number(o) || PyBool_Check(o);
  if (!fine)
    PyErr_Format(registered().errors[int(ErrorKind::DType)],
                 "%s works on bool tensors; compare first, as in (x > 0) %s (y > 0)", sign, sign);
  return fine;
}
PyObject* invert(PyObject* x) {
  return expect_bool(x, "~") ? unary_of<formulas::LogicalNot>(x) : nullptr;
}
template <class F, char sign> PyObject* logical(PyObject* a, PyObject* b) {
  if (!is_operand(a) || !is_operand(b)) Py_RETURN_NOTIMPLEMENTED;
  const char text[] = {sign, 0};
  return expect_bool(a, text) && expect_bool(b, text) ? binary_of<F>(a, b) : nullptr;
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
  switch (op) {
    case Py_EQ: return binary_of<formulas::Equal>(a, b);
    case Py_NE: return binary_of<formulas::NotEqual>(a, b);
    case Py_LT: return binary_of<formulas::Less>(a, b);
    case Py_LE: return binary_of<formulas::LessEqual>(a, b);
    case Py_GT: return binary_of<formulas::Greater>(a, b);
    default: return binary_of<formulas::GreaterEqual>(a, b);
  }
}

template <class F> void* pointer(F* f) { return reinterpret_cast<void*>(f); }

}  // namespace

const PyType_Slot* number_slots(size_t& count) {
  namespace f = formulas;
  static const PyType_Slot slots[] = {
      {Py_nb_add, pointer(binary_of<f::Add>)},
      {Py_nb_subtract, pointer(binary_of<f::Subtract>)},
      {Py_nb_multiply, pointer(binary_of<f::Multiply>)},
      {Py_nb_true_divide, pointer(true_divide)},
      {Py_nb_floor_divide, pointer(binary_of<f::FloorDivide>)},
      {Py_nb_remainder, pointer(binary_of<f::Mod>)},
      {Py_nb_power, pointer(power)},
      {Py_nb_matrix_multiply, pointer(matrix_product)},
      {Py_nb_negative, pointer(unary_of<f::Negative>)},
      {Py_nb_positive, pointer(positive)},
      {Py_nb_absolute, pointer(unary_of<f::Absolute>)},
      {Py_nb_invert, pointer(invert)},
      {Py_nb_and, pointer(logical<f::LogicalAnd, '&'>)},
      {Py_nb_or, pointer(logical<f::LogicalOr, '|'>)},
      {Py_nb_xor, pointer(logical<f::LogicalXor, '^'>)},
      {Py_tp_richcompare, pointer(compare)},
  };
  count = sizeof slots / sizeof slots[0];
  return slots;
}

}  // namespace pyneuro::bindings
