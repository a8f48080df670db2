"""Rows of the ops that order elements or place them by integers: sort, running sums, scatter."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from references import ALL, FLOATS, NUMBERS
from rows import Bad, Case, In, Sample, awkward_sample, sample

PLAIN = (math.nan, math.inf, -math.inf, -0.0, 0.0, 1.0, -1.0, 0.5)
LINES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((1,), 0),
    ((7,), -1),
    ((4, 5), 0),
    ((4, 5), 1),
    ((2, 3, 4), 1),
    ((3, 600), 1),
    ((3, 0), 1),
    ((0, 3), 1),
)

# ---- order ---------------------------------------------------------------------------------------


def sort(x: Any, axis: int, descending: bool = False, k: int = -1) -> Any:
    """By NumPy's stable sort; descending by the keys negated, where NaN comes first."""
    if descending:
        with np.errstate(all="ignore"):
            key = -x.astype("float64") if x.dtype != "int64" else -x
        key = np.where(np.isnan(key), -np.inf, key) if key.dtype.kind == "f" else key
        order = np.argsort(key, axis, kind="stable")
        if np.isnan(x.astype("float64")).any():  # a NaN goes before infinity
            first = np.argsort(~np.isnan(np.take_along_axis(x, order, axis)), axis, kind="stable")
            order = np.take_along_axis(order, first, axis)
    else:
        order = np.argsort(x, axis, kind="stable")
    if k >= 0:
        order = np.take(order, np.arange(k), axis)
    return np.take_along_axis(x, order, axis), order


def ordered(shape: tuple[int, ...], **fields: Any) -> Sample:
    return sample(shape, **fields)


def running(op: str, reference: Callable[..., Any], **kwargs: Any) -> Case:
    low, high = kwargs.pop("low", -3.0), kwargs.pop("high", 3.0)
    return Case(
        op,
        tuple(
            sample(shape, low=low, high=high, axis=axis, reverse=reverse)
            for shape, axis in LINES
            for reverse in (False, True)
        ),
        reference,
        differentiable=(0,),
        large=sample((300, 701), low=low, high=high, axis=1, reverse=False),
        rows=(0,),
        bad=(
            Bad((np.ones((2, 3)),), {"axis": 2}, "ShapeError", f"{op}: axis 2"),
            Bad((np.ones(3, bool),), {}, "DTypeError", f"{op}: x is bool"),
        ),
        **kwargs,
    )


def from_end(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, axis: int, reverse: bool) -> Any:
        return np.flip(function(np.flip(x, axis), axis), axis) if reverse else function(x, axis)

    return reference


def recurrence(a: Any, b: Any, axis: int, reverse: bool) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    if reverse:
        a, b = a[::-1], b[::-1]
    y = b.copy()
    for i in range(1, len(y)):
        y[i] = b[i] + a[i] * y[i - 1]
    return np.moveaxis(y[::-1] if reverse else y, 0, axis)


# ---- along an axis -------------------------------------------------------------------------------


def picking(x: tuple[int, ...], count: int, axis: int) -> Sample:
    shape = list(x)
    shape[axis], n = count, x[axis]
    return Sample((In(x), In(tuple(shape), -n, n - 1, "int32")), {"axis": axis})


def adding(g: tuple[int, ...], axis: int, size: int) -> Sample:
    return Sample((In(g), In(g, -size, size - 1, "int64")), {"axis": axis, "size": size})


def take_along_axis_grad(g: Any, indices: Any, axis: int, size: int) -> Any:
    g, indices = np.moveaxis(g, axis, 0), np.moveaxis(indices, axis, 0)
    out = np.zeros((size, *g.shape[1:]))
    rest = np.indices(g.shape)[1:]
    np.add.at(out, (indices, *rest), g)
    return np.moveaxis(out, 0, axis)


def changing(x: tuple[int, ...], count: int, reduction: int, **kwargs: Any) -> Sample:
    n = x[0]
    inputs = (In(x, **kwargs), In((count,), -n, n - 1, "int32"), In((count, *x[1:]), **kwargs))
    return Sample(inputs, {"reduction": reduction})


def scatter_update(x: Any, indices: Any, updates: Any, reduction: int) -> Any:
    combine = (None, np.add, np.maximum, np.minimum, np.multiply)[reduction]
    out = x.copy()
    for i, row in zip(indices, updates, strict=True):
        out[i] = row if combine is None else combine(out[i], row)
    return out


