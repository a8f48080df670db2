"""Averages, quantiles, norms and differences, and reductions that leave NaN out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import Axis, TensorLike, floating, normalize_axes, normalize_axis, tensor
from .matmul import matmul
from .reduce import max as _max
from .reduce import mean as _mean
from .reduce import min as _min
from .reduce import prod as _prod
from .reduce import sum as _sum

__all__ = [
    "average",
    "cdist",
    "corrcoef",
    "correlate",
    "diff",
    "median",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "norm",
    "percentile",
    "psnr",
    "ptp",
    "quantile",
    "trapezoid",
]


# ---- spread and average ------------------------------------------------------------------------


@public
def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest minus the smallest element along `axis`.

    Example:
        >>> ptp([1, 5, 3]).item()
        4
    """
    x = tensor(x)
    return _max(x, axis, keepdims) - _min(x, axis, keepdims)


@public
def average(x: TensorLike, axis: Axis = None, weights: TensorLike | None = None) -> Tensor:
    """The mean along `axis`, each element counted by its weight.

    Args:
        x: a tensor.
        axis: one axis, several, or all of them.
        weights: a tensor of `x`'s shape, or a vector for the one axis; default: all equal.

    Returns:
        A tensor without the axes.

    Raises:
        ShapeError: `weights` fit neither `x` nor the axis.

    Example:
        >>> average([1.0, 4.0], weights=[3.0, 1.0]).item()
        1.75
    """
    x = floating(x)
    if weights is None:
        return _mean(x, axis)
    weights = floating(weights)
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.ndim != 1 or weights.size != x.shape[axis]:
            raise ShapeError(
                f"average: weights {weights.shape} fit neither x {x.shape} nor its axis {axis}"
            )
        thin = [1] * x.ndim
        thin[axis] = weights.size
        weights = apply("broadcast_to", apply("reshape", weights, shape=thin), shape=x.shape)
    return _sum(x * weights, axis) / _sum(weights, axis)


