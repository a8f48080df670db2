"""Matrix products at the edges of blocks and panels: sizes, transposes, single rows."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from pyneuro import device
from pyneuro.tensor import apply

EDGES = (1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 97)


@pytest.fixture(params=device.kernel_isas(), autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[None]:
    with device.set_kernel_isa(request.param):
        yield


def drawn(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    if dtype.startswith("int"):
        return rng.integers(-9, 10, shape).astype(dtype)
    return rng.uniform(-1, 1, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_sizes_near_the_edges(dtype: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        m, n, k = (int(size) for size in rng.choice(EDGES, 3))
        ta, tb = (bool(t) for t in rng.integers(0, 2, 2))
        a, b = drawn(rng, dtype, m, k), drawn(rng, dtype, k, n)
        bias = drawn(rng, dtype, n) if rng.integers(2) else None
        given = [a.T.copy() if ta else a, b.T.copy() if tb else b, bias]
        got = apply("matmul", *given, transpose_a=ta, transpose_b=tb).numpy()
        exact = a.astype("float64") @ b.astype("float64") + (0 if bias is None else bias)
        size = np.abs(a.astype("float64")) @ np.abs(b.astype("float64")) + 1
        eps = 0.0 if dtype == "int32" else 4 * np.finfo(dtype).eps
        assert (np.abs(got - exact) <= eps * size).all(), (m, n, k, ta, tb, bias is None)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("n", "k"), [(1, 300), (3, 5), (40, 300), (257, 64), (700, 513)])
def test_a_row_alone_has_the_bits_it_has_in_a_batch(dtype: str, n: int, k: int) -> None:
    rng = np.random.default_rng(2)
    a = apply("cast", rng.uniform(-1, 1, (70, k)), dtype=dtype)
    b, bias = (apply("cast", rng.uniform(-1, 1, s), dtype=dtype) for s in ((k, n), (n,)))
    for tb, c in itertools.product((False, True), (None, bias)):
        right = apply("copy", apply("transpose", b)) if tb else b
        whole = apply("matmul", a, right, c, transpose_b=tb).numpy()
        for rows in (1, 2, 5, 6, 8, 13, 33, 69):
            part = apply("matmul", a[-rows:], right, c, transpose_b=tb).numpy()
            assert part.tobytes() == whole[-rows:].tobytes(), f"{rows} rows, {n=} {k=} {tb=}"


# A is copied: by the tasks (few columns; a long k in parts) or before them, at ragged edges.
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8"])
@pytest.mark.parametrize(
    ("m", "n", "k"), [(256, 64, 4200), (131, 33, 140), (300, 600, 200), (256, 256, 256)]
)
def test_how_operands_lie_does_not_change_bits(dtype: str, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.uniform(-9, 9, (m, k)), rng.uniform(-9, 9, (k, n))
    a, b = (apply("cast", x, dtype=dtype) for x in (a, b))
    across, aslant = (apply("copy", apply("transpose", x)) for x in (a, b))
    plain = apply("matmul", a, b).numpy()
    if dtype.startswith("float"):
        exact = a.numpy().astype("float64") @ b.numpy().astype("float64")
        np.testing.assert_allclose(plain, exact, rtol=0, atol=3e-6 * np.abs(exact).max())
    for ta, tb in ((True, False), (False, True), (True, True)):
        given = (across if ta else a, aslant if tb else b)
        got = apply("matmul", *given, transpose_a=ta, transpose_b=tb).numpy()
        assert got.tobytes() == plain.tobytes(), (ta, tb)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_one_column_and_a_bias(dtype: str) -> None:
    rng = np.random.default_rng(5)
    a, b, bias = (
        apply("cast", rng.uniform(-1, 1, s), dtype=dtype) for s in ((77, 1030), (1030, 1), 1)
    )
    plain, biased = apply("matmul", a, b).numpy(), apply("matmul", a, b, bias).numpy()
    exact = a.numpy().astype("float64") @ b.numpy().astype("float64")
    tolerance = 2e-2 if dtype == "float16" else 1e-5
    np.testing.assert_allclose(plain, exact, rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        biased, exact + bias.numpy().astype("float64"), rtol=0, atol=tolerance
    )
    for rows in (1, 2, 7, 16):
        assert apply("matmul", a[-rows:], b).numpy().tobytes() == plain[-rows:].tobytes()


def test_a_matrix_in_a_batch_has_the_bits_it_has_alone() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.uniform(-1, 1, s).astype("float32") for s in ((5, 20, 33), (5, 33, 18)))
    whole = apply("matmul", a, b).numpy()
    shared = apply("matmul", a, b[0]).numpy()
    for i in range(5):
        assert apply("matmul", a[i], b[i]).numpy().tobytes() == whole[i].tobytes()
        assert apply("matmul", a[i], b[0]).numpy().tobytes() == shared[i].tobytes()


def test_infinity_and_nan_stay_where_they_belong() -> None:
    a, b = np.ones((20, 30), "float32"), np.ones((30, 40), "float32")
    a[3, 7], a[5, 9], b[11, 13] = np.inf, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(apply("matmul", a, b).numpy(), a @ b)
