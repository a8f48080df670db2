"""Rows of the ops that move, place and write elements: manipulation, index, random, state, open rows."""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from references import ALL, FLOATS, NUMBERS
from rows import Bad, Case, In, Sample, sample

from pyneuro.tensor import convert, register_host_function

# ---- manipulation --------------------------------------------------------------------------------


def moving(op: str, samples: tuple[Sample, ...], reference: Callable[..., Any], **kwargs: Any) -> Case:
    defaults: dict[str, Any] = {"dtypes": ALL, "ulp": 0, "differentiable": (0,)}
    return Case(op, samples, reference, **{**defaults, **kwargs})


def box(shape: tuple[int, ...], **fields: tuple[int, ...]) -> Sample:
    return sample(shape, **fields)


BOXES = (
    box((7,), start=(2,), stop=(6,), step=(1,)), box((7,), start=(6,), stop=(-1,), step=(-2,)),
    box((4, 5), start=(1, 0), stop=(4, 5), step=(2, 3)), box((4, 5), start=(0, 4), stop=(4, 1), step=(1, -1)),
    box((4, 5), start=(2, 0), stop=(2, 5), step=(1, 1)), box((), start=(), stop=(), step=()),
    box((0, 3), start=(0, 1), stop=(0, 3), step=(1, 1)),
)  # fmt: skip


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
        (sample((), shape=(1, 1)), sample((4, 5), shape=(20,)), sample((4, 5), shape=(2, -1, 5)),
         sample((0, 3), shape=(3, 0)), sample((6,), shape=(3, 2)), sample((0,), shape=(-1,))),
        lambda x, shape: x.reshape(shape),
        large=sample((300, 701), shape=(701, 300)),
        bad=(Bad((np.ones(6),), {"shape": (4,)}, "ShapeError", "reshape: .*6 elements.*needs 4"),
             Bad((np.ones(6),), {"shape": (-1, -1)}, "ShapeError", "only one may be -1"),
             Bad((np.ones(6),), {"shape": (4, -1)}, "ShapeError", "do not divide")),
    ),
    moving(
        "transpose",
        (sample((), axes=()), sample((7,), axes=()), sample((4, 5), axes=()), sample((2, 3, 4), axes=(2, 0, 1)),
         sample((2, 3, 4), axes=(0, -1, 1)), sample((0, 3), axes=(1, 0)), sample((2, 3, 4, 5), axes=(0, 2, 1, 3))),
        lambda x, axes: np.transpose(x, axes or None),
        large=sample((300, 701), axes=(1, 0)),
        bad=(Bad((np.ones((2, 3)),), {"axes": (0,)}, "ShapeError", "transpose: axes .*1 entries.*2"),
             Bad((np.ones((2, 3)),), {"axes": (0, 0)}, "ShapeError", "given twice")),
    ),
    moving(
        "broadcast_to",
        (sample((), shape=(2, 3)), sample((3,), shape=(2, 3)), sample((2, 1), shape=(2, 3)),
         sample((2, 1, 3), shape=(4, 2, 2, 3)), sample((1,), shape=(0,)), sample((2,), shape=(2,))),
        lambda x, shape: np.broadcast_to(x, shape),
        large=sample((701,), shape=(300, 701)),
        bad=(Bad((np.ones(3),), {"shape": (2,)}, "ShapeError", "broadcast_to: x of shape"),
             Bad((np.ones(3),), {"shape": (-1, 3)}, "ShapeError", "negative")),
    ),
    moving(
        "slice", BOXES, ref.cut,
        large=box((300, 701), start=(299, 1), stop=(-1, 701), step=(-1, 2)),
        bad=(Bad((np.ones(5),), {"start": (0,), "stop": (6,), "step": (1,)}, "IndexOutOfRangeError", "0 to 5"),
             Bad((np.ones(5),), {"start": (0,), "stop": (5,), "step": (0,)}, "ArgumentError", "step is 0"),
             Bad((np.ones(5),), {"start": (0, 0), "stop": (5,), "step": (1,)}, "ShapeError", "2 entries")),
    ),
    moving(
        "split",
        (sample((7,), sizes=(2, 0, 5), axis=0), sample((4, 5), sizes=(4, 1), axis=-1), sample((4,), sizes=(4,), axis=0),
         sample((0, 3), sizes=(1, 2), axis=1)),
        ref.split,
        large=sample((300, 701), sizes=(100, 601), axis=1),
        bad=(Bad((np.ones(5),), {"sizes": (2, 2), "axis": 0}, "ShapeError", "split: sizes add up to 4"),
             Bad((np.ones(5),), {"sizes": (6, -1), "axis": 0}, "ShapeError", "negative")),
    ),
    moving(
        "concatenate",
        (sample((2,), (3,), axis=0), sample((4, 5), (4, 1), (4, 0), axis=1), sample((2, 3), axis=0),
         sample((2, 3, 4), (2, 1, 4), axis=-2), sample((0, 3), (2, 3), axis=0)),
        lambda *xs, axis: np.concatenate(xs, axis),
        differentiable=(0, 1, 2),
        large=sample((300, 400), (300, 301), axis=1),
        bad=(Bad((), {"axis": 0}, "ArgumentError", "at least one"),
             Bad((np.ones((2, 3)), np.ones((2, 4))), {"axis": 0}, "ShapeError", "concatenate: array 1")),
    ),
    moving(
        "slice_grad",
        tuple(Sample((In(updates(s)),), without_stop(s, shape=s.inputs[0].shape)) for s in BOXES),
        ref.slice_grad,
        large=Sample((In((300, 350)),), {"shape": (300, 701), "start": (299, 1), "step": (-1, 2)}),
        bad=(Bad((np.ones(3),), {"shape": (3,), "start": (1,), "step": (1,)}, "IndexOutOfRangeError", "1 to 3"),),
    ),
    moving(
        "slice_update",
        tuple(Sample((s.inputs[0], In(updates(s))), without_stop(s)) for s in BOXES),
        ref.slice_update,
        differentiable=(0, 1),
        large=Sample((In((300, 701)), In((300, 350))), {"start": (299, 1), "step": (-1, 2)}),
        bad=(Bad((np.ones(3), np.ones(3, "float32")), {"start": (0,), "step": (1,)}, "DTypeError", "updates are float32"),
             Bad((np.ones(3), np.ones(3)), {"start": (1,), "step": (1,)}, "IndexOutOfRangeError", "1 to 3")),
    ),
    moving(
        "full",
        tuple(Sample((), {"shape": s, "value": v}) for s, v in (((), 2.0), ((3, 4), 1.0), ((0, 2), 7.0))),
        lambda shape, value, dtype: np.full(shape, value),
        differentiable=(), dtype_field=True,
        large=Sample((), {"shape": (300, 701), "value": 3.0}),
        bad=(Bad((), {"shape": (-1,), "value": 0.0}, "ShapeError", "full: shape .* negative"),
             Bad((), {"shape": (2**40, 2**40), "value": 0.0}, "ShapeError", "elements")),
    ),
    moving(
        "arange",
        tuple(Sample((), {"start": a, "step": b, "size": n}) for a, b, n in
              ((0.0, 1.0, 5), (7.0, -1.0, 7), (0.0, 2.0, 0), (3.0, 3.0, 1), (1.0, 1.0, 100))),
        lambda start, step, size, dtype: start + step * np.arange(size),
        dtypes=NUMBERS, differentiable=(), dtype_field=True,
        large=Sample((), {"start": 0.0, "step": 0.0, "size": 300 * 701}),
        bad=(Bad((), {"start": 0.0, "step": 1.0, "size": -1}, "ShapeError", "negative"),),
    ),
)  # fmt: skip


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
        (taking((5,), (), 0), taking((5,), (3,), 0), taking((5, 3), (2, 4), 0), taking((4, 5), (3,), 1),
         taking((2, 3, 4), (2, 2), -2), taking((2, 3, 4), (0,), 1), taking((0, 3), (2,), 1)),
        lambda x, indices, axis: np.take(x, indices, axis),
        large=taking((300, 701), (450,), 0),
        bad=(Bad((np.ones(5), np.array([1, 5])), {}, "IndexOutOfRangeError", "5"),
             Bad((np.ones(5), np.array([-6])), {}, "IndexOutOfRangeError", "-6"),
             Bad((np.ones((0, 2)), np.array([0])), {}, "IndexOutOfRangeError", "take: axis 0 .*empty"),
             Bad((np.ones(5), np.ones(2)), {}, "DTypeError", "take: indices is float64.*integer"),
             Bad((np.ones(5), np.array([0])), {"axis": 1}, "ShapeError", "take: axis 1")),
    ),
    moving(
        "take_grad",
        (placing((), (), 0, 5), placing((6,), (6,), 0, 3), placing((2, 4, 3), (2, 4), 0, 5),
         placing((4, 3), (3,), 1, 6), placing((2, 2, 2, 4), (2, 2), -2, 3), placing((2, 0, 4), (0,), 1, 3)),
        ref.take_grad,
        dtypes=FLOATS, ulp=16, floor=30.0,
        large=placing((3000, 70), (3000,), 0, 50),
        bad=(Bad((np.ones(2), np.array([0, 3])), {"size": 3}, "IndexOutOfRangeError", "3"),
             Bad((np.ones(2), np.array([0, 1, 2])), {"size": 3}, "ShapeError", "take_grad: g .* indices")),
    ),
    moving(
        "one_hot",
        (coding((), 3, 0), coding((5,), 3, -1), coding((2, 4), 3, 0), coding((2, 4), 3, 1, "bool"),
         coding((0,), 3, -1, "int32"), coding((3,), 0, -1), coding((3,), 1, -1, "bfloat16")),
        ref.one_hot,
        dtypes=ref.SIGNED + ref.UNSIGNED, result="field", differentiable=(),
        large=coding((3000,), 70, -1),
        bad=(Bad((np.ones(2),), {"num_classes": 3}, "DTypeError", "one_hot: x is float64"),
             Bad((np.ones(2, "int32"),), {"num_classes": -1}, "ArgumentError", "num_classes is -1"),
             Bad((np.ones(2, "int32"),), {"num_classes": 3, "axis": 2}, "ShapeError", "one_hot: axis 2")),
    ),
)  # fmt: skip


