"""Normalization layers: values, moving averages, freezing, masks, and the usual checks."""

import numpy as np
import pytest
from layer_checks import check_layer

import pyneuro
from pyneuro import layers, ops
from pyneuro.errors import ArgumentError, ShapeError

DRAW = np.random.default_rng(0)
X = DRAW.normal(1.0, 2.0, size=(6, 5, 4)).astype("float32")
ROWS = [
    (lambda: layers.BatchNormalization(), X),
    (lambda: layers.BatchNormalization(axis=1, scale=False), X),
    (lambda: layers.BatchNormalization(center=False, beta_initializer="ones"), X),
    (lambda: layers.LayerNormalization(), X),
    (lambda: layers.LayerNormalization(axis=(1, 2), center=False), X),
    (lambda: layers.LayerNormalization(axis=1), X),
    (lambda: layers.GroupNormalization(2), X),
    (lambda: layers.GroupNormalization(-1, axis=1), X),
    (lambda: layers.RMSNormalization(), X),
    (lambda: layers.RMSNormalization((1, 2)), X),
    (lambda: layers.UnitNormalization(), X),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: np.ndarray, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


def normalized(x: np.ndarray, axes: tuple[int, ...], epsilon: float = 1e-3) -> np.ndarray:
    wide = x.astype("float64")
    mean, variance = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
    return (wide - mean) / np.sqrt(variance + epsilon)


def test_values() -> None:
    def close(y: object, want: np.ndarray) -> None:
        np.testing.assert_allclose(np.asarray(y), want, rtol=1e-5, atol=1e-5)

    close(layers.BatchNormalization()(X, training=True), normalized(X, (0, 1)))
    close(layers.BatchNormalization(axis=1)(X, training=True), normalized(X, (0, 2)))
    close(layers.LayerNormalization()(X), normalized(X, (2,)))
    close(layers.LayerNormalization(axis=[1, 2])(X), normalized(X, (1, 2)))
    grouped = normalized(X.reshape(6, 5, 2, 2), (1, 3)).reshape(X.shape)
    close(layers.GroupNormalization(2)(X), grouped)
    root = np.sqrt(np.square(X.astype("float64")).mean(-1, keepdims=True) + 1e-6)
    close(layers.RMSNormalization()(X), X / root)


def test_large_means_do_not_cancel() -> None:
    x = (X + 1e4).astype("float32")
    y = layers.BatchNormalization(epsilon=1e-6)(x, training=True).numpy()
    np.testing.assert_allclose(y, normalized(x, (0, 1), 1e-6), atol=2e-3)


def test_moving_averages() -> None:
    layer = layers.BatchNormalization(momentum=0.5)
    layer(X, training=True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.5 * X.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.5 + 0.5 * X.var((0, 1)), rtol=1e-5)
    before = layer.moving_mean.numpy().copy()
    layer(X)
    assert np.array_equal(layer.moving_mean.numpy(), before)
    layer.trainable = False
    frozen = layer(X, training=True).numpy()
    assert np.array_equal(layer.moving_mean.numpy(), before)
    assert np.array_equal(frozen, layer(X).numpy())
    names = [v.name for v in layers.BatchNormalization().weights]
    assert names == []
    layer = layers.BatchNormalization()
    layer.build((None, 3))
    assert [v.name for v in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_a_mask_says_what_counts() -> None:
    mask = np.zeros((6, 5), bool)
    mask[:4, :3] = True
    layer = layers.BatchNormalization(momentum=0.0)
    layer(X, training=True, mask=mask)
    np.testing.assert_allclose(layer.moving_mean.numpy(), X[mask].mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), X[mask].var(0), rtol=1e-5)


def network() -> pyneuro.Model:
    pyneuro.utils.set_random_seed(3)
    model = pyneuro.Sequential(
        [pyneuro.Input((4,)), layers.Dense(6), layers.BatchNormalization(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def test_fit_replays_what_an_eager_fit_does() -> None:
    x, y = X.reshape(30, 4), DRAW.normal(size=(30, 1)).astype("float32")
    replayed, eager = network(), network()
    eager.compile("sgd", "mse", run_eagerly=True)
    for model in (replayed, eager):
        model.fit(x, y, batch_size=10, epochs=4, shuffle=False, verbose=0)
    assert replayed.replay_reasons == []
    for a, b in zip(replayed.get_weights(), eager.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(replayed.layers[1].moving_mean.numpy(), np.zeros(6))


def test_asking_for_shapes_changes_nothing() -> None:
    layer = layers.BatchNormalization()
    assert layer(pyneuro.Input((7, 4)), training=True).shape == (None, 7, 4)
    assert layer.moving_mean.numpy().tolist() == [0.0] * 4


def test_bad_calls() -> None:
    with pytest.raises(ArgumentError, match="momentum"):
        layers.BatchNormalization(momentum=1.5)
    with pytest.raises(ArgumentError, match="epsilon"):
        layers.LayerNormalization(epsilon=-1)
    with pytest.raises(ArgumentError, match="groups"):
        layers.GroupNormalization(0)
    with pytest.raises(ShapeError, match="divide"):
        layers.GroupNormalization(3)(X)
    with pytest.raises(ShapeError, match="out of range"):
        layers.BatchNormalization(axis=3)(X)
    with pytest.raises(ShapeError, match="mean has the shape"):
        ops.batch_normalization(X, np.zeros(3), np.ones(4), axis=-1)
