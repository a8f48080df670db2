"""Products on threads with small stacks: copies of operands are not kept there."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pyneuro import ops

STACK = 256 * 1024  # macOS gives threads 512 KB, musl 128 KB


@pytest.fixture
def small_stacks() -> Iterator[None]:
    before = threading.stack_size(STACK)
    yield
    threading.stack_size(before)


def elsewhere(f: Callable[[], np.ndarray]) -> np.ndarray:
    """The result of `f` on a thread of its own."""
    results: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: results.append(f()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(384, 64, 2000), (64, 1000, 6000), (1024, 1024, 1024)],
    ids=["one task's columns", "parts of k", "square"],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_products_need_little_stack(
    small_stacks: None, m: int, n: int, k: int, transposed: bool, dtype: str
) -> None:
    draw = np.random.default_rng(m)
    a = ops.cast(draw.standard_normal((k, m), np.float32), dtype)
    b = ops.cast(draw.standard_normal((n, k) if transposed else (k, n), np.float32), dtype)

    def product() -> np.ndarray:
        c = ops.matmul(ops.transpose(a), ops.transpose(b) if transposed else b)
        return np.asarray(ops.cast(c, "float64"))

    there = elsewhere(product)
    np.testing.assert_array_equal(there, product())
    assert np.isfinite(there).all()
