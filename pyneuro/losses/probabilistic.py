"""Losses between probabilities: cross-entropies, Kullback-Leibler divergence, Poisson."""

from __future__ import annotations

from typing import Any, cast

from .. import config, ops
from ..errors import ArgumentError, DTypeError, ShapeError
from ..masks import set_mask
from ..registry import built_in
from ..tensor import Tensor, convert
from .base import LossFunctionWrapper, convert_pair, is_integer

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "kl_divergence",
    "poisson",
    "sparse_categorical_crossentropy",
]


def _check_smoothing(loss: str, label_smoothing: float) -> None:
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"{loss}: label_smoothing must be in [0, 1], got {label_smoothing!r}")


@built_in("metric", module="pyneuro.losses")
@built_in("loss", "bce", "BCE")
def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`mean(-y log(p) - (1 - y) log(1 - p))` over an axis, for two classes.

    Args:
        y_true: targets in [0, 1].
        y_pred: probabilities, or logits, of the same shape.
        from_logits: whether `y_pred` are logits, to which a sigmoid is still to be applied.
        label_smoothing: pulls targets towards 0.5 by this share.
        axis: the axis to average over.

    Returns:
        A tensor without the axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> binary_crossentropy(np.array([[1.0]]), np.array([[0.5]])).numpy().round(4).tolist()
        [0.6931]
    """
    _check_smoothing("binary_crossentropy", label_smoothing)
    y_true, y_pred = convert_pair("binary_crossentropy", y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


@built_in("metric", module="pyneuro.losses")
@built_in("loss", "cce", "CCE")
def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`-sum(y log(p))` along the axis of classes, for one-hot or soft targets.

    Args:
        y_true: targets, a probability for each class.
        y_pred: probabilities, or logits, of the same shape.
        from_logits: whether `y_pred` are logits, to which a softmax is still to be applied.
        label_smoothing: spreads this share of each target evenly over the classes.
        axis: the axis of classes.

    Returns:
        A tensor without the axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> loss = categorical_crossentropy(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
        >>> loss.numpy().round(4).tolist()
        [0.6931]
    """
    _check_smoothing("categorical_crossentropy", label_smoothing)
    y_true, y_pred = convert_pair("categorical_crossentropy", y_true, y_pred)
    if label_smoothing:
        classes = y_pred.shape[axis]
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Tensor:
    """`-log(p[y])` along the axis of classes, for targets that are class numbers.

    Args:
        y_true: class numbers; the shape of `y_pred` without the axis of classes.
        y_pred: probabilities, or logits.
        from_logits: whether `y_pred` are logits, to which a softmax is still to be applied.
        ignore_class: a class number whose entries do not count, such as -1.
        axis: the axis of classes.

    Returns:
        A tensor without the axis.

    Raises:
        ShapeError: the shapes do not fit.
        IndexOutOfRangeError: a class number that is none.

    Example:
        >>> import numpy as np
        >>> loss = sparse_categorical_crossentropy(np.array([1]), np.array([[0.5, 0.5]]))
        >>> loss.numpy().round(4).tolist()
        [0.6931]
    """
    name = "sparse_categorical_crossentropy"
    pred = y_pred if isinstance(y_pred, Tensor) else convert(y_pred)
    if "float" not in pred.dtype:
        pred = ops.cast(pred, config.floatx())
    true = _class_numbers(name, y_true, pred, axis)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(true, pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(true, ignore_class)
    known: Any = ops.where(valid, true, 0)
    values = ops.sparse_categorical_crossentropy(known, pred, from_logits=from_logits, axis=axis)
    counted = cast("Tensor", ops.where(valid, values, 0.0))
    set_mask(counted, valid)
    return counted


def _class_numbers(loss: str, y_true: Any, y_pred: Tensor, axis: int) -> Tensor:
    """Targets as integers of the predictions' shape without the axis of classes."""
    true = y_true if isinstance(y_true, Tensor) else convert(y_true)
    if not is_integer(true):
        if "float" not in true.dtype:
            raise DTypeError(f"{loss}: y_true must be class numbers, got {true.dtype}")
        true = ops.cast(true, "int32")
    position = axis % len(y_pred.shape)
    wanted = tuple(y_pred.shape[:position]) + tuple(y_pred.shape[position + 1 :])
    shape = tuple(true.shape)
    if shape == (*wanted, 1):
        return ops.squeeze(true, axis=-1)
    if shape != wanted:
        message = (
            f"{loss}: y_true has the shape {shape}, but {wanted} was expected for y_pred of shape "
            f"{tuple(y_pred.shape)}: one class number for each prediction"
        )
        if shape == tuple(y_pred.shape):
            message += "; for one-hot targets use categorical_crossentropy"
        raise ShapeError(message)
    return true


@built_in("metric", "kld", "KLD", module="pyneuro.losses")
@built_in("loss", "kld", "KLD")
def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """`sum(y log(y / p))` over the last axis.

    Args:
        y_true: targets, probabilities.
        y_pred: probabilities of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("kl_divergence", y_true, y_pred)
    y_true = ops.minimum(ops.maximum(y_true, config.epsilon()), 1.0)
    y_pred = ops.minimum(ops.maximum(y_pred, config.epsilon()), 1.0)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(p - y log(p))` over the last axis.

    Args:
        y_true: targets, counts.
        y_pred: predicted rates of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("poisson", y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


@built_in("loss")
class BinaryCrossentropy(LossFunctionWrapper):
    """Cross-entropy for two classes.

    Args:
        from_logits: whether predictions are logits, to which a sigmoid is still to be applied.
        label_smoothing: pulls targets towards 0.5 by this share.
        axis: the axis to average over.
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> loss = BinaryCrossentropy(from_logits=True)
        >>> round(loss(np.array([[1.0]]), np.array([[0.0]])).item(), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing("BinaryCrossentropy", label_smoothing)
        super().__init__(binary_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         label_smoothing=label_smoothing, axis=axis)  # fmt: skip


@built_in("loss")
class CategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for several classes, with one-hot or soft targets.

    Args:
        from_logits: whether predictions are logits, to which a softmax is still to be applied.
        label_smoothing: spreads this share of each target evenly over the classes.
        axis: the axis of classes.
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> loss = CategoricalCrossentropy(from_logits=True)
        >>> round(loss(np.array([[0.0, 1.0]]), np.zeros((1, 2))).item(), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing("CategoricalCrossentropy", label_smoothing)
        super().__init__(categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         label_smoothing=label_smoothing, axis=axis)  # fmt: skip


@built_in("loss")
class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for several classes, with class numbers as targets.

    Args:
        from_logits: whether predictions are logits, to which a softmax is still to be applied.
        ignore_class: a class number whose entries do not count, such as -1.
        reduction: as in `Loss`.
        axis: the axis of classes.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> loss = SparseCategoricalCrossentropy(from_logits=True)
        >>> round(loss(np.array([1]), np.zeros((1, 2))).item(), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype,
                         from_logits=from_logits, ignore_class=ignore_class, axis=axis)  # fmt: skip

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A value for each sample."""
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def _convert_true(self, value: Any) -> Any:
        """Class numbers stay whole numbers."""
        return value if isinstance(value, Tensor) else convert(value)


@built_in("loss")
class KLDivergence(LossFunctionWrapper):
    """The Kullback-Leibler divergence `sum(y log(y / p))`.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


@built_in("loss")
class Poisson(LossFunctionWrapper):
    """The Poisson loss `mean(p - y log(p))`.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)
