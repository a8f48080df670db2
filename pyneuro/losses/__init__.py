"""Losses: functions of targets and predictions that training makes small."""

from __future__ import annotations

from typing import Any

from ..registry import deserialize_keras_object, resolve, serialize_keras_object
from .base import Loss, LossFunctionWrapper
from .hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from .overlap import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    Dice,
    Tversky,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
    dice,
    tversky,
)
from .probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from .regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]


def get(identifier: Any) -> Any:
    """Turn what a user gives as `loss=` into a function or a `Loss`.

    Args:
        identifier: `None`, a name such as "mse" or "MeanSquaredError", a function
            `(y_true, y_pred)`, a `Loss`, a class, or a serialized loss.

    Returns:
        A function, a `Loss`, or `None`.

    Raises:
        UnknownNameError: no loss of this name; suggests the nearest.

    Example:
        >>> get("mse").__name__
        'mean_squared_error'
    """
    return resolve("loss", identifier)


def serialize(loss: Any) -> Any:
    """The name of a built-in function, or the config of another loss."""
    config = serialize_keras_object(loss)
    if isinstance(config, dict) and config["class_name"] == "function":
        return config["config"] if config["registered_name"] == "function" else config
    return config


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make a loss from a name or from `serialize`'s result."""
    if isinstance(name, str):
        return get(name)
    return deserialize_keras_object(name, custom_objects=custom_objects)
