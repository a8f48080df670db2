"""Each layer against a few lines of NumPy, its config, its symbolic shape and its errors."""

import numpy as np
import pytest

import pyneuro
from pyneuro import layers, ops
from pyneuro.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from pyneuro.masks import get_mask
from pyneuro.registry import deserialize_keras_object, serialize_keras_object

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5)).astype("float32")

LAYERS = [
    (lambda: layers.Dense(4, activation="relu"), X),
    (lambda: layers.Dense(4, use_bias=False, kernel_constraint="non_neg"), X),
    (lambda: layers.Embedding(9, 4), RNG.integers(0, 9, (3, 5))),
    (
        lambda: layers.Embedding(9, 4, mask_zero=True, embeddings_regularizer="l2"),
        np.ones((3, 2), int),
    ),
    (lambda: layers.Flatten(), X.reshape(3, 5, 1)),
    (lambda: layers.Flatten(data_format="channels_first"), X.reshape(3, 5, 1)),
    (lambda: layers.Dropout(0.5, seed=3), X),
    (lambda: layers.Dropout(0.5, noise_shape=(None, 1)), X),
    (lambda: layers.Activation("tanh"), X),
    (lambda: layers.ReLU(2.0, 0.1, 0.5), X),
    (lambda: layers.Softmax(axis=0), X),
    (lambda: layers.Identity(), X),
    (lambda: layers.Rescaling(0.5, offset=-1.0), X),
    (lambda: layers.Rescaling(np.arange(5.0), offset=[1.0] * 5), X),
    (lambda: layers.Reshape((5, 1)), X),
    (lambda: layers.Reshape((-1,)), X),
]


@pytest.mark.parametrize(("make", "x"), LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_config_and_symbolic_shape(make: object, x: np.ndarray, dtype: str) -> None:
    layer = make()  # type: ignore[operator]
    config = serialize_keras_object(layer)
    config["config"]["dtype"] = dtype
    twin = deserialize_keras_object(config)
    y = twin(x)
    assert y.dtype == dtype
    symbolic = twin(pyneuro.Input(x.shape[1:], dtype=x.dtype.name))
    assert symbolic.shape == (None, *y.shape[1:])
    assert symbolic.dtype == dtype
    again = deserialize_keras_object(serialize_keras_object(twin))
    assert again.get_config() == twin.get_config() or "scale" in config["config"]
    again.set_weights(twin.get_weights())
    np.testing.assert_array_equal(again(x).numpy(), y.numpy())


def test_dense_is_a_product_and_a_sum() -> None:
    dense = layers.Dense(4, activation="tanh", bias_initializer="ones")
    y = dense(X.reshape(3, 1, 5)).numpy()
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(y[:, 0], np.tanh(X @ kernel + bias), rtol=1e-5, atol=1e-6)
    assert y.shape == (3, 1, 4)
    assert [v.name for v in dense.weights] == ["kernel", "bias"]


def test_dense_wants_a_known_and_equal_last_axis() -> None:
    with pytest.raises(ShapeError, match="at least 2 axes"):
        layers.Dense(2)(np.ones(3, "float32"))
    with pytest.raises(ShapeError, match="known size"):
        layers.Dense(2)(pyneuro.Input((None,)))
    for units in (0, -1, 2.5, True, "a"):
        with pytest.raises(ArgumentError, match="units"):
            layers.Dense(units)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="lora_rank"):
        layers.Dense(2, lora_rank=4)  # type: ignore[arg-type]


def test_embedding_looks_up_and_masks() -> None:
    layer = layers.Embedding(4, 3, mask_zero=True)
    y = layer(np.array([[1, 0, 3]]))
    np.testing.assert_array_equal(y.numpy()[0], layer.embeddings.numpy()[[1, 0, 3]])
    assert get_mask(y).tolist() == [[True, False, True]]
    assert get_mask(layers.Dense(2)(y)).tolist() == [[True, False, True]]
    assert get_mask(layers.Flatten()(y)) is None
    assert layer(np.array([[1.0, 2.0]], "float32")).shape == (1, 2, 3)
    with pytest.raises(IndexOutOfRangeError):
        layer(np.array([[4]]))
    with pytest.raises(DTypeError):
        layer(np.array([[True]]))


