"""Metrics between probabilities, and margins."""

from __future__ import annotations

from typing import Any

from ..losses.hinge import categorical_hinge, hinge, squared_hinge
from ..losses.probabilistic import (
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from ..registry import built_in
from .base import MeanMetricWrapper

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]


@built_in("metric")
class BinaryCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy for two classes.

    Args:
        name: a name.
        dtype: as in `Metric`.
        from_logits: whether predictions are logits.
        label_smoothing: pulls targets towards an even share by this much.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


@built_in("metric")
class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy for one-hot or soft targets.

    Args:
        name: a name.
        dtype: as in `Metric`.
        from_logits: whether predictions are logits.
        label_smoothing: pulls targets towards an even share by this much.
        axis: the axis of classes.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@built_in("metric")
class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy for targets that are class numbers.

    Args:
        name: a name.
        dtype: as in `Metric`.
        from_logits: whether predictions are logits.
        ignore_class: a class number whose entries do not count.
        axis: the axis of classes.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


@built_in("metric")
class KLDivergence(MeanMetricWrapper):
    """The mean Kullback-Leibler divergence.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(kl_divergence, name, dtype)


@built_in("metric")
class Poisson(MeanMetricWrapper):
    """The mean Poisson loss.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(poisson, name, dtype)


@built_in("metric")
class Hinge(MeanMetricWrapper):
    """The mean hinge loss.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(hinge, name, dtype)


@built_in("metric")
class SquaredHinge(MeanMetricWrapper):
    """The mean squared hinge loss.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(squared_hinge, name, dtype)


@built_in("metric")
class CategoricalHinge(MeanMetricWrapper):
    """The mean categorical hinge loss.

    Args:
        name: a name.
        dtype: as in `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(categorical_hinge, name, dtype)
