"""Which dtype comes out: Keras's promotion, weak Python numbers, casts, whole numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from references import ALL, FLOATS, SIGNED, UNSIGNED

from pyneuro import config, errors, ops
from pyneuro.ops.arguments import common_dtype, dtype_name
from pyneuro.tensor import Tensor, apply

NAMES = {
    "b": "bool", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "i1": "int8",
    "i2": "int16", "i4": "int32", "i8": "int64", "f2": "float16", "bf": "bfloat16",
    "f4": "float32", "f8": "float64",
}  # fmt: skip

# Row and column in the order of NAMES; keras.ops documents the same lattice.
PROMOTION = """
b  u1 u2 u4 u8 i1 i2 i4 i8 f2 bf f4 f8
u1 u1 u2 u4 u8 i2 i2 i4 i8 f2 bf f4 f8
u2 u2 u2 u4 u8 i4 i4 i4 i8 f2 bf f4 f8
u4 u4 u4 u4 u8 i8 i8 i8 i8 f2 bf f4 f8
u8 u8 u8 u8 u8 f4 f4 f4 f4 f2 bf f4 f8
i1 i2 i4 i8 f4 i1 i2 i4 i8 f2 bf f4 f8
i2 i2 i4 i8 f4 i2 i2 i4 i8 f2 bf f4 f8
i4 i4 i4 i8 f4 i4 i4 i4 i8 f2 bf f4 f8
i8 i8 i8 i8 f4 i8 i8 i8 i8 f2 bf f4 f8
f2 f2 f2 f2 f2 f2 f2 f2 f2 f2 f4 f4 f8
bf bf bf bf bf bf bf bf bf f4 bf f4 f8
f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f8
f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8
"""


def test_promotion() -> None:
    rows = [line.split() for line in PROMOTION.split("\n") if line]
    for a, row in zip(NAMES.values(), rows, strict=True):
        for b, code in zip(NAMES.values(), row, strict=True):
            x, y = ops.ones((2,), a), ops.ones((2,), b)
            assert common_dtype(a, b) == NAMES[code]
            for function in (ops.add, ops.maximum, lambda x, y: ops.where(x, x, y)):
                assert function(x, y).dtype == NAMES[code], (a, b)
            assert ops.concatenate([x, y]).dtype == NAMES[code]
            assert ops.equal(x, y).dtype == "bool"


def two(function: Callable[..., Any], dtype: str) -> Tensor:
    x = ops.ones((2, 2), dtype)
    return function(x, x)


# What keras.ops gives: bool -> , uint8 -> , int8 ->, int32 ->, int64 ->; floats keep their dtype.
F4 = ("float32",) * 5
RESULTS: list[tuple[Callable[..., Any], tuple[str, ...]]] = [
    *((function, F4) for function in (
        ops.exp, ops.expm1, ops.log, ops.log1p, ops.log2, ops.log10, ops.sqrt, ops.rsqrt,
        ops.reciprocal, ops.sin, ops.cos, ops.tan, ops.tanh, ops.erf, ops.floor, ops.ceil,
        ops.sigmoid, ops.softplus, ops.silu, ops.gelu, ops.elu, ops.selu, ops.relu6,
        ops.leaky_relu, ops.hard_sigmoid, ops.softsign, ops.softmax, ops.log_softmax, ops.mean,
        ops.var, ops.std, ops.logsumexp, ops.log_sigmoid,
    )),
    (ops.relu, ("int32", "uint8", "int8", "int32", "int64")),
    (ops.square, ("int32", "uint8", "int8", "int32", "int64")),
    (ops.absolute, ("bool", "uint8", "int8", "int32", "int64")),
    (ops.trunc, ("bool", "uint8", "int8", "int32", "int64")),
    (ops.sum, ("int32", "uint32", "int32", "int32", "int64")),
    (ops.prod, ("int32", "uint32", "int32", "int32", "int64")),
    (ops.max, ("bool", "uint8", "int8", "int32", "int64")),
    (ops.argmax, ("int32",) * 5),
    (ops.count_nonzero, ("int32",) * 5),
    (lambda x: ops.clip(x, 0, 1), ("int32", "uint8", "int8", "int32", "int64")),
    (lambda x: ops.clip(x, 0.5, 1.0), F4),
    (lambda x: two(ops.divide, x.dtype), F4),
    (lambda x: two(ops.mod, x.dtype), ("int32", "uint8", "int8", "int32", "int64")),
    (lambda x: two(ops.floor_divide, x.dtype), ("int32", "uint8", "int8", "int32", "int64")),
    (lambda x: two(ops.power, x.dtype), ("int32", "uint8", "int8", "int32", "int64")),
    (lambda x: two(ops.matmul, x.dtype), ("bool", "uint8", "int32", "int32", "int64")),
    (lambda x: ops.add(x, 2), ("int32", "uint8", "int8", "int32", "int64")),
    (lambda x: ops.add(x, 2.5), F4),
    (lambda x: ops.maximum(x, 2.5), F4),
    (lambda x: ops.divide(x, 2), F4),
    (ops.tril, ("bool", "uint8", "int8", "int32", "int64")),
    (lambda x: ops.divide_no_nan(x, 2), F4),
    (lambda x: ops.divide_no_nan(2.0, x), F4),
    (lambda x: ops.where(x, x, 2), ("int32", "uint8", "int8", "int32", "int64")),
]  # fmt: skip


@pytest.mark.parametrize(("function", "results"), RESULTS)
def test_results(function: Callable[..., Any], results: tuple[str, ...]) -> None:
    for dtype, expected in zip(("bool", "uint8", "int8", "int32", "int64"), results, strict=True):
        assert function(ops.ones((2, 2), dtype)).dtype == expected, dtype
    for dtype in FLOATS:
        expected = "int32" if results == ("int32",) * 5 else dtype
        assert function(ops.ones((2, 2), dtype)).dtype == expected, dtype


def test_python_numbers_follow_floatx() -> None:
    x = ops.ones((2,), "int32")
    try:
        config.set_floatx("float64")
        assert (x * 0.5).dtype == ops.exp(x).dtype == ops.zeros(2).dtype == "float64"
        assert ops.where(ops.equal(x, 1), 1.0, 2).dtype == "float64"
        assert ops.convert_to_tensor([0.5]).dtype == ops.mean(x).dtype == "float64"
    finally:
        config.set_floatx("float32")
    assert ops.divide(x, 2).dtype == ops.divide(3, 2).dtype == "float32"


def test_a_condition_takes_no_part_in_the_dtype() -> None:
    condition = np.array([2, 0], "int64")
    assert ops.where(condition, np.ones(2, "uint8"), 7).tolist() == [1, 7]
    assert ops.where(condition, np.ones(2, "uint8"), 7).dtype == "uint8"


def test_names_of_dtypes() -> None:
    assert dtype_name("float") == dtype_name(float) == "float32"
    assert dtype_name("int") == dtype_name(int) == dtype_name(np.int32) == "int32"
    assert dtype_name(bool) == dtype_name(np.dtype(bool)) == "bool"
    with pytest.raises(errors.UnknownNameError, match="did you mean 'float32'"):
        ops.zeros(2, "flaot32")
    with pytest.raises(errors.DTypeError, match="expected a dtype"):
        ops.zeros(2, object())


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_casts_of_floats_saturate(dtype: str) -> None:
    info = np.iinfo(dtype)
    wild = [math.nan, math.inf, -math.inf, 1e30, -1e30, -0.9, 0.9, 2.7, float(info.max) * 2]
    want = [0, info.max, info.min, info.max, info.min, 0, 0, 2, info.max]
    for source in ("float32", "float64"):
        assert ops.cast(np.array(wild, source), dtype).tolist() == want, source


def test_casts_to_bool_ask_for_zero() -> None:
    got = ops.cast([0.0, -0.0, 1e-45, math.nan, -math.inf], "bool")
    assert got.tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("to", SIGNED + UNSIGNED)
@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_casts_between_integers_wrap_as_numpy(dtype: str, to: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([info.min, info.min + 1, 0, 1, info.max // 2, info.max - 1, info.max], dtype)
    np.testing.assert_array_equal(ops.cast(x, to).numpy(), x.astype(to))


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_whole_numbers_wrap_as_numpy(dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([info.min, info.max, 0, 1, info.max, info.max // 2 + 1], dtype)
    y = np.array([1, 1, 1, info.max, info.max, 2], dtype)
    with np.errstate(over="ignore"):
        for op in (np.add, np.subtract, np.multiply):
            np.testing.assert_array_equal(apply(op.__name__, x, y).numpy(), op(x, y))
        np.testing.assert_array_equal(apply("negative", x).numpy(), np.negative(x))


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_division_of_whole_numbers_never_traps(dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([info.min, info.max, 7, 0], dtype)
    assert ops.floor_divide(x, ops.zeros_like(x)).tolist() == [0, 0, 0, 0]
    assert ops.mod(x, ops.zeros_like(x)).tolist() == [0, 0, 0, 0]
    if dtype in SIGNED:
        minus = np.array([-1] * 4, dtype)
        with np.errstate(over="ignore"):
            want = np.negative(x).tolist()
        assert ops.floor_divide(x, minus).tolist() == want
        assert ops.mod(x, minus).tolist() == [0, 0, 0, 0]


def test_large_whole_numbers_are_exact() -> None:
    big = 2**62 + 1
    assert ops.full((2,), big, "int64").tolist() == [big, big]
    x = np.array([big, big + 1], "int64")
    assert (ops.add(x, 1) - x).tolist() == [1, 1]
    assert ops.max(x).item() == big + 1
    assert ops.argmax(x).item() == 1
    assert ops.equal(x, big).tolist() == [True, False]
    unsigned = np.array([2**64 - 1, 2**63], "uint64")
    assert ops.max(unsigned).item() == 2**64 - 1
    assert ops.greater(unsigned, 1).tolist() == [True, True]
    assert ops.floor_divide(unsigned, 2).tolist() == [2**63 - 1, 2**62]


def test_products_of_whole_numbers() -> None:
    x = np.array([[1, 2, 3, 4], [5, -1, 2, 0]], "int8")
    assert ops.prod(x, axis=1).tolist() == [24, 0]
    assert ops.prod(np.array([100, 100, 100], "int8")).item() == 1_000_000
    assert ops.sum(np.full(1000, 127, "int8")).item() == 127_000
    assert ops.sum(np.full(10, 255, "uint8")).dtype == "uint32"


@pytest.mark.parametrize("dtype", ALL)
def test_numpy_round_trip(dtype: str) -> None:
    x = ops.cast([0, 1, 2, 3], dtype)
    again = ops.convert_to_tensor(ops.convert_to_numpy(x))
    assert again.dtype == dtype
    assert again.tolist() == x.tolist()


def test_integers_take_no_gradient() -> None:
    x = ops.convert_to_tensor(np.ones(2))
    x.requires_grad = True
    assert ops.cast(x, "float32").requires_grad
    for out in (ops.cast(x, "int32"), ops.greater(x, 0.0), ops.argmax(x), ops.isnan(x)):
        assert not out.requires_grad
