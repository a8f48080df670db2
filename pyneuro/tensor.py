"""Tensor, and apply(): the one door from Python to the native ops.

A Tensor is native memory with a place on the tape. It has value semantics: nothing ever changes the
elements that a Tensor shows, except those of a Variable, by assignment.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from . import _core, config, errors, indexing
from .autograd import backward as _backward
from .errors import ArgumentError, DTypeError, ShapeError

__all__ = [
    "Tensor",
    "apply",
    "convert",
    "is_tensor",
    "register_host_function",
    "unregister_host_function",
]

apply = _core.apply
"""apply(op, *inputs, **fields): run a native op on tensors, arrays and numbers."""

empty_meta = _core.empty_meta
"""empty_meta(shape, dtype): a Tensor on the meta device."""
public_type = _core.Public
register_symbolic = _core.register_symbolic

_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Tensor(_core.Array):
    """An n-dimensional array of one dtype, that gradients can be computed through.

    Args:
        data: array, nested lists of numbers, or number. A NumPy array is shared, not copied, where
        its
            dtype fits; do not change it afterwards.
        dtype: name of the element type. Defaults to that of an array, `floatx` for Python floats,
            "int32" for ints, "bool" for bools.

    Raises:
        DTypeError: if the elements are no numbers.
        ShapeError: if nested lists are ragged.

    Example:
        >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.shape, x.dtype
        ((2, 2), 'float32')
        >>> x @ x
        Tensor([[ 7., 10.],
                [15., 22.]])
    """

    # One base and no slots: a mixin would make every Tensor tracked by the garbage collector.
    __slots__ = ()
    __array_priority__ = 1000  # so that `ndarray + tensor` asks the tensor
    __getitem__ = indexing.read
    __setitem__ = indexing.write

    def __init__(self, data: Any, dtype: str | None = None) -> None:
        _core.rebind(self, convert(data, dtype))

    # ---- elements out --------------------------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """The elements as a NumPy array: the same memory, read-only; a copy for a Variable.

        Returns:
            An array of the same shape and dtype (bfloat16 is that of the package ml_dtypes).

        Raises:
            DeviceError: on the meta device, which holds no elements.

        Example:
            >>> Tensor([1, 2]).numpy()
            array([1, 2], dtype=int32)
        """
        if self.dtype == "bfloat16" or self.is_state or self._pending is not None:
            return np.frombuffer(_core.to_bytes(self), _numpy_dtype(self.dtype)).reshape(self.shape)
        return np.asarray(memoryview(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def item(self) -> Any:
        """The only element, as a Python number.

        Raises:
            ShapeError: if there is not exactly one.
        """
        return _core.item(self)

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.numpy().tolist()

    # ---- other forms -----------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The transpose: axes in reverse order."""
        return apply("transpose", self)

    def astype(self, dtype: str) -> Tensor:
        """The elements as another dtype; itself if it has that dtype.

        Args:
            dtype: name of the dtype. Floats become integers by dropping the fraction; what does not
            fit
                saturates.
        """
        return self if self.dtype == dtype else apply("cast", self, dtype=dtype)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements under another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return apply("reshape", self, shape=sizes)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order; without arguments in reverse order."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return apply("transpose", self, axes=order or ())

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The sum over some or all axes."""
        return apply("sum", self, axes=() if axis is None else axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The mean over some or all axes; of integers as `floatx`."""
        x = self if self.dtype in _FLOATS else self.astype(config.floatx())
        return apply("mean", x, axes=() if axis is None else axis, keepdims=keepdims)

    # ---- gradients -------------------------------------------------------------------------------

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Compute gradients and add them to the `grad` of every Variable that this depends on.

        See `pyneuro.autograd.backward`.
        """
        _backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same elements, off the tape."""
        return _core.detach(self)

    # ---- Python's protocols ---------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("a tensor without dimensions has no length")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(apply("any", self == value))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"a tensor of shape {self.shape} is neither true nor false; use ops.any or ops.all"
            )
        return bool(_core.item(self))

    def __int__(self) -> int:
        return int(_core.item(self))

    def __float__(self) -> float:
        return float(_core.item(self))

    def __complex__(self) -> complex:
        return complex(_core.item(self))

    def __index__(self) -> int:
        if "int" not in self.dtype:
            raise DTypeError(f"a {self.dtype} tensor cannot be an index; integers can")
        return int(_core.item(self))

    def __format__(self, spec: str) -> str:
        return format(_core.item(self), spec) if spec else str(self)

    def __repr__(self) -> str:
        return _text(self)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return _core.detach(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (np.array(self.numpy()),)


def _unpickle(array: np.ndarray[Any, Any]) -> Tensor:
    return convert(array)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a Tensor (a Variable is one)."""
    return isinstance(x, Tensor)


def register_host_function(function: Callable[..., Any]) -> int:
    """Make a Python function callable by the native op "host_call".

    Args:
        function: takes Tensors, gives one Tensor or a tuple of them. It may be called on any
        thread.

    Returns:
        The number to pass as the op's field `callback`. The function is kept until
        `unregister_host_function` is called with that number.
    """
    return int(_core.register_host_function(function))


def unregister_host_function(callback: int) -> None:
    """Let go of a function given to `register_host_function`; later calls of it raise."""
    _core.unregister_host_function(callback)


# ---- values in -----------------------------------------------------------------------------------


def _numpy_dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(name)


def _from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    if array.dtype.name == "bfloat16":
        shared = _core.from_buffer(np.asarray(array, order="C").view(np.uint16), "bfloat16")
    else:
        shared = _core.from_buffer(array)
    if shared is None:  # byte order, alignment, or a dtype of no use
        if array.dtype.kind not in "biufc":
            raise DTypeError(
                f"an array of dtype {array.dtype} cannot be a tensor; numbers and bools can"
            )
        native = np.array(array, array.dtype.newbyteorder("="), order="C")
        shared = _core.from_buffer(native)
        if shared is None:
            raise DTypeError(f"there is no tensor dtype for NumPy's {array.dtype}")
    return shared


def _holds_tensor(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_holds_tensor(item) for item in x)
    return isinstance(x, Tensor)


def _stacked(x: list[Any] | tuple[Any, ...]) -> Tensor:
    """Nested lists with tensors in them, stacked so that gradients pass."""
    parts = [_stacked(i) if isinstance(i, (list, tuple)) else convert(i) for i in x]
    return apply("concatenate", *(apply("reshape", p, shape=(1, *p.shape)) for p in parts), axis=0)


def _from_python(x: Any) -> Tensor:
    """Lists and numbers: floats become `floatx`, ints int32 (int64 where they need it)."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ShapeError(
            "nested lists are ragged: all lists of one level need the same length"
        ) from None
    if array.dtype == np.float64:
        array = array.astype(config.floatx() if config.floatx() != "bfloat16" else "float32")
    elif array.dtype == np.int64 and (array.size == 0 or abs(array).max() < 2**31):
        array = array.astype(np.int32)
    elif array.dtype.kind not in "biufc":
        raise DTypeError(f"a {type(x).__name__} cannot be a tensor; numbers, lists and arrays can")
    tensor = _from_numpy(array)
    return (
        tensor.astype("bfloat16")
        if config.floatx() == "bfloat16" and array.dtype.kind == "f"
        else tensor
    )


