"""Rows of the ops that move, place and pick elements: manipulation and index."""

from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from references import ALL, FLOATS, NUMBERS
from rows import Bad, Case, In, Sample, sample

# ---- manipulation --------------------------------------------------------------------------------


def moving(
    op: str, samples: tuple[Sample, ...], reference: Callable[..., Any], **kwargs: Any
) -> Case:
    defaults: dict[str, Any] = {"dtypes": ALL, "ulp": 0, "differentiable": (0,)}
    return Case(op, samples, reference, **{**defaults, **kwargs})


def box(shape: tuple[int, ...], **fields: tuple[int, ...]) -> Sample:
    return sample(shape, **fields)


BOXES = (
    box((7,), start=(2,), stop=(6,), step=(1,)),
    box((7,), start=(6,), stop=(-1,), step=(-2,)),
    box((4, 5), start=(1, 0), stop=(4, 5), step=(2, 3)),
    box((4, 5), start=(0, 4), stop=(4, 1), step=(1, -1)),
    box((4, 5), start=(2, 0), stop=(2, 5), step=(1, 1)),
    box((), start=(), stop=(), step=()),
    box((0, 3), start=(0, 1), stop=(0, 3), step=(1, 1)),
)


def count(a: int, b: int, s: int) -> int:
    return len(range(a, b, s))


def updates(s: Sample) -> tuple[int, ...]:
    f = s.fields
    return tuple(count(*n) for n in zip(f["start"], f["stop"], f["step"], strict=True))


def without_stop(s: Sample, **more: Any) -> dict[str, Any]:
    return {"start": s.fields["start"], "step": s.fields["step"], **more}


