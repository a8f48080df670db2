"""The checks that every layer passes: configs, files, symbolic shapes, dtypes, gradients.

A row is a function that makes the layer, and its input: an array or a list of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import pyneuro
from pyneuro import models, ops
from pyneuro.registry import deserialize_keras_object, serialize_keras_object


def as_dtype(x: Any, dtype: str) -> Any:
    """An input in another floating dtype; whole numbers stay what they are."""
    if isinstance(x, list):
        return [as_dtype(part, dtype) for part in x]
    return x.astype(dtype) if x.dtype.kind == "f" else x


def symbolic(x: Any) -> Any:
    """Symbolic inputs of unknown batch size for an input."""
    if isinstance(x, list):
        return [symbolic(part) for part in x]
    return pyneuro.Input(x.shape[1:], dtype=x.dtype.name)


def check_config(make: Any, x: Any) -> None:
    """The config makes the same layer again, which computes the same bits."""
    layer = make()
    y = layer(x, training=False)
    again = deserialize_keras_object(serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    again(x, training=False)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x, training=False).numpy(), y.numpy())


def check_symbolic(make: Any, x: Any) -> None:
    """Shape and dtype found without data are those with data."""
    layer = make()
    found = layer(symbolic(x))
    y = make()(x)
    assert found.shape[1:] == y.shape[1:]
    assert found.shape[0] is None
    assert found.dtype == y.dtype
    shapes = [(None, *part.shape[1:]) for part in x] if isinstance(x, list) else (
        None, *x.shape[1:])  # fmt: skip
    assert make().compute_output_shape(shapes) == (None, *y.shape[1:])


def check_file(make: Any, x: Any, folder: Any) -> None:
    """A saved and reloaded model predicts the same bits."""
    inputs = symbolic(x)
    model = pyneuro.Model(inputs, make()(inputs))
    expected = model.predict(x, verbose=0)
    model.save(folder / "layer.pyneuro")
    again = models.load_model(folder / "layer.pyneuro")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)


def check_dtypes(make: Any, x: Any) -> None:
    """float64 stays float64; in mixed bfloat16 outputs are bfloat16 near those of float32."""
    wide = make()
    y = wide(x, training=False)
    config = serialize_keras_object(wide)
    for policy, dtype, limit in (("float64", "float64", 1e-5), ("mixed_bfloat16", "bfloat16", 0.1)):
        config["config"]["dtype"] = policy
        twin = deserialize_keras_object(config)
        given = as_dtype(x, "float64") if policy == "float64" else x
        twin(given, training=False)
        twin.set_weights([w.astype(v.dtype) for w, v in zip(
            wide.get_weights(), twin.weights, strict=True)])  # fmt: skip
        result = twin(given, training=False)
        if "float" in y.dtype:
            assert result.dtype == dtype
        np.testing.assert_allclose(
            np.asarray(ops.cast(result, "float64")), np.asarray(ops.cast(y, "float64")),
            rtol=limit, atol=limit,
        )  # fmt: skip
        assert all(v.dtype == ("float64" if policy == "float64" else "float32")
                   for v in twin.weights)  # fmt: skip


def check_gradients(make: Any, x: Any) -> None:
    """Gradients reach every floating input and every trainable weight."""
    layer = make()
    parts = x if isinstance(x, list) else [x]
    sources = [pyneuro.Variable(part) for part in parts if part.dtype.kind == "f"]
    if len(sources) != len(parts):
        return
    given = sources if isinstance(x, list) else sources[0]
    y = layer(given, training=True)
    weights = layer.trainable_weights
    weighting = np.random.default_rng(1).normal(size=y.shape).astype(y.dtype)
    found = pyneuro.grad(ops.sum(y * weighting), [*sources, *weights])
    for gradient in found:
        assert np.isfinite(gradient.numpy()).all()
        assert np.abs(gradient.numpy()).sum() > 0


def check_layer(make: Any, x: Any, folder: Any, gradients: bool = True) -> None:
    """All of it."""
    check_config(make, x)
    check_symbolic(make, x)
    check_file(make, x, folder)
    check_dtypes(make, x)
    if gradients:
        check_gradients(make, x)
