"""Loops over epochs and batches: fit, evaluate, predict and their one-batch forms.

What happens in a step is in step.py, what was chosen in recipe.py; here is only who is called when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import config, tree
from ..callbacks.base import CallbackList
from ..callbacks.logging import ProgbarLogger, is_terminal
from ..data import Epochs, make_data, to_arrays, train_validation_split, unpack_x_y_sample_weight
from ..data import class_weights as weights_of_classes
from ..data import pack_x_y_sample_weight as pack
from ..errors import ArgumentError
from ..random import make_default_seed
from .progress import Progress
from .step import check_compiled, read

__all__ = ["evaluate", "fit", "predict", "predict_on_batch", "test_on_batch", "train_on_batch"]


def _verbosity(verbose: Any) -> int:
    """0, 1 or 2; "auto" is a bar where someone looks at it, and lines for files."""
    if verbose == "auto":
        return 1 if is_terminal() or config.is_notebook() else 2
    if verbose not in (0, 1, 2):
        raise ArgumentError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    return int(verbose)


def _callback_list(model: Any, callbacks: Any, verbose: int, history: bool, **params: Any) -> Any:
    if isinstance(callbacks, CallbackList):
        return callbacks
    given = [] if callbacks is None else callbacks
    given = given if isinstance(given, (list, tuple)) else [given]
    show = verbose > 0 and not any(isinstance(c, ProgbarLogger) for c in given)
    return CallbackList(
        given,
        add_history=history,
        model=model,
        extra=[ProgbarLogger()] if show else [],
        verbose=verbose,
        **params,
    )


def _limited(steps: int | None) -> int | None:
    """The steps of an epoch, at most as many as the settings allow."""
    most = config.max_steps_per_epoch()
    if most is None:
        return steps
    return most if steps is None else min(steps, most)


def _groups(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The batches in lists of `size`, which callbacks hear of together."""
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


# -- training -------------------------------------------------------------------------------------


def fit(
    model: Any,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: Any = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool | str = True,
    class_weight: Any = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: Any = 1,
) -> Any:
    """Train a model for some epochs; see `Model.fit`."""
    check_compiled(model, "fit")
    if x is None:
        raise ArgumentError("fit: x is missing")
    verbose = _verbosity(verbose)
    most = config.max_epochs()
    epochs = epochs if most is None else min(epochs, most)
    seed = make_default_seed() if shuffle else 0
    if validation_split and validation_data is None:
        floatx = config.floatx()
        whole = tuple(to_arrays(part, floatx) for part in (x, y, sample_weight))
        (x, y, sample_weight), validation_data = train_validation_split(whole, validation_split)
    data = make_data(
        x, y, sample_weight, batch_size, shuffle, seed, class_weight, floatx=config.floatx()
    )
    train = Epochs(data, _limited(steps_per_epoch))
    validation = _validation_epochs(
        validation_data, validation_batch_size or batch_size, validation_steps
    )
    callbacks = _callback_list(model, callbacks, verbose, True, epochs=epochs, steps=train.steps)
    model.stop_training = False
    progress = Progress(model, train, seed, initial_epoch)
    progress.callbacks, progress.validates = callbacks.callbacks, validation is not None
    model.__dict__["training_progress"] = progress
    callbacks.on_train_begin()
    progress.skip()
    logs: dict[str, Any] = {}
    for epoch in range(progress.epoch, epochs):
        start = progress.step if epoch == progress.epoch else 0
        if start == 0:
            model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        logs = _train_epoch(model, train, epoch, callbacks, start)
        if validation is not None and _is_validated(epoch, validation_freq):
            results = _test_epoch(model, validation, callbacks)
            logs = dict(sorted({**logs, **{f"val_{k}": v for k, v in results.items()}}.items()))
        callbacks.on_epoch_end(epoch, logs)
        if model.stop_training or train.ended:
            break
    if epochs > initial_epoch:
        finalize = getattr(model.recipe.optimizer, "finalize_variable_values", None)
        if finalize is not None:
            finalize(model.trainable_variables)
    callbacks.on_train_end(logs)
    del model.__dict__["training_progress"]
    return callbacks.history


def _train_epoch(
    model: Any, epochs: Epochs, epoch: int, callbacks: CallbackList, start: int
) -> dict[str, Any]:
    """The steps of an epoch from `start` on; its results."""
    size, train_step = model.recipe.steps_per_execution, model._train_step
    step, logs = start, model.get_metrics_result() if start else {}
    for group in _groups(epochs.batches(epoch, start), size):
        callbacks.on_train_batch_begin(step)
        for x, y, weight in group:
            logs = train_step(pack(x, y, weight))
        step += len(group)
        callbacks.on_train_batch_end(step - 1, logs)
        if model.stop_training:
            break
    if step == 0:
        raise ArgumentError("fit: the data had no batches")
    return read(logs)


def _validation_epochs(given: Any, batch_size: int | None, steps: int | None) -> Epochs | None:
    if given is None:
        return None
    if isinstance(given, (list, tuple)):
        x, y, weight = unpack_x_y_sample_weight(tuple(given))
    else:
        x, y, weight = given, None, None
    arrays = hasattr(x, "__array__") or hasattr(x, "to_numpy") or tree.is_nested(x)
    data = make_data(x, y, weight, batch_size if arrays else None, floatx=config.floatx())
    return Epochs(data, _limited(steps))


