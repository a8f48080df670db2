"""Scaled dot-product attention, composed of matrix products and softmax.

Logits of halves are masked and normalized in float32; both products are of the inputs' dtype. The
weights of all pairs of queries and keys are in memory at once.
"""

from __future__ import annotations

import math

from ..errors import ArgumentError, DTypeError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, common_dtype, floating, tensor
from .comparison import logical_and
from .creation import tri

_HALVES = ("float16", "bfloat16")
_MASKED = -1e30
"""The logit where a mask is false: finite, so that a row without any key gives no NaN."""


@public
def dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    bias: TensorLike | None = None,
    mask: TensorLike | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Tensor:
    """`softmax(scale * query @ key^T + bias) @ value` for each head (Vaswani et al. 2017).

    With fewer key heads than query heads, neighbouring query heads share one: grouped-query
    attention, or multi-query attention with a single key head. A query that may attend to no key
    gets the mean of all values, as in Keras.

    Args:
        query: a tensor (batch, queries, heads, size).
        key: a tensor (batch, keys, key heads, size); heads is a multiple of key heads.
        value: a tensor (batch, keys, key heads, value size).
        bias: added to the logits; broadcasts to (batch, heads, queries, keys).
        mask: bool, true where a query may attend to a key; broadcasts like `bias`.
        scale: factor of the logits; `None` for 1 / sqrt(size).
        is_causal: whether query i may attend to keys up to i only.
        flash_attention: `None` or `False`; `True` demands a fused kernel, which there is not.
        attn_logits_soft_cap: keeps scaled logits within plus and minus this: cap * tanh(x / cap).

    Returns:
        A tensor (batch, queries, heads, value size).

    Raises:
        ShapeError: shapes that do not fit each other.
        DTypeError: a mask that is not bool.
        ArgumentError: `flash_attention=True`, or a cap that is not above zero.

    Example:
        >>> import numpy as np
        >>> x = np.ones((1, 2, 1, 4), "float32")
        >>> dot_product_attention(x, x, x, is_causal=True).shape
        (1, 2, 1, 4)
    """
    query, key, value = floating(query), floating(key), floating(value)
    dtype = common_dtype(query.dtype, key.dtype, value.dtype)
    query, key, value = (_cast(x, dtype) for x in (query, key, value))
    groups = _check_shapes(query, key, value)
    if flash_attention:
        raise ArgumentError(
            "dot_product_attention: flash_attention=True, but there is no fused kernel for it; "
            "leave it at None"
        )
    if attn_logits_soft_cap is not None and not attn_logits_soft_cap > 0:
        raise ArgumentError(
            "dot_product_attention: attn_logits_soft_cap must be None or above zero, "
            f"got {attn_logits_soft_cap!r}"
        )
    batch, queries, heads, size = query.shape
    keys, key_heads, value_size = key.shape[1], key.shape[2], value.shape[3]
    full = (batch, heads, queries, keys)

    # The query is scaled, not the logits: it is smaller, and float16 overflows later.
    query = query * (1.0 / math.sqrt(max(size, 1)) if scale is None else float(scale))
    # Query heads that share a key head are further rows of the same matrix product.
    rows = (batch, key_heads, groups * queries)
    q = apply("reshape", apply("transpose", query, axes=(0, 2, 1, 3)), shape=(*rows, size))
    k = apply("transpose", key, axes=(0, 2, 3, 1))
    v = apply("transpose", value, axes=(0, 2, 1, 3))
    logits = apply("reshape", apply("matmul", q, k), shape=full)
    if dtype in _HALVES:
        logits = _cast(logits, "float32")
    if attn_logits_soft_cap is not None:
        cap = float(attn_logits_soft_cap)
        logits = apply("tanh", logits * (1.0 / cap)) * cap
    if bias is not None:
        logits = apply("add", logits, _cast(_fitting("bias", bias, full), logits.dtype))
    allowed = _allowed(mask, is_causal, full)
    if allowed is not None:
        logits = apply("where", allowed, logits, _MASKED)
    shares = _cast(apply("softmax", logits, axis=-1), dtype)
    mixed = apply("matmul", apply("reshape", shares, shape=(*rows, keys)), v)
    mixed = apply("reshape", mixed, shape=(batch, heads, queries, value_size))
    return apply("transpose", mixed, axes=(0, 2, 1, 3))


def _check_shapes(query: Tensor, key: Tensor, value: Tensor) -> int:
    """The number of query heads that share a key head."""
    shapes = f"got query {query.shape}, key {key.shape} and value {value.shape}"
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ShapeError(
            f"dot_product_attention: expected (batch, length, heads, size) each, {shapes}"
        )
    if key.shape[:3] != value.shape[:3]:
        raise ShapeError(
            f"dot_product_attention: key and value must agree in all but their last size, {shapes}"
        )
    if query.shape[0] != key.shape[0] or query.shape[3] != key.shape[3]:
        raise ShapeError(
            f"dot_product_attention: query and key must agree in batch and last size, {shapes}"
        )
    heads, key_heads = query.shape[2], key.shape[2]
    if key_heads == 0 or heads % key_heads:
        raise ShapeError(
            "dot_product_attention: the number of query heads must be a multiple of the number of "
            f"key heads, {shapes}"
        )
    return heads // key_heads


def _fitting(name: str, x: TensorLike, full: tuple[int, ...]) -> Tensor:
    """A bias or mask, which must broadcast to the shape of the logits."""
    given = tensor(x)
    padded = (1,) * (4 - given.ndim) + given.shape
    if given.ndim > 4 or any(n not in (1, m) for n, m in zip(padded, full, strict=True)):
        raise ShapeError(
            f"dot_product_attention: {name} must broadcast to (batch, heads, queries, keys) = "
            f"{full}, got {given.shape}"
        )
    return given


def _allowed(mask: TensorLike | None, is_causal: bool, full: tuple[int, ...]) -> Tensor | None:
    """Which query may attend to which key; `None` where every one may to all."""
    allowed = None
    if mask is not None:
        allowed = _fitting("mask", mask, full)
        if allowed.dtype != "bool":
            raise DTypeError(
                f"dot_product_attention: mask must be bool, got {allowed.dtype}; an additive mask "
                "is given as bias"
            )
    if is_causal:
        causal = tri(full[2], full[3], dtype="bool")
        allowed = causal if allowed is None else logical_and(allowed, causal)
    return allowed


def _cast(x: Tensor, dtype: str) -> Tensor:
    return x if x.dtype == dtype else apply("cast", x, dtype=dtype)
