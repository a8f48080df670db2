"""Matrix products: `matmul` and what is made of it; gradients for every transpose and batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, bias_of, common_dtype, floating, normalize_axes, tensor


@public
def matmul(x1: TensorLike, x2: TensorLike, *, bias: TensorLike | None = None) -> Tensor:
    """The matrix product over the last two axes; the axes before them broadcast.

    Args:
        x1: a tensor (..., m, k), or a vector (k,), which gives a result without m.
        x2: a tensor (..., k, n), or a vector (k,), which gives a result without n.
        bias: a number (n,) for each column, added in the same pass; the product is floating then.
            `None` for none.

    Returns:
        A tensor (..., m, n) of the common dtype; two int8 give int32.

    Raises:
        ShapeError: the inner sizes differ, or the leading axes do not broadcast.

    Example:
        >>> matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
        [[11.0]]
    """
    if bias is None:
        return _matmul(x1, x2)
    x1, x2 = _alike(floating(x1), floating(x2))
    return apply("matmul", x1, x2, bias_of(bias, x1))


def _matmul(x1: TensorLike, x2: TensorLike) -> Tensor:
    x1, x2 = _alike(tensor(x1), tensor(x2))
    if x1.dtype == "bool":
        return apply("cast", _matmul(x1.astype("int32"), x2.astype("int32")), dtype="bool")
    if x1.dtype == "int8":
        x1, x2 = x1.astype("int32"), x2.astype("int32")
    return apply("matmul", x1, x2)


def _alike(x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    """Both in their common dtype."""
    if x1.dtype == x2.dtype:
        return x1, x2
    dtype = common_dtype(x1.dtype, x2.dtype)
    return x1.astype(dtype), x2.astype(dtype)


@public
def dot(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The dot product: the last axis of `x1` with the last but one of `x2`, or its only one.

    Args:
        x1: a tensor (..., k), or a number.
        x2: a tensor (..., k, n), a vector (k,), or a number.

    Returns:
        A tensor with the other axes of `x1`, then those of `x2`; with a number, the product.

    Raises:
        ShapeError: the two sizes differ.

    Example:
        >>> dot([1.0, 2.0], [3.0, 4.0]).item()
        11.0
    """
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return apply("multiply", x1, x2)
    if x1.ndim <= 2 and x2.ndim <= 2:
        return _matmul(x1, x2)
    return _contract("dot", x1, x2, (x1.ndim - 1,), (max(x2.ndim - 2, 0),))