def _is_validated(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        if frequency < 1:
            raise ArgumentError(f"fit: validation_freq must be >= 1, got {frequency}")
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


# -- evaluation -----------------------------------------------------------------------------------


def evaluate(
    model: Any,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    verbose: Any = "auto",
    sample_weight: Any = None,
    steps: int | None = None,
    callbacks: Any = None,
    return_dict: bool = False,
) -> Any:
    """Compute loss and metrics of data; see `Model.evaluate`."""
    check_compiled(model, "evaluate")
    if x is None:
        raise ArgumentError("evaluate: x is missing")
    verbose = _verbosity(verbose)
    data = make_data(x, y, sample_weight, batch_size, floatx=config.floatx())
    epochs = Epochs(data, _limited(steps))
    callbacks = _callback_list(model, callbacks, verbose, False, epochs=1, steps=epochs.steps)
    logs = _test_epoch(model, epochs, callbacks)
    return logs if return_dict else flatten_results(model, logs)


def _test_epoch(model: Any, epochs: Epochs, callbacks: CallbackList) -> dict[str, Any]:
    size = model.recipe.steps_per_execution
    model.stop_evaluating = False
    callbacks.on_test_begin()
    model.reset_metrics()
    step, logs = 0, {}
    for group in _groups(epochs.batches(0), size):
        callbacks.on_test_batch_begin(step)
        for x, y, weight in group:
            logs = model._test_step(pack(x, y, weight))
        step += len(group)
        callbacks.on_test_batch_end(step - 1, logs)
        if model.stop_evaluating:
            break
    if step == 0:
        raise ArgumentError("evaluate: the data had no batches")
    results = read(logs)
    callbacks.on_test_end(results)
    return results


def flatten_results(model: Any, logs: dict[str, Any]) -> Any:
    """Results as `evaluate` returns them: the loss alone, or a list in the order of the metrics.

    Args:
        model: the model, for the order.
        logs: numbers by name.

    Returns:
        A number, or a list of numbers.
    """
    order: list[str] = []
    for metric in model.metrics:
        parts = getattr(metric, "metrics", None)
        order.extend(part.name for part in parts) if parts is not None else order.append(
            metric.name
        )
    first = [name for name in dict.fromkeys(order) if name in logs]
    values = [logs[name] for name in first]
    values += [value for name, value in sorted(logs.items()) if name not in first]
    return values[0] if len(values) == 1 else values


# -- prediction -----------------------------------------------------------------------------------


def predict(
    model: Any,
    x: Any,
    batch_size: int | None = None,
    verbose: Any = "auto",
    steps: int | None = None,
    callbacks: Any = None,
) -> Any:
    """Compute the outputs for data; see `Model.predict`."""
    verbose = _verbosity(verbose)
    epochs = Epochs(make_data(x, batch_size=batch_size, floatx=config.floatx()), _limited(steps))
    callbacks = _callback_list(model, callbacks, verbose, False, epochs=1, steps=epochs.steps)
    model.stop_predicting = False
    callbacks.on_predict_begin()
    parts: list[list[np.ndarray]] = []
    structure: Any = None
    for step, (inputs, y, weight) in enumerate(epochs.batches(0)):
        callbacks.on_predict_batch_begin(step)
        outputs = model._predict_step(pack(inputs, y, weight))
        arrays = [np.asarray(leaf) for leaf in tree.flatten(outputs)]
        parts.append(arrays)
        structure = outputs
        if callbacks.hears("on_predict_batch_end"):
            callbacks.on_predict_batch_end(
                step, {"outputs": tree.pack_sequence_as(outputs, arrays)}
            )
        if model.stop_predicting:
            break
    callbacks.on_predict_end()
    if not parts:
        raise ArgumentError("predict: the data had no batches")
    # One batch is copied as well: what is returned is the caller's, to write to as well.
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return tree.pack_sequence_as(structure, joined)


# -- one batch ------------------------------------------------------------------------------------


def train_on_batch(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    return_dict: bool = False,
) -> Any:
    """Make one update; see `Model.train_on_batch`."""
    check_compiled(model, "train_on_batch")
    x, y, sample_weight = (to_arrays(part, config.floatx()) for part in (x, y, sample_weight))
    if class_weight is not None:
        if sample_weight is not None:
            raise ArgumentError("train_on_batch: class_weight and sample_weight exclude each other")
        sample_weight = weights_of_classes(y, class_weight)
    model.reset_metrics()
    logs = read(model._train_step(pack(x, y, sample_weight)))
    return logs if return_dict else flatten_results(model, logs)


def test_on_batch(
    model: Any,
    x: Any,
    y: Any = None,  # noqa: PT028 - this is no test
    sample_weight: Any = None,  # noqa: PT028
    return_dict: bool = False,  # noqa: PT028
) -> Any:
    """Evaluate one batch; see `Model.test_on_batch`."""
    check_compiled(model, "test_on_batch")
    x, y, sample_weight = (to_arrays(part, config.floatx()) for part in (x, y, sample_weight))
    model.reset_metrics()
    logs = read(model._test_step(pack(x, y, sample_weight)))
    return logs if return_dict else flatten_results(model, logs)


def predict_on_batch(model: Any, x: Any) -> Any:
    """Predict one batch; see `Model.predict_on_batch`."""
    outputs = model._predict_step((to_arrays(x, config.floatx()),))
    return tree.map_structure(lambda leaf: np.array(leaf), outputs)
