"""Rows of fused chains: the reference takes one step after the other."""

from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample

from pyneuro import device

NAMES = [row["name"] for row in device.op_table()]
STEPS: dict[str, Any] = {
    "add": np.add,
    "multiply": np.multiply,
    "subtract": np.subtract,
    "maximum": np.maximum,
    "exp": np.exp,
    "negative": np.negative,
    "square": np.square,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "greater": np.greater,
    "where": np.where,
}


def chain(
    inputs: tuple[In, ...], steps: list[tuple[Any, ...]], results: tuple[int, ...] | None = None
) -> Sample:
    """Steps are (name, *operands), results the last step if not given."""
    numbers: list[int] = []
    for name, *operands in steps:
        numbers += [NAMES.index(name), *operands, *(-1,) * (3 - len(operands))]
    chosen = (len(steps) - 1,) if results is None else results
    return Sample(inputs, {"steps": tuple(numbers), "results": chosen})


def fused(*inputs: np.ndarray, steps: tuple[int, ...], results: tuple[int, ...]) -> Any:
    values = list(inputs)
    for i in range(0, len(steps), 4):
        row, *operands = steps[i : i + 4]
        values.append(STEPS[NAMES[row]](*(values[k] for k in operands if k >= 0)))
    return tuple(values[len(inputs) + r] for r in results)


def scaled(*shapes: tuple[int, ...]) -> Sample:
    """relu(a x + b z + c), with everything broadcast to the first."""
    return chain(
        tuple(In(shape) for shape in shapes),
        [("multiply", 0, 1), ("multiply", 2, 3), ("add", 5, 6), ("add", 7, 4), ("relu", 8)],
    )


def longest() -> Sample:
    steps: list[tuple[Any, ...]] = [("add", 0, 1)]
    steps += [("multiply" if i % 3 else "subtract", 2 + i, i % 2) for i in range(23)]
    return chain((In((3, 40), 0.9, 1.1), In((40,), 0.9, 1.1)), steps, (0, 5, 23))


SAMPLES = (
    scaled((4, 5), (), (4, 5), (4, 5), (5,)),
    scaled((3, 700), (700,), (3, 700), (3, 1), (1,)),
    scaled((2, 3, 4), (4,), (2, 3, 4), (3, 1), (2, 1, 1)),
    chain((In((7,)),), [("tanh", 0)]),
    chain((In(()),), [("square", 0), ("exp", 1)], (1, 0)),
    chain(
        (In((5, 6)), In((6,))),
        [("greater", 0, 1), ("where", 2, 0, 1), ("negative", 3), ("maximum", 4, 0)],
        (3, 1),
    ),
    chain(
        (In((4, 3), dtype="bool"), In((4, 3)), In((1, 3))),
        [("add", 1, 2), ("where", 0, 3, 1)],
        (1, 0),
    ),
    chain((In((0, 3)), In((3,))), [("add", 0, 1), ("exp", 2)]),
    longest(),
)
X = np.ones((2, 3))
ADD, EXP, SUM = (NAMES.index(name) for name in ("add", "exp", "sum"))


def bad(steps: tuple[int, ...], results: tuple[int, ...], error: str, says: str) -> Bad:
    return Bad((X, X), {"steps": steps, "results": results}, error, says)


FUSED = (
    Case(
        "fused",
        SAMPLES,
        fused,
        dtypes=("float64", "float32"),
        result=None,
        ulp=24.0,
        floor=30.0,
        large=scaled((300, 400), (400,), (300, 400), (300, 1), ()),
        rows=(0, 2, 3),
        bad=(
            bad((), (0,), "ArgumentError", "fused: 0 numbers"),
            bad((ADD, 0, 1), (0,), "ArgumentError", "fused: 3 numbers"),
            bad((SUM, 0, -1, -1), (0,), "ArgumentError", "fused: step 0 is no elementwise op"),
            bad((10**6, 0, -1, -1), (0,), "ArgumentError", "fused: step 0 is no elementwise op"),
            bad((ADD, 0, 2, -1), (0,), "ArgumentError", "step 0 reads what is not there"),
            bad((EXP, 0, 1, -1), (0,), "ArgumentError", "step 0 has an operand too many"),
            bad((ADD, 0, 1, -1), (0, 0), "ArgumentError", "fused: step 0 is given out twice"),
            bad((ADD, 0, 1, -1), (1,), "ArgumentError", "fused: there is no step 1"),
            bad((ADD, 0, 1, -1), (), "ArgumentError", "fused: 1 to 4 results"),
            Bad((), {"steps": (ADD, 0, 1, -1), "results": (0,)}, "ArgumentError", "1 to 8 inputs"),
            Bad(
                (X, X.astype("float32")),
                {"steps": (ADD, 0, 1, -1), "results": (0,)},
                "DTypeError",
                "step 0 reads float64 where the chain is computed in float32",
            ),
            Bad(
                (X.astype("int16"),),
                {"steps": (EXP, 0, -1, -1), "results": (0,)},
                "DTypeError",
                "cannot be computed in int16",
            ),
            Bad(
                (X, np.ones(3)),
                {"steps": (EXP, 1, -1, -1, EXP, 0, -1, -1), "results": (0,)},
                "ShapeError",
                "step 1 gives",
            ),
        ),
    ),
)
