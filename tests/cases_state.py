"""Rows of the ops that draw random numbers, write to Variables, or run the user's own code."""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from references import ALL
from rows import Bad, Case, In, Sample, sample

from pyneuro.tensor import convert, register_host_function

# ---- random --------------------------------------------------------------------------------------

SEED = In(values=[-7, 2**40 + 3], shape=(2,), dtype="int64")
BAD_SEED = (
    Bad((np.zeros(3, "int64"),), {"shape": (2,)}, "ShapeError", "seed has shape"),
    Bad((np.zeros(2),), {"shape": (2,)}, "DTypeError", "seed is float64.*integer"),
    Bad((np.zeros(2, "int64"),), {"shape": (2,), "dtype": "int32"}, "DTypeError", "dtype is int32"),
)


def drawing(
    op: str, reference: Callable[..., Any], parameters: tuple[str, str], **kwargs: Any
) -> Case:
    def one(shape: tuple[int, ...], a: float, b: float) -> Sample:
        return Sample((SEED,), {"shape": shape, parameters[0]: a, parameters[1]: b})

    return Case(
        op,
        (
            one((), 0.0, 1.0),
            one((1,), 0.0, 1.0),
            one((7,), -2.0, 3.0),
            one((3, 0), 0.0, 1.0),
            one((20, 5), 1.0, 2.0),
        ),
        reference,
        large=one((300, 701), 0.0, 1.0),
        dtype_field=True,
        bad=BAD_SEED,
        **kwargs,
    )


def dropping(shape: tuple[int, ...], rate: float) -> Sample:
    return Sample((In(shape), SEED), {"rate": rate})


RANDOM = (
    drawing("random_uniform", ref.random_uniform, ("minval", "maxval"), floor=3.0),
    drawing("random_normal", ref.random_normal, ("mean", "stddev"), floor=4.0, ulp=16),
    Case(
        "dropout",
        (
            dropping((), 0.5),
            dropping((7,), 0.5),
            dropping((4, 5), 0.25),
            dropping((0,), 0.5),
            dropping((3, 4), 0.0),
            dropping((3, 4), 1.0),
        ),
        ref.dropout,
        ulp=2,
        differentiable=(0,),
        large=dropping((300, 701), 0.3),
        bad=(
            Bad((np.ones(2), np.zeros(2, "int64")), {"rate": 1.5}, "ArgumentError", "rate is 1.5"),
            Bad(
                (np.ones(2, "int32"), np.zeros(2, "int64")),
                {"rate": 0.5},
                "DTypeError",
                "x is int32",
            ),
            Bad((np.ones(2), np.zeros(3, "int64")), {"rate": 0.5}, "ShapeError", "seed has shape"),
        ),
    ),
)


# ---- state ---------------------------------------------------------------------------------------

RATE, STEP = In(low=0.1, high=0.2, dtype="float64"), In(values=3, dtype="int64")
SCALE = In(low=0.5, high=2.0, dtype="float64")
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (3, 4), (0,))


def stepping(
    head: tuple[In, ...], groups: int, shapes: tuple[tuple[int, ...], ...], **fields: Any
) -> Sample:
    """Values of any sign for variables and gradients, positive ones for slots that hold squares."""
    low = [-3.0, -3.0, -1.0, 0.1, 0.1]
    return Sample((*head, *(In(s, low[i], 3.0) for i in range(groups) for s in shapes)), fields)


def sgd(
    momentum: float, nesterov: bool = False, shapes: tuple[tuple[int, ...], ...] = SHAPES
) -> Sample:
    return stepping(
        (RATE, SCALE), 3 if momentum else 2, shapes, momentum=momentum, nesterov=nesterov
    )


def adam(amsgrad: bool, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> Sample:
    more = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6, "amsgrad": amsgrad}
    return stepping((RATE, STEP, SCALE), 5 if amsgrad else 4, shapes, **more)


