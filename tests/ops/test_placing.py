"""Where recorded temporaries lie: an op that can writes over an input that nobody reads again."""

from collections.abc import Callable
from typing import Any

import numpy as np

import pyneuro as pn
from pyneuro import ops
from pyneuro.capture import record
from pyneuro.ops.recurrent import lstm
from pyneuro.tensor import Tensor

SIZE = 48
BYTES = SIZE * SIZE * 4


def check(function: Callable[..., Any], *arrays: np.ndarray) -> int:
    """The bytes of a recording's arena; on other values it gives an eager run's bits."""
    program = record(function, list(arrays))
    others = [np.flip(a).copy() for a in arrays]
    got, wanted = program.replay(others), function(*map(ops.convert_to_tensor, others))
    for g, w in zip(pn.tree.flatten(got), pn.tree.flatten(wanted), strict=True):
        assert g.numpy().tobytes() == w.numpy().tobytes()
    return program.arena_bytes


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(-1, 1, shape).astype("float32")


def summed(x: Tensor) -> Tensor:
    """An op that no chain takes in."""
    return ops.cumsum(x, axis=1)


def test_an_elementwise_op_writes_over_its_input() -> None:
    assert check(lambda x: summed(ops.exp(summed(x))), draw(SIZE, SIZE)) == BYTES
    assert check(lambda x, y: summed(summed(x) * y), draw(SIZE, SIZE), draw(SIZE, SIZE)) == BYTES


def test_what_is_read_again_stays() -> None:
    def function(x: Tensor) -> Any:
        a = summed(x)
        return summed(ops.exp(a)), summed(a)

    assert check(function, draw(SIZE, SIZE)) == 2 * BYTES


def test_what_is_read_in_another_order_stays() -> None:
    def function(x: Tensor) -> Any:
        a = summed(x)
        return summed(a + ops.transpose(a))

    assert check(function, draw(SIZE, SIZE)) == 2 * BYTES


def test_what_has_another_size_or_dtype_stays() -> None:
    def halves(x: Tensor) -> Any:
        return summed(summed(x)[:24] * 2.0)

    assert check(halves, draw(SIZE, SIZE)) == BYTES + BYTES // 2
    assert check(lambda x: ops.any(summed(x) > 0.0, axis=1), draw(SIZE, SIZE)) > BYTES


def test_gates_lie_where_their_input_lay() -> None:
    """All three, the sums that come in, the gates and their gradient, take one place."""
    n, steps, units = 8, 6, 16

    def function(x: Tensor, kernel: Tensor, recurrent: Tensor) -> Any:
        def loss(kernel: Tensor, recurrent: Tensor) -> Tensor:
            zeros = ops.zeros((n, units))
            y, h, _ = lstm(ops.matmul(x, kernel), recurrent, zeros, zeros)
            return ops.sum(y * y) + ops.sum(h)

        return pn.value_and_grad(loss, argnums=(0, 1))(kernel, recurrent)

    arena = check(function, draw(n, steps, 5), draw(5, 4 * units), 0.1 * draw(units, 4 * units))
    gates = 4 * n * steps * 4 * units
    assert arena < 2.5 * gates  # gates once, and cells, states and outputs, a quarter each
