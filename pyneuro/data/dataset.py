"""Datasets: whatever `fit` is given, as batches of NumPy arrays, epoch after epoch.

Arrays are in arrays.py; here are sequences, generators and other iterables, and the counting of
steps.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .arrays import ArrayData, Batch, class_weights, to_arrays, unpack_x_y_sample_weight
from .workers import fetch

__all__ = ["Epochs", "IterableData", "PyDataset", "SequenceData", "make_data"]


class PyDataset:
    """Base class of datasets that give any batch by its number.

    A subclass defines `__len__` (the number of batches) and `__getitem__(index)` (a batch: `(x,
    y)` or `(x, y, sample_weight)`); it may define `on_epoch_begin` and `on_epoch_end`.

    Args:
        workers: how many threads or processes make batches ahead of the training. With 1, and
            without processes, each batch is made when it is its turn, in the training's thread.
        use_multiprocessing: make batches in processes, for work that holds Python's lock; the
            dataset and its batches must be picklable, and what a process changes in its copy of
            the dataset is lost.
        max_queue_size: how many batches are made ahead.

    Raises:
        ArgumentError: numbers below 1.

    Example:
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         x = np.arange(3) + 3 * index
        ...         return x, x**2
        >>> Squares()[1][1].tolist()
        [9, 16, 25]
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        if workers < 1 or max_queue_size < 1:
            raise ArgumentError(
                "PyDataset: workers and max_queue_size must be numbers >= 1, got "
                f"{workers!r} and {max_queue_size!r}"
            )
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        """The number of batches."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__()")

    def __getitem__(self, index: int) -> Any:
        """A batch."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; `None` for no end."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before an epoch."""

    def on_epoch_end(self) -> None:
        """Called after an epoch; the place to shuffle."""


def _weighted(batch: Batch, class_weight: Mapping[int, float] | None) -> Batch:
    if class_weight is None:
        return batch
    x, y, weight = batch
    if weight is not None:
        raise ArgumentError("class_weight and sample_weight cannot be given at the same time")
    if y is None:
        raise ArgumentError("class_weight needs targets")
    return x, y, class_weights(y, class_weight)


class SequenceData:
    """A dataset that gives any batch by its number: a `PyDataset` or a Keras `Sequence`.

    Args:
        sequence: has `__len__` and `__getitem__`.
        shuffle: take the batches in another order in each epoch.
        seed: decides the order together with the number of the epoch.
        floatx: the dtype that float64 is cast to.
        class_weight: class number -> weight.
    """

    batch_size: int | None = None
    restarts = True

    def __init__(
        self,
        sequence: Any,
        shuffle: bool | str = False,
        seed: int = 0,
        floatx: str | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        self._sequence, self._shuffle, self.seed = sequence, bool(shuffle), seed
        self._floatx, self._class_weight = floatx, class_weight

    @property
    def num_batches(self) -> int | None:
        """The number of batches; `None` for no end."""
        count: int | None = getattr(self._sequence, "num_batches", None)
        if count is None and not hasattr(type(self._sequence), "num_batches"):
            count = len(self._sequence)
        return count

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        count = self.num_batches
        if count is None:
            order: Iterable[int] = _count()
        else:
            order = range(count)
            if self._shuffle:
                order = np.random.default_rng((self.seed, number)).permutation(count).tolist()
        for item in fetch(self._sequence, order):
            batch = unpack_x_y_sample_weight(item)
            arrays = tuple(to_arrays(part, self._floatx) for part in batch)
            yield _weighted(arrays, self._class_weight)

    def on_epoch_begin(self) -> None:
        """Tell the sequence."""
        getattr(self._sequence, "on_epoch_begin", lambda: None)()

    def on_epoch_end(self) -> None:
        """Tell the sequence."""
        getattr(self._sequence, "on_epoch_end", lambda: None)()


def _count() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


class IterableData:
    """A generator, or an iterable of batches that may be iterated again for each epoch.

    Args:
        source: yields `x`, `(x, y)` or `(x, y, sample_weight)`.
        floatx: the dtype that float64 is cast to.
        class_weight: class number -> weight.
    """

    batch_size: int | None = None

    def __init__(
        self,
        source: Iterable[Any],
        floatx: str | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        self._source, self._floatx, self._class_weight = source, floatx, class_weight
        self.restarts = not isinstance(source, Iterator)
        self._put_back: list[Batch] = []
        self.seed = 0  # nothing depends on it: the source has an order of its own

    def put_back(self, batch: Batch) -> None:
        """Have a batch that was taken come once more, first."""
        self._put_back.append(batch)

    @property
    def num_batches(self) -> int | None:
        """The number of batches, where the source says it."""
        return len(self._source) if isinstance(self._source, Sized) else None

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; what is left of them, for a generator."""
        waiting, self._put_back = self._put_back, []
        yield from waiting
        for item in self._source:
            batch = unpack_x_y_sample_weight(item)
            arrays = tuple(to_arrays(part, self._floatx) for part in batch)
            yield _weighted(arrays, self._class_weight)

    def on_epoch_begin(self) -> None:
        """Nothing to do."""

    def on_epoch_end(self) -> None:
        """Nothing to do."""


