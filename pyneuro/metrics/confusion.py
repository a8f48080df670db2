"""Metrics of two classes by counts of true and false positives: precision, recall, AUC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..masks import get_mask
from ..registry import built_in
from ..tensor import Tensor, convert
from .base import STATE_DTYPE, Metric

__all__ = [
    "AUC",
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "Recall",
    "TrueNegatives",
    "TruePositives",
]

_KINDS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def check_thresholds(metric: str, thresholds: Any, default: float = 0.5) -> list[float]:
    """Thresholds as a list, each in [0, 1], or ArgumentError."""
    given = default if thresholds is None else thresholds
    found = [float(t) for t in (given if isinstance(given, (list, tuple)) else [given])]
    if not found or any(not 0.0 <= t <= 1.0 for t in found):
        raise ArgumentError(f"{metric}: thresholds must be in [0, 1], got {thresholds!r}")
    return found


def weights_of(y_pred: Any, sample_weight: Any) -> Any:
    """Weights as given, zero where the predictions are masked; `None` where all count."""
    mask = get_mask(y_pred)
    weight = None if sample_weight is None else ops.cast(convert(sample_weight), STATE_DTYPE)
    if mask is None:
        return weight
    counted = ops.cast(mask, STATE_DTYPE)
    if weight is None:
        return counted
    while len(weight.shape) < len(counted.shape):
        weight = ops.expand_dims(weight, -1)
    return weight * counted


class Confusion(Metric):
    """Base that counts predictions above and below thresholds, by what is true.

    Args:
        kinds: which counts to keep.
        thresholds: a prediction above one is positive.
        top_k: count only the largest `k` predictions of a sample as positive, instead.
        class_id: look at this entry of the last axis alone.
        labels: how many labels to count apart; `None` to count all together.
        name: a name.
        dtype: as in `Metric`.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        thresholds: list[float],
        top_k: int | None,
        class_id: int | None,
        labels: int | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.top_k, self.class_id, self._labels = top_k, class_id, labels
        self._levels = np.asarray(thresholds, "float64")
        self._kinds = tuple(kinds)
        self._counts: dict[str, Any] = {}
        if labels is None:
            self._make_counts(())

    def _make_counts(self, trailing: tuple[int, ...]) -> None:
        shape = (len(self._levels), *trailing)
        self._counts = {
            kind: self.add_variable(shape, "zeros", dtype=STATE_DTYPE, name=kind)
            for kind in self._kinds
        }

    def count(self, y_true: Any, y_pred: Any, sample_weight: Any, apart: bool = False) -> None:
        """Count a batch.

        Args:
            y_true: targets, zero or not.
            y_pred: predictions of the same shape.
            sample_weight: weights of the first axes.
            apart: count the entries of the last axis apart.
        """
        weight = weights_of(y_pred, sample_weight)
        true = ops.not_equal(convert(y_true), 0)
        pred = ops.cast(convert(y_pred), STATE_DTYPE)
        if true.shape != pred.shape:
            if true.size != pred.size:
                raise ShapeError(
                    f"{self.name}: the targets have the shape {true.shape}, but the predictions "
                    f"{pred.shape}"
                )
            true = ops.reshape(true, pred.shape)
        if self.top_k is not None:
            pred = _keep_largest(pred, self.top_k)
        if weight is not None:
            while len(weight.shape) < len(pred.shape):
                weight = ops.expand_dims(weight, -1)
            weight = ops.broadcast_to(weight, pred.shape)
        if self.class_id is not None:
            chosen = slice(self.class_id, self.class_id + 1)
            true, pred = true[..., chosen], pred[..., chosen]
            weight = None if weight is None else weight[..., chosen]
        width = (pred.shape[-1],) if apart else ()
        if not self._counts:
            self._make_counts(width)
        flat = (-1, 1, *width) if pred.size else (0, 1, *width)
        true, pred = ops.reshape(true, flat), ops.reshape(pred, flat)
        weight = None if weight is None else ops.reshape(weight, flat)
        levels = self._levels.reshape(1, -1, *(1,) * len(width))
        self._add(true, ops.greater(pred, levels), weight)

    def _add(self, true: Any, positive: Any, weight: Any) -> None:
        by_kind = {
            "true_positives": (true, positive),
            "false_positives": (ops.logical_not(true), positive),
            "true_negatives": (ops.logical_not(true), ops.logical_not(positive)),
            "false_negatives": (true, ops.logical_not(positive)),
        }
        for kind, variable in self._counts.items():
            hits = ops.cast(ops.logical_and(*by_kind[kind]), STATE_DTYPE)
            hits = hits if weight is None else hits * weight
            variable.assign(variable + ops.sum(hits, axis=0))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: targets, 0 or 1.
            y_pred: predictions in [0, 1], of the same shape.
            sample_weight: weights of the samples.
        """
        self.count(y_true, y_pred, sample_weight)

    def as_result(self, values: Any) -> Tensor:
        """One number for one threshold, else one for each, in the metric's dtype."""
        values = values[0] if len(self._levels) == 1 else values
        result: Tensor = ops.cast(values, self.dtype)
        return result


