"""Another shape or order of the same elements: reshape, transpose, join, cut, repeat."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import Shape, TensorLike, normalize_axes, normalize_axis, shape_tuple, tensor


@public
def reshape(x: TensorLike, newshape: Shape) -> Tensor:
    """The elements of `x`, in row-major order, in another shape.

    Args:
        x: a tensor.
        newshape: the shape; one size may be -1, which is then found from the others.

    Returns:
        A tensor of the new shape.

    Raises:
        ShapeError: the elements do not fit.

    Example:
        >>> reshape([1, 2, 3, 4], (2, -1)).tolist()
        [[1, 2], [3, 4]]
    """
    return apply("reshape", x, shape=shape_tuple(newshape))


gradient(
    "reshape",
    lambda node, g: apply("reshape", g, shape=node.input_specs[0][0]),
    keeps="none",
)


@public
def ravel(x: TensorLike) -> Tensor:
    """The elements of `x` as a vector.

    Example:
        >>> ravel([[1, 2], [3, 4]]).tolist()
        [1, 2, 3, 4]
    """
    x = tensor(x)
    return apply("reshape", x, shape=(x.size,))


@public
def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """`x` with its axes in another order.

    Args:
        x: a tensor.
        axes: for each axis of the result, the axis of `x` it is; default: all reversed.

    Returns:
        A tensor.

    Raises:
        ShapeError: `axes` is no order of all axes.

    Example:
        >>> transpose([[1, 2], [3, 4]]).tolist()
        [[1, 3], [2, 4]]
    """
    if axes is None:
        return apply("transpose", x, axes=())
    x = tensor(x)
    order = normalize_axes("transpose", tuple(axes), x.ndim)
    if len(order) != x.ndim:
        raise ShapeError(f"transpose: axes {tuple(axes)} must name each of the {x.ndim} axes")
    return apply("transpose", x, axes=order)


def _transpose_gradient(node: Any, g: Tensor) -> Tensor:
    axes = node.fields["axes"]
    order = [axis % len(axes) for axis in axes]
    return apply("transpose", g, axes=tuple(order.index(i) for i in range(len(order))))


gradient("transpose", _transpose_gradient, keeps="none")


@public
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """`x` with two axes exchanged.

    Example:
        >>> swapaxes([[1, 2]], 0, 1).tolist()
        [[1], [2]]
    """
    x = tensor(x)
    order = list(range(x.ndim))
    i = normalize_axis("swapaxes", axis1, x.ndim)
    j = normalize_axis("swapaxes", axis2, x.ndim)
    order[i], order[j] = order[j], order[i]
    return apply("transpose", x, axes=order)


@public
def moveaxis(
    x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]
) -> Tensor:
    """`x` with some axes moved and the others left in their order.

    Args:
        x: a tensor.
        source: the axis or axes to move.
        destination: where each of them shall stand.

    Returns:
        A tensor.

    Raises:
        ShapeError: no such axis, or not as many destinations as sources.

    Example:
        >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    x = tensor(x)
    sources = normalize_axes("moveaxis", source, x.ndim)
    places = normalize_axes("moveaxis", destination, x.ndim)
    if len(sources) != len(places):
        raise ShapeError(f"moveaxis: {len(sources)} axes cannot move to {len(places)} places")
    order = [i for i in range(x.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return apply("transpose", x, axes=order)


@public
def squeeze(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """`x` without axes of size 1.

    Args:
        x: a tensor.
        axis: which axes to drop; default: all of size 1.

    Returns:
        A tensor.

    Raises:
        ShapeError: an axis to be dropped has another size.

    Example:
        >>> squeeze([[[1], [2]]]).tolist()
        [1, 2]
    """
    x = tensor(x)
    if axis is None:
        return apply("reshape", x, shape=[n for n in x.shape if n != 1])
    axes = normalize_axes("squeeze", axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ShapeError(f"squeeze: axis {axis} of x {x.shape} does not have size 1")
    return apply("reshape", x, shape=[n for i, n in enumerate(x.shape) if i not in axes])


@public
def expand_dims(x: TensorLike, axis: int | Sequence[int]) -> Tensor:
    """`x` with axes of size 1 put in.

    Args:
        x: a tensor.
        axis: where they stand in the result.

    Returns:
        A tensor.

    Raises:
        ShapeError: the result has no such axis.

    Example:
        >>> expand_dims([1, 2], 0).tolist()
        [[1, 2]]
    """
    x = tensor(x)
    added = len(axis) if isinstance(axis, Sequence) else 1
    axes = normalize_axes("expand_dims", axis, x.ndim + added)
    sizes = iter(x.shape)
    shape = [1 if i in axes else next(sizes) for i in range(x.ndim + added)]
    return apply("reshape", x, shape=shape)


@public
def broadcast_to(x: TensorLike, shape: Shape) -> Tensor:
    """`x` repeated along new leading axes and those of size 1.

    Raises:
        ShapeError: `x` does not broadcast to the shape.

    Example:
        >>> broadcast_to([1, 2], (2, 2)).tolist()
        [[1, 2], [1, 2]]
    """
    return apply("broadcast_to", x, shape=shape_tuple(shape))


gradient("broadcast_to", lambda node, g: g, keeps="none")


# ---- join and cut ------------------------------------------------------------------------------


def _pieces(x: Tensor, sizes: Sequence[int], axis: int) -> list[Tensor]:
    return list(apply("split", x, sizes=sizes, axis=axis)) if len(sizes) > 1 else [x]


@public
def concatenate(xs: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Tensors one after the other along an axis.

    Args:
        xs: tensors that differ in size along that axis only; they meet in their common dtype.
        axis: the axis.

    Returns:
        A tensor.

    Raises:
        ShapeError: other sizes differ, or there is no such axis.
        ArgumentError: no tensors.

    Example:
        >>> concatenate([[1, 2], [3]]).tolist()
        [1, 2, 3]
    """
    return apply("concatenate", *xs, axis=axis)


def _concatenate_gradient(node: Any, g: Tensor) -> list[Tensor]:
    axis = node.fields["axis"]
    return _pieces(g, [shape[axis] for shape, _ in node.input_specs], axis)


gradient("concatenate", variadic=_concatenate_gradient, keeps="none")


@public
def stack(x: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Tensors of one shape, side by side along a new axis.

    Args:
        x: tensors of one shape.
        axis: where the new axis stands in the result.

    Returns:
        A tensor with one axis more.

    Raises:
        ShapeError: the shapes differ, or there is no such axis.
        ArgumentError: no tensors.

    Example:
        >>> stack([[1, 2], [3, 4]], axis=1).tolist()
        [[1, 3], [2, 4]]
    """
    xs = [tensor(item) for item in x]
    if not xs:
        raise ArgumentError("stack: at least one tensor is needed")
    shape = xs[0].shape
    for i, item in enumerate(xs):
        if item.shape != shape:
            raise ShapeError(f"stack: tensor {i} has shape {item.shape}, but tensor 0 has {shape}")
    place = normalize_axis("stack", axis, len(shape) + 1)
    thin = (*shape[:place], 1, *shape[place:])
    return apply("concatenate", *(apply("reshape", item, shape=thin) for item in xs), axis=place)


@public
def split(x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """`x` cut into pieces along an axis.

    Args:
        x: a tensor.
        indices_or_sections: how many equal pieces, or the positions to cut at.
        axis: the axis.

    Returns:
        A list of tensors.

    Raises:
        ShapeError: the axis does not divide evenly, or there is no such axis.
        ArgumentError: positions that go back, or no pieces.

    Example:
        >>> [piece.tolist() for piece in split([1, 2, 3, 4], 2)]
        [[1, 2], [3, 4]]
    """
    x = tensor(x)
    axis = normalize_axis("split", axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, (Sequence, np.ndarray)):
        cuts = [operator.index(i) for i in indices_or_sections]
        edges = [0, *(min(max(i + n if i < 0 else i, 0), n) for i in cuts), n]
        sizes = [b - a for a, b in itertools.pairwise(edges)]
        if min(sizes) < 0:
            raise ArgumentError(f"split: positions {cuts} go back along an axis of size {n}")
        return _pieces(x, sizes, axis)
    sections = operator.index(indices_or_sections)
    if sections < 1:
        raise ArgumentError(f"split: expected at least 1 section, got {sections}")
    if n % sections:
        raise ShapeError(f"split: axis {axis} of x {x.shape} does not divide into {sections} parts")
    return _pieces(x, [n // sections] * sections, axis)


def _split_gradient(node: Any, g: Tensor | tuple[Tensor | None, ...]) -> Tensor:
    if isinstance(g, Tensor):
        return g
    axis, (shape, dtype) = node.fields["axis"], node.input_specs[0]
    pieces = []
    for size, piece in zip(node.fields["sizes"], g, strict=True):
        if piece is None:
            part = list(shape)
            part[axis] = size
            piece = apply("full", shape=part, value=0.0, dtype=dtype)
        pieces.append(piece)
    return apply("concatenate", *pieces, axis=axis)


gradient("split", _split_gradient, keeps="none")


@public
def unstack(x: TensorLike, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The slices of `x` along an axis, which they no longer have.

    Args:
        x: a tensor.
        num: how many there are; only checked.
        axis: the axis.

    Returns:
        A list of tensors.

    Raises:
        ShapeError: there are not `num`, or there is no such axis.

    Example:
        >>> [row.tolist() for row in unstack([[1, 2], [3, 4]])]
        [[1, 2], [3, 4]]
    """
    x = tensor(x)
    axis = normalize_axis("unstack", axis, x.ndim)
    n = x.shape[axis]
    if num is not None and num != n:
        raise ShapeError(f"unstack: num is {num}, but axis {axis} of x {x.shape} has size {n}")
    if n == 0:
        return []
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return [apply("reshape", piece, shape=shape) for piece in _pieces(x, [1] * n, axis)]


# ---- repeat ------------------------------------------------------------------------------------


def _repeated(x: Tensor, rows: int, count: int, shape: Sequence[int]) -> Tensor:
    """`x` seen as so many rows, each `count` times, in another shape."""
    block = x.size // max(rows, 1)
    thin = apply("reshape", x, shape=(rows, 1, block))
    wide = apply("broadcast_to", thin, shape=(rows, count, block))
    return apply("reshape", wide, shape=shape)


@public
def repeat(x: TensorLike, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Each slice of `x` along an axis, several times over.

    Args:
        x: a tensor.
        repeats: how often: one number, or one for each slice.
        axis: the axis; default: `x` is flattened first.

    Returns:
        A tensor.

    Raises:
        ShapeError: as many `repeats` as slices are needed; or there is no such axis.
        ArgumentError: a negative number.

    Example:
        >>> repeat([1, 2], 2).tolist(), repeat([1, 2], [3, 1]).tolist()
        ([1, 1, 2, 2], [1, 1, 1, 2])
    """
    x = tensor(x)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    axis = normalize_axis("repeat", axis, x.ndim)
    counts = shape_tuple(repeats)
    if min(counts, default=0) < 0:
        raise ArgumentError(f"repeat: repeats must not be negative, got {repeats}")
    if len(counts) == 1:
        shape = list(x.shape)
        shape[axis] *= counts[0]
        return _repeated(x, math.prod(x.shape[: axis + 1]), counts[0], shape)
    if len(counts) != x.shape[axis]:
        raise ShapeError(
            f"repeat: {len(counts)} repeats for axis {axis} of x {x.shape}; give 1 or one for each"
        )
    positions = np.repeat(np.arange(len(counts), dtype="int32"), counts)
    return apply("take", x, positions, axis=axis)


@public
def tile(x: TensorLike, repeats: int | Sequence[int]) -> Tensor:
    """`x` as a whole, several times over along each axis.

    Args:
        x: a tensor.
        repeats: how often along the last axes; with more of them than axes, `x` gets leading axes.

    Returns:
        A tensor.

    Raises:
        ArgumentError: a negative number.

    Example:
        >>> tile([1, 2], 2).tolist()
        [1, 2, 1, 2]
    """
    x, counts = tensor(x), shape_tuple(repeats)
    if min(counts, default=0) < 0:
        raise ArgumentError(f"tile: repeats must not be negative, got {repeats}")
    rank = max(x.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    out = apply("reshape", x, shape=(1,) * (rank - x.ndim) + x.shape)
    for axis, count in enumerate(counts):
        if count != 1:
            shape = list(out.shape)
            shape[axis] *= count
            out = _repeated(out, math.prod(out.shape[:axis]), count, shape)
    return out
