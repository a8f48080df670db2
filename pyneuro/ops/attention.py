"""Scaled dot-product attention, by a native op or composed of matrix products and softmax.

The native op never has the weights of all pairs of queries and keys in memory; halves compute in
float32. Its gradients for query, key and value are native. That for the bias, which is as large as
the weights as a rule, and second derivatives are composed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd import gradient
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError
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
        flash_attention: `True` demands the fused kernel, `False` the composition, which differs
            in rounding and memory only; `None` takes the kernel where it applies: without a cap.
        attn_logits_soft_cap: keeps scaled logits within plus and minus this: cap * tanh(x / cap).

    Returns:
        A tensor (batch, queries, heads, value size).

    Raises:
        ShapeError: shapes that do not fit each other.
        DTypeError: a mask that is not bool.
        ArgumentError: `flash_attention=True` with a cap, or a cap that is not above zero.

    Example:
        >>> import numpy as np
        >>> x = np.ones((1, 2, 1, 4), "float32")
        >>> dot_product_attention(x, x, x, is_causal=True).shape
        (1, 2, 1, 4)
    """
    query, key, value = floating(query), floating(key), floating(value)
    dtype = common_dtype(query.dtype, key.dtype, value.dtype)
    query, key, value = (_cast(x, dtype) for x in (query, key, value))
    _check_shapes(query, key, value)
    cap = attn_logits_soft_cap
    if cap is not None and not cap > 0:
        raise ArgumentError(
            f"dot_product_attention: attn_logits_soft_cap must be None or above zero, got {cap!r}"
        )
    if flash_attention and cap is not None:
        raise ArgumentError(
            "dot_product_attention: flash_attention=True, but the fused kernel knows no "
            "attn_logits_soft_cap; leave one of them at None"
        )
    full = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
    if bias is not None:
        bias = _fitting("bias", bias, full)
        if bias.dtype not in _HALVES or dtype == "float64":
            bias = _cast(bias, "float32" if dtype in _HALVES else dtype)
    if mask is not None:
        mask = _fitting("mask", mask, full)
        if mask.dtype != "bool":
            raise DTypeError(
                f"dot_product_attention: mask must be bool, got {mask.dtype}; an additive mask is "
                "given as bias"
            )
    scale = 1.0 / math.sqrt(max(query.shape[3], 1)) if scale is None else float(scale)
    if cap is None and flash_attention is not False:
        fields = {"scale": scale, "causal": bool(is_causal)}
        y, _ = apply("attention", query, key, value, bias, mask, **fields)
        return y
    return _compose(query, key, value, bias, mask, scale, is_causal, cap)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
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


def _allowed(mask: Tensor | None, is_causal: bool, full: tuple[int, ...]) -> Tensor | None:
    """Which query may attend to which key; `None` where every one may to all."""
    if not is_causal:
        return mask
    causal = tri(full[2], full[3], dtype="bool")
    return causal if mask is None else logical_and(mask, causal)


def _cast(x: Tensor, dtype: str) -> Tensor:
    return x if x.dtype == dtype else apply("cast", x, dtype=dtype)


# ---- the composition -----------------------------------------------------------------------------
#
# Query heads that share a key head are further rows of the same matrix products: (batch, key heads,
# heads / key heads * queries, size).


def _by_head(x: Tensor, key_heads: int) -> Tensor:
    """(batch, length, heads, size) as (batch, key heads, rows, size)."""
    batch, length, heads, size = x.shape
    rows = heads // key_heads * length
    moved = apply("transpose", x, axes=(0, 2, 1, 3))
    return apply("reshape", moved, shape=(batch, key_heads, rows, size))


