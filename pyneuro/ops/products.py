"""Einstein's sums: an equation becomes a plan of transposes, reshapes and batched products.

A plan depends on equation and shapes alone and is kept, so that a call is nothing but its ops.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, common_dtype, tensor
from .matmul import matmul

__all__ = [
    "cross",
    "einsum",
    "inner",
    "kron",
    "vdot",
]


Labels: TypeAlias = tuple[str, ...]
Sizes: TypeAlias = dict[str, int]
Step: TypeAlias = Callable[[list[Tensor]], None]


@public
def einsum(subscripts: str, *operands: TensorLike, **kwargs: Any) -> Tensor:
    """Sums of products of tensors, by an equation that names their axes.

    Args:
        subscripts: such as "bij,bjk->bik": a letter for each axis of each operand, then those of
            the result. Axes with one letter are multiplied element by element, letters that the
            result lacks are summed over, a letter twice in one operand takes the diagonal, and
            "..." stands for axes that broadcast. Without "->" the result has the letters that come
            once, in alphabetical order.
        *operands: tensors, as many as the equation has.
        **kwargs: `optimize`, accepted for NumPy's signature.

    Returns:
        A tensor of the operands' common dtype.

    Raises:
        ArgumentError: the equation cannot be read, or has another number of operands.
        ShapeError: an operand has another number of axes, or sizes of one letter differ.

    Example:
        >>> einsum("ij,jk->ik", [[1.0, 2.0]], [[3.0], [4.0]]).tolist()
        [[11.0]]
    """
    kwargs.pop("optimize", None)
    if kwargs:
        raise ArgumentError(f"einsum: unknown arguments {sorted(kwargs)}")
    xs = [tensor(x) for x in operands]
    steps = _plan(subscripts, tuple(x.shape for x in xs))
    dtypes = {x.dtype for x in xs}
    if len(dtypes) > 1:
        dtype = common_dtype(*sorted(dtypes))
        xs = [x.astype(dtype) for x in xs]
    for step in steps:
        step(xs)
    return xs[0]


# ---- the equation ------------------------------------------------------------------------------


def _split(subscripts: str, count: int) -> tuple[list[str], str | None]:
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    for term in (*terms, right):
        letters = term.replace("...", "", 1)
        if letters and not (letters.isalpha() and letters.isascii()):
            raise ArgumentError(f"einsum: cannot read {term!r} in the equation {subscripts!r}")
    if len(terms) != count:
        raise ArgumentError(
            f"einsum: the equation {subscripts!r} has {len(terms)} operands, but {count} came"
        )
    return terms, right if arrow else None


def _written_out(term: str, dots: int) -> Labels:
    """Its labels, with "..." as the last so many of the numbered ones."""
    before, found, after = term.partition("...")
    middle = [f".{i}" for i in range(dots - 1, -1, -1)] if found else []
    return (*before, *middle, *after)


def _parse(
    subscripts: str, shapes: tuple[tuple[int, ...], ...]
) -> tuple[list[Labels], Labels, Sizes]:
    terms, right = _split(subscripts, len(shapes))
    labels: list[Labels] = []
    sizes: Sizes = {}
    most = 0
    for term, shape in zip(terms, shapes, strict=True):
        dots = len(shape) - len(term.replace("...", ""))
        if dots < 0 or (dots > 0 and "..." not in term):
            raise ShapeError(
                f"einsum: {term!r} does not name the {len(shape)} axes of an operand {shape}"
            )
        most = max(most, dots)
        own = _written_out(term, dots)
        labels.append(own)
        for label, size in zip(own, shape, strict=True):
            if sizes.setdefault(label, size) != size and 1 not in (size, sizes[label]):
                raise ShapeError(
                    f"einsum: {label!r} has the sizes {sizes[label]} and {size} in {subscripts!r}"
                )
            sizes[label] = size if sizes[label] == 1 else sizes[label]
    if right is None:
        every = list(itertools.chain(*labels))
        out = (
            *_written_out("...", most),
            *sorted(a for a in set(every) if a[0] != "." and every.count(a) == 1),
        )
    else:
        out = _written_out(right, most)
    for label in out:
        if label not in sizes or out.count(label) > 1:
            raise ArgumentError(
                f"einsum: {label!r} in the result of {subscripts!r} must come from an operand, once"
            )
    return labels, out, sizes


# ---- the plan ----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _plan(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[Step, ...]:
    labels, out, sizes = _parse(subscripts, shapes)
    steps: list[Step] = []
    for i, shape in enumerate(shapes):
        labels[i] = _one_each(steps, i, labels, shape, sizes)
    while len(labels) > 1:
        a, b = _cheapest(labels, out, sizes)
        for i in (a, b):
            labels[i] = _sum_own(steps, i, labels, out)
        kept = {*out, *itertools.chain(*(w for i, w in enumerate(labels) if i not in (a, b)))}
        result = _contract(steps, a, b, labels, kept, sizes)
        labels = [w for i, w in enumerate(labels) if i not in (a, b)] + [result]
    labels[0] = _sum_own(steps, 0, labels, out)
    _finish(steps, labels[0], out, sizes)
    return tuple(steps)


def _cheapest(labels: list[Labels], out: Labels, sizes: Sizes) -> tuple[int, int]:
    """The pair whose product is smallest; the first such."""
    best, least = (0, 1), math.inf
    for a, b in itertools.combinations(range(len(labels)), 2):
        others = {*out, *itertools.chain(*(w for i, w in enumerate(labels) if i not in (a, b)))}
        size = math.prod(sizes[w] for w in {*labels[a], *labels[b]} & others)
        if size < least:
            best, least = (a, b), size
    return best


def _at(i: int, change: Callable[[Tensor], Tensor]) -> Step:
    def step(xs: list[Tensor]) -> None:
        xs[i] = change(xs[i])

    return step


def _one_each(
    steps: list[Step], i: int, labels: list[Labels], shape: tuple[int, ...], sizes: Sizes
) -> Labels:
    """An operand's labels, each once: diagonals taken, axes of size 1 left out."""
    own = list(labels[i])
    kept = [n for n, (label, size) in enumerate(zip(own, shape, strict=True))
            if not (size == 1 and _elsewhere(label, i, own, labels, sizes))]  # fmt: skip
    if len(kept) < len(own):
        thin = tuple(shape[n] for n in kept)
        steps.append(_at(i, lambda x: apply("reshape", x, shape=thin)))
        own = [own[n] for n in kept]
    for label in dict.fromkeys(own):
        while own.count(label) > 1:
            first = own.index(label)
            second = own.index(label, first + 1)
            own = _diagonal(steps, i, own, first, second, sizes)
    return tuple(own)


