"""Normalization by means and variances: of a batch, of a layer's units, by root mean squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd import gradient, is_grad_enabled, not_differentiable
from ..config import epsilon as default_epsilon
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating
from .gradients import optional_input

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
    given = (
        _channels("batch_normalization", name, value, x, along)
        for name, value in (
            ("mean", mean), ("variance", variance), ("scale", scale), ("offset", offset),
        )
    )  # fmt: skip
    y = apply("standardize", _moved(x, along), *given, epsilon=float(epsilon))
    return _moved_back(y, along)


@public
def batch_moments_normalization(
    x: TensorLike,
    axis: int = -1,
    offset: TensorLike | None = None,
    scale: TensorLike | None = None,
    epsilon: float = 1e-3,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization by the batch's own moments, which it gives as well.

    Args:
        x: tensor; integers become `floatx`.
        axis: the axis of the channels; the moments are those over all others.
        offset: one number for each channel, or `None` for 0.
        scale: likewise, or `None` for 1.
        epsilon: keeps the root away from 0.

    Returns:
        `(y, mean, variance)`: a tensor like `x`, and (channels,) twice, in float32 for halves. The
        variance is the mean squared deviation (Ioffe and Szegedy 2015).

    Raises:
        ShapeError: numbers that are not as many as the axis is long.

    Example:
        >>> y, mean, variance = batch_moments_normalization([[1.0], [3.0]], epsilon=0.0)
        >>> y.tolist(), mean.tolist(), variance.tolist()
        ([[-1.0], [1.0]], [2.0], [1.0])
    """
    op = "batch_moments_normalization"
    x = floating(x)
    (along,) = _axes(op, axis, x.ndim)
    gamma = _channels(op, "scale", scale, x, along)
    beta = _channels(op, "offset", offset, x, along)
    last = _moved(x, along)
    channels = x.shape[along]
    flat = apply("reshape", last, shape=(1, math.prod(last.shape[:-1]), channels))
    y, mean, variance = _normalize(flat, channels, gamma, beta, epsilon)
    y = _moved_back(apply("reshape", y, shape=last.shape), along)
    return y, _flat(mean), _flat(variance)


