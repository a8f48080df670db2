"""Metric: numbers gathered over batches, in Variables, so that nothing is read meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import initializers, naming, ops, policies
from ..errors import ShapeError
from ..losses.base import squeeze_or_expand_to_same_rank
from ..masks import get_mask
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..tensor import Tensor, convert
from ..variable import Variable

__all__ = ["Mean", "MeanMetricWrapper", "Metric", "Sum"]

# Sums over an epoch are kept in float64: a float32 count would stop growing at 2**24 samples.
STATE_DTYPE = "float64"


class Metric:
    """Base class of metrics: `update_state` for each batch, `result` at the end of them.

    A subclass makes its state with `add_variable` and defines `update_state` and `result`.

    Args:
        dtype: the dtype or policy of results; default `floatx`.
        name: a name; made from the class if not given.

    Example:
        >>> from pyneuro import ops
        >>> class Largest(Metric):
        ...     def __init__(self, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.value = self.add_variable((), "zeros", name="value")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.value.assign(ops.maximum(self.value, ops.max(y_pred)))
        ...     def result(self):
        ...         return self.value.value
        >>> import numpy as np
        >>> metric = Largest()
        >>> metric.update_state(None, np.array([1.0, 5.0]))
        >>> metric.result().item()
        5.0
    """

    tracked_metric = True  # how a layer that holds a metric knows it for one
    _direction: str | None = None  # "up" or "down" is better, for callbacks that compare epochs

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or naming.auto_name(type(self).__name__)
        self._policy = policies.get(dtype)
        self._variables: list[Variable] = []
        self._parts: list[Metric] = []

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Metric) and "_parts" in self.__dict__:
            self._parts.append(value)
        object.__setattr__(self, name, value)

    @property
    def dtype(self) -> str:
        """The dtype of results."""
        return self._policy.compute_dtype

    def add_variable(
        self,
        shape: Any,
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Make a variable of the metric's state.

        Args:
            shape: its shape.
            initializer: its value after `reset_state`: a name or a callable `(shape, dtype)`.
            dtype: its dtype; default the metric's.
            aggregation: how copies of it on several devices are combined.
            name: its name.

        Returns:
            The `Variable`.
        """
        variable = Variable(
            initializers.get(initializer),
            shape=tuple(shape),
            dtype=dtype or self.dtype,
            trainable=False,
            aggregation=aggregation,
            name=name,
        )
        variable.path = f"{self.name}/{variable.name}"
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """The same as `add_variable`, zero by default."""
        return self.add_variable(shape, initializer or "zeros", dtype=dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The variables of the state, those of metrics held in attributes included."""
        return [*self._variables, *(v for part in self._parts for v in part.variables)]

    def reset_state(self) -> None:
        """Set the state back to zero, as at the beginning of an epoch."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take a batch into the state; what a subclass defines.

        Args:
            *args: usually `y_true` and `y_pred`.
            **kwargs: usually `sample_weight`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update_state()")

    def result(self) -> Any:
        """The metric of what was gathered; what a subclass defines.

        Returns:
            A scalar tensor, or a dict of them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch into the state and give the result so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self._policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make one from `get_config()`'s result."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def reduce_to_samplewise_values(
    values: Any, sample_weight: Any, reduce_fn: Callable[..., Any]
) -> tuple[Tensor, Tensor | None]:
    """Weighted values with one axis, a number for each sample, and the weights of samples.

    Args:
        values: a tensor, one number for each sample or for each part of one.
        sample_weight: weights of the first axes of the values, or `None`.
        reduce_fn: `ops.mean` or `ops.sum`, which makes one number of a sample's.

    Returns:
        `(values, weights)`; weights are `None` if none were given.

    Raises:
        ShapeError: the weights fit no first axes of the values.
    """
    tensor: Tensor = values if isinstance(values, Tensor) else convert(values)
    if "float" not in tensor.dtype:
        tensor = ops.cast(tensor, policies.defaults.floatx)
    weight = None
    if sample_weight is not None:
        weight = sample_weight if isinstance(sample_weight, Tensor) else convert(sample_weight)
        if weight.dtype != tensor.dtype:
            weight = ops.cast(weight, tensor.dtype)
        tensor, weight = squeeze_or_expand_to_same_rank(tensor, weight)
        rank = len(weight.shape)
        if len(tensor.shape) > rank:
            tensor = reduce_fn(tensor, axis=tuple(range(rank, len(tensor.shape))))
        if any(s not in (1, v) for s, v in zip(weight.shape, tensor.shape, strict=False)):
            raise ShapeError(
                f"sample_weight has the shape {tuple(weight.shape)}, but the metric has one value "
                f"for each of {tuple(tensor.shape)}; give one weight for each sample"
            )
        weight = ops.broadcast_to(weight, tensor.shape)
        tensor = tensor * weight
        if rank > 1:
            weight = reduce_fn(weight, axis=tuple(range(1, rank)))
    if len(tensor.shape) > 1:
        tensor = reduce_fn(tensor, axis=tuple(range(1, len(tensor.shape))))
    return tensor, weight


@built_in("metric")
class Sum(Metric):
    """The weighted sum of all values given to it.

    Args:
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> metric = Sum()
        >>> metric.update_state([1.0, 3.0])
        >>> metric.result().item()
        4.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", dtype=STATE_DTYPE, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values.

        Args:
            values: a tensor.
            sample_weight: weights of the first axes of the values.
        """
        values, _ = reduce_to_samplewise_values(values, sample_weight, ops.sum)
        self.total.assign_add(ops.sum(values))

    def result(self) -> Tensor:
        """The sum so far, a scalar."""
        return ops.cast(self.total, self.dtype)


@built_in("metric")
class Mean(Metric):
    """The weighted mean of all values given to it.

    Args:
        name: a name.
        dtype: as in `Metric`.

    Example:
        >>> metric = Mean()
        >>> metric.update_state([1.0, 3.0])
        >>> metric.update_state([5.0], sample_weight=[2.0])
        >>> metric.result().item()
        3.5
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", dtype=STATE_DTYPE, name="total")
        self.count = self.add_variable((), "zeros", dtype=STATE_DTYPE, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take values in.

        Args:
            values: a tensor.
            sample_weight: weights of the first axes of the values.
        """
        values, weight = reduce_to_samplewise_values(values, sample_weight, ops.mean)
        self.total.assign_add(ops.sum(values) if values.shape else values)
        if weight is None:
            self.count.assign_add(float(math.prod(values.shape)))
        else:
            self.count.assign_add(ops.sum(weight) if weight.shape else weight)

    def add_sum(self, total: Any, count: Any) -> None:
        """Take in a sum of values that was made elsewhere.

        Args:
            total: the sum, a scalar tensor or number.
            count: the sum of their weights.
        """
        self.total.assign_add(total)
        self.count.assign_add(count)

    def result(self) -> Tensor:
        """The mean so far, a scalar; 0 if nothing was taken in."""
        safe = ops.where(ops.equal(self.count, 0.0), 1.0, self.count)
        return ops.cast(ops.divide(self.total, safe), self.dtype)


@built_in("metric")
class MeanMetricWrapper(Mean):
    """The mean of a function `(y_true, y_pred) -> values`.

    Args:
        fn: the function.
        name: a name; the function's by default.
        dtype: as in `Metric`.
        **kwargs: further arguments of the function.

    Example:
        >>> import numpy as np
        >>> metric = MeanMetricWrapper(lambda y_true, y_pred: abs(y_true - y_pred))
        >>> metric.update_state(np.array([1.0]), np.array([3.0]))
        >>> metric.result().item()
        2.0
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        own_name = getattr(fn, "__name__", None)
        super().__init__(name=name or (own_name if own_name != "<lambda>" else None), dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take a batch in.

        Args:
            y_true: targets.
            y_pred: predictions; where they carry a mask, masked values do not count.
            sample_weight: weights of the samples.
        """
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        mask = get_mask(y_pred)
        if mask is not None and len(mask.shape) <= len(values.shape):
            sample_weight = self._masked(mask, sample_weight)
        super().update_state(values, sample_weight=sample_weight)

    def _masked(self, mask: Any, sample_weight: Any) -> Tensor:
        """Sample weights that are zero where masked."""
        counted = ops.cast(mask, self.dtype)
        if sample_weight is None:
            return counted
        weight = ops.cast(convert(sample_weight), self.dtype)
        missing = len(counted.shape) - len(weight.shape)
        if missing > 0:
            weight = ops.reshape(weight, (*weight.shape, *(1,) * missing))
        return ops.multiply(weight, counted)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is MeanMetricWrapper:
            config["fn"] = serialize_keras_object(self._fn)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make one from `get_config()`'s result."""
        if "fn" in config:
            config = {**config, "fn": deserialize_keras_object(config["fn"])}
        return cls(**config)
