"""Optimizers that scale each weight's step by the history of its gradients: RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..ops.update import assign
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer

__all__ = ["RMSprop"]


@built_in("optimizer", "rmsprop")
class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients (Hinton 2012).

    `v <- rho * v + (1 - rho) * g**2`, `w <- w - rate * g / sqrt(v + epsilon)`; with momentum
    `u <- momentum * u + rate * g / sqrt(v + epsilon)`, `w <- w - u`.

    Args:
        learning_rate: a number, a schedule or a callable.
        rho: the share of the old mean at each step.
        momentum: the share of the last step that is taken again.
        epsilon: keeps the quotient finite.
        centered: take the squared mean gradient off the mean of squares.
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
        >>> RMSprop(learning_rate=0.1, rho=0.0).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-07,
        centered: bool = False,
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
        self.rho, self.momentum, self.epsilon = float(rho), float(momentum), float(epsilon)
        self.centered = bool(centered)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the mean of squares; the last step for momentum; the mean gradient if centered."""
        self._velocities = self._slots(variables, "velocity")
        self._momentums = self._slots(variables, "momentum") if self.momentum else []
        self._average_gradients = (
            self._slots(variables, "average_gradient") if self.centered else []
        )

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights and means, all in one call."""
        slots = [
            self.slots_of(held, variables) if held else [None] * len(variables)
            for held in (self._velocities, self._momentums, self._average_gradients)
        ]
        targets: list[Variable] = []
        values: list[Any] = []
        for w, g, v, u, mean in zip(variables, gradients, *slots, strict=True):
            rate = ops.cast(learning_rate, w.dtype)
            new_v = v * self.rho + ops.square(g) * (1.0 - self.rho)
            denominator = new_v + self.epsilon
            if self.centered:
                new_mean = mean * self.rho + g * (1.0 - self.rho)
                denominator = denominator - ops.square(new_mean)
                targets.append(mean)
                values.append(new_mean)
            increment = rate * g * ops.rsqrt(denominator)
            if self.momentum:
                increment = u * self.momentum + increment
                targets.append(u)
                values.append(increment)
            targets.extend((v, w))
            values.extend((new_v, w - increment))
        assign(targets, values)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
