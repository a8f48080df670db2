"""What runs along an axis in order: sorting, running sums and products.

Equal elements keep their order, and NaN counts as the largest, as in NumPy.
"""

from __future__ import annotations

from typing import Any

from ..autograd import gradient
from ..errors import ArgumentError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, dtype_name, number, tensor

__all__ = [
    "argpartition",
    "argsort",
    "cumprod",
    "cumsum",
    "in_top_k",
    "nancumprod",
    "nancumsum",
    "sort",
    "top_k",
]


# ---- sorting -----------------------------------------------------------------------------------


def _sorted(
    x: TensorLike, axis: int | None, descending: bool = False, k: int = -1
) -> tuple[Tensor, Tensor]:
    x = tensor(x)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    values, positions = apply("sort", x, axis=axis, descending=descending, k=k)
    return values, positions


def _sort_gradient(node: Any, g: Any) -> Tensor:
    axis = node.fields["axis"]
    size = node.input_specs[0][0][axis]
    return apply("take_along_axis_grad", g[0], node.outputs[1], axis=axis, size=size)


gradient("sort", _sort_gradient, keeps="rest")


@public
def sort(x: TensorLike, axis: int | None = -1) -> Tensor:
    """The elements along an axis in ascending order.

    Args:
        x: a tensor.
        axis: the axis; `None`: `x` is flattened first.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> sort([3, 1, 2]).tolist()
        [1, 2, 3]
    """
    return _sorted(x, axis)[0]


@public
def argsort(x: TensorLike, axis: int | None = -1) -> Tensor:
    """The int32 positions that put the elements along an axis in ascending order.

    Args:
        x: a tensor.
        axis: the axis; `None`: `x` is flattened first.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> argsort([3, 1, 2]).tolist()
        [1, 2, 0]
    """
    return _sorted(x, axis)[1]


@public
def top_k(x: TensorLike, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along the last axis, and where they are.

    Args:
        x: a tensor of at least one axis.
        k: how many.
        sorted: accepted for Keras's signature; they always are, the largest first.

    Returns:
        A pair (values, int32 positions), both (..., k).

    Raises:
        ArgumentError: there are fewer than `k`.

    Example:
        >>> values, positions = top_k([1, 5, 3], 2)
        >>> values.tolist(), positions.tolist()
        ([5, 3], [1, 2])
    """
    if k < 0:
        raise ArgumentError(f"top_k: k must not be negative, got {k}")
    return _sorted(x, -1, descending=True, k=k)


@public
def argpartition(x: TensorLike, kth: int, axis: int | None = -1) -> Tensor:
    """Positions that put the `kth` element where sorting would, smaller ones before it.

    Args:
        x: a tensor.
        kth: a position along the axis.
        axis: the axis; `None`: `x` is flattened first.

    Returns:
        An int32 tensor; here the elements are sorted altogether.

    Raises:
        ArgumentError: there is no such position.

    Example:
        >>> argpartition([3, 1, 2], 1).tolist()
        [1, 2, 0]
    """
    positions = _sorted(x, axis)[1]
    n = positions.shape[-1 if axis is None else axis]
    if not -n <= kth < n:
        raise ArgumentError(f"argpartition: kth is {kth}, but there are {n} elements")
    return positions


@public
def in_top_k(targets: TensorLike, predictions: TensorLike, k: int) -> Tensor:
    """Whether each target class is among the `k` with the largest predictions.

    Args:
        targets: class numbers (batch,).
        predictions: (batch, classes); ties with the target's do not count against it.
        k: how many.

    Returns:
        A bool tensor (batch,); false where the target's prediction is not finite.

    Example:
        >>> in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], 1).tolist()
        [True, False]
    """
    targets, predictions = tensor(targets), tensor(predictions)
    place = apply("reshape", targets, shape=(targets.size, 1))
    own = apply("take_along_axis", predictions, place, axis=-1)
    above = apply("cast", apply("greater", predictions, own), dtype="int32")
    few = apply("less", apply("sum", above, axes=(-1,), keepdims=False), k)
    finite = apply("reshape", apply("isfinite", own), shape=targets.shape)
    return apply("logical_and", few, finite)


# ---- running sums and products -----------------------------------------------------------------


def _running(op: str, x: TensorLike, axis: int | None, dtype: Any) -> Tensor:
    x = number(x) if dtype is None else tensor(x).astype(dtype_name(dtype))
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    return apply(op, x, axis=axis)


@public
def cumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The sums of all elements up to each one along an axis.

    Args:
        x: a tensor; bool becomes int32.
        axis: the axis; default: `x` is flattened first.
        dtype: the dtype to add up in; default: `x`'s.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> cumsum([1, 2, 3]).tolist()
        [1, 3, 6]
    """
    return _running("cumsum", x, axis, dtype)


