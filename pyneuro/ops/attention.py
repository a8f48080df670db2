"""Scaled dot-product attention."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating, tensor

_HALVES = ("float16", "bfloat16")


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
    """`softmax(query key^T * scale + bias) value`, for each head.

    Args:
        query: a tensor (N, T, heads, size).
        key: a tensor (N, S, key heads, size), where the key heads divide the heads: each serves as
            many heads as are left.
        value: a tensor (N, S, key heads, value size).
        bias: added to the logits; broadcasts to (N, heads, T, S).
        mask: `True` where a query may look at a key; broadcasts to (N, heads, T, S). A query that
            may look at none gets the mean of all values.
        scale: default 1 / sqrt(size).
        is_causal: whether queries look at no later keys.
        flash_attention: accepted for Keras's signature.
        attn_logits_soft_cap: logits become `cap * tanh(logits / cap)` before bias and mask.

    Returns:
        A tensor (N, T, heads, value size); halves are computed in float32.

    Raises:
        ShapeError: shapes that do not fit.
        ArgumentError: a soft cap that is not above 0.

    Example:
        >>> import numpy as np
        >>> x = np.ones((2, 5, 4, 8), "float32")
        >>> dot_product_attention(x, x, x, is_causal=True).shape
        (2, 5, 4, 8)
    """
    q, k, v = floating(query), floating(key), floating(value)
    _expect_heads(q, k, v)
    scores = attention_scores(q, k, bias, mask, scale, is_causal, attn_logits_soft_cap)
    return weighted_values(scores, v).astype(q.dtype)


def _expect_heads(q: Tensor, k: Tensor, v: Tensor) -> None:
    said = f"query {q.shape}, key {k.shape}, value {v.shape}"
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ShapeError(
            f"dot_product_attention: inputs must be (N, length, heads, size), got {said}"
        )
    if k.shape[:3] != v.shape[:3] or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ShapeError(
            "dot_product_attention: key and value must have one length and as many heads, query "
            f"and key one size, all of them one batch size; got {said}"
        )
    if k.shape[2] == 0 or q.shape[2] % k.shape[2] != 0:
        raise ShapeError(
            f"dot_product_attention: the {k.shape[2]} heads of key and value must divide the "
            f"{q.shape[2]} heads of query"
        )


def attention_scores(
    q: Tensor,
    k: Tensor,
    bias: TensorLike | None,
    mask: TensorLike | None,
    scale: float | None,
    is_causal: bool,
    cap: float | None,
) -> Tensor:
    """The softmax of the logits, (N, heads, T, S), in float32 for halves."""
    heads, groups = q.shape[2], k.shape[2]
    factor = q.shape[3] ** -0.5 if scale is None else scale
    q, k = (_by_head(x) for x in (q, k))
    if groups != heads:
        k = _repeated(k, heads // groups)
    logits = apply("matmul", q * factor, k, transpose_b=True)
    if cap is not None:
        if cap <= 0:
            raise ArgumentError(
                f"dot_product_attention: attn_logits_soft_cap must be > 0, got {cap!r}"
            )
        logits = apply("tanh", logits / cap) * cap
    if bias is not None:
        logits = logits + floating(bias).astype(logits.dtype)
    lowest = -1e30
    if mask is not None:
        logits = apply("where", tensor(mask).astype("bool"), logits, lowest)
    if is_causal:
        logits = apply("where", _causal(q.shape[2], k.shape[2]), logits, lowest)
    scores: Tensor = apply("softmax", logits, axis=-1)
    return scores


def weighted_values(scores: Tensor, v: Tensor) -> Tensor:
    """Scores (N, heads, T, S) times values (N, S, key heads, size): (N, T, heads, size)."""
    heads, groups = scores.shape[1], v.shape[2]
    v = _by_head(v)
    if groups != heads:
        v = _repeated(v, heads // groups)
    y: Tensor = apply("transpose", apply("matmul", scores, v), axes=(0, 2, 1, 3))
    return y


def _by_head(x: Tensor) -> Tensor:
    """(N, length, heads, size) to (N, heads, length, size), halves as float32."""
    if x.dtype in _HALVES:
        x = x.astype("float32")
    y: Tensor = apply("transpose", x, axes=(0, 2, 1, 3))
    return y


def _repeated(x: Tensor, times: int) -> Tensor:
    """Each head as often as it serves."""
    n, groups, length, size = x.shape
    one = apply("reshape", x, shape=(n, groups, 1, length, size))
    many = apply("broadcast_to", one, shape=(n, groups, times, length, size))
    y: Tensor = apply("reshape", many, shape=(n, groups * times, length, size))
    return y


def _causal(queries: int, keys: int) -> Any:
    rows = apply("arange", start=0.0, step=1.0, size=queries)
    columns = apply("arange", start=0.0, step=1.0, size=keys)
    return apply("less_equal", columns, apply("reshape", rows, shape=(queries, 1)))
