"""Rows of normalization: x as (outer, rows, channels), groups of neighbouring channels."""

from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample, awkward_sample

NAN, INF = float("nan"), float("inf")


# ---- references ----------------------------------------------------------------------------------


def grouped(x: np.ndarray, groups: int) -> np.ndarray:
    outer, rows, channels = x.shape
    return x.reshape(outer, rows, groups, channels // groups)


def moments(x: np.ndarray, groups: int, rms: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of each group, [outer, groups]."""
    split = grouped(x, groups)
    mean = np.zeros((x.shape[0], groups)) if rms else split.mean((1, 3))
    return mean, np.square(split - mean[:, None, :, None]).mean((1, 3))


def spread(of_groups: np.ndarray, x: np.ndarray, groups: int) -> np.ndarray:
    return np.repeat(of_groups, x.shape[2] // groups, axis=1)[:, None, :]


def normalize(
    x: np.ndarray, gamma: Any = None, beta: Any = None, *, groups: int = 1, epsilon: float,
    rms: bool = False,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    mean, variance = moments(x, groups, rms)
    y = (x - spread(mean, x, groups)) / np.sqrt(spread(variance, x, groups) + epsilon)
    y = y if gamma is None else y * gamma
    return (y if beta is None else y + beta), mean, variance


def normalize_grad(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray, g: np.ndarray, gamma: Any = None, *,
    groups: int = 1, epsilon: float, rms: bool = False,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    scale = 1 / np.sqrt(spread(variance, x, groups) + epsilon)
    normal = (x - spread(mean, x, groups)) * scale
    h = g if gamma is None else g * gamma

    def means(v: np.ndarray) -> np.ndarray:
        return spread(grouped(v, groups).mean((1, 3)), x, groups)

    dx = (h - (0 if rms else means(h)) - normal * means(h * normal)) * scale
    return dx, (g * normal).sum((0, 1)), g.sum((0, 1))


def standardize(
    x: np.ndarray, mean: Any, variance: Any, gamma: Any = None, beta: Any = None, *,
    epsilon: float,
) -> np.ndarray:  # fmt: skip
    y = (x - mean) / np.sqrt(variance + epsilon)
    y = y if gamma is None else y * gamma
    return np.asarray(y if beta is None else y + beta)


# ---- samples -------------------------------------------------------------------------------------

Shapes = tuple[tuple[tuple[int, int, int], int], ...]  # of x, and groups

SIDE_BY_SIDE: Shapes = (
    ((4, 1, 7), 1),  # layer norm
    ((3, 1, 40), 1),
    ((2, 1, 2500), 1),
    ((5, 1, 12), 4),
    ((3, 1, 3), 3),
    ((1, 1, 1), 1),
)
DOWN_ROWS: Shapes = (
    ((1, 6, 5), 5),  # batch norm
    ((1, 300, 3), 3),
    ((1, 3, 70), 70),
    ((2, 9, 8), 2),  # group norm
    ((2, 5, 6), 6),
    ((3, 4, 5), 1),
    ((1, 40, 600), 3),
)
EMPTY: Shapes = (((0, 3, 4), 2), ((0, 1, 4), 1))
OF_NOTHING: Shapes = (((2, 0, 4), 2), ((2, 3, 0), 2), ((2, 1, 0), 1))  # moments are NaN
AWKWARD = np.array([[[1.0, NAN, 2.0, INF]], [[1e4, 1.0, 0.0, -0.0]]])


def line(x: tuple[int, ...], low: float = -3.0) -> In:
    return In(x[-1:], low, 3.0, "wide")


def forward(x: tuple[int, int, int], groups: int, inputs: int, **fields: Any) -> Sample:
    return Sample((In(x), *(line(x),) * inputs), {"groups": groups, "epsilon": 0.1, **fields})


def backward(x: tuple[int, int, int], groups: int, gamma: bool, **fields: Any) -> Sample:
    mean, variance = (In((x[0], groups), low, 3.0, "wide") for low in (-3.0, 0.5))
    rest = (line(x),) if gamma else ()
    fields = {"groups": groups, "epsilon": 0.1, **fields}
    return Sample((In(x), mean, variance, In(x), *rest), fields)


def known(x: tuple[int, ...], inputs: int) -> Sample:
    return Sample((In(x), line(x), line(x, 0.5), *(line(x),) * inputs), {"epsilon": 0.1})


def magnitude(x: np.ndarray, gamma: Any = None, beta: Any = None, **fields: Any) -> Any:
    """x may cancel against the mean, and the result against beta."""
    groups = fields["groups"]
    _, variance = moments(x, groups, fields.get("rms", False))
    scale = 1 / np.sqrt(spread(variance, x, groups) + fields["epsilon"])
    size = np.max(np.abs(x) * scale, initial=0.0)
    return size * (1 if gamma is None else np.max(np.abs(gamma), initial=1.0)) + 3.0


X, C, M = np.ones((2, 3, 4)), np.ones(4), np.ones((2, 2))
OK = {"groups": 2, "epsilon": 0.1}


def bad(op: str, *rest: np.ndarray) -> tuple[Bad, ...]:
    return (
        Bad((X.astype("int32"), *rest), OK, "DTypeError", f"{op}: x is int32"),
        Bad((np.ones((3, 4)), *rest), OK, "ShapeError", f"{op}: x must be .outer, rows, channels"),
        Bad((X, *rest), {**OK, "groups": 3}, "ArgumentError", f"{op}: groups must divide the 4"),
        Bad((X, *rest), {**OK, "groups": 0}, "ArgumentError", f"{op}: groups must divide"),
        Bad((X, *rest), {**OK, "epsilon": -1.0}, "ArgumentError", f"{op}: epsilon must be 0 or"),
        Bad((X, *rest), {**OK, "epsilon": NAN}, "ArgumentError", f"{op}: epsilon must be 0 or"),
    )


def normalized(shapes: Shapes, large: tuple[tuple[int, int, int], int]) -> tuple[Case, Case]:
    rms = [(x, g) for x, g in shapes if x[2] > g]
    return (
        Case(
            "normalize",
            (
                *(forward(x, g, i % 3) for i, (x, g) in enumerate((*shapes, *EMPTY))),
                *(forward(x, g, 2) for x, g in shapes),
                *(forward(x, g, i % 3, rms=True) for i, (x, g) in enumerate(rms)),
            ),
            normalize,
            result=(None, "wide", "wide"),
            ulp=8.0,
            floor=magnitude,
            differentiable=(0, 1, 2),
            large=forward(*large, 2),
            rows=(0,),
            awkward=(
                awkward_sample(AWKWARD, groups=2, epsilon=0.1),
                *(forward(x, g, 2) for x, g in OF_NOTHING),
            ),
            signed_zeros=False,
            bad=(
                *bad("normalize"),
                Bad((X, np.ones(3)), OK, "ShapeError", "normalize: gamma is .*expected"),
                Bad((X, C.astype("float32")), OK, "DTypeError", "normalize: gamma is float32"),
                Bad((X, C, np.ones((4, 1))), OK, "ShapeError", "normalize: beta is .*expected"),
            ),
        ),
        Case(
            "normalize_grad",
            (
                *(backward(x, g, bool(i % 2)) for i, (x, g) in enumerate((*shapes, *EMPTY))),
                *(backward(x, g, bool(i % 2), rms=True) for i, (x, g) in enumerate(rms)),
            ),
            normalize_grad,
            result=(None, "wide", "wide"),
            ulp=16.0,
            floor=lambda x, mean, variance, g, gamma=None, **f: (
                np.max(np.abs(x), initial=1.0)
                * np.max(np.abs(g), initial=1.0)
                * (40 + x.shape[0] * x.shape[1])
            ),
            large=backward(*large, True),
            awkward=tuple(backward(x, g, True) for x, g in OF_NOTHING),
            rows=(0, 1, 2, 3),
            bad=(
                *bad("normalize_grad", M, M, X, C),
                Bad((X, np.ones((2, 4)), M, X), OK, "ShapeError", "normalize_grad: mean is"),
                Bad((X, M, M, np.ones((2, 3, 2))), OK, "ShapeError", "normalize_grad: x has shape"),
                Bad((X, M, M, X, np.ones(2)), OK, "ShapeError", "normalize_grad: gamma is"),
            ),
        ),
    )


STANDARDIZE = Case(
    "standardize",
    (
        known((6, 5), 2),
        known((2, 3, 4, 9), 1),
        known((7,), 0),
        known((0, 4), 2),
        known((3, 0), 1),
        known((1,), 2),
        known((3, 70), 0),
    ),
    standardize,
    ulp=8.0,
    floor=20.0,
    differentiable=(0, 1, 2, 3, 4),
    large=known((700, 96), 2),
    rows=(0,),
    awkward=(
        Sample(
            (
                In(values=AWKWARD[0]),
                In(values=np.ones(4), dtype="wide"),
                In(values=[1.0, 2.0, INF, 1.0], dtype="wide"),
            ),
            {"epsilon": 0.1},
        ),
    ),
    signed_zeros=False,
    bad=(
        Bad((X.astype("int32"), C, C), {"epsilon": 0.1}, "DTypeError", "x is int32"),
        Bad((np.float64(1), C, C), {"epsilon": 0.1}, "ShapeError", "standardize: x must"),
        Bad((X, np.ones(3), C), {"epsilon": 0.1}, "ShapeError", "standardize: mean is"),
        Bad((X, C, C), {"epsilon": -0.1}, "ArgumentError", "standardize: epsilon"),
    ),
)

NORMALIZATION = (
    *normalized(SIDE_BY_SIDE, ((4000, 1, 60), 2)),
    *normalized(DOWN_ROWS, ((20, 300, 24), 8)),
    STANDARDIZE,
)
