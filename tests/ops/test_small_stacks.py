"""Products on threads with small stacks: copies of operands are not kept there."""

import ctypes
import mmap
from collections.abc import Callable

import numpy as np
import pytest

from pyneuro import ops

STACK = 256 << 10  # macOS gives threads 512 KB, musl 128 KB; Python itself takes some of it
BELOW = 1 << 20  # memory below the stack, to see what was written beyond its end
PATTERN = 0xA5


def on_small_stack(f: Callable[[], np.ndarray]) -> tuple[np.ndarray, int]:
    """The result of `f` on a thread whose stack is small; how many bytes below it were changed."""
    memory = mmap.mmap(-1, BELOW + STACK)
    memory[:BELOW] = bytes([PATTERN]) * BELOW
    view = (ctypes.c_char * (BELOW + STACK)).from_buffer(memory)
    results: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def body(_: int | None) -> None:
        results.append(f())

    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)  # at least sizeof(pthread_attr_t)
    thread = ctypes.c_void_p()
    assert libc.pthread_attr_init(attributes) == 0
    start = ctypes.c_void_p(ctypes.addressof(view) + BELOW)
    assert libc.pthread_attr_setstack(attributes, start, ctypes.c_size_t(STACK)) == 0
    assert libc.pthread_create(ctypes.byref(thread), attributes, body, None) == 0
    assert libc.pthread_join(thread, None) == 0
    changed = np.count_nonzero(np.frombuffer(view, np.uint8, BELOW) != PATTERN)
    return results[0], int(changed)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(384, 64, 2000), (64, 1000, 6000), (1024, 1024, 1024)],
    ids=["one task's columns", "parts of k", "square"],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_products_need_little_stack(m: int, n: int, k: int, transposed: bool, dtype: str) -> None:
    draw = np.random.default_rng(m)
    a = ops.cast(draw.standard_normal((k, m), np.float32), dtype)
    b = ops.cast(draw.standard_normal((n, k) if transposed else (k, n), np.float32), dtype)

    def product() -> np.ndarray:
        c = ops.matmul(ops.transpose(a), ops.transpose(b) if transposed else b)
        return np.asarray(ops.cast(c, "float64"))

    there, changed = on_small_stack(product)
    assert changed == 0
    np.testing.assert_array_equal(there, product())
    assert np.isfinite(there).all()
