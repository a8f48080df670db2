"""Attention: the op against NumPy, layers against a few lines of NumPy, masks, configs, files."""

import numpy as np
import pytest
from layer_checks import check_layer

import pyneuro
from pyneuro import layers, ops
from pyneuro.errors import ArgumentError, DTypeError, ShapeError
from pyneuro.masks import get_mask, set_mask

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def reference(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, bias: object = None, mask: object = None,
    scale: float | None = None, causal: bool = False, cap: float | None = None,
) -> np.ndarray:  # fmt: skip
    q, k, v = (x.astype("float64") for x in (q, k, v))
    groups = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, groups, 2), np.repeat(v, groups, 2)
    logits = np.einsum("btnh,bsnh->bnts", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if cap is not None:
        logits = cap * np.tanh(logits / cap)
    if bias is not None:
        logits = logits + bias
    allowed = np.ones_like(logits, bool) if mask is None else np.broadcast_to(mask, logits.shape)
    if causal:
        allowed = allowed & np.tri(*logits.shape[-2:], dtype=bool)
    return np.einsum("bnts,bsnh->btnh", softmax(np.where(allowed, logits, -1e30)), v)


Q, K, V = random(2, 5, 4, 3), random(2, 7, 2, 3), random(2, 7, 2, 6)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"bias": random(4, 5, 7)},
        {"bias": random(2, 1, 1, 7), "is_causal": True},
        {"mask": RNG.random((2, 1, 5, 7)) > 0.4},
        {"mask": RNG.random((5, 7)) > 0.4, "is_causal": True, "bias": random(1, 4, 5, 1)},
        {"attn_logits_soft_cap": 0.5},
    ],
)
def test_op_against_numpy(given: dict) -> None:
    names = {"is_causal": "causal", "attn_logits_soft_cap": "cap"}
    expected = reference(Q, K, V, **{names.get(k, k): v for k, v in given.items()})
    y = ops.dot_product_attention(Q, K, V, **given)
    assert y.shape == (2, 5, 4, 6)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    wide = ops.dot_product_attention(*(x.astype("float64") for x in (Q, K, V)), **given)
    np.testing.assert_allclose(wide.numpy(), expected, rtol=1e-5, atol=1e-7)
    for dtype, limit in (("bfloat16", 0.05), ("float16", 0.01)):
        half = ops.dot_product_attention(*(ops.cast(x, dtype) for x in (Q, K, V)), **given)
        assert half.dtype == dtype
        np.testing.assert_allclose(ops.cast(half, "float32").numpy(), expected, atol=limit)


def test_gradients_of_the_op_against_finite_differences() -> None:
    parts = [x.astype("float64") for x in (Q, K, V)]
    bias, weighting = random(4, 5, 7).astype("float64"), random(2, 5, 4, 6).astype("float64")
    sources = [pyneuro.Variable(x, dtype="float64") for x in (*parts, bias)]

    def loss(q: object, k: object, v: object, b: object) -> object:
        return ops.sum(ops.dot_product_attention(q, k, v, b, is_causal=True) * weighting)

    found = pyneuro.grad(loss(*sources), sources)
    for i, gradient in enumerate(found):
        direction = RNG.normal(size=gradient.shape)
        moved = [[*parts, bias], [*parts, bias]]
        moved[0][i], moved[1][i] = moved[0][i] + 1e-5 * direction, moved[1][i] - 1e-5 * direction
        slope = (loss(*moved[0]).item() - loss(*moved[1]).item()) / 2e-5
        np.testing.assert_allclose((gradient.numpy() * direction).sum(), slope, rtol=1e-6)


