"""Normalization layers: of a batch, of a sample's features, of groups of channels, of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import constraints, initializers, ops, regularizers
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from .base import InputSpec, Layer

__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "UnitNormalization",
]


def _known(layer: Layer, input_shape: Any, axis: int) -> int:
    rank = len(input_shape)
    if not -rank <= axis < rank:
        raise ShapeError(
            f"{type(layer).__name__} {layer.name!r}: axis {axis} is out of range for the input "
            f"shape {input_shape}"
        )
    size = input_shape[axis]
    if size is None:
        raise ShapeError(
            f"{type(layer).__name__} {layer.name!r}: axis {axis} of the input must have a known "
            f"size, got the shape {input_shape}"
        )
    return int(size)


class _Normalization(Layer):
    """What the layers with `gamma` and `beta` share: how these are set up and written down."""

    def _take(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta: tuple[Any, Any, Any],
        gamma: tuple[Any, Any, Any],
    ) -> None:
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or epsilon < 0:
            raise ArgumentError(
                f"{type(self).__name__}: epsilon must be a number >= 0, got {epsilon!r}"
            )
        self.epsilon = float(epsilon)
        self.center, self.scale = bool(center), bool(scale)
        for name, (initializer, regularizer, constraint) in (("beta", beta), ("gamma", gamma)):
            setattr(self, f"{name}_initializer", initializers.get(initializer))
            setattr(self, f"{name}_regularizer", regularizers.get(regularizer))
            setattr(self, f"{name}_constraint", constraints.get(constraint))
        self.gamma: Any = None
        self.beta: Any = None
        self.supports_masking = True

    def _make(self, shape: tuple[int, ...]) -> None:
        """The weights, in Keras's order."""
        for name, wanted in (("gamma", self.scale), ("beta", self.center)):
            if wanted:
                weight = self.add_weight(
                    shape,
                    getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                    autocast=False,
                    name=name,
                )
                setattr(self, name, weight)

    def _written(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
        }
        for name in ("beta", "gamma"):
            for suffix, module in (
                ("initializer", initializers),
                ("regularizer", regularizers),
                ("constraint", constraints),
            ):
                config[f"{name}_{suffix}"] = module.serialize(getattr(self, f"{name}_{suffix}"))
        return {**super().get_config(), **config}


@built_in("layer")
class BatchNormalization(_Normalization):
    """Each channel with mean 0 and variance 1 over the batch, then times `gamma` plus `beta`.

    While training the batch's own moments are taken, and moving averages of them are kept;
    otherwise, and where `trainable` is `False`, the averages are taken (Ioffe and Szegedy 2015).

    Args:
        axis: the axis of the channels.
        momentum: the share of the moving averages that an update keeps.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether to multiply by `gamma`.
        beta_initializer: first value of `beta` (channels,).
        gamma_initializer: first value of `gamma` (channels,).
        moving_mean_initializer: first value of the moving mean.
        moving_variance_initializer: first value of the moving variance.
        beta_regularizer: penalty of `beta`.
        gamma_regularizer: penalty of `gamma`.
        beta_constraint: applied to `beta` after each update.
        gamma_constraint: applied to `gamma` after each update.
        synchronized: whether moments are those of all replicas; there is one here.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a momentum outside of [0, 1], or a negative epsilon.
        ShapeError: on call, an input without that axis.

    Example:
        >>> import numpy as np
        >>> layer = BatchNormalization(epsilon=0.0)
        >>> layer(np.array([[1.0], [3.0]], "float32"), training=True).tolist()
        [[-1.0], [1.0]]
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(momentum, bool) or not isinstance(momentum, (int, float)):
            raise ArgumentError(f"BatchNormalization: momentum must be a number, got {momentum!r}")
        if not 0 <= momentum <= 1:
            raise ArgumentError(
                f"BatchNormalization: momentum must be in [0, 1], got {momentum!r}; it is the "
                "share that is kept, 1 less PyTorch's"
            )
        self.axis = int(axis)
        self.momentum = float(momentum)
        self._take(
            epsilon,
            center,
            scale,
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
        )
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.synchronized = bool(synchronized)

    def build(self, input_shape: Any) -> None:
        """Make gamma, beta and the moving averages."""
        channels = _known(self, input_shape, self.axis)
        self._make((channels,))
        self.moving_mean = self.add_weight(
            (channels,),
            self.moving_mean_initializer,
            trainable=False,
            autocast=False,
            name="moving_mean",
        )
        self.moving_variance = self.add_weight(
            (channels,),
            self.moving_variance_initializer,
            trainable=False,
            autocast=False,
            name="moving_variance",
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize; `mask`, of the input's shape without channels, says what counts as data."""
        axis = self.axis % len(inputs.shape)
        learned = {"offset": self.beta, "scale": self.gamma, "epsilon": self.epsilon}
        if not training or not self.trainable:
            return ops.batch_normalization(
                inputs, self.moving_mean, self.moving_variance, axis, **learned
            )
        if mask is None:
            y, mean, variance = ops.batch_moments_normalization(inputs, axis, **learned)
        else:
            mean, variance = self._masked_moments(inputs, axis, mask)
            y = ops.batch_normalization(inputs, mean, variance, axis, **learned)
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept = moving * self.momentum
            moving.assign(kept + ops.cast(now.detach(), moving.dtype) * (1 - self.momentum))
        return y

    def _masked_moments(self, inputs: Any, axis: int, mask: Any) -> tuple[Any, Any]:
        over = tuple(i for i in range(len(inputs.shape)) if i != axis)
        x = ops.cast(inputs, self.variable_dtype)
        counts = ops.expand_dims(ops.cast(mask, x.dtype), axis)
        while len(counts.shape) < len(x.shape):
            counts = ops.expand_dims(counts, -1)
        counts = ops.broadcast_to(counts, x.shape)
        total = ops.sum(counts, axis=over, keepdims=True)
        mean = ops.sum(x * counts, axis=over, keepdims=True) / total
        variance = ops.sum(ops.square(x - mean) * counts, axis=over, keepdims=True) / total
        return ops.reshape(mean, (-1,)), ops.reshape(variance, (-1,))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **self._written(),
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
        }


