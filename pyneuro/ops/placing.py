"""Placing by integers: gathering and scattering along an axis, rows changed, sums of segments.

Entries that share a place are combined in their order, so results have the same bits every time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import FLOATS, Shape, TensorLike, normalize_axis, shape_tuple, tensor
from .index import _whole

__all__ = [
    "scatter",
    "scatter_update",
    "segment_max",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "take_along_axis",
]


_REDUCTIONS = {None: 0, "add": 1, "max": 2, "min": 3, "mul": 4}

# ---- along an axis -----------------------------------------------------------------------------


@public
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Tensor:
    """Entries of `x` along an axis, chosen anew for each line.

    Args:
        x: a tensor.
        indices: integers with as many axes as `x`, which broadcasts with it but for the axis;
            negative ones count from the end.
        axis: the axis; default: `x` is flattened first.

    Returns:
        A tensor with `indices`' size along the axis.

    Raises:
        IndexOutOfRangeError: an index is outside.
        ShapeError: the shapes do not fit, or there is no such axis.

    Example:
        >>> take_along_axis([[10, 20], [30, 40]], [[1], [0]], axis=1).tolist()
        [[20], [30]]
    """
    x, indices = tensor(x), _whole(indices)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    axis = normalize_axis("take_along_axis", axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: x {x.shape} and indices {indices.shape} need as many axes"
        )
    sizes = [n if m == 1 else m for n, m in zip(x.shape, indices.shape, strict=True)]
    for given, name in ((x, "x"), (indices, "indices")):
        wanted = [*sizes[:axis], given.shape[axis], *sizes[axis + 1 :]]
        if list(given.shape) != wanted:
            wide = apply("broadcast_to", given, shape=wanted)
            x, indices = (wide, indices) if name == "x" else (x, wide)
    return apply("take_along_axis", x, indices, axis=axis)


gradient(
    "take_along_axis",
    lambda node, g: apply(
        "take_along_axis_grad",
        g,
        node.inputs[1],
        axis=node.fields["axis"],
        size=node.input_specs[0][0][node.fields["axis"]],
    ),
    None,
)
gradient(
    "take_along_axis_grad",
    lambda node, g: apply("take_along_axis", g, node.inputs[1], axis=node.fields["axis"]),
    None,
)


# ---- scatter -----------------------------------------------------------------------------------


def _rows(op: str, indices: TensorLike, shape: tuple[int, ...]) -> tuple[Tensor, int, int]:
    """Index vectors (..., k) as positions in the first k axes made one; their size, and k."""
    indices = _whole(indices)
    if indices.ndim < 1 or indices.shape[-1] > len(shape):
        raise ShapeError(
            f"{op}: indices {indices.shape} must hold, along the last axis, positions of at most "
            f"{len(shape)} axes of {shape}"
        )
    k = indices.shape[-1]
    rows = math.prod(shape[:k])
    count = math.prod(indices.shape[:-1])
    columns = apply("reshape", apply("cast", indices, dtype="int64"), shape=(count, k))
    if k == 1:
        return apply("reshape", columns, shape=(count,)), rows, k
    flat = apply("full", shape=(count,), value=0.0, dtype="int64")
    inside = apply("full", shape=(count,), value=1.0, dtype="bool")
    for i, size in enumerate(shape[:k]):
        column = apply("reshape", columns[:, i], shape=(count,))
        column = apply("where", apply("less", column, 0), column + size, column)
        good = apply("logical_and", apply("greater_equal", column, 0), apply("less", column, size))
        inside = apply("logical_and", inside, good)
        flat = flat * size + column
    # A position outside along one axis must not wrap to the next row: it names none, and raises.
    return apply("where", inside, flat, rows), rows, k


@public
def scatter(indices: TensorLike, values: TensorLike, shape: Shape) -> Tensor:
    """Zeros with values added at positions; where a position comes twice, both are added.

    Args:
        indices: integers (..., k): positions along the first k axes of the result.
        values: what is put there: (..., *shape[k:]).
        shape: the shape of the result.

    Returns:
        A tensor of the shape and of `values`' dtype.

    Raises:
        IndexOutOfRangeError: a position is outside.
        ShapeError: the shapes do not fit.

    Example:
        >>> scatter([[0], [2], [2]], [1.0, 2.0, 3.0], (4,)).tolist()
        [1.0, 0.0, 5.0, 0.0]
    """
    values, sizes = tensor(values), shape_tuple(shape)
    flat, rows, k = _rows("scatter", indices, sizes)
    rest = sizes[k:]
    lines = apply("reshape", values, shape=(flat.size, *rest))
    if values.dtype == "bool":
        lines = apply("cast", lines, dtype="int32")
    out = apply("take_grad", lines, flat, axis=0, size=rows)
    return apply("reshape", out, shape=sizes).astype(values.dtype)


@public
def scatter_update(
    inputs: TensorLike, indices: TensorLike, updates: TensorLike, reduction: str | None = None
) -> Tensor:
    """`inputs` with what stands at positions replaced, or combined with updates.

    Args:
        inputs: a tensor.
        indices: integers (..., k): positions along the first k axes of `inputs`.
        updates: (..., *inputs.shape[k:]), cast to `inputs`' dtype.
        reduction: `None` replaces, the last where a position comes twice; "add", "max", "min" and
            "mul" combine all with what stands there.

    Returns:
        A tensor of `inputs`' shape.

    Raises:
        IndexOutOfRangeError: a position is outside.
        ShapeError: the shapes do not fit.
        ArgumentError: another `reduction`.

    Example:
        >>> scatter_update([1, 2, 3], [[1], [2]], [7, 8]).tolist()
        [1, 7, 8]
    """
    if reduction not in _REDUCTIONS:
        raise ArgumentError(
            f"scatter_update: reduction must be one of {list(_REDUCTIONS)}, got {reduction!r}"
        )
    inputs = tensor(inputs)
    updates = tensor(updates).astype(inputs.dtype)
    flat, rows, k = _rows("scatter_update", indices, inputs.shape)
    rest = inputs.shape[k:]
    out = apply(
        "scatter_update",
        apply("reshape", inputs, shape=(rows, *rest)),
        flat,
        apply("reshape", updates, shape=(flat.size, *rest)),
        reduction=_REDUCTIONS[reduction],
    )
    return apply("reshape", out, shape=inputs.shape)


def _updated(x: Tensor, indices: Tensor, updates: Tensor, reduction: int) -> Tensor:
    return apply("scatter_update", x, indices, updates, reduction=reduction)


def _filled(x: Tensor, value: float, dtype: str | None = None) -> Tensor:
    return apply("full", shape=x.shape, value=value, dtype=dtype or x.dtype)


def _at(x: Tensor, indices: Tensor) -> Tensor:
    return apply("take", x, indices, axis=0)


def _of_inputs(node: Any, g: Tensor) -> Tensor:
    x, indices, updates = node.inputs
    reduction = node.fields["reduction"]
    if reduction == 0:
        return _updated(g, indices, _filled(updates, 0.0), 0)
    if reduction == 1:
        return g
    if reduction == 4:
        return g * _updated(_filled(x, 1.0), indices, updates, 4)
    hit = apply("equal", x, node.output)
    return _share(node, g) * apply("cast", hit, dtype=g.dtype)


def _of_updates(node: Any, g: Tensor) -> Tensor:
    x, indices, updates = node.inputs
    reduction = node.fields["reduction"]
    if reduction == 0:
        return apply("where", _stays(indices, updates, x), _at(g, indices), 0.0)
    if reduction == 1:
        return _at(g, indices)
    if reduction == 4:
        return _of_factors(x, indices, updates, g)
    hit = apply("equal", updates, _at(node.output, indices))
    return _at(_share(node, g), indices) * apply("cast", hit, dtype=g.dtype)


def _stays(indices: Tensor, updates: Tensor, x: Tensor) -> Tensor:
    """Whether each update is the last at its place, in a shape that broadcasts with updates."""
    count = indices.size
    order = apply("arange", start=0.0, step=1.0, size=count, dtype="int64")
    none = apply("full", shape=(x.shape[0],), value=-1.0, dtype="int64")
    last = _at(_updated(none, indices, order, 0), indices)
    same = apply("equal", last, order)
    return apply("reshape", same, shape=(count,) + (1,) * (updates.ndim - 1))


def _share(node: Any, g: Tensor) -> Tensor:
    """The gradient at each place, divided by how many reach the extreme there."""
    x, indices, updates = node.inputs
    own = apply("cast", apply("equal", x, node.output), dtype=g.dtype)
    hits = apply("cast", apply("equal", updates, _at(node.output, indices)), dtype=g.dtype)
    return g / _updated(own, indices, hits, 1)


def _of_factors(x: Tensor, indices: Tensor, updates: Tensor, g: Tensor) -> Tensor:
    """G times the product of all other factors: zeros are counted apart, not divided by."""
    zero = apply("equal", updates, 0.0)
    factors = apply("where", zero, 1.0, updates)
    product = _at(_updated(x, indices, factors, 4), indices)
    count = apply("cast", zero, dtype=x.dtype)
    zeros = _at(_updated(_filled(x, 0.0), indices, count, 1), indices)
    others = apply("where", apply("equal", zeros - count, 0.0), product / factors, 0.0)
    return _at(g, indices) * others


gradient("scatter_update", _of_inputs, None, _of_updates, keeps="inputs output")


# ---- segments ----------------------------------------------------------------------------------


def _segments(
    op: str, data: TensorLike, ids: TensorLike, count: int | None
) -> tuple[Tensor, Tensor, int]:
    data, ids = tensor(data), _whole(ids)
    if ids.ndim != 1 or data.ndim < 1 or ids.shape[0] != data.shape[0]:
        raise ShapeError(
            f"{op}: segment_ids {ids.shape} must name a segment for each row of data {data.shape}"
        )
    if count is None:  # which reads the values, as they decide the shape
        count = int(ids.numpy().max()) + 1 if ids.size else 0
    return data, ids, count


def _segment_reduction(
    op: str, data: TensorLike, ids: TensorLike, count: int | None, reduction: str, start: float
) -> Tensor:
    data, ids, count = _segments(op, data, ids, count)
    shape = (count, *data.shape[1:])
    initial = apply("full", shape=shape, value=start, dtype=data.dtype)
    return apply("scatter_update", initial, ids, data, reduction=_REDUCTIONS[reduction])


def _limits(dtype: str) -> tuple[float, float]:
    """What the largest and the smallest of nothing are."""
    if dtype in FLOATS:
        return -math.inf, math.inf
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


@public
def segment_sum(
    data: TensorLike,
    segment_ids: TensorLike,
    num_segments: int | None = None,
    sorted: bool = False,
) -> Tensor:
    """The sum of the rows that bear the same number.

    Args:
        data: a tensor of at least one axis.
        segment_ids: for each row of `data` the number of its segment.
        num_segments: how many segments there are; without it the numbers are read.
        sorted: accepted for Keras's signature.

    Returns:
        (num_segments, *data.shape[1:]); 0 for segments without rows.

    Raises:
        IndexOutOfRangeError: a number outside of the segments.
        ShapeError: not one number for each row.

    Example:
        >>> segment_sum([1, 2, 3], [0, 1, 0]).tolist()
        [4, 2]
    """
    data, ids, count = _segments("segment_sum", data, segment_ids, num_segments)
    return apply("take_grad", data, ids, axis=0, size=count)


@public
def segment_max(
    data: TensorLike,
    segment_ids: TensorLike,
    num_segments: int | None = None,
    sorted: bool = False,
) -> Tensor:
    """The largest of the rows that bear the same number, elementwise.

    Args:
        data: as in `segment_sum`.
        segment_ids: as in `segment_sum`.
        num_segments: as in `segment_sum`.
        sorted: accepted for Keras's signature.

    Returns:
        (num_segments, *data.shape[1:]); the least number there is for segments without rows.

    Example:
        >>> segment_max([1.0, 2.0, 3.0], [0, 1, 0]).tolist()
        [3.0, 2.0]
    """
    low, _ = _limits(tensor(data).dtype)
    return _segment_reduction("segment_max", data, segment_ids, num_segments, "max", low)


@public
def segment_min(
    data: TensorLike,
    segment_ids: TensorLike,
    num_segments: int | None = None,
    sorted: bool = False,
) -> Tensor:
    """The smallest of the rows that bear the same number, elementwise.

    Args:
        data: as in `segment_sum`.
        segment_ids: as in `segment_sum`.
        num_segments: as in `segment_sum`.
        sorted: accepted for Keras's signature.

    Returns:
        (num_segments, *data.shape[1:]); the largest number there is for segments without rows.

    Example:
        >>> segment_min([1.0, 2.0, 3.0], [0, 1, 0]).tolist()
        [1.0, 2.0]
    """
    _, high = _limits(tensor(data).dtype)
    return _segment_reduction("segment_min", data, segment_ids, num_segments, "min", high)


@public
def segment_prod(
    data: TensorLike,
    segment_ids: TensorLike,
    num_segments: int | None = None,
    sorted: bool = False,
) -> Tensor:
    """The product of the rows that bear the same number, elementwise.

    Args:
        data: as in `segment_sum`.
        segment_ids: as in `segment_sum`.
        num_segments: as in `segment_sum`.
        sorted: accepted for Keras's signature.

    Returns:
        (num_segments, *data.shape[1:]); 1 for segments without rows.

    Example:
        >>> segment_prod([1.0, 2.0, 3.0], [0, 1, 0]).tolist()
        [3.0, 2.0]
    """
    return _segment_reduction("segment_prod", data, segment_ids, num_segments, "mul", 1.0)
