"""Activation functions, elementwise, with their gradients; compositions where there is no kernel.

Softmax and its like, which look along an axis, live in `softmax.py`.
"""

from __future__ import annotations

import math

from ..autograd import gradient
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating, number
from .gradients import zeros_for

# Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-normalizing neural networks".
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946

_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_GELU_CUBIC = 0.044715  # Hendrycks and Gimpel 2016, "Gaussian error linear units"


@public
def relu(x: TensorLike) -> Tensor:
    """`max(x, 0)`; NaN stays NaN. The gradient at 0 is 0.

    Example:
        >>> relu([-1.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    return apply("relu", number(x))


gradient("relu", lambda node, g: apply("relu_grad", node.output, g), keeps="output")
gradient(
    "relu_grad",
    lambda node, g: zeros_for(node, 0),
    lambda node, g: apply("relu_grad", node.inputs[0], g),
)


@public
def relu6(x: TensorLike) -> Tensor:
    """`min(max(x, 0), 6)`.

    Example:
        >>> relu6([-1.0, 2.0, 9.0]).tolist()
        [0.0, 2.0, 6.0]
    """
    return apply("minimum", apply("relu", floating(x)), 6.0)


@public
def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> Tensor:
    """`x` above 0, `negative_slope * x` elsewhere.

    Example:
        >>> leaky_relu([-1.0, 2.0], negative_slope=0.5).tolist()
        [-0.5, 2.0]
    """
    x = floating(x)
    return apply("where", apply("greater", x, 0.0), x, x * float(negative_slope))


def _exponential_below(x: Tensor, alpha: float, scale: float) -> Tensor:
    """`x` above 0, `alpha * (exp(x * scale) - 1)` elsewhere."""
    above = apply("greater", x, 0.0)
    # Positive x are kept away from expm1: infinity times the gradient 0 of where would be NaN.
    below = apply("where", above, 0.0, x)
    if scale != 1.0:
        below = below * scale
    below = apply("expm1", below)
    return apply("where", above, x, below if alpha == 1.0 else below * alpha)


@public
def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """`x` above 0, `alpha * (exp(x) - 1)` elsewhere.

    Example:
        >>> elu([0.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    return _exponential_below(floating(x), float(alpha), 1.0)


@public
def celu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """`x` above 0, `alpha * (exp(x / alpha) - 1)` elsewhere: smooth for every `alpha`.

    Example:
        >>> celu([0.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    return _exponential_below(floating(x), float(alpha), 1.0 / alpha)


@public
def selu(x: TensorLike) -> Tensor:
    """`elu` with the scale and alpha that keep a network's activations normalized.

    Example:
        >>> selu([0.0]).tolist()
        [0.0]
    """
    return _exponential_below(floating(x), _SELU_ALPHA, 1.0) * _SELU_SCALE


@public
def gelu(x: TensorLike, approximate: bool = True) -> Tensor:
    """`x` times the normal distribution function of `x`.

    Args:
        x: a tensor.
        approximate: use the formula with `tanh` instead of the error function.

    Returns:
        A tensor of `x`'s shape and dtype.

    Example:
        >>> gelu([0.0, 100.0]).tolist()
        [0.0, 100.0]
    """
    return apply("gelu_tanh" if approximate else "gelu", floating(x))


gradient("gelu", lambda node, g: apply("gelu_grad", node.inputs[0], g))
gradient("gelu_tanh", lambda node, g: apply("gelu_tanh_grad", node.inputs[0], g))


def _gelu_curvature(x: Tensor) -> Tensor:
    """The second derivative of gelu: `phi(x) (2 - x**2)`."""
    x2 = apply("square", x)
    density = apply("exp", x2 * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))
    return density * (2.0 - x2)


def _gelu_tanh_curvature(x: Tensor) -> Tensor:
    """The tanh form's second derivative: `(1 - t**2) (u' - x t u'**2 + x u'' / 2)`, t = tanh(u)."""
    x2 = apply("square", x)
    t = apply("tanh", (x + x * x2 * _GELU_CUBIC) * _SQRT_2_OVER_PI)
    slope = (x2 * (3.0 * _GELU_CUBIC) + 1.0) * _SQRT_2_OVER_PI
    bend = x2 * (3.0 * _GELU_CUBIC * _SQRT_2_OVER_PI)  # x u'' / 2
    return (1.0 - apply("square", t)) * (slope - x * t * apply("square", slope) + bend)


gradient(
    "gelu_grad",
    lambda node, g: g * node.inputs[1] * _gelu_curvature(node.inputs[0]),
    lambda node, g: apply("gelu_grad", node.inputs[0], g),
)
gradient(
    "gelu_tanh_grad",
    lambda node, g: g * node.inputs[1] * _gelu_tanh_curvature(node.inputs[0]),
    lambda node, g: apply("gelu_tanh_grad", node.inputs[0], g),
)


@public
def silu(x: TensorLike) -> Tensor:
    """`x * sigmoid(x)`; also called swish.

    Example:
        >>> silu([0.0]).tolist()
        [0.0]
    """
    return apply("silu", floating(x))


swish = silu

gradient("silu", lambda node, g: apply("silu_grad", node.inputs[0], g))


def _silu_curvature(x: Tensor) -> Tensor:
    """The second derivative of silu: `s (1 - s) (2 + x (1 - 2 s))`."""
    s = apply("sigmoid", x)
    return s * (1.0 - s) * (x * (1.0 - (s + s)) + 2.0)


gradient(
    "silu_grad",
    lambda node, g: g * node.inputs[1] * _silu_curvature(node.inputs[0]),
    lambda node, g: apply("silu_grad", node.inputs[0], g),
)


@public
def sigmoid(x: TensorLike) -> Tensor:
    """`1 / (1 + exp(-x))`.

    Example:
        >>> sigmoid([0.0]).tolist()
        [0.5]
    """
    return apply("sigmoid", floating(x))


gradient("sigmoid", lambda node, g: apply("sigmoid_grad", node.output, g), keeps="output")
gradient(
    "sigmoid_grad",
    lambda node, g: g * node.inputs[1] * (1.0 - (node.inputs[0] + node.inputs[0])),
    lambda node, g: apply("sigmoid_grad", node.inputs[0], g),
)


@public
def log_sigmoid(x: TensorLike) -> Tensor:
    """`log(sigmoid(x))` without its underflow.

    Example:
        >>> log_sigmoid([-1000.0]).tolist()
        [-1000.0]
    """
    return -apply("softplus", -floating(x))


@public
def hard_sigmoid(x: TensorLike) -> Tensor:
    """The sigmoid by straight lines: `min(max(x / 6 + 1/2, 0), 1)`.

    Example:
        >>> hard_sigmoid([-3.0, 0.0, 3.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    return _hard_sigmoid(floating(x))


def _hard_sigmoid(x: Tensor) -> Tensor:
    return apply("minimum", apply("relu", x * (1.0 / 6.0) + 0.5), 1.0)


@public
def hard_silu(x: TensorLike) -> Tensor:
    """`x * hard_sigmoid(x)`; also called hard swish.

    Example:
        >>> hard_silu([-3.0, 3.0]).tolist()
        [-0.0, 3.0]
    """
    x = floating(x)
    return apply("multiply", x, _hard_sigmoid(x))


hard_swish = hard_silu


@public
def hard_tanh(x: TensorLike) -> Tensor:
    """`min(max(x, -1), 1)`.

    Example:
        >>> hard_tanh([-2.0, 0.5, 2.0]).tolist()
        [-1.0, 0.5, 1.0]
    """
    return apply("minimum", apply("maximum", floating(x), -1.0), 1.0)


@public
def hard_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """`x` where `|x| > threshold`, 0 elsewhere.

    Example:
        >>> hard_shrink([-0.25, 1.0]).tolist()
        [0.0, 1.0]
    """
    x = floating(x)
    return apply("where", apply("greater", apply("absolute", x), float(threshold)), x, 0.0)


@public
def soft_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """`x` moved towards 0 by `threshold`, and 0 within it.

    Example:
        >>> soft_shrink([-0.25, 1.0]).tolist()
        [0.0, 0.5]
    """
    x = floating(x)
    return apply("relu", x - float(threshold)) - apply("relu", -x - float(threshold))


@public
def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent.

    Example:
        >>> tanh([0.0]).tolist()
        [0.0]
    """
    return apply("tanh", floating(x))


gradient("tanh", lambda node, g: apply("tanh_grad", node.output, g), keeps="output")
gradient(
    "tanh_grad",
    lambda node, g: g * node.inputs[1] * (node.inputs[0] * -2.0),
    lambda node, g: apply("tanh_grad", node.inputs[0], g),
)


@public
def tanh_shrink(x: TensorLike) -> Tensor:
    """`x - tanh(x)`.

    Example:
        >>> tanh_shrink([0.0]).tolist()
        [0.0]
    """
    x = floating(x)
    return apply("subtract", x, apply("tanh", x))


@public
def softplus(x: TensorLike) -> Tensor:
    """`log(1 + exp(x))` without overflow.

    Example:
        >>> softplus([1000.0]).tolist()
        [1000.0]
    """
    return apply("softplus", floating(x))


gradient("softplus", lambda node, g: g * apply("sigmoid", node.inputs[0]))


@public
def softsign(x: TensorLike) -> Tensor:
    """`x / (1 + |x|)`.

    Example:
        >>> softsign([1.0, -3.0]).tolist()
        [0.5, -0.75]
    """
    x = floating(x)
    return apply("divide", x, apply("absolute", x) + 1.0)


@public
def threshold(x: TensorLike, threshold: float, default_value: float) -> Tensor:
    """`x` where it is above `threshold`, `default_value` elsewhere.

    Example:
        >>> threshold([-1.0, 2.0], 0.0, -7.0).tolist()
        [-7.0, 2.0]
    """
    x = floating(x)
    return apply("where", apply("greater", x, float(threshold)), x, float(default_value))