def _elsewhere(label: str, i: int, own: list[str], labels: list[Labels], sizes: Sizes) -> bool:
    """Whether an axis of size 1 only repeats along one that another operand has."""
    return sizes[label] != 1 and (
        own.count(label) > 1 or any(label in w for j, w in enumerate(labels) if j != i)
    )


def _diagonal(
    steps: list[Step], i: int, own: list[str], first: int, second: int, sizes: Sizes
) -> list[str]:
    """Steps that put the diagonal of two axes at the end."""
    rest = [n for n in range(len(own)) if n not in (first, second)]
    order, n = (*rest, first, second), sizes[own[first]]
    lead = tuple(sizes[own[k]] for k in rest)

    def change(x: Tensor) -> Tensor:
        flat = apply("reshape", apply("transpose", x, axes=order), shape=(*lead, n * n))
        rank = len(lead) + 1
        stop = (*lead, (n + 1) * n)
        by = (*(1,) * len(lead), n + 1)
        return apply("slice", flat, start=(0,) * rank, stop=stop, step=by)

    steps.append(_at(i, change))
    return [*(own[k] for k in rest), own[first]]


def _sum_own(steps: list[Step], i: int, labels: list[Labels], out: Labels) -> Labels:
    """Sums over what only this operand has and the result lacks."""
    own = labels[i]
    others = {*out, *itertools.chain(*(w for j, w in enumerate(labels) if j != i))}
    axes = tuple(n for n, label in enumerate(own) if label not in others)
    if axes:
        steps.append(_at(i, lambda x: _same_dtype_sum(x, axes)))
    return tuple(label for label in own if label in others)


