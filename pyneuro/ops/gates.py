"""Activations that are compositions of other ops, forward and backward."""

from __future__ import annotations

from ..errors import ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating, normalize_axis

__all__ = [
    "glu",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
]


@public
def glu(x: TensorLike, axis: int = -1) -> Tensor:
    """The first half of `x` along an axis, times the sigmoid of the second.

    Args:
        x: a tensor whose size along the axis is even.
        axis: the axis.

    Returns:
        A tensor of half the size along the axis.

    Raises:
        ShapeError: the size is odd, or there is no such axis.

    Example:
        >>> glu([2.0, 0.0]).tolist()
        [1.0]
    """
    x = floating(x)
    along = normalize_axis("glu", axis, x.ndim)
    n = x.shape[along]
    if n % 2:
        raise ShapeError(f"glu: axis {axis} of x {x.shape} does not divide into 2 parts")
    value, gate = apply("split", x, sizes=(n // 2, n // 2), axis=along)
    return value * apply("sigmoid", gate)


@public
def squareplus(x: TensorLike, b: float = 4) -> Tensor:
    """`(x + sqrt(x**2 + b)) / 2`, a smooth relu.

    Example:
        >>> squareplus([0.0]).tolist()
        [1.0]
    """
    x = floating(x)
    out: Tensor = (x + apply("sqrt", apply("square", x) + float(b))) * 0.5
    return out


@public
def sparse_plus(x: TensorLike) -> Tensor:
    """0 up to -1, `x` from 1 on, `(x + 1)**2 / 4` between.

    Example:
        >>> sparse_plus([-2.0, 0.0, 3.0]).tolist()
        [0.0, 0.25, 3.0]
    """
    x = floating(x)
    between = apply("square", x + 1.0) * 0.25
    below = apply("where", apply("less_equal", x, -1.0), 0.0, between)
    return apply("where", apply("greater_equal", x, 1.0), x, below)


@public
def sparse_sigmoid(x: TensorLike) -> Tensor:
    """0 up to -1, 1 from 1 on, `(x + 1) / 2` between.

    Example:
        >>> sparse_sigmoid([-2.0, 0.0, 3.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    x = floating(x)
    below = apply("where", apply("less_equal", x, -1.0), 0.0, (x + 1.0) * 0.5)
    return apply("where", apply("greater_equal", x, 1.0), 1.0, below)


@public
def sparsemax(x: TensorLike, axis: int = -1) -> Tensor:
    """The nearest point of the simplex along an axis (Martins and Astudillo 2016).

    Args:
        x: a tensor.
        axis: the axis.

    Returns:
        A tensor of `x`'s shape: numbers >= 0 that sum to 1, many of them 0.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> sparsemax([2.0, 1.5, 0.0]).tolist()
        [0.75, 0.25, 0.0]
    """
    x = floating(x)
    along = normalize_axis("sparsemax", axis, x.ndim)
    falling = apply("sort", x, axis=along, descending=True)[0]
    total = apply("cumsum", falling, axis=along)
    place = [-1 if i == along else 1 for i in range(x.ndim)]
    rank = apply("arange", start=1.0, step=1.0, size=x.shape[along], dtype=x.dtype)
    rank = apply("reshape", rank, shape=place)
    inside = apply("greater", rank * falling + 1.0, total)
    count = apply("sum", inside, axes=(along,), keepdims=True)
    kept = apply("sum", apply("where", inside, falling, 0.0), axes=(along,), keepdims=True)
    threshold = (kept - 1.0) / count.astype(x.dtype)
    return apply("relu", x - threshold)
