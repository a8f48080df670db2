"""Products of bfloat16: one rounding at the end; the same bits widened and on pairs."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from pyneuro import device, ops
from pyneuro.tensor import apply

# avx512_bf16 would be among them as its manual is understood; no such CPU has run this.
ISAS = [isa for isa in device.kernel_isas() if isa != "avx512_bf16"]

# (m, n, k): tiles and strips with rests, odd k, k in blocks or cut among tasks, one row or column.
SIZES = [
    (1, 1, 1),
    (1, 5, 3),
    (5, 1, 3),
    (3, 2, 0),
    (14, 32, 8),
    (15, 33, 9),
    (29, 31, 1025),
    (1, 70, 1100),
    (70, 1, 1101),
    (169, 15, 1030),
    (170, 260, 511),
    (400, 300, 70),
    (37, 90, 8201),
    (10, 600, 4100),
]


def draw(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(shape)
    return rng.uniform(-1, 1, shape).astype(ml_dtypes.bfloat16)


def products(isa: str, m: int, n: int, k: int) -> list[np.ndarray]:
    """Every transpose, alone and in a batch that repeats its left matrix, with and without bias."""
    out = []
    bias = draw(n)
    with device.set_kernel_isa(isa):
        for ta, tb in itertools.product((False, True), repeat=2):
            a = draw(k, m) if ta else draw(m, k)
            b = draw(2, n, k) if tb else draw(2, k, n)
            fields = {"transpose_a": ta, "transpose_b": tb}
            out.append(apply("matmul", a, b, **fields).numpy())
            out.append(apply("matmul", a, b[0], bias, **fields).numpy())
    return out


@pytest.mark.skipif(len(ISAS) < 2, reason="kernels of one instruction set")
@pytest.mark.parametrize(("m", "n", "k"), SIZES)
def test_every_instruction_set_gives_the_same_bits(m: int, n: int, k: int) -> None:
    first, *others = ISAS
    wanted = products(first, m, n, k)
    for isa in others:
        for got, want in zip(products(isa, m, n, k), wanted, strict=True):
            assert got.tobytes() == want.tobytes(), isa


@pytest.mark.parametrize("isa", device.kernel_isas())
@pytest.mark.parametrize("k", [1, 7, 64, 1025])
def test_sums_round_once(isa: str, k: int) -> None:
    """Numbers whose sums float32 holds exactly, so that only the last rounding counts."""
    rng = np.random.default_rng(k)
    a, b = (rng.integers(-16, 17, shape).astype("float64") for shape in ((33, k), (k, 45)))
    with device.set_kernel_isa(isa):
        got = ops.matmul(a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16)).numpy()
    assert got.tobytes() == (a @ b).astype("float32").astype(ml_dtypes.bfloat16).tobytes()


@pytest.mark.parametrize("isa", device.kernel_isas())
def test_a_row_does_not_depend_on_its_neighbours(isa: str) -> None:
    a, b = draw(50, 1030), draw(1030, 70)
    with device.set_kernel_isa(isa):
        whole = ops.matmul(a, b).numpy()
        for i, j in ((0, 1), (13, 29), (49, 50)):
            assert ops.matmul(a[i:j], b).numpy().tobytes() == whole[i:j].tobytes()
        column = ops.matmul(a, np.ascontiguousarray(b[:, 3:4])).numpy()
    assert column.tobytes() == whole[:, 3:4].tobytes()


@pytest.mark.parametrize("isa", device.kernel_isas())
def test_what_is_no_number_stays_in_its_row(isa: str) -> None:
    a, b = draw(20, 33), draw(33, 40)
    a[3, 5], a[7, 32], a[9, 0] = np.nan, np.inf, -np.inf
    with device.set_kernel_isa(isa):
        got = ops.matmul(a, b).numpy().astype("float64")
    wanted = a.astype("float64") @ b.astype("float64")
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    assert np.array_equal(np.isinf(got), np.isinf(wanted))
    kept = np.isinf(wanted)
    assert np.array_equal(got[kept], wanted[kept])
