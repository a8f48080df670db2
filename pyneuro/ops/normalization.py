"""Normalization by means and variances: of a batch, of a layer's units, by root mean squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config import epsilon as default_epsilon
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating

Axes = int | Sequence[int]
HALVES = ("float16", "bfloat16")


@public
def moments(
    x: TensorLike, axes: Axes, keepdims: bool = False, synchronized: bool = False
) -> tuple[Tensor, Tensor]:
    """Mean and variance along axes; the latter is that of the deviations, so never negative.

    Args:
        x: tensor; integers become `floatx`.
        axes: the axes that are reduced, one or several.
        keepdims: whether to keep them, with size 1.
        synchronized: whether to reduce over all replicas as well; there is one here.

    Returns:
        `(mean, variance)`, of the dtype of `x`; halves are computed in float32.

    Example:
        >>> mean, variance = moments([1.0, 2.0, 3.0, 4.0], axes=0)
        >>> (mean.item(), variance.item())
        (2.5, 1.25)
    """
    x = floating(x)
    mean, variance = _moments(_wide(x), _axes("moments", axes, x.ndim))
    if not keepdims:
        along = _axes("moments", axes, x.ndim)
        shape = tuple(n for i, n in enumerate(x.shape) if i not in along)
        mean, variance = (apply("reshape", m, shape=shape) for m in (mean, variance))
    return mean.astype(x.dtype), variance.astype(x.dtype)


@public
def batch_normalization(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    axis: int,
    offset: TensorLike | None = None,
    scale: TensorLike | None = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`, along one axis.

    Args:
        x: tensor; integers become `floatx`.
        mean: one number for each position along `axis`.
        variance: likewise.
        axis: the axis of the channels.
        offset: likewise, or `None` for 0.
        scale: likewise, or `None` for 1.
        epsilon: keeps the root away from 0.

    Returns:
        A tensor like `x` (Ioffe and Szegedy 2015).

    Raises:
        ShapeError: numbers that are not as many as the axis is long.

    Example:
        >>> batch_normalization([[1.0, 2.0]], [1.0, 1.0], [1.0, 1.0], axis=-1, epsilon=0).tolist()
        [[0.0, 1.0]]
    """
    x = floating(x)
    (along,) = _axes("batch_normalization", axis, x.ndim)
    shape = tuple(n if i == along else 1 for i, n in enumerate(x.shape))

    def spread(name: str, value: TensorLike | None) -> Tensor | None:
        if value is None:
            return None
        given = floating(value)
        if given.shape != (x.shape[along],):
            raise ShapeError(
                f"batch_normalization: {name} has the shape {given.shape}, but axis {axis} of x "
                f"{x.shape} needs {(x.shape[along],)}"
            )
        return apply("reshape", _wide(given), shape=shape)

    mean_, variance_ = spread("mean", mean), spread("variance", variance)
    factor = _reciprocal_root(variance_, epsilon)
    if (scale_ := spread("scale", scale)) is not None:
        factor = factor * scale_
    y = (_wide(x) - mean_) * factor
    if (offset_ := spread("offset", offset)) is not None:
        y = y + offset_
    return y.astype(x.dtype)


@public
def layer_normalization(
    x: TensorLike,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    axis: Axes = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Tensor:
    """Each sample with mean 0 and variance 1 along `axis`, then times `gamma` plus `beta`.

    Args:
        x: tensor; integers become `floatx`.
        gamma: factors, of the shape of x along `axis`, or `None`.
        beta: summands, of the same shape, or `None`.
        axis: one axis or several.
        epsilon: added to the variance; default `config.epsilon()`.
        **kwargs: `rms_scaling=True`, which Keras knows as well, leaves the mean where it is.

    Returns:
        A tensor like `x` (Ba, Kiros, Hinton 2016).

    Raises:
        ArgumentError: another argument.

    Example:
        >>> layer_normalization([[1.0, 3.0]], epsilon=0.0).tolist()
        [[-1.0, 1.0]]
    """
    rms = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise ArgumentError(f"layer_normalization: unknown arguments {sorted(kwargs)}")
    x = floating(x)
    along = _axes("layer_normalization", axis, x.ndim)
    wide = _wide(x)
    mean, variance = _moments(wide, along)
    centred = wide if rms else wide - mean
    y = centred * _reciprocal_root(variance, default_epsilon() if epsilon is None else epsilon)
    return _scaled(y, x, along, gamma, beta).astype(x.dtype)


@public
def rms_normalization(
    x: TensorLike,
    scale: TensorLike | None = None,
    axis: Axes = -1,
    epsilon: float | None = None,
) -> Tensor:
    """`x / sqrt(mean(x ** 2) + epsilon) * scale`, along `axis`.

    Args:
        x: tensor; integers become `floatx`.
        scale: factors, of the shape of x along `axis`, or `None`.
        axis: one axis or several.
        epsilon: added to the mean; default `config.epsilon()`.

    Returns:
        A tensor like `x` (Zhang and Sennrich 2019).

    Example:
        >>> rms_normalization([[3.0, 3.0]], epsilon=0.0).tolist()
        [[1.0, 1.0]]
    """
    x = floating(x)
    along = _axes("rms_normalization", axis, x.ndim)
    wide = _wide(x)
    square = apply("mean", apply("square", wide), axes=along, keepdims=True)
    y = wide * _reciprocal_root(square, default_epsilon() if epsilon is None else epsilon)
    return _scaled(y, x, along, scale, None).astype(x.dtype)


def _axes(op: str, axes: Axes, ndim: int) -> tuple[int, ...]:
    """Counted from the first axis, in order."""
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    if any(not -ndim <= axis < ndim for axis in given):
        raise ShapeError(f"{op}: axes {axes} are out of range for {ndim} dimensions")
    return tuple(sorted({axis % ndim for axis in given}))


def _wide(x: Tensor) -> Tensor:
    return x.astype("float32") if x.dtype in HALVES else x


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    mean = apply("mean", x, axes=axes, keepdims=True)
    return mean, apply("mean", apply("square", x - mean), axes=axes, keepdims=True)


def _reciprocal_root(x: Any, epsilon: float) -> Tensor:
    root: Tensor = apply("rsqrt", x + epsilon)
    return root


def _scaled(
    y: Tensor, x: Tensor, axes: tuple[int, ...], gamma: TensorLike | None, beta: TensorLike | None
) -> Tensor:
    shape = tuple(n if i in axes else 1 for i, n in enumerate(x.shape))
    if gamma is not None:
        y = y * apply("reshape", _wide(floating(gamma)), shape=shape)
    if beta is not None:
        y = y + apply("reshape", _wide(floating(beta)), shape=shape)
    return y
