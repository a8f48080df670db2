"""Recurrent layers: values against plain loops, masks, states, wrappers, and the usual checks."""

import warnings
from typing import Any

import numpy as np
import pytest
from layer_checks import check_config, check_file, check_gradients, check_layer, check_symbolic

import pyneuro
from pyneuro import layers, ops
from pyneuro.errors import ArgumentError, ShapeError

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[True] * 5, [True, False, True, True, False], [False, True, True, False, False]])
ROWS = [
    lambda: layers.SimpleRNN(3),
    lambda: layers.SimpleRNN(3, return_sequences=True, go_backwards=True, use_bias=False),
    lambda: layers.LSTM(3),
    lambda: layers.LSTM(3, return_sequences=True, unit_forget_bias=False),
    lambda: layers.GRU(3),
    lambda: layers.GRU(3, reset_after=False, return_sequences=True),
]
AROUND = [  # whose dtype is that of the layers within
    lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]),
    lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
    lambda: layers.Bidirectional(layers.GRU(3), merge_mode="sum"),
    lambda: layers.TimeDistributed(layers.Dense(3)),
]


@pytest.mark.parametrize("make", ROWS)
def test_what_every_layer_passes(make: object, tmp_path: object) -> None:
    check_layer(make, X, tmp_path)


@pytest.mark.parametrize("make", AROUND)
def test_what_layers_around_others_pass(make: object, tmp_path: object) -> None:
    check_config(make, X)
    check_symbolic(make, X)
    check_file(make, X, tmp_path)
    check_gradients(make, X)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(x: np.ndarray, w: list[np.ndarray]) -> np.ndarray:
    kernel, recurrent, bias = (a.astype("float64") for a in w)
    h = c = np.zeros((len(x), len(recurrent)))
    out = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.stack(out, 1)


def gru(x: np.ndarray, w: list[np.ndarray], reset_after: bool) -> np.ndarray:
    kernel, recurrent, bias = (a.astype("float64") for a in w)
    n = len(recurrent)
    h = np.zeros((len(x), n))
    out = []
    for t in range(x.shape[1]):
        if reset_after:
            z, r, g = np.split(x[:, t] @ kernel + bias[0], 3, axis=1)
            hz, hr, hg = np.split(h @ recurrent + bias[1], 3, axis=1)
            update, reset = sigmoid(z + hz), sigmoid(r + hr)
            new = np.tanh(g + reset * hg)
        else:
            z, r, g = np.split(x[:, t] @ kernel + bias, 3, axis=1)
            update = sigmoid(z + h @ recurrent[:, :n])
            reset = sigmoid(r + h @ recurrent[:, n : 2 * n])
            new = np.tanh(g + (reset * h) @ recurrent[:, 2 * n :])
        h = update * h + (1 - update) * new
        out.append(h)
    return np.stack(out, 1)


def randomized(layer: layers.Layer) -> layers.Layer:
    layer(X)
    layer.set_weights([DRAW.normal(size=w.shape) * 0.5 for w in layer.get_weights()])
    return layer


def close(y: object, want: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(y), want, rtol=1e-4, atol=1e-5)


def test_values() -> None:
    layer = randomized(layers.LSTM(3, return_sequences=True))
    close(layer(X), lstm(X, layer.get_weights()))
    for reset_after in (True, False):
        layer = randomized(layers.GRU(3, return_sequences=True, reset_after=reset_after))
        close(layer(X), gru(X, layer.get_weights(), reset_after))
    layer = randomized(layers.LSTM(3, go_backwards=True))
    close(layer(X), lstm(X[:, ::-1], layer.get_weights())[:, -1])
    layer = randomized(layers.SimpleRNN(3, activation="relu"))
    kernel, recurrent, bias = layer.get_weights()
    h = np.zeros((3, 3))
    for t in range(5):
        h = np.maximum(X[:, t] @ kernel + h @ recurrent + bias, 0)
    close(layer(X), h)


def test_the_forget_gate_begins_open() -> None:
    layer = layers.LSTM(2)
    layer(X)
    assert layer.get_weights()[2].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert [v.name for v in layer.weights] == ["kernel", "recurrent_kernel", "bias"]


