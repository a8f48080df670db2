"""Sequences of uneven lengths as arrays, and windows of a long series as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data import PyDataset
from ..errors import ArgumentError, ShapeError

__all__ = ["pad_sequences", "timeseries_dataset_from_array"]


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Make sequences equally long: an array of them, filled up and cut.

    Args:
        sequences: sequences of numbers or of equally shaped arrays.
        maxlen: the length; by default that of the longest.
        dtype: the dtype of the result.
        padding: fill up at the beginning, "pre", or at the end, "post".
        truncating: cut at the beginning, "pre", or at the end, "post".
        value: what is filled in.

    Returns:
        An array (number of sequences, maxlen, ...).

    Raises:
        ArgumentError: something that has no length, or another word.
        ShapeError: entries of different shapes.

    Example:
        >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2).tolist()
        [[0, 1], [2, 3], [5, 6]]
    """
    for argument, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ArgumentError(f"pad_sequences: {argument} must be 'pre' or 'post', got {word!r}")
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ArgumentError(f"pad_sequences: expected sequences, got {sequence!r} among them")
    length = max(map(len, sequences), default=0) if maxlen is None else maxlen
    is_text = isinstance(value, str)
    if is_text and not (np.issubdtype(dtype, np.str_) or dtype in (object, "object")):
        raise ArgumentError(f"pad_sequences: value={value!r} needs dtype=object, got {dtype!r}")
    inner = next((np.asarray(s).shape[1:] for s in sequences if len(s)), ())
    result = np.full((len(sequences), length, *inner), value, dtype=dtype)
    for i, sequence in enumerate(sequences):
        if not len(sequence) or not length:
            continue
        kept = np.asarray(sequence[-length:] if truncating == "pre" else sequence[:length], dtype)
        if kept.shape[1:] != inner:
            raise ShapeError(
                f"pad_sequences: sequence {i} has entries of shape {kept.shape[1:]}, others of "
                f"{inner}"
            )
        place = slice(length - len(kept), None) if padding == "pre" else slice(0, len(kept))
        result[i, place] = kept
    return result


class _Windows(PyDataset):
    """Batches of windows of a series, with the target that belongs to each."""

    def __init__(
        self,
        data: Any,
        targets: Any,
        starts: np.ndarray,
        offsets: np.ndarray,
        batch_size: int | None,
    ) -> None:
        super().__init__()
        self._data, self._targets = data, targets
        self._starts, self._offsets = starts, offsets
        self._batch_size = batch_size

    def __len__(self) -> int:
        size = self._batch_size or 1
        return -(-len(self._starts) // size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no batch {index} of {len(self)}")
        size = self._batch_size or 1
        starts = self._starts[index * size : (index + 1) * size]
        x = self._data[starts[:, None] + self._offsets]
        y = None if self._targets is None else self._targets[starts]
        if self._batch_size is None:
            x, y = x[0], None if y is None else y[0]
        return x if y is None else (x, y)


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> PyDataset:
    """Windows of a long series as a dataset of batches for `fit`.

    Args:
        data: the series; its first axis is time.
        targets: `targets[i]` belongs to the window that begins at `i`; `None` for none.
        sequence_length: the steps of a window.
        sequence_stride: the steps between the beginnings of two windows.
        sampling_rate: the steps between two steps of a window.
        batch_size: windows in a batch; `None` for windows one by one, without a batch axis.
        shuffle: whether windows come in a random order, the same in every pass.
        seed: decides the order.
        start_index: the first step that windows use.
        end_index: the step before which windows end.

    Returns:
        A `PyDataset` of `(windows, targets)`, or of windows.

    Raises:
        ArgumentError: numbers below 1, or indexes outside of the series.

    Example:
        >>> windows = timeseries_dataset_from_array(np.arange(5), np.arange(2, 5), 2)
        >>> [part.tolist() for part in windows[0]]
        [[[0, 1], [1, 2], [2, 3]], [2, 3, 4]]
    """
    data = np.asarray(data)
    for argument, number in (("sequence_length", sequence_length),
                             ("sequence_stride", sequence_stride),
                             ("sampling_rate", sampling_rate)):  # fmt: skip
        if number < 1:
            raise ArgumentError(f"timeseries_dataset_from_array: {argument} must be >= 1")
    first = 0 if start_index is None else start_index
    last = len(data) if end_index is None else end_index
    if not 0 <= first <= last <= len(data):
        raise ArgumentError(
            f"timeseries_dataset_from_array: start_index {first} and end_index {last} must lie in "
            f"the series of {len(data)} steps, in this order"
        )
    final = last - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = np.asarray(targets)
        final = min(final, len(targets))
    starts = np.arange(first, max(final, first), sequence_stride)
    if shuffle:
        np.random.default_rng(seed).shuffle(starts)
    offsets = np.arange(sequence_length) * sampling_rate
    return _Windows(data, targets, starts, offsets, batch_size)
