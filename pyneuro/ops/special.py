"""Powers, logarithms, the error function's relatives and choices by cases, made of other ops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import FLOATS, TensorLike, dtype_name, floating, tensor
from .comparison import isinf
from .creation import linspace

__all__ = [
    "cbrt",
    "erfc",
    "erfinv",
    "exp2",
    "fabs",
    "fmax",
    "fmin",
    "fmod",
    "geomspace",
    "heaviside",
    "hypot",
    "isneginf",
    "isposinf",
    "ldexp",
    "logaddexp",
    "logaddexp2",
    "logspace",
    "nan_to_num",
    "saturate_cast",
    "signbit",
]


# ---- powers and logarithms ---------------------------------------------------------------------


@public
def exp2(x: TensorLike) -> Tensor:
    """`2 ** x`.

    Example:
        >>> exp2([3.0]).tolist()
        [8.0]
    """
    return apply("power", 2.0, floating(x))


@public
def cbrt(x: TensorLike) -> Tensor:
    """The cube root, of negative numbers as well.

    Example:
        >>> cbrt([-8.0]).numpy().round(4).tolist()
        [-2.0]
    """
    x = floating(x)
    root = apply("power", apply("absolute", x), 1.0 / 3.0)
    return apply("where", apply("less", x, 0.0), -root, root)


@public
def hypot(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`sqrt(x1**2 + x2**2)`, without leaving the range of numbers on the way.

    Example:
        >>> hypot([3.0], [4.0]).tolist()
        [5.0]
    """
    a, b = apply("absolute", floating(x1)), apply("absolute", floating(x2))
    most, least = apply("maximum", a, b), apply("minimum", a, b)
    plain = apply("logical_or", apply("equal", most, 0.0), isinf(most))
    share = least / apply("where", plain, 1.0, most)
    return apply("where", plain, most, most * apply("sqrt", apply("square", share) + 1.0))


