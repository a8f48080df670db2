"""Losses that ask for a margin."""

from __future__ import annotations

from typing import Any, cast

from .. import ops
from ..registry import built_in
from ..tensor import Tensor
from .base import LossFunctionWrapper, convert_pair

__all__ = [
    "CategoricalHinge",
    "Hinge",
    "SquaredHinge",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
]


def _signs(y_true: Tensor) -> Tensor:
    """Targets as -1 and 1, where they are given as 0 and 1."""
    is_zero, is_one = ops.equal(y_true, 0.0), ops.equal(y_true, 1.0)
    is_binary = ops.all(ops.logical_or(is_zero, is_one))
    return cast("Tensor", ops.where(is_binary, y_true * 2.0 - 1.0, y_true))


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(max(1 - y p, 0))` over the last axis.

    Args:
        y_true: targets, -1 or 1; if all are 0 or 1, 0 stands for -1.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> hinge(np.array([[1.0, -1.0]]), np.array([[0.5, -2.0]])).tolist()
        [0.25]
    """
    y_true, y_pred = convert_pair("hinge", y_true, y_pred)
    return ops.mean(ops.relu(1.0 - _signs(y_true) * y_pred), axis=-1)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(max(1 - y p, 0)**2)` over the last axis.

    Args:
        y_true: targets, -1 or 1; if all are 0 or 1, 0 stands for -1.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("squared_hinge", y_true, y_pred)
    return ops.mean(ops.square(ops.relu(1.0 - _signs(y_true) * y_pred)), axis=-1)


@built_in("metric", module="pyneuro.losses")
@built_in("loss")
def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`max(1 + max((1 - y) p) - sum(y p), 0)` over the last axis, for one-hot targets.

    Args:
        y_true: targets, 0 or 1.
        y_pred: predictions of the same shape.

    Returns:
        A tensor without the last axis.

    Raises:
        ShapeError: the shapes differ.
    """
    y_true, y_pred = convert_pair("categorical_hinge", y_true, y_pred)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.relu(wrong - right + 1.0)


@built_in("loss")
class Hinge(LossFunctionWrapper):
    """The mean of `max(1 - y p, 0)`.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


@built_in("loss")
class SquaredHinge(LossFunctionWrapper):
    """The mean of `max(1 - y p, 0)**2`.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


@built_in("loss")
class CategoricalHinge(LossFunctionWrapper):
    """The margin between the right class and the best wrong one.

    Args:
        reduction: as in `Loss`.
        name: a name.
        dtype: as in `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
