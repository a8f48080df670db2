"""CIFAR-100: 60,000 colour pictures of 32 x 32 in a hundred classes."""

from __future__ import annotations

from ..errors import ArgumentError
from .cifar import Split, read

__all__ = ["load_data"]

_SHA256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"


def load_data(label_mode: str = "fine") -> tuple[Split, Split]:
    """Load CIFAR-100 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images).

    Args:
        label_mode: "fine" for the 100 classes, "coarse" for the 20 that they fall into.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8, of shapes (50000, 32, 32, 3), (50000, 1),
        (10000, 32, 32, 3), (10000, 1).

    Raises:
        ArgumentError: another `label_mode`.
        ConnectionError: the archive is not there yet and cannot be downloaded.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data("coarse")  # doctest: +SKIP
    """
    if label_mode not in ("fine", "coarse"):
        raise ArgumentError(f"load_data: label_mode must be 'fine' or 'coarse', got {label_mode!r}")
    parts = {"train": ["train.bin"], "test": ["test.bin"]}
    label = 1 if label_mode == "fine" else 0
    train, test = read("cifar-100-binary.tar.gz", _SHA256, parts, label=label, labels=2)
    return train, test
