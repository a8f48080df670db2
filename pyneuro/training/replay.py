"""Replay: the steps of `fit`, `evaluate` and `predict`, recorded and then replayed natively.

The bits are the same. Here is decided whether a step can be replayed, and when what was recorded no
longer holds: when a layer's attribute, the set of trained weights or the optimizer's settings
change, or random numbers are seeded anew.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..capture import Captured
from ..optimizers.schedules import LearningRateSchedule
from ..variable import Variable, structure_version
from .step import Results

__all__ = ["Replay"]

Step = Callable[[Any, Any], Any]

_MOST_CHANGES = 3
_MOST_RECORDINGS = 64


class Replay:
    """The default training, evaluation or prediction step of one model.

    The first step runs in Python, as layers and optimizer may make their state in it; the next two
    are recorded, and from then on steps with batches of the same shapes are replayed.

    Args:
        model: the model; not kept alive.
        step: `train_step`, `test_step` or `predict_step` of step.py.
        recipe: what `compile` chose; prediction heeds none of it.
    """

    def __init__(self, model: Any, step: Step, recipe: Any = None) -> None:
        self._model = weakref.ref(model)
        self._step = step
        self._optimizer = None if recipe is None else recipe.optimizer
        self._captured: Captured[Any, Any] | None = None
        self._structure: object = None
        self._settings: tuple[Any, ...] = ()
        self._changes = 0
        # Why steps are not replayed, where that is known for all of them.
        self._refusal: str | None = None
        if recipe is not None and recipe.on_nonfinite != "ignore":
            self._refusal = "on_nonfinite looks at the loss in each step"

    @property
    def reasons(self) -> list[str]:
        """Why steps, or those with some batch shapes, run in Python; empty where none do."""
        if getattr(self._model(), "run_eagerly", False):
            return ["the model has run_eagerly=True"]
        if self._refusal is not None:
            return [self._refusal]
        return [] if self._captured is None else self._captured.reasons

    @property
    def plans(self) -> int:
        """The number of batch shapes whose steps are replayed."""
        return 0 if self._captured is None else len(self._captured.plans)

    def __call__(self, model: Any, data: Any) -> Any:
        """Make a step, replayed where it can be.

        Args:
            model: the model.
            data: `(x, y, sample_weight)`, a batch of arrays.

        Returns:
            The results so far, by name; the outputs of a prediction.
        """
        if (
            getattr(model, "run_eagerly", False)
            or self._refusal is not None
            or not _are_numbers(data)
        ):
            return self._step(model, data)
        settings = _settings(self._optimizer)
        if settings is None:
            self._refusal = "the learning rate is a Python function"
            return self._step(model, data)
        known = structure_version() is self._structure and settings == self._settings
        if self._captured is None or not known:
            return self._begin(model, data)
        logs = self._captured(data)
        if structure_version() is not self._structure:
            self._count_change()
        if self._captured.replays < self._captured.recordings > _MOST_RECORDINGS:
            self._refusal = "batches come in too many shapes"
        return model.get_metrics_result() if logs is None else logs

    def _begin(self, model: Any, data: Any) -> Any:
        """A first step in Python, after which recording can begin."""
        logs = self._step(model, data)
        reference, step = self._model, self._step

        def recorded(batch: Any) -> Any:
            results = step(reference(), batch)
            # What metrics hold is read when it is looked at; only results of one's own come out.
            return None if isinstance(results, Results) else results

        self._captured = Captured(recorded, strict=False)
        self._structure = structure_version()
        self._settings = _settings(self._optimizer) or ()
        return logs

    def _count_change(self) -> None:
        """A step itself changed a layer: where that goes on, replaying would lose the change."""
        self._changes += 1
        if self._changes == _MOST_CHANGES:
            self._refusal = "a layer's attribute is set in each step"


def _settings(optimizer: Any) -> tuple[Any, ...] | None:
    """What an optimizer's update depends on beside its state; `None` for what cannot be seen."""
    if optimizer is None:
        return ()
    rate = optimizer._learning_rate
    if not isinstance(rate, (Variable, LearningRateSchedule)):
        return None
    plain = (v for v in vars(optimizer).values() if v is None or type(v) in (bool, int, float))
    return (id(rate), *plain)


def _are_numbers(data: Any) -> bool:
    return all(
        leaf is None or not isinstance(leaf, np.ndarray) or leaf.dtype.kind not in "OSUM"
        for leaf in tree.flatten(data)
    )
