"""Helpers with the names of `keras.utils`."""

import importlib
from typing import TYPE_CHECKING, Any

from ..callbacks.logging import Progbar
from ..config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from ..data import PyDataset, pack_x_y_sample_weight, unpack_x_y_sample_weight
from ..registry import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from ..symbolic import is_keras_tensor
from .images import (
    array_to_img,
    image_dataset_from_directory,
    img_to_array,
    load_img,
    save_img,
)
from .numeric import normalize, to_categorical
from .sequences import pad_sequences, timeseries_dataset_from_array
from .state import clear_session, set_random_seed

if TYPE_CHECKING:
    from .files import get_file

Sequence = PyDataset

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]


def __getattr__(name: str) -> Any:
    if name == "get_file":  # the only one that needs Python's network modules
        return importlib.import_module(".files", __name__).get_file
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