def test_masks_live_in_one_place() -> None:
    y = layers.Embedding(4, 3, mask_zero=True)(np.array([[1, 0]]))
    assert y._keras_mask is get_mask(y)
    assert not hasattr(pyneuro.Input((2,)), "_keras_mask")
    half = layers.Dense(2, dtype="mixed_bfloat16")(y)  # the cast of the input keeps its mask
    assert get_mask(half).tolist() == [[True, False]]


def test_dropout_only_drops_while_training() -> None:
    layer = layers.Dropout(0.5, seed=1)
    x = np.ones((100, 100), "float32")
    np.testing.assert_array_equal(layer(x).numpy(), x)
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert not np.array_equal(first, second)
    assert abs((first == 0).mean() - 0.5) < 0.05
    assert set(np.unique(first)) == {0.0, 2.0}
    again = layers.Dropout(0.5, seed=1)
    np.testing.assert_array_equal(again(x, training=True).numpy(), first)
    with pytest.raises(ArgumentError, match="rate"):
        layers.Dropout(1.5)
    assert not layers.Dropout(1.0)(x, training=True).numpy().any()


def test_dropouts_gradient_uses_the_same_mask() -> None:
    layer = layers.Dropout(0.5)
    v = pyneuro.Variable(np.ones((50,), "float32"))
    y = layer(v, training=True)
    (g,) = pyneuro.grad(ops.sum(y), [v])
    np.testing.assert_array_equal(g.numpy(), y.numpy())


def test_flatten_and_reshape() -> None:
    x = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    np.testing.assert_array_equal(layers.Flatten()(x).numpy(), x.reshape(2, 12))
    moved = layers.Flatten(data_format="channels_first")(x).numpy()
    np.testing.assert_array_equal(moved, x.transpose(0, 2, 1).reshape(2, 12))
    assert layers.Flatten()(np.ones(3, "float32")).shape == (3, 1)
    assert layers.Reshape((4, -1))(x).shape == (2, 4, 3)
    with pytest.raises(ShapeError, match="12 entries"):
        layers.Reshape((5,))(x)
    with pytest.raises(ArgumentError, match="at most one -1"):
        layers.Reshape((-1, -1))


def test_softmax_gives_masked_entries_no_share() -> None:
    y = layers.Softmax()(np.zeros((1, 3), "float32"), mask=np.array([[True, False, True]]))
    np.testing.assert_allclose(y.numpy(), [[0.5, 0, 0.5]])


def test_rescaling_takes_integers() -> None:
    y = layers.Rescaling(1 / 255, offset=0.5)(np.array([[0, 255]], "uint8"))
    np.testing.assert_allclose(y.numpy(), [[0.5, 1.5]], rtol=1e-6)


def test_lambda_passes_what_the_function_names() -> None:
    seen = []

    def function(x: object, training: object, scale: float) -> object:
        seen.append(training)
        return x * scale

    layer = layers.Lambda(function, arguments={"scale": 3.0})
    assert layer(X, training=True).numpy()[0, 0] == pytest.approx(3 * X[0, 0])
    assert seen == [True]
    with pytest.raises(ArgumentError, match="register"):
        layers.Lambda(lambda x: x).get_config()


def test_inputs_check_their_shape() -> None:
    assert pyneuro.Input((3,), batch_size=2, dtype="int32", name="n").shape == (2, 3)
    for arguments in (
        {},
        {"shape": (2,), "batch_shape": (1, 2)},
        {"shape": (2.5,)},
        {"shape": "ab"},
    ):
        with pytest.raises(ArgumentError):
            pyneuro.Input(**arguments)
    with pytest.raises(ArgumentError, match="sparse"):
        pyneuro.Input((1,), sparse=True)


def test_input_spec_reads_as_it_was_made() -> None:
    spec = layers.InputSpec(shape=(None, 3), dtype="float32")
    assert repr(spec) == "InputSpec(dtype='float32', shape=(None, 3))"
    assert spec.problem((5, 3), "float32") is None
    assert spec.problem((5, 4), "float32") == "the shape (None, 3)"
    with pytest.raises(ArgumentError, match="axis 3"):
        layers.InputSpec(ndim=2, axes={3: 1})