def _by_position(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(batch, key heads, rows, size) as `shape`, (batch, length, heads, size)."""
    batch, length, heads, size = shape
    apart = apply("reshape", x, shape=(batch, heads, length, size))
    return apply("transpose", apart, axes=(0, 2, 1, 3))


def _compose(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, mask: Tensor | None,
    scale: float, is_causal: bool, cap: float | None,
) -> Tensor:  # fmt: skip
    dtype, (batch, queries, heads, _) = query.dtype, query.shape
    keys, key_heads, value_size = value.shape[1:]
    full = (batch, heads, queries, keys)
    # The query is scaled, not the logits: it is smaller, and float16 overflows later.
    q, k, v = (_by_head(x, key_heads) for x in (query * scale, key, value))
    logits = apply("reshape", apply("matmul", q, k, transpose_b=True), shape=full)
    if dtype in _HALVES:
        logits = _cast(logits, "float32")
    if cap is not None:
        logits = apply("tanh", logits * (1.0 / cap)) * float(cap)
    shares = _cast(_softmax(logits, bias, _allowed(mask, is_causal, full)), dtype)
    rows = (batch, key_heads, heads // key_heads * queries, keys)
    mixed = apply("matmul", apply("reshape", shares, shape=rows), v)
    return _by_position(mixed, (batch, queries, heads, value_size))


def _softmax(logits: Tensor, bias: Tensor | None, allowed: Tensor | None) -> Tensor:
    if bias is not None:
        logits = apply("add", logits, _cast(bias, logits.dtype))
    if allowed is not None:
        logits = apply("where", allowed, logits, _MASKED)
    return apply("softmax", logits, axis=-1)


# ---- gradients -----------------------------------------------------------------------------------


class _Pairs:
    """Attention's matrices for all pairs, and products with them, as gradients need them.

    With p the shares and g the gradient of the result, the logits have the gradient
    l = p (dp - mean), dp = g value^T, mean = sum_j p dp, where a query may attend to a key.
    """

    def __init__(
        self, inputs: Sequence[Any], g: Tensor, bias: Tensor | None, mask: Tensor | None,
        scale: float, causal: bool,
    ) -> None:  # fmt: skip
        query, key, value = inputs[:3]
        (batch, queries, heads, _), (keys, self.key_heads) = query.shape, key.shape[1:3]
        self.full = (batch, heads, queries, keys)
        self._rows = (batch, self.key_heads, heads // self.key_heads * queries, keys)
        self.scale = scale
        self._dtype = "float64" if query.dtype == "float64" else "float32"
        self.q, self.k, self.v, self.g = (self.heads(x) for x in (query, key, value, g))
        self._allowed = _allowed(mask, causal, self.full)
        logits = apply("matmul", self.q * scale, self.k, transpose_b=True)
        shares = _softmax(apply("reshape", logits, shape=self.full), bias, self._allowed)
        self.p = apply("reshape", shares, shape=self._rows)
        self.dp = apply("matmul", self.g, self.v, transpose_b=True)
        self.centered = self.dp - _row_sum(self.p * self.dp)

    def heads(self, x: Tensor) -> Tensor:
        return _by_head(_cast(x, self._dtype), self.key_heads)

    def whole(self, x: Tensor) -> Tensor:
        """In the shape of the logits."""
        return apply("reshape", x, shape=self.full)

    def cut(self, x: Tensor) -> Tensor:
        """0 where a query may not attend to a key."""
        if self._allowed is None:
            return x
        kept = apply("where", self._allowed, self.whole(x), 0.0)
        return apply("reshape", kept, shape=self._rows)


def _row_sum(x: Tensor) -> Tensor:
    return apply("sum", x, axes=(-1,), keepdims=True)


def _options(inputs: Sequence[Any], first: int) -> tuple[Any, Any]:
    """Bias and mask, `None` where they are not given."""
    bias, mask, *_ = (*inputs[first:], None, None)
    return bias, mask


def _attention_gradient(node: Any, g: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    slope, of_stats = g
    if slope is None or of_stats is not None:
        raise GradientError("attention: stats, which its gradient works with, has no gradient")
    inputs, sources = node.inputs, node.sources
    found: list[Tensor | None] = [None] * len(inputs)
    if any(source is not None for source in sources[:3]):
        found[:3] = apply(
            "attention_grad", *inputs[:3], *node.outputs, slope, *inputs[3:], **node.fields
        )
    bias, mask = _options(inputs, 3)
    if bias is not None and sources[3] is not None:
        pairs = _Pairs(inputs, slope, bias, mask, **node.fields)
        found[3] = pairs.whole(pairs.cut(pairs.p * pairs.centered))
    return found


def _attention_grad_gradient(node: Any, h: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    """For a, b and c, the gradients of dquery, dkey and dvalue, with t = scale (a k^T + q b^T).

    y and stats are no inputs of their own: they follow from the others.
    """
    inputs = node.inputs
    bias, mask = _options(inputs, 6)
    m = _Pairs(inputs, inputs[5], bias, mask, **node.fields)
    a, b, c = (
        m.heads(apply("full", shape=x.shape, value=0.0, dtype=x.dtype) if y is None else y)
        for x, y in zip(inputs[:3], h, strict=True)
    )
    p, scale = m.p, m.scale
    t = m.cut(
        apply("matmul", a * scale, m.k, transpose_b=True)
        + apply("matmul", m.q * scale, b, transpose_b=True)
    )
    mean = _row_sum(p * t)
    w = p * (t - mean)  # dp's gradient
    u = t * m.centered - mean * m.dp + apply("matmul", m.g, c, transpose_b=True)  # p's
    x = m.cut(p * (u - _row_sum(p * u)))  # the logits'
    slopes = m.cut(p * m.centered) * scale
    steps = x * scale
    found = [
        apply("matmul", steps, m.k) + apply("matmul", slopes, b),
        apply("matmul", steps, m.q, transpose_a=True)
        + apply("matmul", slopes, a, transpose_a=True),
        apply("matmul", w, m.g, transpose_a=True),
        apply("matmul", w, m.v) + apply("matmul", p, c),
    ]
    q, k, v, g = (
        _by_position(y, inputs[i].shape) for y, i in zip(found, (0, 1, 2, 5), strict=True)
    )
    options = (None if bias is None else m.whole(x), None)
    return [q, k, v, None, None, g, *options[: len(inputs) - 6]]


gradient("attention", variadic=_attention_gradient, keeps="inputs output rest")
gradient("attention_grad", variadic=_attention_grad_gradient)
