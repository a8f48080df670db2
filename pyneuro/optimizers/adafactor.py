"""Adafactor: means of squares kept as one row and one column of each matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..ops.update import assign
from ..registry import built_in
from ..tensor import Tensor
from ..variable import Variable
from .base import HALVES, Optimizer

__all__ = ["Adafactor"]


@built_in("optimizer", "adafactor")
class Adafactor(Optimizer):
    """Adam's scaling with little memory, and without a mean of gradients (Shazeer and Stern 2018).

    Matrices keep the means of `g**2 + epsilon_1` of rows `r` and columns `c`, from which
    `v = r c / mean(r)`; other weights keep `v` itself. The share of the new is `t**beta_2_decay`.
    `u = g / sqrt(v)`, `w <- w - max(epsilon_2, rms(w)) * s * u / max(1, rms(u) / clip_threshold)`,
    where `s = min(rate, 1 / sqrt(t))`.

    Args:
        learning_rate: a number, a schedule or a callable.
        beta_2_decay: how fast new squares lose weight.
        epsilon_1: added to the squares.
        epsilon_2: the least size of a weight that steps are relative to.
        clip_threshold: the largest root mean square of a step before the rate.
        relative_step: let the rate fall with `1 / sqrt(t)`; Keras bounds it so in any case.
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
        >>> w = Variable(np.ones((2, 2), "float32"))
        >>> Adafactor(0.1).apply([np.ones((2, 2), "float32")], [w])
        >>> w.numpy().round(4)[0]
        array([0.9, 0.9], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 0.001,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
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
        self.beta_2_decay, self.clip_threshold = float(beta_2_decay), float(clip_threshold)
        self.epsilon_1, self.epsilon_2 = float(epsilon_1), float(epsilon_2)
        self.relative_step = bool(relative_step)

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the means of squares: a row and a column of matrices, whole ones of the rest."""
        self._means: list[tuple[Variable, ...]] = []
        for v in variables:
            dtype = "float32" if v.dtype in HALVES else v.dtype
            shapes = [v.shape] if v.ndim < 2 else [v.shape[:-1], (*v.shape[:-2], v.shape[-1])]
            names = ["velocity"] if v.ndim < 2 else ["row", "column"]
            path = v.path.replace("/", "_")
            self._means.append(
                tuple(
                    self._own_variable(ops.zeros(shape, dtype), dtype, f"{path}_{name}")
                    for shape, name in zip(shapes, names, strict=True)
                )
            )

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write the new weights and means, all in one call."""
        t = ops.cast(step, "float64")
        rate = ops.minimum(learning_rate, 1.0 / ops.sqrt(t))
        new = ops.power(t, self.beta_2_decay)
        targets: list[Variable] = []
        values: list[Tensor] = []
        for w, g in zip(variables, gradients, strict=True):
            share, squares = ops.cast(new, w.dtype), ops.square(g) + self.epsilon_1
            held = self._means[self._positions[id(w)]]
            whole = len(held) == 1
            parts = [squares] if whole else [ops.mean(squares, axis=-1), ops.mean(squares, axis=-2)]
            means = [m * (1.0 - share) + p * share for m, p in zip(held, parts, strict=True)]
            v = means[0] if whole else _product(*means)
            way = g * ops.rsqrt(v)
            way = way / ops.maximum(1.0, _rms(way) / self.clip_threshold)
            size = ops.maximum(self.epsilon_2, _rms(w)) * ops.cast(rate, w.dtype)
            targets += (*held, w)
            values += (*means, w - size * way)
        assign(targets, values)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }


def _rms(x: Tensor) -> Tensor:
    return ops.sqrt(ops.mean(ops.square(x)))


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """The matrix of rank one with these means of rows and columns."""
    share = ops.expand_dims(rows / ops.mean(rows, axis=-1, keepdims=True), -1)
    return share * ops.expand_dims(columns, -2)
