"""The two CIFAR sets from their binary archives, which hold plain bytes: labels, then a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..utils.files import get_file

_ORIGIN = "https://www.cs.toronto.edu/~kriz/"
_PIXELS = 3 * 32 * 32

Split = tuple[np.ndarray, np.ndarray]


def read(
    archive: str, sha256: str, parts: dict[str, list[str]], label: int, labels: int
) -> list[Split]:
    """Pictures and labels, for each of `parts` a name of a split and its files.

    Args:
        archive: name of the file on the CIFAR page.
        sha256: its hash.
        parts: split to file names.
        label: which byte of a record to take as the label.
        labels: how many label bytes a record has.

    Returns:
        For each split pictures (N, 32, 32, 3) and labels (N, 1), uint8.
    """
    folder = Path(get_file(archive, _ORIGIN + archive, file_hash=sha256, extract=True))
    splits = []
    for names in parts.values():
        files = [next(folder.rglob(name)) for name in names]
        records = np.concatenate([np.fromfile(file, np.uint8) for file in files])
        records = records.reshape(-1, labels + _PIXELS)
        pictures = records[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits.append((np.ascontiguousarray(pictures), records[:, label : label + 1].copy()))
    return splits
