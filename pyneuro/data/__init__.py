"""Data: from what users have to batches of NumPy arrays."""

from .arrays import (
    ArrayData,
    class_weights,
    pack_x_y_sample_weight,
    to_arrays,
    train_validation_split,
    unpack_x_y_sample_weight,
)
from .dataset import Epochs, IterableData, PyDataset, SequenceData, make_data

__all__ = [
    "ArrayData",
    "Epochs",
    "IterableData",
    "PyDataset",
    "SequenceData",
    "class_weights",
    "make_data",
    "pack_x_y_sample_weight",
    "to_arrays",
    "train_validation_split",
    "unpack_x_y_sample_weight",
]
