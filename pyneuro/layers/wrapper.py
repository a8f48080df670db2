"""Wrapper: the base of layers that hold another layer and call it in their own way."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import Layer

__all__ = ["Wrapper"]


@built_in("layer")
class Wrapper(Layer):
    """A layer around another one; a subclass defines `call`.

    Args:
        layer: the layer within.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: something that is no layer.

    Example:
        >>> from pyneuro import layers
        >>> Wrapper(layers.Dense(2)).layer.units
        2
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{type(self).__name__}: layer must be a layer, got {layer!r}")
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Build the layer within."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.__dict__["built"] = True

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result."""
        return cls(**{**config, "layer": deserialize_keras_object(config["layer"])})