def test_second_derivatives_of_the_op() -> None:
    parts = [x.astype("float64") for x in (Q, K, V)]
    weighting = random(2, 5, 4, 6).astype("float64")
    sources = [pyneuro.Variable(x, dtype="float64") for x in parts]
    directions = [RNG.normal(size=x.shape) for x in parts]

    def slope(given: list) -> object:
        y = ops.sum(ops.dot_product_attention(*given, is_causal=True) * weighting)
        slopes = pyneuro.grad(y, given, create_graph=True)
        return sum(ops.sum(g * d) for g, d in zip(slopes, directions, strict=True))

    found = pyneuro.grad(slope(sources), sources)
    for i, gradient in enumerate(found):
        step = 1e-5 * RNG.normal(size=gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = [x + sign * step if i == j else x for j, x in enumerate(parts)]
            ends.append(slope([pyneuro.Variable(x, dtype="float64") for x in moved]).item())
        np.testing.assert_allclose((gradient.numpy() * step).sum(), (ends[0] - ends[1]) / 2,
                                   rtol=1e-5)  # fmt: skip


def test_large_float16_queries_do_not_overflow() -> None:
    x = np.full((1, 2, 1, 64), 40.0, "float16")
    assert (ops.dot_product_attention(x, x, x).numpy() == x).all()


def test_a_model_with_attention_learns() -> None:
    x = random(64, 6, 4)  # the label: which step has the largest first feature
    label = x[..., 0].argmax(1)
    inputs = pyneuro.Input((6, 4))
    y = layers.Add()([inputs, layers.MultiHeadAttention(2, 4)(inputs, inputs)])
    model = pyneuro.Model(inputs, layers.Dense(6)(layers.Flatten()(y)))
    model.compile("adam", pyneuro.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 0.02
    history = model.fit(x, label, epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.4 * history[0]


def test_a_query_without_keys_gets_the_mean_of_all_values() -> None:
    mask = np.ones((5, 7), bool)
    mask[2] = False
    y = ops.dot_product_attention(Q, K, V, mask=mask, is_causal=True).numpy()
    np.testing.assert_allclose(y[:, 2], np.repeat(V, 2, 2).mean(1), rtol=1e-4, atol=1e-6)
    layer = layers.MultiHeadAttention(2, 3)
    x = random(2, 5, 4)
    assert np.isfinite(layer(x, x, attention_mask=np.zeros((2, 5, 5), bool)).numpy()).all()


def test_empty_and_single() -> None:
    for b, t, s in ((0, 5, 7), (2, 0, 7), (1, 1, 1)):
        y = ops.dot_product_attention(Q[:b, :t], K[:b, :s], V[:b, :s], is_causal=True)
        assert y.shape == (b, t, 4, 6)
    np.testing.assert_allclose(y.numpy(), np.repeat(V[:1, :1], 2, 2), rtol=1e-6)


def test_bad_calls_of_the_op() -> None:
    attend = ops.dot_product_attention
    for bad in (
        lambda: attend(Q[0], K, V),
        lambda: attend(Q, K, V[:, :3]),
        lambda: attend(Q[:1], K, V),
        lambda: attend(Q[:, :, :3], K, V),
        lambda: attend(Q, K, V, bias=random(3, 7)),
        lambda: attend(Q, K, V, mask=np.ones((1, 2, 4, 5, 7), bool)),
    ):
        with pytest.raises(ShapeError, match="dot_product_attention"):
            bad()
    with pytest.raises(DTypeError, match="bias"):
        attend(Q, K, V, mask=random(5, 7))
    with pytest.raises(ArgumentError, match="flash_attention"):
        attend(Q, K, V, flash_attention=True, attn_logits_soft_cap=1.0)
    with pytest.raises(ArgumentError, match="soft_cap"):
        attend(Q, K, V, attn_logits_soft_cap=0.0)


# ---- layers --------------------------------------------------------------------------------------


PAIR = [random(3, 5, 6), random(3, 7, 4)]
TRIPLE = [*PAIR, random(3, 7, 2)]


def test_multi_head_attention_against_numpy() -> None:
    query, value, key = TRIPLE
    layer = layers.MultiHeadAttention(2, 3, value_dim=5, bias_initializer="random_normal")
    y, shares = layer(query, value, key, return_attention_scores=True, use_causal_mask=True)
    assert [w.shape for w in layer.weights] == [
        (6, 2, 3), (2, 3), (2, 2, 3), (2, 3), (4, 2, 5), (2, 5), (2, 5, 6), (6,)
    ]  # fmt: skip
    wq, bq, wk, bk, wv, bv, wo, bo = layer.get_weights()
    q = np.einsum("btd,dhk->bthk", query, wq) + bq
    k = np.einsum("btd,dhk->bthk", key, wk) + bk
    v = np.einsum("btd,dhk->bthk", value, wv) + bv
    expected = np.einsum("bthv,hvd->btd", reference(q, k, v, causal=True), wo) + bo
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(query, value, key, use_causal_mask=True).numpy(), expected,
                               rtol=1e-4, atol=1e-5)  # fmt: skip
    assert shares.shape == (3, 2, 5, 7)
    np.testing.assert_allclose(shares.numpy().sum(-1), 1, rtol=1e-5)
    assert [w.path.rsplit("/", 2)[1] for w in layer.weights[::2]] == [
        "query", "key", "value", "attention_output"
    ]  # fmt: skip


def test_grouped_heads_are_repeated_key_heads() -> None:
    query, value, key = random(3, 5, 6), random(3, 7, 6), random(3, 7, 6)
    grouped = layers.GroupQueryAttention(3, 4, 2)
    y = grouped(query, value, key)
    same, shares = grouped(query, value, key, return_attention_scores=True)
    np.testing.assert_allclose(same.numpy(), y.numpy(), rtol=1e-4, atol=1e-6)
    assert shares.shape == (3, 4, 5, 7)
    full = layers.MultiHeadAttention(4, 3)
    full(query, value, key)
    weights = grouped.get_weights()
    for i in range(2, 6):
        weights[i] = np.repeat(weights[i], 2, axis=-2)
    full.set_weights(weights)
    np.testing.assert_allclose(full(query, value, key).numpy(), y.numpy(), rtol=1e-4, atol=1e-6)


def test_masks_that_inputs_carry_are_heeded_and_handed_on() -> None:
    x, other = random(2, 5, 6), random(2, 5, 6)
    kept = np.array([[True, True, True, False, False], [True] * 5])
    layer = layers.MultiHeadAttention(2, 3)
    carrying = ops.convert_to_tensor(x)
    set_mask(carrying, ops.convert_to_tensor(kept))
    y = layer(carrying, carrying)
    assert get_mask(y).tolist() == kept.tolist()
    both = kept[:, :, None] & kept[:, None, :]
    np.testing.assert_allclose(y.numpy(), layer(x, x, attention_mask=both).numpy(), rtol=1e-5)
    padded = np.where(kept[..., None], x, other)
    again = ops.convert_to_tensor(padded)
    set_mask(again, ops.convert_to_tensor(kept))
    np.testing.assert_array_equal(layer(again, again).numpy()[kept], y.numpy()[kept])
    scored, _ = layer(carrying, carrying, return_attention_scores=True)
    np.testing.assert_allclose(scored.numpy()[kept], y.numpy()[kept], rtol=1e-4, atol=1e-6)


def test_window_gate_and_a_mask_for_each_head() -> None:
    x = random(2, 5, 6)
    layer = layers.MultiHeadAttention(2, 3, sliding_window=2, use_gate=True)
    y, shares = layer(x, x, return_attention_scores=True)
    near = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) < 2
    assert (shares.numpy()[..., ~near] == 0).all()
    np.testing.assert_allclose(layer(x, x).numpy(), y.numpy(), rtol=1e-4, atol=1e-6)
    assert len(layer.weights) == 10
    per_head = RNG.random((2, 2, 5, 5)) > 0.3
    _, shares = layer(x, x, attention_mask=per_head, return_attention_scores=True)
    some = (per_head & near).any(-1)
    assert (shares.numpy()[some][~(per_head & near)[some]] == 0).all()


def test_attention_along_chosen_axes() -> None:
    x, y = random(2, 3, 4, 6), random(2, 3, 5, 6)
    layer = layers.MultiHeadAttention(2, 3, attention_axes=2, output_shape=(7, 2))
    out, shares = layer(x, y, return_attention_scores=True)
    assert out.shape == (2, 3, 4, 7, 2)
    assert shares.shape == (2, 3, 2, 4, 5)
    flat = layers.MultiHeadAttention(2, 3, output_shape=(7, 2))
    rows = x.reshape(6, 4, 6), y.reshape(6, 5, 6)
    flat(*rows)
    flat.set_weights(layer.get_weights())
    np.testing.assert_allclose(flat(*rows).numpy().reshape(out.shape), out.numpy(), rtol=1e-4,
                               atol=1e-6)  # fmt: skip
    both = layers.MultiHeadAttention(2, 3)
    _, shares = both(x, y, return_attention_scores=True)
    assert shares.shape == (2, 2, 3, 4, 3, 5)
    np.testing.assert_allclose(shares.numpy().sum((-2, -1)), 1, rtol=1e-5)


def test_dropout_is_repeatable_and_only_while_training() -> None:
    x = random(2, 5, 6)
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    quiet = layer(x, x, training=False).numpy()
    np.testing.assert_array_equal(layer(x, x).numpy(), quiet)
    first = layer(x, x, training=True).numpy()
    assert np.abs(first - quiet).max() > 1e-3
    again = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    again(x, x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x, x, training=True).numpy(), first)


