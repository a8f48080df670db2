"""Arrays as users give them: checked, brought to NumPy, weighted, split and cut into batches.

NumPy in, NumPy out: nothing here knows tensors or the native core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, DTypeError, ShapeError

__all__ = [
    "ArrayData",
    "class_weights",
    "pack_x_y_sample_weight",
    "to_arrays",
    "train_validation_split",
    "unpack_x_y_sample_weight",
]

Batch = tuple[Any, Any, Any]


def unpack_x_y_sample_weight(data: Any) -> Batch:
    """Take apart what a dataset yields.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        `(x, y, sample_weight)`, `None` for what is not there.

    Raises:
        ArgumentError: a tuple of another length.

    Example:
        >>> unpack_x_y_sample_weight((1, 2))
        (1, 2, None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ArgumentError(
            "a batch must be x, (x, y) or (x, y, sample_weight), but a tuple of "
            f"{len(data)} came; put several inputs in a list or dict of their own"
        )
    return (*data, *(None,) * (3 - len(data)))


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Put together what `unpack_x_y_sample_weight` takes apart.

    Args:
        x: the inputs.
        y: the targets, or `None`.
        sample_weight: the weights, or `None`.

    Returns:
        `x`, `(x, y)` or `(x, y, sample_weight)`; a tuple where `x` itself is a list or tuple.

    Example:
        >>> pack_x_y_sample_weight(1, 2)
        (1, 2)
    """
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex, np.generic))


def _array(value: Any, floatx: str | None) -> Any:
    """One array as NumPy; float64 becomes `floatx`, which layers would cast it to anyway."""
    if not isinstance(value, np.ndarray):
        if hasattr(value, "to_numpy"):  # frames and series
            value = value.to_numpy()
        elif (
            hasattr(value, "__array__")
            or hasattr(value, "__array_interface__")
            or _is_number(value)
        ):
            value = np.asarray(value)
        else:
            raise DTypeError(
                "data must be arrays, tensors or numbers, got "
                f"{type(value).__name__}: {value!r:.60}"
            )
    if value.dtype == object or value.dtype.kind in "SU":
        raise DTypeError(
            f"an array of dtype {value.dtype} holds no numbers; turn text and mixed columns into "
            "numbers first"
        )
    if floatx is not None and value.dtype == np.float64 and floatx != "float64":
        return value if isinstance(value, np.memmap) else value.astype(_numpy_float(floatx))
    return value


def _even(numbers: Any) -> np.ndarray:
    """Nested lists of numbers as one array."""
    try:
        return np.asarray(numbers)
    except ValueError:
        raise ShapeError(
            f"lists of different lengths are no array: {numbers!r:.60}; pad them to one length, as "
            "utils.pad_sequences does"
        ) from None


def _numpy_float(floatx: str) -> str:
    return "float32" if floatx == "bfloat16" else floatx


def to_arrays(structure: Any, floatx: str | None = None) -> Any:
    """Bring a structure of arrays, tensors, frames or numbers to NumPy.

    Args:
        structure: arrays, or lists, tuples and dicts of them; a list of numbers is one array.
        floatx: the dtype that float64 is cast to; `None` to leave it.

    Returns:
        The same structure of NumPy arrays.

    Raises:
        DTypeError: something that holds no numbers.

    Example:
        >>> to_arrays({"a": [1, 2]})["a"].tolist()
        [1, 2]
    """
    if structure is None:
        return None
    if isinstance(structure, (list, tuple)) and structure:
        leaves = tree.flatten(structure)
        if all(_is_number(leaf) for leaf in leaves):
            return _array(_even(structure), floatx)
    if isinstance(structure, dict) and not hasattr(structure, "to_numpy"):
        return {key: to_arrays(value, floatx) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        parts = [to_arrays(value, floatx) for value in structure]
        return parts if isinstance(structure, list) else tuple(parts)
    return _array(structure, floatx)


def class_weights(y: Any, class_weight: Mapping[int, float]) -> np.ndarray:
    """A weight for each sample, from its class.

    Args:
        y: class numbers (N,) or (N, 1), or one-hot targets (N, classes).
        class_weight: class number -> weight; 1 for classes that are not in it.

    Returns:
        Weights (N,).

    Raises:
        ArgumentError: several targets, or more than two axes.

    Example:
        >>> class_weights(np.array([0, 1, 1]), {1: 2.0}).tolist()
        [1.0, 2.0, 2.0]
    """
    if tree.is_nested(y):
        raise ArgumentError("class_weight needs one target; for several, give sample_weight")
    y = np.asarray(y)
    if y.ndim > 2:
        raise ArgumentError(
            f"class_weight needs targets with one or two axes, got the shape {y.shape}"
        )
    if y.ndim == 2:
        y = y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)
    classes = np.rint(y).astype(np.int64)
    weights = np.ones(len(classes), dtype=np.float32)
    for number, weight in class_weight.items():
        weights[classes == int(number)] = weight
    return weights


def _length(arrays: list[Any]) -> int:
    lengths = []
    for array in arrays:
        if not array.shape:
            raise ArgumentError("data must have a batch axis, but a single number came")
        lengths.append(array.shape[0])
    if not lengths:
        raise ArgumentError("there is no data: x holds no array")
    if len(set(lengths)) > 1:
        raise ShapeError(
            "all arrays must have as many samples, but their first axes have the sizes "
            f"{lengths}; check x, y and sample_weight"
        )
    return int(lengths[0])


def train_validation_split(data: Batch, validation_split: float) -> tuple[Batch, Batch]:
    """Cut the last share of the samples off.

    Args:
        data: `(x, y, sample_weight)`, arrays or structures of them.
        validation_split: the share that is cut off, in (0, 1).

    Returns:
        `(training, validation)`, each `(x, y, sample_weight)`.

    Raises:
        ArgumentError: a share that leaves one part empty, or arrays of different lengths.

    Example:
        >>> train, held_out = train_validation_split((np.arange(10), None, None), 0.2)
        >>> held_out[0].tolist()
        [8, 9]
    """
    arrays = [leaf for leaf in tree.flatten(data) if leaf is not None]
    if any(not isinstance(leaf, np.ndarray) for leaf in arrays):
        raise ArgumentError("validation_split needs arrays; for other data give validation_data")
    size = _length(arrays)
    at = math.floor(size * (1.0 - validation_split))
    if not 0 < at < size:
        raise ArgumentError(
            f"validation_split={validation_split} of {size} samples leaves {at} for training and "
            f"{size - at} for validation; neither may be empty"
        )
    first, last = (
        tree.map_structure(lambda a: None if a is None else a[part], data)  # noqa: B023
        for part in (slice(0, at), slice(at, size))
    )
    return first, last


class ArrayData:
    """Arrays, cut into batches, in order or shuffled anew for each epoch.

    Args:
        x: inputs, arrays with one first axis, in any structure.
        y: targets, or `None`.
        sample_weight: weights, or `None`.
        batch_size: samples in a batch; the last batch may be smaller. 32 by default.
        shuffle: `True`, `False`, or "batch" to shuffle whole batches, whose samples stay together.
        seed: decides the order together with the number of the epoch.
        floatx: the dtype that float64 is cast to.

    Raises:
        ArgumentError: arrays of different lengths, or no data.
        DTypeError: something that holds no numbers.

    Example:
        >>> data = ArrayData(np.arange(5), batch_size=2)
        >>> [x.tolist() for x, _, _ in data.epoch(0)]
        [[0, 1], [2, 3], [4]]
    """

    restarts = True

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        shuffle: bool | str = False,
        seed: int = 0,
        floatx: str | None = None,
    ) -> None:
        if batch_size is not None and (not hasattr(batch_size, "__index__") or batch_size < 1):
            raise ArgumentError(f"batch_size must be a whole number > 0, got {batch_size!r}")
        self._data: Batch = (
            to_arrays(x, floatx), to_arrays(y, floatx), to_arrays(sample_weight, floatx)
        )  # fmt: skip
        self._flat = [leaf for leaf in tree.flatten(self._data) if leaf is not None]
        self.size = _length(self._flat)
        if self.size == 0:
            raise ArgumentError("there is no data: the arrays have no samples")
        self.batch_size = int(batch_size) if batch_size is not None else 32
        self.num_batches: int | None = -(-self.size // self.batch_size)
        if shuffle not in (True, False, "batch"):
            raise ArgumentError(f"shuffle must be True, False or 'batch', got {shuffle!r}")
        self._shuffle, self.seed, self._floatx = shuffle, seed, floatx

    @property
    def data(self) -> Batch:
        """All of it: `(x, y, sample_weight)`."""
        return self._data

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: the number of the epoch, which decides the order where it is shuffled.

        Yields:
            `(x, y, sample_weight)`: views of the arrays, or copies where shuffled.
        """
        order = self._order(number)
        simple = not any(tree.is_nested(part) for part in self._data)
        for start in range(0, self.size, self.batch_size):
            key: Any = slice(start, min(start + self.batch_size, self.size))
            if order is not None:
                key = order[key]
            if simple:
                x, y, weight = self._data
                yield self._cut(x, key), self._cut(y, key), self._cut(weight, key)
            else:
                yield tree.map_structure(lambda a: self._cut(a, key), self._data)  # noqa: B023

    def _cut(self, array: Any, key: Any) -> Any:
        if array is None:
            return None
        batch = array[key] if isinstance(key, slice) else np.take(array, key, axis=0)
        if isinstance(array, np.memmap):  # not read and cast as a whole, but here
            return _array(np.asarray(batch), self._floatx)
        return batch

    def _order(self, number: int) -> np.ndarray | None:
        if not self._shuffle:
            return None
        generator = np.random.default_rng((self.seed, number))
        if self._shuffle != "batch":
            return generator.permutation(self.size)
        whole = self.size // self.batch_size
        batches = np.arange(whole * self.batch_size).reshape(whole, self.batch_size)
        generator.shuffle(batches)
        return np.concatenate([batches.ravel(), np.arange(whole * self.batch_size, self.size)])

    def on_epoch_begin(self) -> None:
        """Nothing to do."""

    def on_epoch_end(self) -> None:
        """Nothing to do."""