def writing(
    op: str, samples: tuple[Sample, ...], reference: Callable[..., Any], **kwargs: Any
) -> Case:
    return Case(op, samples, reference, floor=4.0, ulp=8, **kwargs)


UPDATE = (
    writing(
        "assign",
        (sample((), ()), sample((3, 4), (2,), (3, 4), (2,)), sample((0,), (0,))),
        ref.assign,
        dtypes=ALL,
        writes=lambda fields, n: [*range(n // 2)],
        large=sample((300, 701), (300, 701)),
        bad=(
            Bad(
                (np.ones(2), np.ones(3)),
                {},
                "ShapeError",
                "assign: the variable is .*; their shapes",
            ),
            Bad((np.ones(2),), {}, "ArgumentError", "not pairs"),
            Bad((np.ones(2), np.ones(2)), {}, "ArgumentError", "no Variable"),
        ),
    ),
    writing(
        "sgd_update",
        (sgd(0.0), sgd(0.9), sgd(0.9, True)),
        ref.sgd_update,
        writes=lambda fields, n: written(n, 2, 3 if fields["momentum"] else 2),
        large=sgd(0.9, True, ((300, 701), (10,))),
        bad=(
            Bad((0.1, 1.0, np.ones(2), np.ones(3)), {}, "ShapeError", "its gradient is"),
            Bad((0.1, 1.0, np.ones(2)), {}, "ArgumentError", "do not form 2 lists"),
            Bad(
                (np.ones(2), 1.0, np.ones(2), np.ones(2)),
                {},
                "ShapeError",
                "learning_rate has shape",
            ),
            Bad(
                (0.1, 1.0, np.ones(2, "int32"), np.ones(2, "int32")),
                {},
                "DTypeError",
                "variable 0 is int32",
            ),
        ),
    ),
    writing(
        "adam_update",
        (adam(False), adam(True)),
        ref.adam_update,
        writes=lambda fields, n: written(n, 3, 5 if fields["amsgrad"] else 4),
        large=adam(True, ((300, 701), (10,))),
        bad=(
            Bad(
                (0.1, 1, 1.0, np.ones(2), np.ones(2), np.ones(3), np.ones(2)),
                {},
                "ShapeError",
                "its slot is",
            ),
            Bad(
                (0.1, np.ones(2), 1.0, np.ones(2), np.ones(2), np.ones(2), np.ones(2)),
                {},
                "ShapeError",
                "step has shape",
            ),
        ),
    ),
)


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
        ("version", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("inputs", ctypes.c_int32),
        ("outputs", ctypes.c_int32),
        ("infer", INFER),
        ("run", RUN),
    )


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
        bad=(
            Bad(
                (np.ones((1, 1, 1)),),
                {"vtable": ctypes.addressof(TWICE)},
                "ShapeError",
                "twice: no cubes",
            ),
            Bad(
                (np.ones(1), np.ones(1)),
                {"vtable": ctypes.addressof(TWICE)},
                "ArgumentError",
                "takes 1 inputs",
            ),
            Bad(
                (np.ones(1),), {"vtable": ctypes.addressof(OLD)}, "ArgumentError", "another version"
            ),
        ),
    ),
    Case(
        "host_call",
        (called((5,)), called((3, 4))),
        lambda x, callback, outputs: (np.sort(x, -1), x.sum(-1)),
        dtypes=("float64",),
        bad=(
            Bad(
                (np.ones(2),),
                {"callback": CALLBACK, "outputs": [((3,), "float64"), ((), "float64")]},
                "ShapeError",
                "host_call: the function gave",
            ),
            Bad(
                (np.ones(2),),
                {"callback": CALLBACK, "outputs": [((2,), "float64")]},
                "ArgumentError",
                "gave 2 values",
            ),
            Bad(
                (np.ones(2),),
                {"callback": 10**9, "outputs": []},
                "ArgumentError",
                "no function is registered",
            ),
        ),
    ),
)

STATE = (*RANDOM, *UPDATE, *OPEN)
