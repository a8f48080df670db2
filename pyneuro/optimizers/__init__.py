"""Optimizers: from gradients to new weights."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..registry import deserialize_keras_object, find, resolve, serialize_keras_object
from . import schedules
from .adafactor import Adafactor
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .base import Optimizer
from .ftrl import Ftrl
from .lion import Lion
from .loss_scale import LossScaleOptimizer
from .muon import Muon
from .relatives import Adamax, Lamb, Nadam
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]


def get(identifier: Any) -> Any:
    """Turn what a user gives as `optimizer=` into an `Optimizer`.

    Args:
        identifier: a name such as "adam", an `Optimizer`, a class, or a serialized optimizer.

    Returns:
        An `Optimizer`.

    Raises:
        UnknownNameError: no optimizer of this name; suggests the nearest.

    Example:
        >>> type(get("adam")).__name__
        'Adam'
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        name = identifier if identifier in __all__ else identifier.lower()
        return find("optimizer", name)()
    optimizer = resolve("optimizer", identifier)
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"optimizer must be a name, an Optimizer or a config dict, got {identifier!r}"
        )
    return optimizer


def serialize(optimizer: Optimizer) -> Any:
    """The optimizer as a dict that `deserialize` understands; without its state."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make an optimizer from `serialize`'s result."""
    return deserialize_keras_object(config, custom_objects=custom_objects)
