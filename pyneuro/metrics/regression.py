"""Metrics between numbers."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..losses.base import convert_pair
from ..losses.regression import (
    cosine_similarity,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from ..registry import built_in
from ..tensor import Tensor
from .base import Mean, MeanMetricWrapper

__all__ = [
    "CosineSimilarity",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
]


@built_in("metric")
class MeanSquaredError(MeanMetricWrapper):
    """The mean of squared errors.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_error, name, dtype)


@built_in("metric")
class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of absolute errors.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_error, name, dtype)


@built_in("metric")
class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of absolute errors relative to the targets, in percent.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(
        self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None
    ) -> None:
        super().__init__(mean_absolute_percentage_error, name, dtype)


@built_in("metric")
class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of squared differences of `log(y + 1)`.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(
        self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, name, dtype)


@built_in("metric")
class LogCoshError(MeanMetricWrapper):
    """The mean of `log(cosh(error))`.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(log_cosh, name, dtype)


@built_in("metric")
class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angle between targets and predictions.

    Args:
        name: a name.
        dtype: as in `Metric`.
        axis: the axis the vectors run along.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "cosine_similarity",
        dtype: Any = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            cosine_similarity,
            name,
            dtype,
            axis=axis,
        )


@built_in("metric", "root_mean_squared_error")
class RootMeanSquaredError(Mean):
    """The square root of the mean of squared errors.

    Args:
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> import numpy as np
        >>> metric = RootMeanSquaredError()
        >>> metric.update_state(np.array([0.0, 0.0]), np.array([3.0, 3.0]))
        >>> metric.result().item()
        3.0
    """

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take a batch in.

        Args:
            y_true: targets.
            y_pred: predictions of the same shape.
            sample_weight: weights of the samples.
        """
        y_true, y_pred = convert_pair("root_mean_squared_error", y_true, y_pred)
        super().update_state(ops.square(y_pred - y_true), sample_weight=sample_weight)

    def result(self) -> Tensor:
        """The root of the mean so far, a scalar."""
        return ops.sqrt(super().result())
