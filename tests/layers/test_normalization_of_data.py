"""Normalization: what it finds in data, however they come, and what every layer passes."""

from pathlib import Path

import numpy as np
import pytest
from layer_checks import check_layer

import pyneuro as keras
from pyneuro import layers, models
from pyneuro.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).normal(3.0, 5.0, size=(50, 4, 3)).astype("float32")


def test_what_every_layer_passes(tmp_path: Path) -> None:
    given = {"mean": [1.0, 2.0, 3.0], "variance": np.array([1.0, 4.0, 9.0])}
    check_layer(lambda: layers.Normalization(**given), X, tmp_path)
    check_layer(lambda: layers.Normalization(mean=1.0, variance=4.0, invert=True), X, tmp_path)


@pytest.mark.parametrize(("axis", "over"), [(-1, (0, 1)), ((1, 2), (0,)), (None, (0, 1, 2))])
def test_adapt(axis: object, over: tuple, tmp_path: Path) -> None:
    expected = (X - X.mean(over, keepdims=True)) / X.std(over, keepdims=True)
    batches = [X[i : i + 7] for i in range(0, 50, 7)]
    for data in (X, batches_of(batches), X + 0):
        layer = layers.Normalization(axis=axis)
        layer.adapt(data, **({"batch_size": 9} if data is X else {}))
        np.testing.assert_allclose(layer(X).numpy(), expected, rtol=1e-4, atol=1e-5)
    model = keras.Sequential([keras.Input((4, 3)), layer])
    model.save(tmp_path / "m.pyneuro")
    again = models.load_model(tmp_path / "m.pyneuro")
    np.testing.assert_array_equal(again(X).numpy(), model(X).numpy())
    back = layers.Normalization(axis=axis, invert=True)
    back.adapt(X)
    np.testing.assert_allclose(back(layer(X)).numpy(), X, rtol=1e-3, atol=1e-3)


def batches_of(parts: list) -> object:
    return ((part, None) for part in parts)


def test_steps_and_large_means() -> None:
    layer = layers.Normalization()
    layer.adapt(batches_of([X[:10], X[10:]]), steps=1)
    assert int(layer.count) == 40
    np.testing.assert_allclose(layer.mean.numpy().ravel(), X[:10].mean((0, 1)), rtol=1e-5)
    far = 1e6 + np.array([[1.0], [3.0]])
    layer = layers.Normalization()
    layer.adapt(far, batch_size=1)
    assert layer.variance.numpy().item() == 1.0


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="both"):
        layers.Normalization(mean=1.0)
    with pytest.raises(ArgumentError, match="adapt"):
        layers.Normalization(mean=1.0, variance=1.0).adapt(X)
    with pytest.raises(ShapeError, match="known sizes"):
        layers.Normalization(axis=1)(keras.Input((None, 3)))
