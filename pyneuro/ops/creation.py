"""New tensors from shapes and numbers, casts, NumPy in and out, and what a tensor is."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..autograd import gradient, not_differentiable
from ..config import floatx
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply, convert, is_tensor
from .arguments import FLOATS, Shape, TensorLike, dtype_name, floating, shape_tuple, tensor

__all__ = ["is_tensor"]

not_differentiable("full", "arange")

_EXACT = 2**53  # whole numbers beyond it are not all float64, which a fill value is


def _fill(shape: tuple[int, ...], value: float, dtype: str) -> Tensor:
    return apply("full", shape=shape, value=value, dtype=dtype)


def zeros(shape: Shape, dtype: Any = None) -> Tensor:
    """A tensor of zeros.

    Args:
        shape: its shape; one number for a vector.
        dtype: its dtype; default: `floatx`.

    Returns:
        A tensor of the shape.

    Raises:
        ShapeError: a size is negative or no whole number.
        UnknownNameError: no such dtype.

    Example:
        >>> zeros((1, 2)).tolist()
        [[0.0, 0.0]]
    """
    return _fill(shape_tuple(shape), 0.0, dtype_name(dtype or floatx()))


def ones(shape: Shape, dtype: Any = None) -> Tensor:
    """A tensor of ones, as `zeros` gives zeros.

    Example:
        >>> ones(2, dtype="int32").tolist()
        [1, 1]
    """
    return _fill(shape_tuple(shape), 1.0, dtype_name(dtype or floatx()))


@public
def full(shape: Shape, fill_value: TensorLike, dtype: Any = None) -> Tensor:
    """A tensor filled with one value.

    Args:
        shape: its shape; one number for a vector.
        fill_value: a number, or a tensor that broadcasts to the shape.
        dtype: its dtype; default: `floatx`.

    Returns:
        A tensor of the shape.

    Raises:
        ShapeError: a bad shape, or one that `fill_value` does not broadcast to.

    Example:
        >>> full((2,), 7).tolist()
        [7.0, 7.0]
    """
    return _full(shape_tuple(shape), fill_value, dtype_name(dtype or floatx()))


def _full(shape: tuple[int, ...], value: TensorLike, dtype: str) -> Tensor:
    if isinstance(value, (bool, int, float)) and not (
        isinstance(value, int) and abs(value) > _EXACT
    ):
        return _fill(shape, float(value), dtype)
    return apply("broadcast_to", convert(value, dtype), shape=shape)


@public
def zeros_like(x: TensorLike, dtype: Any = None) -> Tensor:
    """Zeros in `x`'s shape and, unless given, dtype.

    Example:
        >>> zeros_like([1, 2]).tolist()
        [0, 0]
    """
    x = tensor(x)
    return _fill(x.shape, 0.0, dtype_name(dtype or x.dtype))


@public
def ones_like(x: TensorLike, dtype: Any = None) -> Tensor:
    """Ones in `x`'s shape and, unless given, dtype.

    Example:
        >>> ones_like([1, 2]).tolist()
        [1, 1]
    """
    x = tensor(x)
    return _fill(x.shape, 1.0, dtype_name(dtype or x.dtype))


@public
def full_like(x: TensorLike, fill_value: TensorLike, dtype: Any = None) -> Tensor:
    """`fill_value` in `x`'s shape and, unless given, dtype.

    Example:
        >>> full_like([1, 2], 5).tolist()
        [5, 5]
    """
    x = tensor(x)
    return _full(x.shape, fill_value, dtype_name(dtype or x.dtype))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """`start`, `start + step`, ... up to and without `stop`.

    Args:
        start: the first number; with `stop` missing it is the end, and the first is 0.
        stop: the end, excluded.
        step: the distance, 1 by default; may be negative.
        dtype: default: int32 where all three are whole numbers, else `floatx`.

    Returns:
        A vector.

    Raises:
        ArgumentError: `step` is 0.

    Example:
        >>> arange(3).tolist(), arange(1.0, 0.0, -0.5).tolist()
        ([0, 1, 2], [1.0, 0.5])
    """
    start, stop = (0, start) if stop is None else (start, stop)
    first, last, by = (_scalar(v) for v in (start, stop, 1 if step is None else step))
    if by == 0:
        raise ArgumentError("arange: step is 0")
    whole = all(isinstance(v, int) for v in (first, last, by))
    count = -((first - last) // by) if whole else math.ceil((last - first) / by)
    name = dtype_name(dtype or ("int32" if whole else floatx()))
    return apply("arange", start=float(first), step=float(by), size=max(int(count), 0), dtype=name)


def _scalar(value: Any) -> int | float:
    """A Python number from a number or a tensor of one element."""
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        value = value.item()
    return int(value) if isinstance(value, (bool, int)) else float(value)


@public
def linspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Tensor | tuple[Tensor, Tensor]:
    """`num` numbers at equal distances from `start` to `stop`.

    Args:
        start: the first number, or a tensor of them.
        stop: the last number, or a tensor of them.
        num: how many.
        endpoint: whether `stop` is one of them.
        retstep: whether to give the distance as well.
        dtype: default: the floating dtype of `start` and `stop`; integers are rounded down.
        axis: where in the result the new axis stands.

    Returns:
        The numbers, or with `retstep` the pair (numbers, distance).

    Raises:
        ArgumentError: `num` is negative.

    Example:
        >>> linspace(0.0, 1.0, 5).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if operator.index(num) < 0:
        raise ArgumentError(f"linspace: num must not be negative, got {num}")
    first, last = floating(start), floating(stop)
    parts = num - 1 if endpoint else num
    span = last - first
    step = span / float(parts) if parts > 0 else span * math.nan
    place = apply("arange", start=0.0, step=1.0, size=num, dtype=span.dtype)
    place = apply("reshape", place, shape=(num,) + (1,) * span.ndim)
    out = place * step + first if parts > 0 else apply("add", place, first)
    if endpoint and num > 1:  # the last is `stop` itself, without the rounding of the steps
        out = apply("where", apply("equal", place, float(num - 1)), last, out)
    if dtype is not None:
        name = dtype_name(dtype)
        out = (out if name in FLOATS else apply("floor", out)).astype(name)
    if axis != 0:
        order = list(range(1, out.ndim))
        order.insert(axis if axis >= 0 else out.ndim + axis, 0)
        out = apply("transpose", out, axes=order)
    return (out, step) if retstep else out


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:  # noqa: N803
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        N: how many rows.
        M: how many columns; default `N`.
        k: which diagonal: 0 the main one, above 0 those to its right.
        dtype: default: `floatx`.

    Returns:
        A tensor (N, M).

    Example:
        >>> eye(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return apply("cast", _diagonals("equal", N, M, k), dtype=dtype_name(dtype or floatx()))


def identity(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix (n, n).

    Example:
        >>> identity(1).tolist()
        [[1.0]]
    """
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:  # noqa: N803
    """A matrix (N, M) with ones on diagonal `k` and below, zeros above.

    Example:
        >>> tri(2).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    return apply("cast", _diagonals("greater_equal", N, M, k), dtype=dtype_name(dtype or floatx()))


@public
def tril(x: TensorLike, k: int = 0) -> Tensor:
    """The matrices of the last two axes with zeros above diagonal `k`.

    Example:
        >>> tril([[1, 2], [3, 4]]).tolist()
        [[1, 0], [3, 4]]
    """
    x = _matrices("tril", x)
    return apply("where", _diagonals("greater_equal", x.shape[-2], x.shape[-1], k), x, False)


@public
def triu(x: TensorLike, k: int = 0) -> Tensor:
    """The matrices of the last two axes with zeros below diagonal `k`.

    Example:
        >>> triu([[1, 2], [3, 4]]).tolist()
        [[1, 2], [0, 4]]
    """
    x = _matrices("triu", x)
    return apply("where", _diagonals("less_equal", x.shape[-2], x.shape[-1], k), x, False)


def _matrices(op: str, x: TensorLike) -> Tensor:
    given = tensor(x)
    if given.ndim < 2:
        raise ShapeError(f"{op}: x must have at least 2 dimensions, but its shape is {given.shape}")
    return given


def _diagonals(compare: str, rows: int, columns: int | None, k: int) -> Tensor:
    """Whether `row + k` compares with `column`, as a matrix of bool."""
    columns = rows if columns is None else columns
    row = apply("arange", start=float(k), step=1.0, size=rows, dtype="int32")
    column = apply("arange", start=0.0, step=1.0, size=columns, dtype="int32")
    return apply(compare, apply("reshape", row, shape=(rows, 1)), column)


# ---- conversion --------------------------------------------------------------------------------


@public
def convert_to_tensor(
    x: TensorLike, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None
) -> Tensor:
    """`x` as a tensor.

    Args:
        x: a tensor, NumPy array (shared where possible), number, or nested list of numbers.
        dtype: its dtype; default: `x`'s own, `floatx` for Python floats, int32 for Python ints.
        sparse: accepted for Keras's signature; only dense tensors exist.
        ragged: accepted for Keras's signature.

    Returns:
        A tensor.

    Raises:
        ArgumentError: a sparse or ragged tensor is asked for.

    Example:
        >>> convert_to_tensor([1.5, 2]).dtype
        'float32'
    """
    if sparse or ragged:
        raise ArgumentError("convert_to_tensor: only dense tensors exist")
    return convert(x, None if dtype is None else dtype_name(dtype))


def array(x: TensorLike, dtype: Any = None) -> Tensor:
    """`x` as a tensor: `convert_to_tensor` under NumPy's name.

    Example:
        >>> array([1, 2]).dtype
        'int32'
    """
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: TensorLike) -> np.ndarray[Any, Any]:
    """`x` as a NumPy array, read-only where it shares the tensor's memory.

    Example:
        >>> convert_to_numpy(zeros(2)).tolist()
        [0.0, 0.0]
    """
    return tensor(x).numpy()


@public
def cast(x: TensorLike, dtype: Any) -> Tensor:
    """`x` in another dtype: floats to integers drop the fraction, to bool means not 0.

    Raises:
        UnknownNameError: no such dtype.

    Example:
        >>> cast([0.5, 2.7], "int32").tolist()
        [0, 2]
    """
    return tensor(x).astype(dtype_name(dtype))


gradient("cast", lambda node, g: g, keeps="none")


@public
def copy(x: TensorLike) -> Tensor:
    """`x` in memory of its own.

    Example:
        >>> copy([1, 2]).tolist()
        [1, 2]
    """
    return apply("copy", x)


gradient("copy", lambda node, g: g, keeps="none")


@public
def stop_gradient(variable: TensorLike) -> Tensor:
    """The same values, which no gradient passes through.

    Example:
        >>> stop_gradient([1.0]).requires_grad
        False
    """
    return tensor(variable).detach()


def shape(x: TensorLike) -> tuple[int | None, ...]:
    """The shape of `x`; `None` stands for what a symbolic tensor does not know.

    Example:
        >>> shape([[1, 2]])
        (1, 2)
    """
    return tuple(x.shape if hasattr(x, "shape") else np.shape(x))


def ndim(x: TensorLike) -> int:
    """How many axes `x` has.

    Example:
        >>> ndim([[1, 2]])
        2
    """
    return len(shape(x))


def size(x: TensorLike) -> int | None:
    """How many elements `x` has; `None` where a symbolic tensor does not know.

    Example:
        >>> size([[1, 2]])
        2
    """
    sizes = shape(x)
    return None if None in sizes else math.prod(n for n in sizes if n is not None)


def dtype(x: TensorLike) -> str:
    """The name of `x`'s dtype.

    Example:
        >>> dtype([1.0])
        'float32'
    """
    return str(x.dtype) if hasattr(x, "dtype") else tensor(x).dtype