# ---- random --------------------------------------------------------------------------------------

SEED = In(values=[-7, 2**40 + 3], shape=(2,), dtype="int64")
BAD_SEED = (
    Bad((np.zeros(3, "int64"),), {"shape": (2,)}, "ShapeError", "seed has shape"),
    Bad((np.zeros(2),), {"shape": (2,)}, "DTypeError", "seed is float64.*integer"),
    Bad((np.zeros(2, "int64"),), {"shape": (2,), "dtype": "int32"}, "DTypeError", "dtype is int32"),
)


def drawing(op: str, reference: Callable[..., Any], parameters: tuple[str, str], **kwargs: Any) -> Case:
    def one(shape: tuple[int, ...], a: float, b: float) -> Sample:
        return Sample((SEED,), {"shape": shape, parameters[0]: a, parameters[1]: b})

    return Case(
        op,
        (one((), 0.0, 1.0), one((1,), 0.0, 1.0), one((7,), -2.0, 3.0), one((3, 0), 0.0, 1.0), one((20, 5), 1.0, 2.0)),
        reference,
        large=one((300, 701), 0.0, 1.0),
        dtype_field=True,
        bad=BAD_SEED,
        **kwargs,
    )  # fmt: skip


def dropping(shape: tuple[int, ...], rate: float) -> Sample:
    return Sample((In(shape), SEED), {"rate": rate})


