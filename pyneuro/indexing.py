"""What `x[key]` and `x[key] = value` mean: NumPy's rules, as a few native ops.

Integers, slices, `...` and `None` become one slice op, which is a view. Index arrays and masks
become a take. Values are never changed in place: assignment makes a new tensor and rebinds the
object.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import _core
from .errors import DTypeError, IndexOutOfRangeError, ShapeError

__all__ = ["read", "write"]


def _is_index_array(k: Any) -> bool:
    return isinstance(k, (_core.Array, np.ndarray, list)) or (
        isinstance(k, (bool, np.bool_)) and not isinstance(k, int)
    )


def _expand(key: Any, ndim: int, shape: tuple[int, ...]) -> list[Any]:
    """The key as a list with `...` written out: an entry per axis, `None` per new axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [np.asarray(k) if isinstance(k, list) else k for k in parts]
    used = 0
    for k in parts:
        if k is None or k is Ellipsis:
            continue
        used += k.ndim if _is_mask(k) else 1
    dots = sum(1 for k in parts if k is Ellipsis)
    if dots > 1:
        raise IndexOutOfRangeError("an index can hold only one ellipsis ('...')")
    if used > ndim:
        raise IndexOutOfRangeError(
            f"{used} indices were given, but the tensor of shape {shape} has {ndim} dimensions"
        )
    if not dots:
        parts.append(Ellipsis)
    at = next(i for i, k in enumerate(parts) if k is Ellipsis)
    return parts[:at] + [slice(None)] * (ndim - used) + parts[at + 1 :]


def _is_mask(k: Any) -> bool:
    if isinstance(k, _core.Array):
        return k.dtype == "bool"
    return isinstance(k, np.ndarray) and k.dtype == np.bool_


def _integers(k: Any) -> np.ndarray[Any, Any]:
    """An index array as NumPy integers."""
    array = np.asarray(k)
    if array.size == 0:
        array = array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise DTypeError(f"an index array is {array.dtype}, but integers or bool are expected")
    return array


