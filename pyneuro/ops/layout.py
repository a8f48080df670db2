"""NumPy's names for rearranging: diagonals, rolling, rotating, joining and cutting by direction."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, normalize_axes, normalize_axis, tensor
from .creation import eye
from .index import flip
from .manipulation import concatenate, split, stack, swapaxes

__all__ = [
    "append",
    "array_split",
    "diag",
    "diagflat",
    "diagonal",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "roll",
    "rot90",
    "trace",
    "vander",
    "vsplit",
    "vstack",
]


# ---- diagonals ---------------------------------------------------------------------------------


@public
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonals of the matrices in two axes, along a new last axis.

    Args:
        x: a tensor of at least two axes.
        offset: which diagonal: 0 the main one, above 0 those to its right.
        axis1: the axis of rows.
        axis2: the axis of columns.

    Returns:
        A tensor without the two axes, and with one at the end.

    Raises:
        ShapeError: fewer than two axes, or one given twice.

    Example:
        >>> diagonal([[1, 2], [3, 4]]).tolist()
        [1, 4]
    """
    x = tensor(x)
    pair = normalize_axes("diagonal", (axis1, axis2), x.ndim)
    rest = [i for i in range(x.ndim) if i not in pair]
    x = apply("transpose", x, axes=(*rest, *pair))
    rows, columns = x.shape[-2:]
    lead = x.shape[:-2]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    if count == 0:
        return apply("full", shape=(*lead, 0), value=0.0, dtype=x.dtype)
    flat = apply("reshape", x, shape=(*lead, rows * columns))
    first = max(offset, 0) + max(-offset, 0) * columns
    by = columns + 1
    return apply(
        "slice",
        flat,
        start=(*(0,) * len(lead), first),
        stop=(*lead, first + count * by),
        step=(*(1,) * len(lead), by),
    )