@public
def group_normalization(
    x: TensorLike,
    groups: int,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Tensor:
    """Each group of a sample's channels with mean 0 and variance 1, times `gamma` plus `beta`.

    Args:
        x: tensor (N, ...); integers become `floatx`.
        groups: how many groups of neighbouring channels there are.
        gamma: one factor for each channel, or `None`.
        beta: one summand for each channel, or `None`.
        axis: the axis of the channels.
        epsilon: added to the variance.

    Returns:
        A tensor like `x` (Wu and He 2018).

    Raises:
        ShapeError: factors that are not as many as there are channels, or axis 0.
        ArgumentError: groups that do not divide the channels.

    Example:
        >>> group_normalization([[1.0, 3.0, 5.0, 9.0]], 2, epsilon=0.0).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """
    op = "group_normalization"
    x = floating(x)
    (along,) = _axes(op, axis, x.ndim)
    if along == 0:
        raise ShapeError(f"{op}: axis 0 of x {x.shape} is that of the samples")
    channels = x.shape[along]
    if isinstance(groups, bool) or not hasattr(groups, "__index__") or groups < 1:
        raise ArgumentError(f"{op}: groups must be a whole number > 0, got {groups!r}")
    if channels % groups:
        raise ArgumentError(
            f"{op}: {channels} channels (axis {axis} of x {x.shape}) do not divide into "
            f"{groups} groups"
        )
    last = _moved(x, along)
    rows = (x.shape[0], math.prod(last.shape[1:-1]), channels)
    y, _, _ = _normalize(
        apply("reshape", last, shape=rows),
        int(groups),
        _channels(op, "gamma", gamma, x, along),
        _channels(op, "beta", beta, x, along),
        epsilon,
    )
    return _moved_back(apply("reshape", y, shape=last.shape), along)


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
    epsilon = default_epsilon() if epsilon is None else epsilon
    if not rms:
        return _of_samples("layer_normalization", x, gamma, beta, axis, epsilon, False)
    along = _axes("layer_normalization", axis, x.ndim)
    wide = _wide(x)
    y = wide * apply("rsqrt", _moments(wide, along)[1] + epsilon)
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
    epsilon = default_epsilon() if epsilon is None else epsilon
    return _of_samples("rms_normalization", floating(x), scale, None, axis, epsilon, True)


def _of_samples(
    op: str,
    x: Tensor,
    gamma: TensorLike | None,
    beta: TensorLike | None,
    axis: Axes,
    epsilon: float,
    rms: bool,
) -> Tensor:
    """Each sample, which is what `axis` spans, by itself."""
    along = _axes(op, axis, x.ndim)
    features = tuple(x.shape[i] for i in along)

    def flat(name: str, value: TensorLike | None) -> Tensor | None:
        if value is None:
            return None
        given = _wide(floating(value), x)
        if given.shape != features and given.size != math.prod(features):
            raise ShapeError(
                f"{op}: {name} has the shape {given.shape}, but axis {axis} of x {x.shape} needs "
                f"{features}"
            )
        return _flat(given)

    kept = tuple(i for i in range(x.ndim) if i not in along)
    order = (*kept, *along)
    moved = x if order == tuple(range(x.ndim)) else apply("transpose", x, axes=order)
    samples = math.prod(x.shape[i] for i in kept)
    rows = apply("reshape", moved, shape=(samples, 1, math.prod(features)))
    y, _, _ = _normalize(rows, 1, flat("gamma", gamma), flat("beta", beta), epsilon, rms)
    y = apply("reshape", y, shape=moved.shape)
    if moved is x:
        return y
    return apply("transpose", y, axes=tuple(order.index(i) for i in range(x.ndim)))


def _normalize(
    x: Tensor,
    groups: int,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    rms: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The op on x as (outer, rows, channels): y, and each group's mean and variance."""
    fields = {"groups": groups, "epsilon": float(epsilon), "rms": rms}
    y, mean, variance = apply("normalize", x, gamma, beta, **fields)
    return y, mean, variance


def _moved(x: Tensor, axis: int) -> Tensor:
    """`x` with `axis` at the end."""
    if axis == x.ndim - 1:
        return x
    return apply("transpose", x, axes=(*range(axis), *range(axis + 1, x.ndim), axis))


def _moved_back(x: Tensor, axis: int) -> Tensor:
    """The last axis as `axis`."""
    last = x.ndim - 1
    if axis == last:
        return x
    return apply("transpose", x, axes=(*range(axis), last, *range(axis, last)))


def _flat(x: Tensor) -> Tensor:
    return x if x.ndim == 1 else apply("reshape", x, shape=(x.size,))


def _channels(op: str, name: str, value: TensorLike | None, x: Tensor, axis: int) -> Tensor | None:
    """One number for each channel, in the dtype that x is computed in."""
    if value is None:
        return None
    given = floating(value)
    if given.shape != (x.shape[axis],):
        raise ShapeError(
            f"{op}: {name} has the shape {given.shape}, but axis {axis} of x {x.shape} needs "
            f"{(x.shape[axis],)}"
        )
    return _wide(given, x)


def _axes(op: str, axes: Axes, ndim: int) -> tuple[int, ...]:
    """Counted from the first axis, in order."""
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    if any(not -ndim <= axis < ndim for axis in given):
        raise ShapeError(f"{op}: axes {axes} are out of range for {ndim} dimensions")
    return tuple(sorted({axis % ndim for axis in given}))


def _wide(x: Tensor, like: Tensor | None = None) -> Tensor:
    """`x` in the dtype that `like`, by default itself, is computed in."""
    dtype = (x if like is None else like).dtype
    dtype = "float32" if dtype in HALVES else dtype
    return x if x.dtype == dtype else apply("cast", x, dtype=dtype)


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    mean = apply("mean", x, axes=axes, keepdims=True)
    return mean, apply("mean", apply("square", x - mean), axes=axes, keepdims=True)


def _scaled(
    y: Tensor, x: Tensor, axes: tuple[int, ...], gamma: TensorLike | None, beta: TensorLike | None
) -> Tensor:
    shape = tuple(n if i in axes else 1 for i, n in enumerate(x.shape))
    if gamma is not None:
        y = y * apply("reshape", _wide(floating(gamma), y), shape=shape)
    if beta is not None:
        y = y + apply("reshape", _wide(floating(beta), y), shape=shape)
    return y


# ---- gradients ---------------------------------------------------------------------------------
#
# x is (outer, rows, channels), seen below as (outer, rows, groups, width) in the dtype it is
# computed in. The native op gives first gradients; where they are themselves to be differentiated
# they are composed of ops that have gradients.


class _Parts:
    """The inputs of normalize, and what its gradient is made of."""

    def __init__(self, node: Any) -> None:
        x, gamma = node.inputs[0], optional_input(node, 1)
        outer, rows, channels = x.shape
        groups = node.fields["groups"]
        self.shape = (outer, rows, groups, channels // groups)
        self.count = float(max(1, rows * (channels // groups)))
        self.rms = node.fields["rms"]
        self.x = self.split(x)
        self.gamma = None if gamma is None else self.line(gamma)
        if self.rms:
            self.centred, variance = self.x, self.mean(apply("square", self.x))
        else:
            mean, variance = _moments(self.x, (1, 3))
            self.centred = self.x - mean
        self.scale = apply("rsqrt", variance + node.fields["epsilon"])
        self.normal = self.centred * self.scale

    def split(self, x: Tensor) -> Tensor:
        return apply("reshape", _wide(x), shape=self.shape)

    def line(self, channels: Tensor) -> Tensor:
        return apply("reshape", channels, shape=(1, 1, *self.shape[2:]))

    def mean(self, x: Tensor) -> Tensor:
        return apply("mean", x, axes=(1, 3), keepdims=True)

    def of_y(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """dx, dgamma and dbeta for the gradient of y."""
        g = self.split(g)
        h = g if self.gamma is None else g * self.gamma
        dx = h - self.normal * self.mean(h * self.normal)
        if not self.rms:
            dx = dx - self.mean(h)
        dgamma, dbeta = (
            _flat(apply("sum", t, axes=(0, 1), keepdims=False)) for t in (g * self.normal, g)
        )
        return dx * self.scale, dgamma, dbeta

    def of_moments(self, mean: Tensor | None, variance: Tensor | None) -> Tensor:
        """What the gradients of the moments add to dx."""
        shape = (self.shape[0], 1, self.shape[2], 1)
        total = apply("full", shape=self.shape, value=0.0, dtype=self.x.dtype)
        if mean is not None and not self.rms:
            total = total + apply("reshape", mean, shape=shape) / self.count
        if variance is not None:
            share = apply("reshape", variance, shape=shape) * (2.0 / self.count)
            total = total + self.centred * share
        return total


def _normalize_gradient(node: Any, g: Any) -> list[Tensor | None]:
    x, gamma = node.inputs[0], optional_input(node, 1)
    of_y, *of_moments = g
    dx = dgamma = dbeta = None
    composed = _Parts(node) if is_grad_enabled() or any(m is not None for m in of_moments) else None
    if of_y is not None and composed is not None:
        dx, dgamma, dbeta = composed.of_y(of_y)
    elif of_y is not None:
        _, mean, variance = node.outputs
        dx, dgamma, dbeta = apply("normalize_grad", x, mean, variance, of_y, gamma, **node.fields)
    if any(m is not None for m in of_moments) and composed is not None:
        more = composed.of_moments(*of_moments)
        dx = more if dx is None else dx + more
    if dx is not None and composed is not None:
        dx = apply("reshape", dx, shape=x.shape)
    return [dx, dgamma, dbeta][: len(node.inputs)]


not_differentiable("normalize_grad")
gradient("normalize", variadic=_normalize_gradient, keeps="inputs rest")


# y = (x - mean) scale gamma + beta with scale = 1 / sqrt(variance + epsilon), along the last axis.


def _scale(node: Any) -> Tensor:
    return apply("rsqrt", node.inputs[2] + node.fields["epsilon"])


def _times_gamma(node: Any, g: Tensor) -> Tensor:
    gamma = optional_input(node, 3)
    return g if gamma is None else g * gamma


def _down(x: Tensor) -> Tensor:
    """The sum over all axes but the last."""
    return apply("sum", x, axes=tuple(range(x.ndim - 1)), keepdims=False) if x.ndim > 1 else x


def _of_deviations(node: Any, g: Tensor) -> Tensor:
    """sum(g (x - mean)) for each channel."""
    x, mean = node.inputs[:2]
    return _down(_wide(g) * (_wide(x) - mean))


def _standardize_mean(node: Any, g: Tensor) -> Tensor:
    return -_times_gamma(node, _down(_wide(g))) * _scale(node)


def _standardize_variance(node: Any, g: Tensor) -> Tensor:
    scale = _scale(node)
    return _times_gamma(node, _of_deviations(node, g)) * scale * scale * scale * -0.5


gradient(
    "standardize",
    lambda node, g: _wide(g) * _times_gamma(node, _scale(node)),
    _standardize_mean,
    _standardize_variance,
    lambda node, g: _of_deviations(node, g) * _scale(node),
    lambda node, g: _down(_wide(g)),
)
