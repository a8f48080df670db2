"""Losses for unbalanced classes: focal cross-entropies; Dice and Tversky overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import config, ops
from ..registry import built_in
from ..tensor import Tensor
from .base import LossFunctionWrapper, convert_pair
from .probabilistic import _check_smoothing

__all__ = [
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "Dice",
    "Tversky",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
    "dice",
    "tversky",
]

Axes = int | Sequence[int] | None


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Binary cross-entropy times `(1 - p)^gamma`, `p` what the true class got (Lin et al. 2017).

    Args:
        y_true: targets in [0, 1].
        y_pred: probabilities, or logits, of the same shape.
        apply_class_balancing: weigh class 1 by `alpha` and class 0 by `1 - alpha`.
        alpha: the weight.
        gamma: how little easy samples count.
        from_logits: whether `y_pred` are logits.
        label_smoothing: pulls targets towards 0.5 by this share.
        axis: the axis to average over.

    Returns:
        A tensor without the axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> loss = binary_focal_crossentropy(np.array([[1.0]]), np.array([[0.5]]))
        >>> loss.numpy().round(4).tolist()
        [0.1733]
    """
    _check_smoothing("binary_focal_crossentropy", label_smoothing)
    y_true, y_pred = convert_pair("binary_focal_crossentropy", y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    entropy = ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    missed = 1.0 - (y_true * p + (1.0 - y_true) * (1.0 - p))
    values = entropy * ops.power(missed, gamma)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`-sum(alpha (1 - p)^gamma y log(p))` along the axis of classes (Lin et al. 2017).

    Args:
        y_true: targets, a probability for each class.
        y_pred: probabilities, or logits, of the same shape.
        alpha: a weight for all classes, or one for each.
        gamma: how little easy samples count.
        from_logits: whether `y_pred` are logits.
        label_smoothing: spreads this share of each target evenly over the classes.
        axis: the axis of classes.

    Returns:
        A tensor without the axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> loss = categorical_focal_crossentropy(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
        >>> loss.numpy().round(4).tolist()
        [0.0433]
    """
    _check_smoothing("categorical_focal_crossentropy", label_smoothing)
    y_true, y_pred = convert_pair("categorical_focal_crossentropy", y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[axis]
    p = ops.softmax(y_pred, axis=axis) if from_logits else y_pred
    p = p / ops.sum(p, axis=axis, keepdims=True)
    p = ops.clip(p, config.epsilon(), 1.0 - config.epsilon())
    weight = ops.power(1.0 - p, gamma) * ops.cast(alpha, p.dtype)
    result: Tensor = ops.sum(-(weight * y_true * ops.log(p)), axis=axis)
    return result


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def dice(y_true: Any, y_pred: Any, axis: Axes = None) -> Tensor:
    """`1 - 2 sum(y p) / (sum(y) + sum(p))`: how little targets and predictions overlap.

    Args:
        y_true: targets in [0, 1].
        y_pred: predictions of the same shape.
        axis: the axes to sum over; all by default.

    Returns:
        A tensor without the axes.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> round(dice(np.array([1.0, 0.0]), np.array([1.0, 1.0])).item(), 4)
        0.3333
    """
    y_true, y_pred = convert_pair("dice", y_true, y_pred)
    small = config.epsilon()
    both = ops.sum(y_true * y_pred, axis=axis)
    each = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    result: Tensor = 1.0 - (both * 2.0 + small) / (each + small)
    return result


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axes = None
) -> Tensor:
    """The Dice loss with weights for what is predicted wrongly and what is missed.

    It is `1 - s / (s + alpha * missed + beta * wrong)` (Salehi et al. 2017, with Keras's order of
    weights), `s` the sum of `y p`.

    Args:
        y_true: targets in [0, 1].
        y_pred: predictions of the same shape.
        alpha: the weight of targets that are not predicted.
        beta: the weight of predictions that are no targets.
        axis: the axes to sum over; all by default.

    Returns:
        A tensor without the axes.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> round(tversky(np.array([1.0, 0.0]), np.array([1.0, 1.0])).item(), 4)
        0.3333
    """
    y_true, y_pred = convert_pair("tversky", y_true, y_pred)
    small = config.epsilon()
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    wrong = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    result: Tensor = 1.0 - (both + small) / (both + missed * alpha + wrong * beta + small)
    return result


@built_in("loss")
class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for two classes in which easy samples count little.

    Args:
        apply_class_balancing: weigh class 1 by `alpha` and class 0 by `1 - alpha`.
        alpha: the weight.
        gamma: how little easy samples count.
        from_logits: whether predictions are logits.
        label_smoothing: pulls targets towards 0.5 by this share.
        axis: the axis to average over.
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> loss = BinaryFocalCrossentropy(from_logits=True)
        >>> round(loss(np.array([[1.0]]), np.array([[0.0]])).item(), 4)
        0.1733
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing("BinaryFocalCrossentropy", label_smoothing)
        super().__init__(binary_focal_crossentropy, reduction, name, dtype,
                         apply_class_balancing=apply_class_balancing, alpha=alpha, gamma=gamma,
                         from_logits=from_logits, label_smoothing=label_smoothing,
                         axis=axis)  # fmt: skip


@built_in("loss")
class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for several classes in which easy samples count little.

    Args:
        alpha: a weight for all classes, or one for each.
        gamma: how little easy samples count.
        from_logits: whether predictions are logits.
        label_smoothing: spreads this share of each target evenly over the classes.
        axis: the axis of classes.
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> loss = CategoricalFocalCrossentropy(from_logits=True)
        >>> round(loss(np.array([[0.0, 1.0]]), np.zeros((1, 2))).item(), 4)
        0.0433
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing("CategoricalFocalCrossentropy", label_smoothing)
        super().__init__(categorical_focal_crossentropy, reduction, name, dtype, alpha=alpha,
                         gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing,
                         axis=axis)  # fmt: skip


@built_in("loss")
class Dice(LossFunctionWrapper):
    """How little targets and predictions overlap, for segmentation.

    Args:
        reduction: as in `Loss`.
        name: a name.
        axis: the axes to sum over; all by default.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> round(Dice()(np.array([1.0, 0.0]), np.array([1.0, 1.0])).item(), 4)
        0.3333
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


@built_in("loss")
class Tversky(LossFunctionWrapper):
    """The Dice loss with weights for what is missed and what is predicted wrongly.

    Args:
        alpha: the weight of targets that are not predicted.
        beta: the weight of predictions that are no targets.
        reduction: as in `Loss`.
        name: a name.
        axis: the axes to sum over; all by default.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> round(Tversky()(np.array([1.0, 0.0]), np.array([1.0, 1.0])).item(), 4)
        0.3333
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
