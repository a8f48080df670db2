"""What runs along an axis in order: sorting, running sums and products, searching, counting.

Equal elements keep their order, and NaN counts as the largest, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply, convert
from .arguments import FLOATS, TensorLike, dtype_name, number, operands, tensor
from .custom import host_call
from .index import one_hot

__all__ = [
    "argpartition",
    "argsort",
    "bincount",
    "cumprod",
    "cumsum",
    "digitize",
    "histogram",
    "in_top_k",
    "isin",
    "multi_hot",
    "searchsorted",
    "select",
    "sort",
    "top_k",
    "unique",
    "unravel_index",
]


# ---- sorting -----------------------------------------------------------------------------------


def _sorted(
    x: TensorLike, axis: int | None, descending: bool = False, k: int = -1
) -> tuple[Tensor, Tensor]:
    x = tensor(x)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    values, positions = apply("sort", x, axis=axis, descending=descending, k=k)
    return values, positions


def _sort_gradient(node: Any, g: Any) -> Tensor:
    axis = node.fields["axis"]
    size = node.input_specs[0][0][axis]
    return apply("take_along_axis_grad", g[0], node.outputs[1], axis=axis, size=size)


gradient("sort", _sort_gradient, keeps="output")


@public
def sort(x: TensorLike, axis: int | None = -1) -> Tensor:
    """The elements along an axis in ascending order.

    Args:
        x: a tensor.
        axis: the axis; `None`: `x` is flattened first.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> sort([3, 1, 2]).tolist()
        [1, 2, 3]
    """
    return _sorted(x, axis)[0]


@public
def argsort(x: TensorLike, axis: int | None = -1) -> Tensor:
    """The int32 positions that put the elements along an axis in ascending order.

    Args:
        x: a tensor.
        axis: the axis; `None`: `x` is flattened first.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> argsort([3, 1, 2]).tolist()
        [1, 2, 0]
    """
    return _sorted(x, axis)[1]


@public
def top_k(x: TensorLike, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along the last axis, and where they are.

    Args:
        x: a tensor of at least one axis.
        k: how many.
        sorted: accepted for Keras's signature; they always are, the largest first.

    Returns:
        A pair (values, int32 positions), both (..., k).

    Raises:
        ArgumentError: there are fewer than `k`.

    Example:
        >>> values, positions = top_k([1, 5, 3], 2)
        >>> values.tolist(), positions.tolist()
        ([5, 3], [1, 2])
    """
    if k < 0:
        raise ArgumentError(f"top_k: k must not be negative, got {k}")
    return _sorted(x, -1, descending=True, k=k)


@public
def argpartition(x: TensorLike, kth: int, axis: int | None = -1) -> Tensor:
    """Positions that put the `kth` element where sorting would, smaller ones before it.

    Args:
        x: a tensor.
        kth: a position along the axis.
        axis: the axis; `None`: `x` is flattened first.

    Returns:
        An int32 tensor; here the elements are sorted altogether.

    Raises:
        ArgumentError: there is no such position.

    Example:
        >>> argpartition([3, 1, 2], 1).tolist()
        [1, 2, 0]
    """
    positions = _sorted(x, axis)[1]
    n = positions.shape[-1 if axis is None else axis]
    if not -n <= kth < n:
        raise ArgumentError(f"argpartition: kth is {kth}, but there are {n} elements")
    return positions


@public
def in_top_k(targets: TensorLike, predictions: TensorLike, k: int) -> Tensor:
    """Whether each target class is among the `k` with the largest predictions.

    Args:
        targets: class numbers (batch,).
        predictions: (batch, classes); ties with the target's do not count against it.
        k: how many.

    Returns:
        A bool tensor (batch,); false where the target's prediction is not finite.

    Example:
        >>> in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], 1).tolist()
        [True, False]
    """
    targets, predictions = tensor(targets), tensor(predictions)
    place = apply("reshape", targets, shape=(targets.size, 1))
    own = apply("take_along_axis", predictions, place, axis=-1)
    above = apply("cast", apply("greater", predictions, own), dtype="int32")
    few = apply("less", apply("sum", above, axes=(-1,), keepdims=False), k)
    finite = apply("reshape", apply("isfinite", own), shape=targets.shape)
    return apply("logical_and", few, finite)


# ---- running sums and products -----------------------------------------------------------------


def _running(op: str, x: TensorLike, axis: int | None, dtype: Any) -> Tensor:
    x = number(x) if dtype is None else tensor(x).astype(dtype_name(dtype))
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    return apply(op, x, axis=axis)


@public
def cumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The sums of all elements up to each one along an axis.

    Args:
        x: a tensor; bool becomes int32.
        axis: the axis; default: `x` is flattened first.
        dtype: the dtype to add up in; default: `x`'s.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> cumsum([1, 2, 3]).tolist()
        [1, 3, 6]
    """
    return _running("cumsum", x, axis, dtype)


@public
def cumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The products of all elements up to each one along an axis.

    Args:
        x: a tensor; bool becomes int32.
        axis: the axis; default: `x` is flattened first.
        dtype: the dtype to multiply in; default: `x`'s.

    Returns:
        A tensor of `x`'s shape, or a vector.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> cumprod([1, 2, 3]).tolist()
        [1, 2, 6]
    """
    return _running("cumprod", x, axis, dtype)


def _shifted(x: Tensor, axis: int, by_one_later: bool, fill: float) -> Tensor:
    """`x` moved by one along an axis; `fill` comes in, the element at the other end drops out."""
    axis %= x.ndim
    n = x.shape[axis]
    if n == 0:
        return x
    thin = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    new = apply("full", shape=thin, value=fill, dtype=x.dtype)
    start, stop = [0] * x.ndim, list(x.shape)
    if by_one_later:
        stop[axis] -= 1
    else:
        start[axis] = 1
    rest = apply("slice", x, start=start, stop=stop, step=[1] * x.ndim)
    return apply("concatenate", *((new, rest) if by_one_later else (rest, new)), axis=axis)


def _cumprod_gradient(node: Any, g: Tensor) -> Tensor:
    # The product before x_i, times what g weighs of the products after it; no division, so zeros
    # need no care.
    axis, reverse = node.fields["axis"], node.fields["reverse"]
    x = node.inputs[0]
    before = _shifted(apply("cumprod", x, axis=axis, reverse=reverse), axis, not reverse, 1.0)
    weights = _shifted(x, axis, reverse, 0.0)
    return before * apply("linear_recurrence", weights, g, axis=axis, reverse=not reverse)


def _recurrence_back(node: Any, g: Tensor) -> Tensor:
    axis, reverse = node.fields["axis"], node.fields["reverse"]
    weights = _shifted(node.inputs[0], axis, reverse, 0.0)
    return apply("linear_recurrence", weights, g, axis=axis, reverse=not reverse)


def _recurrence_weights(node: Any, g: Tensor) -> Tensor:
    axis, reverse = node.fields["axis"], node.fields["reverse"]
    y = apply("linear_recurrence", *node.inputs, axis=axis, reverse=reverse)
    return _recurrence_back(node, g) * _shifted(y, axis, not reverse, 0.0)


gradient(
    "cumsum",
    lambda node, g: apply(
        "cumsum", g, axis=node.fields["axis"], reverse=not node.fields["reverse"]
    ),
    keeps="none",
)
gradient("cumprod", _cumprod_gradient)
gradient("linear_recurrence", _recurrence_weights, _recurrence_back)


# ---- searching and counting --------------------------------------------------------------------


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