MANIPULATION = (
    moving(
        "reshape",
        (
            sample((), shape=(1, 1)),
            sample((4, 5), shape=(20,)),
            sample((4, 5), shape=(2, -1, 5)),
            sample((0, 3), shape=(3, 0)),
            sample((6,), shape=(3, 2)),
            sample((0,), shape=(-1,)),
        ),
        lambda x, shape: x.reshape(shape),
        large=sample((300, 701), shape=(701, 300)),
        bad=(
            Bad((np.ones(6),), {"shape": (4,)}, "ShapeError", "reshape: .*6 elements.*needs 4"),
            Bad((np.ones(6),), {"shape": (-1, -1)}, "ShapeError", "only one may be -1"),
            Bad((np.ones(6),), {"shape": (4, -1)}, "ShapeError", "do not divide"),
        ),
    ),
    moving(
        "transpose",
        (
            sample((), axes=()),
            sample((7,), axes=()),
            sample((4, 5), axes=()),
            sample((2, 3, 4), axes=(2, 0, 1)),
            sample((2, 3, 4), axes=(0, -1, 1)),
            sample((0, 3), axes=(1, 0)),
            sample((2, 3, 4, 5), axes=(0, 2, 1, 3)),
        ),
        lambda x, axes: np.transpose(x, axes or None),
        large=sample((300, 701), axes=(1, 0)),
        bad=(
            Bad((np.ones((2, 3)),), {"axes": (0,)}, "ShapeError", "transpose: axes .*1 entries.*2"),
            Bad((np.ones((2, 3)),), {"axes": (0, 0)}, "ShapeError", "given twice"),
        ),
    ),
    moving(
        "broadcast_to",
        (
            sample((), shape=(2, 3)),
            sample((3,), shape=(2, 3)),
            sample((2, 1), shape=(2, 3)),
            sample((2, 1, 3), shape=(4, 2, 2, 3)),
            sample((1,), shape=(0,)),
            sample((2,), shape=(2,)),
        ),
        lambda x, shape: np.broadcast_to(x, shape),
        large=sample((701,), shape=(300, 701)),
        bad=(
            Bad((np.ones(3),), {"shape": (2,)}, "ShapeError", "broadcast_to: x of shape"),
            Bad((np.ones(3),), {"shape": (-1, 3)}, "ShapeError", "negative"),
        ),
    ),
    moving(
        "slice",
        BOXES,
        ref.cut,
        large=box((300, 701), start=(299, 1), stop=(-1, 701), step=(-1, 2)),
        bad=(
            Bad(
                (np.ones(5),),
                {"start": (0,), "stop": (6,), "step": (1,)},
                "IndexOutOfRangeError",
                "0 to 5",
            ),
            Bad(
                (np.ones(5),),
                {"start": (0,), "stop": (5,), "step": (0,)},
                "ArgumentError",
                "step is 0",
            ),
            Bad(
                (np.ones(5),),
                {"start": (0, 0), "stop": (5,), "step": (1,)},
                "ShapeError",
                "2 entries",
            ),
        ),
    ),
    moving(
        "split",
        (
            sample((7,), sizes=(2, 0, 5), axis=0),
            sample((4, 5), sizes=(4, 1), axis=-1),
            sample((4,), sizes=(4,), axis=0),
            sample((0, 3), sizes=(1, 2), axis=1),
        ),
        ref.split,
        large=sample((300, 701), sizes=(100, 601), axis=1),
        bad=(
            Bad(
                (np.ones(5),),
                {"sizes": (2, 2), "axis": 0},
                "ShapeError",
                "split: sizes add up to 4",
            ),
            Bad((np.ones(5),), {"sizes": (6, -1), "axis": 0}, "ShapeError", "negative"),
        ),
    ),
    moving(
        "concatenate",
        (
            sample((2,), (3,), axis=0),
            sample((4, 5), (4, 1), (4, 0), axis=1),
            sample((2, 3), axis=0),
            sample((2, 3), (1, 3), (2, 3), axis=0),
            sample((2, 3, 4), (2, 1, 4), axis=-2),
            sample((0, 3), (2, 3), axis=0),
        ),
        lambda *xs, axis: np.concatenate(xs, axis),
        differentiable=(0, 1, 2),
        large=sample((300, 400), (300, 301), axis=1),
        bad=(
            Bad((), {"axis": 0}, "ArgumentError", "at least one"),
            Bad(
                (np.ones((2, 3)), np.ones((2, 4))),
                {"axis": 0},
                "ShapeError",
                "concatenate: array 1",
            ),
        ),
    ),
    moving(
        "slice_grad",
        tuple(Sample((In(updates(s)),), without_stop(s, shape=s.inputs[0].shape)) for s in BOXES),
        ref.slice_grad,
        large=Sample((In((300, 350)),), {"shape": (300, 701), "start": (299, 1), "step": (-1, 2)}),
        bad=(
            Bad(
                (np.ones(3),),
                {"shape": (3,), "start": (1,), "step": (1,)},
                "IndexOutOfRangeError",
                "1 to 3",
            ),
        ),
    ),
    moving(
        "slice_update",
        tuple(Sample((s.inputs[0], In(updates(s))), without_stop(s)) for s in BOXES),
        ref.slice_update,
        differentiable=(0, 1),
        large=Sample((In((300, 701)), In((300, 350))), {"start": (299, 1), "step": (-1, 2)}),
        bad=(
            Bad(
                (np.ones(3), np.ones(3, "float32")),
                {"start": (0,), "step": (1,)},
                "DTypeError",
                "updates are float32",
            ),
            Bad(
                (np.ones(3), np.ones(3)),
                {"start": (1,), "step": (1,)},
                "IndexOutOfRangeError",
                "1 to 3",
            ),
        ),
    ),
    moving(
        "full",
        tuple(
            Sample((), {"shape": s, "value": v})
            for s, v in (((), 2.0), ((3, 4), 1.0), ((0, 2), 7.0))
        ),
        lambda shape, value, dtype: np.full(shape, value),
        differentiable=(),
        dtype_field=True,
        large=Sample((), {"shape": (300, 701), "value": 3.0}),
        bad=(
            Bad((), {"shape": (-1,), "value": 0.0}, "ShapeError", "full: shape .* negative"),
            Bad((), {"shape": (2**40, 2**40), "value": 0.0}, "ShapeError", "elements"),
        ),
    ),
    moving(
        "arange",
        tuple(
            Sample((), {"start": a, "step": b, "size": n})
            for a, b, n in (
                (0.0, 1.0, 5),
                (7.0, -1.0, 7),
                (0.0, 2.0, 0),
                (3.0, 3.0, 1),
                (1.0, 1.0, 100),
            )
        ),
        lambda start, step, size, dtype: start + step * np.arange(size),
        dtypes=NUMBERS,
        differentiable=(),
        dtype_field=True,
        large=Sample((), {"start": 0.0, "step": 0.0, "size": 300 * 701}),
        bad=(Bad((), {"start": 0.0, "step": 1.0, "size": -1}, "ShapeError", "negative"),),
    ),
)


