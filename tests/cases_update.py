"""Rows of the optimizer steps, of what every one does on the way, and of the sum of squares.

Plain gradient descent and Adam are in cases_state.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from references import runs_of, with_copies
from rows import Bad, Case, In, Sample, sample

RATE, SCALE = In(low=0.1, high=0.2, dtype="float64"), In(low=0.5, high=2.0, dtype="float64")
STEP = In(values=3, dtype="int64")
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (3, 4), (0,))
LARGE: tuple[tuple[int, ...], ...] = ((300, 701), (10,), (), (3,))
HALVES = ("float16", "bfloat16")
CONDITIONAL = {"conditional": True}
COUNTED = ("adam_update", "lamb_update")  # take the number of the step as well

# The least value of variables, gradients and slots: what holds squares is positive, and large
# enough for that of a mean of gradients to be taken off.
LOWS = {"sgd_update": (-3.0, -3.0, -1.0), "adam_update": (-3.0, -3.0, -1.0, 0.1, 0.1),
        "lamb_update": (-3.0, -3.0, -1.0, 0.1), "rmsprop_update": (-3.0, -3.0, 4.0, -1.0, -1.0),
        "adagrad_update": (-3.0, -3.0, 0.1), "lion_update": (-3.0, -3.0, -1.0)}  # fmt: skip
HIGHS = {"rmsprop_update": (3.0, 3.0, 9.0, 1.0, 1.0)}


def groups(op: str, fields: dict[str, Any]) -> int:
    """Runs of tensors without the copies."""
    of_momentum = fields.get("momentum", 0) != 0
    slots = {
        "sgd_update": of_momentum,
        "adam_update": 2 + fields.get("amsgrad", False),
        "lamb_update": 2,
        "rmsprop_update": 1 + of_momentum + fields.get("centered", False),
    }
    return 2 + slots.get(op, 1)


def one(op: str, shapes: tuple[tuple[int, ...], ...], **fields: Any) -> Sample:
    """With copies, what is tested is the dtype of gradients and copies."""
    copies, count = fields.get("copies", False), groups(op, fields)
    head = (RATE, STEP, SCALE) if op in COUNTED else (RATE, SCALE)
    inputs = [
        In(s, LOWS[op][i], HIGHS.get(op, (3.0,) * 5)[i], "wide" if copies and i != 1 else None)
        for i in range(count)
        for s in shapes
    ]
    if copies:  # no copy is its variable rounded
        inputs[: len(shapes)] = [In(s, 10.0, 11.0, "wide") for s in shapes]
    return Sample((*head, *inputs, *(In(s) for s in shapes if copies)), fields)


def rmsprop(
    rate: Any, scale: Any, *tensors: Any, rho: float, momentum: float, epsilon: float,
    centered: bool, weight_decay: float = 0.0, copies: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    count = 3 + (momentum != 0) + centered
    p, g, v, *rest = runs_of(rate, scale, tensors, count, weight_decay, copies)
    v = [rho * a + (1 - rho) * b * b for a, b in zip(v, g, strict=True)]
    under = [a + epsilon for a in v]
    if centered:
        mean = [rho * a + (1 - rho) * b for a, b in zip(rest.pop(), g, strict=True)]
        under = [a - b * b for a, b in zip(under, mean, strict=True)]
    step = [rate * a / np.sqrt(b) for a, b in zip(g, under, strict=True)]
    if momentum:
        step = [momentum * a + b for a, b in zip(rest.pop(), step, strict=True)]
    p = [a - b for a, b in zip(p, step, strict=True)]
    slots = [v, *([step] if momentum else []), *([mean] if centered else [])]
    return with_copies(p, *slots, copies=copies)


def adagrad(
    rate: Any, scale: Any, *tensors: Any, epsilon: float, weight_decay: float = 0.0,
    copies: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    p, g, a = runs_of(rate, scale, tensors, 3, weight_decay, copies)
    a = [x + y * y for x, y in zip(a, g, strict=True)]
    p = [x - rate * y / np.sqrt(z + epsilon) for x, y, z in zip(p, g, a, strict=True)]
    return with_copies(p, a, copies=copies)


def lion(
    rate: Any, scale: Any, *tensors: Any, beta_1: float, beta_2: float, weight_decay: float = 0.0,
    copies: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    p, g, m = runs_of(rate, scale, tensors, 3, weight_decay, copies)
    way = [np.sign(beta_1 * x + (1 - beta_1) * y) for x, y in zip(m, g, strict=True)]
    p = [x - rate * y for x, y in zip(p, way, strict=True)]
    m = [beta_2 * x + (1 - beta_2) * y for x, y in zip(m, g, strict=True)]
    return with_copies(p, m, copies=copies)


def written_by(op: str) -> Callable[[dict[str, Any], int], list[int]]:
    head = 3 if op in COUNTED else 2

    def written(given: dict[str, Any], inputs: int) -> list[int]:
        inputs -= given.get("conditional", False)
        n = (inputs - head) // (groups(op, given) + given.get("copies", False))
        return [*range(head, head + n), *range(head + 2 * n, inputs)]

    return written


def row(op: str, reference: Any, *fields: dict[str, Any], **kwargs: Any) -> Case:
    if fields[0].get("copies"):  # what is written is in float32, but the copies
        wide = ("wide",) * len(SHAPES) * (groups(op, fields[0]) - 1)
        kwargs = {"result": (*wide, *(None for _ in SHAPES)), "dtypes": HALVES, **kwargs}
    return Case(
        op,
        tuple(one(op, SHAPES, **f) for f in fields),
        reference,
        **{"ulp": 8, "floor": 10.0, "large": one(op, LARGE, **fields[-1]), **kwargs},
        writes=written_by(op),
    )


def under(sample: Sample, holds: bool) -> Sample:
    """The same call, with a condition."""
    condition = In(values=holds, dtype="bool")
    return Sample((*sample.inputs, condition), {**sample.fields, "conditional": True})


def conditional(op: str, reference: Any, fields: dict[str, Any]) -> Case:
    written, plain = written_by(op), one(op, SHAPES, **fields)
    return Case(
        op,
        (under(plain, True), under(plain, False)),
        ref.conditional(reference, written),
        dtypes=("float32", "float64"),
        ulp=32,
        floor=10.0,
        large=under(one(op, LARGE, **fields), True),
        writes=written,
    )


def bad(head: tuple[Any, ...], slots: int) -> tuple[Bad, ...]:
    """Calls that the steps refuse; they have the numbers of `head` and as many slots."""
    ones, half = np.ones(2, "float32"), np.ones(2, "float16")
    more = [np.ones(2, "float32")] * (slots - 1)
    copies = {"copies": True}
    return (
        Bad((*head, ones, ones, *more, np.ones(3, "float32")), {}, "ShapeError", "its slot is"),
        Bad((*head, ones, ones), {}, "ArgumentError", "do not form . lists"),
        Bad((np.ones(2), *head[1:], ones, ones, ones, *more), {}, "ShapeError", "learning_rate"),
        Bad((*head[:-1], np.ones(2), ones, ones, ones, *more), {}, "ShapeError", "scale has shape"),
        Bad((*head, half, half, half, *([half] * (slots - 1)), half), copies, "DTypeError", "copy"),
        Bad((*head, ones, half, ones, *more, ones), copies, "DTypeError", "float16 or bfloat16"),
        Bad((*head, ones, half, half, *more, half), copies, "ShapeError", "its slot is"),
    )


# beta_1 of lion is 3/4, so that float32 and float64 agree on signs.
ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6}
LION = {"beta_1": 0.75, "beta_2": 0.98}
RMSPROP = {"rho": 0.9, "epsilon": 1e-6}
BOTH: tuple[dict[str, Any], ...] = (
    {"momentum": 0.0, "centered": False},
    {"momentum": 0.0, "centered": True},
    {"momentum": 0.5, "centered": False},
    {"momentum": 0.5, "centered": True},
)
FAMILIES: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("sgd_update", ref.sgd_update, {"momentum": 0.0, "nesterov": False}),
    ("sgd_update", ref.sgd_update, {"momentum": 0.9, "nesterov": True}),
    ("adam_update", ref.adam_update, {**ADAM, "amsgrad": True}),
    ("lamb_update", ref.lamb_update, ADAM),
    ("rmsprop_update", rmsprop, {**RMSPROP, **BOTH[-1]}),
    ("adagrad_update", adagrad, {"epsilon": 1e-6}),
    ("lion_update", lion, LION),
)
UPDATES = (
    *(row(op, reference, {**f, "weight_decay": 0.5}) for op, reference, f in FAMILIES
      if op != "lamb_update"),
    *(row(op, reference, {**f, "weight_decay": 0.5, "copies": True}, {**f, "copies": True},
          ulp=16) for op, reference, f in FAMILIES),
    row("rmsprop_update", rmsprop, *({**RMSPROP, **f} for f in BOTH), bad=bad((0.1, 1.0), 1)),
    row("adagrad_update", adagrad, {"epsilon": 1e-6}, bad=bad((0.1, 1.0), 1)),
    row("lion_update", lion, LION, bad=bad((0.1, 1.0), 1)),
    row(
        "lamb_update", ref.lamb_update, ADAM, {**ADAM, "weight_decay": 0.5},
        dtypes=("float32", "float64"), ulp=32,
        bad=(
            *bad((0.1, 1, 1.0), 2),
            Bad((0.1, 1, 1.0, *([np.ones(2, "float16")] * 4)), {}, "DTypeError", "or float64"),
        ),
    ),
    *(conditional(*family) for family in FAMILIES),
    Case(
        "assign",
        tuple(under(sample((3, 4), (2,), (3, 4), (2,)), holds) for holds in (True, False)),
        ref.conditional(ref.assign, lambda _, n: [*range(n // 2)]),
        writes=lambda _, n: [*range(n // 2)],
        bad=tuple(
            Bad(given, CONDITIONAL, "ArgumentError", "a single bool")
            for given in ((np.ones(2), np.ones(2), np.ones(2, bool)), (np.ones(2),) * 3, ())
        ),
    ),
    Case(
        "sum_of_squares",
        (Sample(()), Sample((In(()),)), Sample(tuple(In(s) for s in SHAPES))),
        ref.sum_of_squares,
        result="float64",
        ulp=64,
        awkward=(
            Sample((In(values=[1.0, np.inf]), In(values=[2.0]))),
            Sample((In(values=[1.0]), In(values=[2.0, np.nan]))),
        ),
        large=Sample(tuple(In(s) for s in LARGE)),
        bad=(Bad((np.ones(2, "int32"),), {}, "DTypeError", "sum_of_squares"),),
    ),
)  # fmt: skip