def test_attention_against_numpy() -> None:
    query, value, key = random(2, 3, 4), random(2, 5, 4), random(2, 5, 4)
    dots = query @ key.transpose(0, 2, 1)
    pairs = query[:, :, None] + key[:, None]
    for layer, scores in (
        (layers.Attention(), dots),
        (layers.Attention(use_scale=True), dots),
        (layers.Attention(score_mode="concat"), np.tanh(pairs).sum(-1)),
        (layers.AdditiveAttention(use_scale=False), np.tanh(pairs).sum(-1)),
    ):
        y, shares = layer([query, value, key], return_attention_scores=True)
        np.testing.assert_allclose(shares.numpy(), softmax(scores), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(y.numpy(), softmax(scores) @ value, rtol=1e-4, atol=1e-5)
    masks = [np.array([[True, True, False]] * 2), np.array([[True, False, True, True, False]] * 2)]
    y, shares = layers.Attention()(
        [query, value, key], mask=masks, return_attention_scores=True, use_causal_mask=True
    )
    assert (y.numpy()[:, 2] == 0).all()
    assert (shares.numpy()[:, :, [1, 4]] == 0).all()
    assert (shares.numpy()[:, ~np.tri(3, 5, dtype=bool)] == 0).all()


@pytest.mark.parametrize(
    ("equation", "sizes", "shape", "bias"),
    [
        ("ab,bc->ac", 4, (3, 5), "c"),
        ("abc,cde->abde", (None, 2, 4), (3, 5, 6), "de"),
        ("abcd,cde->abe", (None, 7), (3, 5, 2, 4), "e"),
        ("...x,xy->...y", (None, 4), (3, 5, 6), "y"),
        ("...x,xy->...y", 4, (3, 2, 5, 6), "y"),
        ("ab...,bc->ac...", (4,), (3, 5, 6, 2), None),
        ("ab...,bc->ac...", (4,), (3, 5, 6, 2), "c"),
        ("abc,bd->adc", (4, 6), (3, 5, 6), "d"),
        ("abc,bcd->abd", (5, 2), (3, 5, 6), "bd"),
    ],
)
def test_einsum_dense_against_numpy(
    equation: str, sizes: object, shape: tuple, bias: str | None
) -> None:
    x = random(*shape)
    layer = layers.EinsumDense(equation, sizes, bias_axes=bias, bias_initializer="random_normal")
    y = layer(x)
    kernel, *offset = layer.get_weights()
    expected = np.einsum(equation, x, kernel) + (offset[0] if bias else 0)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4,
                               atol=1e-5)  # fmt: skip


