"""Operations on the bits of integers, computed by NumPy: `host_call`s, which have no gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import FLOATS, TensorLike, common_dtype, tensor
from .custom import host_call

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "gcd",
    "lcm",
    "left_shift",
    "right_shift",
]


def _bits(op: str, function: Callable[..., Any], *inputs: TensorLike) -> Tensor:
    first = next((x for x in inputs if isinstance(x, Tensor)), None)
    xs = [
        apply("full", shape=(), value=float(x), dtype=first.dtype)
        if first is not None and type(x) is int
        else tensor(x)
        for x in inputs
    ]
    for x in xs:
        if x.dtype in FLOATS:
            raise DTypeError(f"{op}: x is {x.dtype}, but an integer or bool dtype is expected")
    dtype = xs[0].dtype if len(xs) == 1 else common_dtype(*(x.dtype for x in xs))
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    out = host_call(function, *(x.astype(dtype) for x in xs), output_specs=[(shape, dtype)])
    assert isinstance(out, Tensor)
    return out


@public
def bitwise_and(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits that both have.

    Example:
        >>> bitwise_and([6], [3]).tolist()
        [2]
    """
    return _bits("bitwise_and", np.bitwise_and, x, y)


@public
def bitwise_or(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits that one or both have.

    Example:
        >>> bitwise_or([6], [3]).tolist()
        [7]
    """
    return _bits("bitwise_or", np.bitwise_or, x, y)


@public
def bitwise_xor(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits that exactly one has.

    Example:
        >>> bitwise_xor([6], [3]).tolist()
        [5]
    """
    return _bits("bitwise_xor", np.bitwise_xor, x, y)


@public
def bitwise_not(x: TensorLike) -> Tensor:
    """All bits turned over.

    Example:
        >>> bitwise_not([0]).tolist()
        [-1]
    """
    return _bits("bitwise_not", np.invert, x)


bitwise_invert = bitwise_not


@public
def bitwise_left_shift(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits of `x` moved up by `y` places.

    Example:
        >>> bitwise_left_shift([3], [2]).tolist()
        [12]
    """
    return _bits("bitwise_left_shift", np.left_shift, x, y)


@public
def bitwise_right_shift(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits of `x` moved down by `y` places.

    Example:
        >>> bitwise_right_shift([12], [2]).tolist()
        [3]
    """
    return _bits("bitwise_right_shift", np.right_shift, x, y)


left_shift, right_shift = bitwise_left_shift, bitwise_right_shift


@public
def gcd(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The greatest common divisor.

    Example:
        >>> gcd([12], [18]).tolist()
        [6]
    """
    return _bits("gcd", np.gcd, x1, x2)


@public
def lcm(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The least common multiple.

    Example:
        >>> lcm([4], [6]).tolist()
        [12]
    """
    return _bits("lcm", np.lcm, x1, x2)
