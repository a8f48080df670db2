"""Padding, cropping, upsampling and resizing: values against NumPy, and the usual checks."""

import numpy as np
import pytest
from layer_checks import check_layer

from pyneuro import Variable, grad, layers, ops
from pyneuro.errors import ArgumentError, ShapeError

DRAW = np.random.default_rng(0)
X1 = DRAW.normal(size=(2, 6, 3)).astype("float32")
X2 = DRAW.normal(size=(2, 5, 6, 3)).astype("float32")
X3 = DRAW.normal(size=(2, 4, 5, 4, 2)).astype("float32")
ROWS = [
    (lambda: layers.ZeroPadding1D((1, 2)), X1),
    (lambda: layers.ZeroPadding2D(((1, 0), (2, 1))), X2),
    (lambda: layers.ZeroPadding2D((1, 2), data_format="channels_first"), X2),
    (lambda: layers.ZeroPadding3D(1), X3),
    (lambda: layers.Cropping1D((1, 2)), X1),
    (lambda: layers.Cropping2D(((1, 0), (2, 1))), X2),
    (lambda: layers.Cropping3D((1, 2, 0)), X3),
    (lambda: layers.UpSampling1D(3), X1),
    (lambda: layers.UpSampling2D((2, 3)), X2),
    (lambda: layers.UpSampling2D(2, interpolation="bilinear"), X2),
    (lambda: layers.UpSampling3D(2, data_format="channels_first"), X3),
    (lambda: layers.Resizing(7, 3, antialias=True), X2),
    (lambda: layers.CenterCrop(3, 4), X2),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: np.ndarray, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


def test_values() -> None:
    y = layers.ZeroPadding2D(((1, 0), (2, 1)))(X2).numpy()
    np.testing.assert_array_equal(y, np.pad(X2, ((0, 0), (1, 0), (2, 1), (0, 0))))
    y = layers.Cropping2D(((1, 0), (2, 1)))(X2).numpy()
    np.testing.assert_array_equal(y, X2[:, 1:, 2:-1])
    y = layers.UpSampling2D((2, 3))(X2).numpy()
    np.testing.assert_array_equal(y, X2.repeat(2, 1).repeat(3, 2))
    np.testing.assert_array_equal(layers.CenterCrop(3, 4)(X2).numpy(), X2[:, 1:4, 1:5])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_pad_is_numpys(mode: str, dtype: str) -> None:
    x = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    for widths in ((1, 2), ((0, 1), (2, 0)), 1, 0):
        np.testing.assert_array_equal(ops.pad(x, widths, mode).numpy(), np.pad(x, widths, mode))


def test_pad_has_gradients() -> None:
    for mode in ("constant", "edge", "reflect"):
        v = Variable(np.arange(3.0), dtype="float64")
        g = DRAW.normal(size=6)
        (slope,) = grad(ops.sum(ops.pad(v, (1, 2), mode) * g), [v])
        want = [(np.pad(row, (1, 2), mode=mode) * g).sum() for row in np.eye(3)]
        np.testing.assert_allclose(slope.numpy(), want)


def test_resize() -> None:
    ramp = np.arange(4, dtype="float32").reshape(1, 4, 1)
    up = ops.image.resize(np.repeat(ramp, 2, 0), (2, 8)).numpy()[0, :, 0]
    np.testing.assert_allclose(up, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], rtol=1e-6)
    near = ops.image.resize(X2, (10, 12), "nearest").numpy()
    np.testing.assert_array_equal(near, X2.repeat(2, 1).repeat(2, 2))
    flat = np.full((1, 5, 7, 2), 3.0, "float32")
    for kind in ("bilinear", "bicubic", "lanczos3", "lanczos5"):
        for antialias in (False, True):
            y = ops.image.resize(flat, (3, 9), kind, antialias=antialias).numpy()
            np.testing.assert_allclose(y, 3.0, rtol=1e-5)
    small = ops.image.resize(X2[:, :4], (2, 3), "bilinear", antialias=True)
    assert small.shape == (2, 2, 3, 3)
    whole = np.arange(16, dtype="uint8").reshape(4, 4, 1)
    assert ops.image.resize(whole, (2, 2)).dtype == "uint8"
    tall = np.ones((1, 8, 4, 1), "float32")
    assert ops.image.resize(tall, (4, 4), crop_to_aspect_ratio=True).numpy().min() == 1
    framed = ops.image.resize(tall, (4, 4), pad_to_aspect_ratio=True).numpy()
    assert framed[0, :, 0, 0].tolist() == [0.0] * 4
    first = ops.image.resize(np.moveaxis(X2, -1, 1), (3, 4), data_format="channels_first").numpy()
    last = ops.image.resize(X2, (3, 4)).numpy()
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), last, rtol=1e-5, atol=1e-6)


def test_resize_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(X2.transpose(0, 3, 1, 2).copy())
    for mode in ("bilinear", "bicubic"):
        for antialias, size in ((False, (9, 8)), (True, (3, 2))):
            if mode == "bicubic" and not antialias:
                continue  # PyTorch's kernel is another one there
            want = torch.nn.functional.interpolate(x, size, mode=mode, antialias=antialias)
            got = ops.image.resize(X2, size, mode, antialias=antialias).numpy()
            np.testing.assert_allclose(
                got, want.numpy().transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5
            )


def test_bad_calls() -> None:
    with pytest.raises(ArgumentError, match="padding"):
        layers.ZeroPadding2D(-1)
    with pytest.raises(ArgumentError, match="pairs"):
        layers.Cropping3D((1, 2))
    with pytest.raises(ShapeError, match="leaves nothing"):
        layers.Cropping1D(3)(X1)
    with pytest.raises(ArgumentError, match="interpolation"):
        layers.UpSampling2D(2, interpolation="cubic")
    with pytest.raises(ArgumentError, match="mode"):
        ops.pad(X1, 1, "wrap")
    with pytest.raises(ArgumentError, match="pad_width"):
        ops.pad(X1, ((1, 2), (3, 4)))
    with pytest.raises(ShapeError, match="reflect"):
        ops.pad(np.ones(3), 3, "reflect")
    with pytest.raises(ArgumentError, match="interpolation"):
        ops.image.resize(X2, (2, 2), "cubic")
    with pytest.raises(ArgumentError, match="size"):
        ops.image.resize(X2, (0, 2))
    with pytest.raises(ShapeError, match="images"):
        ops.image.resize(X3, (2, 2))
