"""Backups of a training that is under way: all that decides how it goes on, in one file.

Weights, random states, optimizers, metrics, and the plain values that callbacks keep. What the
model is made of is not in it: the program that goes on with the training makes it again.
"""

from __future__ import annotations

import json
import os
import random as python_random
from typing import Any

import numpy as np

from .. import random
from ..errors import ArgumentError, FileFormatError
from ..variable import assign_all
from .archive import _arrays, _pack, _under, _unpack
from .weights import load_state, named_states, named_weights, write_file
from .weights import read_file as read_arrays

__all__ = ["read_position", "restore_backup", "write_backup"]


def _optimizers(model: Any) -> dict[str, Any]:
    """The optimizers in a model's attributes by name; the compiled one is `optimizer`."""
    found = {k: v for k, v in vars(model).items() if hasattr(v, "save_own_variables")
             and hasattr(v, "apply_gradients")}  # fmt: skip
    once: dict[int, str] = {}
    for name, optimizer in sorted(found.items(), key=lambda item: item[0] != "optimizer"):
        once.setdefault(id(optimizer), name)
    return {name: found[name] for name in sorted(once.values())}


def _metric_variables(model: Any) -> list[Any]:
    return [variable for metric in model.metrics for variable in metric.variables]


def _named_callbacks(callbacks: list[Any]) -> dict[str, Any]:
    """The callbacks that keep something, by class and number, as others may come and go."""
    found: dict[str, Any] = {}
    for callback in callbacks:
        if getattr(callback, "kept", ()):
            name = type(callback).__name__
            found[f"{name}/{sum(key.startswith(f'{name}/') for key in found)}"] = callback
    return found


def write_backup(
    model: Any, path: str | os.PathLike[str], position: dict[str, Any], callbacks: list[Any]
) -> None:
    """Write all that decides how a training goes on; whole, or not at all.

    Args:
        model: the model.
        path: the file; ends with ".pyneuro".
        position: where the training is, as plain values.
        callbacks: the callbacks of the training, whose `kept` attributes go along.
    """
    arrays = _arrays("weights", named_weights(model)) | _arrays("random", named_states(model))
    for name, optimizer in _optimizers(model).items():
        if optimizer.built:
            store: dict[str, Any] = {}
            optimizer.save_own_variables(store)
            arrays |= {f"optimizer/{name}/{k}": np.asarray(v) for k, v in store.items()}
    for i, variable in enumerate(_metric_variables(model)):
        arrays[f"metrics/{i}"] = np.asarray(variable.numpy())
    numpy_state: Any = np.random.get_state()
    kind, keys, *rest = numpy_state
    arrays["numpy/keys"] = np.asarray(keys)
    if (generator := random.present_global_seed_generator()) is not None:
        arrays["global/seed"] = np.asarray(generator.state.numpy())
    kept: dict[str, dict[str, Any]] = {}
    for key, callback in _named_callbacks(callbacks).items():
        plain = kept[key] = {}
        for name in getattr(callback, "kept", ()):
            value = getattr(callback, name)
            if isinstance(value, list) and any(isinstance(v, np.ndarray) for v in value):
                arrays |= {f"callbacks/{key}/{name}/{k}": v for k, v in enumerate(value)}
            else:
                plain[name] = value
    info = {
        "kind": "backup",
        "position": position,
        "python_random": python_random.getstate(),
        "numpy_random": [kind, *rest],
        "callbacks": json.dumps(kept, default=float),
    }
    write_file(path, arrays, _pack(info))


def _read(path: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, metadata = read_arrays(path)
    info = _unpack(path, metadata)
    if info.get("kind") != "backup" or not isinstance(info.get("position"), dict):
        raise FileFormatError(f"{path} is no backup of a training")
    return arrays, info


def read_position(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Where the training of a backup was.

    Args:
        path: the file.

    Returns:
        What `write_backup` was given as position.

    Raises:
        FileFormatError: the file is broken, or no backup.
    """
    position: dict[str, Any] = _read(os.fspath(path))[1]["position"]
    return position


def restore_backup(model: Any, path: str | os.PathLike[str], callbacks: list[Any]) -> None:
    """Put everything back as `write_backup` found it.

    Args:
        model: the model, built; its metrics too.
        path: the file.
        callbacks: the callbacks of the training.

    Raises:
        FileFormatError: the file is broken, or no backup.
        ArgumentError: the model, an optimizer or the metrics are others than those of the backup.
    """
    name = os.fspath(path)
    arrays, info = _read(name)
    try:
        load_state(named_weights(model), _under("weights", arrays))
        load_state(named_states(model), _under("random", arrays))
        for attribute, optimizer in _optimizers(model).items():
            _restore_optimizer(model, attribute, optimizer, arrays)
        _restore_metrics(model, arrays)
    except ValueError as error:
        error.add_note(f"while restoring the training in {name}; remove it to begin anew")
        raise
    try:
        _restore_random(arrays, info)
        _restore_callbacks(arrays, json.loads(info["callbacks"]), callbacks)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{name} is no whole backup of a training: {error}") from error


def _restore_optimizer(
    model: Any, attribute: str, optimizer: Any, arrays: dict[str, np.ndarray]
) -> None:
    store = _under(f"optimizer/{attribute}", arrays)
    if not store:
        return
    if not optimizer.built:
        if attribute != "optimizer":
            raise ArgumentError(
                f"the optimizer {attribute!r} is not built, so that its state has no place; call "
                f"{attribute}.build(variables) before fit()"
            )
        optimizer.build(model.trainable_variables)
    optimizer.load_own_variables(store)


def _restore_metrics(model: Any, arrays: dict[str, np.ndarray]) -> None:
    variables, store = _metric_variables(model), _under("metrics", arrays)
    if len(store) != len(variables):
        raise ArgumentError(
            f"the backup has {len(store)} values of metrics, but the model has {len(variables)}"
        )
    assign_all(variables, [store[str(i)] for i in range(len(variables))])


def _restore_random(arrays: dict[str, np.ndarray], info: dict[str, Any]) -> None:
    kind, position, has_gauss, gauss = info["numpy_random"]
    np.random.set_state((kind, arrays["numpy/keys"], position, has_gauss, gauss))
    version, internal, gauss_next = info["python_random"]
    python_random.setstate((version, tuple(internal), gauss_next))
    if "global/seed" in arrays:
        random.global_seed_generator().state.assign(arrays["global/seed"])


def _restore_callbacks(
    arrays: dict[str, np.ndarray], kept: dict[str, Any], callbacks: list[Any]
) -> None:
    for key, callback in _named_callbacks(callbacks).items():
        for name in callback.kept:
            if name in kept.get(key, {}):
                setattr(callback, name, kept[key][name])
            elif found := _under(f"callbacks/{key}/{name}", arrays):
                setattr(callback, name, [np.array(found[str(k)]) for k in range(len(found))])
