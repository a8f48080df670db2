"""What compile() chose: optimizer, loss and metrics, brought together with the outputs.

Which output a loss belongs to is known only when there are outputs; until then the user's words
are kept.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from .. import losses as losses_module
from .. import metrics as metrics_module
from .. import ops, tree
from ..errors import ArgumentError
from ..losses.base import Loss, LossFunctionWrapper
from ..metrics.base import Mean, MeanMetricWrapper, Metric
from ..tensor import Tensor
from .outputs import Outputs

__all__ = ["CompileLoss", "CompileMetrics", "Recipe"]


def _kind_of_targets(y_true: Any, y_pred: Any) -> str:
    """What targets and predictions are by their shapes: binary, sparse or categorical."""
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    if len(pred) < 2 or pred[-1] == 1:
        return "binary"
    if len(true) < len(pred) or true[-1] == 1:
        return "sparse"
    return "categorical"


def _own_name(thing: Any) -> str:
    name = getattr(thing, "name", None) or getattr(thing, "__name__", None)
    return str(name or type(thing).__name__)


def _make_loss(identifier: Any, y_true: Any, y_pred: Any) -> Loss | None:
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        by_kind = {
            "binary": losses_module.BinaryCrossentropy,
            "sparse": losses_module.SparseCategoricalCrossentropy,
            "categorical": losses_module.CategoricalCrossentropy,
        }
        return cast("Loss", by_kind[_kind_of_targets(y_true, y_pred)]())
    loss = losses_module.get(identifier)
    if isinstance(loss, Loss):
        return loss
    if loss is losses_module.sparse_categorical_crossentropy:
        return losses_module.SparseCategoricalCrossentropy()
    return LossFunctionWrapper(loss, name=_own_name(loss))


_ACCURACIES = {
    "binary": metrics_module.BinaryAccuracy,
    "sparse": metrics_module.SparseCategoricalAccuracy,
    "categorical": metrics_module.CategoricalAccuracy,
}
_CROSSENTROPIES = {
    "binary": metrics_module.BinaryCrossentropy,
    "sparse": metrics_module.SparseCategoricalCrossentropy,
    "categorical": metrics_module.CategoricalCrossentropy,
}


def _make_metric(identifier: Any, y_true: Any, y_pred: Any) -> Metric:
    word = identifier.lower() if isinstance(identifier, str) else None
    metric: Any
    if word in ("accuracy", "acc"):
        metric = _ACCURACIES[_kind_of_targets(y_true, y_pred)](name=identifier)
    elif word in ("crossentropy", "ce"):
        metric = _CROSSENTROPIES[_kind_of_targets(y_true, y_pred)](name=identifier)
    else:
        metric = metrics_module.get(identifier)
        if not isinstance(metric, Metric):
            is_loss = getattr(metric, "__module__", "").startswith("pyneuro.losses")
            metric = MeanMetricWrapper(metric, name=_own_name(metric))
            if is_loss and "similarity" not in metric.name:
                metric._direction = "down"
        if isinstance(identifier, str):
            metric.name = identifier
    return metric  # type: ignore[no-any-return]


class CompileLoss(Loss):
    """The weighted sum of the losses of all outputs.

    Args:
        loss: a loss for all outputs, a list, or a dict by output names; `None` for none.
        loss_weights: a number for each loss, in a list or dict.
        output_names: the names of the outputs, where the model knows them.
    """

    def __init__(self, loss: Any, loss_weights: Any, output_names: list[str] | None = None) -> None:
        super().__init__(name="compile_loss", reduction="sum_over_batch_size")
        self._given, self._given_weights, self._output_names = loss, loss_weights, output_names
        self._losses: list[Loss | None] = []
        self._weights: list[float | None] = []
        self._outputs: Outputs | None = None
        self.metrics: list[Mean] = []

    def _build(self, y_true: Any, y_pred: Any) -> Outputs:
        outputs = Outputs(y_pred, self._output_names)
        trues = outputs.spread("y", y_true, shared=False)
        identifiers = outputs.spread("loss", self._given)
        flat = tree.flatten(y_pred)
        self._losses = [
            _make_loss(i, t, p) for i, t, p in zip(identifiers, trues, flat, strict=True)
        ]
        self._weights = outputs.spread("loss_weights", self._given_weights)
        used = [name for name, loss in zip(outputs.names, self._losses, strict=True) if loss]
        self.metrics = [Mean(name=f"{name}_loss") for name in used] if outputs.count > 1 else []
        self._outputs = outputs
        return outputs

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss, a scalar; takes each output's own loss into its metric."""
        outputs = self._outputs
        if outputs is None:
            outputs = self._build(y_true, y_pred)
        if outputs.single:  # the usual case, without detours
            (loss,), (weight,) = self._losses, self._weights
            if loss is None:
                return None
            true = tree.flatten(y_true)[0] if tree.is_nested(y_true) else y_true
            pred = tree.flatten(y_pred)[0] if outputs.nested else y_pred
            if tree.is_nested(sample_weight):
                sample_weight = tree.flatten(sample_weight)[0]
            value = loss(true, pred, sample_weight)
            return value if weight is None else value * float(weight)
        return self._sum(outputs, y_true, y_pred, sample_weight)

    def _sum(self, outputs: Outputs, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        trues = outputs.spread("y", y_true, shared=False)
        preds = tree.flatten(y_pred)
        sample_weights = outputs.spread("sample_weight", sample_weight)
        total, metrics = None, iter(self.metrics)
        for loss, weight, true, pred, sample in zip(
            self._losses, self._weights, trues, preds, sample_weights, strict=True
        ):
            if loss is None:
                continue
            if true is None:
                raise ArgumentError(
                    f"y has no targets for the output {outputs.names[trues.index(true)]!r}, which "
                    "has a loss"
                )
            value = loss(true, pred, sample)
            size = float(pred.shape[0]) if pred.shape else 1.0
            next(metrics).add_sum(value.detach() * size, size)
            value = value if weight is None else value * float(weight)
            total = value if total is None else total + value
        return total

    def get_config(self) -> dict[str, Any]:
        """Never written down: the user's words are."""
        raise ArgumentError("the compiled loss is made again from what compile() was given")


class CompileMetrics(Metric):
    """The metrics of all outputs, as one metric whose result is a dict.

    Args:
        metrics: metrics for the output, a list for each output, or a dict by output names.
        weighted_metrics: the same, for metrics that heed sample weights.
        output_names: the names of the outputs, where the model knows them.
    """

    def __init__(
        self, metrics: Any, weighted_metrics: Any, output_names: list[str] | None = None
    ) -> None:
        super().__init__(name="compile_metrics")
        self._given, self._given_weighted = metrics, weighted_metrics
        self._output_names = output_names
        self._outputs: Outputs | None = None
        self._plain: list[list[Metric]] = []
        self._weighted: list[list[Metric]] = []
        self._names: list[tuple[str, Metric]] = []

    @property
    def metrics(self) -> list[Metric]:
        """All metrics, in the order of outputs."""
        return [metric for _, metric in self._names]

    @property
    def variables(self) -> list[Any]:
        """The variables of all metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    def _build(self, y_true: Any, y_pred: Any) -> Outputs:
        outputs = Outputs(y_pred, self._output_names)
        trues = outputs.spread("y", y_true, shared=False)
        preds = tree.flatten(y_pred)
        for what, given, kept in (
            ("metrics", self._given, self._plain),
            ("weighted_metrics", self._given_weighted, self._weighted),
        ):
            for identifiers, true, pred in zip(
                outputs.spread_lists(what, given), trues, preds, strict=True
            ):
                kept.append([_make_metric(i, true, pred) for i in identifiers if i is not None])
        self._names = list(self._unique_names(outputs))
        self._outputs = outputs
        return outputs

    def _unique_names(self, outputs: Outputs) -> Any:
        """(name, metric) in order; a weighted metric that repeats a name says so."""
        taken: set[str] = set()
        for output, plain, weighted in zip(outputs.names, self._plain, self._weighted, strict=True):
            prefix = "" if outputs.single else f"{output}_"
            for i, metric in enumerate((*plain, *weighted)):
                name = base = f"{prefix}{metric.name}"
                if name in taken and i >= len(plain):
                    name = base = f"{prefix}weighted_{metric.name}"
                number = 0
                while name in taken:
                    number += 1
                    name = f"{base}_{number}"
                taken.add(name)
                yield name, metric

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into all metrics."""
        if self._given is None and self._given_weighted is None:
            return
        outputs = self._outputs
        if outputs is None:
            outputs = self._build(y_true, y_pred)
        trues = outputs.spread("y", y_true, shared=False)
        weights = outputs.spread("sample_weight", sample_weight)
        preds = tree.flatten(y_pred)
        for plain, weighted, true, pred, weight in zip(
            self._plain, self._weighted, trues, preds, weights, strict=True
        ):
            for metric in plain:
                metric.update_state(true, pred)
            for metric in weighted:
                metric.update_state(true, pred, sample_weight=weight)

    def result(self) -> dict[str, Any]:
        """The results by name."""
        return {name: metric.result() for name, metric in self._names}

    def reset_state(self) -> None:
        """Set all metrics back."""
        for metric in self.metrics:
            metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Never written down: the user's words are."""
        raise ArgumentError("the compiled metrics are made again from what compile() was given")


class Recipe:
    """What `compile` chose.

    Args:
        given: the arguments of `compile` as they came, to write them down again.
        optimizer: an `Optimizer`, or `None`.
        loss: as in `CompileLoss`.
        loss_weights: as in `CompileLoss`.
        metrics: as in `CompileMetrics`.
        weighted_metrics: as in `CompileMetrics`.
        steps_per_execution: batches between two batch events of callbacks.
        on_nonfinite: "ignore", "warn" or "raise" when loss or gradients are not finite.
        output_names: the names of the outputs, where the model knows them.
    """

    def __init__(
        self,
        given: dict[str, Any],
        *,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        metrics: Any,
        weighted_metrics: Any,
        steps_per_execution: int,
        on_nonfinite: str,
        output_names: list[str] | None,
    ) -> None:
        if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise ArgumentError(
                f"compile: steps_per_execution must be a number >= 1, got {steps_per_execution!r}"
            )
        if on_nonfinite not in ("ignore", "warn", "raise"):
            raise ArgumentError(
                f"compile: on_nonfinite must be 'ignore', 'warn' or 'raise', got {on_nonfinite!r}"
            )
        for name, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            _check_metrics(name, value)
        _check_loss(loss)
        _check_loss_weights(loss_weights)
        self.given, self.optimizer = given, optimizer
        self.steps_per_execution, self.on_nonfinite = steps_per_execution, on_nonfinite
        self.loss_tracker = Mean(name="loss")
        self.loss = None if loss is None else CompileLoss(loss, loss_weights, output_names)
        has_metrics = metrics is not None or weighted_metrics is not None
        self.metrics = (
            CompileMetrics(metrics, weighted_metrics, output_names) if has_metrics else None
        )

    def all_metrics(self) -> list[Metric]:
        """The loss, the compiled metrics as one, and the losses of outputs, in Keras's order."""
        found: list[Metric] = [self.loss_tracker]
        if self.metrics is not None:
            found.append(self.metrics)
        if self.loss is not None:
            found.extend(self.loss.metrics)
        return found


def _check_loss(loss: Any) -> None:
    """Have a misspelt loss raise in `compile`, not in the first batch."""
    for identifier in tree.flatten(loss):
        if isinstance(identifier, str) and identifier.lower() not in ("crossentropy", "ce"):
            losses_module.get(identifier)
        elif (
            identifier is not None and not callable(identifier) and not isinstance(identifier, str)
        ):
            raise ArgumentError(
                f"compile: loss must be a name, a function or a Loss, got {identifier!r}"
            )


def _check_loss_weights(loss_weights: Any) -> None:
    for weight in tree.flatten(loss_weights):
        if weight is not None and (isinstance(weight, str) or callable(weight)):
            raise ArgumentError(
                f"compile: loss_weights must hold numbers, got {loss_weights!r}; it is the third "
                "argument of compile(), so give metrics by name: metrics=[...]"
            )
        if weight is not None and not isinstance(weight, (int, float, np.number)):
            raise ArgumentError(f"compile: loss_weights must hold numbers, got {weight!r}")


def _check_metrics(argument: str, given: Any) -> None:
    words = ("accuracy", "acc", "crossentropy", "ce")
    for identifier in tree.flatten(given):
        if isinstance(identifier, str):
            if identifier.lower() not in words:
                metrics_module.get(identifier)
        elif identifier is not None and not callable(identifier):
            raise ArgumentError(
                f"compile: {argument} must hold names, functions or Metrics, got {identifier!r}"
            )


def total_loss(compiled: Any, added: list[Any]) -> Any:
    """The sum of the compiled loss and of what layers added.

    Args:
        compiled: a scalar tensor, or `None`.
        added: scalars.

    Returns:
        A scalar tensor.

    Raises:
        ArgumentError: there is no loss at all.
    """
    total = compiled
    for loss in added:
        loss = loss if isinstance(loss, Tensor) else ops.convert_to_tensor(loss)
        total = ops.cast(loss, "float32") if total is None else total + ops.cast(loss, total.dtype)
    if total is None:
        raise ArgumentError(
            "there is no loss to minimize: give compile() a loss=, or add_loss() in a layer"
        )
    return total