@public
def logaddexp(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`log(exp(x1) + exp(x2))`, without leaving the range of numbers on the way.

    Example:
        >>> logaddexp([0.0], [float("-inf")]).tolist()
        [0.0]
    """
    a, b = floating(x1), floating(x2)
    most = apply("maximum", a, b)
    equal = apply("logical_and", apply("equal", a, b), isinf(a))
    distance = apply("where", equal, 0.0, apply("absolute", a - b))
    out = most + apply("log1p", apply("exp", -distance))
    return apply("where", equal, most, out)


@public
def logaddexp2(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`log2(2**x1 + 2**x2)`.

    Example:
        >>> logaddexp2([1.0], [1.0]).tolist()
        [2.0]
    """
    two = math.log(2.0)
    return logaddexp(floating(x1) * two, floating(x2) * two) * (1.0 / two)


@public
def ldexp(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 * 2**x2`.

    Example:
        >>> ldexp([3.0], [2]).tolist()
        [12.0]
    """
    a = floating(x1)
    return a * apply("power", 2.0, tensor(x2).astype(a.dtype))


@public
def logspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Tensor:
    """`num` numbers from `base**start` to `base**stop`, each the same multiple of the one before.

    Args:
        start: the first exponent, or a tensor of them.
        stop: the last exponent.
        num: how many.
        endpoint: whether the last is one of them.
        base: what is raised.
        dtype: default: the floating dtype of `start` and `stop`.
        axis: where in the result the new axis stands.

    Returns:
        A tensor.

    Example:
        >>> logspace(0.0, 2.0, 3, base=2.0).tolist()
        [1.0, 2.0, 4.0]
    """
    from_to = linspace(start, stop, num, endpoint=endpoint, axis=axis)
    out = apply("power", float(base), from_to)
    return out if dtype is None else out.astype(dtype_name(dtype))


@public
def geomspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Tensor:
    """`num` numbers from `start` to `stop`, each the same multiple of the one before.

    Args:
        start: the first number, not 0.
        stop: the last number, of the same sign.
        num: how many.
        endpoint: whether `stop` is one of them.
        dtype: default: the floating dtype of `start` and `stop`.
        axis: where in the result the new axis stands.

    Returns:
        A tensor.

    Example:
        >>> geomspace(1.0, 4.0, 3).numpy().round(4).tolist()
        [1.0, 2.0, 4.0]
    """
    first, last = floating(start), floating(stop)
    sign = apply("sign", first)
    exponents = linspace(
        apply("log", first * sign), apply("log", last * sign), num, endpoint=endpoint, axis=axis
    )
    out = apply("exp", exponents)
    out = out * (sign if sign.ndim == 0 else apply("reshape", sign, shape=_spread(sign, axis)))
    return out if dtype is None else out.astype(dtype_name(dtype))


def _spread(x: Tensor, axis: int) -> tuple[int, ...]:
    place = axis % (x.ndim + 1)
    return (*x.shape[:place], 1, *x.shape[place:])


# ---- the error function's relatives ------------------------------------------------------------


@public
def erfc(x: TensorLike) -> Tensor:
    """`1 - erf(x)`.

    Example:
        >>> erfc([0.0]).tolist()
        [1.0]
    """
    return 1.0 - apply("erf", floating(x))


# Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution", PPND16:
# numerators and denominators, highest power first, of the centre, the tails and the far tails.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
     1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055,
     4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
     0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
     2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
     0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358,
     5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
     7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
     0.59983220655588793769, 1.0),
)  # fmt: skip


def _ratio(x: Tensor, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    parts = []
    for coefficients in polynomials:
        value = x * coefficients[0] + coefficients[1]
        for coefficient in coefficients[2:]:
            value = value * x + coefficient
        parts.append(value)
    quotient: Tensor = parts[0] / parts[1]
    return quotient


def _erfinv(x: Tensor) -> Tensor:
    q = x * 0.5
    near = apply("less_equal", apply("absolute", q), 0.425)
    centre = q * _ratio(0.180625 - apply("minimum", apply("square", q), 0.180625), _CENTRE)
    p = apply(
        "maximum", (1.0 - apply("absolute", x)) * 0.5, 1e-300 if x.dtype == "float64" else 1e-38
    )
    r = apply("sqrt", -apply("log", apply("minimum", p, 0.25)))
    tail = apply(
        "where", apply("less_equal", r, 5.0), _ratio(r - 1.6, _TAIL), _ratio(r - 5.0, _FAR)
    )
    tail = apply("where", apply("less", x, 0.0), -tail, tail)
    z = apply("where", near, centre, tail) * math.sqrt(0.5)
    size = apply("absolute", x)
    edge = apply("where", apply("equal", size, 1.0), x * math.inf, math.nan)
    return apply("where", apply("less", size, 1.0), z, edge)


@public
def erfinv(x: TensorLike) -> Tensor:
    """The number whose error function is `x`; infinite at -1 and 1, NaN outside.

    Example:
        >>> erfinv([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    value = _erfinv(x.detach())
    if not x.requires_grad:
        return value
    # One step of Newton's method that changes no value, but has the function's own derivatives.
    slope = apply("exp", apply("square", value)) * (math.sqrt(math.pi) / 2.0)
    at_edge = isinf(value)
    still = apply("where", at_edge, 0.0, value)
    return apply("where", at_edge, value, still + (x - x.detach()) * slope)


# ---- by cases ----------------------------------------------------------------------------------


@public
def nan_to_num(
    x: TensorLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """`x` with NaN and infinities replaced.

    Args:
        x: a tensor.
        nan: what stands for NaN.
        posinf: what stands for infinity; default: the dtype's largest number.
        neginf: what stands for minus infinity; default: the dtype's smallest number.

    Returns:
        A tensor of `x`'s shape and dtype.

    Example:
        >>> nan_to_num([float("nan"), 1.0]).tolist()
        [0.0, 1.0]
    """
    out: Tensor = tensor(x)
    if out.dtype not in FLOATS:
        return out
    most = _LARGEST[out.dtype]
    high, low = most if posinf is None else posinf, -most if neginf is None else neginf
    out = apply("where", apply("isnan", out), float(nan), out)
    out = apply("where", apply("equal", out, math.inf), float(high), out)
    return apply("where", apply("equal", out, -math.inf), float(low), out)


_LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": float(np.finfo("float32").max),
    "float64": float(np.finfo("float64").max),
}


@public
def heaviside(x1: TensorLike, x2: TensorLike) -> Tensor:
    """0 below 0, `x2` at 0, 1 above.

    Example:
        >>> heaviside([-1.0, 0.0, 1.0], 0.5).tolist()
        [0.0, 0.5, 1.0]
    """
    x1 = floating(x1)
    step = apply("where", apply("less", x1, 0.0), apply("where", apply("isnan", x1), x1, 0.0), 1.0)
    out = apply("where", apply("equal", x1, 0.0), x2, step)
    return apply("where", apply("isnan", x1), x1, out)


@public
def signbit(x: TensorLike) -> Tensor:
    """Whether the sign is minus, of -0.0 as well.

    Example:
        >>> signbit([-1.0, -0.0, 0.0]).tolist()
        [True, True, False]
    """
    x = tensor(x)
    below = apply("less", x, 0)
    if x.dtype not in FLOATS:
        return below
    zero = apply("logical_and", apply("equal", x, 0.0), apply("less", apply("reciprocal", x), 0.0))
    return apply("logical_or", below, zero)


@public
def isposinf(x: TensorLike) -> Tensor:
    """Whether `x` is plus infinity.

    Example:
        >>> isposinf([float("inf"), 1.0]).tolist()
        [True, False]
    """
    return apply("equal", floating(x), math.inf)


@public
def isneginf(x: TensorLike) -> Tensor:
    """Whether `x` is minus infinity.

    Example:
        >>> isneginf([float("-inf"), 1.0]).tolist()
        [True, False]
    """
    return apply("equal", floating(x), -math.inf)


@public
def fmax(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The larger of two; a NaN loses against a number.

    Example:
        >>> fmax([float("nan"), 1.0], [2.0, 3.0]).tolist()
        [2.0, 3.0]
    """
    a, b = tensor(x1), tensor(x2)
    most = apply("maximum", a, b)
    return apply("where", apply("isnan", a), b, apply("where", apply("isnan", b), a, most))


@public
def fmin(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The smaller of two; a NaN loses against a number.

    Example:
        >>> fmin([float("nan"), 1.0], [2.0, 3.0]).tolist()
        [2.0, 1.0]
    """
    a, b = tensor(x1), tensor(x2)
    least = apply("minimum", a, b)
    return apply("where", apply("isnan", a), b, apply("where", apply("isnan", b), a, least))


@public
def fabs(x: TensorLike) -> Tensor:
    """`|x|` as a float.

    Example:
        >>> fabs([-2]).tolist()
        [2.0]
    """
    return apply("absolute", floating(x))


@public
def saturate_cast(x: TensorLike, dtype: Any) -> Tensor:
    """`x` in another dtype, brought into its range first.

    Example:
        >>> saturate_cast([-1.0, 300.0], "uint8").tolist()
        [0, 255]
    """
    given: Tensor = tensor(x)
    name = dtype_name(dtype)
    if name in FLOATS:
        most = _LARGEST[name]
        if given.dtype in FLOATS:
            given = apply("minimum", apply("maximum", given, -most), most)
    elif name != "bool" and given.dtype not in FLOATS and given.dtype != "bool":
        low, high = (
            max(np.iinfo(name).min, np.iinfo(given.dtype).min),
            min(np.iinfo(name).max, np.iinfo(given.dtype).max),
        )
        given = apply("minimum", apply("maximum", given, int(low)), int(high))
    return given.astype(name)


@public
def fmod(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The remainder of `x1 / x2` with the sign of `x1`, as C has it; `mod` has that of `x2`.

    Example:
        >>> fmod([-3.0], [2.0]).tolist()
        [-1.0]
    """
    a, b = tensor(x1), tensor(x2)
    rest = apply("mod", apply("absolute", a), apply("absolute", b))
    return apply("where", apply("less", a, 0), -rest, rest)
