"""Mathematical functions and rounding, elementwise, with their gradients.

All take floats; integers become `floatx` first. Arithmetic lives in `arithmetic.py`.
"""

from __future__ import annotations

import builtins
import math

from ..autograd import gradient
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import FLOATS, TensorLike, floating, tensor
from .gradients import zeros_for

_SQRT_PI = math.sqrt(math.pi)


@public
def sqrt(x: TensorLike) -> Tensor:
    """The square root; NaN below 0.

    Example:
        >>> sqrt([4, 9]).tolist()
        [2.0, 3.0]
    """
    return apply("sqrt", floating(x))


gradient("sqrt", lambda node, g: g / (node.output + node.output), keeps="output")


@public
def rsqrt(x: TensorLike) -> Tensor:
    """`1 / sqrt(x)`.

    Example:
        >>> rsqrt([4.0]).tolist()
        [0.5]
    """
    return apply("rsqrt", floating(x))


gradient(
    "rsqrt",
    lambda node, g: g * -0.5 * node.output * apply("square", node.output),
    keeps="output",
)


@public
def reciprocal(x: TensorLike) -> Tensor:
    """`1 / x`.

    Example:
        >>> reciprocal([4, 2]).tolist()
        [0.25, 0.5]
    """
    return apply("reciprocal", floating(x))


gradient("reciprocal", lambda node, g: -g * apply("square", node.output), keeps="output")


@public
def exp(x: TensorLike) -> Tensor:
    """`e ** x`.

    Example:
        >>> exp([0.0]).tolist()
        [1.0]
    """
    return apply("exp", floating(x))


gradient("exp", lambda node, g: g * node.output, keeps="output")


@public
def expm1(x: TensorLike) -> Tensor:
    """`exp(x) - 1`, exact near 0.

    Example:
        >>> expm1([0.0]).tolist()
        [0.0]
    """
    return apply("expm1", floating(x))


gradient("expm1", lambda node, g: g * (node.output + 1.0), keeps="output")


@public
def log(x: TensorLike) -> Tensor:
    """The natural logarithm; NaN below 0.

    Example:
        >>> log([1.0]).tolist()
        [0.0]
    """
    return apply("log", floating(x))


gradient("log", lambda node, g: g / node.inputs[0])


@public
def log1p(x: TensorLike) -> Tensor:
    """`log(1 + x)`, exact near 0.

    Example:
        >>> log1p([0.0]).tolist()
        [0.0]
    """
    return apply("log1p", floating(x))


gradient("log1p", lambda node, g: g / (node.inputs[0] + 1.0))


@public
def log2(x: TensorLike) -> Tensor:
    """The logarithm to base 2.

    Example:
        >>> log2([1.0]).tolist()
        [0.0]
    """
    return apply("log", floating(x)) * (1.0 / math.log(2.0))


@public
def log10(x: TensorLike) -> Tensor:
    """The logarithm to base 10.

    Example:
        >>> log10([1.0]).tolist()
        [0.0]
    """
    return apply("log", floating(x)) * (1.0 / math.log(10.0))


@public
def sin(x: TensorLike) -> Tensor:
    """The sine of `x` in radians.

    Example:
        >>> sin([0.0]).tolist()
        [0.0]
    """
    return apply("sin", floating(x))


gradient("sin", lambda node, g: g * apply("cos", node.inputs[0]))


@public
def cos(x: TensorLike) -> Tensor:
    """The cosine of `x` in radians.

    Example:
        >>> cos([0.0]).tolist()
        [1.0]
    """
    return apply("cos", floating(x))


gradient("cos", lambda node, g: -g * apply("sin", node.inputs[0]))


@public
def tan(x: TensorLike) -> Tensor:
    """The tangent of `x` in radians.

    Example:
        >>> tan([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    return apply("divide", apply("sin", x), apply("cos", x))


@public
def erf(x: TensorLike) -> Tensor:
    """The error function `2 / sqrt(pi)` times the integral of `exp(-t**2)` from 0 to `x`.

    Example:
        >>> erf([0.0]).tolist()
        [0.0]
    """
    return apply("erf", floating(x))


gradient(
    "erf",
    lambda node, g: g * (2.0 / _SQRT_PI) * apply("exp", -apply("square", node.inputs[0])),
)


# ---- rounding ----------------------------------------------------------------------------------


@public
def floor(x: TensorLike) -> Tensor:
    """The largest integer not above `x`, as a float. Its gradient is 0.

    Example:
        >>> floor([1.5, -1.5]).tolist()
        [1.0, -2.0]
    """
    return apply("floor", floating(x))


gradient("floor", lambda node, g: zeros_for(node, 0), keeps="none")


@public
def ceil(x: TensorLike) -> Tensor:
    """The smallest integer not below `x`, as a float. Its gradient is 0.

    Example:
        >>> ceil([1.5, -1.5]).tolist()
        [2.0, -1.0]
    """
    return apply("ceil", floating(x))


gradient("ceil", lambda node, g: zeros_for(node, 0), keeps="none")


@public
def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """`x` to the nearest multiple of `10 ** -decimals`, halves to the even one. Its gradient is 0.

    Args:
        x: a tensor of numbers.
        decimals: how many decimal places are kept; negative ones round to tens, hundreds, ...

    Returns:
        A tensor of `x`'s shape and dtype.

    Raises:
        DTypeError: `x` is of bool.

    Example:
        >>> round([0.5, 1.5, 2.6]).tolist()
        [0.0, 2.0, 3.0]
    """
    given = tensor(x)
    if given.dtype in FLOATS:
        return _round(given, decimals)
    if given.dtype == "bool":
        return apply("round", given)  # which the rule of the native op refuses
    if decimals >= 0:
        return given
    exact = apply("cast", given, dtype="float64")
    return apply("cast", _round(exact, decimals), dtype=given.dtype)


def _round(x: Tensor, decimals: int) -> Tensor:
    if decimals == 0:
        return apply("round", x)
    unit = 10.0 ** builtins.abs(decimals)
    return apply("round", x * unit) / unit if decimals > 0 else apply("round", x / unit) * unit


gradient("round", lambda node, g: zeros_for(node, 0), keeps="none")


@public
def trunc(x: TensorLike) -> Tensor:
    """`x` without its fraction. Its gradient is 0.

    Example:
        >>> trunc([1.5, -1.5]).tolist()
        [1.0, -1.0]
    """
    given = tensor(x)
    if given.dtype not in FLOATS:
        return given
    below = apply("less", given, 0.0)
    return apply("where", below, apply("ceil", given), apply("floor", given))
