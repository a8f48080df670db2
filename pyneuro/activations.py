"""Activation functions by name: what `Dense(activation="relu")` means.

Functions of tensors made of `ops`; the named ones that exist as ops only pass on to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from . import ops
from .registry import built_in, deserialize_keras_object, resolve, serialize_keras_object
from .tensor import Tensor

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Activation = Callable[..., Any]


@built_in("activation")
def linear(x: Any) -> Any:
    """The identity: `x` unchanged.

    Args:
        x: a tensor.

    Returns:
        `x` itself.

    Example:
        >>> linear(3.0)
        3.0
    """
    return x


@built_in("activation")
def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """The rectified linear unit: `max(x, 0)`, with optional slope, ceiling and threshold.

    Args:
        x: a tensor.
        negative_slope: slope below the threshold, 0 by default.
        max_value: the largest output; `None` for no limit.
        threshold: values below it are damped (or zero), 0 by default.

    Returns:
        A tensor of `x`'s shape and dtype.

    Example:
        >>> import numpy as np
        >>> relu(np.array([-2.0, 3.0], "float32"), negative_slope=0.5).tolist()
        [-1.0, 3.0]
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return ops.relu(x)
    kept: Any
    if threshold != 0.0:
        kept = ops.where(ops.greater_equal(x, threshold), x, 0.0)
        below = ops.minimum(x, threshold) - threshold
    else:
        kept, below = ops.relu(x), ops.minimum(x, 0.0)
    if max_value is not None:
        kept = ops.minimum(kept, max_value)
    if negative_slope != 0.0:
        kept = kept + below * negative_slope
    return cast("Tensor", kept)


@built_in("activation")
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """`x` where positive, `negative_slope * x` elsewhere.

    Args:
        x: a tensor.
        negative_slope: slope below zero.

    Returns:
        A tensor of `x`'s shape and dtype.

    Example:
        >>> import numpy as np
        >>> leaky_relu(np.array([-10.0, 1.0], "float32")).tolist()
        [-2.0, 1.0]
    """
    return ops.leaky_relu(x, negative_slope=negative_slope)


@built_in("activation")
def relu6(x: Any) -> Tensor:
    """`min(max(x, 0), 6)`."""
    return ops.relu6(x)


@built_in("activation")
def softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Tensor:
    """`exp(x) / sum(exp(x))` along an axis: positive numbers that sum to one.

    Args:
        x: a floating tensor.
        axis: the axis, or several that are taken together.

    Returns:
        A tensor of `x`'s shape and dtype.

    Example:
        >>> import numpy as np
        >>> softmax(np.zeros((1, 4), "float32")).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    return ops.softmax(x, axis=axis)


@built_in("activation")
def log_softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Tensor:
    """The logarithm of `softmax`, without its underflow.

    Args:
        x: a floating tensor.
        axis: the axis, or several that are taken together.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.log_softmax(x, axis=axis)


@built_in("activation")
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        x: a floating tensor.
        alpha: scale of the negative part.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.elu(x, alpha=alpha)