def convert(x: Any, dtype: str | None = None) -> Tensor:
    """Make a Tensor of anything that can be one.

    Args:
        x: Tensor, NumPy array or anything with the array or buffer protocol, nested lists, number.
            The memory of an array is shared where dtype, byte order and alignment allow.
        dtype: name of the dtype wanted. Defaults to the array's own, `floatx` for Python floats.

    Returns:
        A Tensor; `x` itself if it is one of that dtype.

    Raises:
        DTypeError: if its elements are no numbers.
        ShapeError: if nested lists are ragged.

    Example:
        >>> convert([1, 2], "float64")
        Tensor([1., 2.], dtype=float64)
    """
    if isinstance(x, Tensor):
        tensor = x
    elif isinstance(x, np.ndarray):
        tensor = _from_numpy(x)
    elif isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        if dtype is None:
            dtype = _number_dtype(x)
        return _core.from_number(x, dtype)
    elif isinstance(x, (list, tuple)):
        tensor = _stacked(x) if x and _holds_tensor(x) else _from_python(x)
    elif x is None or isinstance(x, (str, bytes)):
        raise DTypeError(f"{x!r} cannot be a tensor; numbers, lists and arrays can")
    elif hasattr(x, "__array__") or isinstance(x, (memoryview, bytearray)):
        tensor = _from_numpy(np.asarray(x))
    else:
        tensor = _from_python(x)
    return tensor if dtype is None or tensor.dtype == dtype else apply("cast", tensor, dtype=dtype)


def _number_dtype(x: bool | int | float | complex) -> str:
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, int):
        return "int32" if -(2**31) <= x < 2**31 else "int64"
    return config.floatx() if isinstance(x, float) else "complex64"


# ---- text ----------------------------------------------------------------------------------------


def _text(x: Tensor, name: str = "Tensor") -> str:
    extra = "" if x.dtype in (config.floatx(), "int32", "bool") else f", dtype={x.dtype}"
    if x.device == "meta":
        return f"{name}(shape={x.shape}, dtype={x.dtype}, device=meta)"
    array = x.numpy()
    if x.dtype == "bfloat16":
        array = array.astype(np.float32)
    if x.size == 0:
        extra = f", shape={x.shape}{extra}"
    body = np.array2string(array, separator=", ", prefix=name + "(", threshold=1000)
    return f"{name}({body}{extra})"


_core.register_python(
    Tensor,
    convert,
    {
        "shape": errors.ShapeError,
        "dtype": errors.DTypeError,
        "device": errors.DeviceError,
        "memory": errors.OutOfMemoryError,
        "index": errors.IndexOutOfRangeError,
        "argument": ArgumentError,
        "capture": errors.CaptureError,
        "internal": RuntimeError,
    },
    errors.GradientError,
    config.floatx,
)
assert sys.byteorder == "little", "the file format and the exchange of arrays assume little-endian"
