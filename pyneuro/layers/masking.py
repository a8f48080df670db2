"""Masking and ActivityRegularization: layers that say what counts and what costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops, regularizers
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import Layer

__all__ = ["ActivityRegularization", "Masking"]


@built_in("layer")
class Masking(Layer):
    """Marks the steps of a sequence whose features all have one value, for layers further on.

    The output is the input with masked steps set to zero, and carries the mask.

    Args:
        mask_value: the value, a number or an array that broadcasts to the inputs.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> Masking()(np.array([[[1.0], [0.0]]], "float32"))._keras_mask.tolist()
        [[True, False]]
    """

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        value = deserialize_keras_object(mask_value) if isinstance(mask_value, dict) else mask_value
        self.mask_value = value if isinstance(value, (int, float)) else np.asarray(value)
        self.supports_masking = True
        self.built = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """`True` where any feature differs from the value."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """Set masked steps to zero."""
        counts = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return ops.where(counts, inputs, ops.zeros_like(inputs))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mask_value": serialize_keras_object(self.mask_value)}


@built_in("layer")
class ActivityRegularization(Layer):
    """Gives back its input and adds a penalty of it to the loss.

    Args:
        l1: the factor of the sum of absolute values.
        l2: the factor of the sum of squares.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> layer = ActivityRegularization(l1=0.5)
        >>> _ = layer(np.ones((1, 4), "float32"))
        >>> [float(loss) for loss in layer.losses]
        [2.0]
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Give back `inputs`."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        del config["activity_regularizer"]
        return config
