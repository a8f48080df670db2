"""Arguments as users write them, turned into what native ops take: dtypes, shapes, axes.

Names and sizes are handled here; nothing in this file computes with tensors but by casting them.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..config import floatx, image_data_format
from ..device import device
from ..errors import ArgumentError, DTypeError, ShapeError, unknown_name
from ..tensor import Tensor, apply, convert

TensorLike: TypeAlias = Any
"""A Tensor, Variable, KerasTensor, NumPy array, number, or nested list of numbers."""
Axis: TypeAlias = int | Sequence[int] | None
Shape: TypeAlias = int | Sequence[int]

FLOATS = frozenset(("float16", "bfloat16", "float32", "float64"))
INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
COMPLEX = frozenset(("complex64", "complex128"))
_KNOWN = FLOATS | INTEGERS | COMPLEX | {"bool"}


def dtype_name(dtype: Any) -> str:
    """The name of a dtype given as a name, a NumPy or Python type, "int" or "float"."""
    if type(dtype) is str and dtype in _KNOWN:
        return dtype
    if dtype in (float, "float"):
        return floatx()
    if dtype in (int, "int"):
        return "int32"
    name = dtype if isinstance(dtype, str) else _numpy_name(dtype)
    if name not in _KNOWN:
        raise unknown_name("dtype", name, sorted(_KNOWN))
    return name


def _numpy_name(dtype: Any) -> str:
    try:
        return str(np.dtype(dtype).name)
    except TypeError:
        raise DTypeError(f"expected a dtype such as 'float32', got {dtype!r}") from None


@functools.cache
def common_dtype(*dtypes: str) -> str:
    """The dtype that operands meet in, asked of the native table."""
    with device("meta"):
        xs = [apply("full", shape=(1,), value=0.0, dtype=dtype) for dtype in dtypes]
    return apply("concatenate", *xs, axis=0).dtype


def tensor(x: TensorLike) -> Tensor:
    """`x` itself where it is a Tensor, else a new one."""
    return x if isinstance(x, Tensor) else convert(x)


def floating(x: TensorLike) -> Tensor:
    """`x` as a tensor of a floating dtype: integers and bool become `floatx`."""
    x = tensor(x)
    return x if x.dtype in FLOATS else apply("cast", x, dtype=floatx())


def bias_of(bias: TensorLike | None, x: Tensor) -> Tensor | None:
    """The bias in the dtype of `x`."""
    if bias is None:
        return None
    bias = floating(bias)
    return bias if bias.dtype == x.dtype else bias.astype(x.dtype)


def number(x: TensorLike) -> Tensor:
    """`x` as a tensor that is not of bool: bool becomes int32."""
    x = tensor(x)
    return x if x.dtype != "bool" else apply("cast", x, dtype="int32")


def operands(x1: TensorLike, x2: TensorLike) -> tuple[Any, Any]:
    """Both as tensors, but for a Python number, which will take the other's dtype."""
    if not isinstance(x1, (Tensor, bool, int, float)):
        x1 = convert(x1)
    if not isinstance(x2, (Tensor, bool, int, float)):
        x2 = convert(x2)
    return x1, x2


def is_floating(x: Any) -> bool:
    """Whether a Tensor or a Python number is floating."""
    return x.dtype in FLOATS if isinstance(x, Tensor) else isinstance(x, float)


def is_bool(x: Any) -> bool:
    """Whether a Tensor or a Python number is of bool."""
    return x.dtype == "bool" if isinstance(x, Tensor) else isinstance(x, bool)


def shape_tuple(shape: Shape | Tensor) -> tuple[int, ...]:
    """A shape given as one size, a sequence, or a tensor of integers."""
    if isinstance(shape, (Tensor, np.ndarray)):
        shape = shape.tolist()
    try:
        if isinstance(shape, Sequence):
            return tuple(map(operator.index, shape))
        return (operator.index(shape),)
    except TypeError:
        raise ShapeError(f"a shape must be made of whole numbers, got {shape!r}") from None


def normalize_axis(op: str, axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        ShapeError: there is no such axis.
    """
    try:
        index = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"{op}: axis must be a whole number, got {axis!r}") from None
    if not -rank <= index < rank:
        dimensions = "1 dimension" if rank == 1 else f"{rank} dimensions"
        raise ShapeError(f"{op}: axis {axis} is out of range for {dimensions}")
    return index % rank


def normalize_axes(op: str, axes: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, in the order given.

    Raises:
        ShapeError: there is no such axis, or one is given twice.
    """
    if not isinstance(axes, Sequence):
        return (normalize_axis(op, axes, rank),)
    out = tuple(normalize_axis(op, axis, rank) for axis in axes)
    if len(set(out)) != len(out):
        raise ShapeError(f"{op}: an axis is given twice in {tuple(axes)}")
    return out


def whole_numbers(
    owner: str, argument: str, value: Any, rank: int, least: int = 1
) -> tuple[int, ...]:
    """One whole number for each of `rank` dimensions, given as one or as a sequence of them.

    Raises:
        ArgumentError: naming owner and argument.
    """
    numbers = tuple(value) if isinstance(value, Sequence) else (value,) * rank
    whole = all(hasattr(n, "__index__") and not isinstance(n, bool) for n in numbers)
    if not whole or len(numbers) != rank or any(n < least for n in numbers):
        many = f", or {rank} of them" if rank > 1 else ""
        raise ArgumentError(
            f"{owner}: {argument} must be a whole number >= {least}{many}, got {value!r}"
        )
    return tuple(int(n) for n in numbers)


def layout(owner: str, data_format: str | None) -> str:
    """Where channels lie: "channels_last" or "channels_first", as given or else as configured.

    Raises:
        ArgumentError: naming the owner.
    """
    chosen = image_data_format() if data_format is None else data_format
    if chosen not in ("channels_last", "channels_first"):
        raise ArgumentError(
            f"{owner}: data_format must be 'channels_last' or 'channels_first', got {data_format!r}"
        )
    return chosen
