"""Models: layers that can be trained and saved."""

from __future__ import annotations

import json
from typing import Any

from ..registry import deserialize_keras_object
from ..saving.archive import load_model, save_model
from .cloning import clone_model
from .functional import Functional
from .model import Model
from .sequential import Sequential

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Model:
    """Make a model from `to_json`'s result.

    Args:
        json_string: the architecture.
        custom_objects: name -> class or function, for what is not registered.

    Returns:
        A model with new weights.

    Raises:
        UnknownNameError: a class or function that is not known here.
    """
    model: Model = deserialize_keras_object(json.loads(json_string), custom_objects=custom_objects)
    return model
