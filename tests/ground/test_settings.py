"""config, policies and the public face."""

import subprocess
import sys

import pytest

import pyneuro
from pyneuro import config
from pyneuro.errors import ArgumentError


def test_floatx_decides_the_dtype_of_layers_and_losses() -> None:
    config.set_floatx("float64")
    try:
        assert pyneuro.layers.Dense(1).variable_dtype == "float64"
        assert pyneuro.losses.MeanSquaredError().dtype == "float64"
    finally:
        config.set_floatx("float32")
    with pytest.raises(ArgumentError, match="int32"):
        config.set_floatx("int32")


def test_mixed_policies_have_two_dtypes() -> None:
    policy = pyneuro.DTypePolicy("mixed_float16")
    assert (policy.compute_dtype, policy.variable_dtype) == ("float16", "float32")
    config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = pyneuro.layers.Dense(1)
        assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    finally:
        config.set_dtype_policy(None)
    assert pyneuro.layers.Dense(1, dtype="float64").dtype == "float64"


def test_other_settings_check_their_values() -> None:
    with pytest.raises(ArgumentError):
        config.set_epsilon(0)
    with pytest.raises(ArgumentError):
        config.set_image_data_format("middle")
    assert config.backend() == "pyneuro"


@pytest.mark.parametrize("name", sorted(pyneuro.__all__))
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pyneuro, name) is not None
    assert name in dir(pyneuro)
    assert getattr(pyneuro.keras, name) is getattr(pyneuro, name)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Modell'"):
        _ = pyneuro.Modell


def test_importing_loads_nothing_that_is_not_used() -> None:
    code = "import sys, pyneuro; print([m for m in sys.modules if m.startswith('pyneuro.')])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pyneuro.layers" not in loaded.stdout


def test_the_keras_face_works_as_a_module() -> None:
    from pyneuro import keras
    from pyneuro.keras import layers

    assert keras.layers.Dense is layers.Dense is pyneuro.layers.Dense
