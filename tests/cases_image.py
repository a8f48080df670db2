"""Rows of pictures: resampling along an axis, or two."""

from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample

INF, NAN = float("inf"), float("nan")


def matrix(weights: np.ndarray, first: np.ndarray, n: int) -> np.ndarray:
    """[size, n]: the runs in their places."""
    whole = np.zeros((len(first), n))
    for o, at in enumerate(first):
        whole[o, at : at + weights.shape[1]] = weights[o]
    return whole


def along(x: np.ndarray, rows: np.ndarray, axis: int) -> np.ndarray:
    """Each line of `x` as a column behind `rows`, whose zeros take nothing, not even a NaN."""
    lines = np.moveaxis(x, axis, -1)
    there = np.where(rows != 0, rows, np.nan)
    terms = lines[..., None, :] * there
    summed = np.where(np.isnan(there), 0.0, terms).sum(-1)
    return np.moveaxis(summed, -1, axis)


def resample(
    x: np.ndarray, weights: np.ndarray, first: np.ndarray, *more: np.ndarray, axis: int
) -> np.ndarray:
    y = along(x, matrix(weights, first, x.shape[axis]), axis)
    return resample(y, *more, axis=axis + 1) if more else y


def resample_grad(
    g: np.ndarray, weights: np.ndarray, first: np.ndarray, *more: np.ndarray,
    axis: int, size: int, next_size: int = 0,
) -> np.ndarray:  # fmt: skip
    if more:
        g = resample_grad(g, *more, axis=axis + 1, size=next_size)
    return along(g, matrix(weights, first, size).T, axis)


def case_of(shape: tuple[int, ...], axis: int, size: int, taps: int) -> tuple[Sample, Sample]:
    """Forward and backward for x of this shape."""
    n = shape[axis]
    first = In(values=np.linspace(0, max(n - taps, 0), size).astype("int32"), dtype="int32")
    weights = In((size, taps), 0.1, 2.0, "wide")
    out = tuple(size if i == axis % len(shape) else d for i, d in enumerate(shape))
    return (
        Sample((In(shape), weights, first), {"axis": axis}),
        Sample((In(out), weights, first), {"axis": axis, "size": n}),
    )


def case_of_two(
    shape: tuple[int, ...], axis: int, sizes: tuple[int, int], taps: tuple[int, int]
) -> tuple[Sample, Sample]:
    """The same for two axes at once."""
    runs: tuple[In, ...] = ()
    out = list(shape)
    for i in range(2):
        (one, _) = case_of(shape, axis + i, sizes[i], taps[i])
        runs += one.inputs[1:]
        out[axis + i] = sizes[i]
    size, next_size = shape[axis : axis + 2]
    return (
        Sample((In(shape), *runs), {"axis": axis}),
        Sample(
            (In(tuple(out)), *runs), {"axis": axis, "size": size, "next_size": next_size}
        ),
    )  # fmt: skip


BOTH = (
    case_of((2, 5, 3), 1, 7, 2),
    case_of((2, 5, 3), -1, 9, 3),
    case_of((6,), 0, 3, 4),
    case_of((4, 3, 20), 0, 2, 3),
    case_of((2, 3, 4, 600), 2, 5, 2),
    case_of((3, 2100), 1, 2200, 2),
    case_of((1, 1), 0, 4, 1),
    case_of((2, 5, 0), 1, 3, 2),
    case_of((0, 5, 3), 1, 3, 2),
    case_of((2, 5, 3), 1, 0, 2),
    case_of((2, 5, 3), 1, 4, 0),
    case_of_two((2, 5, 4, 3), 1, (7, 9), (2, 3)),
    case_of_two((3, 4), 0, (6, 2), (1, 2)),
    case_of_two((1, 4, 3, 600), 1, (3, 5), (2, 2)),
    case_of_two((2, 2, 2100), 1, (3, 2200), (2, 2)),
    case_of_two((3, 1, 1, 2), 1, (4, 3), (1, 1)),
    case_of_two((0, 5, 4, 3), 1, (3, 3), (2, 2)),
    case_of_two((2, 5, 4, 3), 1, (0, 3), (2, 2)),
    case_of_two((2, 5, 4, 3), 1, (4, 3), (2, 0)),
)
LARGE = case_of_two((20, 60, 50, 4), 1, (90, 70), (3, 2))
OK = (np.ones((2, 5)), np.ones((3, 2)), np.array([0, 1, 3], "int32"))


def bad(op: str, ok: dict[str, Any]) -> tuple[Bad, ...]:
    x, weights, first = OK if op == "resample" else (np.ones((2, 3)), *OK[1:])
    return (
        Bad((x.astype("int32"), weights, first), ok, "DTypeError", f"{op}: .* is int32"),
        Bad((x, weights, first), {**ok, "axis": 2}, "ShapeError", f"{op}: axis 2 is out of range"),
        Bad((x, weights[0], first), ok, "ShapeError", f"{op}: weights must be"),
        Bad((x, weights.astype("float32"), first), ok, "DTypeError", f"{op}: weights is float32"),
        Bad((x, weights, first[:2]), ok, "ShapeError", f"{op}: first is"),
        Bad((x, weights, first.astype("int64")), ok, "DTypeError", f"{op}: first is int64"),
        Bad((x, weights, first + 1), ok, "IndexOutOfRangeError", "resample: a run in first"),
        Bad((x, weights, first - 1), ok, "IndexOutOfRangeError", "resample: a run in first"),
        Bad((x, weights, first, weights), ok, "ArgumentError", f"{op}: next_weights and next_fi"),
        Bad((x, weights, first, weights, first), ok, "ShapeError", f"{op}: the axis after axis 2"),
        Bad(
            (x, weights, first, weights[0], first), {**ok, "axis": 0}, "ShapeError",
            f"{op}: next_weights must be",
        ),
    )  # fmt: skip


IMAGE = (
    Case(
        "resample",
        tuple(forward for forward, _ in BOTH),
        resample,
        floor=15.0,
        differentiable=(0,),
        large=LARGE[0],
        rows=(0,),
        awkward=(
            Sample(
                (
                    In(values=[1.0, NAN, INF, -INF, 2.0]),
                    In((4, 2), 0.5, 1.0, "wide"),
                    In(values=[0, 1, 2, 3], dtype="int32"),
                ),
                {"axis": 0},
            ),
        ),
        bad=bad("resample", {"axis": 1}),
    ),
    Case(
        "resample_grad",
        tuple(backward for _, backward in BOTH),
        resample_grad,
        floor=30.0,
        differentiable=(0,),
        large=LARGE[1],
        rows=(0,),
        bad=(
            *bad("resample_grad", {"axis": 1, "size": 5}),
            Bad((np.ones((2, 4)), *OK[1:]), {"axis": 1, "size": 5}, "ShapeError", "g .* has 4"),
            Bad((np.ones((2, 3)), *OK[1:]), {"axis": 1, "size": -5}, "ShapeError", "negative"),
            Bad(
                (np.ones((3, 2)), *OK[1:], *OK[1:]),
                {"axis": 0, "size": 5, "next_size": 5},
                "ShapeError",
                "2 entries along axis 1, but next_weights",
            ),
        ),
    ),
)