SAME = [random(3, 5, 6), random(3, 7, 6)]
ROWS = [
    (lambda: layers.Attention(use_scale=True), SAME),
    (lambda: layers.Attention(score_mode="concat"), SAME),
    (lambda: layers.AdditiveAttention(), SAME),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: list, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


@pytest.mark.parametrize(
    ("equation", "sizes", "bias"),
    [("abc,cde->abde", (None, 2, 4), "de"), ("...x,xy->...y", 4, "y")],
)
def test_what_einsum_dense_passes(
    equation: str, sizes: object, bias: str, tmp_path: object
) -> None:
    check_layer(
        lambda: layers.EinsumDense(equation, sizes, bias_axes=bias), random(3, 5, 6), tmp_path
    )


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (
            lambda: layers.MultiHeadAttention(2, 3, 4, bias_initializer="random_normal", seed=3),
            TRIPLE,
        ),
        (lambda: layers.MultiHeadAttention(2, 3, use_gate=True, attention_axes=(1,)), PAIR),
        (lambda: layers.GroupQueryAttention(3, 4, 2, sliding_window=3), SAME),
    ],
)
def test_configs_files_dtypes_and_gradients(make: object, x: list, tmp_path: object) -> None:
    layer = make()
    y = layer(*x)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again(*x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(*x).numpy(), y.numpy())

    inputs = [pyneuro.Input(part.shape[1:]) for part in x]
    outputs = make()(*inputs, use_causal_mask=True)
    assert outputs.shape == (None, *y.shape[1:])
    model = pyneuro.Model(inputs, outputs)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.pyneuro")
    loaded = pyneuro.models.load_model(tmp_path / "model.pyneuro")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)

    for policy, dtype, limit in (("float64", "float64", 1e-5), ("mixed_bfloat16", "bfloat16", 0.1)):
        twin = type(layer).from_config({**layer.get_config(), "dtype": policy})
        twin(*x)
        twin.set_weights(layer.get_weights())
        result = twin(*x)
        assert result.dtype == dtype
        np.testing.assert_allclose(
            ops.cast(result, "float32").numpy(), y.numpy(), rtol=limit, atol=limit
        )

    sources = [pyneuro.Variable(part) for part in x]
    weighting = random(*y.shape)
    for extra in ({}, {"return_attention_scores": True}):
        out = layer(*sources, **extra)
        out = out[0] if extra else out
        for found in pyneuro.grad(ops.sum(out * weighting), [*sources, *layer.trainable_weights]):
            assert np.isfinite(found.numpy()).all()
            assert np.abs(found.numpy()).sum() > 0


