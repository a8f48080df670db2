"""The names under which Keras code finds things."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import pyneuro.keras.layers
import pyneuro.keras as keras
import pyneuro
from pyneuro.keras import layers, Model, ops
from pyneuro.keras.layers import Dense
from pyneuro.keras.models import Sequential
from pyneuro.keras.optimizers.schedules import ExponentialDecay
from pyneuro.keras.utils import to_categorical
from pyneuro.ops.nn import relu
from pyneuro.keras.ops.numpy import mean
assert pyneuro.keras.layers is layers is pyneuro.layers
assert Dense is pyneuro.layers.Dense and keras.Model is pyneuro.Model is Model
assert ExponentialDecay is pyneuro.optimizers.schedules.ExponentialDecay
assert relu is pyneuro.ops.relu and mean is ops.mean
assert keras.__version__ == pyneuro.__version__
"""


def test_imports_as_keras_code_writes_them(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, cwd=tmp_path)


def test_what_is_not_there_says_so() -> None:
    import pyneuro.keras

    with pytest.raises(AttributeError, match="nothing"):
        _ = pyneuro.keras.nothing
    with pytest.raises(ImportError):
        __import__("pyneuro.keras.nothing")
