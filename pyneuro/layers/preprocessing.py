"""Layers that prepare raw data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import config, ops
from ..data import make_data
from ..errors import ArgumentError, ShapeError
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import Layer

__all__ = ["Normalization", "Rescaling"]


@built_in("layer")
class Rescaling(Layer):
    """`inputs * scale + offset`, in the layer's compute dtype, for inputs of any dtype.

    Args:
        scale: a number, or an array that broadcasts to the inputs.
        offset: a number, or an array that broadcasts to the inputs.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> Rescaling(1.0 / 255)(np.array([0, 255], "uint8")).tolist()
        [0.0, 1.0]
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = deserialize_keras_object(scale) if isinstance(scale, dict) else scale
        self.offset = deserialize_keras_object(offset) if isinstance(offset, dict) else offset
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Scale and shift."""
        outputs = ops.cast(inputs, self.compute_dtype) * self._constant(self.scale)
        if isinstance(self.offset, (int, float)) and self.offset == 0:
            return outputs
        return outputs + self._constant(self.offset)

    def _constant(self, value: Any) -> Any:
        if isinstance(value, (int, float)):
            return value
        return ops.cast(np.asarray(value), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "scale": serialize_keras_object(self.scale),
            "offset": serialize_keras_object(self.offset),
        }


@built_in("layer")
class Normalization(Layer):
    """`(inputs - mean) / sqrt(variance)`, with mean and variance of data that it has seen.

    Args:
        axis: the axis, or axes, whose entries have a mean and variance of their own; `None` for one
            of all.
        mean: the mean, instead of `adapt`: a number, or an array that broadcasts to the inputs.
        variance: the variance, given with the mean.
        invert: undo it: `inputs * sqrt(variance) + mean`.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: only one of mean and variance, or on call neither of them nor `adapt`.
        ShapeError: on build, an axis of unknown size.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[1.0], [3.0], [5.0]])).tolist()
        [[-1.0], [1.0], [3.0]]
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ArgumentError("Normalization: give both mean and variance, or call adapt()")
        axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.axis, self.invert = axes, invert
        self.input_mean, self.input_variance = (
            deserialize_keras_object(v) if isinstance(v, dict) else v for v in (mean, variance)
        )
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make mean, variance and count, unless they were given."""
        rank = len(input_shape)
        kept = {axis % rank for axis in self.axis}
        shape = tuple(size if i in kept else 1 for i, size in enumerate(input_shape))
        if None in shape:
            raise ShapeError(
                f"Normalization {self.name!r}: the axes {self.axis} must have known sizes, got the "
                f"shape {input_shape}"
            )
        if self.input_mean is None:
            self.mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", "int64", trainable=False, name="count")

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find mean and variance of data; what was found before is forgotten.

        Args:
            data: an array, or a dataset whose batches are inputs or begin with them.
            batch_size: samples that are looked at together, for arrays.
            steps: batches to look at; `None` for all.

        Raises:
            ArgumentError: mean and variance were given.
        """
        if self.input_mean is not None:
            raise ArgumentError("Normalization: adapt() is for layers without a given mean")
        number, mean, square = 0, np.zeros(()), np.zeros(())
        for step, (batch, _, _) in enumerate(make_data(data, batch_size=batch_size).epoch(0)):
            if step == steps:
                break
            x = np.asarray(batch, "float64")
            if not self.built:
                self.build((None, *x.shape[1:]))
            kept = {axis % x.ndim for axis in self.axis}
            over = tuple(i for i in range(x.ndim) if i not in kept)
            own_mean, size = x.mean(over, keepdims=True), x.size // max(_size(x, kept), 1)
            # Two groups as one (Chan et al. 1979), which stays exact where sums would cancel.
            change, total = own_mean - mean, number + size
            square = square + ((x - own_mean) ** 2).sum(over, keepdims=True)
            square = square + change**2 * (number * size / total)
            mean, number = mean + change * (size / total), total
        self.mean.assign(mean)
        self.variance.assign(square / number)
        self.count.assign(number)

    def call(self, inputs: Any) -> Any:
        """Normalize."""
        if self.input_mean is not None:
            mean, variance = (
                ops.cast(np.asarray(v), self.compute_dtype)
                for v in (self.input_mean, self.input_variance)
            )
        else:
            mean, variance = self.cast_weight(self.mean), self.cast_weight(self.variance)
        inputs = ops.cast(inputs, self.compute_dtype)
        deviation = ops.maximum(ops.sqrt(variance), config.epsilon())
        if self.invert:
            return inputs * deviation + mean
        return (inputs - mean) / deviation

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "axis": list(self.axis) or None,
            "mean": serialize_keras_object(self.input_mean),
            "variance": serialize_keras_object(self.input_variance),
            "invert": self.invert,
        }


def _size(x: np.ndarray, axes: set[int]) -> int:
    return int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