def _keep_largest(pred: Any, k: int) -> Any:
    """Predictions with all but the `k` largest of the last axis set below every threshold."""
    larger = ops.greater(ops.expand_dims(pred, -2), ops.expand_dims(pred, -1))
    rank = ops.sum(ops.cast(larger, "int32"), axis=-1)
    return ops.where(rank < k, pred, -1.0)


class _Count(Confusion):
    """One of the four counts."""

    _kind: str

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        levels = check_thresholds(type(self).__name__, thresholds)
        super().__init__([self._kind], levels, None, None, None, name, dtype)
        self.thresholds = thresholds

    def result(self) -> Tensor:
        """The count so far, one for each threshold."""
        return self.as_result(self._counts[self._kind].value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "thresholds": self.thresholds}


@built_in("metric")
class TruePositives(_Count):
    """The number of targets 1 that are predicted above a threshold.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list of them for a result for each.
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> import numpy as np
        >>> metric = TruePositives()
        >>> metric.update_state(np.array([0, 1, 1, 1]), np.array([1, 0, 1, 1]))
        >>> metric.result().item()
        2.0
    """

    _kind = "true_positives"


@built_in("metric")
class FalsePositives(_Count):
    """The number of targets 0 that are predicted above a threshold.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list of them for a result for each.
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> import numpy as np
        >>> metric = FalsePositives()
        >>> metric.update_state(np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1]))
        >>> metric.result().item()
        2.0
    """

    _kind = "false_positives"


@built_in("metric")
class TrueNegatives(_Count):
    """The number of targets 0 that are not predicted above a threshold.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list of them for a result for each.
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> import numpy as np
        >>> metric = TrueNegatives()
        >>> metric.update_state(np.array([0, 1, 0, 0]), np.array([1, 1, 0, 0]))
        >>> metric.result().item()
        2.0
    """

    _kind = "true_negatives"


@built_in("metric")
class FalseNegatives(_Count):
    """The number of targets 1 that are not predicted above a threshold.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list of them for a result for each.
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> import numpy as np
        >>> metric = FalseNegatives()
        >>> metric.update_state(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 0]))
        >>> metric.result().item()
        2.0
    """

    _kind = "false_negatives"


class _Share(Confusion):
    """True positives as a share of something; 0 where there is nothing."""

    _other: str
    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        # The largest predictions are positive however small they are.
        levels = check_thresholds(type(self).__name__, thresholds, 0.5 if top_k is None else 0.0)
        if top_k is not None and thresholds is None:
            levels = [-0.5]
        kinds = ["true_positives", self._other]
        super().__init__(kinds, levels, top_k, class_id, None, name, dtype)
        self.thresholds = thresholds

    def result(self) -> Tensor:
        """The share so far, one for each threshold."""
        hits, others = self._counts["true_positives"], self._counts[self._other]
        return self.as_result(ops.divide_no_nan(hits, hits + others))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "thresholds": self.thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


@built_in("metric")
class Precision(_Share):
    """The share of predicted positives that are true.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list of them for a result for each.
        top_k: take the `k` largest predictions of a sample as its positives.
        class_id: look at this entry of the last axis alone.
        name: a name.
        dtype: as in `Metric`.

    Raises:
        ArgumentError: a threshold outside of [0, 1].

    Example:
        >>> import numpy as np
        >>> metric = Precision()
        >>> metric.update_state(np.array([0, 1, 1, 1]), np.array([0.9, 0.1, 0.8, 0.2]))
        >>> metric.result().item()
        0.5
    """

    _other = "false_positives"


@built_in("metric")
class Recall(_Share):
    """The share of true positives that are predicted.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list of them for a result for each.
        top_k: take the `k` largest predictions of a sample as its positives.
        class_id: look at this entry of the last axis alone.
        name: a name.
        dtype: as in `Metric`.

    Raises:
        ArgumentError: a threshold outside of [0, 1].

    Example:
        >>> import numpy as np
        >>> metric = Recall()
        >>> metric.update_state(np.array([0, 1, 1, 0]), np.array([0.9, 0.1, 0.8, 0.2]))
        >>> metric.result().item()
        0.5
    """

    _other = "false_negatives"