@built_in("layer")
class LayerNormalization(_Normalization):
    """Each sample with mean 0 and variance 1 along `axis`, then times `gamma` plus `beta`.

    Args:
        axis: one axis or several.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether to multiply by `gamma`.
        beta_initializer: first value of `beta`, of the input's shape along `axis`.
        gamma_initializer: first value of `gamma`.
        beta_regularizer: penalty of `beta`.
        gamma_regularizer: penalty of `gamma`.
        beta_constraint: applied to `beta` after each update.
        gamma_constraint: applied to `gamma` after each update.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a negative epsilon.
        ShapeError: on call, an input without such axes.

    Example:
        >>> import numpy as np
        >>> LayerNormalization(epsilon=0.0)(np.array([[1.0, 3.0]], "float32")).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else tuple(int(a) for a in axis)
        self._take(
            epsilon,
            center,
            scale,
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
        )

    def build(self, input_shape: Any) -> None:
        """Make gamma and beta."""
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        sizes = {axis % len(input_shape): _known(self, input_shape, axis) for axis in axes}
        self._make(tuple(sizes[axis] for axis in sorted(sizes)))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Any) -> Any:
        """Normalize each sample."""
        return ops.layer_normalization(
            inputs, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**self._written(), "axis": self.axis}


@built_in("layer")
class GroupNormalization(_Normalization):
    """Each group of a sample's channels with mean 0 and variance 1 (Wu and He 2018).

    Args:
        groups: how many groups; -1 for as many as there are channels.
        axis: the axis of the channels.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether to multiply by `gamma`.
        beta_initializer: first value of `beta` (channels,).
        gamma_initializer: first value of `gamma` (channels,).
        beta_regularizer: penalty of `beta`.
        gamma_regularizer: penalty of `gamma`.
        beta_constraint: applied to `beta` after each update.
        gamma_constraint: applied to `gamma` after each update.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: groups that are not a whole number above zero, or -1.
        ShapeError: on call, channels that do not divide into the groups.

    Example:
        >>> import numpy as np
        >>> GroupNormalization(2, epsilon=0.0)(np.array([[1.0, 3.0, 5.0, 9.0]], "float32")).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (
            isinstance(groups, bool)
            or not hasattr(groups, "__index__")
            or groups < -1
            or not groups
        ):
            raise ArgumentError(
                f"GroupNormalization: groups must be a whole number > 0, or -1, got {groups!r}"
            )
        self.groups, self.axis = int(groups), int(axis)
        self._take(
            epsilon,
            center,
            scale,
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
        )

    def build(self, input_shape: Any) -> None:
        """Make gamma and beta; now the number of groups is known."""
        channels = _known(self, input_shape, self.axis)
        groups = channels if self.groups == -1 else self.groups
        if channels % groups != 0:
            raise ShapeError(
                f"GroupNormalization {self.name!r}: {channels} channels (axis {self.axis} of "
                f"{input_shape}) do not divide into {groups} groups"
            )
        self._make((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Any) -> Any:
        """Normalize each group of each sample."""
        groups = inputs.shape[self.axis] if self.groups == -1 else self.groups
        return ops.group_normalization(
            inputs, groups, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**self._written(), "groups": self.groups, "axis": self.axis}


@built_in("layer")
class RMSNormalization(Layer):
    """`x / sqrt(mean(x ** 2) + epsilon) * scale` along `axis` (Zhang and Sennrich 2019).

    Args:
        axis: one axis or several.
        epsilon: added to the mean of squares.
        **kwargs: name, dtype, trainable, as for every layer.

    Example:
        >>> import numpy as np
        >>> RMSNormalization(epsilon=0.0)(np.array([[3.0, 3.0]], "float32")).tolist()
        [[1.0, 1.0]]
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else tuple(int(a) for a in axis)
        self.epsilon = float(epsilon)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the scale."""
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        sizes = {axis % len(input_shape): _known(self, input_shape, axis) for axis in axes}
        shape = tuple(sizes[axis] for axis in sorted(sizes))
        self.scale = self.add_weight(shape, "ones", autocast=False, name="scale")
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Any) -> Any:
        """Normalize each sample."""
        return ops.rms_normalization(inputs, self.scale, axis=self.axis, epsilon=self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@built_in("layer")
class UnitNormalization(Layer):
    """Each sample with length 1 along `axis`: the root of its sum of squares.

    Args:
        axis: one axis or several.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> y = UnitNormalization()(np.array([[3.0, 4.0]], "float32"))
        >>> [round(v, 4) for v in y.tolist()[0]]
        [0.6, 0.8]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else tuple(int(a) for a in axis)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Divide each sample by its length, at least 1e-6."""
        square = ops.sum(ops.square(inputs), axis=self.axis, keepdims=True)
        return inputs * ops.rsqrt(ops.maximum(square, 1e-12))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis}