def make_data(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    seed: int = 0,
    class_weight: Mapping[int, float] | None = None,
    floatx: str | None = None,
) -> Any:
    """Make a dataset of whatever `fit`, `evaluate` or `predict` was given.

    Args:
        x: arrays, tensors, frames or structures of them; or a `PyDataset`, a generator or another
            iterable, which brings its own batches, targets and weights.
        y: targets.
        sample_weight: weights.
        batch_size: samples in a batch; only for arrays.
        shuffle: `True`, `False` or "batch".
        seed: decides the order together with the number of the epoch.
        class_weight: class number -> weight.
        floatx: the dtype that float64 is cast to.

    Returns:
        An object with `epoch(number)`, `num_batches` and `batch_size`.

    Raises:
        ArgumentError: arguments that do not go together.
        TypeError: data of a kind that is not known.
    """
    if class_weight is not None and not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dict of class and weight, got {class_weight!r}")
    if isinstance(x, ArrayData | SequenceData | IterableData):
        return x
    is_sequence = isinstance(x, PyDataset) or (
        hasattr(x, "__getitem__") and hasattr(x, "__len__") and hasattr(x, "on_epoch_end")
    )
    is_array = (
        hasattr(x, "__array__") or hasattr(x, "to_numpy") or isinstance(x, (list, tuple, dict))
    )
    if not is_sequence and is_array:
        weights = sample_weight
        if class_weight is not None:
            _, _, weights = _weighted((x, y, sample_weight), class_weight)
        return ArrayData(x, y, weights, batch_size, shuffle, seed, floatx)
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            raise ArgumentError(
                f"{name} cannot be given when x is a {type(x).__name__}, which brings its own "
                "batches, targets and weights"
            )
    if is_sequence:
        return SequenceData(x, shuffle, seed, floatx, class_weight)
    if isinstance(x, Iterable):
        return IterableData(x, floatx, class_weight)
    raise TypeError(
        f"x must be arrays, a PyDataset, a generator or an iterable of batches, got "
        f"{type(x).__name__}"
    )


class Epochs:
    """The batches of a dataset, epoch after epoch, with a given number of steps or to its end.

    With a number of steps an epoch goes on where the last one ended, and from the beginning where
    the data end; data that cannot begin again end the last epoch early, with a warning.

    Args:
        data: what `make_data` gives.
        steps: the steps of an epoch; `None` for all batches.

    Example:
        >>> epochs = Epochs(ArrayData(np.arange(6), batch_size=2), steps=2)
        >>> [x.tolist() for x, _, _ in epochs.batches(0)]
        [[0, 1], [2, 3]]
        >>> [x.tolist() for x, _, _ in epochs.batches(1)]
        [[4, 5], [0, 1]]
    """

    def __init__(self, data: Any, steps: int | None = None) -> None:
        if steps is not None and (not hasattr(steps, "__index__") or steps < 1):
            raise ArgumentError(f"the steps of an epoch must be a whole number > 0, got {steps!r}")
        self.data = data
        self._steps = steps
        self._rest: Iterator[Batch] | None = None
        self._passes = 0
        self.ended = False

    @property
    def steps(self) -> int | None:
        """The steps of an epoch, where they are known."""
        return self._steps if self._steps is not None else self.data.num_batches

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            epoch: the number of the epoch.
            start: how many of them to pass over.

        Yields:
            `(x, y, sample_weight)`.
        """
        self.data.on_epoch_begin()
        batches = self.data.epoch(epoch) if self._steps is None else self._counted(epoch)
        yield from itertools.islice(batches, start, None)
        self.data.on_epoch_end()

    def first(self) -> Batch:
        """The first batch, which will come once more when its turn is.

        Raises:
            ArgumentError: there is none.
        """
        batch: Batch | None = next(iter(self.data.epoch(0)), None)
        if batch is None:
            raise ArgumentError("there is no data: the dataset has no batches")
        if not self.data.restarts:
            self.data.put_back(batch)
        return batch

    def skip(self, first: int, epoch: int) -> None:
        """Pass over epochs, so that the next one has the batches that it would have had.

        Args:
            first: the epoch that the training began with.
            epoch: the epoch that comes next.
        """
        if self._steps is not None:
            for number in range(first, epoch):
                for _ in self._counted(number):
                    pass

    def _counted(self, epoch: int) -> Iterator[Batch]:
        steps = self._steps or 0
        for step in range(steps):
            batch = None if self._rest is None else next(self._rest, None)
            if batch is None and (self._rest is None or self.data.restarts):
                self._rest = self.data.epoch(max(self._passes, epoch))
                self._passes = max(self._passes, epoch) + 1
                batch = next(self._rest, None)
            if batch is None:
                self.ended = True
                warnings.warn(
                    f"the data ended after {step} of {steps} steps; a generator must yield "
                    "steps_per_epoch * epochs batches",
                    stacklevel=2,
                )
                return
            yield batch
