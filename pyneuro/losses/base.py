"""Loss: from values per sample to one number, with weights, masks and reduction; no formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import naming, ops, policies, tree
from ..errors import ArgumentError, ShapeError
from ..masks import get_mask
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..tensor import Tensor, convert

__all__ = [
    "Loss",
    "LossFunctionWrapper",
    "align",
    "convert_pair",
    "reduce_weighted_values",
    "squeeze_or_expand_to_same_rank",
]

REDUCTIONS = (None, "none", "sum", "mean", "sum_over_batch_size", "mean_with_sample_weight", "auto")


def check_reduction(reduction: str | None) -> str | None:
    """Give back a reduction's name, or raise ArgumentError."""
    if reduction not in REDUCTIONS:
        known = ", ".join(repr(r) for r in REDUCTIONS[1:-1])
        raise ArgumentError(f"reduction must be None or one of {known}; got {reduction!r}")
    return "sum_over_batch_size" if reduction == "auto" else reduction


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Take a last axis of size one away, or add it, where that makes two ranks equal.

    Args:
        x1: a tensor.
        x2: a tensor.
        expand_rank_1: add the axis to a tensor of rank one rather than take it from the other.

    Returns:
        Both tensors; unchanged where ranks are equal or the axis is of another size.

    Example:
        >>> import numpy as np
        >>> a, b = squeeze_or_expand_to_same_rank(np.ones(3), np.ones((3, 1)))
        >>> a.shape, b.shape
        ((3, 1), (3, 1))
    """
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == rank2 + 1 and x1.shape[-1] == 1:
        if rank2 == 1 and expand_rank_1:
            x2 = ops.expand_dims(x2, -1)
        else:
            x1 = ops.squeeze(x1, axis=-1)
    elif rank2 == rank1 + 1 and x2.shape[-1] == 1:
        if rank1 == 1 and expand_rank_1:
            x1 = ops.expand_dims(x1, -1)
        else:
            x2 = ops.squeeze(x2, axis=-1)
    return x1, x2


def align(loss: str, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Bring targets and predictions to one shape, or raise: they never broadcast.

    Args:
        loss: the loss's name, for the message.
        y_true: the targets.
        y_pred: the predictions.

    Returns:
        Both, of one shape.

    Raises:
        ShapeError: the shapes differ by more than a last axis of size one.
    """
    if y_true.shape == y_pred.shape:
        return y_true, y_pred
    true, pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    if true.shape != pred.shape:
        message = (
            f"{loss}: y_true has the shape {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}; "
            "they must be equal, because a loss does not broadcast"
        )
        if len(pred.shape) == 2 and pred.shape[-1] > 1 and math.prod(true.shape) == pred.shape[0]:
            if "crossentropy" in loss:
                message += (
                    "; for class numbers use sparse_categorical_crossentropy, or make one-hot "
                    "targets with utils.to_categorical"
                )
            else:
                message += f"; should the last layer have one unit instead of {pred.shape[-1]}?"
        raise ShapeError(message)
    return true, pred


