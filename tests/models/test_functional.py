"""Functional models: graphs of layers and functions, shared, nested, cut, saved."""

import json

import numpy as np
import pytest

import pyneuro
from pyneuro import Input, Model, Sequential, layers, models, ops
from pyneuro.errors import ArgumentError, FileFormatError, ShapeError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype("float32")


def round_trip(model: Model) -> Model:
    """The model again, from a config that went through JSON, with the same weights."""
    twin = models.model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    return twin


def test_the_proof() -> None:
    """Integers, an embedding, arithmetic and argmax, with unknown sizes, saved and reloaded."""
    tokens = Input((None,), dtype="int32", name="tokens")
    embedded = layers.Embedding(10, 3, name="embedding")(tokens)
    y = ops.argmax(embedded + embedded * 2 + 1.5, axis=-1)
    assert y.shape == (None, None)
    assert y.dtype == "int32"
    model = Model(tokens, y)
    twin = round_trip(model)
    for shape in ((2, 5), (7, 1), (1, 9)):
        data = RNG.integers(0, 10, shape)
        expected = (model.get_layer("embedding").embeddings.numpy()[data] * 3 + 1.5).argmax(-1)
        np.testing.assert_array_equal(model(data).numpy(), expected)
        np.testing.assert_array_equal(twin(data).numpy(), expected)
    assert twin.get_config() == model.get_config()


def test_several_inputs_and_outputs_in_any_structure() -> None:
    a, b = Input((4,), name="a"), Input((2,), name="b")
    total = layers.Dense(3, name="left")(a) + layers.Dense(3, name="right")(b)
    model = Model({"a": a, "b": b}, {"sum": total, "parts": (a, [b])})
    data = {"a": X, "b": X[:, :2]}
    out = round_trip(model)(data)
    assert set(out) == {"sum", "parts"}
    assert isinstance(out["parts"], tuple)
    left, right = model.get_layer("left"), model.get_layer("right")
    np.testing.assert_allclose(
        out["sum"].numpy(), (left(X) + right(X[:, :2])).numpy(), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(out["parts"][1][0].numpy(), X[:, :2])
    listed = Model([a, b], total)
    np.testing.assert_array_equal(listed([X, X[:, :2]]).numpy(), model(data)["sum"].numpy())
    np.testing.assert_array_equal(listed({"b": X[:, :2], "a": X}).numpy(), out["sum"].numpy())
    assert model.output_shape == {"sum": (None, 3), "parts": ((None, 4), [(None, 2)])}
    assert listed.input_names == ["a", "b"]


def test_a_shared_layer_has_one_set_of_weights() -> None:
    x = Input((4,))
    dense = layers.Dense(4)
    model = Model(x, dense(dense(x)) * dense(x))
    assert len(model.weights) == 2
    assert len(model.layers) == 2
    np.testing.assert_array_equal(round_trip(model)(X).numpy(), model(X).numpy())
    with pytest.raises(AttributeError, match="called 3 times"):
        _ = dense.output


def test_nesting() -> None:
    inner = Sequential([Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2)])
    x = Input((4,))
    outer = Model(x, layers.Activation("softmax")(inner(x)))
    np.testing.assert_allclose(outer(X).numpy().sum(-1), 1, rtol=1e-5)
    twin = round_trip(outer)
    np.testing.assert_array_equal(twin(X).numpy(), outer(X).numpy())
    assert [type(layer).__name__ for layer in twin.layers] == [
        "InputLayer",
        "Sequential",
        "Activation",
    ]


def test_surgery_on_the_middle_of_a_model() -> None:
    base = Sequential([Input((4,)), layers.Dense(3, name="features"), layers.Dense(2, name="head")])
    features = Model(base.input, base.get_layer("features").output)
    np.testing.assert_array_equal(features(X).numpy(), base.layers[0](X).numpy())
    tail = Model(base.get_layer("features").output, base.output)
    np.testing.assert_array_equal(tail(features(X)).numpy(), base(X).numpy())
    assert tail.layers[-1] is base.layers[1]
    new = Model(base.inputs, layers.Dense(5)(base.layers[0].output))
    base.layers[0].trainable = False
    assert len(new.trainable_weights) == 2
    assert new.weights[0] is base.weights[0]


def test_keyword_arguments_lists_and_indices_are_recorded() -> None:
    class Mix(layers.Layer):
        def call(self, parts: object, scale: float = 1.0, extra: object = None) -> object:
            return (parts[0] + parts[1]["k"]) * scale + extra

    x = Input((4,))
    y = Mix()([x, {"k": x[:, ::-1]}], scale=2.0, extra=x[:, :1])
    joined = ops.concatenate([y, x[..., None][:, :, 0]], axis=1)
    model = Model(x, joined)
    expected = np.concatenate([(X + X[:, ::-1]) * 2 + X[:, :1], X], axis=1)
    np.testing.assert_allclose(model(X).numpy(), expected, rtol=1e-5, atol=1e-6)
    with pyneuro.saving.custom_object_scope({"Mix": Mix}):
        np.testing.assert_array_equal(round_trip(model)(X).numpy(), model(X).numpy())


