"""Ftrl: weights as the solution of a regularized sum of all gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import ArgumentError
from ..ops.update import assign
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer

__all__ = ["Ftrl"]


@built_in("optimizer", "ftrl")
class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al. 2013), with Keras's shrinkage.

    `g' = g + 2 * shrinkage * w`, `a' = a + g**2`,
    `z <- z + g' - (a'**-power - a**-power) / rate * w`,
    `w <- (clip(z, -l1, l1) - z) / (a'**-power / rate + 2 * l2 + beta / rate)`.

    Args:
        learning_rate: a number, a schedule or a callable.
        learning_rate_power: how the rate falls with the sum of squares, <= 0.
        initial_accumulator_value: what the sums of squares begin with, >= 0.
        l1_regularization_strength: keeps weights at 0, >= 0.
        l2_regularization_strength: keeps weights small, >= 0.
        l2_shrinkage_regularization_strength: twice this times the weight joins the
            gradient, >= 0.
        beta: makes first steps smaller.
        weight_decay: as in `Optimizer`.
        clipnorm: as in `Optimizer`.
        clipvalue: as in `Optimizer`.
        global_clipnorm: as in `Optimizer`.
        use_ema: as in `Optimizer`.
        ema_momentum: as in `Optimizer`.
        ema_overwrite_frequency: as in `Optimizer`.
        loss_scale_factor: as in `Optimizer`.
        gradient_accumulation_steps: as in `Optimizer`.
        name: a name.
        **kwargs: none.

    Raises:
        ArgumentError: an argument outside of what is allowed.

    Example:
        >>> from pyneuro import Variable
        >>> import numpy as np
        >>> w = Variable(np.zeros(1, "float32"))
        >>> Ftrl(0.1).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.0998], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema,
            ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps,
            name, **kwargs,
        )  # fmt: skip
        if not learning_rate_power <= 0:
            raise ArgumentError(
                f"Ftrl: learning_rate_power must be <= 0, got {learning_rate_power!r}"
            )
        strengths = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for argument, value in strengths.items():
            if not value >= 0:
                raise ArgumentError(f"Ftrl: {argument} must be >= 0, got {value!r}")
        self.learning_rate_power = float(learning_rate_power)
        self.initial_accumulator_value = float(initial_accumulator_value)
        self.l1_regularization_strength = float(l1_regularization_strength)
        self.l2_regularization_strength = float(l2_regularization_strength)
        self.l2_shrinkage_regularization_strength = float(l2_shrinkage_regularization_strength)
        self.beta = float(beta)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the sums of squares and of gradients."""
        value = self.initial_accumulator_value
        self._squares = self._slots(
            variables, "accumulator", lambda shape, dtype: ops.full(shape, value, dtype)
        )
        self._linears = self._slots(variables, "linear")

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights and sums, all in one call."""
        slots = [self.slots_of(held, variables) for held in (self._squares, self._linears)]
        power, l1 = -self.learning_rate_power, self.l1_regularization_strength
        targets: list[Variable] = []
        values: list[Tensor] = []
        for w, g, a, z in zip(variables, gradients, *slots, strict=True):
            rate = ops.cast(learning_rate, w.dtype)
            squares = a + ops.square(g)
            slope = ops.power(squares, power)
            pull = (slope - ops.power(a, power)) / rate
            linear = z + g + w * (2.0 * self.l2_shrinkage_regularization_strength) - pull * w
            curve = (slope + self.beta) / rate + 2.0 * self.l2_regularization_strength
            targets += (a, z, w)
            values += (squares, linear, (ops.clip(linear, -l1, l1) - linear) / curve)
        assign(targets, values)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }
