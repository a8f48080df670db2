"""Lion: steps by the sign of a mean of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from ..errors import ArgumentError
from ..ops.update import OnTheWay, lion_update
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer
from .checks import check_share

__all__ = ["Lion"]


@built_in("optimizer", "lion")
class Lion(Optimizer):
    """Steps of one size, by the sign of a running mean of gradients (Chen et al. 2023).

    `w <- w - rate * sign(beta_1 * m + (1 - beta_1) * g)`, `m <- beta_2 * m + (1 - beta_2) * g`.

    Args:
        learning_rate: a number, a schedule or a callable.
        beta_1: the share of the mean in the direction that is taken, in (0, 1].
        beta_2: the share of the old mean at each step, in [0, 1).
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
        >>> Lion(0.1).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
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
        if not 0 < beta_1 <= 1:
            raise ArgumentError(f"Lion: beta_1 must be in (0, 1], got {beta_1!r}")
        self.beta_1, self.beta_2 = float(beta_1), check_share(self, "beta_2", beta_2)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of gradients."""
        self._momentums = self._slots(variables, "momentum")

    def update(
        self,
        variables: list[Variable],
        gradients: list[Tensor],
        learning_rate: Any,
        step: Tensor,
        **way: Unpack[OnTheWay],
    ) -> None:
        """Write the new weights and means."""
        lion_update(
            variables,
            gradients,
            learning_rate,
            self.slots_of(self._momentums, variables),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            **way,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
        }
