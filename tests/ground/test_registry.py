"""Names and configs: what strings mean, and what a config may name."""

import numpy as np
import pytest

import pyneuro
from pyneuro import activations, initializers, layers, losses, metrics, optimizers, regularizers
from pyneuro.errors import ArgumentError, UnknownNameError
from pyneuro.registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    register_keras_serializable,
    serialize_keras_object,
)


@pytest.mark.parametrize(
    ("get", "wrong", "right"),
    [
        (optimizers.get, "adma", "adam"),
        (activations.get, "rellu", "relu"),
        (initializers.get, "glorot_unifrom", "glorot_uniform"),
        (regularizers.get, "l22", "l2"),
        (losses.get, "msee", "mse"),
        (metrics.get, "MeanAbsoluteEror", "MeanAbsoluteError"),
        (pyneuro.constraints.get, "non_negg", "non_neg"),
        (pyneuro.dtype_policies.get, "mixed_bfloat", "mixed_bfloat16"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(get: object, wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean.*{right!r}"):
        get(wrong)  # type: ignore[operator]


def test_names_find_classes_and_functions() -> None:
    assert isinstance(optimizers.get("Adam"), optimizers.Adam)
    assert isinstance(optimizers.get("SGD"), optimizers.SGD)
    assert isinstance(optimizers.get("sgd"), optimizers.SGD)
    assert losses.get("MSE") is losses.mean_squared_error
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert isinstance(initializers.get("he_normal"), initializers.HeNormal)
    assert activations.get("swish") is activations.silu
    assert activations.get(None) is activations.linear
    assert regularizers.get(None) is None


def test_values_survive_a_config() -> None:
    value = {
        "a": (1, None, 2.5),
        "s": slice(1, None, 2),
        "e": Ellipsis,
        "b": b"\x00\xff",
        "n": np.arange(3, dtype="int16"),
    }
    again = deserialize_keras_object(serialize_keras_object(value))
    np.testing.assert_array_equal(again.pop("n"), np.arange(3, dtype="int16"))
    assert again == {"a": (1, None, 2.5), "s": slice(1, None, 2), "e": Ellipsis, "b": b"\x00\xff"}


def test_objects_survive_a_config() -> None:
    layer = layers.Dense(3, activation="tanh", kernel_regularizer=regularizers.L2(0.5), name="d")
    config = serialize_keras_object(layer)
    assert config["module"] == "pyneuro.layers"
    again = deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()


def test_configs_written_by_keras_are_understood() -> None:
    config = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {
            "name": "d",
            "trainable": True,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": "float32"},
                "registered_name": None,
            },
            "units": 3,
            "activation": "linear",
            "use_bias": True,
            "kernel_initializer": {
                "module": "keras.initializers",
                "class_name": "GlorotUniform",
                "config": {"seed": None, "input_axes": None, "output_axes": None},
                "registered_name": None,
            },
            "bias_initializer": "zeros",
            "quantization_config": None,
        },
        "registered_name": None,
        "build_config": {"input_shape": [None, 4]},
    }
    layer = deserialize_keras_object(config)
    assert layer.kernel.shape == (4, 3)


def test_registered_classes_and_functions_can_be_named() -> None:
    @register_keras_serializable("tests")
    class Doubler(layers.Layer):
        def __init__(self, factor: int = 2, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, x: object) -> object:
            return x * self.factor

    try:
        config = serialize_keras_object(Doubler(3))
        assert config["registered_name"] == "tests>Doubler"
        assert deserialize_keras_object(config).factor == 3
    finally:
        get_custom_objects().clear()


def test_unknown_classes_and_lambdas_say_what_to_do() -> None:
    config = {"module": None, "class_name": "Denze", "config": {}, "registered_name": "Denze"}
    with pytest.raises(UnknownNameError, match="Dense") as info:
        deserialize_keras_object(config)
    assert "custom_objects" in info.value.__notes__[0]
    with pytest.raises(ArgumentError, match="register_keras_serializable"):
        serialize_keras_object(lambda x: x)


def test_a_config_cannot_reach_beyond_what_is_registered() -> None:
    for module, name in (("os", "system"), ("builtins", "eval"), ("pyneuro.saving", "load_model")):
        config = {"module": module, "class_name": name, "config": {}, "registered_name": None}
        with pytest.raises(UnknownNameError):
            deserialize_keras_object(config)
        function = {"class_name": "function", "config": name, "registered_name": "function"}
        with pytest.raises(UnknownNameError):
            deserialize_keras_object(function)


def test_custom_objects_hold_only_inside_their_scope() -> None:
    with custom_object_scope({"twice": lambda x: x * 2}):
        assert activations.get("twice")(3) == 6
    with pytest.raises(UnknownNameError):
        activations.get("twice")
