"""Optimizers that scale each weight's step by the history of its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from .. import ops
from ..errors import ArgumentError
from ..ops.update import OnTheWay, adagrad_update, assign, rmsprop_update
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer
from .checks import check_share

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


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
        self.rho = check_share(self, "rho", rho)
        self.momentum, self.epsilon = float(momentum), float(epsilon)
        self.centered = bool(centered)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the mean of squares; the last step for momentum; the mean gradient if centered."""
        self._velocities = self._slots(variables, "velocity")
        self._momentums = self._slots(variables, "momentum") if self.momentum else []
        self._average_gradients = (
            self._slots(variables, "average_gradient") if self.centered else []
        )

    def update(
        self,
        variables: list[Variable],
        gradients: list[Tensor],
        learning_rate: Any,
        step: Tensor,
        **way: Unpack[OnTheWay],
    ) -> None:
        """Write the new weights and means, all in one call."""
        rmsprop_update(
            variables,
            gradients,
            learning_rate,
            self.slots_of(self._velocities, variables),
            self.slots_of(self._momentums, variables) if self.momentum else None,
            self.slots_of(self._average_gradients, variables) if self.centered else None,
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            **way,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


@built_in("optimizer", "adagrad")
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients.

    Duchi, Hazan and Singer 2011: `a <- a + g**2`, `w <- w - rate * g / sqrt(a + epsilon)`.

    Args:
        learning_rate: a number, a schedule or a callable.
        initial_accumulator_value: what the sums begin with, >= 0.
        epsilon: keeps the quotient finite.
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
        >>> Adagrad(0.1, initial_accumulator_value=0.0).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-07,
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
        if not initial_accumulator_value >= 0:
            raise ArgumentError(
                "Adagrad: initial_accumulator_value must be >= 0, "
                f"got {initial_accumulator_value!r}"
            )
        self.initial_accumulator_value = float(initial_accumulator_value)
        self.epsilon = float(epsilon)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the sums of squares."""
        value = self.initial_accumulator_value
        self._accumulators_of_squares = self._slots(
            variables, "accumulator", lambda shape, dtype: ops.full(shape, value, dtype)
        )

    def update(
        self,
        variables: list[Variable],
        gradients: list[Tensor],
        learning_rate: Any,
        step: Tensor,
        **way: Unpack[OnTheWay],
    ) -> None:
        """Write the new weights and sums."""
        adagrad_update(
            variables,
            gradients,
            learning_rate,
            self.slots_of(self._accumulators_of_squares, variables),
            epsilon=self.epsilon,
            **way,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


@built_in("optimizer", "adadelta")
class Adadelta(Optimizer):
    """Steps of the size of recent steps, divided by the root of recent squared gradients.

    Zeiler 2012: `a <- rho * a + (1 - rho) * g**2`,
    `d = sqrt(b + epsilon) / sqrt(a + epsilon) * g`, `b <- rho * b + (1 - rho) * d**2`,
    `w <- w - rate * d`.

    Args:
        learning_rate: a number, a schedule or a callable.
        rho: the share of the old means at each step, in [0, 1).
        epsilon: keeps the quotient finite.
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
        >>> Adadelta(1.0, rho=0.0, epsilon=1e-2).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-07,
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
        self.rho, self.epsilon = check_share(self, "rho", rho), float(epsilon)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of squared gradients and of squared steps."""
        self._squares = self._slots(variables, "accumulated_grad")
        self._steps = self._slots(variables, "accumulated_delta_var")

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights and means, all in one call."""
        slots = [self.slots_of(held, variables) for held in (self._squares, self._steps)]
        targets: list[Variable] = []
        values: list[Tensor] = []
        for w, g, a, b in zip(variables, gradients, *slots, strict=True):
            squares = a * self.rho + ops.square(g) * (1.0 - self.rho)
            way = ops.sqrt(b + self.epsilon) / ops.sqrt(squares + self.epsilon) * g
            targets += (a, b, w)
            values += (
                squares,
                b * self.rho + ops.square(way) * (1.0 - self.rho),
                w - ops.cast(learning_rate, w.dtype) * way,
            )
        assign(targets, values)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "epsilon": self.epsilon,
        }