@built_in("activation")
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`.

    Args:
        x: a floating tensor.
        alpha: scale and width of the negative part.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.celu(x, alpha=alpha)


@built_in("activation")
def selu(x: Any) -> Tensor:
    """The scaled exponential linear unit (Klambauer et al. 2017): keeps mean and variance."""
    return ops.selu(x)


@built_in("activation")
def softplus(x: Any) -> Tensor:
    """`log(exp(x) + 1)`."""
    return ops.softplus(x)


@built_in("activation")
def softsign(x: Any) -> Tensor:
    """`x / (|x| + 1)`."""
    return ops.softsign(x)


@built_in("activation", "swish")
def silu(x: Any) -> Tensor:
    """`x * sigmoid(x)`, also called swish."""
    return ops.silu(x)


swish = silu


@built_in("activation")
def gelu(x: Any, approximate: bool = False) -> Tensor:
    """`x * P(X <= x)` for a standard normal X (Hendrycks and Gimpel 2016).

    Args:
        x: a floating tensor.
        approximate: use the formula with `tanh` instead of the error function.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.gelu(x, approximate=approximate)


@built_in("activation")
def sigmoid(x: Any) -> Tensor:
    """`1 / (1 + exp(-x))`."""
    return ops.sigmoid(x)


@built_in("activation")
def log_sigmoid(x: Any) -> Tensor:
    """`log(sigmoid(x))`, without its underflow."""
    return ops.log_sigmoid(x)


@built_in("activation")
def tanh(x: Any) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(x)


@built_in("activation")
def exponential(x: Any) -> Tensor:
    """`exp(x)`."""
    return ops.exp(x)


@built_in("activation")
def hard_sigmoid(x: Any) -> Tensor:
    """`min(max(x / 6 + 1/2, 0), 1)`: the sigmoid by straight lines."""
    return ops.hard_sigmoid(x)


@built_in("activation", "hard_swish")
def hard_silu(x: Any) -> Tensor:
    """`x * hard_sigmoid(x)`."""
    return ops.hard_silu(x)


hard_swish = hard_silu


@built_in("activation")
def hard_tanh(x: Any) -> Tensor:
    """`min(max(x, -1), 1)`."""
    return ops.hard_tanh(x)


@built_in("activation")
def mish(x: Any) -> Tensor:
    """`x * tanh(softplus(x))`."""
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


@built_in("activation")
def tanh_shrink(x: Any) -> Tensor:
    """`x - tanh(x)`."""
    return ops.tanh_shrink(x)


@built_in("activation")
def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """`x` where `|x| > threshold`, 0 elsewhere.

    Args:
        x: a tensor.
        threshold: half the width of the zero band.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.hard_shrink(x, threshold=threshold)


@built_in("activation")
def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """`x` moved towards zero by `threshold`, and 0 within it.

    Args:
        x: a tensor.
        threshold: half the width of the zero band.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.soft_shrink(x, threshold=threshold)


@built_in("activation")
def squareplus(x: Any, b: float = 4) -> Tensor:
    """`(x + sqrt(x**2 + b)) / 2`.

    Args:
        x: a floating tensor.
        b: how smooth the bend at zero is.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    result: Tensor = (x + ops.sqrt(ops.square(x) + float(b))) * 0.5
    return result


@built_in("activation")
def sparse_plus(x: Any) -> Tensor:
    """0 up to -1, `(x + 1)**2 / 4` between -1 and 1, `x` from 1 on."""
    bend = ops.square(ops.add(x, 1.0)) * 0.25
    return cast(
        "Tensor", ops.where(ops.less(x, 1.0), ops.where(ops.greater(x, -1.0), bend, 0.0), x)
    )


@built_in("activation")
def sparse_sigmoid(x: Any) -> Tensor:
    """`min(max((x + 1) / 2, 0), 1)`."""
    return ops.minimum(ops.relu(ops.add(x, 1.0) * 0.5), 1.0)


@built_in("activation")
def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """`x` where it is above `threshold`, `default_value` elsewhere.

    Args:
        x: a tensor.
        threshold: values up to it are replaced.
        default_value: what they are replaced by.

    Returns:
        A tensor of `x`'s shape and dtype.
    """
    return ops.threshold(x, threshold, default_value)


@built_in("activation")
def glu(x: Any, axis: int = -1) -> Tensor:
    """The gated linear unit: one half of `x` times the sigmoid of the other half.

    Args:
        x: a floating tensor whose size along `axis` is even.
        axis: the axis to halve.

    Returns:
        A tensor with half the size along `axis`.
    """
    value, gate = ops.split(x, 2, axis=axis)
    result: Tensor = value * ops.sigmoid(gate)
    return result


def get(identifier: Any) -> Activation:
    """Turn what a user gives as `activation=` into a function.

    Args:
        identifier: `None` (linear), a name, a callable, or a serialized function.

    Returns:
        A callable of one tensor.

    Raises:
        UnknownNameError: no activation of this name; suggests the nearest.

    Example:
        >>> get("relu").__name__, get(None).__name__
        ('relu', 'linear')
    """
    function: Activation = linear if identifier is None else resolve("activation", identifier)
    return function


def serialize(activation: Activation) -> Any:
    """The name of a built-in activation, or the config of a custom one."""
    config = serialize_keras_object(activation)
    if isinstance(config, dict) and config["class_name"] == "function":
        return config["config"] if config["registered_name"] == "function" else config
    return config


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Activation:
    """Make an activation from `serialize`'s result."""
    if isinstance(config, str):
        return get(config)
    function: Activation = deserialize_keras_object(config, custom_objects=custom_objects)
    return function
