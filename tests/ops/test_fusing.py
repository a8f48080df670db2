"""Recorded elementwise ops that follow each other run as one, to the same bits."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import pyneuro as pn
from pyneuro import device, ops
from pyneuro.capture import record
from pyneuro.tensor import Tensor

UNARY = ("exp", "tanh", "relu", "negative", "square", "sigmoid")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
EXACT = ("absolute", "negative", "sign", "floor", "ceil", "round", "relu")  # need no rounding
HALVES = ("bfloat16", "float16")
FLOATS = ("float32", *HALVES)


def check_state(step: Callable[[Tensor], None], w: pn.Variable, x: np.ndarray) -> None:
    """A replayed step writes what an eager one does."""
    before = w.numpy().copy()
    step(ops.convert_to_tensor(x))
    wanted = w.numpy().copy()
    w.assign(before)
    program = record(step, [x])
    w.assign(before)
    program.replay([x])
    assert w.numpy().tobytes() == wanted.tobytes() != before.tobytes()


def check(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """The recording of a function, which on other values gives an eager run's bits."""
    program = record(function, list(arrays))
    for _ in range(2):
        others = [np.flip(a).copy() for a in arrays]
        got, wanted = program.replay(others), function(*map(ops.convert_to_tensor, others))
        for g, w in zip(pn.tree.flatten(got), pn.tree.flatten(wanted), strict=True):
            assert g.dtype == w.dtype
            assert g.numpy().tobytes() == w.numpy().tobytes()
    return program


def draw(*shape: int, dtype: str = "float32") -> np.ndarray:
    values = np.random.default_rng(len(shape)).uniform(-1, 1, shape)
    return values.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def test_a_chain_is_one_op() -> None:
    program = check(lambda x, b: ops.relu(ops.tanh(x * 2.0 + b) - x), draw(30, 40), draw(40))
    assert program.ops == ["fused"]
    assert program.arena_bytes == 0


def test_what_others_read_is_given_out() -> None:
    def function(x: Tensor) -> Any:
        a = ops.exp(x)
        b = a * 2.0
        return ops.sum(a), b + 1.0, ops.sum(b)

    assert "fused" in check(function, draw(6, 7)).ops


def test_views_and_other_shapes_end_a_chain() -> None:
    def function(x: Tensor) -> Any:
        a = ops.exp(x) + 1.0
        b = ops.transpose(a) * a
        return ops.reshape(b, (-1,)) - 3.0, b[0] + b[1]

    check(function, draw(5, 5))


def test_halves_and_integers() -> None:
    check(lambda x: ops.cast(ops.cast(x, "bfloat16") * 2.0 + 1.0, "float32") * 3.0 + 1.0, draw(9))
    check(lambda x: (ops.cast(x * 9.0, "int32") + 2) * 3 - 1, draw(9))


@pytest.mark.parametrize("isa", device.kernel_isas())
@pytest.mark.parametrize("dtype", HALVES)
def test_steps_of_halves_round_one_by_one(dtype: str, isa: str) -> None:
    def function(x: Tensor, b: Tensor) -> Tensor:
        return ops.tanh(ops.maximum(ops.exp(x * 3.0 + b) - x, 0.3)) * b

    with device.set_kernel_isa(isa):
        for shape in ((30, 40), (7,), (2, 3, 1100), (0, 3), (1,)):
            x, b = draw(*shape, dtype=dtype), draw(shape[-1], dtype=dtype)
            assert check(function, x, b).ops == ["fused"]


@pytest.mark.parametrize("dtype", HALVES)
def test_steps_of_halves_round_at_all(dtype: str) -> None:
    x = draw(30, 40, dtype=dtype)
    inside = record(lambda x: ops.square(x) + 1.0 - ops.square(x), [x]).replay([x]).numpy()
    wide = np.square(x.astype("float64")) + 1.0 - np.square(x.astype("float64"))
    assert np.any(inside.astype("float64") != wide)  # 1.0, were the steps not rounded