@public
def quantile(
    x: TensorLike,
    q: TensorLike,
    axis: Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Tensor:
    """The values below which given shares of the elements lie.

    Args:
        x: a tensor; NaN gives NaN.
        q: a share in [0, 1], or a vector of them.
        axis: one axis, several, or all of them.
        method: what lies between two elements: "linear", "lower", "higher", "nearest" or
            "midpoint".
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        A tensor; a vector `q` gives a first axis.

    Raises:
        ArgumentError: a share outside of [0, 1], or another method.

    Example:
        >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5).item()
        2.5
    """
    return _quantile("quantile", x, _shares(q), axis, method, keepdims)


def _shares(q: TensorLike, whole: float = 1.0) -> Any:
    """Numbers as Python has them: a list of 0.1 must not pass through float32."""
    return (np.asarray(q, dtype="float64") / whole).tolist()


def _quantile(
    op: str, x: TensorLike, shares: Any, axis: Axis, method: str, keepdims: bool
) -> Tensor:
    every = shares if isinstance(shares, list) else [shares]
    if any(not 0 <= share <= 1 for share in every):
        raise ArgumentError(f"{op}: shares must be in [0, 1], got {shares}")
    if method not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise ArgumentError(f"{op}: no method {method!r}")
    x = floating(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axes(op, axis, x.ndim)
    kept = [i for i in range(x.ndim) if i not in axes]
    n = math.prod(x.shape[i] for i in axes)
    if n == 0:
        raise ShapeError(f"{op}: x {x.shape} has no elements along {axes}")
    lead = [x.shape[i] for i in kept]
    lines = apply("reshape", apply("transpose", x, axes=(*kept, *axes)), shape=(*lead, n))
    values = apply("sort", lines, axis=-1)[0]
    parts = [_between(values, share * (n - 1), method) for share in every]
    bad = apply("any", apply("isnan", lines), axes=(-1,), keepdims=False)
    parts = [apply("where", bad, math.nan, part) for part in parts]
    if keepdims:
        thin = [1 if i in axes else size for i, size in enumerate(x.shape)]
        parts = [apply("reshape", part, shape=thin) for part in parts]
    if not isinstance(shares, list):
        return parts[0]
    return apply("concatenate", *(apply("reshape", p, shape=(1, *p.shape)) for p in parts), axis=0)


def _between(values: Tensor, place: float, method: str) -> Tensor:
    """The value at a place, which may lie between two, of sorted lines."""
    low, high = math.floor(place), math.ceil(place)
    if method == "nearest":
        low = high = round(place)
    elif method in ("lower", "higher"):
        low = high = low if method == "lower" else high
    share = 0.5 if method == "midpoint" and low != high else place - low
    first: Tensor = values[..., low]
    second: Tensor = values[..., high]
    return first if low == high else first + (second - first) * share


@public
def percentile(
    x: TensorLike,
    q: TensorLike,
    axis: Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Tensor:
    """As `quantile`, with shares in percent.

    Example:
        >>> percentile([1.0, 2.0, 3.0], 50).item()
        2.0
    """
    return _quantile("percentile", x, _shares(q, 100.0), axis, method, keepdims)


@public
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The element in the middle along `axis`, or the mean of the two there.

    Example:
        >>> median([3.0, 1.0, 2.0]).item()
        2.0
    """
    return _quantile("median", x, 0.5, axis, "linear", keepdims)


@public
def corrcoef(x: TensorLike) -> Tensor:
    """The correlation of every row with every other one.

    Example:
        >>> corrcoef([[1.0, 2.0], [2.0, 1.0]]).numpy().round(4).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    x = floating(x)
    x = x if x.ndim == 2 else apply("reshape", x, shape=(1, x.size))
    x = x - _mean(x, axis=1, keepdims=True)
    x = x * apply("rsqrt", _sum(apply("square", x), axis=1, keepdims=True))
    return matmul(x, apply("transpose", x))


# ---- lengths -----------------------------------------------------------------------------------


@public
def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The length of vectors or matrices.

    Args:
        x: a tensor.
        ord: of vectors: any number p for `sum(|x|**p)**(1/p)`, `inf`, `-inf` or 0; of matrices:
            "fro", 1, -1, `inf` or `-inf`. Default: the root of the sum of squares.
        axis: one axis for vectors, two for matrices; default: all elements, or with `ord` the one
            or two axes of `x`.
        keepdims: leave the reduced axes in place with size 1.

    Returns:
        A tensor without the axes.

    Raises:
        ArgumentError: another `ord` for matrices.
        ShapeError: `x` has neither one nor two axes and none are chosen.

    Example:
        >>> norm([3.0, 4.0]).item()
        5.0
    """
    x = floating(x)
    if ord is None:
        return apply("sqrt", _sum(apply("square", x), axis, keepdims))
    axes = tuple(range(x.ndim)) if axis is None else normalize_axes("norm", axis, x.ndim)
    size = apply("absolute", x)
    if len(axes) == 1:
        return _vector_norm(size, ord, axes, keepdims)
    if len(axes) != 2:
        raise ShapeError(f"norm: ord {ord!r} needs one or two axes, but there are {len(axes)}")
    if ord == "fro":
        return apply("sqrt", _sum(apply("square", x), axes, keepdims))
    if ord not in (1, -1, math.inf, -math.inf):
        raise ArgumentError(f"norm: no ord {ord!r} of matrices; 'fro', 1, -1, inf, -inf are known")
    rows, columns = axes
    along, other = (rows, columns) if ord in (1, -1) else (columns, rows)
    lines = _sum(size, along, True)
    out = _max(lines, other, True) if ord > 0 else _min(lines, other, True)
    if keepdims:
        return out
    return apply("reshape", out, shape=[n for i, n in enumerate(x.shape) if i not in axes])


def _vector_norm(size: Tensor, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if isinstance(ord, str):
        raise ArgumentError(f"norm: no ord {ord!r} of vectors")
    if ord == math.inf:
        return _max(size, axes, keepdims)
    if ord == -math.inf:
        return _min(size, axes, keepdims)
    if ord == 0:
        return _sum(apply("not_equal", size, 0.0).astype(size.dtype), axes, keepdims)
    if ord == 1:
        return _sum(size, axes, keepdims)
    if ord == 2:
        return apply("sqrt", _sum(apply("square", size), axes, keepdims))
    return apply("power", _sum(apply("power", size, float(ord)), axes, keepdims), 1.0 / ord)


@public
def cdist(x: TensorLike, y: TensorLike) -> Tensor:
    """The distance of every row of `x` from every row of `y`.

    Args:
        x: (..., m, k).
        y: (..., n, k).

    Returns:
        A tensor (..., m, n).

    Example:
        >>> cdist([[0.0, 0.0]], [[3.0, 4.0]]).tolist()
        [[5.0]]
    """
    x, y = floating(x), floating(y)
    first = apply("reshape", x, shape=(*x.shape[:-1], 1, x.shape[-1]))
    second = apply("reshape", y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    return norm(first - second, axis=-1)


@public
def psnr(x1: TensorLike, x2: TensorLike, max_val: float) -> Tensor:
    """The peak signal-to-noise ratio in decibels.

    Args:
        x1: a tensor.
        x2: a tensor of the same shape.
        max_val: the largest value that can occur.

    Returns:
        One number.

    Example:
        >>> psnr([0.0, 1.0], [0.1, 0.9], 1.0).numpy().round(3).item()
        20.0
    """
    error = _mean(apply("square", floating(x1) - floating(x2)))
    return apply("log", float(max_val) ** 2 / error) * (10.0 / math.log(10.0))


# ---- differences -------------------------------------------------------------------------------


@public
def diff(a: TensorLike, n: int = 1, axis: int = -1) -> Tensor:
    """The differences of neighbours along an axis, taken `n` times.

    Args:
        a: a tensor.
        n: how often.
        axis: the axis.

    Returns:
        A tensor, shorter by `n` along the axis.

    Raises:
        ArgumentError: a negative `n`.

    Example:
        >>> diff([1, 4, 9]).tolist()
        [3, 5]
    """
    if n < 0:
        raise ArgumentError(f"diff: n must not be negative, got {n}")
    x = tensor(a)
    along = (slice(None),) * normalize_axis("diff", axis, x.ndim)
    for _ in range(n):
        later, earlier = x[(*along, slice(1, None))], x[(*along, slice(None, -1))]
        x = apply("not_equal", later, earlier) if x.dtype == "bool" else later - earlier
    return x


@public
def trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: float = 1.0, axis: int = -1
) -> Tensor:
    """The area under points joined by lines.

    Args:
        y: heights.
        x: places, a vector or in `y`'s shape; default: `dx` apart.
        dx: the distance of places.
        axis: the axis of points.

    Returns:
        A tensor without the axis.

    Example:
        >>> trapezoid([0.0, 1.0, 2.0]).item()
        2.0
    """
    heights = apply("transpose", floating(y), axes=_last(tensor(y).ndim, axis))
    means = (heights[..., 1:] + heights[..., :-1]) * 0.5
    if x is None:
        return _sum(means, axis=-1) * dx
    places = tensor(x)
    if places.ndim > 1:
        places = apply("transpose", places, axes=_last(places.ndim, axis))
    return _sum(means * diff(places), axis=-1)


def _last(rank: int, axis: int) -> list[int]:
    place = normalize_axis("trapezoid", axis, rank)
    return [*(i for i in range(rank) if i != place), place]


# ---- without NaN -------------------------------------------------------------------------------


def _without(x: TensorLike, instead: float) -> Tensor:
    x = tensor(x)
    return apply("where", apply("isnan", x), instead, x)


def _count(x: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    x = floating(x)
    there = apply("logical_not", apply("isnan", x))
    return _sum(apply("cast", there, dtype=x.dtype), axis, keepdims)


@public
def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of what is not NaN.

    Example:
        >>> nansum([1.0, float("nan")]).item()
        1.0
    """
    return _sum(_without(x, 0.0), axis, keepdims)


@public
def nanprod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product of what is not NaN.

    Example:
        >>> nanprod([2.0, float("nan")]).item()
        2.0
    """
    return _prod(_without(x, 1.0), axis, keepdims)


@public
def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean of what is not NaN.

    Example:
        >>> nanmean([1.0, float("nan"), 3.0]).item()
        2.0
    """
    return nansum(floating(x), axis, keepdims) / _count(x, axis, keepdims)


@public
def nanvar(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The variance of what is not NaN.

    Example:
        >>> nanvar([1.0, float("nan"), 3.0]).item()
        1.0
    """
    x = floating(x)
    return nanmean(apply("square", x - nanmean(x, axis, True)), axis, keepdims)


@public
def nanstd(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The standard deviation of what is not NaN.

    Example:
        >>> nanstd([1.0, float("nan"), 3.0]).item()
        1.0
    """
    return apply("sqrt", nanvar(x, axis, keepdims))


def _nan_extreme(
    reduce: Callable[..., Tensor], instead: float, x: TensorLike, axis: Axis, keepdims: bool
) -> Tensor:
    x = floating(x)
    none = apply("equal", _count(x, axis, keepdims), 0.0)
    return apply("where", none, math.nan, reduce(_without(x, instead), axis, keepdims))


@public
def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest of what is not NaN; NaN where all are.

    Example:
        >>> nanmax([1.0, float("nan")]).item()
        1.0
    """
    return _nan_extreme(_max, -math.inf, x, axis, keepdims)


@public
def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest of what is not NaN; NaN where all are.

    Example:
        >>> nanmin([1.0, float("nan")]).item()
        1.0
    """
    return _nan_extreme(_min, math.inf, x, axis, keepdims)


# ---- correlation --------------------------------------------------------------------------------


@public
def correlate(x1: TensorLike, x2: TensorLike, mode: str = "valid") -> Tensor:
    """The sums of products of two vectors, one moved along the other.

    Args:
        x1: a vector.
        x2: a vector, no longer than `x1`.
        mode: "valid" where `x2` lies within `x1`, "same" for `x1`'s size, "full" for every overlap.

    Returns:
        A vector.

    Raises:
        ShapeError: no vectors, or `x2` is longer.
        ArgumentError: another mode.

    Example:
        >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0]).tolist()
        [2.0, 3.0]
    """
    a, b = floating(x1), floating(x2)
    if a.ndim != 1 or b.ndim != 1 or not 0 < b.size <= a.size:
        raise ShapeError(f"correlate: expected vectors, x2 not longer, got {a.shape}, {b.shape}")
    n, m = a.size, b.size
    before = {"valid": 0, "same": m // 2, "full": m - 1}.get(mode)
    if before is None:
        raise ArgumentError(f"correlate: mode must be 'valid', 'same' or 'full', got {mode!r}")
    count = {"valid": n - m + 1, "same": n, "full": n + m - 1}[mode]
    padded = apply("slice_grad", a, shape=(n + 2 * (m - 1),), start=(m - 1,), step=(1,))
    first = m - 1 - before
    windows = [padded[first + i : first + i + count] for i in range(m)]
    lines = apply("concatenate", *(apply("reshape", w, shape=(1, count)) for w in windows), axis=0)
    return matmul(b, lines)
