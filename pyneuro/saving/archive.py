"""Models in files: a `.pyneuro` file is one safetensors file with the config in its metadata.

A file holds names and numbers only: classes come from pyneuro, from `register_keras_serializable`,
or from `custom_objects`, never from the file.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ..device import version
from ..errors import ArgumentError, FileFormatError
from ..registry import (
    custom_object_scope,
    deserialize_keras_object,
    serialize_keras_object,
    weight_budget,
)
from .weights import load_state, named_states, named_weights, parse_json, read_file, write_file

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]

_FORMAT = 1
_KEY = "pyneuro"  # the one entry of the metadata, so that equal models make equal bytes


def _check_suffix(what: str, path: str | os.PathLike[str], allowed: tuple[str, ...]) -> str:
    name = os.fspath(path)
    if name.endswith(allowed):
        return name
    if name.endswith((".keras", ".h5", ".hdf5")):
        raise ArgumentError(
            f"{what}: {name!r} would have to be a real Keras file, which comes with a later "
            f"version of pyneuro; use the suffix {allowed[0]!r}"
        )
    raise ArgumentError(f"{what}: the path must end with {' or '.join(allowed)}, got {name!r}")


def _pack(info: dict[str, Any]) -> dict[str, str]:
    info = {"format": _FORMAT, "version": version(), **info}
    return {_KEY: json.dumps(info, sort_keys=True)}


def _unpack(path: str, metadata: dict[str, str]) -> dict[str, Any]:
    """What the metadata say, or an empty dict for files of other programs."""
    if _KEY not in metadata:
        return {}
    info = parse_json(metadata[_KEY], path, "metadata")
    if not isinstance(info, dict) or type(info.get("format")) is not int:
        raise FileFormatError(f"{path}: the metadata do not say the format's number")
    if info["format"] > _FORMAT:
        raise FileFormatError(
            f"{path} has the format {info['format']}, made by pyneuro {info.get('version')}; this "
            f"version reads up to {_FORMAT}: upgrade pyneuro"
        )
    return info


def _arrays(prefix: str, variables: dict[str, Any]) -> dict[str, np.ndarray]:
    return {f"{prefix}/{name}": np.asarray(v.numpy()) for name, v in variables.items()}


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}


# -- models ---------------------------------------------------------------------------------------


def save_model(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Save a model: architecture, weights, what `compile` chose, and the optimizer's state.

    Args:
        model: the model.
        filepath: where to; ends with ".pyneuro".
        overwrite: whether a file that is there may be replaced.
        zipped: only `None`: the file is never a zip archive.
        include_optimizer: whether what `compile` chose and the optimizer's state go along.

    Raises:
        ArgumentError: another suffix, or something in the model that cannot be written down.
        FileExistsError: there is a file, and `overwrite` is `False`.

    Example:
        >>> import tempfile
        >>> from pyneuro import Input, Sequential, layers
        >>> model = Sequential([Input((2,)), layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_model(model, f"{folder}/model.pyneuro")
        ...     again = load_model(f"{folder}/model.pyneuro")
        >>> bool((again.get_weights()[0] == model.get_weights()[0]).all())
        True
    """
    if zipped is not None:
        raise ArgumentError("save: a .pyneuro file is never zipped; leave zipped out")
    path = _check_suffix("save", filepath, (".pyneuro",))
    if not model.built:
        raise ArgumentError(
            f"save: {model.name!r} is not built, so that it has no weights yet; call it on data or "
            "build it with an input shape first"
        )
    info, arrays = describe_model(model, include_optimizer)
    write_file(path, arrays, _pack(info), overwrite)


