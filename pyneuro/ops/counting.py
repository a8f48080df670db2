"""Searching in sorted vectors, counting, and choosing by lists of conditions.

bincount, histogram and unique read their values, as these decide shapes or edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply, convert
from .arguments import FLOATS, TensorLike, operands, tensor
from .custom import host_call
from .index import one_hot

__all__ = [
    "bincount",
    "digitize",
    "histogram",
    "isin",
    "multi_hot",
    "searchsorted",
    "select",
    "unique",
    "unravel_index",
]


def _search_left(edges: Any, values: Any) -> Any:
    return np.searchsorted(edges, values, "left").astype("int32")


def _search_right(edges: Any, values: Any) -> Any:
    return np.searchsorted(edges, values, "right").astype("int32")


def _search(edges: TensorLike, values: TensorLike, side: str) -> Tensor:
    edges, values = tensor(edges), tensor(values)
    if edges.ndim != 1:
        raise ShapeError(
            f"searchsorted: sorted_sequence must be a vector, but its shape is {edges.shape}"
        )
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    function = _search_left if side == "left" else _search_right
    found = host_call(
        function, edges.detach(), values.detach(), output_specs=[(values.shape, "int32")]
    )
    assert isinstance(found, Tensor)
    return found


@public
def searchsorted(sorted_sequence: TensorLike, values: TensorLike, side: str = "left") -> Tensor:
    """Where values would have to be put into a sorted vector.

    Args:
        sorted_sequence: a vector in ascending order.
        values: a tensor.
        side: before ("left") or after ("right") equal elements.

    Returns:
        An int32 tensor of `values`' shape.

    Raises:
        ShapeError: `sorted_sequence` is no vector.
        ArgumentError: another `side`.

    Example:
        >>> searchsorted([1, 3, 5], [0, 3, 9]).tolist()
        [0, 1, 3]
    """
    return _search(sorted_sequence, values, side)


@public
def digitize(x: TensorLike, bins: TensorLike) -> Tensor:
    """The number of the bin that each element falls into: the first edge above it.

    Args:
        x: a tensor.
        bins: a vector of edges in ascending order.

    Returns:
        An int32 tensor of `x`'s shape.

    Example:
        >>> digitize([0.5, 1.0, 9.0], [1.0, 2.0]).tolist()
        [0, 1, 2]
    """
    return _search(bins, x, "right")


@public
def bincount(
    x: TensorLike, weights: TensorLike | None = None, minlength: int = 0, sparse: bool = False
) -> Tensor:
    """How often each whole number from 0 on comes. Reads `x`, as its largest decides the shape.

    Args:
        x: integers >= 0: (n,), or (rows, n) to count within each row.
        weights: what each counts for, in `x`'s shape; default 1.
        minlength: the least length of the result.
        sparse: accepted for Keras's signature; only dense tensors exist.

    Returns:
        A vector, or (rows, length): int32, or of `weights`' dtype.

    Raises:
        ArgumentError: a negative number, or `sparse` is asked for.

    Example:
        >>> bincount([0, 2, 2]).tolist()
        [1, 0, 2]
    """
    if sparse:
        raise ArgumentError("bincount: only dense tensors exist")
    x = tensor(x)
    values = x.numpy()
    if values.size and values.min() < 0:
        raise ArgumentError(f"bincount: x must not be negative, got {values.min()}")
    length = max(int(values.max()) + 1 if values.size else 0, int(minlength))
    share = apply("full", shape=x.shape, value=1.0, dtype="int32")
    given = share if weights is None else tensor(weights)
    if x.ndim == 1:
        return apply("take_grad", given, x, axis=0, size=length)
    rows = [
        apply("take_grad", w, row, axis=0, size=length) for w, row in zip(given, x, strict=True)
    ]
    return apply("concatenate", *(apply("reshape", r, shape=(1, length)) for r in rows), axis=0)


@public
def histogram(
    x: TensorLike, bins: int = 10, range: tuple[float, float] | None = None
) -> tuple[Tensor, Tensor]:
    """How many elements fall into bins of equal width.

    Args:
        x: a tensor.
        bins: how many.
        range: the lower and the upper end; default: the least and the largest element. What lies
            outside is not counted.

    Returns:
        A pair (int32 counts (bins,), edges (bins + 1,)).

    Raises:
        ArgumentError: no bins, or a range that goes back.

    Example:
        >>> counts, edges = histogram([0.0, 1.0, 1.5, 4.0], bins=2)
        >>> counts.tolist(), edges.tolist()
        ([3, 1], [0.0, 2.0, 4.0])
    """
    if bins < 1 or (range is not None and not range[0] <= range[1]):
        raise ArgumentError(f"histogram: bins is {bins} and range {range}")
    x = tensor(x)
    counts, edges = np.histogram(x.numpy().astype("float64"), bins, range)
    dtype = x.dtype if x.dtype in FLOATS else "float32"
    return convert(counts.astype("int32")), convert(edges, dtype)


@public
def unique(
    x: TensorLike,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Tensor | tuple[Tensor, ...]:
    """The different elements of `x`. Reads the values, as their number decides the shape.

    Args:
        x: a tensor.
        sorted: accepted for Keras's signature; they are always in ascending order.
        return_index: also where each comes first.
        return_inverse: also which of them each element of `x` is.
        return_counts: also how often each comes.
        axis: compare slices along this axis; default: elements.
        size: how many there shall be; more are cut off, missing ones are filled.
        fill_value: what missing ones are filled with; default: the first.

    Returns:
        The elements, or a tuple with what else was asked for, as int32.

    Example:
        >>> unique([3, 1, 3]).tolist()
        [1, 3]
    """
    x = tensor(x)
    found = np.unique(
        x.numpy(), return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    values, index, inverse, counts = found
    inverse = inverse.reshape(x.shape) if axis is None else inverse.reshape(-1)
    along = 0 if axis is None else axis
    if size is not None:
        index, counts = _fitted(index, size, 0, 0), _fitted(counts, size, 0, 0)
        values = _fitted(values, size, along, fill_value)
    wanted = ((return_index, index), (return_inverse, inverse), (return_counts, counts))
    more = [convert(a.astype("int32")) for asked, a in wanted if asked]
    return (convert(values, x.dtype), *more) if more else convert(values, x.dtype)


def _fitted(array: Any, size: int, axis: int, fill: Any) -> Any:
    """An array cut or filled to a size along an axis."""
    n = array.shape[axis]
    if n >= size:
        return np.take(array, np.arange(size), axis)
    if fill is None:
        filling = np.repeat(np.take(array, [0], axis), size - n, axis)
    else:
        shape = list(array.shape)
        shape[axis] = size - n
        filling = np.full(shape, fill, array.dtype)
    return np.concatenate([array, filling], axis)


@public
def isin(
    x1: TensorLike, x2: TensorLike, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element of `x1` is anywhere in `x2`.

    Args:
        x1: a tensor.
        x2: a tensor.
        assume_unique: accepted for Keras's signature.
        invert: whether it is nowhere instead.

    Returns:
        A bool tensor of `x1`'s shape.

    Example:
        >>> isin([1, 2, 3], [3, 1]).tolist()
        [True, False, True]
    """
    x1, x2 = operands(x1, x2)
    x1, x2 = tensor(x1), tensor(x2)
    column = apply("reshape", x1, shape=(x1.size, 1))
    same = apply("equal", column, apply("reshape", x2, shape=(1, x2.size)))
    found = apply("reshape", apply("any", same, axes=(1,), keepdims=False), shape=x1.shape)
    return apply("logical_not", found) if invert else found


