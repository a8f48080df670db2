"""One row per native op: samples, NumPy reference, tolerance, awkward values, gradients, bad calls.

`rows.py` says what a row is made of, `references.py` what the ops mean; `test_ops.py` does what
`checks.py` can with each row. A new op needs a row, or `test_every_op_has_a_row` fails.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from cases_attention import ATTENTION
from cases_conv import CONV
from cases_fused import FUSED
from cases_image import IMAGE
from cases_index import ORDERING
from cases_memory import MEMORY
from cases_normalization import NORMALIZATION
from cases_pool import POOL
from cases_recurrent import RECURRENT
from cases_state import STATE
from cases_update import UPDATES
from references import ALL, FLOATS, NUMBERS
from rows import Bad, Case, In, Sample, awkward_sample, sample

NAN, INF = math.nan, math.inf
PLAIN = (NAN, INF, -INF, -0.0, 0.0, 1.0, -1.0, 0.5)
WILD = (*PLAIN, 3e38, -3e38, 2e-38, -2e-38, 1e-3, 20.0, -20.0, 88.0, -88.0, 100.0, -100.0, 1e4)

STRING = Bad(("text",), {}, "DTypeError", "cannot be a tensor")


def unary(op: str, reference: Callable[..., Any], **kwargs: Any) -> Case:
    low, high = kwargs.pop("low", -3.0), kwargs.pop("high", 3.0)
    shapes: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (7,), (3, 0, 2), (4, 5), (2, 3, 4, 5))
    bad = kwargs.pop("bad", (STRING,))
    dtypes = kwargs.get("dtypes", FLOATS)
    if "int32" not in dtypes:
        bad += (Bad((np.zeros(2, "int32"),), {}, "DTypeError", f"{op}: x is int32.*floating"),)
    elif "bool" not in dtypes:
        bad += (Bad((np.zeros(2, bool),), {}, "DTypeError", f"{op}: x is bool"),)
    return Case(
        op,
        tuple(sample(shape, low=low, high=high) for shape in shapes),
        reference,
        large=sample((300, 701), low=low, high=high),
        rows=(0,),
        bad=bad,
        awkward=(awkward_sample(kwargs.pop("wild", WILD)),),
        **{"differentiable": (0,), **kwargs},
    )


def binary(op: str, reference: Callable[..., Any], **kwargs: Any) -> Case:
    first = kwargs.pop("first", (-3.0, 3.0))
    second = kwargs.pop("second", (-3.0, 3.0))
    pairs: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
        ((), ()),
        ((4, 5), (4, 5)),
        ((4, 5), (5,)),
        ((4, 1), (1, 5)),
        ((), (3,)),
        ((2, 1, 3), (4, 1)),
        ((0, 3), (3,)),
        ((0,), (1,)),
        ((2, 3, 4, 5), (3, 1, 5)),
    )
    mismatch = Bad(
        (np.ones((2, 3)), np.ones((2, 4))), {}, "ShapeError", f"{op}: .*do not broadcast"
    )

    def two(a: tuple[int, ...], b: tuple[int, ...]) -> Sample:
        return Sample((In(a, *first), In(b, *second)))

    grid = np.array(kwargs.pop("wild", PLAIN))
    return Case(
        op,
        tuple(two(a, b) for a, b in pairs),
        reference,
        large=two((300, 701), (300, 701)),
        rows=(0, 1),
        bad=(mismatch, *kwargs.pop("bad", ())),
        awkward=(awkward_sample(grid[:, None], grid),),
        **{"differentiable": (0, 1), **kwargs},
    )


def predicate(maker: Callable[..., Case], op: str, reference: Callable[..., Any]) -> Case:
    return maker(op, reference, dtypes=ALL, result="bool", differentiable=())


UNARY = (
    unary("negative", np.negative, dtypes=NUMBERS, ulp=0),
    unary("absolute", np.abs, dtypes=NUMBERS, ulp=0),
    unary("sign", np.sign, dtypes=NUMBERS, ulp=0, signed_zeros=False),
    unary("square", np.square, dtypes=NUMBERS, ulp=0.5),
    unary("sqrt", np.sqrt, low=0.1, ulp=0.5),
    unary("rsqrt", lambda x: 1.0 / np.sqrt(x), low=0.1, ulp=2),
    unary("reciprocal", lambda x: 1.0 / x, low=0.3, ulp=0.5),
    unary("exp", np.exp),
    unary("expm1", np.expm1),
    unary("log", np.log, low=0.1),
    unary("log1p", np.log1p, low=-0.7),
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("arctan", np.arctan),
    unary("tanh", np.tanh),
    unary("erf", ref.erf),
    unary("floor", np.floor, ulp=0),
    unary("ceil", np.ceil, ulp=0),
    unary("round", np.round, ulp=0),
    unary("sigmoid", ref.sigmoid),
    unary("softplus", ref.softplus),
    unary("relu", lambda x: np.where(x <= 0, 0, x), dtypes=NUMBERS, ulp=0),
    unary("silu", lambda x: x / (1.0 + np.exp(-x)), wild=PLAIN),
    unary("gelu", ref.gelu, wild=PLAIN, floor=1.0),
    unary("gelu_tanh", ref.gelu_tanh, wild=PLAIN, floor=1.0),
    predicate(unary, "logical_not", np.logical_not),
    predicate(unary, "isnan", np.isnan),
    predicate(unary, "isfinite", np.isfinite),
)

BOOLS = Bad((np.ones(2, bool), np.ones(2, bool)), {}, "DTypeError", "is bool, but a number")

BINARY = (
    binary("add", np.add, dtypes=ALL, ulp=0.5, wild=WILD),
    binary("subtract", np.subtract, dtypes=NUMBERS, ulp=0.5, wild=WILD, bad=(BOOLS,)),
    binary("multiply", np.multiply, dtypes=ALL, ulp=0.5, wild=WILD),
    binary("divide", np.divide, second=(0.5, 3.0), ulp=0.5, wild=WILD),
    binary("mod", ref.mod, dtypes=NUMBERS, second=(0.5, 3.0), ulp=0.5, signed_zeros=False),
    binary(
        "floor_divide",
        ref.floor_divide,
        dtypes=NUMBERS,
        second=(0.5, 3.0),
        ulp=0,
        signed_zeros=False,
    ),
    binary("power", np.power, dtypes=NUMBERS, first=(0.3, 3.0), second=(0.0, 3.0), ulp=8),
    # Which of two zeros is the greater IEEE 754 leaves open; NumPy's answer differs by machine.
    binary("maximum", np.maximum, dtypes=ALL, ulp=0, wild=WILD, signed_zeros=False),
    binary("minimum", np.minimum, dtypes=ALL, ulp=0, wild=WILD, signed_zeros=False),
    predicate(binary, "equal", np.equal),
    predicate(binary, "not_equal", np.not_equal),
    predicate(binary, "less", np.less),
    predicate(binary, "less_equal", np.less_equal),
    predicate(binary, "greater", np.greater),
    predicate(binary, "greater_equal", np.greater_equal),
    predicate(binary, "logical_and", np.logical_and),
    predicate(binary, "logical_or", np.logical_or),
    predicate(binary, "logical_xor", np.logical_xor),
    binary("relu_grad", lambda y, g: np.where(y > 0, g, 0.0), ulp=0),
    binary("tanh_grad", lambda y, g: g * (1.0 - y * y), floor=30.0),
    binary("sigmoid_grad", lambda y, g: g * y * (1.0 - y), floor=30.0),
    binary("silu_grad", ref.silu_grad, floor=10.0),
    binary("gelu_grad", ref.gelu_grad, floor=10.0),
    binary("gelu_tanh_grad", ref.gelu_tanh_grad, floor=10.0),
)


# ---- where, cast, copy ---------------------------------------------------------------------------


def chosen(c: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]) -> Sample:
    return Sample((In(c, dtype="bool"), In(a), In(b)))


CHOICE = (
    Case(
        "where",
        (
            chosen((), (), ()),
            chosen((4, 5), (4, 5), (4, 5)),
            chosen((4, 1), (5,), ()),
            chosen((0, 3), (3,), (1,)),
            chosen((2, 1, 5), (3, 1), (2, 3, 5)),
        ),
        np.where,
        dtypes=ALL,
        ulp=0,
        differentiable=(1, 2),
        awkward=(
            Sample((In(values=True, dtype="bool"), In(values=PLAIN), In(values=PLAIN[::-1]))),
        ),
        large=chosen((300, 701), (300, 701), (701,)),
        rows=(0, 1),
        bad=(
            Bad((np.ones(2, bool), np.ones(3), np.ones(2)), {}, "ShapeError", "do not broadcast"),
        ),
    ),
    *(
        Case(
            "cast",
            tuple(sample(shape, low=0.0, high=99.0, dtype=to) for shape in ((), (0,), (4, 5))),
            lambda x, dtype: (
                (x != 0) if dtype == "bool" else x.astype("f8" if dtype in FLOATS else "i8")
            ),
            dtypes=ALL,
            result=to,
            ulp=0.5,
            differentiable=(0,) if to == "float64" else (),
            large=sample((300, 701), low=0.0, high=99.0, dtype=to),
            rows=(0,),
            bad=(Bad((np.ones(2),), {"dtype": "float33"}, "DTypeError", "no dtype 'float33'"),),
        )
        for to in ALL
    ),
    unary("copy", np.copy, dtypes=ALL, ulp=0),
)


# ---- along axes ----------------------------------------------------------------------------------

AXES: tuple[tuple[tuple[int, ...], tuple[int, ...], bool], ...] = (
    ((), (), False),
    ((1,), (), False),
    ((7,), (0,), True),
    ((4, 5), (0,), False),
    ((4, 5), (1,), True),
    ((4, 5), (), False),
    ((2, 3, 4), (0, -1), False),
    ((2, 3, 4), (1,), False),
    ((3, 40), (1,), False),
    ((40, 3), (0,), False),
    ((3, 0), (0,), False),
)
SPECIALS = [[0.5, value, -1.0, 2.0] for value in PLAIN]  # along the second axis
EMPTY = (((0, 3), (0,), False), ((2, 0), (), False), ((0,), (0,), True))


def reduce(op: str, function: Callable[..., Any], empty: bool = True, **kwargs: Any) -> Case:
    low, high = kwargs.pop("low", -3.0), kwargs.pop("high", 3.0)
    bad = [
        Bad(
            (np.ones((2, 3)),), {"axes": (2,)}, "ShapeError", f"{op}: axis 2 is out of range for 2"
        ),
        Bad((np.ones((2, 3)),), {"axes": (0, -2)}, "ShapeError", f"{op}: axis .* given twice"),
    ]
    if not empty:
        bad.append(Bad((np.ones((0, 3)),), {"axes": (0,)}, "ShapeError", f"{op}: axis 0 .*empty"))
    return Case(
        op,
        tuple(
            sample(shape, low=low, high=high, axes=axes, keepdims=keepdims)
            for shape, axes, keepdims in AXES + (EMPTY if empty else ())
        ),
        ref.reduction(function),
        awkward=(awkward_sample(SPECIALS, axes=(1,), keepdims=False),),
        large=sample((300, 701), low=low, high=high, axes=(1,), keepdims=False),
        bad=tuple(bad),
        **{"dtypes": ALL, "rows": (0,), **kwargs},
    )


def extreme(op: str, function: Callable[..., Any]) -> Case:
    shapes = (((1,), 0), ((7,), -1), ((4, 5), 0), ((4, 5), 1), ((2, 3, 4), 1), ((0, 3), 1))
    return Case(
        op,
        tuple(sample(s, axis=a, keepdims=k) for s, a in shapes for k in (False, True)),
        lambda x, axis, keepdims: function(x, axis=axis, keepdims=keepdims),
        dtypes=ALL,
        result="int32",
        awkward=(awkward_sample(SPECIALS, axis=1, keepdims=False),),
        large=sample((300, 701), axis=1, keepdims=False),
        rows=(0,),
        bad=(
            Bad((np.ones((2, 0)),), {"axis": 1}, "ShapeError", f"{op}: axis 1 .*empty"),
            Bad(
                (np.float32(1.0),), {"axis": 0}, "ShapeError", f"{op}: axis 0 is out of range for 0"
            ),
        ),
    )


REDUCTIONS = (
    reduce("sum", np.sum, result="sum", differentiable=(0,), floor=ref.magnitude),
    reduce("mean", np.mean, dtypes=FLOATS, differentiable=(0,), floor=3.0),
    reduce("prod", np.prod, result="sum", low=0.7, high=1.3, differentiable=(0,), ulp=64),
    reduce("max", np.max, empty=False, differentiable=(0,), ulp=0),
    reduce("min", np.min, empty=False, differentiable=(0,), ulp=0),
    reduce("all", np.all, result="bool", low=0.0, high=3.0),
    reduce("any", np.any, result="bool", low=0.0, high=1.0),
    extreme("argmax", np.argmax),
    extreme("argmin", np.argmin),
)


def along(op: str, function: Callable[..., Any], inputs: int, **kwargs: Any) -> Case:
    shapes: tuple[tuple[tuple[int, ...], int], ...] = (
        ((1,), 0),
        ((7,), -1),
        ((4, 5), 1),
        ((4, 5), 0),
        ((2, 3, 4), 1),
        ((2, 3, 40), 2),
        ((0, 3), 1),
        ((3, 0), 1),
        ((3, 1), 1),
    )
    return Case(
        op,
        tuple(sample(*[shape] * inputs, axis=axis) for shape, axis in shapes),
        function,
        differentiable=tuple(range(inputs)),
        awkward=(awkward_sample(SPECIALS, axis=1),) if inputs == 1 else (),
        large=sample(*[(300, 701)] * inputs, axis=1),
        rows=tuple(range(inputs)),
        bad=(
            Bad((np.ones((2, 3)),) * inputs, {"axis": 2}, "ShapeError", f"{op}: axis 2"),
            Bad((np.ones(2, "int32"),) * inputs, {}, "DTypeError", f"{op}: . is int32"),
        ),
        **{"floor": 1.0, **kwargs},
    )


def entropy(op: str, reference: Callable[..., Any], label: bool, gradient: bool) -> Case:
    def one(*shape: int, low: float = -3.0) -> Sample:
        classes = shape[-1]
        target = In(shape[:-1], 0, classes - 1, "int32") if label else In(shape, 0.0, 1.0)
        g = (In(shape[:-1]),) if gradient else ()
        return Sample((In(shape, low), target, *g))

    ones = (np.ones(2),) if gradient else ()
    wrong = np.zeros(3, "int32") if label else np.ones((2, 4))
    bad = [Bad((np.ones((2, 3)), wrong, *ones), {}, "ShapeError", f"{op}: ")]
    if label:
        outside = np.array([0, 3], "int32")
        bad.append(Bad((np.ones((2, 3)), outside, *ones), {}, "IndexOutOfRangeError", "3"))
    wide = (0,) if label else (0, 1)
    return Case(
        op,
        (one(3), one(1), one(4, 5), one(2, 3, 4), one(0, 4), one(3, 1), one(2, 40)),
        reference,
        differentiable=(*wide, 2) if gradient else wide,
        floor=30.0,
        large=one(300, 701),
        rows=(0, 1, 2) if gradient else (0, 1),
        bad=tuple(bad),
    )


SOFTMAX = (
    along("softmax", ref.softmax, 1),
    along("log_softmax", ref.log_softmax, 1),
    along("softmax_grad", ref.softmax_grad, 2, floor=ref.softmax_grad_magnitude),
    along("log_softmax_grad", ref.log_softmax_grad, 2, floor=ref.log_softmax_grad_magnitude),
    entropy("crossentropy", ref.crossentropy, False, False),
    entropy("crossentropy_grad", ref.crossentropy_grad, False, True),
    entropy("sparse_crossentropy", ref.sparse_crossentropy, True, False),
    entropy("sparse_crossentropy_grad", ref.sparse_crossentropy_grad, True, True),
)


# ---- matmul --------------------------------------------------------------------------------------


def product(
    a: tuple[int, ...],
    b: tuple[int, ...],
    ta: bool = False,
    tb: bool = False,
    bias: int | None = None,
) -> Sample:
    inputs = (In(a), In(b)) if bias is None else (In(a), In(b), In((bias,)))
    return Sample(inputs, {"transpose_a": ta, "transpose_b": tb})


MATMUL = Case(
    "matmul",
    (
        product((3, 4), (4, 5)),
        product((4, 3), (4, 5), ta=True),
        product((3, 4), (5, 4), tb=True),
        product((4, 3), (5, 4), True, True),
        product((4,), (4, 5)),
        product((3, 4), (4,)),
        product((4,), (4,)),
        product((2, 3, 4), (4, 5)),
        product((2, 3, 4), (2, 4, 5)),
        product((2, 1, 3, 4), (3, 4, 2)),
        product((3, 4), (2, 4, 5)),
        product((2, 4, 3), (5, 4), True, True),
        product((4,), (2, 4, 3)),
        product((2, 3, 4), (4,)),
        product((3, 4), (4, 5), bias=5),
        product((2, 3, 4), (5, 4), tb=True, bias=5),
        product((4,), (4, 5), bias=5),
        product((3, 4), (4,), bias=1),
        product((0, 4), (4, 5)),
        product((3, 0), (0, 5)),
        product((3, 4), (4, 0)),
        product((1, 1), (1, 1)),
        product((17, 33), (33, 9)),
    ),
    ref.matmul,
    dtypes=NUMBERS,
    floor=ref.matmul_magnitude,
    differentiable=(0, 1, 2),
    awkward=(awkward_sample(SPECIALS, np.ones((4, 3)), transpose_a=False, transpose_b=False),),
    large=product((130, 300), (300, 210)),
    rows=(0,),
    bad=(
        Bad((np.ones((2, 3)), np.ones((4, 5))), {}, "ShapeError", "matmul: .*3 columns.*4 rows"),
        Bad((np.ones((2, 2, 3)), np.ones((3, 3, 5))), {}, "ShapeError", "batch dimensions"),
        Bad(
            (np.ones((2, 3)), np.ones((3, 5), "float32")),
            {},
            "DTypeError",
            "float64, but b is float32",
        ),
        Bad((np.float64(1.0), np.ones((3, 5))), {}, "ShapeError", "at least 1 dimension"),
        Bad((np.ones((2, 3)), np.ones((3, 5)), np.ones(4)), {}, "ShapeError", "matmul: bias is"),
    ),
)


CASES = (
    *UNARY, *BINARY, *CHOICE, *REDUCTIONS, *SOFTMAX, MATMUL, *CONV, *POOL,
    *NORMALIZATION, *FUSED, *IMAGE, *ATTENTION, *RECURRENT, *MEMORY, *ORDERING, *STATE,
    *UPDATES,
)  # fmt: skip
