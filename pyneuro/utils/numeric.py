"""Small transformations of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, IndexOutOfRangeError

__all__ = ["normalize", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Turn class numbers into one-hot rows.

    Args:
        x: class numbers, whole and not negative, of any shape; a last axis of size one is dropped.
        num_classes: the number of classes; default the largest class number and one.

    Returns:
        A float64 array with one axis more, as from Keras.

    Raises:
        IndexOutOfRangeError: a class number that is not in [0, num_classes).

    Example:
        >>> to_categorical([0, 2], num_classes=3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    classes = np.asarray(x).astype("int64")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    if num_classes is None:
        num_classes = int(classes.max()) + 1 if classes.size else 0
    if classes.size and (classes.min() < 0 or classes.max() >= num_classes):
        raise IndexOutOfRangeError(
            f"to_categorical: class numbers must be in [0, {num_classes}), but they go from "
            f"{classes.min()} to {classes.max()}"
        )
    rows = np.zeros((classes.size, num_classes))
    rows[np.arange(classes.size), classes.ravel()] = 1
    return rows.reshape((*classes.shape, num_classes))


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Scale vectors to length one.

    Args:
        x: an array.
        axis: the axis the vectors run along.
        order: the order of the norm: 1, 2, ...

    Returns:
        An array of the same shape; zero vectors stay zero.

    Raises:
        ArgumentError: an order below 1.

    Example:
        >>> normalize([[3.0, 4.0]]).tolist()
        [[0.6, 0.8]]
    """
    if not isinstance(order, int) or order < 1:
        raise ArgumentError(f"normalize: order must be a whole number >= 1, got {order!r}")
    array = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    result: np.ndarray = array / np.expand_dims(norms, axis)
    return result
