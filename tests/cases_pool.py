"""Rows of pooling and its gradients. The reference looks at each window by itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample, awkward_sample

NAN, INF = float("nan"), float("inf")


# ---- the reference -------------------------------------------------------------------------------


def windows(
    size: tuple[int, ...], window: Any, strides: Any, padding: Any
) -> Iterator[tuple[tuple[int, ...], list[tuple[int, tuple[int, ...]]]]]:
    """Each position of y, and what its window holds: numbers of places, positions of x."""
    out = tuple(
        (n + padding[2 * i] + padding[2 * i + 1] - window[i]) // strides[i] + 1
        for i, n in enumerate(size)
    )
    for o in np.ndindex(*out):
        held = []
        for number, place in enumerate(np.ndindex(*window)):
            at = tuple(o[i] * strides[i] - padding[2 * i] + place[i] for i in range(len(size)))
            if all(0 <= p < n for p, n in zip(at, size, strict=True)):
                held.append((number, at))
        yield o, held


def out_shape(x: np.ndarray, window: Any, strides: Any, padding: Any) -> tuple[int, ...]:
    found = [o for o, _ in windows(x.shape[1:-1], window, strides, padding)]
    return (x.shape[0], *(n + 1 for n in found[-1]), x.shape[-1])


def max_pool(x: np.ndarray, **f: Any) -> tuple[np.ndarray, np.ndarray]:
    y = np.full(out_shape(x, **f), -INF)
    index = np.zeros(y.shape, "int64")
    for o, held in windows(x.shape[1:-1], **f):
        if held and x.shape[0]:
            values = np.stack([x[(slice(None), *at)] for _, at in held])
            first = np.argmax(values, axis=0)  # a NaN is the largest
            y[(slice(None), *o)] = np.take_along_axis(values, first[None], 0)[0]
            index[(slice(None), *o)] = np.array([number for number, _ in held])[first]
    return y, index


def max_pool_grad(g: np.ndarray, index: np.ndarray, size: Any, **f: Any) -> np.ndarray:
    dx = np.zeros((g.shape[0], *size, g.shape[-1]))
    for o, held in windows(tuple(size), **f):
        for number, at in held:
            here = index[(slice(None), *o)] == number
            dx[(slice(None), *at)] += np.where(here, g[(slice(None), *o)], 0)
    return dx


def max_pool_take(x: np.ndarray, index: np.ndarray, **f: Any) -> np.ndarray:
    y = np.zeros(index.shape)
    for o, held in windows(x.shape[1:-1], **f):
        for number, at in held:
            here = index[(slice(None), *o)] == number
            y[(slice(None), *o)] += np.where(here, x[(slice(None), *at)], 0)
    return y


def average_pool(x: np.ndarray, **f: Any) -> np.ndarray:
    y = np.zeros(out_shape(x, **f))
    for o, held in windows(x.shape[1:-1], **f):
        for _, at in held:
            y[(slice(None), *o)] += x[(slice(None), *at)] / len(held)
    return y


def average_pool_grad(g: np.ndarray, size: Any, **f: Any) -> np.ndarray:
    dx = np.zeros((g.shape[0], *size, g.shape[-1]))
    for o, held in windows(tuple(size), **f):
        for _, at in held:
            dx[(slice(None), *at)] += g[(slice(None), *o)] / len(held)
    return dx


# ---- samples -------------------------------------------------------------------------------------

Geometry = tuple[tuple[int, ...], dict[str, Any]]


def geometry(
    x: tuple[int, ...], window: tuple[int, ...], strides: Any = None, padding: Any = None
) -> Geometry:
    padding = padding or (0,) * (2 * len(window))
    return x, {"window": window, "strides": strides or window, "padding": padding}


GEOMETRIES: tuple[Geometry, ...] = (
    geometry((2, 6, 3), (2,)),
    geometry((2, 7, 1), (3,), (2,), (1, 1)),
    geometry((2, 4, 6, 5), (2, 2)),
    geometry((1, 5, 5, 9), (3, 3), (2, 2), (1, 1, 1, 1)),
    geometry((1, 5, 4, 3), (2, 3), (1, 2), (0, 1, 1, 0)),
    geometry((1, 3, 3, 17), (3, 3), (1, 1), (1, 1, 1, 1)),
    geometry((1, 5, 3, 2), (1, 1), (2, 2)),
    geometry((1, 4, 4, 4, 2), (2, 2, 2)),
    geometry((1, 3, 4, 3, 3), (2, 3, 1), (1, 1, 2), (1, 0, 0, 0, 0, 0)),
    geometry((0, 4, 4, 3), (2, 2)),
    geometry((2, 4, 4, 0), (2, 2)),
    geometry((1, 1, 1, 1), (1, 1)),
    # runs of pixels that read alike, between edges on both sides
    geometry((1, 3, 11, 33), (2, 3), (1, 2), (0, 1, 2, 1)),
    geometry((2, 12, 5), (2,), (3,), (1, 2)),
    geometry((1, 9, 2), (5,), (2,), (4, 4)),
    geometry((1, 2, 2), (4,), (1,), (3, 3)),
)
WIDE = geometry((1, 20, 17, 2), (18, 16), (1, 1))  # 288 places: more than a byte counts
LARGE = geometry((20, 26, 30, 24), (3, 3), (2, 2), (0, 1, 0, 1))


def y_shape(case: Geometry) -> tuple[int, ...]:
    x, f = case
    sizes = (
        (n + f["padding"][2 * i] + f["padding"][2 * i + 1] - f["window"][i]) // f["strides"][i] + 1
        for i, n in enumerate(x[1:-1])
    )
    return (x[0], *sizes, x[-1])


def forward(case: Geometry) -> Sample:
    return Sample((In(case[0]),), case[1])


def index_of(case: Geometry) -> In:
    places = int(np.prod(case[1]["window"]))
    return In(y_shape(case), 0, min(places - 1, 100), "uint8" if places <= 256 else "int32")


def backward(case: Geometry, indexed: bool) -> Sample:
    inputs = (In(y_shape(case)), index_of(case)) if indexed else (In(y_shape(case)),)
    return Sample(inputs, {**case[1], "size": case[0][1:-1]})


def taking(case: Geometry) -> Sample:
    return Sample((In(case[0]), index_of(case)), case[1])


def bad_forward(op: str, *more: np.ndarray) -> tuple[Bad, ...]:
    ok = {"window": (2, 2), "strides": (1, 1), "padding": (0, 0, 0, 0)}
    x = np.zeros((1, 4, 4, 2))
    return (
        Bad((np.zeros((4, 2)), *more), ok, "ShapeError", f"{op}: x must be"),
        Bad((x.astype("int32"), *more), ok, "DTypeError", f"{op}: x is int32"),
        Bad((x, *more), {**ok, "window": (2,)}, "ShapeError", f"{op}: window .* 2 entries"),
        Bad((x, *more), {**ok, "padding": (0, 0)}, "ShapeError", f"{op}: padding .* 4 entries"),
        Bad((x, *more), {**ok, "strides": (1, 0)}, "ArgumentError", f"{op}: .*strides"),
        Bad((x, *more), {**ok, "window": (2, 5)}, "ShapeError", f"{op}: .*needs 5"),
    )


def bad_backward(op: str, *more: np.ndarray) -> tuple[Bad, ...]:
    ok = {"window": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0), "size": (4, 4)}
    g = np.zeros((1, 2, 2, 1))
    return (
        Bad((g, *more), {**ok, "size": (4,)}, "ShapeError", f"{op}: size .* 2 entries"),
        Bad((g, *more), {**ok, "size": (6, 4)}, "ShapeError", f"{op}: g is .*expected"),
        Bad((g.astype("int32"), *more), ok, "DTypeError", f"{op}: g is int32"),
    )


INDEX = np.zeros((1, 2, 2, 1), "uint8")
WRONG_INDEX = Bad(
    (np.zeros((1, 2, 2, 1)), INDEX.astype("int32")),
    {"window": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0), "size": (4, 4)},
    "ShapeError",
    "index is int32.*uint8",
)
AWKWARD = np.array([1.0, NAN, INF, -INF, 2.0, -1.0, NAN, NAN, -INF, -INF]).reshape(1, 10, 1)
PAIRS = {"window": (2,), "strides": (2,), "padding": (0, 0)}

POOL = (
    Case(
        "max_pool",
        tuple(map(forward, GEOMETRIES)),
        max_pool,
        result=(None, "uint8"),
        ulp=0,
        differentiable=(0,),
        large=forward(LARGE),
        rows=(0,),
        awkward=(awkward_sample(AWKWARD, **PAIRS),),
        bad=bad_forward("max_pool"),
    ),
    Case(
        "max_pool_grad",
        (*(backward(g, True) for g in GEOMETRIES), backward(WIDE, True)),
        max_pool_grad,
        ulp=4,
        floor=lambda g, index, **f: max_pool_grad(np.abs(g), index, **f),
        differentiable=(0,),
        large=backward(LARGE, True),
        bad=(*bad_backward("max_pool_grad", INDEX), WRONG_INDEX),
    ),
    Case(
        "max_pool_take",
        (*map(taking, GEOMETRIES), taking(WIDE)),
        max_pool_take,
        ulp=0,
        differentiable=(0,),
        large=taking(LARGE),
        bad=bad_forward("max_pool_take", INDEX),
    ),
    Case(
        "average_pool",
        tuple(map(forward, GEOMETRIES)),
        average_pool,
        floor=lambda x, **f: average_pool(np.abs(x), **f),
        differentiable=(0,),
        large=forward(LARGE),
        rows=(0,),
        awkward=(awkward_sample(AWKWARD, **PAIRS),),
        bad=bad_forward("average_pool"),
    ),
    Case(
        "average_pool_grad",
        tuple(backward(g, False) for g in GEOMETRIES),
        average_pool_grad,
        floor=lambda g, **f: average_pool_grad(np.abs(g), **f),
        differentiable=(0,),
        large=backward(LARGE, False),
        bad=bad_backward("average_pool_grad"),
    ),
)
