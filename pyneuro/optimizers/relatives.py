"""Relatives of Adam: Adamax, Nadam, Lamb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from .. import ops
from ..ops.update import OnTheWay, assign, lamb_update
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer
from .checks import check_share

__all__ = ["Adamax", "Lamb", "Nadam"]


class _Relative(Optimizer):
    """The arguments that all three take."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = check_share(self, "beta_1", beta_1)
        self.beta_2 = check_share(self, "beta_2", beta_2)
        self.epsilon = float(epsilon)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


@built_in("optimizer", "adamax")
class Adamax(_Relative):
    """Adam with the largest gradient of late in place of the mean of squares.

    Kingma and Ba 2015, section 7: `m <- m + (g - m)(1 - beta_1)`, `u <- max(beta_2 * u, |g|)`,
    `w <- w - rate / (1 - beta_1**t) * m / (u + epsilon)`.

    Args:
        learning_rate: a number, a schedule or a callable.
        beta_1: the share of the old mean of gradients at each step, in [0, 1).
        beta_2: the share of the old largest gradient that is kept, in [0, 1).
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
        >>> Adamax(0.1).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1], dtype=float32)
    """

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of gradients and the largest gradients."""
        self._momentums, self._norms = self._slots_of_each(variables, "momentum", "norm")

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights and slots, all in one call."""
        rate = learning_rate / (1.0 - ops.power(self.beta_1, ops.cast(step, "float64")))
        slots = [self.slots_of(held, variables) for held in (self._momentums, self._norms)]
        targets: list[Variable] = []
        values: list[Tensor] = []
        for w, g, m, u in zip(variables, gradients, *slots, strict=True):
            mean = m + (g - m) * (1.0 - self.beta_1)
            norm = ops.maximum(u * self.beta_2, ops.absolute(g))
            targets += (m, u, w)
            values += (mean, norm, w - ops.cast(rate, w.dtype) * mean / (norm + self.epsilon))
        assign(targets, values)


@built_in("optimizer", "nadam")
class Nadam(_Relative):
    """Adam with Nesterov's look ahead (Dozat 2016).

    `u_t = beta_1 * (1 - 0.96**t / 2)`, `U_t = u_1 * .. * u_t`,
    `h = u_(t+1) * m / (1 - U_(t+1)) + (1 - u_t) * g / (1 - U_t)`,
    `w <- w - rate * h / (sqrt(v / (1 - beta_2**t)) + epsilon)`.

    Args:
        learning_rate: a number, a schedule or a callable.
        beta_1: the share of the old mean of gradients at each step, in [0, 1).
        beta_2: the share of the old mean of squares at each step, in [0, 1).
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
        >>> Nadam(0.1).apply([np.full(1, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([-0.1063], dtype=float32)
    """

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of gradients and of squares, and the product of the shares."""
        self._momentums, self._velocities = self._slots_of_each(variables, "momentum", "velocity")
        self._product = self._own_variable(1.0, "float64", "product")

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights and slots, all in one call."""
        t = ops.cast(step, "float64")
        now = self.beta_1 * (1.0 - 0.5 * ops.power(0.96, t))
        then = self.beta_1 * (1.0 - 0.5 * ops.power(0.96, t + 1.0))
        product = self._product * now
        of_mean = learning_rate * then / (1.0 - product * then)
        of_gradient = learning_rate * (1.0 - now) / (1.0 - product)
        unbias = 1.0 / (1.0 - ops.power(self.beta_2, t))
        slots = [self.slots_of(held, variables) for held in (self._momentums, self._velocities)]
        targets: list[Variable] = [self._product]
        values: list[Tensor] = [product]
        for w, g, m, v in zip(variables, gradients, *slots, strict=True):
            a, b, c = (ops.cast(factor, w.dtype) for factor in (of_mean, of_gradient, unbias))
            mean = m + (g - m) * (1.0 - self.beta_1)
            square = v + (ops.square(g) - v) * (1.0 - self.beta_2)
            targets += (m, v, w)
            values += (mean, square, w - (a * mean + b * g) / (ops.sqrt(square * c) + self.epsilon))
        assign(targets, values)


@built_in("optimizer", "lamb")
class Lamb(_Relative):
    """Adam's direction, in steps as long as each weight tensor is (You et al. 2020).

    `d = (m / (1 - beta_1**t)) / (sqrt(v / (1 - beta_2**t)) + epsilon)`,
    `w <- w - rate * |w| / |d| * d`, where a length of 0 leaves the factor out.

    Args:
        learning_rate: a number, a schedule or a callable.
        beta_1: the share of the old mean of gradients at each step, in [0, 1).
        beta_2: the share of the old mean of squares at each step, in [0, 1).
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
        >>> w = Variable(np.full(4, 2.0, "float32"))
        >>> Lamb(0.1).apply([np.full(4, 5.0, "float32")], [w])
        >>> w.numpy().round(4)
        array([1.8, 1.8, 1.8, 1.8], dtype=float32)
    """

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of gradients and of squares."""
        self._momentums, self._velocities = self._slots_of_each(variables, "momentum", "velocity")

    def update(
        self,
        variables: list[Variable],
        gradients: list[Tensor],
        learning_rate: Any,
        step: Tensor,
        **way: Unpack[OnTheWay],
    ) -> None:
        """Write the new weights and means."""
        lamb_update(
            variables,
            gradients,
            learning_rate,
            step,
            self.slots_of(self._momentums, variables),
            self.slots_of(self._velocities, variables),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            **way,
        )
