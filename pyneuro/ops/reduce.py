"""Reductions along axes: sums, means, products, extremes and their positions, with gradients.

`axis` is one axis, several, or `None` for all of them; `keepdims` leaves them in place with size 1.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from ..autograd import gradient, not_differentiable
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import Axis, TensorLike, floating, normalize_axes, tensor

not_differentiable("all", "any", "argmax", "argmin")


def _reduce(op: str, x: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    if axis is None:
        axes: tuple[int, ...] = ()
    elif isinstance(axis, Sequence):
        axes = tuple(map(operator.index, axis))
        if not axes:  # no axis at all, which the native op would read as all of them
            x = tensor(x)
            return apply(op, apply("reshape", x, shape=(*x.shape, 1)), axes=(-1,), keepdims=False)
    else:
        axes = (operator.index(axis),)
    return apply(op, x, axes=axes, keepdims=keepdims)


@public
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum along `axis`.

    Args:
        x: a tensor; bool and integers below 32 bits add up as int32 or uint32.
        axis: one axis, several, or all of them.
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        A tensor without the reduced axes.

    Raises:
        ShapeError: no such axis, or one is given twice.

    Example:
        >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
        [4.0, 6.0]
    """
    return _reduce("sum", x, axis, keepdims)


@public
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean along `axis`; integers become `floatx`. The mean of nothing is NaN.

    Example:
        >>> mean([[1, 2], [3, 4]], axis=1).tolist()
        [1.5, 3.5]
    """
    return _reduce("mean", floating(x), axis, keepdims)


@public
def prod(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, dtype: str | None = None
) -> Tensor:
    """The product along `axis`; its gradient is right where elements are 0, too.

    Args:
        x: a tensor; bool and integers below 32 bits multiply as int32 or uint32.
        axis: one axis, several, or all of them.
        keepdims: leave the reduced axes in place with size 1.
        dtype: the dtype to multiply in; default: `x`'s.

    Returns:
        A tensor without the reduced axes.

    Example:
        >>> prod([1, 2, 3, 4]).item()
        24
    """
    x = tensor(x)
    return _reduce("prod", x if dtype is None else x.astype(dtype), axis, keepdims)


@public
def max(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, initial: float | None = None
) -> Tensor:
    """The largest element along `axis`; NaN wins. Equal ones share the gradient.

    Args:
        x: a tensor.
        axis: one axis, several, or all of them.
        keepdims: leave the reduced axes in place with size 1.
        initial: a lower bound of the result, needed only where there may be no elements.

    Returns:
        A tensor without the reduced axes.

    Raises:
        ShapeError: nothing to choose from and no `initial`.

    Example:
        >>> max([[1, 5], [3, 2]], axis=1).tolist()
        [5, 3]
    """
    return _extreme("max", "maximum", x, axis, keepdims, initial)


@public
def min(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, initial: float | None = None
) -> Tensor:
    """The smallest element along `axis`; NaN wins. Equal ones share the gradient.

    Args:
        x: a tensor.
        axis: one axis, several, or all of them.
        keepdims: leave the reduced axes in place with size 1.
        initial: an upper bound of the result, needed only where there may be no elements.

    Returns:
        A tensor without the reduced axes.

    Raises:
        ShapeError: nothing to choose from and no `initial`.

    Example:
        >>> min([[1, 5], [3, 2]], axis=0).tolist()
        [1, 2]
    """
    return _extreme("min", "minimum", x, axis, keepdims, initial)


def _extreme(
    op: str, pairwise: str, x: TensorLike, axis: Axis, keepdims: bool, initial: float | None
) -> Tensor:
    if initial is None:
        return _reduce(op, x, axis, keepdims)
    x = tensor(x)
    if x.size == 0:
        shape = _reduce("any", x, axis, keepdims).shape
        return apply("full", shape=shape, value=initial, dtype=x.dtype)
    return apply(pairwise, _reduce(op, x, axis, keepdims), initial)


amax = max
amin = min


@public
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along `axis` are true (not 0); of none, true.

    Example:
        >>> all([[True, False], [True, True]], axis=1).tolist()
        [False, True]
    """
    return _reduce("all", x, axis, keepdims)


@public
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element along `axis` is true (not 0); of none, false.

    Example:
        >>> any([[True, False], [False, False]], axis=1).tolist()
        [True, False]
    """
    return _reduce("any", x, axis, keepdims)


@public
def count_nonzero(x: TensorLike, axis: Axis = None) -> Tensor:
    """How many elements along `axis` are not 0, as int32.

    Example:
        >>> count_nonzero([0, 3, 0, 4]).item()
        2
    """
    return _reduce("sum", apply("not_equal", tensor(x), 0), axis, False)


@public
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The int32 position of the first largest element along `axis`; a NaN counts as the largest.

    Args:
        x: a tensor.
        axis: one axis; `None` looks at all elements in row-major order.
        keepdims: leave the axis in place with size 1.

    Returns:
        An int32 tensor without the axis.

    Raises:
        ShapeError: no such axis, or nothing to choose from.

    Example:
        >>> argmax([[1, 5], [3, 2]], axis=1).tolist()
        [1, 0]
    """
    return _position("argmax", x, axis, keepdims)


