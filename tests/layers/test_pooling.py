"""Pooling layers: values, masks, layouts, and the usual checks."""

import numpy as np
import pytest
from layer_checks import check_layer

from pyneuro import layers, ops
from pyneuro.errors import ArgumentError, ShapeError

DRAW = np.random.default_rng(0)
X1 = DRAW.normal(size=(2, 7, 3)).astype("float32")
X2 = DRAW.normal(size=(2, 6, 5, 3)).astype("float32")
X3 = DRAW.normal(size=(2, 4, 4, 5, 2)).astype("float32")
ROWS = [
    *((lambda c=c: c(2), X1) for c in (layers.MaxPooling1D, layers.AveragePooling1D)),
    *((lambda c=c: c((2, 3)), X2) for c in (layers.MaxPooling2D, layers.AveragePooling2D)),
    *((lambda c=c: c(2, padding="same"), X3) for c in (layers.MaxPooling3D, layers.AvgPool3D)),
    (lambda: layers.MaxPooling2D(3, 2, "same"), X2),
    (lambda: layers.AveragePooling2D(3, 1, "same", data_format="channels_first"), X2),
    *((lambda c=c: c(), X1) for c in (layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D)),
    *((lambda c=c: c(keepdims=True), X2) for c in (layers.GlobalMaxPool2D, layers.GlobalAvgPool2D)),
    *(
        (lambda c=c: c("channels_first"), X3)
        for c in (layers.GlobalMaxPool3D, layers.GlobalAvgPool3D)
    ),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: np.ndarray, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


def test_values() -> None:
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    assert layers.MaxPooling2D()(x).numpy().ravel().tolist() == [5, 7, 13, 15]
    assert layers.AveragePooling2D()(x).numpy().ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    same = layers.AveragePooling2D(3, 3, "same")(x)  # windows at the edge hold fewer
    assert same.numpy().ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert layers.MaxPooling2D(3, 1, "same")(x).numpy().max() == 15


def test_layouts_agree() -> None:
    first = np.moveaxis(X2, -1, 1)
    for make in (layers.MaxPooling2D, layers.AveragePooling2D):
        last = make(2, data_format="channels_last")(X2).numpy()
        other = make(2, data_format="channels_first")(first).numpy()
        np.testing.assert_array_equal(np.moveaxis(other, 1, -1), last)


def test_a_mask_says_which_steps_count() -> None:
    mask = np.array([[True] * 3 + [False] * 4, [True] * 7])
    y = layers.GlobalAveragePooling1D()(X1, mask=mask).numpy()
    np.testing.assert_allclose(y[0], X1[0, :3].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(y[1], X1[1].mean(axis=0), rtol=1e-6)
    masked = layers.Masking()(np.where(mask[..., None], X1, 0))
    np.testing.assert_allclose(layers.GlobalAveragePooling1D()(masked).numpy(), y, rtol=1e-6)


def test_bad_calls() -> None:
    with pytest.raises(ArgumentError, match="pool_size"):
        layers.MaxPooling2D(0)
    with pytest.raises(ArgumentError, match="padding"):
        layers.AveragePooling1D(2, padding="causal")
    with pytest.raises(ArgumentError, match="data_format"):
        layers.GlobalMaxPooling1D("last")
    with pytest.raises(ShapeError, match="needs 9"):
        layers.MaxPooling2D(9)(X2)
    with pytest.raises(ShapeError, match="4"):
        layers.MaxPooling2D()(X1)
    with pytest.raises(ShapeError, match="spatial"):
        ops.max_pool(np.ones((2, 3)), 2)