@public
def tensordot(
    x1: TensorLike, x2: TensorLike, axes: int | Sequence[int | Sequence[int]] = 2
) -> Tensor:
    """The sum of products over chosen axes of both.

    Args:
        x1: a tensor.
        x2: a tensor.
        axes: a number n, for the last n axes of `x1` and the first n of `x2`; or a pair: the axes
            of `x1` and those of `x2`, each one axis or a list.

    Returns:
        A tensor with the other axes of `x1`, then those of `x2`.

    Raises:
        ShapeError: the sizes of two axes differ, or there is no such axis.
        ArgumentError: `axes` is neither a number nor a pair.

    Example:
        >>> tensordot([[1.0, 2.0]], [[3.0, 4.0]], axes=((0, 1), (0, 1))).item()
        11.0
    """
    x1, x2 = tensor(x1), tensor(x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise ShapeError(f"tensordot: axes={axes}, but there are {x1.ndim} and {x2.ndim} axes")
        return _contract(
            "tensordot", x1, x2, tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
        )
    if len(axes) != 2:
        raise ArgumentError(f"tensordot: axes must be a number or a pair, got {axes!r}")
    along1 = normalize_axes("tensordot", axes[0], x1.ndim)
    along2 = normalize_axes("tensordot", axes[1], x2.ndim)
    return _contract("tensordot", x1, x2, along1, along2)


def _contract(
    op: str, x1: Tensor, x2: Tensor, along1: tuple[int, ...], along2: tuple[int, ...]
) -> Tensor:
    sizes1, sizes2 = [x1.shape[i] for i in along1], [x2.shape[i] for i in along2]
    if sizes1 != sizes2:
        raise ShapeError(
            f"{op}: axes {along1} of x1 {x1.shape} and {along2} of x2 {x2.shape} differ in size"
        )
    free1 = tuple(i for i in range(x1.ndim) if i not in along1)
    free2 = tuple(i for i in range(x2.ndim) if i not in along2)
    shape1, shape2 = tuple(x1.shape[i] for i in free1), tuple(x2.shape[i] for i in free2)
    k = math.prod(sizes1)
    left = apply("reshape", _order(x1, free1 + along1), shape=(math.prod(shape1), k))
    right = apply("reshape", _order(x2, along2 + free2), shape=(k, math.prod(shape2)))
    return apply("reshape", _matmul(left, right), shape=shape1 + shape2)


def _order(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x if axes == tuple(range(x.ndim)) else apply("transpose", x, axes=axes)


@public
def outer(x1: TensorLike, x2: TensorLike) -> Tensor:
    """All products of an element of `x1` and one of `x2`, both flattened.

    Example:
        >>> outer([1.0, 2.0], [3.0, 4.0]).tolist()
        [[3.0, 4.0], [6.0, 8.0]]
    """
    x1, x2 = tensor(x1), tensor(x2)
    column = apply("reshape", x1, shape=(x1.size, 1))
    return apply("multiply", column, apply("reshape", x2, shape=(1, x2.size)))


# ---- gradient ----------------------------------------------------------------------------------
# A vector is treated as a matrix with one row (a) or one column (b). The engine sums a result over
# the batch axes that were broadcast, and over the row or column that a vector does not have.


def _product(a: Tensor, b: Tensor, transpose_a: bool, transpose_b: bool) -> Tensor:
    return apply("matmul", a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def _matrices(node: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor, bool, bool]:
    """a, b and g as matrices, and whether a and b are transposed."""
    a, b = node.inputs[0], node.inputs[1]
    vector_a, vector_b = a.ndim == 1, b.ndim == 1
    transpose_a = node.fields["transpose_a"] and not vector_a
    transpose_b = node.fields["transpose_b"] and not vector_b
    if vector_b:
        b = apply("reshape", b, shape=(b.size, 1))
        g = apply("reshape", g, shape=(*g.shape, 1))
    if vector_a:
        a = apply("reshape", a, shape=(1, a.size))
        g = apply("reshape", g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    return a, b, g, transpose_a, transpose_b


def _gradient_a(node: Any, g: Tensor) -> Tensor:
    _, b, g, transpose_a, transpose_b = _matrices(node, g)
    if transpose_a:
        return _product(b, g, transpose_b, True)
    return _product(g, b, False, not transpose_b)


def _gradient_b(node: Any, g: Tensor) -> Tensor:
    a, b, g, transpose_a, transpose_b = _matrices(node, g)
    if b.ndim == 2 and a.ndim > 2 and not transpose_a:
        # One matrix for the whole batch: a single product sums over the batch as well.
        a = apply("reshape", a, shape=(math.prod(a.shape[:-1]), a.shape[-1]))
        g = apply("reshape", g, shape=(math.prod(g.shape[:-1]), g.shape[-1]))
    out = (
        _product(g, a, True, transpose_a) if transpose_b else _product(a, g, not transpose_a, False)
    )
    if len(node.input_specs[1][0]) == 1:
        return apply("reshape", out, shape=out.shape[:-1])
    return out


def _gradient_bias(node: Any, g: Tensor) -> Tensor:
    # With a vector b there is one column, which the output does not show.
    return g if len(node.input_specs[1][0]) > 1 else apply("reshape", g, shape=(*g.shape, 1))


gradient("matmul", _gradient_a, _gradient_b, _gradient_bias)
