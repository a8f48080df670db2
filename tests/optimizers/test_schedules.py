"""Schedules against their formulas."""

import math

import pytest

from pyneuro.errors import ArgumentError
from pyneuro.optimizers import schedules


def cosine(step: float) -> float:
    return 0.1 + 0.9 * (1 + math.cos(math.pi * min(step, 10) / 10)) / 2


CASES = {
    "exponential": (schedules.ExponentialDecay(1.0, 10, 0.5), lambda t: 0.5 ** (t / 10)),
    "staircase": (
        schedules.ExponentialDecay(1.0, 10, 0.5, staircase=True), lambda t: 0.5 ** (t // 10),
    ),
    "inverse": (schedules.InverseTimeDecay(1.0, 10, 0.5), lambda t: 1 / (1 + 0.5 * t / 10)),
    "piecewise": (
        schedules.PiecewiseConstantDecay([5, 12], [1.0, 0.5, 0.1]),
        lambda t: 1.0 if t <= 5 else 0.5 if t <= 12 else 0.1,
    ),
    "polynomial": (
        schedules.PolynomialDecay(1.0, 10, 0.1, power=2.0),
        lambda t: 0.9 * (1 - min(t, 10) / 10) ** 2 + 0.1,
    ),
    "polynomial cycle": (
        schedules.PolynomialDecay(1.0, 10, 0.1, cycle=True),
        lambda t: 0.9 * (1 - t / (10 * max(1, math.ceil(t / 10)))) + 0.1,
    ),
    "cosine": (schedules.CosineDecay(1.0, 10, alpha=0.1), cosine),
    "cosine with warm-up": (
        schedules.CosineDecay(0.0, 10, alpha=0.1, warmup_target=1.0, warmup_steps=4),
        lambda t: t / 4 if t < 4 else cosine(t - 4),
    ),
    "restarts": (
        schedules.CosineDecayRestarts(1.0, 4, t_mul=2.0, m_mul=0.5),
        lambda t: (1 + math.cos(math.pi * t / 4)) / 2 if t < 4
        else 0.5 * (1 + math.cos(math.pi * (t - 4) / 8)) / 2 if t < 12
        else 0.25 * (1 + math.cos(math.pi * (t - 12) / 16)) / 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_formulas_and_configs(name: str) -> None:
    schedule, formula = CASES[name]
    again = schedules.deserialize(schedules.serialize(schedule))
    for step in range(25):
        assert float(schedule(step)) == pytest.approx(formula(step), abs=1e-12)
        assert float(again(step)) == float(schedule(step))


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="decay_steps"):
        schedules.ExponentialDecay(1.0, 0, 0.5)
    with pytest.raises(ArgumentError, match="one more"):
        schedules.PiecewiseConstantDecay([1], [1.0])
