"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from ..errors import ArgumentError
from ..ops.update import OnTheWay, sgd_update
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer

__all__ = ["SGD"]


@built_in("optimizer", "sgd")
class SGD(Optimizer):
    """`w <- w - rate * g`; with momentum `v <- momentum * v - rate * g; w <- w + v`.

    Args:
        learning_rate: a number, a schedule or a callable.
        momentum: the share of the velocity that is kept, in [0, 1].
        nesterov: look ahead: `w <- w + momentum * v - rate * g`.
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
        >>> optimizer = SGD(0.5, momentum=0.5)
        >>> optimizer.apply([np.ones(1, "float32")], [w])
        >>> optimizer.apply([np.ones(1, "float32")], [w])
        >>> w.tolist()
        [-1.25]
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ArgumentError(f"SGD: momentum must be in [0, 1], got {momentum!r}")
        self.momentum, self.nesterov = float(momentum), bool(nesterov)
        self.velocities: list[Variable] = []

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the velocities, if there is momentum."""
        if self.momentum:
            self.velocities = self._slots(variables, "momentum")

    def update(
        self,
        variables: list[Variable],
        gradients: list[Tensor],
        learning_rate: Any,
        step: Tensor,
        **way: Unpack[OnTheWay],
    ) -> None:
        """Write the new weights and velocities."""
        sgd_update(
            variables,
            gradients,
            learning_rate,
            self.slots_of(self.velocities, variables) if self.momentum else (),
            momentum=self.momentum,
            nesterov=self.nesterov,
            **way,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
