"""Arithmetic with tensors, elementwise and broadcast, with its gradients.

Two operands meet in their common dtype as in Keras; a Python number takes the other one's dtype.
Mathematical functions live in `elementwise.py`, comparisons in `comparison.py`.
"""

from __future__ import annotations

from typing import Any

from ..autograd import gradient
from ..config import floatx
from ..symbolic import public
from ..tensor import Tensor, apply, convert
from .arguments import TensorLike, is_bool, is_floating, number, operands, tensor
from .gradients import zeros_for

# ---- two operands ------------------------------------------------------------------------------


@public
def add(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 + x2`; on two bools, or.

    Example:
        >>> add([1, 2], 0.5).tolist()
        [1.5, 2.5]
    """
    return apply("add", x1, x2)


gradient("add", lambda node, g: g, lambda node, g: g, keeps="none")


@public
def subtract(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 - x2`.

    Example:
        >>> subtract([3.0, 2.0], 1).tolist()
        [2.0, 1.0]
    """
    return apply("subtract", x1, x2)


gradient("subtract", lambda node, g: g, lambda node, g: -g, keeps="none")


@public
def multiply(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 * x2`; on two bools, and.

    Example:
        >>> multiply([1.0, 2.0], [3.0, 4.0]).tolist()
        [3.0, 8.0]
    """
    return apply("multiply", x1, x2)


gradient(
    "multiply",
    lambda node, g: g * node.inputs[1],
    lambda node, g: g * node.inputs[0],
)


@public
def divide(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 / x2`; integers become `floatx` first.

    Example:
        >>> divide([1, 2], 2).tolist()
        [0.5, 1.0]
    """
    return apply("divide", *_floats(x1, x2))


def _floats(x1: TensorLike, x2: TensorLike) -> tuple[Any, Any]:
    """Operands of a division: two integers become `floatx`."""
    x1, x2 = operands(x1, x2)
    return (x1, x2) if is_floating(x1) or is_floating(x2) else (_as_floatx(x1), _as_floatx(x2))


def _as_floatx(x: Any) -> Any:
    return apply("cast", x, dtype=floatx()) if isinstance(x, Tensor) else float(x)


gradient(
    "divide",
    lambda node, g: g / node.inputs[1],
    lambda node, g: -(g * node.inputs[0]) / (node.inputs[1] * node.inputs[1]),
)

true_divide = divide


@public
def divide_no_nan(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 / x2`, and 0 where `x2` is 0.

    Example:
        >>> divide_no_nan([1.0, 4.0], [0.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    x1, x2 = _floats(x1, x2)
    if not isinstance(x2, Tensor):  # a number, which would not give way to x1's dtype in `where`
        x2 = convert(x2, x1.dtype if isinstance(x1, Tensor) else None)
    void = apply("equal", x2, 0.0)
    # The divisor is replaced too: a quotient that is not used must have no NaN in its gradient.
    quotient = apply("divide", x1, apply("where", void, 1.0, x2))
    return apply("where", void, 0.0, quotient)


@public
def floor_divide(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The largest integer not above `x1 / x2`; on integers `x // 0` is 0. Its gradient is 0.

    Example:
        >>> floor_divide([7, -7], 2).tolist()
        [3, -4]
    """
    return apply("floor_divide", *_numbers(x1, x2))


gradient(
    "floor_divide",
    lambda node, g: zeros_for(node, 0),
    lambda node, g: zeros_for(node, 1),
    keeps="none",
)


@public
def mod(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 - floor(x1 / x2) * x2`: the remainder with the sign of `x2`.

    Example:
        >>> mod([7, -7], 3).tolist()
        [1, 2]
    """
    return apply("mod", *_numbers(x1, x2))


gradient(
    "mod",
    lambda node, g: g,
    lambda node, g: -g * apply("floor_divide", node.inputs[0], node.inputs[1]),
)


@public
def power(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 ** x2`.

    The gradient for `x1` is 0 where `x2` is 0. That for `x2` is 0 where `x1` is 0 and `x2` >= 0.

    Example:
        >>> power([1.0, 3.0], 2).tolist()
        [1.0, 9.0]
    """
    return apply("power", *_numbers(x1, x2))


def _power_base(node: Any, g: Tensor) -> Tensor:
    a, b = node.inputs
    # 0 ** -1 would be infinite, and infinity times the factor b = 0 is NaN.
    flat = apply("logical_and", apply("equal", a, 0.0), apply("equal", b, 0.0))
    return apply("multiply", g * b, apply("power", a, apply("where", flat, 1.0, b - 1.0)))


def _power_exponent(node: Any, g: Tensor) -> Tensor:
    a, b = node.inputs
    flat = apply("logical_and", apply("equal", a, 0.0), apply("greater_equal", b, 0.0))
    return g * apply("power", a, b) * apply("log", apply("where", flat, 1.0, a))


gradient("power", _power_base, _power_exponent)


def _numbers(x1: TensorLike, x2: TensorLike) -> tuple[Any, Any]:
    """Operands of what is defined on numbers only: two bools become int32."""
    x1, x2 = operands(x1, x2)
    return (number(x1), x2) if is_bool(x1) and is_bool(x2) else (x1, x2)


@public
def maximum(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The larger of `x1` and `x2`; NaN wins. Equal operands take half of the gradient each.

    Example:
        >>> maximum([1.0, 5.0], 3).tolist()
        [3.0, 5.0]
    """
    return apply("maximum", x1, x2)


@public
def minimum(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The smaller of `x1` and `x2`; NaN wins. Equal operands take half of the gradient each.

    Example:
        >>> minimum([1.0, 5.0], 3).tolist()
        [1.0, 3.0]
    """
    return apply("minimum", x1, x2)


def _winner(loses: str, i: int) -> Any:
    """The gradient of input `i` where the comparison `loses` with the other one is false."""

    def rule(node: Any, g: Tensor) -> Tensor:
        own, other = node.inputs[i], node.inputs[1 - i]
        shared = apply("where", apply("equal", own, other), g * 0.5, g)
        return apply("where", apply(loses, own, other), 0.0, shared)

    return rule


gradient("maximum", _winner("less", 0), _winner("less", 1))
gradient("minimum", _winner("greater", 0), _winner("greater", 1))


# ---- one operand -------------------------------------------------------------------------------


@public
def negative(x: TensorLike) -> Tensor:
    """`-x`.

    Example:
        >>> negative([1.0, -2.0]).tolist()
        [-1.0, 2.0]
    """
    return apply("negative", x)


gradient("negative", lambda node, g: -g, keeps="none")


@public
def absolute(x: TensorLike) -> Tensor:
    """`|x|`. The gradient at 0 is 0.

    Example:
        >>> absolute([-1.5, 2.0]).tolist()
        [1.5, 2.0]
    """
    x = tensor(x)
    return x if x.dtype == "bool" else apply("absolute", x)


gradient("absolute", lambda node, g: g * apply("sign", node.inputs[0]))

abs = absolute


@public
def sign(x: TensorLike) -> Tensor:
    """-1, 0 or 1 by the sign of `x`; NaN stays NaN. Its gradient is 0.

    Example:
        >>> sign([-3.0, 0.0, 2.0]).tolist()
        [-1.0, 0.0, 1.0]
    """
    return apply("sign", x)


gradient("sign", lambda node, g: zeros_for(node, 0), keeps="none")


@public
def square(x: TensorLike) -> Tensor:
    """`x * x`.

    Example:
        >>> square([3, -2]).tolist()
        [9, 4]
    """
    return apply("square", number(x))


gradient("square", lambda node, g: g * (node.inputs[0] + node.inputs[0]))


@public
def clip(x: TensorLike, x_min: TensorLike, x_max: TensorLike) -> Tensor:
    """`x` brought into [`x_min`, `x_max`]. An `x` on a bound takes half of the gradient there.

    Args:
        x: a tensor; bool becomes int32.
        x_min: lower bound, a number or a tensor that broadcasts.
        x_max: upper bound; it wins where it is below `x_min`.

    Returns:
        A tensor of the broadcast shape.

    Example:
        >>> clip([1.0, 5.0, 9.0], 2.0, 8.0).tolist()
        [2.0, 5.0, 8.0]
    """
    return apply("minimum", apply("maximum", number(x), x_min), x_max)
