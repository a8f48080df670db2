"""MNIST: 70,000 handwritten digits of 28 x 28 grey values."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..utils.files import get_file, home

__all__ = ["load_data"]

_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

Split = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "mnist.npz") -> tuple[Split, Split]:
    """Load MNIST (LeCun, Cortes, Burges 1998; CC BY-SA 3.0).

    Args:
        path: name of the file in the cache, or the absolute path of one that has the same arrays.
            A file that lies in the cache already, or in PYNEURO_HOME itself, is taken as it is.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8, of shapes (60000, 28, 28), (60000,),
        (10000, 28, 28), (10000,).

    Raises:
        ConnectionError: the file is not there yet and cannot be downloaded.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
        >>> x_train.shape  # doctest: +SKIP
        (60000, 28, 28)
    """
    places = (home() / "datasets" / path, home() / path)  # both are `path` if that is absolute
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        file = Path(get_file(path, origin=_ORIGIN, file_hash=_SHA256))
    with np.load(file, allow_pickle=False) as data:
        return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
