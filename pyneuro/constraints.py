"""Constraints: functions that an optimizer applies to a weight after each update."""

from __future__ import annotations

from typing import Any

from . import config, ops
from .registry import built_in, deserialize_keras_object, resolve, serialize_keras_object
from .tensor import Tensor

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]


def _norm(w: Any, axis: int | tuple[int, ...]) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class Constraint:
    """Base class: a callable that gives the constrained value of a weight."""

    def __call__(self, w: Any) -> Any:
        """The constrained value of `w`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(w)")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Make one from `get_config()`'s result."""
        return cls(**config)


@built_in("constraint", "max_norm")
class MaxNorm(Constraint):
    """Scales vectors of a weight down to a largest length.

    Args:
        max_value: the largest length, 2 by default.
        axis: the axes a vector runs along; 0 for a `Dense` kernel (inputs, outputs).

    Example:
        >>> import numpy as np
        >>> MaxNorm(1.0)(np.array([[0.0], [4.0]], "float32")).numpy().round(3).tolist()
        [[0.0], [1.0]]
    """

    def __init__(self, max_value: float = 2, axis: int | tuple[int, ...] = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        """The constrained value of `w`."""
        norms = _norm(w, self.axis)
        desired = ops.minimum(norms, float(self.max_value))
        result: Tensor = w * (desired / (norms + config.epsilon()))
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"max_value": self.max_value, "axis": self.axis}


@built_in("constraint", "non_neg")
class NonNeg(Constraint):
    """Sets negative weights to zero.

    Example:
        >>> import numpy as np
        >>> NonNeg()(np.array([-1.0, 2.0], "float32")).tolist()
        [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Tensor:
        """The constrained value of `w`."""
        return ops.relu(w)


@built_in("constraint", "unit_norm")
class UnitNorm(Constraint):
    """Scales vectors of a weight to length one.

    Args:
        axis: the axes a vector runs along; 0 for a `Dense` kernel (inputs, outputs).

    Example:
        >>> import numpy as np
        >>> UnitNorm()(np.array([[3.0], [4.0]], "float32")).numpy().ravel().round(3)
        array([0.6, 0.8], dtype=float32)
    """

    def __init__(self, axis: int | tuple[int, ...] = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """The constrained value of `w`."""
        result: Tensor = w / (_norm(w, self.axis) + config.epsilon())
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"axis": self.axis}


@built_in("constraint", "min_max_norm")
class MinMaxNorm(Constraint):
    """Scales vectors of a weight towards lengths between two bounds.

    Args:
        min_value: the smallest length.
        max_value: the largest length.
        rate: 1 enforces the bounds at once; less moves towards them by this share at each step.
        axis: the axes a vector runs along; 0 for a `Dense` kernel (inputs, outputs).

    Example:
        >>> import numpy as np
        >>> MinMaxNorm()(np.array([[0.0], [4.0]], "float32")).numpy().round(3).tolist()
        [[0.0], [1.0]]
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | tuple[int, ...] = 0,
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        """The constrained value of `w`."""
        norms = _norm(w, self.axis)
        bounded = ops.maximum(ops.minimum(norms, float(self.max_value)), float(self.min_value))
        desired = bounded * self.rate + norms * (1.0 - self.rate)
        result: Tensor = w * (desired / (norms + config.epsilon()))
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


def get(identifier: Any) -> Any:
    """Turn what a user gives as `kernel_constraint=` into a callable.

    Args:
        identifier: `None`, a name, a callable, or a serialized constraint.

    Returns:
        A callable, or `None`.

    Raises:
        UnknownNameError: no constraint of this name; suggests the nearest.

    Example:
        >>> type(get("non_neg")).__name__
        'NonNeg'
    """
    return resolve("constraint", identifier)


def serialize(constraint: Any) -> Any:
    """The constraint as a dict that `deserialize` understands."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make a constraint from `serialize`'s result."""
    return deserialize_keras_object(config, custom_objects=custom_objects)
