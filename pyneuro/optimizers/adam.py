"""Adam and its variant with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from ..errors import ArgumentError
from ..ops.update import OnTheWay, adam_update
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer

__all__ = ["Adam", "AdamW"]


@built_in("optimizer", "adam")
class Adam(Optimizer):
    """Steps scaled by running means of gradients and of their squares (Kingma and Ba 2015).

    `a = rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)`, `m <- m + (g - m)(1 - beta_1)`,
    `v <- v + (g**2 - v)(1 - beta_2)`, `w <- w - a * m / (sqrt(v) + epsilon)`.

    Args:
        learning_rate: a number, a schedule or a callable.
        beta_1: the share of the old mean of gradients at each step, in [0, 1).
        beta_2: the share of the old mean of squares at each step, in [0, 1).
        epsilon: keeps the quotient finite.
        amsgrad: use the largest mean of squares so far (Reddi et al. 2018).
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
        >>> Adam(learning_rate=0.1).apply([np.ones(1, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-07,
        amsgrad: bool = False,
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
        kind = type(self).__name__
        for argument, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ArgumentError(f"{kind}: {argument} must be in [0, 1), got {beta!r}")
        if not epsilon >= 0:
            raise ArgumentError(f"{kind}: epsilon must be >= 0, got {epsilon!r}")
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)
        self.amsgrad = bool(amsgrad)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of gradients and of squares, and the largest of the latter for amsgrad."""
        self._momentums, self._velocities = self._slots_of_each(variables, "momentum", "velocity")
        self._largest = self._slots(variables, "velocity_hat") if self.amsgrad else []

    def update(
        self,
        variables: list[Variable],
        gradients: list[Tensor],
        learning_rate: Any,
        step: Tensor,
        **way: Unpack[OnTheWay],
    ) -> None:
        """Write the new weights and means."""
        adam_update(
            variables,
            gradients,
            learning_rate,
            step,
            self.slots_of(self._momentums, variables),
            self.slots_of(self._velocities, variables),
            self.slots_of(self._largest, variables) if self.amsgrad else None,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            **way,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


@built_in("optimizer", "adamw")
class AdamW(Adam):
    """Adam with weight decay that does not pass through the means (Loshchilov and Hutter 2019).

    Args:
        learning_rate: a number, a schedule or a callable.
        weight_decay: this share of the rate times each weight is taken off it at each step.
        beta_1: as in `Adam`.
        beta_2: as in `Adam`.
        epsilon: as in `Adam`.
        amsgrad: as in `Adam`.
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
        >>> AdamW().weight_decay
        0.004
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-07,
        amsgrad: bool = False,
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
        if weight_decay is None:
            raise ArgumentError("AdamW: weight_decay must be a number; use Adam for none")
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, clipnorm, clipvalue,
            global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
