"""Convolution layers: against their ops, config, symbolic shape, files, gradients, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyneuro
from pyneuro import layers, models, ops
from pyneuro.errors import ArgumentError, ShapeError
from pyneuro.registry import deserialize_keras_object, serialize_keras_object

RNG = np.random.default_rng(3)
STEPS = RNG.normal(size=(2, 9, 4)).astype("float32")
PICTURE = RNG.normal(size=(2, 9, 8, 4)).astype("float32")
VOLUME = RNG.normal(size=(2, 4, 5, 6, 4)).astype("float32")

LAYERS: list[tuple[Callable[[], Any], np.ndarray, tuple[int, ...]]] = [
    (lambda: layers.Conv1D(6, 3), STEPS, (7, 6)),
    (lambda: layers.Conv1D(6, 3, padding="causal", dilation_rate=2), STEPS, (9, 6)),
    (lambda: layers.Conv2D(6, 3, padding="same", activation="relu"), PICTURE, (9, 8, 6)),
    (lambda: layers.Conv2D(6, (3, 2), (2, 1), groups=2, use_bias=False), PICTURE, (4, 7, 6)),
    (
        lambda: layers.Conv2D(6, 3, strides=2, padding="same", data_format="channels_first"),
        PICTURE,
        (6, 4, 2),
    ),
    (
        lambda: layers.Conv2D(
            4, 1, kernel_initializer="he_normal", kernel_regularizer="l2", bias_regularizer="l1",
            activity_regularizer="l2", kernel_constraint="max_norm", bias_constraint="non_neg",
        ),
        PICTURE,
        (9, 8, 4),
    ),
    (lambda: layers.Conv3D(3, 2, padding="same", strides=(1, 2, 2)), VOLUME, (4, 3, 3, 3)),
    (lambda: layers.Conv1DTranspose(3, 3, strides=2, output_padding=1), STEPS, (20, 3)),
    (lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same"), PICTURE, (18, 16, 3)),
    (
        lambda: layers.Conv2DTranspose(3, 2, data_format="channels_first", activation="tanh"),
        PICTURE,
        (3, 9, 5),
    ),
    (lambda: layers.Conv3DTranspose(2, 2, strides=2, use_bias=False), VOLUME, (8, 10, 12, 2)),
    (lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), STEPS, (7, 8)),
    (lambda: layers.DepthwiseConv2D(3, padding="same", dilation_rate=2), PICTURE, (9, 8, 4)),
    (
        lambda: layers.DepthwiseConv2D(3, 2, data_format="channels_first", use_bias=False),
        PICTURE,
        (9, 3, 1),
    ),
    (lambda: layers.SeparableConv1D(5, 3, depth_multiplier=2), STEPS, (7, 5)),
    (lambda: layers.SeparableConv2D(5, 3, padding="same", activation="relu"), PICTURE, (9, 8, 5)),
]  # fmt: skip
each = pytest.mark.parametrize(("make", "x", "shape"), LAYERS)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_config_shape_and_dtype(
    make: Callable[[], Any], x: np.ndarray, shape: tuple[int, ...], dtype: str
) -> None:
    config = serialize_keras_object(make())
    config["config"]["dtype"] = dtype
    layer = deserialize_keras_object(config)
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *shape)
    y = layer(x)
    assert y.shape == (len(x), *shape)
    assert y.dtype == dtype.removeprefix("mixed_")
    assert {v.dtype for v in layer.weights} == {"float32" if "mixed" in dtype else dtype}
    symbolic = layer(pyneuro.Input(x.shape[1:]))
    assert (symbolic.shape, symbolic.dtype) == ((None, *shape), y.dtype)
    twin = deserialize_keras_object(serialize_keras_object(layer))
    assert twin.get_config() == layer.get_config()
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(x).numpy(), y.numpy())
    exact = deserialize_keras_object(serialize_keras_object(make()))
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    tolerance = 0.05 if "mixed" in dtype else 1e-4
    np.testing.assert_allclose(
        y.numpy().astype("float64"), exact(x).numpy(), rtol=tolerance, atol=tolerance
    )


@each
def test_gradients_reach_every_weight(
    make: Callable[[], Any], x: np.ndarray, shape: tuple[int, ...]
) -> None:
    layer = make()
    picture = pyneuro.Variable(x)
    y = layer(picture)
    found = pyneuro.grad(ops.sum(y * y), [picture, *layer.trainable_variables])
    for g, v in zip(found, [picture, *layer.trainable_variables], strict=True):
        assert g.shape == v.shape
        assert np.isfinite(g.numpy()).all()
        assert np.abs(g.numpy()).max() > 0


@each
def test_a_saved_model_predicts_the_same_bits(
    make: Callable[[], Any], x: np.ndarray, shape: tuple[int, ...], tmp_path: Any
) -> None:
    model = models.Sequential([pyneuro.Input(x.shape[1:]), make()])
    path = f"{tmp_path}/model.pyneuro"
    model.save(path)
    again = models.load_model(path)
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())


def test_a_convolution_is_a_sum_over_its_window() -> None:
    layer = layers.Conv2D(5, (2, 3), bias_initializer="ones", activation="tanh")
    y = layer(PICTURE).numpy()
    kernel, bias = layer.get_weights()
    patches = np.lib.stride_tricks.sliding_window_view(PICTURE, (2, 3), axis=(1, 2))
    expected = np.tanh(np.einsum("nhwcrs,rsco->nhwo", patches, kernel) + bias)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    assert [(v.name, v.shape) for v in layer.weights] == [("kernel", (2, 3, 4, 5)), ("bias", (5,))]


def test_weights_are_named_and_shaped_as_in_keras() -> None:
    transposed, depthwise, separable = (
        layers.Conv2DTranspose(5, 3),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.SeparableConv2D(5, 3, depth_multiplier=2),
    )
    for layer in (transposed, depthwise, separable):
        layer(PICTURE)
    shapes = [[(v.name, v.shape) for v in x.weights] for x in (transposed, depthwise, separable)]
    assert shapes == [
        [("kernel", (3, 3, 5, 4)), ("bias", (5,))],
        [("kernel", (3, 3, 4, 2)), ("bias", (8,))],
        [("depthwise_kernel", (3, 3, 4, 2)), ("pointwise_kernel", (1, 1, 8, 5)), ("bias", (5,))],
    ]
    assert layers.Convolution2D is layers.Conv2D


def test_arguments_are_checked_when_made() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"filters": 0}, "filters"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size"),
        ({"strides": (1, 0)}, "strides"),
        ({"strides": 2, "dilation_rate": 2}, "both be above 1"),
        ({"padding": "causal"}, "padding"),
        ({"data_format": "NHWC"}, "data_format"),
        ({"groups": 0}, "groups"),
        ({"groups": 4}, "groups=4 must divide filters=6"),
        ({"activation": 3}, "activation"),
    ]
    for arguments, says in wrong:
        with pytest.raises((ArgumentError, TypeError), match=says):
            layers.Conv2D(**{"filters": 6, "kernel_size": 3, **arguments})
    with pytest.raises(ArgumentError, match="output_padding"):
        layers.Conv2DTranspose(2, 3, strides=2, output_padding=2)
    with pytest.raises(ArgumentError, match="depth_multiplier"):
        layers.DepthwiseConv2D(3, depth_multiplier=0)


def test_inputs_are_checked_when_called() -> None:
    with pytest.raises(ShapeError, match=r"conv_a.*groups=3 must divide the 4 channels"):
        layers.Conv2D(6, 3, groups=3, name="conv_a")(PICTURE)
    with pytest.raises(ShapeError, match="4 axes"):
        layers.Conv2D(6, 3)(STEPS)
    with pytest.raises(ShapeError, match=r"channels of the input.*must be known"):
        layers.Conv2D(6, 3)(pyneuro.Input((9, 8, None)))
    with pytest.raises(ShapeError, match=r"window of 12.*larger input") as caught:
        layers.Conv2D(6, 12, name="wide")(PICTURE)
    assert any("wide" in note for note in caught.value.__notes__)
    layer = layers.Conv2D(6, 3)
    layer(PICTURE)
    with pytest.raises(ShapeError, match="size 4 on axis -1"):
        layer(PICTURE[..., :3])
