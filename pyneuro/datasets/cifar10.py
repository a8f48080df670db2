"""CIFAR-10: 60,000 colour pictures of 32 x 32 in ten classes."""

from __future__ import annotations

from .cifar import Split, read

__all__ = ["load_data"]

_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


def load_data() -> tuple[Split, Split]:
    """Load CIFAR-10 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images).

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8, of shapes (50000, 32, 32, 3), (50000, 1),
        (10000, 32, 32, 3), (10000, 1).

    Raises:
        ConnectionError: the archive is not there yet and cannot be downloaded.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
    """
    parts = {
        "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
        "test": ["test_batch.bin"],
    }
    train, test = read("cifar-10-binary.tar.gz", _SHA256, parts, label=0, labels=1)
    return train, test
