"""Random draws from an explicit seed tensor: Keras's names, but `seed` holds (seed, counter).

The numbers depend on the seed tensor and the element's position alone (csrc/core/philox.h). Where
seeds come from is the matter of `pyneuro.random`, the public face.
"""

from __future__ import annotations

from typing import Any

from ..autograd import gradient, not_differentiable
from ..config import floatx
from ..tensor import Tensor, apply
from .arguments import Shape, TensorLike, dtype_name, floating, shape_tuple

not_differentiable("random_uniform", "random_normal")


def uniform(
    shape: Shape, minval: float, maxval: float, dtype: Any = None, *, seed: TensorLike
) -> Tensor:
    """Numbers spread evenly over [minval, maxval).

    Args:
        shape: the shape of the result.
        minval: the lower bound, included.
        maxval: the upper bound, excluded.
        dtype: a floating dtype; default: `floatx`.
        seed: two integers: the seed and a counter.

    Returns:
        A tensor of the shape.

    Raises:
        DTypeError: `dtype` is not floating.

    Example:
        >>> draws = [uniform((2,), 0.0, 1.0, seed=[7, counter]).tolist() for counter in (0, 0, 1)]
        >>> draws[0] == draws[1], draws[1] == draws[2]
        (True, False)
    """
    return apply(
        "random_uniform",
        seed,
        shape=shape_tuple(shape),
        minval=float(minval),
        maxval=float(maxval),
        dtype=dtype_name(dtype or floatx()),
    )


def normal(
    shape: Shape, mean: float, stddev: float, dtype: Any = None, *, seed: TensorLike
) -> Tensor:
    """Normally distributed numbers.

    Args:
        shape: the shape of the result.
        mean: their mean.
        stddev: their standard deviation.
        dtype: a floating dtype; default: `floatx`.
        seed: two integers: the seed and a counter.

    Returns:
        A tensor of the shape.

    Raises:
        DTypeError: `dtype` is not floating.

    Example:
        >>> normal((2, 3), 0.0, 1.0, seed=[7, 0]).shape
        (2, 3)
    """
    return apply(
        "random_normal",
        seed,
        shape=shape_tuple(shape),
        mean=float(mean),
        stddev=float(stddev),
        dtype=dtype_name(dtype or floatx()),
    )


def dropout(inputs: TensorLike, rate: float, *, seed: TensorLike) -> Tensor:
    """Zeros in a random share of the entries, the others scaled by `1 / (1 - rate)`.

    Args:
        inputs: a tensor; integers become `floatx`.
        rate: the share that is dropped, in [0, 1].
        seed: two integers: the seed and a counter.

    Returns:
        A tensor of the same shape.

    Raises:
        ArgumentError: `rate` is outside [0, 1].

    Example:
        >>> dropout([1.0, 1.0], 0.0, seed=[7, 0]).tolist()
        [1.0, 1.0]
    """
    return apply("dropout", floating(inputs), seed, rate=float(rate))


# The same seed draws the same mask again; what it zeroes has no gradient either.
gradient(
    "dropout",
    lambda node, g: apply("dropout", g, node.inputs[1], rate=node.fields["rate"]),
    None,
)