@public
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The int32 position of the first smallest element along `axis`; a NaN counts as the smallest.

    Example:
        >>> argmin([[1, 5], [3, 2]], axis=1).tolist()
        [0, 1]
    """
    return _position("argmin", x, axis, keepdims)


def _position(op: str, x: TensorLike, axis: int | None, keepdims: bool) -> Tensor:
    x = tensor(x)
    if axis is not None:
        return apply(op, x, axis=axis, keepdims=keepdims)
    flat = apply(op, apply("reshape", x, shape=(x.size,)), axis=0, keepdims=False)
    return apply("reshape", flat, shape=(1,) * x.ndim) if keepdims else flat


@public
def var(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean squared distance from the mean along `axis`; integers become `floatx`.

    Example:
        >>> var([1.0, 3.0]).item()
        1.0
    """
    return _variance(x, axis, keepdims)


@public
def std(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The square root of the variance along `axis`.

    Example:
        >>> std([1.0, 5.0]).item()
        2.0
    """
    return apply("sqrt", _variance(x, axis, keepdims))


def _variance(x: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    x = floating(x)
    if x.dtype in ("float16", "bfloat16"):  # squares leave float16's range
        wide = _variance(apply("cast", x, dtype="float32"), axis, keepdims)
        return apply("cast", wide, dtype=x.dtype)
    centred = x - _reduce("mean", x, axis, True)
    return _reduce("mean", apply("square", centred), axis, keepdims)


@public
def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """`log(sum(exp(x)))` along `axis` without overflow.

    Example:
        >>> logsumexp([1000.0]).item()
        1000.0
    """
    x = floating(x)
    top = _reduce("max", x.detach(), axis, True)
    top = apply("where", apply("isfinite", top), top, 0.0)  # an infinity less itself would be NaN
    total = apply("log", _reduce("sum", apply("exp", x - top), axis, keepdims))
    return total + apply("reshape", top, shape=total.shape)


# ---- gradients ---------------------------------------------------------------------------------


def _shape(node: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = node.input_specs[0][0]
    return shape


def _axes(node: Any) -> tuple[int, ...]:
    rank = len(_shape(node))
    return normalize_axes(node.op, node.fields["axes"], rank) or tuple(range(rank))


def _kept(node: Any, y: Tensor) -> Tensor:
    """`y`, shaped like the output, with the reduced axes in place."""
    if node.fields["keepdims"]:
        return y
    axes = _axes(node)
    shape = tuple(1 if i in axes else n for i, n in enumerate(_shape(node)))
    return apply("reshape", y, shape=shape)


def _sum_gradient(node: Any, g: Tensor) -> Tensor:
    return apply("broadcast_to", _kept(node, g), shape=_shape(node))


def _mean_gradient(node: Any, g: Tensor) -> Tensor:
    shape = _shape(node)
    count = math.prod(shape[i] for i in _axes(node)) or 1  # of nothing there is no gradient
    return apply("broadcast_to", _kept(node, g) / float(count), shape=shape)


def _extreme_gradient(node: Any, g: Tensor) -> Tensor:
    hit = apply("equal", node.inputs[0], _kept(node, node.output))
    count = apply("sum", hit, axes=node.fields["axes"], keepdims=True)
    # Where a NaN won nothing is equal to it: the gradient is 0 / 0 there, NaN as well.
    share = _kept(node, g) / apply("cast", count, dtype=g.dtype)
    return share * apply("cast", hit, dtype=g.dtype)


def _product_of_others(x: Tensor) -> Tensor:
    """For each element of the rows of x [rows, n], the product of all others: never a division.

    Pairs are multiplied, the products of all other pairs found likewise, and each element gets its
    neighbour times those: 2 n products in log2(n) steps.
    """
    rows, n = x.shape
    if n < 2:
        return apply("full", shape=(rows, n), value=1.0, dtype=x.dtype)
    if n % 2:
        one = apply("full", shape=(rows, 1), value=1.0, dtype=x.dtype)
        x = apply("concatenate", x, one, axis=1)
    half = (n + 1) // 2
    left, right = apply("split", apply("reshape", x, shape=(rows, half, 2)), sizes=(1, 1), axis=2)
    pairs = apply("reshape", left * right, shape=(rows, half))
    outside = apply("reshape", _product_of_others(pairs), shape=(rows, half, 1))
    others = apply("concatenate", right * outside, left * outside, axis=2)
    flat = apply("reshape", others, shape=(rows, 2 * half))
    return apply("slice", flat, start=(0, 0), stop=(rows, n), step=(1, 1))


def _prod_gradient(node: Any, g: Tensor) -> Tensor:
    shape, axes = _shape(node), _axes(node)
    order = (*(i for i in range(len(shape)) if i not in axes), *axes)
    moved = apply("transpose", node.inputs[0], axes=order)
    count = math.prod(shape[i] for i in axes)
    rows = math.prod(shape[i] for i in order[: len(order) - len(axes)])
    others = _product_of_others(apply("reshape", moved, shape=(rows, count)))
    back = tuple(order.index(i) for i in range(len(shape)))
    others = apply("transpose", apply("reshape", others, shape=moved.shape), axes=back)
    return _kept(node, g) * others


gradient("sum", _sum_gradient, keeps="none")
gradient("mean", _mean_gradient, keeps="none")
gradient("prod", _prod_gradient)
gradient("max", _extreme_gradient, keeps="inputs output")
gradient("min", _extreme_gradient, keeps="inputs output")
