"""clone_model: new weights, other layers, other inputs, other calls."""

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import layers, models
from pyneuro.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def two_inputs() -> keras.Model:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="within")], name="inner")
    x = layers.Add()([shared(a), shared(b)]) * 2.0
    return keras.Model([a, b], {"out": inner(x), "sum": x}, name="two")


def test_a_clone_has_new_weights_of_the_same_shapes() -> None:
    model = two_inputs()
    clone = models.clone_model(model, clone_function=lambda layer: type(layer).from_config(
        layer.get_config()))  # fmt: skip
    assert [w.shape for w in clone.get_weights()] == [w.shape for w in model.get_weights()]
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    clone.set_weights(model.get_weights())
    for name, value in model.predict([X, X], verbose=0).items():
        np.testing.assert_array_equal(clone.predict([X, X], verbose=0)[name], value)
    assert clone.get_layer("shared") is not model.get_layer("shared")


def test_layers_are_replaced_once_each_and_within_if_asked() -> None:
    asked = []

    def narrow(layer: layers.Layer) -> layers.Layer:
        asked.append(layer.name)
        config = layer.get_config()
        if isinstance(layer, layers.Dense):
            config["use_bias"] = False
        return type(layer).from_config(config)

    model = two_inputs()
    assert len(models.clone_model(model, clone_function=narrow).weights) == 3
    assert asked.count("shared") == 1
    assert "within" not in asked
    assert len(models.clone_model(model, clone_function=narrow, recursive=True).weights) == 2
    with pytest.raises(ArgumentError, match="must return a layer"):
        models.clone_model(model, clone_function=lambda layer: None)


def test_given_inputs_and_calls() -> None:
    model = two_inputs()
    a, b = keras.Input((4,), name="x", batch_size=3), keras.Input((4,), name="y", batch_size=3)
    clone = models.clone_model(model, input_tensors=[a, b])
    assert clone.input_names == ["x", "y"]
    assert clone.output_shape["out"] == (3, 2)
    with pytest.raises(ArgumentError, match="1 input_tensors"):
        models.clone_model(model, input_tensors=[a])

    def call(layer, *args, **kwargs):
        y = layer(*args, **kwargs)
        return layers.Dropout(0.5)(y) if layer.name == "shared" else y

    kinds = [type(layer).__name__ for layer in models.clone_model(model, call_function=call).layers]
    assert kinds.count("Dropout") == 2


def test_sequential_and_subclassed() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    clone = models.clone_model(model, input_tensors=keras.Input((4,), name="mine"))
    assert isinstance(clone, keras.Sequential)
    assert clone.input.name == "mine"
    wide = models.clone_model(model, clone_function=lambda layer: layers.Dense(7))
    assert wide.output_shape == (None, 7)
    with pytest.raises(ArgumentError, match="functional models"):
        models.clone_model(model, call_function=lambda layer, x: layer(x))

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ArgumentError, match="subclassed"):
        models.clone_model(Own(), clone_function=lambda layer: layer)
