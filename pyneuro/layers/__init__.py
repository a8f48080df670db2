"""Layers: callables with weights, of which models are made."""

from __future__ import annotations

from typing import Any

from ..registry import deserialize_keras_object, serialize_keras_object
from .base import Layer
from .core import Activation, Dense, Embedding, Identity, Lambda, ReLU, Softmax
from .dropout import Dropout
from .input import Input, InputLayer
from .manipulation import Flatten, Reshape
from .preprocessing import Rescaling
from .spec import InputSpec

__all__ = [
    "Activation",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "Lambda",
    "Layer",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "deserialize",
    "serialize",
]


def serialize(layer: Layer) -> Any:
    """The layer as a dict that `deserialize` understands; without its weights."""
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make a layer from `serialize`'s result."""
    return deserialize_keras_object(config, custom_objects=custom_objects)