@public
def cumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The products of all elements up to each one along an axis.

    Args:
        x: a tensor; bool becomes int32.
        axis: the axis; default: `x` is flattened first.
        dtype: the dtype to multiply in; default: `x`'s.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> cumprod([1, 2, 3]).tolist()
        [1, 2, 6]
    """
    return _running("cumprod", x, axis, dtype)


@public
def nancumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Tensor:
    """As `cumsum`, where NaN counts as 0.

    Example:
        >>> nancumsum([1.0, float("nan"), 2.0]).tolist()
        [1.0, 1.0, 3.0]
    """
    x = tensor(x)
    return _running("cumsum", apply("where", apply("isnan", x), 0.0, x), axis, dtype)


@public
def nancumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Tensor:
    """As `cumprod`, where NaN counts as 1.

    Example:
        >>> nancumprod([2.0, float("nan"), 2.0]).tolist()
        [2.0, 2.0, 4.0]
    """
    x = tensor(x)
    return _running("cumprod", apply("where", apply("isnan", x), 1.0, x), axis, dtype)


def _shifted(x: Tensor, axis: int, by_one_later: bool, fill: float) -> Tensor:
    """`x` moved by one along an axis; `fill` comes in, the element at the other end drops out."""
    axis %= x.ndim
    n = x.shape[axis]
    if n == 0:
        return x
    thin = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    new = apply("full", shape=thin, value=fill, dtype=x.dtype)
    start, stop = [0] * x.ndim, list(x.shape)
    if by_one_later:
        stop[axis] -= 1
    else:
        start[axis] = 1
    rest = apply("slice", x, start=start, stop=stop, step=[1] * x.ndim)
    return apply("concatenate", *((new, rest) if by_one_later else (rest, new)), axis=axis)


def _cumprod_gradient(node: Any, g: Tensor) -> Tensor:
    # The product before x_i, times what g weighs of the products after it; no division, so zeros
    # need no care.
    axis, reverse = node.fields["axis"], node.fields["reverse"]
    x = node.inputs[0]
    before = _shifted(apply("cumprod", x, axis=axis, reverse=reverse), axis, not reverse, 1.0)
    weights = _shifted(x, axis, reverse, 0.0)
    return before * apply("linear_recurrence", weights, g, axis=axis, reverse=not reverse)


def _recurrence_back(node: Any, g: Tensor) -> Tensor:
    axis, reverse = node.fields["axis"], node.fields["reverse"]
    weights = _shifted(node.inputs[0], axis, reverse, 0.0)
    return apply("linear_recurrence", weights, g, axis=axis, reverse=not reverse)


def _recurrence_weights(node: Any, g: Tensor) -> Tensor:
    axis, reverse = node.fields["axis"], node.fields["reverse"]
    y = apply("linear_recurrence", *node.inputs, axis=axis, reverse=reverse)
    return _recurrence_back(node, g) * _shifted(y, axis, not reverse, 0.0)


gradient(
    "cumsum",
    lambda node, g: apply(
        "cumsum", g, axis=node.fields["axis"], reverse=not node.fields["reverse"]
    ),
    keeps="none",
)
gradient("cumprod", _cumprod_gradient)
gradient("linear_recurrence", _recurrence_weights, _recurrence_back)
