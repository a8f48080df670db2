"""Accuracies: the share of predictions that are right."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import ShapeError
from ..losses.base import convert_pair, is_integer, squeeze_or_expand_to_same_rank
from ..registry import built_in
from ..tensor import Tensor, convert
from .base import MeanMetricWrapper

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else convert(value)


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Where targets and predictions are equal.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        1 where equal, 0 elsewhere.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> accuracy([1, 2], [1, 3]).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = squeeze_or_expand_to_same_rank(_tensor(y_true), _tensor(y_pred))
    if y_true.shape != y_pred.shape:
        raise ShapeError(
            f"accuracy: y_true has the shape {tuple(y_true.shape)} and y_pred "
            f"{tuple(y_pred.shape)}; they must be equal"
        )
    return ops.cast(ops.equal(y_true, y_pred), "float32")


@built_in("metric")
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """Where predictions are on the targets' side of a threshold.

    Args:
        y_true: targets, 0 or 1.
        y_pred: probabilities of the same shape.
        threshold: predictions above it count as 1.

    Returns:
        1 where right, 0 elsewhere.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> binary_accuracy(np.array([[1.0], [0.0]]), np.array([[0.9], [0.8]])).tolist()
        [[1.0], [0.0]]
    """
    y_true, y_pred = convert_pair("binary_accuracy", y_true, y_pred)
    return ops.cast(ops.equal(y_true, ops.cast(y_pred > threshold, y_pred.dtype)), "float32")


def _same_class(true: Tensor, predicted: Tensor) -> Tensor:
    return ops.cast(ops.equal(true, ops.cast(predicted, true.dtype)), "float32")


@built_in("metric")
def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Where the largest prediction is at the largest target.

    Args:
        y_true: one-hot or soft targets.
        y_pred: probabilities or logits of the same shape.

    Returns:
        1 where right, 0 elsewhere; without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> categorical_accuracy(np.array([[0, 1]]), np.array([[0.1, 0.9]])).tolist()
        [1.0]
    """
    y_true, y_pred = convert_pair("categorical_accuracy", y_true, y_pred)
    return _same_class(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))


def _class_targets(metric: str, y_true: Any, y_pred: Tensor) -> Tensor:
    true = _tensor(y_true)
    if not is_integer(true):
        true = ops.cast(true, "int32")
    wanted = tuple(y_pred.shape[:-1])
    if tuple(true.shape) == (*wanted, 1):
        return ops.squeeze(true, axis=-1)
    if tuple(true.shape) != wanted:
        raise ShapeError(
            f"{metric}: y_true has the shape {tuple(true.shape)}, but {wanted} was expected for "
            f"y_pred of shape {tuple(y_pred.shape)}: one class number for each prediction"
        )
    return true


@built_in("metric")
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Where the largest prediction is at the target's class number.

    Args:
        y_true: class numbers; the shape of `y_pred` without the last axis.
        y_pred: probabilities or logits.

    Returns:
        1 where right, 0 elsewhere; without the last axis.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> sparse_categorical_accuracy(np.array([1]), np.array([[0.1, 0.9]])).tolist()
        [1.0]
    """
    pred = _tensor(y_pred)
    true = _class_targets("sparse_categorical_accuracy", y_true, pred)
    return _same_class(true, ops.argmax(pred, axis=-1))


@built_in("metric")
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Where the largest target is among the `k` largest predictions.

    Args:
        y_true: one-hot or soft targets.
        y_pred: probabilities or logits of the same shape.
        k: how many predictions count.

    Returns:
        1 where right, 0 elsewhere; without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("top_k_categorical_accuracy", y_true, y_pred)
    return _among_largest(ops.argmax(y_true, axis=-1), y_pred, k)


@built_in("metric")
def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """Where the target's class number is among those of the `k` largest predictions.

    Args:
        y_true: class numbers; the shape of `y_pred` without the last axis.
        y_pred: probabilities or logits; or class numbers, best first.
        k: how many predictions count.
        from_sorted_ids: whether `y_pred` are class numbers, best first.

    Returns:
        1 where right, 0 elsewhere; without the last axis.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> y_pred = np.array([[0.1, 0.7, 0.2]])
        >>> sparse_top_k_categorical_accuracy(np.array([2]), y_pred, k=2).tolist()
        [1.0]
    """
    pred = _tensor(y_pred)
    true = _class_targets("sparse_top_k_categorical_accuracy", y_true, pred)
    if not from_sorted_ids:
        return _among_largest(true, pred, k)
    found = ops.equal(ops.cast(pred[..., :k], true.dtype), ops.expand_dims(true, -1))
    return ops.cast(ops.any(found, axis=-1), "float32")


def _among_largest(target: Tensor, y_pred: Tensor, k: int) -> Tensor:
    """Whether fewer than k predictions are larger than the target's."""
    at_target = ops.cast(ops.one_hot(target, y_pred.shape[-1]), "bool")
    lowest = float("-inf")
    own = ops.max(ops.where(at_target, y_pred, lowest), axis=-1, keepdims=True)
    larger = ops.sum(ops.cast(y_pred > own, "int32"), axis=-1)
    return ops.cast(ops.logical_and(larger < k, own[..., 0] > lowest), "float32")


@built_in("metric", "accuracy")
class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets.

    Args:
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> metric = Accuracy()
        >>> metric.update_state([1, 2], [1, 3])
        >>> metric.result().item()
        0.5
    """

    _direction = "up"

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self._policy.name}


@built_in("metric")
class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions are on the targets' side of a threshold.

    Args:
        name: a name.
        dtype: as in `Metric`.
        threshold: predictions above it count as 1.

    Example:
        >>> import numpy as np
        >>> metric = BinaryAccuracy()
        >>> metric.update_state(np.array([1.0, 0.0]), np.array([0.9, 0.8]))
        >>> metric.result().item()
        0.5
    """

    _direction = "up"

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


@built_in("metric")
class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is at the largest target.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "up"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


@built_in("metric")
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is at the target's class number.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "up"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


@built_in("metric")
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest target is among the `k` largest predictions.

    Args:
        k: how many predictions count.
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


@built_in("metric")
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the target's class number is among those of the `k` largest predictions.

    Args:
        k: how many predictions count.
        name: a name.
        dtype: as in `Metric`.
        from_sorted_ids: whether predictions are class numbers, best first.
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k = k
