"""Attention layers and EinsumDense: values, masks, axes, and the usual checks."""

import numpy as np
import pytest
from layer_checks import check_config, check_dtypes, check_file, check_layer

import pyneuro
from pyneuro import layers, ops
from pyneuro.errors import ArgumentError, ShapeError

DRAW = np.random.default_rng(0)
Q = DRAW.normal(size=(2, 4, 6)).astype("float32")
V = DRAW.normal(size=(2, 5, 6)).astype("float32")


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(N, T, H, D) by loops over heads, in float64."""
    q, k, v = (a.astype("float64") for a in (q, k, v))
    out = np.zeros((*q.shape[:3], v.shape[-1]))
    for n in range(q.shape[0]):
        for h in range(q.shape[2]):
            g = h * k.shape[2] // q.shape[2]
            logits = q[n, :, h] @ k[n, :, g].T / np.sqrt(q.shape[-1])
            out[n, :, h] = softmax(np.where(allowed[n], logits, -1e30)) @ v[n, :, g]
    return out


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_dot_product_attention(groups: int) -> None:
    q = DRAW.normal(size=(2, 5, 4, 3)).astype("float32")
    k, v = DRAW.normal(size=(2, 2, 7, groups, 3)).astype("float32")
    allowed = DRAW.random((2, 5, 7)) < 0.6
    allowed[0, 2] = False  # a row that may look nowhere gets the mean
    y = ops.dot_product_attention(q, k, v, mask=allowed[:, None])
    np.testing.assert_allclose(y.numpy(), attention(q, k, v, allowed), rtol=1e-5, atol=1e-5)
    causal = np.broadcast_to(np.tri(5, 7, dtype=bool), (2, 5, 7))
    y = ops.dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(y.numpy(), attention(q, k, v, causal), rtol=1e-5, atol=1e-5)


def test_bias_scale_and_cap() -> None:
    q, k, v = DRAW.normal(size=(3, 1, 3, 2, 4))
    bias = DRAW.normal(size=(2, 3, 3))
    logits = np.einsum("bthd,bshd->bhts", q, k) * 0.3
    want = np.einsum("bhts,bshd->bthd", softmax(2 * np.tanh(logits / 2) + bias), v)
    y = ops.dot_product_attention(q, k, v, bias, scale=0.3, attn_logits_soft_cap=2.0)
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-6)
    with pytest.raises(ArgumentError, match="soft_cap"):
        ops.dot_product_attention(q, k, v, attn_logits_soft_cap=0.0)
    with pytest.raises(ShapeError, match="heads"):
        ops.dot_product_attention(q, k[:, :, :1], v)
    with pytest.raises(ShapeError, match="divide"):
        ops.dot_product_attention(q, *np.zeros((2, 1, 3, 3, 4)))


MHA = layers.MultiHeadAttention


class On(layers.Layer):
    """Self-attention as a layer of one input, for the checks of every layer."""

    def __init__(self, inner: layers.Layer | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.inner = inner or MHA(2, 3, dtype=self.dtype_policy)

    def call(self, x: object) -> object:
        return self.inner(x, x)


def test_what_every_layer_passes(tmp_path: object) -> None:
    with pyneuro.utils.custom_object_scope({"On": On}):
        check_config(On, Q)
        check_dtypes(On, Q)
        check_file(On, Q, tmp_path)
    for make in (
        lambda: layers.Attention(use_scale=True),
        lambda: layers.Attention(score_mode="concat"),
        lambda: layers.AdditiveAttention(),
    ):
        check_layer(make, [Q, V], tmp_path)
    check_layer(lambda: layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"), Q, tmp_path)


def test_multi_head_attention_is_what_its_weights_say() -> None:
    layer = MHA(num_heads=2, key_dim=3, value_dim=4, output_shape=5)
    y, scores = layer(Q, V, return_attention_scores=True)
    wq, bq, wk, bk, wv, bv, wo, bo = layer.get_weights()
    assert [w.shape for w in (wq, bq, wv, wo, bo)] == [
        (6, 2, 3),
        (2, 3),
        (6, 2, 4),
        (2, 4, 5),
        (5,),
    ]
    q, k, v = (
        np.einsum("btx,xhk->bthk", x, w) + b for x, w, b in ((Q, wq, bq), (V, wk, bk), (V, wv, bv))
    )
    inner = attention(q, k, v, np.ones((2, 4, 5), bool))
    want = np.einsum("bthk,hka->bta", inner, wo) + bo
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-4, atol=1e-5)
    assert scores.shape == (2, 2, 4, 5)
    np.testing.assert_allclose(scores.numpy().sum(-1), 1, rtol=1e-5)


def test_masks_say_where_to_look() -> None:
    layer = MHA(2, 3)
    whole = layer(Q, V[:, :3]).numpy()
    mask = np.array([[True] * 3 + [False] * 2] * 2)
    for masks in ({"value_mask": mask}, {"key_mask": mask},
                  {"attention_mask": np.broadcast_to(mask[:, None], (2, 4, 5))}):  # fmt: skip
        np.testing.assert_allclose(layer(Q, V, **masks).numpy(), whole, rtol=1e-4, atol=1e-6)
    causal = layer(Q, Q, use_causal_mask=True).numpy()
    start = layer(Q[:, :2], Q[:, :2], use_causal_mask=True).numpy()
    np.testing.assert_allclose(causal[:, :2], start, rtol=1e-4, atol=1e-6)
    padded = np.where(mask[..., None], V, 0)
    np.testing.assert_allclose(
        layer(Q, layers.Masking()(padded)).numpy(), whole, rtol=1e-4, atol=1e-6
    )
    masked = layers.Masking()(np.where(np.arange(4)[None, :, None] < 2, Q, 0))
    assert layer(masked, V)._keras_mask.tolist() == [[True, True, False, False]] * 2
    with pytest.raises(ShapeError, match="attention_mask"):
        layer(Q, V, attention_mask=np.ones((2, 3, 5), bool))


def test_attention_over_chosen_axes() -> None:
    x = DRAW.normal(size=(2, 3, 4, 5, 6)).astype("float32")
    layer = MHA(2, 3, attention_axes=(2,))
    y = layer(x, x).numpy()
    alone = layer(x[:, 1:2, :, 3:4], x[:, 1:2, :, 3:4]).numpy()
    np.testing.assert_allclose(y[:, 1:2, :, 3:4], alone, rtol=1e-4, atol=1e-6)
    both = MHA(2, 3, attention_axes=(1, 3))
    assert both(x, x).shape == x.shape
    flat = MHA(2, 3)
    y = flat(x, x)
    flat_x = x.reshape(2, 60, 6)
    again = MHA(2, 3)
    again(flat_x, flat_x)
    again.set_weights(flat.get_weights())
    np.testing.assert_allclose(
        y.numpy().reshape(2, 60, 6), again(flat_x, flat_x).numpy(), rtol=1e-4, atol=1e-6
    )


def test_grouped_queries() -> None:
    layer = layers.GroupQueryAttention(3, 4, 2)
    y = layer(Q, V, use_causal_mask=True)
    assert y.shape == Q.shape
    wq, bq, wk, bk, wv, bv, wo, bo = layer.get_weights()
    q, k, v = (
        np.einsum("btx,xhk->bthk", x, w) + b for x, w, b in ((Q, wq, bq), (V, wk, bk), (V, wv, bv))
    )
    causal = np.broadcast_to(np.tri(4, 5, dtype=bool), (2, 4, 5))
    want = np.einsum("bthk,hka->bta", attention(q, k, v, causal), wo) + bo
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-4, atol=1e-5)
    with pytest.raises(ArgumentError, match="divide"):
        layers.GroupQueryAttention(3, 4, 3)


def test_plain_attention() -> None:
    want = softmax(Q @ V.transpose(0, 2, 1)) @ V
    np.testing.assert_allclose(layers.Attention()([Q, V]).numpy(), want, rtol=1e-4, atol=1e-6)
    layer = layers.AdditiveAttention(use_scale=False)
    want = softmax(np.tanh(Q[:, :, None] + V[:, None]).sum(-1)) @ V
    np.testing.assert_allclose(layer([Q, V]).numpy(), want, rtol=1e-4, atol=1e-6)
    mask = np.array([[True] * 2 + [False] * 3] * 2)
    y = layers.Attention()([Q, V], mask=[None, mask]).numpy()
    np.testing.assert_allclose(y, layers.Attention()([Q, V[:, :2]]).numpy(), rtol=1e-5, atol=1e-6)
    y, scores = layers.Attention(dropout=0.9, seed=1)(
        [Q, V], training=True, return_attention_scores=True
    )
    assert not np.allclose(y.numpy(), layers.Attention()([Q, V]).numpy())
    assert scores.shape == (2, 4, 5)


@pytest.mark.parametrize(
    ("equation", "output", "axes", "shape", "kernel", "bias"),
    [
        ("abc,cd->abd", (None, 7), "d", (2, 3, 4), (4, 7), (7,)),
        ("ab,bc->ac", 7, None, (2, 4), (4, 7), None),
        ("...x,xy->...y", 7, "y", (2, 3, 5, 4), (4, 7), (7,)),
        ("abc,bcd->ad", 7, "d", (2, 3, 4), (3, 4, 7), (7,)),
        ("abc,cde->abde", (None, 5, 6), "de", (2, 3, 4), (4, 5, 6), (5, 6)),
        ("abc,cde->abde", (3, 5, 6), "be", (2, 3, 4), (4, 5, 6), (3, 1, 6)),
        ("ab...,bc->ac...", 7, "c", (2, 4, 3, 5), (4, 7), (7, 1, 1)),
    ],
)
def test_einsum_dense(equation, output, axes, shape, kernel, bias) -> None:
    layer = layers.EinsumDense(equation, output, bias_axes=axes, bias_initializer="ones")
    x = DRAW.normal(size=shape).astype("float32")
    y = layer(x)
    assert layer.kernel.shape == kernel
    assert (layer.bias is None) == (bias is None)
    want = np.einsum(equation, x, layer.kernel.numpy())
    if bias is not None:
        assert layer.bias.shape == bias
        want = want + layer.bias.numpy()
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-4, atol=1e-5)


def test_bad_equations() -> None:
    for equation in ("abc", "ab,bc", "a...b,bc->ac", "...ab,bc->ac"):
        with pytest.raises(ArgumentError, match="equation"):
            layers.EinsumDense(equation, 3)
    with pytest.raises(ArgumentError, match="bias_axes"):
        layers.EinsumDense("ab,bc->ac", 3, bias_axes="b")
    with pytest.raises(ShapeError, match="axes"):
        layers.EinsumDense("ab,bc->ac", 3)(Q)
    with pytest.raises(ArgumentError, match="attention_axes"):
        MHA(2, 3, attention_axes=0)(Q, Q)