RANDOM = (
    drawing("random_uniform", ref.random_uniform, ("minval", "maxval"), floor=3.0),
    drawing("random_normal", ref.random_normal, ("mean", "stddev"), floor=4.0, ulp=16),
    moving(
        "dropout",
        (dropping((), 0.5), dropping((7,), 0.5), dropping((4, 5), 0.25), dropping((0,), 0.5),
         dropping((3, 4), 0.0), dropping((3, 4), 1.0)),
        ref.dropout,
        dtypes=FLOATS, ulp=2,
        large=dropping((300, 701), 0.3),
        bad=(Bad((np.ones(2), np.zeros(2, "int64")), {"rate": 1.5}, "ArgumentError", "rate is 1.5"),
             Bad((np.ones(2, "int32"), np.zeros(2, "int64")), {"rate": 0.5}, "DTypeError", "x is int32"),
             Bad((np.ones(2), np.zeros(3, "int64")), {"rate": 0.5}, "ShapeError", "seed has shape")),
    ),
)  # fmt: skip


# ---- state ---------------------------------------------------------------------------------------

RATE, STEP = In(low=0.1, high=0.2, dtype="float64"), In(values=3, dtype="int64")
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (3, 4), (0,))


def stepping(head: tuple[In, ...], groups: int, shapes: tuple[tuple[int, ...], ...], **fields: Any) -> Sample:
    """Values of any sign for variables and gradients, positive ones for slots that hold squares."""
    low = [-3.0, -3.0, -1.0, 0.1, 0.1]
    return Sample((*head, *(In(s, low[i], 3.0) for i in range(groups) for s in shapes)), fields)


