"""Sequential: the list, its building with and without an Input, its config."""

import numpy as np
import pytest

import pyneuro
from pyneuro import Input, Sequential, layers, models
from pyneuro.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def test_with_an_input_everything_is_known_at_once() -> None:
    model = Sequential([Input((4,)), layers.Dense(3), layers.Dense(2)])
    assert model.built
    assert model.output_shape == (None, 2)
    assert model.count_params() == 23
    assert next(v.path for v in model.weights).endswith("/kernel")
    assert len(model.layers) == 2


def test_without_an_input_the_first_call_builds() -> None:
    model = Sequential([layers.Dense(3), layers.Dense(2)])
    assert not model.built
    assert model.weights == []
    with pytest.raises(AttributeError, match="not known"):
        _ = model.output_shape
    model(X)
    assert model.built
    assert model.input_shape == (None, 4)
    model.build((None, 4))
    with pytest.raises(ShapeError):
        model(X[:, :2])


def test_old_shape_arguments_are_understood() -> None:
    assert Sequential([layers.Dense(3, input_shape=(4,))]).output_shape == (None, 3)
    assert Sequential([layers.Dense(3, input_dim=4)]).input_shape == (None, 4)


def test_add_and_pop() -> None:
    model = Sequential(name="s")
    model.add(Input((4,)))
    model.add(layers.Dense(3, name="one"))
    model.add(layers.Dense(2, name="two"))
    assert model(X).shape == (5, 2)
    assert model.pop().name == "two"
    assert model.output_shape == (None, 3)
    assert model(X).shape == (5, 3)
    with pytest.raises(ArgumentError, match="already"):
        model.add(layers.Dense(3, name="one"))
    with pytest.raises(ArgumentError, match="must come first"):
        model.add(Input((2,)))
    with pytest.raises(ArgumentError, match="make an instance"):
        model.add(layers.Dense)
    with pytest.raises(ArgumentError, match="expected a layer"):
        model.add(3)


def test_integers_reach_an_embedding_as_they_are() -> None:
    model = Sequential([layers.Embedding(300, 2), layers.Flatten(), layers.Dense(1)])
    assert model(np.array([[255, 299]], "int64")).shape == (1, 1)
    assert model(np.array([[255, 25]], "uint8")).shape == (1, 1)


def test_a_model_as_the_first_layer_brings_its_shape() -> None:
    inner = Sequential([Input((4,)), layers.Dense(3)])
    outer = Sequential([inner, layers.Dense(2)])
    assert outer.built
    assert outer.output_shape == (None, 2)


def test_configs_round_trip_built_or_not() -> None:
    for model in (
        Sequential([Input((4,)), layers.Dense(3), layers.Dropout(0.1)]),
        Sequential([layers.Dense(3), layers.Dropout(0.1)]),
    ):
        twin = Sequential.from_config(model.get_config())
        assert twin.get_config() == model.get_config()
        assert twin.built == model.built
    late = Sequential([layers.Dense(3)])
    late(X)
    twin = models.clone_model(late)
    assert twin.built
    assert twin.get_weights()[0].shape == (4, 3)
    assert not np.array_equal(twin.get_weights()[0], late.get_weights()[0])


def test_layers_that_look_at_values_run_without_shapes() -> None:
    class Looks(layers.Layer):
        def call(self, inputs: object) -> object:
            return inputs * 2 if float(inputs[0, 0]) > 0 else inputs

    model = Sequential([Input((4,)), Looks(), layers.Dense(2)])
    assert model(X).shape == (5, 2)
    assert len(model.weights) == 2


def test_get_layer_by_name_and_index() -> None:
    model = Sequential([layers.Dense(3, name="one"), layers.Dense(2, name="two")])
    assert model.get_layer("two") is model.get_layer(index=1)
    with pytest.raises(ArgumentError, match="did you mean 'one'"):
        model.get_layer("onee")
    with pytest.raises(ArgumentError):
        model.get_layer()
    with pytest.raises(ArgumentError, match="no layer 7"):
        model.get_layer(index=7)


def test_weights_are_the_same_after_the_same_seed() -> None:
    def weights() -> list[np.ndarray]:
        pyneuro.utils.set_random_seed(3)
        return Sequential([Input((4,)), layers.Dense(8), layers.Dense(2)]).get_weights()

    for a, b in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_input_of_another_shape_is_refused() -> None:
    model = Sequential([Input((4,)), layers.Dense(3)])
    for shape in ((2, 3, 4), (2, 5), (4,)):
        with pytest.raises(ShapeError, match=r"\(None, 4\) was expected"):
            model(np.ones(shape, "float32"))
    assert model(np.ones((2, 4, 1), "float32")).shape == (2, 3)  # as Keras: a last axis of one
    assert model(np.ones((2, 4), "int32")).shape == (2, 3)