def test_constants_are_part_of_the_graph() -> None:
    x = Input((4,))
    table = RNG.normal(size=4)
    model = Model(x, (x + table) * np.float32(2) - 1)
    expected = (X + table) * 2 - 1
    np.testing.assert_allclose(round_trip(model)(X).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_inputs_are_cast_and_their_rank_is_mended() -> None:
    x = Input((1,))
    model = Model(x, x * 2)
    for data in (np.ones(3), np.ones((3, 1), "int64"), np.ones((3, 1, 1), "float32")):
        out = model(data)
        assert out.shape == (3, 1)
        assert out.dtype == "float32"


def test_wrong_inputs_are_named() -> None:
    a, b = Input((4,), name="a"), Input((2,), name="b")
    model = Model([a, b], layers.Dense(1)(a) + layers.Dense(1)(b), name="pair")
    with pytest.raises(ShapeError, match=r"'a' has float32 \(5, 3\), but float32 \(None, 4\)"):
        model([X[:, :3], X[:, :2]])
    with pytest.raises(ArgumentError, match="takes 2 inputs"):
        model([X])
    with pytest.raises(ArgumentError, match=r"lack \['b'\]"):
        model({"a": X})


def test_graphs_that_cannot_be_are_refused() -> None:
    a, b = Input((4,)), Input((4,))
    with pytest.raises(ArgumentError, match="not among the model's inputs"):
        Model(a, layers.Dense(1)(b))
    with pytest.raises(ArgumentError, match="twice"):
        Model([a, a], a * 2)
    with pytest.raises(ArgumentError, match="symbolic"):
        Model(a, np.ones(3))
    with pytest.raises(ArgumentError, match="different names"):
        Model(a, layers.Dense(1, name="d")(layers.Dense(1, name="d")(a)))
    with pytest.raises(ArgumentError):
        Model(5, 6)


def test_inputs_that_are_not_used_are_kept() -> None:
    a, b = Input((4,), name="a"), Input((2,), name="b")
    model = Model([a, b], a * 2)
    np.testing.assert_array_equal(round_trip(model)([X, X[:, :2]]).numpy(), X * 2)


def test_layers_stand_in_keras_order() -> None:
    x = Input((4,), name="x")
    left = layers.Dense(2, name="l2")(layers.Dense(2, name="l1")(x))
    right = layers.Dense(2, name="r1")(x)
    model = Model(x, [left, layers.Dense(1, name="end")(left + right)])
    assert [layer.name for layer in model.layers] == ["x", "l1", "l2", "r1", "end"]


def test_deep_graphs_do_not_recurse() -> None:
    x = y = Input((2,))
    for _ in range(1500):
        y = y + 1.0
    np.testing.assert_array_equal(Model(x, y)(np.zeros((1, 2))).numpy(), [[1500, 1500]])


def test_a_config_that_was_tampered_with_is_refused() -> None:
    x = Input((2,), name="x")
    model = Model(x, layers.Dense(1, name="d")(x) + 1)
    config = json.loads(json.dumps(model.get_config()))

    def broken(change: object) -> dict:
        copy = json.loads(json.dumps(config))
        change(copy)  # type: ignore[operator]
        return copy

    def history(c: dict, value: object) -> None:
        c["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = value

    for change, error in (
        (lambda c: history(c, ["nowhere", 0, 0]), FileFormatError),
        (lambda c: history(c, ["d", 0, 0]), FileFormatError),
        (lambda c: history(c, ["x", 0, 5]), FileFormatError),
        (lambda c: history(c, "x"), FileFormatError),
        (lambda c: c.pop("input_layers"), Exception),
        (lambda c: c["layers"][2]["config"].update(function="system"), UnknownNameError),
    ):
        with pytest.raises(error):
            models.Functional.from_config(broken(change))


def test_a_frozen_batch_size_and_a_model_on_symbolic_inputs() -> None:
    x = Input((3,), batch_size=2)
    model = Model(x, layers.Dense(2)(x))
    assert model.output_shape == (2, 2)
    y = model(Input(batch_shape=(2, 3)))
    assert y.shape == (2, 2)


def test_gradients_flow_through_the_graph() -> None:
    x = Input((4,))
    model = Model(x, ops.sum(layers.Dense(3, activation="tanh")(x), axis=-1))
    loss = ops.mean(model(X))
    loss.backward()
    assert all(v.grad is not None and v.grad.shape == v.shape for v in model.weights)
    model.zero_grad()
    assert all(v.grad is None for v in model.weights)
