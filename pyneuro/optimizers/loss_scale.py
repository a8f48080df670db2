"""LossScaleOptimizer: keeps float16 gradients from vanishing, by scaling the loss.

It wraps another optimizer and holds two numbers: the scale, and the steps since it last changed.
Whether gradients were finite is a tensor, so that a recorded step replays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import ops
from ..autograd import no_grad
from ..errors import ArgumentError
from ..ops.update import assign, sum_of_squares
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..tensor import convert
from ..variable import Variable, only_where
from .base import Optimizer

__all__ = ["LossScaleOptimizer"]


@built_in("optimizer", "lossscaleoptimizer")
class LossScaleOptimizer(Optimizer):
    """Another optimizer, under a loss scale that follows what float16 can hold.

    Gradients of the scaled loss are divided by the scale. Where one is not finite the update is
    left out and the scale halved; after some updates in a row it is doubled.

    Args:
        inner_optimizer: the optimizer that updates.
        initial_scale: the scale at the beginning.
        dynamic_growth_steps: after how many updates in a row the scale doubles.
        name: a name.
        **kwargs: none.

    Raises:
        ArgumentError: `inner_optimizer` is none, or scales the loss itself.

    Example:
        >>> from pyneuro import Variable, optimizers
        >>> import numpy as np
        >>> w = Variable(np.ones(1, "float32"))
        >>> optimizer = LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=8.0)
        >>> optimizer.apply([np.full(1, 8.0, "float32")], [w])
        >>> optimizer.apply([np.full(1, np.inf, "float32")], [w])
        >>> w.tolist(), float(optimizer.dynamic_scale)
        ([0.5], 4.0)
    """

    skips_nonfinite = True

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(inner_optimizer, Optimizer):
            raise ArgumentError(
                f"LossScaleOptimizer: inner_optimizer must be an Optimizer, got {inner_optimizer!r}"
            )
        if inner_optimizer.loss_scale_factor is not None or inner_optimizer.skips_nonfinite:
            raise ArgumentError("LossScaleOptimizer: inner_optimizer scales the loss already")
        if not initial_scale > 0 or not dynamic_growth_steps >= 1:
            raise ArgumentError(
                "LossScaleOptimizer: initial_scale must be > 0 and dynamic_growth_steps >= 1, got "
                f"{initial_scale!r} and {dynamic_growth_steps!r}"
            )
        super().__init__(0.0, name=name, **kwargs)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = float(initial_scale)
        self.dynamic_growth_steps = int(dynamic_growth_steps)
        self._variables = []
        self.iterations = inner_optimizer.iterations
        self.step_counter = self._own_variable(0, "int64", "step_counter")
        self.dynamic_scale = self._own_variable(self.initial_scale, "float32", "dynamic_scale")

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the inner optimizer's slots.

        Args:
            variables: the weights.
        """
        self.inner_optimizer.build(variables)
        self._trainable_variables = self.inner_optimizer._trainable_variables
        self._positions = self.inner_optimizer._positions
        self.built = True

    @property
    def variables(self) -> list[Variable]:
        """All state: the counter, the scale, then the inner optimizer's."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's rate. Can be set."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave weights out of the inner optimizer's weight decay.

        Args:
            var_list: the weights.
            var_names: parts of paths; needs a built optimizer.
        """
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def _apply(self, grads: list[Any], variables: list[Variable], scale: Any = None) -> None:
        finite = ops.isfinite(sum_of_squares(grads))
        share = 1.0 / ops.cast(self.dynamic_scale, "float64")
        with only_where(finite):
            self.inner_optimizer._apply(grads, variables, share)
        count = self.step_counter + 1
        grows = ops.greater_equal(count, self.dynamic_growth_steps)
        factor = ops.where(finite, ops.where(grows, 2.0, 1.0), 0.5)
        begins = ops.logical_or(grows, ops.logical_not(finite))
        with no_grad():
            scale = self.dynamic_scale * ops.cast(factor, "float32")
            assign([self.step_counter, self.dynamic_scale], [ops.where(begins, 0, count), scale])

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the scale.

        Args:
            loss: a scalar tensor.

        Returns:
            A scalar tensor.
        """
        return loss * ops.cast(self.dynamic_scale.value.detach(), convert(loss).dtype)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """As the inner optimizer does.

        Args:
            var_list: the weights.
        """
        self.inner_optimizer.finalize_variable_values(var_list)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Set the state from what `save_own_variables` stored.

        Args:
            store: "0", "1", ... -> array.

        Raises:
            ArgumentError: another number of variables; nothing is changed.
            ShapeError: a variable of another shape; nothing is changed.
        """
        self._load(self.variables, store)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put the state into a dict.

        Args:
            store: gets "0", "1", ... -> array.
        """
        store.update({str(i): v.numpy() for i, v in enumerate(self.variables)})

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        """Make one from `get_config()`'s result."""
        inner = deserialize_keras_object(config["inner_optimizer"], custom_objects=custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
