"""Rows of the optimizer steps besides gradient descent and Adam."""

from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample

RATE = In(low=0.1, high=0.2, dtype="float64")
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (3, 4), (0,))
LARGE: tuple[tuple[int, ...], ...] = ((300, 701), (10,))

# The least value of variables, gradients and slots: what holds squares is positive, and large
# enough for that of a mean of gradients to be taken off.
LOWS = {"rmsprop_update": (-3.0, -3.0, 4.0, -1.0, -1.0), "adagrad_update": (-3.0, -3.0, 0.1),
        "lion_update": (-3.0, -3.0, -1.0)}  # fmt: skip
HIGHS = {"rmsprop_update": (3.0, 3.0, 9.0, 1.0, 1.0), "adagrad_update": (3.0, 3.0, 3.0),
         "lion_update": (3.0, 3.0, 3.0)}  # fmt: skip


def groups(op: str, fields: dict[str, Any]) -> int:
    if op != "rmsprop_update":
        return 3
    return 3 + (fields["momentum"] != 0) + fields["centered"]


def one(op: str, shapes: tuple[tuple[int, ...], ...], **fields: Any) -> Sample:
    inputs = (In(s, LOWS[op][i], HIGHS[op][i]) for i in range(groups(op, fields)) for s in shapes)
    return Sample((RATE, *inputs), fields)


def runs(tensors: tuple[Any, ...], count: int) -> list[list[Any]]:
    n = len(tensors) // count
    return [[*tensors[i * n : (i + 1) * n]] for i in range(count)]


def rmsprop(
    rate: Any, *tensors: Any, rho: float, momentum: float, epsilon: float, centered: bool
) -> tuple[Any, ...]:
    p, g, v, *rest = runs(tensors, 3 + (momentum != 0) + centered)
    v = [rho * a + (1 - rho) * b * b for a, b in zip(v, g, strict=True)]
    under = [a + epsilon for a in v]
    if centered:
        mean = [rho * a + (1 - rho) * b for a, b in zip(rest.pop(), g, strict=True)]
        under = [a - b * b for a, b in zip(under, mean, strict=True)]
    step = [rate * a / np.sqrt(b) for a, b in zip(g, under, strict=True)]
    if momentum:
        step = [momentum * a + b for a, b in zip(rest.pop(), step, strict=True)]
    p = [a - b for a, b in zip(p, step, strict=True)]
    return (*p, *v, *(step if momentum else ()), *(mean if centered else ()))


def adagrad(rate: Any, *tensors: Any, epsilon: float) -> tuple[Any, ...]:
    p, g, a = runs(tensors, 3)
    a = [x + y * y for x, y in zip(a, g, strict=True)]
    return (*(x - rate * y / np.sqrt(z + epsilon) for x, y, z in zip(p, g, a, strict=True)), *a)


def lion(rate: Any, *tensors: Any, beta_1: float, beta_2: float) -> tuple[Any, ...]:
    p, g, m = runs(tensors, 3)
    way = [np.sign(beta_1 * x + (1 - beta_1) * y) for x, y in zip(m, g, strict=True)]
    return (
        *(x - rate * y for x, y in zip(p, way, strict=True)),
        *(beta_2 * x + (1 - beta_2) * y for x, y in zip(m, g, strict=True)),
    )


# beta_1 of lion is 3/4, so that float32 and float64 agree on signs.
def row(op: str, reference: Any, *fields: dict[str, Any], **kwargs: Any) -> Case:
    def written(given: dict[str, Any], inputs: int) -> list[int]:
        n = (inputs - 1) // groups(op, given)
        return [*range(1, 1 + n), *range(1 + 2 * n, inputs)]

    three = (0.1, np.ones(2), np.ones(2))
    return Case(
        op,
        tuple(one(op, SHAPES, **f) for f in fields),
        reference,
        ulp=8,
        floor=10.0,
        writes=written,
        large=one(op, LARGE, **fields[-1]),
        bad=(
            Bad((*three, np.ones(3)), {}, "ShapeError", "its slot is"),
            Bad(three, {}, "ArgumentError", "do not form 3 lists"),
            Bad((np.ones(2), *three[1:], np.ones(2)), {}, "ShapeError", "learning_rate has shape"),
        ),
        **kwargs,
    )


UPDATES = (
    row(
        "rmsprop_update",
        rmsprop,
        *(
            {"rho": 0.9, "momentum": m, "epsilon": 1e-6, "centered": c}
            for m in (0.0, 0.5)
            for c in (False, True)
        ),
    ),
    row("adagrad_update", adagrad, {"epsilon": 1e-6}),
    row("lion_update", lion, {"beta_1": 0.75, "beta_2": 0.98}),
)