def _split_masks(parts: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Each mask as the integer arrays of its true positions."""
    out: list[Any] = []
    axis = 0
    for k in parts:
        if _is_mask(k):
            mask = np.asarray(k)
            expected = shape[axis : axis + mask.ndim]
            if mask.shape != expected:
                raise ShapeError(f"a mask has shape {mask.shape}, but {expected} is indexed")
            out.extend(np.nonzero(mask))
            axis += mask.ndim
        else:
            out.append(k)
            axis += k is not None
    return out


class _Basic:
    """The part of a key that one slice op can say, and what is left for index arrays."""

    def __init__(self, parts: list[Any], shape: tuple[int, ...]) -> None:
        self.start: list[int] = []
        self.stop: list[int] = []
        self.step: list[int] = []
        self.shape: list[int] = []  # after the slice, without integers, with new axes
        self.sizes: list[int] = []  # after the slice, every axis
        self.arrays: list[tuple[int, Any]] = []  # (axis of `shape`, index array)
        self.apart = False  # index arrays with a slice between them: their axes come first
        axis, last = 0, -1
        for position, k in enumerate(parts):
            if k is None:
                self.shape.append(1)
                continue
            size = shape[axis]
            if isinstance(k, slice):
                self._range(*k.indices(size))
                self.shape.append(self.sizes[-1])
            elif (_is_index_array(k) and np.ndim(k) > 0) or isinstance(k, _core.Array):
                self._range(0, size, 1)
                self.apart |= last >= 0 and position != last + 1
                last = position
                self.arrays.append((len(self.shape), k))
                self.shape.append(size)
            else:
                i = self._integer(k, size, axis)
                self._range(i, i + 1, 1)
            axis += 1

    def _range(self, start: int, stop: int, step: int) -> None:
        count = len(range(start, stop, step))
        self.start.append(start if count else 0)
        self.stop.append(stop if count else 0)
        self.step.append(step)
        self.sizes.append(count)

    @staticmethod
    def _integer(k: Any, size: int, axis: int) -> int:
        try:
            i = operator.index(k)
        except TypeError:
            raise DTypeError(
                f"a tensor is indexed by integers, slices, '...', None, masks and integer arrays, "
                f"not by {type(k).__name__}"
            ) from None
        if not -size <= i < size:
            raise IndexOutOfRangeError(f"index {i} is out of range for axis {axis} of size {size}")
        return i + size if i < 0 else i

    def whole(self, shape: tuple[int, ...]) -> bool:
        return tuple(self.sizes) == shape and all(s == 1 for s in self.step)


def _flat_index(basic: _Basic) -> tuple[Any, list[int]]:
    """Several index arrays as one, checked, into their flattened axes; and those axes."""
    arrays = [_integers(k) for _, k in basic.arrays]
    axes = [axis for axis, _ in basic.arrays]
    try:
        arrays = list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise ShapeError(f"index arrays of shapes {shapes} do not broadcast") from None
    flat = np.zeros(arrays[0].shape, np.int64)
    for array, axis in zip(arrays, axes, strict=True):
        size = basic.shape[axis]
        wrong = (array < -size) | (array >= size)
        if wrong.any():
            bad = array[wrong].reshape(-1)[0]
            raise IndexOutOfRangeError(
                f"index {bad} is out of range for axis {axis} of size {size}"
            )
        flat = flat * size + np.where(array < 0, array + size, array)
    return flat, axes


def _take_many(x: Any, basic: _Basic) -> Any:
    """X at several index arrays: their axes are brought together, flattened, and taken from."""
    flat, axes = _flat_index(basic)
    rest = [i for i in range(x.ndim) if i not in axes]
    first = 0 if basic.apart else axes[0]
    order = rest[:first] + axes + rest[first:]
    x = _core.apply("transpose", x, axes=order)
    sizes = [basic.shape[i] for i in order]
    merged = int(np.prod([basic.shape[a] for a in axes]))
    x = _core.apply("reshape", x, shape=[*sizes[:first], merged, *sizes[first + len(axes) :]])
    return _core.apply("take", x, flat, axis=first)


def _read(x: Any, key: Any) -> Any:
    shape = x.shape
    basic = _Basic(_split_masks(_expand(key, len(shape), shape), shape), shape)
    if not basic.whole(shape):
        x = _core.apply("slice", x, start=basic.start, stop=basic.stop, step=basic.step)
    if x.shape != tuple(basic.shape):
        x = _core.apply("reshape", x, shape=basic.shape)
    if not basic.arrays:
        return x
    if len(basic.arrays) > 1:
        return _take_many(x, basic)
    axis, index = basic.arrays[0]
    if not isinstance(index, _core.Array):
        index = _integers(index)
    return _core.apply("take", x, index, axis=axis)


def _written(x: Any, key: Any, value: Any) -> Any:
    """A new tensor: x with `value` where the key reads."""
    shape = x.shape
    basic = _Basic(_split_masks(_expand(key, len(shape), shape), shape), shape)
    if not isinstance(value, _core.Array):
        value = np.asarray(value)
    value = _core.apply("cast", value, dtype=x.dtype)
    if basic.arrays:
        return _scattered(x, key, value)
    if np.broadcast_shapes(value.shape, tuple(basic.shape)) != tuple(basic.shape):
        raise ShapeError(
            f"a value of shape {value.shape} cannot be put at shape {tuple(basic.shape)}"
        )
    value = _core.apply("broadcast_to", value, shape=basic.shape)
    value = _core.apply("reshape", value, shape=basic.sizes)
    return _core.apply("slice_update", x, value, start=basic.start, step=basic.step)


def _scattered(x: Any, key: Any, value: Any) -> Any:
    """Writing at index arrays: where an element comes from, x or the value, is an index."""
    places = np.arange(x.size).reshape(x.shape)[_numpy_key(key)]
    try:
        np.broadcast_shapes(value.shape, places.shape)
        sources = np.broadcast_to(np.arange(value.size).reshape(value.shape), places.shape)
    except ValueError:
        raise ShapeError(
            f"a value of shape {value.shape} cannot be put at {places.shape}"
        ) from None
    origin = np.arange(x.size)
    origin[places.reshape(-1)] = x.size + sources.reshape(-1)
    flat = [_core.apply("reshape", t, shape=[-1]) for t in (x, value)]
    joined = _core.apply("concatenate", *flat, axis=0)
    return _core.apply("take", joined, origin.reshape(x.shape), axis=0)


def _numpy_key(key: Any) -> Any:
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(np.asarray(k) if isinstance(k, (_core.Array, list)) else k for k in parts)


def read(self: Any, key: Any) -> Any:
    """`self[key]`."""
    return _read(self, key)


def write(self: Any, key: Any, value: Any) -> None:
    """`self[key] = value`: rebinds this object; whatever else held the old elements keeps them."""
    _core.rebind(self, _written(self, key, value))
