"""Inverse trigonometric and hyperbolic functions; all but arctan are made of other ops.

Formulas are chosen so that they lose no digits near 0 and at the ends of their ranges.
"""

from __future__ import annotations

import math

from ..autograd import gradient
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating
from .comparison import isinf
from .special import signbit

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cosh",
    "deg2rad",
    "rad2deg",
    "sinc",
    "sinh",
]


@public
def arctan(x: TensorLike) -> Tensor:
    """The angle in (-pi/2, pi/2) whose tangent is `x`.

    Example:
        >>> arctan([0.0]).tolist()
        [0.0]
    """
    return apply("arctan", floating(x))


gradient("arctan", lambda node, g: g / (apply("square", node.inputs[0]) + 1.0))


@public
def arcsin(x: TensorLike) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is `x`; NaN outside of [-1, 1].

    Example:
        >>> arcsin([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    return apply("arctan", x * apply("rsqrt", (1.0 - x) * (1.0 + x)))


@public
def arccos(x: TensorLike) -> Tensor:
    """The angle in [0, pi] whose cosine is `x`; NaN outside of [-1, 1].

    Example:
        >>> arccos([1.0]).tolist()
        [0.0]
    """
    x = floating(x)
    return apply("arctan", apply("sqrt", (1.0 - x) / (1.0 + x))) * 2.0


@public
def arctan2(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The angle in [-pi, pi] of the point (x2, x1), counted from the first axis.

    Args:
        x1: the second coordinate.
        x2: the first coordinate.

    Returns:
        A tensor of the broadcast shape.

    Example:
        >>> arctan2([0.0, 1.0], [1.0, 0.0]).numpy().round(4).tolist()
        [0.0, 1.5707999467849731]
    """
    y, x = floating(x1), floating(x2)
    both = apply("logical_and", isinf(y), isinf(x))
    y, x = (apply("where", both, apply("sign", v), v) for v in (y, x))
    # Of the two quotients the one that is at most 1: the other may be infinite, as its slope.
    steep = apply("greater", apply("absolute", y), apply("absolute", x))
    none = apply("logical_and", apply("equal", x, 0.0), apply("equal", y, 0.0))
    above, below = apply("where", steep, x, y), apply("where", steep, y, x)
    angle = apply("arctan", above / apply("where", none, 1.0, below))
    half = apply("full", shape=(), value=math.pi / 2, dtype=angle.dtype)
    half = apply("where", signbit(y), -half, half)
    turned = apply("where", steep, half - angle, angle)
    behind = apply("logical_and", signbit(x), apply("logical_not", steep))
    return apply("where", behind, angle + half * 2.0, turned)


@public
def sinh(x: TensorLike) -> Tensor:
    """The hyperbolic sine.

    Example:
        >>> sinh([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    return (apply("expm1", x) - apply("expm1", -x)) * 0.5


@public
def cosh(x: TensorLike) -> Tensor:
    """The hyperbolic cosine.

    Example:
        >>> cosh([0.0]).tolist()
        [1.0]
    """
    x = floating(x)
    return (apply("exp", x) + apply("exp", -x)) * 0.5


@public
def arcsinh(x: TensorLike) -> Tensor:
    """The number whose hyperbolic sine is `x`.

    Example:
        >>> arcsinh([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    size, negative = apply("absolute", x), apply("less", x, 0.0)
    square = apply("square", size)
    out = apply("log1p", size + square / (apply("sqrt", square + 1.0) + 1.0))
    return apply("where", negative, -out, out)


@public
def arccosh(x: TensorLike) -> Tensor:
    """The number >= 0 whose hyperbolic cosine is `x`; NaN below 1.

    Example:
        >>> arccosh([1.0]).tolist()
        [0.0]
    """
    above = floating(x) - 1.0
    return apply("log1p", above + apply("sqrt", above) * apply("sqrt", above + 2.0))


@public
def arctanh(x: TensorLike) -> Tensor:
    """The number whose hyperbolic tangent is `x`; NaN outside of [-1, 1].

    Example:
        >>> arctanh([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    return (apply("log1p", x) - apply("log1p", -x)) * 0.5


@public
def deg2rad(x: TensorLike) -> Tensor:
    """Degrees as radians.

    Example:
        >>> deg2rad([0.0]).tolist()
        [0.0]
    """
    return floating(x) * (math.pi / 180.0)


@public
def rad2deg(x: TensorLike) -> Tensor:
    """Radians as degrees.

    Example:
        >>> rad2deg([0.0]).tolist()
        [0.0]
    """
    return floating(x) * (180.0 / math.pi)


@public
def sinc(x: TensorLike) -> Tensor:
    """`sin(pi x) / (pi x)`, and 1 at 0.

    Example:
        >>> sinc([0.0]).tolist()
        [1.0]
    """
    x = floating(x) * math.pi
    zero = apply("equal", x, 0.0)
    safe = apply("where", zero, 1.0, x)
    return apply("where", zero, 1.0, apply("sin", safe) / safe)
