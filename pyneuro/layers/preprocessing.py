"""Layers that prepare raw data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import Layer

__all__ = ["Rescaling"]


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
