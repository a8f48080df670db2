"""F scores: precision and recall of classes as one number."""

from __future__ import annotations

from typing import Any

from .. import config, ops
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from ..tensor import Tensor, convert
from .base import STATE_DTYPE, Metric
from .confusion import weights_of

__all__ = ["F1Score", "FBetaScore"]


@built_in("metric")
class FBetaScore(Metric):
    """`(1 + beta^2) * precision * recall / (beta^2 * precision + recall)` of each class.

    Args:
        average: `None` for a result for each class, "micro" to count all classes together, "macro"
            for the mean over classes, "weighted" for the mean weighted by the targets.
        beta: how much more recall counts than precision.
        threshold: a prediction above it is positive; `None`: the largest of each sample is.
        name: a name.
        dtype: as in `Metric`.

    Raises:
        ArgumentError: another word, or a number out of range.
        ShapeError: on update, inputs that are not (N, classes).

    Example:
        >>> import numpy as np
        >>> metric = FBetaScore(beta=2.0, threshold=0.5)
        >>> metric.update_state(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.9, 0.1]] * 2))
        >>> metric.result().numpy().round(3).tolist()
        [1.0, 0.0]
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        kind = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ArgumentError(
                f"{kind}: average must be None, 'micro', 'macro' or 'weighted', got {average!r}"
            )
        if beta <= 0:
            raise ArgumentError(f"{kind}: beta must be > 0, got {beta!r}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ArgumentError(f"{kind}: threshold must be in (0, 1], got {threshold!r}")
        self.average, self.beta, self.threshold = average, beta, threshold
        self._counts: list[Any] = []  # true positives, predicted positives, targets

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: targets (N, classes), 0 or 1.
            y_pred: predictions (N, classes).
            sample_weight: weights (N,) of the samples.
        """
        weight = weights_of(y_pred, sample_weight)
        true = ops.cast(convert(y_true), STATE_DTYPE)
        pred = ops.cast(convert(y_pred), STATE_DTYPE)
        if len(pred.shape) != 2 or true.shape != pred.shape:
            raise ShapeError(
                f"{self.name}: expected targets and predictions (N, classes), got {true.shape} and "
                f"{pred.shape}"
            )
        if self.threshold is None:
            is_largest = pred >= ops.max(pred, axis=-1, keepdims=True)
            positive = ops.logical_and(is_largest, ops.abs(pred) > 1e-9)
        else:
            positive = pred > self.threshold
        chosen = ops.cast(positive, STATE_DTYPE)
        if not self._counts:
            shape = () if self.average == "micro" else (pred.shape[1],)
            names = ("true_positives", "predicted", "targets")
            self._counts = [
                self.add_variable(shape, "zeros", dtype=STATE_DTYPE, name=n) for n in names
            ]
        if weight is not None:
            weight = ops.reshape(weight, (-1, 1))
        axis = None if self.average == "micro" else 0
        for variable, value in zip(self._counts, (chosen * true, chosen, true), strict=True):
            counted = value if weight is None else value * weight
            variable.assign(variable + ops.sum(counted, axis=axis))

    def result(self) -> Tensor:
        """The score so far: a scalar, or one for each class."""
        if not self._counts:
            return ops.zeros((), dtype=self.dtype)
        small = config.epsilon()
        hits, predicted, targets = (variable.value for variable in self._counts)
        precision, recall = hits / (predicted + small), hits / (targets + small)
        square = self.beta**2
        score = (1 + square) * precision * recall / (square * precision + recall + small)
        if self.average == "weighted":
            score = ops.sum(score * (targets / (ops.sum(targets) + small)))
        elif self.average is not None:
            score = ops.mean(score)
        result: Tensor = ops.cast(score, self.dtype)
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


@built_in("metric")
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall of each class.

    Args:
        average: as in `FBetaScore`.
        threshold: as in `FBetaScore`.
        name: a name.
        dtype: as in `Metric`.

    Raises:
        ArgumentError: another word, or a number out of range.

    Example:
        >>> import numpy as np
        >>> metric = F1Score(average="macro")
        >>> metric.update_state(np.eye(2), np.array([[0.9, 0.1], [0.2, 0.8]]))
        >>> round(metric.result().item(), 3)
        1.0
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["beta"]
        return config