@pytest.mark.parametrize("make", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_masked_steps_do_not_count(make: type) -> None:
    layer = randomized(make(3, return_sequences=True, return_state=True))
    y, h = layer(X, mask=MASK)[:2]
    for n in range(3):
        seen = X[n : n + 1, MASK[n]]
        alone, state = layer(seen)[:2]
        close(y.numpy()[n][MASK[n]], alone.numpy()[0])
        close(h.numpy()[n], state.numpy()[0])
    assert y.numpy()[2, 0].tolist() == [0.0] * 3
    np.testing.assert_array_equal(y.numpy()[1, 1], y.numpy()[1, 0])
    zeros = make(3, return_sequences=True, zero_output_for_mask=True)
    zeros(X)
    zeros.set_weights(layer.get_weights())
    np.testing.assert_array_equal(zeros(X, mask=MASK).numpy(), y.numpy() * MASK[..., None])
    masked = layers.Masking()(np.where(MASK[..., None], X, 0))
    np.testing.assert_array_equal(layer(masked)[0].numpy(), y.numpy())


def test_states_go_on() -> None:
    layer = randomized(layers.LSTM(3, return_state=True))
    whole = layer(X)
    first = layer(X[:, :2])
    rest = layer(X[:, 2:], initial_state=first[1:])
    for a, b in zip(whole, rest, strict=True):
        close(a, b.numpy())
    with pytest.raises(ShapeError, match="initial_state"):
        layer(X, initial_state=[first[1]])
    kept = layers.LSTM(3, stateful=True)
    kept(X)
    kept.cell.set_weights(layer.get_weights())
    kept.reset_state()
    kept(X[:, :2])
    close(kept(X[:, 2:]), whole[0].numpy())
    kept.reset_state()
    close(kept(X), whole[0].numpy())


def test_bidirectional() -> None:
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode=None)
    forward, backward = both(X)
    w = both.get_weights()
    close(forward, lstm(X, w[:3]))
    close(backward, lstm(X[:, ::-1], w[3:])[:, ::-1])
    states = layers.Bidirectional(layers.GRU(3, return_state=True))(X)
    assert [s.shape for s in states] == [(3, 6), (3, 3), (3, 3)]
    for mode, shape in (("sum", (3, 3)), ("mul", (3, 3)), ("ave", (3, 3)), ("concat", (3, 6))):
        assert layers.Bidirectional(layers.GRU(3), merge_mode=mode)(X).shape == shape
    with pytest.raises(ArgumentError, match="merge_mode"):
        layers.Bidirectional(layers.GRU(3), merge_mode="max")
    with pytest.raises(ArgumentError, match="same way"):
        layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3))
    own = layers.Bidirectional(layers.GRU(3), backward_layer=layers.LSTM(2, go_backwards=True))
    assert own(X).shape == (3, 5)


class Minimal(layers.Layer):
    """A cell of one's own, as in Keras's guide."""

    def __init__(self, units: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape: object) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units))
        self.recurrent = self.add_weight((self.units, self.units))

    def call(self, inputs: object, states: object) -> object:
        y = ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent)
        return y, [y]


def test_cells_of_ones_own() -> None:
    layer = layers.RNN(Minimal(3), return_sequences=True)
    y = layer(X)
    kernel, recurrent = layer.get_weights()
    h = np.zeros((3, 3))
    for t in range(5):
        h = X[:, t] @ kernel + h @ recurrent
        close(y.numpy()[:, t], h)
    stacked = layers.RNN([Minimal(3), Minimal(2)], return_state=True)
    assert [s.shape for s in stacked(X)] == [(3, 2), (3, 3), (3, 2)]
    with pytest.raises(ArgumentError, match="state_size"):
        layers.RNN(layers.Dense(3))


def test_dropout_is_the_same_in_all_steps() -> None:
    ones = np.ones((4, 6, 5), "float32")
    layer = layers.SimpleRNN(
        5, activation="linear", dropout=0.5, seed=1, return_sequences=True,
        kernel_initializer="identity", recurrent_initializer="zeros",
    )  # fmt: skip
    y = layer(ones, training=True).numpy()
    assert set(np.unique(y)) == {0.0, 2.0}
    assert (y == y[:, :1]).all()
    np.testing.assert_array_equal(layer(ones).numpy(), ones)
    dropped = layers.GRU(3, recurrent_dropout=0.5, seed=1)
    assert not np.array_equal(dropped(X, training=True).numpy(), dropped(X).numpy())


def test_in_a_model() -> None:
    tokens = pyneuro.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    model = pyneuro.Model(tokens, layers.Dense(2)(layers.GRU(3)(x)))
    model.compile("adam", "mse")
    codes = DRAW.integers(1, 9, (6, 5))
    padded = np.pad(codes, ((0, 0), (0, 3)))
    close(model.predict(padded, verbose=0), model.predict(codes, verbose=0))
    model.fit(codes, np.ones((6, 2)), epochs=2, verbose=0)


def test_bad_calls() -> None:
    with pytest.raises(ArgumentError, match="units"):
        layers.LSTM(0)
    with pytest.raises(ArgumentError, match="dropout"):
        layers.GRU(3, dropout=1.5)
    with pytest.raises(ShapeError, match="3"):
        layers.LSTM(3)(X[0])
    with pytest.raises(ShapeError, match="no steps"):
        layers.LSTM(3)(X[:, :0])
    with pytest.raises(ShapeError, match="batch size"):
        layers.LSTM(3, stateful=True)(pyneuro.Input((5, 4)))


@pytest.mark.parametrize("make", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_a_layer_that_the_first_step_builds_trains_whole(make: Any) -> None:
    model = pyneuro.Sequential([make(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as: no gradient for the bias
        model.fit(np.ones((4, 5, 2), "float32"), np.ones((4, 1)), verbose=0)
    if make is layers.LSTM:
        bias = model.layers[0].cell.bias.numpy()
        np.testing.assert_allclose(bias, np.repeat([0.0, 1.0, 0.0, 0.0], 3), atol=0.1)
        assert (bias != np.repeat([0.0, 1.0, 0.0, 0.0], 3)).any()


def test_integers_take_the_dtype_of_the_kernel() -> None:
    cell = layers.GRUCell(3, dtype="float16")
    y, _ = cell(np.ones((2, 4), "int32"), [np.zeros((2, 3), "float16")])
    assert y.dtype == "float16"