def scattering(reductions: tuple[int, ...], dtypes: tuple[str, ...], **kwargs: Any) -> Case:
    shapes: tuple[tuple[tuple[int, ...], int], ...] = (
        ((5,), 3), ((4, 3), 9), ((3, 600), 5), ((2, 3, 4), 2), ((3, 0), 2), ((4, 2), 0),
    )  # fmt: skip
    values = {"low": 0.5, "high": 2.0} if 4 in reductions else {}
    return Case(
        "scatter_update",
        tuple(changing(x, n, r, **values) for x, n in shapes for r in reductions),
        scatter_update,
        dtypes=dtypes,
        differentiable=(0, 2),
        large=changing((500, 70), 3000, reductions[0], **values),
        bad=(
            Bad(
                (np.ones(3), np.array([3]), np.ones(1)),
                {},
                "IndexOutOfRangeError",
                "scatter_update: index 3",
            ),
            Bad((np.ones(3), np.array([0]), np.ones(2)), {}, "ShapeError", "do not fit"),
            Bad(
                (np.ones(3), np.array([0]), np.ones(1, "float32")),
                {},
                "DTypeError",
                "updates are float32",
            ),
            Bad(
                (np.ones(3), np.array([0]), np.ones(1)),
                {"reduction": 5},
                "ArgumentError",
                "reduction is 5",
            ),
            Bad(
                (np.ones(3, bool), np.array([0]), np.ones(1, bool)),
                {"reduction": 1},
                "DTypeError",
                "x is bool",
            ),
        ),
        **kwargs,
    )


PLACES = (
    running(
        "cumsum",
        from_end(np.cumsum),
        dtypes=NUMBERS,
        ulp=64,
        floor=300.0,
        awkward=(awkward_sample([[0.5, v, -1.0, 2.0] for v in PLAIN], axis=1, reverse=False),),
    ),
    running("cumprod", from_end(np.cumprod), dtypes=FLOATS, low=0.9, high=1.1, ulp=600),
    Case(
        "linear_recurrence",
        tuple(
            Sample((In(shape, -0.9, 0.9), In(shape)), {"axis": axis, "reverse": reverse})
            for shape, axis in LINES
            for reverse in (False, True)
        ),
        recurrence,
        differentiable=(0, 1),
        ulp=64,
        floor=30.0,
        large=Sample((In((300, 701), -0.9, 0.9), In((300, 701))), {"axis": 1, "reverse": True}),
        rows=(0, 1),
        bad=(
            Bad((np.ones(2), np.ones(3)), {}, "ShapeError", "linear_recurrence: a has shape"),
            Bad(
                (np.ones(2, "int32"), np.ones(2, "int32")),
                {},
                "DTypeError",
                "linear_recurrence: a is int32",
            ),
        ),
    ),
    Case(
        "take_along_axis",
        (
            picking((5,), 3, 0),
            picking((4, 5), 2, 1),
            picking((4, 5), 7, 0),
            picking((2, 3, 4), 3, -2),
            picking((3, 5), 0, 1),
            picking((0, 3), 2, 1),
        ),
        lambda x, indices, axis: np.take_along_axis(x, indices, axis),
        dtypes=ALL,
        ulp=0,
        differentiable=(0,),
        large=picking((300, 701), 500, 1),
        rows=(0, 1),
        bad=(
            Bad((np.ones(5), np.array([5])), {}, "IndexOutOfRangeError", "take_along_axis: .*5"),
            Bad((np.ones((5, 2)), np.array([[1]])), {"axis": 0}, "ShapeError", "must be equal"),
            Bad((np.ones(5), np.ones(2)), {}, "DTypeError", "indices is float64"),
        ),
    ),
    Case(
        "take_along_axis_grad",
        (
            adding((6,), 0, 3),
            adding((4, 700), 1, 6),
            adding((7, 3), 0, 2),
            adding((2, 3, 4), -2, 5),
            adding((3, 0), 1, 2),
        ),
        take_along_axis_grad,
        ulp=64,
        floor=30.0,
        differentiable=(0,),
        large=adding((300, 701), 1, 50),
        rows=(0, 1),
        bad=(
            Bad((np.ones(2), np.array([0])), {"size": 3}, "ShapeError", "g has shape"),
            Bad((np.ones(1), np.array([3])), {"size": 3}, "IndexOutOfRangeError", "3"),
        ),
    ),
    scattering((0,), ALL, ulp=0),
    scattering((1, 2, 3), NUMBERS, ulp=16, floor=30.0),
    scattering((4,), FLOATS, ulp=128),
)

SORTED = Case(
    "sort",
    (
        *(ordered(shape, axis=axis) for shape, axis in LINES if shape != (3, 600)),
        ordered((40,), axis=0, descending=True),
        ordered((4, 50), axis=1, descending=True, k=3),
        ordered((50, 4), axis=0, k=7),
        ordered((6,), axis=0, k=0),
    ),
    sort,
    dtypes=ALL,
    result=(None, "int32"),
    ulp=0,
    differentiable=(0,),
    awkward=(
        awkward_sample(PLAIN, axis=0),
        awkward_sample(PLAIN, axis=0, descending=True),
        awkward_sample(PLAIN, axis=0, descending=True, k=3),
    ),
    large=ordered((300, 701), axis=1),
    rows=(0,),
    bad=(
        Bad((np.ones((2, 3)),), {"axis": 2}, "ShapeError", "sort: axis 2"),
        Bad((np.ones(3),), {"k": 4}, "ArgumentError", "sort: k is 4"),
    ),
)

ORDERING = (SORTED, *PLACES)