@built_in("metric")
class AUC(Confusion):
    """The area under the ROC curve, or under that of precision over recall, by a Riemann sum.

    Args:
        num_thresholds: how many thresholds the curve is sampled at.
        curve: "ROC" (true positive rate over false positive rate) or "PR" (precision over recall).
        summation_method: "interpolation" (for "PR" after Davis & Goadrich 2006), "minoring" or
            "majoring".
        name: a name.
        dtype: as in `Metric`.
        thresholds: the thresholds between 0 and 1 instead of evenly spread ones.
        multi_label: find the area for each label, the entries of the last axis, and average.
        num_labels: how many labels; by default as the first batch has.
        label_weights: weights of the labels in the average.
        from_logits: whether predictions are logits, to which a sigmoid is still to be applied.

    Raises:
        ArgumentError: another curve or method, or fewer than two thresholds.

    Example:
        >>> import numpy as np
        >>> metric = AUC(num_thresholds=3)
        >>> metric.update_state(np.array([0, 0, 1, 1]), np.array([0, 0.5, 0.3, 0.9]))
        >>> metric.result().item()
        0.75
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        if curve not in ("ROC", "PR"):
            raise ArgumentError(f"AUC: curve must be 'ROC' or 'PR', got {curve!r}")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ArgumentError(
                "AUC: summation_method must be 'interpolation', 'minoring' or 'majoring', got "
                f"{summation_method!r}"
            )
        if thresholds is None:
            if num_thresholds < 2:
                raise ArgumentError(f"AUC: num_thresholds must be >= 2, got {num_thresholds!r}")
            inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        else:
            inner = check_thresholds("AUC", sorted(thresholds))
        # Just outside of [0, 1], so that the curve reaches both of its ends.
        levels = [-1e-7, *inner, 1.0 + 1e-7]
        labels = (num_labels or 0) if multi_label else None
        super().__init__(_KINDS, levels, None, None, labels, name, dtype)
        if multi_label and num_labels:
            self._make_counts((num_labels,))
        self.curve, self.summation_method, self.num_thresholds = (
            curve, summation_method, len(levels),
        )  # fmt: skip
        self.thresholds = None if thresholds is None else list(thresholds)
        self.multi_label, self.num_labels = multi_label, num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights)
        self.from_logits = from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: targets, 0 or 1.
            y_pred: predictions in [0, 1], or logits, of the same shape.
            sample_weight: weights of the samples.
        """
        weight = weights_of(y_pred, sample_weight)
        pred = ops.sigmoid(ops.cast(y_pred, STATE_DTYPE)) if self.from_logits else y_pred
        self.count(y_true, ops.stop_gradient(pred), weight, apart=self.multi_label)

    def result(self) -> Tensor:
        """The area so far, a scalar."""
        if not self._counts:
            return ops.zeros((), dtype=self.dtype)
        tp, fp, tn, fn = (self._counts[kind].value for kind in _KINDS)
        if self.curve == "PR" and self.summation_method == "interpolation":
            parts = _interpolated(tp, fp, fn)
        else:
            recall = ops.divide_no_nan(tp, tp + fn)
            if self.curve == "ROC":
                x, y = ops.divide_no_nan(fp, fp + tn), recall
            else:
                x, y = recall, ops.divide_no_nan(tp, tp + fp)
            combine = {
                "interpolation": lambda a, b: (a + b) / 2.0,
                "minoring": ops.minimum,
                "majoring": ops.maximum,
            }[self.summation_method]
            parts = (x[:-1] - x[1:]) * combine(y[:-1], y[1:])
        areas = ops.sum(parts, axis=0)
        if self.multi_label and self.label_weights is not None:
            weights = self.label_weights.astype(STATE_DTYPE)
            areas = ops.divide_no_nan(ops.sum(areas * weights), float(weights.sum()))
        elif self.multi_label:
            areas = ops.mean(areas)
        result: Tensor = ops.cast(areas, self.dtype)
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        weights = self.label_weights
        return {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "thresholds": self.thresholds,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else weights.tolist(),
            "from_logits": self.from_logits,
        }


def _interpolated(tp: Any, fp: Any, fn: Any) -> Any:
    """Areas between thresholds, true positives growing evenly with positives between two."""
    positives = tp + fp
    more_true, more = tp[:-1] - tp[1:], positives[:-1] - positives[1:]
    slope = ops.divide_no_nan(more_true, ops.maximum(more, 0.0))
    start = tp[1:] - slope * positives[1:]
    known = ops.logical_and(positives[:-1] > 0, positives[1:] > 0)
    ratio = ops.where(known, ops.divide_no_nan(positives[:-1], positives[1:]), 1.0)
    return ops.divide_no_nan(slope * (more_true + start * ops.log(ratio)), tp[1:] + fn[1:])
