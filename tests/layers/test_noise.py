"""Layers that are random while training: moments, shared masks, seeds, and the usual checks."""

import numpy as np
import pytest
from layer_checks import check_layer

import pyneuro
from pyneuro import layers
from pyneuro.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
ROWS = [
    (lambda: layers.AlphaDropout(0.3, seed=1), X),
    (lambda: layers.AlphaDropout(0.3, noise_shape=(None, 1), seed=2), X),
    (lambda: layers.GaussianDropout(0.3, seed=1), X),
    (lambda: layers.GaussianNoise(0.3, seed=1), X),
    (lambda: layers.SpatialDropout1D(0.3, seed=1), X.reshape(3, 2, 2)),
    (lambda: layers.SpatialDropout2D(0.3, seed=1), X.reshape(3, 2, 1, 2)),
    (lambda: layers.SpatialDropout2D(0.3, "channels_first", seed=1), X.reshape(3, 2, 1, 2)),
    (lambda: layers.SpatialDropout3D(0.3, seed=1), X.reshape(3, 2, 1, 1, 2)),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: np.ndarray, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_random_while_training_only(make: object, x: np.ndarray) -> None:
    layer, twin = make(), make()  # type: ignore[operator]
    np.testing.assert_array_equal(layer(x).numpy(), x)
    large = np.ones((64, *x.shape[1:]), "float32")
    first = layer(large, training=True).numpy()
    assert not np.array_equal(first, layer(large, training=True).numpy())
    np.testing.assert_array_equal(first, twin(large, training=True).numpy())


def test_moments() -> None:
    x = np.random.default_rng(1).normal(size=(400, 500)).astype("float32")
    ones = np.ones_like(x)
    y = layers.AlphaDropout(0.4, seed=1)(x, training=True).numpy()
    assert abs(y.mean()) < 0.01
    assert abs(y.std() - 1) < 0.01
    y = layers.GaussianDropout(0.2, seed=1)(ones, training=True).numpy()
    assert abs(y.mean() - 1) < 0.01
    assert abs(y.std() - 0.5) < 0.01
    y = layers.GaussianNoise(0.3, seed=1)(ones, training=True).numpy()
    assert abs(y.mean() - 1) < 0.01
    assert abs(y.std() - 0.3) < 0.01


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (layers.SpatialDropout1D(0.5, seed=1), (8, 5, 6), (1,)),
        (layers.SpatialDropout2D(0.5, seed=1), (8, 3, 2, 6), (1, 2)),
        (layers.SpatialDropout2D(0.5, "channels_first", seed=1), (8, 6, 3, 2), (2, 3)),
        (layers.SpatialDropout3D(0.5, seed=1), (8, 3, 2, 2, 6), (1, 2, 3)),
    ],
)
def test_whole_channels_are_dropped(layer: object, shape: tuple, axes: tuple) -> None:
    y = layer(np.ones(shape, "float32"), training=True).numpy()  # type: ignore[operator]
    low, high = y.min(axis=axes), y.max(axis=axes)
    np.testing.assert_array_equal(low, high)
    assert set(np.unique(y)) == {0.0, 2.0}


def test_seeds_are_state_of_the_model() -> None:
    model = pyneuro.Sequential([pyneuro.Input((4,)), layers.GaussianNoise(0.5)])
    assert len(model.variables) == 1
    assert model.weights == []


def test_errors() -> None:
    for kind in (layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise):
        with pytest.raises(ArgumentError, match=kind.__name__):
            kind(1.5)
    with pytest.raises(ArgumentError, match="below 1"):
        layers.GaussianDropout(1.0)
    with pytest.raises(ArgumentError, match="data_format"):
        layers.SpatialDropout2D(0.5, "last")
    with pytest.raises(ShapeError):
        layers.SpatialDropout1D(0.5)(X)