def _same_dtype_sum(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    total = apply("sum", x, axes=axes, keepdims=False)
    return total if total.dtype == x.dtype else apply("cast", total, dtype=x.dtype)


def _contract(
    steps: list[Step], a: int, b: int, labels: list[Labels], kept: set[str], sizes: Sizes
) -> Labels:
    """The product of two operands, put at the end of the list; gives its labels."""
    left, right = labels[a], labels[b]
    both = [w for w in left if w in right]
    batch, summed = [w for w in both if w in kept], [w for w in both if w not in kept]
    rows, columns = [w for w in left if w not in right], [w for w in right if w not in left]
    if summed:
        product = _batched(left, right, (batch, rows, summed, columns), sizes)
        result = (*batch, *rows, *columns)
    else:
        result = (*batch, *rows, *columns)
        product = _elementwise(left, right, result, sizes)

    def step(xs: list[Tensor]) -> None:
        value = product(xs[a], xs[b])
        del xs[max(a, b)], xs[min(a, b)]
        xs.append(value)

    steps.append(step)
    return result


def _ordered(x: Tensor, labels: Labels, wanted: list[str], shape: tuple[int, ...]) -> Tensor:
    order = tuple(labels.index(w) for w in wanted)
    if order != tuple(range(len(order))):
        x = apply("transpose", x, axes=order)
    return apply("reshape", x, shape=shape)


def _batched(
    left: Labels, right: Labels, groups: tuple[list[str], ...], sizes: Sizes
) -> Callable[[Tensor, Tensor], Tensor]:
    batch, rows, summed, columns = groups
    m, k, n = (math.prod(sizes[w] for w in group) for group in (rows, summed, columns))
    shape = tuple(sizes[w] for w in (*batch, *rows, *columns))
    lead = (math.prod(sizes[w] for w in batch),) if batch else ()

    def product(x: Tensor, y: Tensor) -> Tensor:
        x = _ordered(x, left, [*batch, *rows, *summed], (*lead, m, k))
        y = _ordered(y, right, [*batch, *summed, *columns], (*lead, k, n))
        out = matmul(x, y)
        out = out if out.dtype == x.dtype else apply("cast", out, dtype=x.dtype)
        return apply("reshape", out, shape=shape)

    return product


def _elementwise(
    left: Labels, right: Labels, result: Labels, sizes: Sizes
) -> Callable[[Tensor, Tensor], Tensor]:
    """Both with axes of size 1 where they lack one of the result's."""

    def spread(x: Tensor, labels: Labels) -> Tensor:
        own = [w for w in result if w in labels]
        return _ordered(x, labels, own, tuple(sizes[w] if w in labels else 1 for w in result))

    return lambda x, y: apply("multiply", spread(x, left), spread(y, right))


def _finish(steps: list[Step], labels: Labels, out: Labels, sizes: Sizes) -> None:
    order = tuple(labels.index(w) for w in out)
    if order != tuple(range(len(order))):
        steps.append(_at(0, lambda x: apply("transpose", x, axes=order)))


# ---- products by other names -------------------------------------------------------------------


@public
def inner(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The sum of products over the last axes of both.

    Args:
        x1: a tensor (..., k), or a number.
        x2: a tensor (..., k), or a number.

    Returns:
        A tensor with the other axes of `x1`, then those of `x2`; with a number, the product.

    Raises:
        ShapeError: the two sizes differ.

    Example:
        >>> inner([1.0, 2.0], [3.0, 4.0]).item()
        11.0
    """
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return apply("multiply", x1, x2)
    letters = "abcdefghijklmnopqrstuvwxyz"
    first, rest = letters[: x1.ndim - 1], letters[x1.ndim - 1 : x1.ndim + x2.ndim - 2]
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"inner: the last axes of x1 {x1.shape} and x2 {x2.shape} differ in size")
    return einsum(f"{first}z,{rest}z->{first}{rest}", x1, x2)


@public
def vdot(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The sum of products of two tensors, flattened.

    Example:
        >>> vdot([[1.0, 2.0]], [[3.0], [4.0]]).item()
        11.0
    """
    x1, x2 = tensor(x1), tensor(x2)
    return matmul(apply("reshape", x1, shape=(x1.size,)), apply("reshape", x2, shape=(x2.size,)))


@public
def kron(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The Kronecker product: every element of `x1` times the whole of `x2`, block by block.

    Example:
        >>> kron([1, 10], [1, 2]).tolist()
        [1, 2, 10, 20]
    """
    x1, x2 = tensor(x1), tensor(x2)
    rank = max(x1.ndim, x2.ndim)
    wide1 = (1,) * (rank - x1.ndim) + x1.shape
    wide2 = (1,) * (rank - x2.ndim) + x2.shape
    shape1 = tuple(itertools.chain(*((n, 1) for n in wide1)))
    shape2 = tuple(itertools.chain(*((1, n) for n in wide2)))
    product = apply(
        "multiply", apply("reshape", x1, shape=shape1), apply("reshape", x2, shape=shape2)
    )
    return apply("reshape", product, shape=[a * b for a, b in zip(wide1, wide2, strict=True)])


@public
def cross(
    x1: TensorLike,
    x2: TensorLike,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Tensor:
    """The cross product of vectors of 3 (or 2, with 0 as the third) components.

    Args:
        x1: vectors.
        x2: vectors; the other axes broadcast.
        axisa: the axis of `x1` that holds components.
        axisb: the axis of `x2` that holds components.
        axisc: where components stand in the result.
        axis: given, it stands for all three.

    Returns:
        Vectors; of two vectors of 2 components only the third, without the axis.

    Raises:
        ShapeError: other numbers of components.

    Example:
        >>> cross([1, 0, 0], [0, 1, 0]).tolist()
        [0, 0, 1]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _components(x1, axisa), _components(x2, axisb)
    if len(a) == len(b) == 2:
        third: Tensor = a[0] * b[1] - a[1] * b[0]
        return third
    a, b = (v if len(v) == 3 else [*v, v[0] * 0] for v in (a, b))
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    place = axisc % (parts[0].ndim + 1)
    shape = parts[0].shape
    thin = (*shape[:place], 1, *shape[place:])
    return apply("concatenate", *(apply("reshape", p, shape=thin) for p in parts), axis=place)


def _components(x: TensorLike, axis: int) -> list[Tensor]:
    x = tensor(x)
    if x.ndim == 0 or x.shape[axis] not in (2, 3):
        raise ShapeError(f"cross: axis {axis} of {x.shape} must hold 2 or 3 components")
    index = (slice(None),) * (axis % x.ndim)
    return [x[(*index, i)] for i in range(x.shape[axis])]
