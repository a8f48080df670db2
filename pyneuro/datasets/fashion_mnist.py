"""Fashion-MNIST: 70,000 pictures of clothes, 28 x 28 grey values, in ten classes."""

from __future__ import annotations

import gzip

import numpy as np

from ..utils.files import get_file

__all__ = ["load_data"]

_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_HEADER = {"images": 16, "labels": 8}  # bytes before the numbers of an IDX file

Split = tuple[np.ndarray, np.ndarray]


def load_data() -> tuple[Split, Split]:
    """Load Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; MIT).

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8, of shapes (60000, 28, 28), (60000,),
        (10000, 28, 28), (10000,).

    Raises:
        ConnectionError: a file is not there yet and cannot be downloaded.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
    """
    arrays = {}
    for name, md5 in _MD5.items():
        part, kind = name.split("-")[:2]
        path = get_file(name, _ORIGIN + name, file_hash=md5, cache_subdir="datasets/fashion-mnist")
        with gzip.open(path, "rb") as file:
            arrays[part, kind] = np.frombuffer(file.read(), np.uint8, offset=_HEADER[kind])
    (x_train, y_train), (x_test, y_test) = (
        (arrays[part, "images"].reshape(-1, 28, 28), arrays[part, "labels"])
        for part in ("train", "t10k")
    )
    return (x_train, y_train), (x_test, y_test)
