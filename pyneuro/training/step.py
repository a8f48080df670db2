"""One step of training, evaluation or prediction.

A training step is forward, backward and checks, which write no state, and then one commit that
writes all of it: weights, optimizer slots, batch statistics, metrics, random counters. An
exception or interrupt before the commit leaves everything as it was.
"""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from .. import ops, tree
from ..autograd import grad, no_grad
from ..data import unpack_x_y_sample_weight
from ..errors import ArgumentError
from ..variable import StateScope

__all__ = ["Results", "predict_step", "read", "test_step", "train_step", "uninterrupted"]


class Results(Mapping[str, Any]):
    """The results of metrics by name, read from them when first looked at.

    Args:
        metrics: gives the metrics; a result that is a dict stands for its entries.

    Example:
        >>> from pyneuro.metrics import Mean
        >>> metric = Mean(name="loss")
        >>> metric.update_state([2.0])
        >>> dict(Results(lambda: [metric]))
        {'loss': 2.0}
    """

    __slots__ = ("_metrics", "_values")

    def __init__(self, metrics: Callable[[], list[Any]]) -> None:
        self._metrics: Callable[[], list[Any]] | None = metrics
        self._values: dict[str, float] = {}

    def _read(self) -> dict[str, float]:
        if self._metrics is not None:
            self._values = read({m.name: m.result() for m in self._metrics()})
            self._metrics = None
        return self._values

    def __getitem__(self, name: str) -> float:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


def read(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Results as Python numbers, sorted by name as Keras shows them; nested dicts become flat.

    Args:
        logs: tensors, numbers or dicts of them, by name.

    Returns:
        A new dict.
    """
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        if isinstance(value, Mapping):
            flat.update(read(value))
        else:
            flat[name] = _number(value)
    return dict(sorted(flat.items()))


def _number(value: Any) -> Any:
    if isinstance(value, (int, float, str)) or value is None:
        return value
    return value.item() if getattr(value, "size", 1) == 1 and hasattr(value, "item") else value


class uninterrupted:  # noqa: N801 - used like a function
    """Holds back Ctrl-C while state is written; it takes effect right after.

    Example:
        >>> with uninterrupted():
        ...     pass
    """

    __slots__ = ("_came", "_handler")

    def __enter__(self) -> None:
        self._came: tuple[int, FrameType | None] | None = None
        self._handler: Callable[[int, FrameType | None], Any] | None = None
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._hold)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self._came = (number, frame)

    def __exit__(self, *_: object) -> None:
        handler = self._handler
        if handler is None:
            return
        signal.signal(signal.SIGINT, handler)
        self._handler = None  # the bound method above refers to self: leave no cycle
        if self._came is not None:
            handler(*self._came)


def _batch_size(x: Any) -> float:
    for leaf in tree.flatten(x):
        shape = getattr(leaf, "shape", None)
        if shape:
            return float(shape[0])
    return 1.0


def train_step(model: Any, data: Any) -> Any:
    """Make one update from one batch: what `Model.train_step` does unless it is overridden.

    Args:
        model: a compiled model.
        data: `x`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        The results so far, by name.

    Raises:
        FloatingPointError: the loss or a gradient is not finite, if compiled to raise; nothing was
            written.
    """
    recipe = model.recipe
    x, y, sample_weight = unpack_x_y_sample_weight(data)
    with StateScope() as scope:
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, sample_weight, True)
        size = _batch_size(x)
        recipe.loss_tracker.add_sum(loss.detach() * size, size)
        optimizer = recipe.optimizer
        variables = model.trainable_variables
        gradients = (
            grad(optimizer.scale_loss(loss), variables, allow_unused=True) if variables else []
        )
        with no_grad():
            logs = model.compute_metrics(x, y, y_pred, sample_weight)
            if recipe.on_nonfinite != "ignore" and not _is_finite(
                recipe, loss, [] if optimizer.skips_nonfinite else gradients, variables
            ):
                return logs
        with uninterrupted():
            if variables:
                optimizer.apply(gradients, variables)
            scope.commit()
    return logs


def _is_finite(recipe: Any, loss: Any, gradients: list[Any], variables: list[Any]) -> bool:
    """Whether loss and gradients are finite; raises or warns as compiled."""
    broken = [] if bool(ops.isfinite(loss)) else [f"the loss is {loss.item()}"]
    if not broken:
        broken = [
            f"the gradient of {variable.path!r} is not finite"
            for gradient, variable in zip(gradients, variables, strict=False)
            if gradient is not None and not bool(ops.all(ops.isfinite(gradient)))
        ]
    if not broken:
        return True
    message = f"{broken[0]}; the step was not made and all state is as before it"
    if recipe.on_nonfinite == "raise":
        raise FloatingPointError(message)
    warnings.warn(message, RuntimeWarning, stacklevel=3)
    return False


def test_step(model: Any, data: Any) -> Any:
    """Evaluate one batch: what `Model.test_step` does unless it is overridden.

    Args:
        model: a compiled model.
        data: `x`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        The results so far, by name.
    """
    recipe = model.recipe
    x, y, sample_weight = unpack_x_y_sample_weight(data)
    with no_grad(), StateScope() as scope:
        y_pred = model(x, training=False)
        loss = model.compute_loss(x, y, y_pred, sample_weight, False)
        size = _batch_size(x)
        recipe.loss_tracker.add_sum(loss * size, size)
        logs = model.compute_metrics(x, y, y_pred, sample_weight)
        with uninterrupted():
            scope.commit()
    return logs


def predict_step(model: Any, data: Any) -> Any:
    """Predict one batch: what `Model.predict_step` does unless it is overridden.

    Args:
        model: a model.
        data: `x`, or `(x, y)` of which only `x` is used.

    Returns:
        The outputs.
    """
    x, _, _ = unpack_x_y_sample_weight(data)
    with no_grad():
        return model(x, training=False)


def check_compiled(model: Any, what: str) -> Any:
    """The model's recipe.

    Args:
        model: a model.
        what: the method that needs it, for the message.

    Returns:
        A `Recipe`.

    Raises:
        ArgumentError: `compile` was not called.
    """
    recipe = model.recipe
    if recipe is None:
        raise ArgumentError(f"{what}: call compile() first, to choose optimizer, loss and metrics")
    return recipe
