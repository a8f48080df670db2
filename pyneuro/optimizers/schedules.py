"""Learning rates that change with the step, made of ops so that a recorded step replays them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from .. import ops
from ..errors import ArgumentError
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..tensor import Tensor

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


class LearningRateSchedule:
    """Base class: a callable that gives the learning rate of a step.

    A subclass defines `__call__(step)` from ops, and `get_config()` so that it can be saved.
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate.

        Args:
            step: the number of updates made so far, a scalar tensor or a number.

        Returns:
            A scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Make one from `get_config()`'s result."""
        return cls(**config)


def _step(step: Any) -> Tensor:
    """The step as a float64: whole numbers stay exact and powers keep their digits."""
    return ops.cast(step, "float64")


def _positive_steps(schedule: str, argument: str, value: float) -> float:
    if not value > 0:
        raise ArgumentError(f"{schedule}: {argument} must be > 0, got {value!r}")
    return value


@built_in("schedule")
class ExponentialDecay(LearningRateSchedule):
    """`initial * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the steps for one factor.
        decay_rate: the factor.
        staircase: change only every `decay_steps` steps.
        name: a name.

    Raises:
        ArgumentError: `decay_steps` is not positive.

    Example:
        >>> round(ExponentialDecay(1.0, decay_steps=10, decay_rate=0.5)(20).item(), 6)
        0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_rate = initial_learning_rate, decay_rate
        self.decay_steps = _positive_steps("ExponentialDecay", "decay_steps", decay_steps)
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Tensor:
        """The learning rate at `step`."""
        p = _step(step) / float(self.decay_steps)
        p = ops.floor(p) if self.staircase else p
        result: Tensor = ops.exp(p * math.log(self.decay_rate)) * self.initial_learning_rate
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@built_in("schedule")
class InverseTimeDecay(LearningRateSchedule):
    """`initial / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the steps for one `decay_rate`.
        decay_rate: how fast it falls.
        staircase: change only every `decay_steps` steps.
        name: a name.

    Raises:
        ArgumentError: `decay_steps` is not positive.

    Example:
        >>> InverseTimeDecay(1.0, decay_steps=1, decay_rate=1.0)(3).item()
        0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_rate = initial_learning_rate, decay_rate
        self.decay_steps = _positive_steps("InverseTimeDecay", "decay_steps", decay_steps)
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Tensor:
        """The learning rate at `step`."""
        p = _step(step) / float(self.decay_steps)
        p = ops.floor(p) if self.staircase else p
        return ops.divide(self.initial_learning_rate, p * self.decay_rate + 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@built_in("schedule")
class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to each boundary.

    Args:
        boundaries: steps, rising.
        values: one rate more than boundaries; `values[0]` holds up to and including
            `boundaries[0]`.
        name: a name.

    Raises:
        ArgumentError: the numbers of boundaries and values do not fit.

    Example:
        >>> schedule = PiecewiseConstantDecay([10], [1.0, 0.5])
        >>> schedule(10).item(), schedule(11).item()
        (1.0, 0.5)
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ArgumentError(
                "PiecewiseConstantDecay: values must be one more than boundaries, got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Tensor:
        """The learning rate at `step`."""
        step = _step(step)
        rate: Any = ops.full_like(step, self.values[-1])
        for boundary, value in zip(self.boundaries[::-1], self.values[-2::-1], strict=True):
            rate = ops.where(ops.less_equal(step, float(boundary)), float(value), rate)
        return cast("Tensor", rate)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


@built_in("schedule")
class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to an end rate by a power of the time left.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the steps until the end.
        end_learning_rate: the rate at the end and after it.
        power: 1 falls in a straight line.
        cycle: begin again with twice, three times ... the steps instead of staying at the end.
        name: a name.

    Raises:
        ArgumentError: `decay_steps` is not positive.

    Example:
        >>> PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0)(5).item()
        0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate, self.end_learning_rate = (
            initial_learning_rate,
            end_learning_rate,
        )
        self.decay_steps = _positive_steps("PolynomialDecay", "decay_steps", decay_steps)
        self.power, self.cycle, self.name = power, cycle, name

    def __call__(self, step: Any) -> Tensor:
        """The learning rate at `step`."""
        step, total = _step(step), float(self.decay_steps)
        if self.cycle:
            span = ops.maximum(ops.ceil(step / total), 1.0) * total
            left = 1.0 - step / span
        else:
            left = 1.0 - ops.minimum(step, total) / total
        range_ = self.initial_learning_rate - self.end_learning_rate
        result: Tensor = ops.power(left, float(self.power)) * range_ + self.end_learning_rate
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


@built_in("schedule")
class CosineDecay(LearningRateSchedule):
    """Half a cosine down (Loshchilov and Hutter 2016), after an optional warm-up.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the steps of the fall.
        alpha: the rate at the end, as a share of the rate before the fall.
        name: a name.
        warmup_target: rise in a straight line to this rate first; `None` for no warm-up.
        warmup_steps: the steps of the rise.

    Raises:
        ArgumentError: `decay_steps` is not positive.

    Example:
        >>> round(CosineDecay(1.0, decay_steps=10)(5).item(), 6)
        0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate, self.alpha, self.name = initial_learning_rate, alpha, name
        self.decay_steps = _positive_steps("CosineDecay", "decay_steps", decay_steps)
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def _decay(self, step: Tensor, top: float) -> Tensor:
        share = ops.minimum(step, float(self.decay_steps)) / float(self.decay_steps)
        fall = (ops.cos(share * math.pi) + 1.0) * 0.5
        result: Tensor = (fall * (1.0 - self.alpha) + self.alpha) * top
        return result

    def __call__(self, step: Any) -> Tensor:
        """The learning rate at `step`."""
        step = _step(step)
        if self.warmup_target is None:
            return self._decay(step, self.initial_learning_rate)
        warm = float(self.warmup_steps)
        slope = (self.warmup_target - self.initial_learning_rate) / max(warm, 1.0)
        rise = ops.minimum(step, warm) * slope + self.initial_learning_rate
        fall = self._decay(ops.maximum(step - warm, 0.0), self.warmup_target)
        return cast("Tensor", ops.where(ops.less(step, warm), rise, fall))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


@built_in("schedule")
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines one after another (Loshchilov and Hutter 2016), each longer and lower.

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: the steps of the first fall.
        t_mul: each fall takes this many times the steps of the one before.
        m_mul: each fall begins at this share of the one before.
        alpha: the rate at the end of a fall, as a share of the initial rate.
        name: a name.

    Raises:
        ArgumentError: `first_decay_steps` is not positive.

    Example:
        >>> CosineDecayRestarts(1.0, first_decay_steps=10)(10).item()
        1.0
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate, self.alpha, self.name = initial_learning_rate, alpha, name
        self.first_decay_steps = _positive_steps(
            "CosineDecayRestarts", "first_decay_steps", first_decay_steps
        )
        self.t_mul, self.m_mul = t_mul, m_mul

    def __call__(self, step: Any) -> Tensor:
        """The learning rate at `step`."""
        done = _step(step) / float(self.first_decay_steps)
        if self.t_mul == 1.0:
            restart = ops.floor(done)
            share = done - restart
        else:  # the n-th fall begins at (t^n - 1) / (t - 1) first falls
            grown = done * (self.t_mul - 1.0) + 1.0
            restart = ops.floor(ops.log(grown) / math.log(self.t_mul) + 1e-12)
            power = ops.exp(restart * math.log(self.t_mul))
            share = (done - (power - 1.0) / (self.t_mul - 1.0)) / power
        height = ops.exp(restart * math.log(self.m_mul)) if self.m_mul != 1.0 else 1.0
        fall = (ops.cos(share * math.pi) + 1.0) * 0.5 * height
        result: Tensor = (fall * (1.0 - self.alpha) + self.alpha) * self.initial_learning_rate
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """The schedule as a dict that `deserialize` understands."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make a schedule from `serialize`'s result."""
    return deserialize_keras_object(config, custom_objects=custom_objects)
