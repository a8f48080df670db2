"""Penalties on weights, added to the loss."""

from __future__ import annotations

from typing import Any

from . import ops
from .errors import ArgumentError
from .registry import built_in, deserialize_keras_object, resolve, serialize_keras_object
from .tensor import Tensor

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


def _factor(regularizer: str, name: str, value: float | None, default: float) -> float:
    value = default if value is None else value
    if (
        not isinstance(value, (int, float))
        or isinstance(value, bool)
        or not 0 <= value < float("inf")
    ):
        raise ArgumentError(f"{regularizer}: {name} must be a finite number >= 0, got {value!r}")
    return float(value)


class Regularizer:
    """Base class: a callable that gives the penalty of a weight, a scalar tensor."""

    def __call__(self, x: Any) -> Any:
        """The penalty of `x`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(x)")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Make one from `get_config()`'s result."""
        return cls(**config)


@built_in("regularizer", "l1_l2")
class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x**2)`.

    Args:
        l1: factor of the absolute values, 0 by default.
        l2: factor of the squares, 0 by default.

    Raises:
        ArgumentError: a negative or non-finite factor.

    Example:
        >>> import numpy as np
        >>> L1L2(l1=1.0, l2=1.0)(np.array([1.0, -2.0], "float32")).item()
        8.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("L1L2", "l1", l1, 0.0)
        self.l2 = _factor("L1L2", "l2", l2, 0.0)

    def __call__(self, x: Any) -> Any:
        """The penalty of `x`."""
        penalty: Any = 0.0
        if self.l1:
            penalty = penalty + ops.sum(ops.absolute(x)) * self.l1
        if self.l2:
            penalty = penalty + ops.sum(ops.square(x)) * self.l2
        return penalty

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l1": self.l1, "l2": self.l2}


@built_in("regularizer", "l1")
class L1(Regularizer):
    """`l1 * sum(|x|)`.

    Args:
        l1: the factor, 0.01 by default.

    Raises:
        ArgumentError: a negative or non-finite factor.

    Example:
        >>> import numpy as np
        >>> L1(0.5)(np.array([1.0, -2.0], "float32")).item()
        1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("L1", "l1", l1, 0.01)

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        result: Tensor = ops.sum(ops.absolute(x)) * self.l1
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l1": self.l1}


@built_in("regularizer", "l2")
class L2(Regularizer):
    """`l2 * sum(x**2)`.

    Args:
        l2: the factor, 0.01 by default.

    Raises:
        ArgumentError: a negative or non-finite factor.

    Example:
        >>> import numpy as np
        >>> L2(0.5)(np.array([1.0, -2.0], "float32")).item()
        2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("L2", "l2", l2, 0.01)

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        result: Tensor = ops.sum(ops.square(x)) * self.l2
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l2": self.l2}


@built_in("regularizer", "orthogonal_regularizer")
class OrthogonalRegularizer(Regularizer):
    """Pushes the rows (or columns) of a matrix to be orthogonal to each other.

    The rows are scaled to length one; the penalty is `factor` times the mean absolute dot product
    of different rows, each pair counted once.

    Args:
        factor: the factor, 0.01 by default.
        mode: "rows" or "columns".

    Raises:
        ArgumentError: a negative or non-finite factor, or another mode.

    Example:
        >>> import numpy as np
        >>> OrthogonalRegularizer()(np.eye(3, dtype="float32")).item()
        0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("OrthogonalRegularizer", "factor", factor, 0.01)
        if mode not in ("rows", "columns"):
            raise ArgumentError(
                f"OrthogonalRegularizer: mode must be 'rows' or 'columns', got {mode!r}"
            )
        self.mode = mode

    def __call__(self, x: Any) -> Tensor:
        """The penalty of a matrix `x`."""
        if len(x.shape) != 2:
            raise ArgumentError(
                f"OrthogonalRegularizer: expected a matrix, got the shape {tuple(x.shape)}"
            )
        rows = x if self.mode == "rows" else ops.transpose(x)
        length = ops.sqrt(ops.maximum(ops.sum(ops.square(rows), axis=1, keepdims=True), 1e-12))
        rows = rows / length
        size = rows.shape[0]
        product = ops.matmul(rows, ops.transpose(rows))
        off_diagonal = ops.absolute(product * (1.0 - ops.eye(size, dtype=product.dtype)))
        result: Tensor = ops.sum(off_diagonal) * (
            self.factor * 0.5 / max(size * (size - 1) / 2.0, 1.0)
        )
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"factor": self.factor, "mode": self.mode}


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def get(identifier: Any) -> Any:
    """Turn what a user gives as `kernel_regularizer=` into a callable.

    Args:
        identifier: `None`, a name, a callable, or a serialized regularizer.

    Returns:
        A callable, or `None`.

    Raises:
        UnknownNameError: no regularizer of this name; suggests the nearest.

    Example:
        >>> get("l2").l2
        0.01
    """
    return resolve("regularizer", identifier)


def serialize(regularizer: Any) -> Any:
    """The regularizer as a dict that `deserialize` understands."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make a regularizer from `serialize`'s result."""
    return deserialize_keras_object(config, custom_objects=custom_objects)
