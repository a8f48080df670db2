"""Rows of attention and its gradient. The reference has the logits of all pairs in memory."""

from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample

MASKED = -1e30
NAN, INF = np.nan, np.inf


# ---- the reference -------------------------------------------------------------------------------


def logits_of(
    q: np.ndarray, k: np.ndarray, bias: Any, mask: Any, scale: float, causal: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The logits (N, heads, queries, keys), and which of them the mask leaves."""
    k = np.repeat(k, q.shape[2] // k.shape[2], 2)
    logits = np.einsum("nihd,njhd->nhij", q, k * scale)
    if bias is not None:
        logits = logits + bias
    allowed = np.broadcast_to(True if mask is None else mask, logits.shape)
    if causal:
        allowed = allowed & np.tri(*logits.shape[-2:], dtype=bool)
    return np.where(allowed, logits, MASKED), allowed


def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, bias: Any = None, mask: Any = None,
    *, scale: float, causal: bool = False,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    logits, _ = logits_of(q, k, bias, mask, scale, causal)
    most = logits.max(-1, initial=-INF, keepdims=True)
    e = np.exp(logits - most)
    total = e.sum(-1, keepdims=True)
    v = np.repeat(v, q.shape[2] // k.shape[2], 2)
    y = np.einsum("nhij,njhd->nihd", e / total, v)
    return y, np.concatenate([most, total], -1)


def attention_grad(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, y: np.ndarray, stats: np.ndarray, g: np.ndarray,
    bias: Any = None, mask: Any = None, *, scale: float, causal: bool = False,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    groups = q.shape[2] // k.shape[2]
    logits, allowed = logits_of(q, k, bias, mask, scale, causal)
    p = np.exp(logits - stats[..., :1]) / stats[..., 1:]
    dp = np.einsum("nihd,njhd->nhij", g, np.repeat(v, groups, 2))
    mean = np.swapaxes((g * y).sum(-1), 1, 2)[..., None]
    slopes = np.where(allowed, p * (dp - mean), 0) * scale

    def shared(x: np.ndarray) -> np.ndarray:
        """The sum over the query heads that share a key head."""
        return x.reshape(*x.shape[:2], k.shape[2], groups, x.shape[3]).sum(3)

    return (
        np.einsum("nhij,njhd->nihd", slopes, np.repeat(k, groups, 2)),
        shared(np.einsum("nhij,nihd->njhd", slopes, q)),
        shared(np.einsum("nhij,nihd->njhd", p, g)),
    )


# ---- samples -------------------------------------------------------------------------------------


def attending(
    n: int, queries: int, heads: int, size: int, keys: int, key_heads: int, value_size: int,
    bias: Any = None, mask: Any = None, **fields: Any,
) -> Sample:  # fmt: skip
    """A mask is a shape of random flags or the flags themselves, and comes with a bias."""
    inputs = [
        In((n, queries, heads, size), -1, 1),
        In((n, keys, key_heads, size), -1, 1),
        In((n, keys, key_heads, value_size)),
    ]
    if bias is not None:
        inputs.append(In(bias))
    if mask is not None:
        given = isinstance(mask, np.ndarray)
        inputs.append(In(values=mask, dtype="bool") if given else In(mask, dtype="bool"))
    return Sample(tuple(inputs), {"scale": 0.5, **fields})


def without_a_key(queries: int, keys: int) -> np.ndarray:
    """A mask with rows that may attend to no key."""
    mask = np.random.default_rng(0).random((queries, keys)) < 0.6
    mask[::3] = False
    return mask


SAMPLES = (
    attending(2, 5, 2, 3, 7, 2, 4),
    attending(1, 1, 1, 1, 1, 1, 1),
    attending(2, 5, 4, 3, 7, 2, 6, causal=True),
    attending(1, 7, 3, 8, 4, 1, 5, scale=-0.25, causal=True),
    attending(2, 4, 2, 17, 5, 2, 9, bias=(2, 2, 4, 5)),
    attending(2, 4, 2, 3, 5, 1, 2, bias=(4, 1), mask=(2, 1, 4, 5)),
    attending(1, 6, 2, 3, 5, 2, 2, bias=(5,), mask=without_a_key(6, 5), causal=True),
    attending(2, 3, 2, 2, 4, 2, 3, bias=(), mask=(2, 1, 1, 4)),
    attending(2, 3, 2, 2, 4, 2, 3, bias=(2, 1, 4), mask=(3, 1)),
    attending(0, 5, 2, 3, 7, 2, 4),
    attending(2, 0, 2, 3, 7, 1, 4, causal=True),
    attending(2, 5, 2, 0, 7, 2, 4),
    attending(2, 5, 2, 3, 7, 2, 0),
    attending(2, 5, 0, 3, 7, 1, 4),
)
# Several blocks of queries and keys, the last ones not full.
LONG = (
    attending(1, 101, 2, 19, 301, 1, 23, causal=True),
    attending(1, 150, 2, 8, 300, 2, 8, bias=(2, 150, 1), mask=without_a_key(150, 300), causal=True),
    attending(1, 150, 1, 8, 140, 1, 8, bias=(1, 140), mask=(150, 140)),
)
NO_KEYS = attending(2, 5, 2, 3, 0, 2, 4)


def with_gradient(s: Sample) -> Sample:
    """The gradient's sample: y, stats and g between value and bias."""
    (n, queries, heads, _), keys = s.inputs[0].shape, s.inputs[1].shape[1]
    result = In((n, queries, heads, s.inputs[2].shape[3]))
    most = np.random.default_rng(1).uniform(3, 5, (n, heads, queries))
    if len(s.inputs) == 5 and s.inputs[4].values is not None and keys:
        most = np.where(s.inputs[4].values.any(-1), most, MASKED)
    total = np.random.default_rng(3).uniform(2, 9, most.shape)
    stats = In(values=np.stack([most, total], -1), dtype="float64")
    return Sample((*s.inputs[:3], result, stats, result, *s.inputs[3:]), s.fields)


def plain(*shape: int) -> np.ndarray:
    return np.ones(shape)


def spoiled(**at: Any) -> Sample:
    """Query, key, value and a bias of 5 queries and keys, with some numbers replaced."""
    rng = np.random.default_rng(4)
    parts = {name: rng.uniform(-1, 1, (1, 5, 1, 3)) for name in "qkv"}
    parts["bias"] = rng.uniform(-1, 1, (1, 1, 5, 5))
    for name, (place, value) in at.items():
        parts[name][place] = value
    return Sample(tuple(In(values=x) for x in parts.values()), {"scale": 1.0, "causal": True})


AWKWARD = (
    spoiled(q=((0, 2, 0, 1), NAN)),
    spoiled(k=((0, 2, 0, 1), NAN)),
    spoiled(v=((0, 2, 0, 1), NAN)),
    spoiled(bias=((0, 0, 3, 1), INF)),
    spoiled(bias=((0, 0, 3, slice(0, 3)), -INF)),
    spoiled(bias=((0, 0, 3), -INF)),
    spoiled(bias=((0, 0, 3), -1e9), q=((0, 3), 0.0)),
    spoiled(bias=((0, 0, 4), 3e4), q=((0, 4), 0.0)),
)


Q, K, V = plain(2, 5, 4, 3), plain(2, 7, 2, 3), plain(2, 7, 2, 6)
Y, STATS, SCALE = plain(2, 5, 4, 6), plain(2, 4, 5, 2), {"scale": 1.0}

ATTENTION = (
    Case(
        "attention",
        (*SAMPLES, *LONG, NO_KEYS),
        attention,
        result=(None, "float64"),
        auxiliary=(1,),
        ulp=64,
        floor=8.0,
        differentiable=(0, 1, 2, 3),
        awkward=AWKWARD,
        signed_zeros=False,
        large=attending(20, 150, 2, 24, 150, 1, 40, bias=(20, 1, 1, 150), causal=True),
        rows=(0, 1, 2, 3),
        bad=(
            Bad((Q, K, V[:, :, 0]), SCALE, "ShapeError", r"attention: value must be \(batch"),
            Bad((Q, K.astype("float32"), V), SCALE, "DTypeError", "query is float64.*key is float"),
            Bad((Q.astype(int), K, V), SCALE, "DTypeError", "attention: query is int64"),
            Bad((Q[:1], K, V), SCALE, "ShapeError", "must agree in their first and last size"),
            Bad((Q, K, V[:, :3]), SCALE, "ShapeError", "key .* and value .* must agree"),
            Bad((Q[:, :, :3], K, V), SCALE, "ShapeError", "3 heads.*multiple of the 2"),
            Bad((Q, K, V, plain(3, 7)), SCALE, "ShapeError", "bias .*must broadcast"),
            Bad((Q, K, V, plain(1, 2, 4, 5, 7)), SCALE, "ShapeError", "bias .*must broadcast"),
            Bad((Q, K, V, plain(5, 7).astype("float32")), SCALE, "DTypeError", "bias is float32"),
            Bad((Q, K, V, None, plain(5, 7)), SCALE, "DTypeError", "mask is float64.*bool"),
            Bad((Q, K, V, None, plain(5, 1, 7) > 0), SCALE, "ShapeError", "mask .*must broadcast"),
        ),
    ),
    Case(
        "attention_grad",
        tuple(map(with_gradient, (*SAMPLES, *LONG, NO_KEYS))),
        attention_grad,
        result=(None, None, None),
        ulp=64,
        floor=16.0,
        large=with_gradient(attending(3, 150, 4, 24, 150, 2, 40, bias=(1, 150), causal=True)),
        bad=(
            Bad((Q, K, V, Y, STATS, V), SCALE, "ShapeError", "attention_grad: g is"),
            Bad((Q, K, V, Y, STATS[..., :1], Y), SCALE, "ShapeError", "attention_grad: stats is"),
            Bad((Q, K, V, Y.astype("float32"), STATS, Y), SCALE, "DTypeError", "y is float32"),
            Bad((Q, K, V, Y, STATS, Y, plain(3, 7)), SCALE, "ShapeError", "bias .*must broadcast"),
        ),
    ),
)