@public
def diag(x: TensorLike, k: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    Args:
        x: a matrix or a vector.
        k: which diagonal.

    Returns:
        A vector or a matrix.

    Raises:
        ShapeError: neither a vector nor a matrix.

    Example:
        >>> diag([1, 2]).tolist()
        [[1, 0], [0, 2]]
    """
    x = tensor(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag: x must be a vector or a matrix, but its shape is {x.shape}")
    n = x.size + abs(k)
    inside = eye(n, k=k, dtype="bool")
    before = max(-k, 0)
    row = apply("slice_grad", x, shape=(n,), start=(before,), step=(1,))
    return apply("where", inside, apply("reshape", row, shape=(n, 1)), False)


@public
def diagflat(x: TensorLike, k: int = 0) -> Tensor:
    """The matrix with all elements of `x` on its diagonal `k`.

    Example:
        >>> diagflat([[1, 2]]).tolist()
        [[1, 0], [0, 2]]
    """
    x = tensor(x)
    return diag(apply("reshape", x, shape=(x.size,)), k)


@public
def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sums of the diagonals of the matrices in two axes.

    Args:
        x: a tensor of at least two axes.
        offset: which diagonal.
        axis1: the axis of rows.
        axis2: the axis of columns.

    Returns:
        A tensor without the two axes.

    Example:
        >>> trace([[1, 2], [3, 4]]).item()
        5
    """
    return apply("sum", diagonal(x, offset, axis1, axis2), axes=(-1,), keepdims=False)


# ---- order -------------------------------------------------------------------------------------


@public
def roll(
    x: TensorLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Tensor:
    """`x` with elements moved along axes; what leaves at one end comes in at the other.

    Args:
        x: a tensor.
        shift: by how many places, for one axis or each.
        axis: the axes; default: `x` is flattened, moved, and gets its shape again.

    Returns:
        A tensor of `x`'s shape.

    Raises:
        ShapeError: no such axis.
        ArgumentError: as many shifts as axes are needed.

    Example:
        >>> roll([1, 2, 3], 1).tolist()
        [3, 1, 2]
    """
    x = tensor(x)
    if axis is None:
        if isinstance(shift, Sequence):
            raise ArgumentError("roll: several shifts need as many axes")
        flat = apply("reshape", x, shape=(x.size,))
        return apply("reshape", _rolled(flat, shift, 0), shape=x.shape)
    axes = axis if isinstance(axis, Sequence) else (axis,)
    shifts = shift if isinstance(shift, Sequence) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    out: Tensor = x
    for by, along in zip(shifts, axes, strict=True):
        out = _rolled(out, by, normalize_axis("roll", along, out.ndim))
    return out


def _rolled(x: Tensor, shift: int, axis: int) -> Tensor:
    n = x.shape[axis]
    by = operator.index(shift) % n if n else 0
    if by == 0:
        return x
    first, last = apply("split", x, sizes=(n - by, by), axis=axis)
    return apply("concatenate", last, first, axis=axis)


@public
def rot90(array: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """A tensor turned by 90 degrees in the plane of two axes, from the first to the second.

    Args:
        array: a tensor of at least two axes.
        k: how often.
        axes: the plane.

    Returns:
        A tensor.

    Raises:
        ShapeError: no such axes.

    Example:
        >>> rot90([[1, 2], [3, 4]]).tolist()
        [[2, 4], [1, 3]]
    """
    x = tensor(array)
    a, b = normalize_axes("rot90", tuple(axes), x.ndim)
    k %= 4
    if k == 0:
        return x
    if k == 2:
        return flip(flip(x, a), b)
    return swapaxes(flip(x, b), a, b) if k == 1 else flip(swapaxes(x, a, b), b)


@public
def fliplr(x: TensorLike) -> Tensor:
    """`x` backwards along its second axis.

    Example:
        >>> fliplr([[1, 2]]).tolist()
        [[2, 1]]
    """
    return flip(x, 1)


@public
def flipud(x: TensorLike) -> Tensor:
    """`x` backwards along its first axis.

    Example:
        >>> flipud([[1], [2]]).tolist()
        [[2], [1]]
    """
    return flip(x, 0)


# ---- join and cut ------------------------------------------------------------------------------


def _at_least(x: TensorLike, rank: int) -> Tensor:
    """`x` with axes of size 1 until it has as many: (n,) is (1, n), then (1, n, 1)."""
    x = tensor(x)
    shape = x.shape
    for i in range(x.ndim, rank):
        shape = (*shape, 1) if i == 2 else (1, *shape)
    return x if shape == x.shape else apply("reshape", x, shape=shape)


@public
def hstack(xs: Sequence[TensorLike]) -> Tensor:
    """Tensors side by side: along the second axis, vectors along their only one.

    Example:
        >>> hstack(([1, 2], [3])).tolist()
        [1, 2, 3]
    """
    given = [_at_least(x, 1) for x in xs]
    return concatenate(given, axis=1 if given and given[0].ndim > 1 else 0)


@public
def vstack(xs: Sequence[TensorLike]) -> Tensor:
    """Tensors below each other, along the first axis; vectors are rows.

    Example:
        >>> vstack(([1, 2], [3, 4])).tolist()
        [[1, 2], [3, 4]]
    """
    return concatenate([_at_least(x, 2) for x in xs], axis=0)


@public
def dstack(xs: Sequence[TensorLike]) -> Tensor:
    """Tensors behind each other, along the third axis.

    Example:
        >>> dstack(([1, 2], [3, 4])).tolist()
        [[[1, 3], [2, 4]]]
    """
    return concatenate([_at_least(x, 3) for x in xs], axis=2)


@public
def append(x1: TensorLike, x2: TensorLike, axis: int | None = None) -> Tensor:
    """`x2` after `x1` along an axis; default: both flattened.

    Example:
        >>> append([1], [[2, 3]]).tolist()
        [1, 2, 3]
    """
    x1, x2 = tensor(x1), tensor(x2)
    if axis is None:
        x1, x2 = (apply("reshape", x, shape=(x.size,)) for x in (x1, x2))
        axis = 0
    return concatenate([x1, x2], axis=axis)


@public
def array_split(
    x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0
) -> list[Tensor]:
    """`x` cut into pieces along an axis, the first ones longer by 1 where it does not divide.

    Args:
        x: a tensor.
        indices_or_sections: how many pieces, or the positions to cut at.
        axis: the axis.

    Returns:
        A list of tensors.

    Raises:
        ArgumentError: no pieces.
        ShapeError: no such axis.

    Example:
        >>> [piece.tolist() for piece in array_split([1, 2, 3], 2)]
        [[1, 2], [3]]
    """
    x = tensor(x)
    if isinstance(indices_or_sections, Sequence):
        return split(x, indices_or_sections, axis)
    sections = operator.index(indices_or_sections)
    if sections < 1:
        raise ArgumentError(f"array_split: expected at least 1 section, got {sections}")
    n = x.shape[normalize_axis("array_split", axis, x.ndim)]
    return split(x, [i * (n // sections) + min(i, n % sections) for i in range(1, sections)], axis)


@public
def hsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """`x` cut along its second axis, a vector along its only one.

    Example:
        >>> [piece.tolist() for piece in hsplit([1, 2], 2)]
        [[1], [2]]
    """
    x = tensor(x)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@public
def vsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """`x` cut along its first axis.

    Example:
        >>> [piece.tolist() for piece in vsplit([[1], [2]], 2)]
        [[[1]], [[2]]]
    """
    return split(x, indices_or_sections, 0)


@public
def dsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """`x` cut along its third axis.

    Example:
        >>> [piece.tolist() for piece in dsplit([[[1, 2]]], 2)]
        [[[[1]]], [[[2]]]]
    """
    return split(x, indices_or_sections, 2)


@public
def meshgrid(*x: TensorLike, indexing: str = "xy") -> list[Tensor]:
    """Coordinates of a grid, from the coordinates along each of its axes.

    Args:
        *x: vectors.
        indexing: "xy" exchanges the first two axes of the results, "ij" does not.

    Returns:
        As many tensors, each of the grid's shape.

    Raises:
        ArgumentError: another `indexing`.

    Example:
        >>> [axis.tolist() for axis in meshgrid([1, 2], [3])]
        [[[1, 2]], [[3, 3]]]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    vectors = [apply("reshape", v, shape=(v.size,)) for v in map(tensor, x)]
    shape = [v.size for v in vectors]
    grid = []
    for i, v in enumerate(vectors):
        thin = [n if j == i else 1 for j, n in enumerate(shape)]
        wide = apply("broadcast_to", apply("reshape", v, shape=thin), shape=shape)
        grid.append(swapaxes(wide, 0, 1) if indexing == "xy" and len(shape) > 1 else wide)
    return grid


@public
def vander(x: TensorLike, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803
    """The matrix of the powers of a vector's elements, one row for each.

    Args:
        x: a vector.
        N: how many powers; default as many as elements.
        increasing: whether the powers rise from left to right.

    Returns:
        A tensor (elements, N).

    Example:
        >>> vander([1, 2, 3], 2).tolist()
        [[1, 1], [2, 1], [3, 1]]
    """
    x = tensor(x)
    count = x.size if N is None else N
    powers: list[Any] = [apply("full", shape=x.shape, value=1.0, dtype=x.dtype)]
    while len(powers) < count:
        powers.append(powers[-1] * x)
    return stack(powers[:count] if increasing else powers[:count][::-1], axis=-1)