def sgd(momentum: float, nesterov: bool = False, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> Sample:
    return stepping((RATE,), 3 if momentum else 2, shapes, momentum=momentum, nesterov=nesterov)


def adam(amsgrad: bool, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> Sample:
    more = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6, "amsgrad": amsgrad}
    return stepping((RATE, STEP), 5 if amsgrad else 4, shapes, **more)


def writing(op: str, samples: tuple[Sample, ...], reference: Callable[..., Any], **kwargs: Any) -> Case:
    return Case(op, samples, reference, floor=4.0, ulp=8, **kwargs)


UPDATE = (
    writing(
        "assign",
        (sample((), ()), sample((3, 4), (2,), (3, 4), (2,)), sample((0,), (0,))),
        ref.assign,
        dtypes=ALL,
        writes=lambda fields, n: [*range(n // 2)],
        large=sample((300, 701), (300, 701)),
        bad=(Bad((np.ones(2), np.ones(3)), {}, "ShapeError", "assign: the variable is .*; their shapes"),
             Bad((np.ones(2),), {}, "ArgumentError", "not pairs"),
             Bad((np.ones(2), np.ones(2)), {}, "ArgumentError", "no Variable")),
    ),
    writing(
        "sgd_update",
        (sgd(0.0), sgd(0.9), sgd(0.9, True)),
        ref.sgd_update,
        writes=lambda fields, n: written(n, 1, 3 if fields["momentum"] else 2),
        large=sgd(0.9, True, ((300, 701), (10,))),
        bad=(Bad((0.1, np.ones(2), np.ones(3)), {}, "ShapeError", "its gradient is"),
             Bad((0.1, np.ones(2)), {}, "ArgumentError", "do not form 2 lists"),
             Bad((np.ones(2), np.ones(2), np.ones(2)), {}, "ShapeError", "learning_rate has shape"),
             Bad((0.1, np.ones(2, "int32"), np.ones(2, "int32")), {}, "DTypeError", "variable 0 is int32")),
    ),
    writing(
        "adam_update",
        (adam(False), adam(True)),
        ref.adam_update,
        writes=lambda fields, n: written(n, 2, 5 if fields["amsgrad"] else 4),
        large=adam(True, ((300, 701), (10,))),
        bad=(Bad((0.1, 1, np.ones(2), np.ones(2), np.ones(3), np.ones(2)), {}, "ShapeError", "its slot is"),
             Bad((0.1, np.ones(2), np.ones(2), np.ones(2), np.ones(2), np.ones(2)), {}, "ShapeError", "step has shape")),
    ),
)  # fmt: skip


def written(inputs: int, first: int, groups: int) -> list[int]:
    """Of `groups` runs of tensors after the first inputs, all but the second run: the gradients."""
    n = (inputs - first) // groups
    return [*range(first, first + n), *range(first + 2 * n, inputs)]


# ---- open rows -----------------------------------------------------------------------------------


class Spec(ctypes.Structure):
    """pn_spec of custom_op.h."""

    _fields_ = (("dtype", ctypes.c_int32), ("rank", ctypes.c_int32), ("shape", ctypes.c_int64 * 8))


class Array(ctypes.Structure):
    """pn_array."""

    _fields_ = (("spec", Spec), ("data", ctypes.c_void_p))


SPECS, ARRAYS = ctypes.POINTER(Spec), ctypes.POINTER(Array)
TEXT = ctypes.POINTER(ctypes.c_char)
INFER = ctypes.CFUNCTYPE(ctypes.c_int, SPECS, SPECS, TEXT, ctypes.c_size_t)
RUN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ARRAYS, ARRAYS, TEXT, ctypes.c_size_t)


class Vtable(ctypes.Structure):
    """pn_custom_op."""

    _fields_ = (
        ("version", ctypes.c_uint32), ("name", ctypes.c_char_p), ("inputs", ctypes.c_int32),
        ("outputs", ctypes.c_int32), ("infer", INFER), ("run", RUN),
    )  # fmt: skip


def infer_twice(given: Any, out: Any, error: Any, size: int) -> int:
    if given[0].rank == 3:
        ctypes.memmove(error, b"twice: no cubes", 16)
        return 1
    out[0] = given[0]
    return 0


def run_twice(context: Any, given: Any, out: Any, error: Any, size: int) -> int:
    n = math.prod(given[0].spec.shape[: given[0].spec.rank])
    x = np.ctypeslib.as_array(ctypes.cast(given[0].data, ctypes.POINTER(ctypes.c_double)), (n,))
    y = np.ctypeslib.as_array(ctypes.cast(out[0].data, ctypes.POINTER(ctypes.c_double)), (n,))
    y[:] = x + x
    return 0


TWICE = Vtable(1, b"twice", 1, 1, INFER(infer_twice), RUN(run_twice))
OLD = Vtable(99, b"old", 1, 1, TWICE.infer, TWICE.run)


def sort_and_sum(x: Any) -> Any:
    values = x.numpy()
    return convert(np.sort(values, axis=-1)), convert(values.sum(-1))


CALLBACK = register_host_function(sort_and_sum)


def called(shape: tuple[int, ...]) -> Sample:
    outputs = [(shape, "float64"), (shape[:-1], "float64")]
    return sample(shape, callback=CALLBACK, outputs=outputs)


OPEN = (
    Case(
        "custom",
        tuple(sample(shape, vtable=ctypes.addressof(TWICE)) for shape in ((), (5,), (3, 4))),
        lambda x, vtable: x + x,
        dtypes=("float64",),
        bad=(Bad((np.ones((1, 1, 1)),), {"vtable": ctypes.addressof(TWICE)}, "ShapeError", "twice: no cubes"),
             Bad((np.ones(1), np.ones(1)), {"vtable": ctypes.addressof(TWICE)}, "ArgumentError", "takes 1 inputs"),
             Bad((np.ones(1),), {"vtable": ctypes.addressof(OLD)}, "ArgumentError", "another version")),
    ),
    Case(
        "host_call",
        (called((5,)), called((3, 4))),
        lambda x, callback, outputs: (np.sort(x, -1), x.sum(-1)),
        dtypes=("float64",),
        bad=(Bad((np.ones(2),), {"callback": CALLBACK, "outputs": [((3,), "float64"), ((), "float64")]},
                 "ShapeError", "host_call: the function gave"),
             Bad((np.ones(2),), {"callback": CALLBACK, "outputs": [((2,), "float64")]}, "ArgumentError", "gave 2 values"),
             Bad((np.ones(2),), {"callback": 10**9, "outputs": []}, "ArgumentError", "no function is registered")),
    ),
)  # fmt: skip

MEMORY = (*MANIPULATION, *INDEX, *RANDOM, *UPDATE, *OPEN)