def test_bad_arguments_of_layers() -> None:
    for bad in (
        lambda: layers.MultiHeadAttention(0, 3),
        lambda: layers.MultiHeadAttention(2, 3, value_dim=-1),
        lambda: layers.MultiHeadAttention(2, 3, dropout=2.0),
        lambda: layers.MultiHeadAttention(2, 3, sliding_window=0),
        lambda: layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True),
        lambda: layers.GroupQueryAttention(3, 4, 3),
        lambda: layers.Attention(score_mode="other"),
        lambda: layers.EinsumDense("ab,bc", 3),
        lambda: layers.EinsumDense("ab,bc->ad", 3),
        lambda: layers.EinsumDense("aab,bc->ac", 3),
        lambda: layers.EinsumDense("...a,ab->b...", 3),
    ):
        with pytest.raises(ArgumentError):
            bad()
    x = random(2, 5, 6)
    with pytest.raises(ShapeError, match="value and key"):
        layers.MultiHeadAttention(2, 3)(x, x, x[:, :3])
    with pytest.raises(ShapeError, match="attention_axes"):
        layers.MultiHeadAttention(2, 3, attention_axes=2)(x, x)
    with pytest.raises(ArgumentError, match="flash_attention=True attends along the one axis"):
        layers.MultiHeadAttention(2, 3, flash_attention=True)(x[None], x[None])
    with pytest.raises(ShapeError, match="list"):
        layers.Attention()(x)
    with pytest.raises(ShapeError, match="does not fit"):
        layers.EinsumDense("ab,bc->ac", 3)(x)
