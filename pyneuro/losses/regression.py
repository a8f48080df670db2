"""Losses between numbers: squared, absolute, relative and robust distances."""

from __future__ import annotations

import math
from typing import Any

from .. import config, ops
from ..registry import built_in
from ..tensor import Tensor
from .base import LossFunctionWrapper, convert_pair

__all__ = [
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "cosine_similarity",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
]


@built_in("metric", "mse", "MSE", module="pyneuro.losses")
@built_in("loss", "mse", "MSE")
def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean((y_true - y_pred)**2)` over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> mean_squared_error(np.zeros((1, 2)), np.array([[1.0, 3.0]])).tolist()
        [5.0]
    """
    y_true, y_pred = convert_pair("mean_squared_error", y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@built_in("metric", "mae", "MAE", module="pyneuro.losses")
@built_in("loss", "mae", "MAE")
def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(|y_true - y_pred|)` over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> mean_absolute_error(np.zeros((1, 2)), np.array([[1.0, -3.0]])).tolist()
        [2.0]
    """
    y_true, y_pred = convert_pair("mean_absolute_error", y_true, y_pred)
    return ops.mean(ops.absolute(y_true - y_pred), axis=-1)


@built_in("metric", "mape", "MAPE", module="pyneuro.losses")
@built_in("loss", "mape", "MAPE")
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """`100 * mean(|y_true - y_pred| / |y_true|)` over the last axis.

    Args:
        y_true: targets; zeros count as `epsilon()`.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> mean_absolute_percentage_error(np.array([[2.0]]), np.array([[3.0]])).tolist()
        [50.0]
    """
    y_true, y_pred = convert_pair("mean_absolute_percentage_error", y_true, y_pred)
    size = ops.maximum(ops.absolute(y_true), config.epsilon())
    result: Tensor = ops.mean(ops.absolute((y_true - y_pred) / size), axis=-1) * 100.0
    return result


@built_in("metric", "msle", "MSLE", module="pyneuro.losses")
@built_in("loss", "msle", "MSLE")
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean((log(y_true + 1) - log(y_pred + 1))**2)` over the last axis.

    Args:
        y_true: targets; below `epsilon()` they count as it.
        y_pred: predictions of the same shape; below `epsilon()` they count as it.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("mean_squared_logarithmic_error", y_true, y_pred)
    logs = [ops.log(ops.maximum(value, config.epsilon()) + 1.0) for value in (y_true, y_pred)]
    return ops.mean(ops.square(logs[0] - logs[1]), axis=-1)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Squared for small errors, linear for large ones, averaged over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.
        delta: the error from which it is linear.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> huber(np.zeros((1, 2)), np.array([[1.0, 3.0]])).tolist()
        [1.5]
    """
    y_true, y_pred = convert_pair("huber", y_true, y_pred)
    error = ops.absolute(y_true - y_pred)
    near = ops.square(error) * 0.5
    far = error * delta - 0.5 * delta * delta
    return ops.mean(ops.where(ops.less_equal(error, delta), near, far), axis=-1)


@built_in("metric", "logcosh", module="pyneuro.losses")
@built_in("loss", "logcosh")
def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("log_cosh", y_true, y_pred)
    error = y_pred - y_true
    # log(cosh(x)) = x + log(1 + exp(-2x)) - log(2), which never overflows
    return ops.mean(error + ops.softplus(error * -2.0) - math.log(2.0), axis=-1)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The cosine of the angle between targets and predictions: 1 for the same direction.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.
        axis: the axis the vectors run along.

    Returns:
        A tensor without that axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> cosine_similarity(np.array([[0.0, 2.0]]), np.array([[0.0, 5.0]])).tolist()
        [1.0]
    """
    y_true, y_pred = convert_pair("cosine_similarity", y_true, y_pred)
    unit = [
        value * ops.rsqrt(ops.maximum(ops.sum(ops.square(value), axis=axis, keepdims=True), 1e-12))
        for value in (y_true, y_pred)
    ]
    return ops.sum(unit[0] * unit[1], axis=axis)


@built_in("loss")
class MeanSquaredError(LossFunctionWrapper):
    """The mean of squared errors.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> MeanSquaredError()(np.zeros((2, 1)), np.ones((2, 1))).item()
        1.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


@built_in("loss")
class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of absolute errors.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> MeanAbsoluteError()(np.zeros((2, 1)), np.full((2, 1), -3.0)).item()
        3.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


@built_in("loss")
class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The mean of absolute errors relative to the targets, in percent.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


@built_in("loss")
class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The mean of squared differences of `log(y + 1)`.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


@built_in("loss")
class Huber(LossFunctionWrapper):
    """Squared for small errors, linear for large ones.

    Args:
        delta: the error from which it is linear.
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.

    Example:
        >>> import numpy as np
        >>> Huber()(np.zeros((2, 1)), np.full((2, 1), 3.0)).item()
        2.5
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(huber, reduction, name, dtype, delta=delta)


@built_in("loss")
class LogCosh(LossFunctionWrapper):
    """The mean of `log(cosh(error))`: squared for small errors, linear for large ones.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


def _negative_cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    result: Tensor = -cosine_similarity(y_true, y_pred, axis=axis)
    return result


@built_in("loss")
class CosineSimilarity(LossFunctionWrapper):
    """The negative cosine of the angle between targets and predictions: -1 for the same direction.

    Args:
        axis: the axis the vectors run along.
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(_negative_cosine_similarity, reduction, name, dtype, axis=axis)