def describe_model(
    model: Any, include_optimizer: bool = True
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A model as plain values and arrays: what a file holds.

    Args:
        model: the model.
        include_optimizer: whether what `compile` chose and the optimizer's state go along.

    Returns:
        `(description, arrays by name)`, for `rebuild_model`.

    Raises:
        ArgumentError: something in the model cannot be written down.
    """
    info: dict[str, Any] = {"kind": "model", "config": serialize_keras_object(model)}
    arrays = _arrays("weights", named_weights(model)) | _arrays("random", named_states(model))
    if include_optimizer and model.compiled:
        info["compile_config"] = model.get_compile_config()
        optimizer = model.optimizer
        if optimizer is not None and optimizer.built:
            store: dict[str, Any] = {}
            optimizer.save_own_variables(store)
            arrays |= {f"optimizer/{k}": np.asarray(v) for k, v in store.items()}
    return info, arrays


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Load a model that was saved by `save`.

    Args:
        filepath: the file; ends with ".pyneuro".
        custom_objects: name -> class or function, for what is not registered.
        compile: whether to compile the model as it was, with the optimizer's state.
        safe_mode: accepted for Keras's signature; a file can never bring code.

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no file.
        FileFormatError: the file is truncated, tampered with, or no model.
        UnknownNameError: the model has a class or function that is not known here.
    """
    path = _check_suffix("load_model", filepath, (".pyneuro",))
    arrays, metadata = read_file(path)
    info = _unpack(path, metadata)
    if info.get("kind") != "model" or not isinstance(info.get("config"), dict):
        raise FileFormatError(f"{path} holds weights only, no model; use load_weights")
    try:
        with custom_object_scope(custom_objects or {}):
            return rebuild_model(info, arrays, compile)
    except Exception as error:  # whatever a tampered config brings about
        if type(error).__module__.startswith("pyneuro"):
            error.add_note(f"while loading {path}")
            raise
        raise FileFormatError(
            f"{path} does not describe a model: {type(error).__name__}: {error}"
        ) from error


def rebuild_model(
    info: dict[str, Any],
    arrays: dict[str, np.ndarray],
    compile: bool = True,
    custom_objects: dict[str, Any] | None = None,
) -> Any:
    """Make a model of what `describe_model` gave.

    Args:
        info: the description.
        arrays: the arrays by name.
        compile: whether to compile it as it was.
        custom_objects: name -> class or function.

    Returns:
        The model.

    Raises:
        FileFormatError: the description is no model's, or does not fit the arrays.
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return rebuild_model(info, arrays, compile)
    weights = _under("weights", arrays)
    # A config may ask for any size; it gets no more memory than the file has weights for.
    with weight_budget(sum(array.size for array in weights.values())):
        model = deserialize_keras_object(info["config"])
    if not hasattr(model, "compile_from_config"):
        raise FileFormatError(f"the config is that of a {type(model).__name__}, no model")
    load_state(named_weights(model), weights)
    load_state(named_states(model), _under("random", arrays))
    config = info.get("compile_config")
    if compile and config is not None:
        model.compile_from_config(config)
        store = _under("optimizer", arrays)
        if store and model.optimizer is not None:
            model.optimizer.build(model.trainable_variables)
            model.optimizer.load_own_variables(store)
    return model


# -- weights --------------------------------------------------------------------------------------


def save_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    max_shard_size: None = None,
) -> None:
    """Save the weights of a model.

    Args:
        model: the model.
        filepath: where to; ends with ".pyneuro" or ".safetensors".
        overwrite: whether a file that is there may be replaced.
        max_shard_size: only `None`: there is always one file.

    Raises:
        ArgumentError: another suffix.
        FileExistsError: there is a file, and `overwrite` is `False`.
    """
    if max_shard_size is not None:
        raise ArgumentError("save_weights: weights are one file; leave max_shard_size out")
    path = _check_suffix("save_weights", filepath, (".pyneuro", ".safetensors"))
    arrays = _arrays("weights", named_weights(model))
    if path.endswith(".safetensors"):  # for other programs: plain names
        arrays = _under("weights", arrays)
    write_file(path, arrays, _pack({"kind": "weights"}), overwrite)


def load_weights(model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
    """Set the weights of a model from a file of `save_weights` or `save`.

    Args:
        model: the model.
        filepath: the file.
        skip_mismatch: leave weights alone that are missing or of another shape in the file.

    Raises:
        FileNotFoundError: there is no file.
        FileFormatError: the file is truncated or tampered with.
        ArgumentError: weights are missing; nothing is changed.
        ShapeError: a weight of another shape; nothing is changed.
    """
    path = _check_suffix("load_weights", filepath, (".pyneuro", ".safetensors"))
    arrays, metadata = read_file(path)
    _unpack(path, metadata)
    if path.endswith(".pyneuro"):
        arrays = _under("weights", arrays)
    try:
        load_state(
            named_weights(model), arrays, strict=not skip_mismatch, skip_mismatch=skip_mismatch
        )
    except ValueError as error:
        error.add_note(f"while loading {path} into {model.name!r}")
        raise