def convert_pair(loss: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Targets and predictions as floating tensors of one dtype and one shape.

    Args:
        loss: the loss's name, for the message.
        y_true: the targets.
        y_pred: the predictions; their dtype is taken, unless it is no float.

    Returns:
        Both tensors.

    Raises:
        ShapeError: as `align` does.
    """
    pred = y_pred if isinstance(y_pred, Tensor) else convert(y_pred)
    if "float" not in pred.dtype:
        pred = ops.cast(pred, policies.defaults.floatx)
    true = y_true if isinstance(y_true, Tensor) else convert(y_true)
    if true.dtype != pred.dtype:
        true = ops.cast(true, pred.dtype)
    return align(loss, true, pred)


def _weights_for(values: Tensor, sample_weight: Any, what: str = "sample_weight") -> Tensor:
    """Sample weights as a tensor that multiplies the values: of the same or of fewer first axes."""
    weight = sample_weight if isinstance(sample_weight, Tensor) else convert(sample_weight)
    if weight.dtype != values.dtype:
        weight = ops.cast(weight, values.dtype)
    shape, wanted = tuple(weight.shape), tuple(values.shape)
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        weight, shape = ops.squeeze(weight, axis=-1), shape[:-1]
    if len(shape) == len(wanted):
        fits = all(s in (1, w) for s, w in zip(shape, wanted, strict=True))
    else:
        fits = shape == wanted[: len(shape)]
        if fits and shape:
            weight = ops.reshape(weight, shape + (1,) * (len(wanted) - len(shape)))
    if not fits:
        raise ShapeError(
            f"{what} has the shape {shape}, but the loss has one value for each of {wanted}; it "
            "must have one entry for each sample, or for each value"
        )
    return weight


def reduce_weighted_values(
    values: Any,
    reduction: str | None = "sum_over_batch_size",
    sample_weight: Any = None,
    mask: Any = None,
    dtype: str | None = None,
) -> Tensor:
    """Weight values and reduce them.

    Args:
        values: a tensor.
        reduction: `None` or "none" (keep them), "sum", "mean" and "sum_over_batch_size" (divide by
            their number), "mean_with_sample_weight" (divide by the sum of weights).
        sample_weight: weights of the values, or of their first axes.
        mask: a bool tensor; masked values do not count in sum or number.
        dtype: the dtype to compute in; default the values' own.

    Returns:
        A scalar, or the weighted values.

    Raises:
        ShapeError: the weights do not fit the values.

    Example:
        >>> import numpy as np
        >>> reduce_weighted_values(np.array([1.0, 3.0]), "sum", np.array([1.0, 2.0])).item()
        7.0
    """
    reduction = check_reduction(reduction)
    tensor: Tensor = values if isinstance(values, Tensor) else convert(values)
    if dtype is not None and tensor.dtype != dtype:
        tensor = ops.cast(tensor, dtype)
    weight = None if sample_weight is None else _weights_for(tensor, sample_weight)
    if mask is not None:
        weight = _masked_weights(tensor, weight, mask, reduction)
    if weight is not None:
        tensor = tensor * weight
    if reduction is None or reduction == "none":
        return tensor
    count = math.prod(tensor.shape)
    if reduction == "sum" or count == 0:
        return ops.sum(tensor)
    if reduction == "mean_with_sample_weight" and weight is not None:
        total = ops.sum(ops.broadcast_to(weight, tensor.shape))
        safe = ops.where(ops.equal(total, 0.0), 1.0, total)
        result: Tensor = ops.sum(tensor) / safe
        return result
    return ops.mean(tensor)


def _masked_weights(
    values: Tensor, weight: Tensor | None, mask: Any, reduction: str | None
) -> Tensor:
    """Weights that are zero where masked, and for a mean larger elsewhere by all / valid."""
    mask = _weights_for(values, mask, "the mask of y_pred")
    if reduction in ("mean", "sum_over_batch_size"):
        total = float(math.prod(mask.shape))
        mask = mask * (total / (ops.sum(mask) + 1e-7))
    result: Tensor = mask if weight is None else weight * mask
    return result


def _converted(convert_one: Callable[[Any], Any], value: Any) -> Any:
    """A structure of tensors from one of anything; nested lists of numbers are one tensor."""
    if not tree.is_nested(value):
        return convert_one(value)
    if all(isinstance(leaf, (bool, int, float)) for leaf in tree.flatten(value)):
        return convert_one(value)
    return tree.map_structure(convert_one, value)


class Loss:
    """Base class of losses: `loss(y_true, y_pred, sample_weight)` is a scalar.

    A subclass defines `call(y_true, y_pred)`, which gives a value for each sample.

    Args:
        name: a name; made from the class if not given.
        reduction: `None` or "none", "sum", "mean", "sum_over_batch_size" (the default) or
            "mean_with_sample_weight".
        dtype: the dtype or policy to compute in; default `floatx`.

    Raises:
        ArgumentError: an unknown reduction.

    Example:
        >>> from pyneuro import ops
        >>> class Distance(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ops.sum(ops.absolute(y_true - y_pred), axis=-1)
        >>> import numpy as np
        >>> Distance()(np.zeros((1, 3)), np.ones((1, 3))).item()
        3.0
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        self.name = name or naming.auto_name(type(self).__name__)
        self.reduction = check_reduction(reduction)
        self._policy = policies.get(dtype)

    @property
    def dtype(self) -> str:
        """The dtype that the loss computes in."""
        return self._policy.compute_dtype

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A value for each sample; what a subclass defines.

        Args:
            y_true: the targets.
            y_pred: the predictions.

        Returns:
            A tensor that usually has all axes of the predictions but the last.
        """
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss.

        Args:
            y_true: the targets.
            y_pred: the predictions; a mask that they carry is heeded.
            sample_weight: a weight for each sample, or for each value of `call`.

        Returns:
            A scalar tensor; with the reduction "none" a value for each sample.

        Raises:
            ShapeError: targets, predictions and weights do not fit.
        """
        mask = get_mask(y_pred)
        y_pred = _converted(self._convert_pred, y_pred)
        y_true = _converted(self._convert_true, y_true)
        values = self.call(y_true, y_pred)
        own_mask = get_mask(values)  # set where the loss itself leaves values out
        if own_mask is not None:
            mask = own_mask if mask is None else ops.logical_and(mask, own_mask)
        return reduce_weighted_values(values, self.reduction, sample_weight, mask)

    def _convert_pred(self, value: Any) -> Any:
        tensor: Tensor = value if isinstance(value, Tensor) else convert(value)
        return tensor if tensor.dtype == self.dtype else ops.cast(tensor, self.dtype)

    def _convert_true(self, value: Any) -> Any:
        return self._convert_pred(value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config: dict[str, Any] = {"name": self.name, "reduction": self.reduction}
        if self._policy.name != policies.defaults.floatx:
            config["dtype"] = self._policy.name
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make one from `get_config()`'s result."""
        return cls(**config)


@built_in("loss")
class LossFunctionWrapper(Loss):
    """A function `(y_true, y_pred) -> values` as a loss.

    Args:
        fn: the function.
        reduction: as in `Loss`.
        name: a name; the function's by default.
        dtype: as in `Loss`.
        **kwargs: further arguments of the function.

    Example:
        >>> import numpy as np
        >>> loss = LossFunctionWrapper(lambda y_true, y_pred: (y_true - y_pred) ** 2)
        >>> loss(np.array([1.0]), np.array([3.0])).item()
        4.0
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        own_name = getattr(fn, "__name__", None)
        super().__init__(
            name=name or (own_name if own_name != "<lambda>" else None),
            reduction=reduction,
            dtype=dtype,
        )
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A value for each sample."""
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is LossFunctionWrapper:
            config["fn"] = serialize_keras_object(self.fn)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make one from `get_config()`'s result."""
        if "fn" in config:
            config = {**config, "fn": deserialize_keras_object(config["fn"])}
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({getattr(self.fn, '__name__', self.fn)})>"


def is_integer(value: Any) -> bool:
    """Whether an array or tensor holds whole numbers."""
    return "int" in str(value.dtype) or str(value.dtype) == "bool"
