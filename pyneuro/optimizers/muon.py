"""Muon: steps of matrices made orthogonal; AdamW for all other weights."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..ops.update import adam_update, assign, sgd_update
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import Optimizer
from .checks import check_share

__all__ = ["Muon"]


@built_in("optimizer", "muon")
class Muon(Optimizer):
    """Momentum whose step is made orthogonal by Newton-Schulz iterations (Jordan et al. 2024).

    It applies to matrices, but for embeddings and excluded layers; all other weights take steps of
    AdamW. A matrix's step is scaled by `sqrt(max(rows, columns)) * rms_rate` (Liu et al. 2025), so
    that both can share a rate.

    Args:
        learning_rate: a number, a schedule or a callable.
        adam_beta_1: as `beta_1` in `Adam`.
        adam_beta_2: as `beta_2` in `Adam`.
        adam_weight_decay: the weight decay of AdamW's weights.
        epsilon: as in `Adam`.
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
        exclude_layers: regular expressions; weights whose path has a match take steps of AdamW.
        exclude_embeddings: let weights with "embedding" in their path take steps of AdamW.
        muon_a: the factor of the first power in an iteration.
        muon_b: the factor of the third power.
        muon_c: the factor of the fifth power.
        adam_lr_ratio: the rate of AdamW as a share of the rate.
        momentum: the share of the old momentum that is kept.
        ns_steps: how many iterations.
        nesterov: whether to look ahead.
        rms_rate: the root mean square of a step; `None` leaves it unscaled.
        **kwargs: none.

    Raises:
        ArgumentError: an argument outside of what is allowed.

    Example:
        >>> from pyneuro import Variable
        >>> import numpy as np
        >>> w = Variable(np.zeros((2, 2), "float32"))
        >>> Muon(0.1).apply([np.eye(2, dtype="float32")], [w])
        >>> bool(w.numpy()[0, 0] < 0 and w.numpy()[0, 1] == 0)
        True
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-07,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema,
            ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps,
            name, **kwargs,
        )  # fmt: skip
        self.adam_beta_1 = check_share(self, "adam_beta_1", adam_beta_1)
        self.adam_beta_2 = check_share(self, "adam_beta_2", adam_beta_2)
        self.adam_weight_decay, self.epsilon = adam_weight_decay, float(epsilon)
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = bool(exclude_embeddings)
        self.muon_a, self.muon_b, self.muon_c = float(muon_a), float(muon_b), float(muon_c)
        self.adam_lr_ratio, self.momentum = float(adam_lr_ratio), float(momentum)
        self.ns_steps, self.nesterov, self.rms_rate = int(ns_steps), bool(nesterov), rms_rate

    def _of_adam(self, variable: Variable) -> bool:
        if variable.ndim != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the momentums, and AdamW's means of squares."""
        self._momentums = self._slots(variables, "momentum")
        self._velocities = {
            self._positions[id(v)]: self.add_variable_from_reference(v, "velocity")
            for v in variables
            if self._of_adam(v)
        }

    def _has_velocity(self, variable: Variable) -> bool:
        return self._positions[id(variable)] in self._velocities

    def _decay(self, variables: list[Variable], rate: Any) -> None:
        for own, decay in ((True, self.adam_weight_decay), (False, self.weight_decay)):
            decayed = [
                v for v in variables if not self._is_spared(v) and self._has_velocity(v) is own
            ]
            if decayed and decay:
                sgd_update(decayed, decayed, rate * float(decay))

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights, momentums and means."""
        pairs = list(zip(variables, gradients, strict=True))
        of_adam = [(v, g) for v, g in pairs if self._has_velocity(v)]
        if of_adam:
            own = [v for v, _ in of_adam]
            adam_update(
                own,
                [g for _, g in of_adam],
                learning_rate * self.adam_lr_ratio,
                step,
                self.slots_of(self._momentums, own),
                [self._velocities[self._positions[id(v)]] for v in own],
                beta_1=self.adam_beta_1,
                beta_2=self.adam_beta_2,
                epsilon=self.epsilon,
            )
        targets: list[Variable] = []
        values: list[Tensor] = []
        for v, g in pairs:
            if self._has_velocity(v):
                continue
            (held,) = self.slots_of(self._momentums, [v])
            momentum = g + held * self.momentum
            way = self._orthogonal(g + momentum * self.momentum if self.nesterov else momentum)
            scale = 1.0 if self.rms_rate is None else math.sqrt(max(v.shape)) * self.rms_rate
            targets += (held, v)
            values += (momentum, v - ops.cast(learning_rate, v.dtype) * scale * way)
        if targets:
            assign(targets, values)

    def _orthogonal(self, x: Tensor) -> Tensor:
        """Near to the nearest matrix whose singular values are all 1, without finding them."""
        tall = x.shape[0] > x.shape[1]
        x = ops.transpose(x) if tall else x
        x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
        for _ in range(self.ns_steps):
            square = ops.matmul(x, ops.transpose(x))
            mixed = square * self.muon_b + ops.matmul(square, square) * self.muon_c
            x = x * self.muon_a + ops.matmul(mixed, x)
        return ops.transpose(x) if tall else x

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "adam_weight_decay": self.adam_weight_decay,
            "epsilon": self.epsilon,
            "exclude_layers": self.exclude_layers,
            "exclude_embeddings": self.exclude_embeddings,
            "muon_a": self.muon_a,
            "muon_b": self.muon_b,
            "muon_c": self.muon_c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "rms_rate": self.rms_rate,
        }