# ---- index ---------------------------------------------------------------------------------------


def taking(x: tuple[int, ...], indices: tuple[int, ...], axis: int) -> Sample:
    n = x[axis]
    return Sample((In(x), In(indices, -n, n - 1, "int32")), {"axis": axis})


def placing(g: tuple[int, ...], indices: tuple[int, ...], axis: int, size: int) -> Sample:
    return Sample((In(g), In(indices, -size, size - 1, "int64")), {"axis": axis, "size": size})


def coding(shape: tuple[int, ...], classes: int, axis: int, dtype: str = "float32") -> Sample:
    fields = {"num_classes": classes, "axis": axis, "dtype": dtype}
    return Sample((In(shape, -1, classes),), fields)


INDEX = (
    moving(
        "take",
        (
            taking((5,), (), 0),
            taking((5,), (3,), 0),
            taking((5, 3), (2, 4), 0),
            taking((4, 5), (3,), 1),
            taking((2, 3, 4), (2, 2), -2),
            taking((2, 3, 4), (0,), 1),
            taking((0, 3), (2,), 1),
        ),
        lambda x, indices, axis: np.take(x, indices, axis),
        large=taking((300, 701), (450,), 0),
        bad=(
            Bad((np.ones(5), np.array([1, 5])), {}, "IndexOutOfRangeError", "5"),
            Bad((np.ones(5), np.array([-6])), {}, "IndexOutOfRangeError", "-6"),
            Bad(
                (np.ones((0, 2)), np.array([0])), {}, "IndexOutOfRangeError", "take: axis 0 .*empty"
            ),
            Bad((np.ones(5), np.ones(2)), {}, "DTypeError", "take: indices is float64.*integer"),
            Bad((np.ones(5), np.array([0])), {"axis": 1}, "ShapeError", "take: axis 1"),
        ),
    ),
    moving(
        "take_grad",
        (
            placing((), (), 0, 5),
            placing((6,), (6,), 0, 3),
            placing((2, 4, 3), (2, 4), 0, 5),
            placing((4, 3), (3,), 1, 6),
            placing((2, 2, 2, 4), (2, 2), -2, 3),
            placing((2, 0, 4), (0,), 1, 3),
        ),
        ref.take_grad,
        dtypes=FLOATS,
        ulp=16,
        floor=30.0,
        large=placing((3000, 70), (3000,), 0, 50),
        bad=(
            Bad((np.ones(2), np.array([0, 3])), {"size": 3}, "IndexOutOfRangeError", "3"),
            Bad(
                (np.ones(2), np.array([0, 1, 2])),
                {"size": 3},
                "ShapeError",
                "take_grad: g .* indices",
            ),
        ),
    ),
    moving(
        "one_hot",
        (
            coding((), 3, 0),
            coding((5,), 3, -1),
            coding((2, 4), 3, 0),
            coding((2, 4), 3, 1, "bool"),
            coding((0,), 3, -1, "int32"),
            coding((3,), 0, -1),
            coding((3,), 1, -1, "bfloat16"),
        ),
        ref.one_hot,
        dtypes=ref.SIGNED + ref.UNSIGNED,
        result="field",
        differentiable=(),
        large=coding((3000,), 70, -1),
        bad=(
            Bad((np.ones(2),), {"num_classes": 3}, "DTypeError", "one_hot: x is float64"),
            Bad((np.ones(2, "int32"),), {"num_classes": -1}, "ArgumentError", "num_classes is -1"),
            Bad(
                (np.ones(2, "int32"),),
                {"num_classes": 3, "axis": 2},
                "ShapeError",
                "one_hot: axis 2",
            ),
        ),
    ),
)


MEMORY = (*MANIPULATION, *INDEX)
