"""Comparisons, logic, tests for NaN and infinity, and the choice by a condition.

What compares gives bool and has no gradient; `where` passes its gradient to the side chosen.
"""

from __future__ import annotations

from ..autograd import gradient, not_differentiable
from ..errors import ArgumentError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import FLOATS, TensorLike, tensor
from .index import nonzero

not_differentiable(
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "isnan",
    "isfinite",
)


@public
def equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether `x1 == x2`; NaN equals nothing.

    Example:
        >>> equal([1, 2], [1, 3]).tolist()
        [True, False]
    """
    return apply("equal", x1, x2)


@public
def not_equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether `x1 != x2`.

    Example:
        >>> not_equal([1, 2], [1, 3]).tolist()
        [False, True]
    """
    return apply("not_equal", x1, x2)


@public
def less(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether `x1 < x2`.

    Example:
        >>> less([1, 2], 2).tolist()
        [True, False]
    """
    return apply("less", x1, x2)


@public
def less_equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether `x1 <= x2`.

    Example:
        >>> less_equal([2, 3], 2).tolist()
        [True, False]
    """
    return apply("less_equal", x1, x2)


@public
def greater(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether `x1 > x2`.

    Example:
        >>> greater([2, 3], 2).tolist()
        [False, True]
    """
    return apply("greater", x1, x2)


@public
def greater_equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether `x1 >= x2`.

    Example:
        >>> greater_equal([1, 2], 2).tolist()
        [False, True]
    """
    return apply("greater_equal", x1, x2)


@public
def logical_and(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether both are true; a number is true where it is not 0.

    Example:
        >>> logical_and([True, True], [True, False]).tolist()
        [True, False]
    """
    return apply("logical_and", x1, x2)


@public
def logical_or(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether one or both are true.

    Example:
        >>> logical_or([True, False], [False, False]).tolist()
        [True, False]
    """
    return apply("logical_or", x1, x2)


@public
def logical_xor(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether exactly one is true.

    Example:
        >>> logical_xor([True, True], [True, False]).tolist()
        [False, True]
    """
    return apply("logical_xor", x1, x2)


@public
def logical_not(x: TensorLike) -> Tensor:
    """Whether `x` is false, or 0.

    Example:
        >>> logical_not([True, False]).tolist()
        [False, True]
    """
    return apply("logical_not", x)


@public
def isnan(x: TensorLike) -> Tensor:
    """Whether `x` is NaN.

    Example:
        >>> isnan([1.0, float("nan")]).tolist()
        [False, True]
    """
    return apply("isnan", x)


@public
def isfinite(x: TensorLike) -> Tensor:
    """Whether `x` is neither NaN nor infinite.

    Example:
        >>> isfinite([1.0, float("inf")]).tolist()
        [True, False]
    """
    return apply("isfinite", x)


@public
def isinf(x: TensorLike) -> Tensor:
    """Whether `x` is infinite, of either sign.

    Example:
        >>> isinf([1.0, float("-inf")]).tolist()
        [False, True]
    """
    x = tensor(x)
    return apply("logical_not", apply("logical_or", apply("isfinite", x), apply("isnan", x)))


@public
def isclose(
    x1: TensorLike,
    x2: TensorLike,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether `|x1 - x2| <= atol + rtol * |x2|`; infinities of one sign are close.

    Args:
        x1: a tensor of numbers.
        x2: what it is compared with.
        rtol: tolerance relative to `x2`.
        atol: absolute tolerance.
        equal_nan: whether two NaN are close.

    Returns:
        A bool tensor of the broadcast shape.

    Example:
        >>> isclose([1.0, 2.0], [1.0 + 1e-7, 2.1]).tolist()
        [True, False]
    """
    x1, x2 = _exact(x1), _exact(x2)
    distance, size = apply("absolute", x1 - x2), apply("absolute", x2)
    near = apply("less_equal", distance, size * rtol + atol)
    # An infinite x2 makes its own tolerance infinite; there, and only there, equality decides.
    close = apply("where", apply("isfinite", x2), near, apply("equal", x1, x2))
    if not equal_nan:
        return close
    return apply("logical_or", close, apply("logical_and", apply("isnan", x1), apply("isnan", x2)))


def _exact(x: TensorLike) -> Tensor:
    """`x` in a floating dtype: unsigned integers would wrap when subtracted."""
    x = tensor(x)
    return x if x.dtype in FLOATS else apply("cast", x, dtype="float64")


@public
def allclose(
    x1: TensorLike,
    x2: TensorLike,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether all elements are close in the sense of `isclose`: one bool.

    Example:
        >>> bool(allclose([1.0, 2.0], [1.0, 2.0]))
        True
    """
    return apply("all", isclose(x1, x2, rtol, atol, equal_nan), axes=(), keepdims=False)


@public
def where(
    condition: TensorLike, x1: TensorLike | None = None, x2: TensorLike | None = None
) -> Tensor | tuple[Tensor, ...]:
    """`x1` where `condition` is true, else `x2`.

    Args:
        condition: a bool tensor, or numbers, which are true where they are not 0.
        x1: what is taken where it is true; a number takes `x2`'s dtype.
        x2: what is taken elsewhere.

    Returns:
        A tensor of the three shapes broadcast. Without `x1` and `x2`, the positions where
        `condition` is true, as `nonzero` gives them.

    Raises:
        ArgumentError: only one of `x1` and `x2` is given.

    Example:
        >>> where([True, False], [1.0, 2.0], 0.0).tolist()
        [1.0, 0.0]
    """
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ArgumentError("where: give both x1 and x2, or neither")
    condition = tensor(condition)
    if condition.dtype != "bool":  # its dtype must not take part in choosing the result's
        condition = apply("cast", condition, dtype="bool")
    return apply("where", condition, x1, x2)


gradient(
    "where",
    None,
    lambda node, g: apply("where", node.inputs[0], g, 0.0),
    lambda node, g: apply("where", node.inputs[0], 0.0, g),
)