@public
def multi_hot(
    inputs: TensorLike,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Tensor:
    """1 at every position that one of the integers names, 0 elsewhere.

    Args:
        inputs: integers (n,) or (batch, n).
        num_classes: how many positions there are.
        axis: where in the codes of single integers their axis stands.
        dtype: default: `floatx`.
        sparse: accepted for Keras's signature; only dense tensors exist.
        **kwargs: `num_tokens`, an older name of `num_classes`.

    Returns:
        (num_classes,) or (batch, num_classes).

    Raises:
        ArgumentError: no number of classes.

    Example:
        >>> multi_hot([0, 2], 4).tolist()
        [1.0, 0.0, 1.0, 0.0]
    """
    classes = kwargs.pop("num_tokens", num_classes)
    if classes is None or kwargs:
        raise ArgumentError(f"multi_hot: num_classes is needed, got {classes}; also {kwargs}")
    inputs = tensor(inputs)
    along = 1 if inputs.ndim == 2 else 0
    codes = one_hot(inputs, classes, axis=axis, dtype=dtype, sparse=sparse)
    return apply("max", codes, axes=(along,), keepdims=False)


@public
def select(
    condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0
) -> Tensor:
    """From several tensors, at each place the first whose condition holds.

    Args:
        condlist: bool tensors.
        choicelist: as many tensors.
        default: what is taken where no condition holds.

    Returns:
        A tensor of the broadcast shape.

    Raises:
        ArgumentError: another number of choices than of conditions, or none.

    Example:
        >>> select([[True, False], [True, True]], [[1, 2], [3, 4]]).tolist()
        [1, 4]
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ArgumentError(
            f"select: {len(condlist)} conditions for {len(choicelist)} choices; give one for each"
        )
    out: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = apply("where", tensor(condition).astype("bool"), tensor(choice), out)
    return tensor(out)


@public
def unravel_index(indices: TensorLike, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """Positions in a flattened tensor as positions along each of its axes.

    Args:
        indices: integers.
        shape: the tensor's shape.

    Returns:
        For each axis a tensor of `indices`' shape and dtype.

    Example:
        >>> [axis.tolist() for axis in unravel_index([5, 0], (2, 3))]
        [[1, 0], [2, 0]]
    """
    rest, out = tensor(indices), []
    for size in reversed(tuple(shape)):
        out.append(apply("mod", rest, size))
        rest = apply("floor_divide", rest, size)
    return tuple(reversed(out))
