"""Parts of a tensor by position: boxes, entries along an axis, one-hot codes, where it is not 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import gradient, not_differentiable
from ..config import floatx
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply, convert
from .arguments import (
    FLOATS,
    TensorLike,
    dtype_name,
    normalize_axes,
    normalize_axis,
    shape_tuple,
    tensor,
)
from .gradients import zeros_for

not_differentiable("one_hot")


@public
def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Tensor:
    """Entries of `x` along an axis.

    Args:
        x: a tensor.
        indices: integers of any shape; negative ones count from the end.
        axis: the axis; default: `x` is flattened first.

    Returns:
        A tensor in whose shape that of `indices` stands in place of the axis.

    Raises:
        IndexOutOfRangeError: an index is outside.
        ShapeError: no such axis.

    Example:
        >>> take([10, 20, 30], [2, 0, -1]).tolist()
        [30, 10, 30]
    """
    x = tensor(x)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    return apply("take", x, _whole(indices), axis=normalize_axis("take", axis, x.ndim))


def _whole(indices: TensorLike) -> Tensor:
    """Indices as integers: Keras takes whole floats too, and an empty list is of floats."""
    given = tensor(indices)
    whole = given.dtype not in FLOATS and given.dtype != "bool"
    return given if whole else apply("cast", given, dtype="int32")


gradient(
    "take",
    lambda node, g: apply(
        "take_grad",
        g,
        node.inputs[1],
        axis=node.fields["axis"],
        size=node.input_specs[0][0][node.fields["axis"]],
    ),
    None,
)
gradient(
    "take_grad",
    lambda node, g: apply("take", g, node.inputs[1], axis=node.fields["axis"]),
    None,
)


@public
def one_hot(
    x: TensorLike, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Tensor:
    """1 at the position that each integer names, 0 elsewhere; zeros only for one that is outside.

    Args:
        x: integers.
        num_classes: how many positions there are.
        axis: where in the result their axis stands.
        dtype: default: `floatx`.
        sparse: accepted for Keras's signature; only dense tensors exist.

    Returns:
        A tensor with one axis more.

    Raises:
        ArgumentError: `num_classes` is negative, or `sparse` is asked for.
        ShapeError: no such axis.

    Example:
        >>> one_hot([0, 2], 3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if sparse:
        raise ArgumentError("one_hot: only dense tensors exist")
    name = dtype_name(dtype or floatx())
    return apply("one_hot", _whole(x), num_classes=num_classes, axis=axis, dtype=name)


@public
def nonzero(x: TensorLike) -> tuple[Tensor, ...]:
    """The positions where `x` is not 0. Reads the values, as their number decides the shape.

    Args:
        x: a tensor.

    Returns:
        For each axis an int32 vector; together they are the positions in row-major order.

    Example:
        >>> [axis.tolist() for axis in nonzero([[0, 7], [8, 0]])]
        [[0, 1], [1, 0]]
    """
    return tuple(convert(axis.astype("int32")) for axis in np.nonzero(tensor(x).numpy()))


# ---- parts -------------------------------------------------------------------------------------


@public
def slice(inputs: TensorLike, start_indices: Sequence[int], shape: Sequence[int]) -> Tensor:
    """A box cut out of `inputs`.

    Args:
        inputs: a tensor.
        start_indices: where the box begins along each axis.
        shape: its size along each axis; -1 reaches to the end.

    Returns:
        A tensor of that shape.

    Raises:
        ShapeError: not one entry for each axis.
        IndexOutOfRangeError: the box reaches outside.

    Example:
        >>> slice([1, 2, 3, 4], [1], [2]).tolist()
        [2, 3]
    """
    inputs = tensor(inputs)
    start, sizes = shape_tuple(start_indices), shape_tuple(shape)
    if not len(start) == len(sizes) == inputs.ndim:
        raise ShapeError(
            f"slice: start_indices {start} and shape {sizes} need {inputs.ndim} entries each"
        )
    stop = tuple(
        n if size == -1 else first + size
        for first, size, n in zip(start, sizes, inputs.shape, strict=True)
    )
    return apply("slice", inputs, start=start, stop=stop, step=(1,) * inputs.ndim)


@public
def slice_update(inputs: TensorLike, start_indices: Sequence[int], updates: TensorLike) -> Tensor:
    """`inputs` with a box of it replaced.

    Args:
        inputs: a tensor.
        start_indices: where the box begins along each axis.
        updates: what is put there; as many axes, cast to `inputs`' dtype.

    Returns:
        A tensor of `inputs`' shape.

    Raises:
        ShapeError: not one entry, or one axis of `updates`, for each axis.
        IndexOutOfRangeError: the box reaches outside.

    Example:
        >>> slice_update([1, 2, 3], [1], [9, 9]).tolist()
        [1, 9, 9]
    """
    inputs = tensor(inputs)
    updates = tensor(updates).astype(inputs.dtype)
    return apply(
        "slice_update",
        inputs,
        updates,
        start=shape_tuple(start_indices),
        step=(1,) * inputs.ndim,
    )


def _box(x: Tensor, start: Sequence[int], step: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """What `slice` reads from `start` on: `sizes[i]` positions, `step[i]` apart."""
    stop = [s + n * by for s, n, by in zip(start, sizes, step, strict=True)]
    return apply("slice", x, start=start, stop=stop, step=step)


def _read_back(i: int) -> Any:
    """The part of g that the op wrote from its input `i`."""
    return lambda node, g: _box(
        g, node.fields["start"], node.fields["step"], node.input_specs[i][0]
    )


def _erased(node: Any, g: Tensor) -> Tensor:
    zeros = zeros_for(node, 1)
    return apply("slice_update", g, zeros, start=node.fields["start"], step=node.fields["step"])


gradient(
    "slice",
    lambda node, g: apply(
        "slice_grad",
        g,
        shape=node.input_specs[0][0],
        start=node.fields["start"],
        step=node.fields["step"],
    ),
    keeps="none",
)
gradient("slice_grad", _read_back(0), keeps="none")
gradient("slice_update", _erased, _read_back(1), keeps="none")


@public
def flip(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """`x` backwards along `axis`: one, several, or all.

    Example:
        >>> flip([1, 2, 3]).tolist()
        [3, 2, 1]
    """
    x = tensor(x)
    axes = range(x.ndim) if axis is None else normalize_axes("flip", axis, x.ndim)
    start = [n - 1 if i in axes else 0 for i, n in enumerate(x.shape)]
    step = [-1 if i in axes else 1 for i in range(x.ndim)]
    return _box(x, start, step, x.shape)