def scaled(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: function(x) * 3.0 - x


@pytest.mark.parametrize("isa", device.kernel_isas())
@pytest.mark.parametrize("dtype", HALVES)
def test_halves_beyond_the_ordinary(dtype: str, isa: str) -> None:
    def function(x: Tensor) -> Any:
        return ops.negative(ops.square(x) * x) - x

    limits = ml_dtypes.finfo(draw(1, dtype=dtype).dtype)
    few = [0.0, -0.0, np.inf, -np.inf, np.nan, limits.max, limits.tiny, limits.smallest_subnormal]
    infinity = np.array(np.inf, limits.dtype).view("uint16")
    every = np.arange(1 << 16, dtype="uint16")
    numbers = every[every & 0x7FFF <= infinity].view(limits.dtype)
    with device.set_kernel_isa(isa):
        check(function, np.array(few, dtype=limits.dtype))
        for name in EXACT:
            check(scaled(getattr(ops, name)), numbers)


@pytest.mark.parametrize("dtype", FLOATS)
def test_choices(dtype: str) -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        larger = x > y
        return ops.where(larger, x * 2.0, y - 1.0) + ops.cast(ops.logical_not(larger), dtype)

    check(function, draw(20, 30, dtype=dtype), draw(30, dtype=dtype))


@pytest.mark.parametrize("dtype", HALVES)
def test_what_lies_apart_in_halves(dtype: str) -> None:
    """Columns apart, repeated rows, a result that is its own input."""

    def function(x: Tensor, y: Tensor) -> Any:
        a = ops.transpose(x) * y
        return ops.tanh(a) - y, ops.exp(x[:, ::2] * 2.0)

    check(function, draw(30, 40, dtype=dtype), draw(40, 1, dtype=dtype))
    w = pn.Variable(draw(50, 60), dtype=dtype)

    def step(x: Tensor) -> None:
        w.assign(w - w * x * 0.5)

    check_state(step, w, draw(60, dtype=dtype))


def test_gradients_and_updates() -> None:
    w = pn.Variable(draw(8, 8))

    def step(x: Tensor) -> Tensor:
        loss = ops.sum(ops.square(ops.tanh(x @ w) * 2.0 - x))
        gradient = pn.grad(loss, w)
        w.assign(w - gradient * 0.01)
        return loss

    x = draw(8, 8)
    before = w.numpy().copy()
    wanted = [step(ops.convert_to_tensor(x)).item() for _ in range(4)]
    after = w.numpy().copy()
    w.assign(before)
    program = record(step, [x])
    w.assign(before)
    got = [program.replay([x]).item() for _ in range(4)]
    assert got == wanted
    assert w.numpy().tobytes() == after.tobytes()


PRODUCTS = [
    ((5, 7), (7, 9)),
    ((5, 7), (7, 1)),
    ((7,), (7, 9)),
    ((3, 5, 7), (7, 9)),
    ((3, 1, 7), (7, 40)),
    ((3, 5, 7), (3, 7, 9)),
    ((2, 3, 5, 7), (3, 7, 1)),
    ((300, 40), (40, 300)),
    ((40, 4600), (4600, 30)),  # k is cut among tasks
    ((1, 4600), (4600, 30)),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_what_follows_a_product(a: tuple[int, ...], b: tuple[int, ...], dtype: str) -> None:
    left, right, bias = (draw(*shape, dtype=dtype) for shape in (a, b, b[-1:]))
    last = draw(*np.matmul(np.zeros(a), np.zeros(b)).shape[:-1], 1, dtype=dtype)
    one = check(lambda x, y, z: ops.relu(ops.add(x @ y, z) * 2.0), left, right, bias)
    assert one.ops == ["matmul + fused"]
    assert one.arena_bytes == 0

    def kept(x: Tensor, y: Tensor, z: Tensor) -> Any:
        product = x @ y
        scaled = ops.tanh(product) * z  # a factor for each row
        return ops.sum(product), scaled

    two = check(kept, left, right, last)
    assert two.ops == ["matmul + fused", "sum"]


def test_what_cannot_follow_a_product() -> None:
    def by_columns(x: Tensor, y: Tensor, z: Tensor) -> Tensor:  # no stride serves all rows
        return ops.relu(x @ y + z)

    assert "matmul" in check(by_columns, draw(3, 5, 7), draw(7, 9), draw(3, 1, 9)).ops
    assert "matmul" in check(lambda x, y: ops.relu(x @ y), draw(3, 7), draw(7)).ops
    assert (
        "matmul" in check(lambda x, y: ops.relu(ops.transpose(x @ y)), draw(3, 7), draw(7, 4)).ops
    )
    check(lambda x, y: ops.relu(x @ y), draw(0, 7), draw(7, 4))
    check(lambda x, y: ops.relu(x @ y) + 1.0, draw(3, 0), draw(0, 4))


def test_a_product_is_not_computed_over_what_follows_reads() -> None:
    w = pn.Variable(draw(8, 8))

    def step(x: Tensor) -> None:
        w.assign(w - (x @ x) * 0.01)

    check_state(step, w, draw(8, 8))


CONVOLUTIONS = {
    "pixels": ((2, 9, 11, 6), (1, 1, 6, 5), {}),
    "images": ((4, 5, 5, 6), (5, 5, 6, 7), {}),
    "winograd": ((2, 13, 10, 9), (3, 3, 9, 20), {"padding": "same"}),
    "winograd, few tiles": ((1, 8, 8, 40), (3, 3, 40, 150), {"padding": "same"}),
    "winograd, small pictures": ((3, 6, 5, 17), (3, 3, 17, 20), {"padding": "same"}),
    "winograd, many channels": ((3, 9, 9, 290), (3, 3, 290, 300), {"padding": "valid"}),
    "strides": ((3, 12, 9, 5), (3, 3, 5, 40), {"strides": 2}),
    "groups": ((3, 12, 9, 6), (3, 3, 2, 9), {"dilation_rate": 2}),
    "depthwise": ((2, 12, 9, 6), (3, 3, 1, 6), {"padding": "same"}),
    "line": ((2, 30, 6), (5, 6, 7), {"padding": "causal"}),
    "space": ((2, 6, 7, 8, 3), (2, 2, 2, 3, 7), {}),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_what_follows_a_convolution(name: str, dtype: str) -> None:
    shape, taps, options = CONVOLUTIONS[name]
    x, kernel = draw(*shape, dtype=dtype), draw(*taps, dtype=dtype)
    filters = draw(taps[-1], dtype=dtype)
    residual = draw(*ops.conv(x, kernel, **options).shape, dtype=dtype)

    def function(x: Tensor, k: Tensor, b: Tensor, residual: Tensor) -> Tensor:
        return ops.relu(ops.conv(x, k, bias=b, **options) * b + residual)

    assert check(function, x, kernel, filters, residual).ops == ["conv + fused"]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed: int, dtype: str) -> None:
    """Ops of any order on tensors of several shapes, some of them released early."""
    rng = np.random.default_rng(seed)
    shapes = [(6, 10), (6, 10), (10,), (6, 1), ()]
    choices = [(rng.random(), *rng.integers(0, 1 << 30, 4)) for _ in range(30)]

    def function(*inputs: Tensor) -> Any:
        held = list(inputs)
        for share, which, a, b, place in choices:
            x, y = held[a % len(held)], held[b % len(held)]
            if share < 0.1 and x.shape == y.shape == (6, 10):
                new = ops.matmul(ops.transpose(x), y)[:6]
            elif share < 0.35:
                new = getattr(ops, UNARY[which % len(UNARY)])(x)
            elif share < 0.8:
                new = getattr(ops, BINARY[which % len(BINARY)])(x, y)
            elif share < 0.9:
                new = ops.where(x > 0.1, x, y)
            else:
                new = ops.sum(x, axis=-1, keepdims=True) if x.ndim else x + 1.0
            new = ops.tanh(new)
            if which % 2:
                held[place % len(held)] = new
            else:
                held.append(new)
        return tuple(held[-3:])

    check(function, *(draw(*shape, dtype=dtype) for shape in shapes))
