"""NumPy's names against NumPy, on values and shapes that show their differences."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyneuro
from pyneuro import ops
from pyneuro.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError

RNG = np.random.default_rng(11)
A, B = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 5))
CUBE = RNG.normal(size=(2, 3, 4))
VECTOR = RNG.normal(size=7)
HOLES = np.where(RNG.random((4, 5)) < 0.3, np.nan, A)
WHOLE = RNG.integers(0, 50, (4, 5)).astype("int32")
UNIT = np.array([-0.999999, -0.9, -0.5, -1e-9, 0.0, 1e-3, 0.3, 0.71, 0.99])
EDGES = np.array([0.0, -0.0, 1.0, -1.0, 5.0, -5.0, 1e-9, 1e9, -1e9, math.inf, -math.inf, math.nan])

# name -> the same call of either module
SAME: dict[str, Callable[[Any], Any]] = {
    "arctan": lambda m: m.arctan(EDGES),
    "arcsin": lambda m: m.arcsin(UNIT),
    "arccos": lambda m: m.arccos(np.append(UNIT, [-1.0, 1.0])),
    "arctan2": lambda m: m.arctan2(*np.meshgrid(EDGES[:-1], EDGES[2:-1])),
    "sinh": lambda m: m.sinh(VECTOR),
    "cosh": lambda m: m.cosh(VECTOR),
    "arcsinh": lambda m: m.arcsinh(VECTOR),
    "arccosh": lambda m: m.arccosh(np.abs(VECTOR) + 1.0),
    "arctanh": lambda m: m.arctanh(UNIT),
    "deg2rad": lambda m: m.deg2rad(VECTOR),
    "rad2deg": lambda m: m.rad2deg(VECTOR),
    "sinc": lambda m: m.sinc(np.append(VECTOR, 0.0)),
    "exp2": lambda m: m.exp2(VECTOR),
    "cbrt": lambda m: m.cbrt(VECTOR),
    "hypot": lambda m: m.hypot(*np.meshgrid([0.0, 3.0, 1e200, -math.inf], [0.0, -4.0, 1e200])),
    "logaddexp": lambda m: m.logaddexp(*np.meshgrid(EDGES[:-1], EDGES[:-1])),
    "logaddexp2": lambda m: m.logaddexp2(A, B),
    "ldexp": lambda m: m.ldexp(A, WHOLE),
    "nan_to_num": lambda m: m.nan_to_num(EDGES),
    "nan_to_num, given": lambda m: m.nan_to_num(EDGES, nan=7.0, posinf=8.0, neginf=9.0),
    "heaviside": lambda m: m.heaviside(EDGES, 0.5),
    "signbit": lambda m: m.signbit(EDGES[:-1]),
    "isposinf": lambda m: m.isposinf(EDGES),
    "isneginf": lambda m: m.isneginf(EDGES),
    "fmax": lambda m: m.fmax(HOLES, B),
    "fmin": lambda m: m.fmin(A, HOLES),
    "fmod": lambda m: m.fmod(A, np.sign(B) * 0.5),
    "nancumsum": lambda m: m.nancumsum(HOLES, axis=1),
    "nancumprod": lambda m: m.nancumprod(HOLES),
    "fabs": lambda m: m.fabs(A),
    "logspace": lambda m: m.logspace(0.0, 3.0, 7),
    "logspace, open": lambda m: m.logspace(0.0, 3.0, 7, endpoint=False, base=2),
    "geomspace": lambda m: m.geomspace(1.0, 1000.0, 5),
    "geomspace, negative": lambda m: m.geomspace(-8.0, -1.0, 4),
    "sort": lambda m: m.sort(HOLES),
    "sort, first": lambda m: m.sort(A, axis=0),
    "sort, flat": lambda m: m.sort(A, axis=None),
    "argsort": lambda m: m.argsort(A),
    "cumsum": lambda m: m.cumsum(A),
    "cumsum, axis": lambda m: m.cumsum(CUBE, axis=1),
    "cumprod": lambda m: m.cumprod(CUBE, axis=-1),
    "searchsorted": lambda m: m.searchsorted(np.sort(VECTOR), A),
    "searchsorted, right": lambda m: m.searchsorted(np.array([1, 2, 2, 3]), WHOLE, side="right"),
    "digitize": lambda m: m.digitize(A, np.array([-1.0, 0.0, 1.0])),
    "bincount": lambda m: m.bincount(np.array([1, 4, 4, 0])),
    "bincount, weighed": lambda m: m.bincount(
        np.array([1, 4, 4]), weights=np.array([0.5, 1.0, 2.0]), minlength=7
    ),
    "histogram": lambda m: m.histogram(A, bins=4)[0],
    "histogram, edges": lambda m: m.histogram(A, bins=4, range=(-1.0, 1.0))[1],
    "unique": lambda m: m.unique(WHOLE),
    "isin": lambda m: m.isin(WHOLE, WHOLE[0]),
    "take_along_axis": lambda m: m.take_along_axis(A, WHOLE % 5, axis=1),
    "take_along_axis, one row": lambda m: m.take_along_axis(A, WHOLE[:1] % 4, axis=0),
    "unravel_index": lambda m: m.unravel_index(WHOLE, (5, 10))[1],
    "diag": lambda m: m.diag(VECTOR),
    "diag, above": lambda m: m.diag(VECTOR, 2),
    "diag, below": lambda m: m.diag(VECTOR, -3),
    "diag, of matrix": lambda m: m.diag(A, 1),
    "diagflat": lambda m: m.diagflat(A, -1),
    "diagonal": lambda m: m.diagonal(CUBE),
    "diagonal, below": lambda m: m.diagonal(A, offset=-2),
    "diagonal, above": lambda m: m.diagonal(A, offset=3),
    "diagonal, outside": lambda m: m.diagonal(A, offset=9),
    "diagonal, axes": lambda m: m.diagonal(CUBE, 1, 2, 0),
    "trace": lambda m: m.trace(CUBE, axis1=1, axis2=2),
    "roll": lambda m: m.roll(A, 3),
    "roll, axes": lambda m: m.roll(A, (1, -2), axis=(0, 1)),
    "roll, more than all": lambda m: m.roll(VECTOR, -16),
    **{f"rot90, {k}": lambda m, k=k: m.rot90(A, k) for k in range(-1, 5)},
    "rot90, axes": lambda m: m.rot90(CUBE, 1, (2, 0)),
    "fliplr": lambda m: m.fliplr(A),
    "flipud": lambda m: m.flipud(A),
    "hstack": lambda m: m.hstack((A, B)),
    "hstack, vectors": lambda m: m.hstack((VECTOR, VECTOR)),
    "vstack": lambda m: m.vstack((VECTOR, VECTOR)),
    "dstack": lambda m: m.dstack((A, B)),
    "append": lambda m: m.append(A, VECTOR),
    "append, axis": lambda m: m.append(A, B, axis=1),
    "array_split": lambda m: m.array_split(VECTOR, 3)[0],
    "array_split, more": lambda m: m.array_split(VECTOR, 9)[8],
    "hsplit": lambda m: m.hsplit(A, [2])[1],
    "vsplit": lambda m: m.vsplit(A, 2)[1],
    "dsplit": lambda m: m.dsplit(CUBE, 2)[1],
    "meshgrid": lambda m: m.meshgrid(VECTOR, VECTOR[:3])[0],
    "meshgrid, ij": lambda m: m.meshgrid(VECTOR, VECTOR[:3], VECTOR[:2], indexing="ij")[2],
    "vander": lambda m: m.vander(VECTOR, 3),
    "vander, rising": lambda m: m.vander(VECTOR, increasing=True),
    "inner": lambda m: m.inner(CUBE, B[:3, :4]),
    "vdot": lambda m: m.vdot(A, B),
    "kron": lambda m: m.kron(A[:2], CUBE),
    "cross": lambda m: m.cross(A[:, :3], B[:, :3]),
    "cross, axes": lambda m: m.cross(A[:3], B[:3], axis=0),
    "ptp": lambda m: m.ptp(CUBE, axis=1),
    "average": lambda m: m.average(A, axis=1, weights=np.arange(1.0, 6.0)),
    "average, all": lambda m: m.average(A, weights=np.abs(B)),
    "median": lambda m: m.median(CUBE, axis=(0, 2)),
    "median, NaN": lambda m: m.median(HOLES, axis=0, keepdims=True),
    "quantile": lambda m: m.quantile(CUBE, [0.1, 0.5, 1.0], axis=1),
    **{f"quantile, {k}": lambda m, k=k: m.quantile(A, 0.3, axis=1, method=k)
       for k in ("lower", "higher", "nearest", "midpoint")},
    "percentile": lambda m: m.percentile(A, 30.0, keepdims=True),
    "corrcoef": lambda m: m.corrcoef(A),
    **{f"correlate, {k}": lambda m, k=k: m.correlate(VECTOR, VECTOR[:4], k)
       for k in ("valid", "same", "full")},
    "diff": lambda m: m.diff(A, 2, axis=0),
    "trapezoid": lambda m: m.trapezoid(A, np.arange(5.0) ** 2, axis=1),
    "nansum": lambda m: m.nansum(HOLES, axis=0),
    "nanprod": lambda m: m.nanprod(HOLES),
    "nanmean": lambda m: m.nanmean(HOLES, axis=1),
    "nanvar": lambda m: m.nanvar(HOLES, axis=1, keepdims=True),
    "nanstd": lambda m: m.nanstd(HOLES),
    "nanmax": lambda m: m.nanmax(HOLES, axis=0),
    "nanmin": lambda m: m.nanmin(HOLES, axis=1),
    "bitwise_and": lambda m: m.bitwise_and(WHOLE, 6),
    "bitwise_or": lambda m: m.bitwise_or(WHOLE, WHOLE[0]),
    "bitwise_xor": lambda m: m.bitwise_xor(WHOLE, WHOLE[:, :1]),
    "bitwise_not": lambda m: m.bitwise_not(WHOLE),
    "left_shift": lambda m: m.left_shift(WHOLE, 3),
    "right_shift": lambda m: m.right_shift(WHOLE, 2),
    "gcd": lambda m: m.gcd(WHOLE, 12),
    "lcm": lambda m: m.lcm(WHOLE, 12),
    "select": lambda m: m.select([A > 1, A > 0], [A, B], 9.0),
    **{f"norm, {o}": lambda m, o=o: m.linalg.norm(VECTOR, o) for o in (None, 0, 1, 2, 3, np.inf)},
    **{f"norm of matrices, {o}": lambda m, o=o: m.linalg.norm(CUBE, o, axis=(0, 2), keepdims=True)
       for o in ("fro", 1, -1, np.inf, -np.inf)},
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_as_numpy(name: str) -> None:
    with np.errstate(all="ignore"):
        want = np.asarray(SAME[name](np))
    got = SAME[name](ops)
    assert got.shape == want.shape
    if want.dtype == bool:
        assert got.dtype == "bool"
    tolerance = 1e-6 if got.dtype == "float32" else 1e-11
    np.testing.assert_allclose(got.numpy(), want, rtol=tolerance, atol=tolerance)


def slopes(function: Callable[[Any], Any], x: np.ndarray) -> None:
    """The gradient of a weighted sum against differences."""
    weight = RNG.uniform(0.5, 1.0, function(x).shape)
    v = pyneuro.Variable(x, dtype="float64")
    ops.sum(function(v) * weight).backward()
    way, step = RNG.uniform(-1, 1, x.shape), 1e-6
    up, down = ((function(x + s * way).numpy() * weight).sum() for s in (step, -step))
    np.testing.assert_allclose((v.grad.numpy() * way).sum(), (up - down) / (2 * step), rtol=1e-5)


CURVES = (
    "arctan", "arcsin", "arccos", "arcsinh", "arccosh", "arctanh", "sinh", "cosh", "cbrt", "sinc",
    "exp2", "erfinv", "erfc", "squareplus", "sparse_plus", "sparse_sigmoid", "glu", "sparsemax",
    "median", "ptp", "norm", "trace", "diag", "logdet", "nanvar", "corrcoef",
)  # fmt: skip

SMOOTH: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    **{
        name: (getattr(ops, name), np.abs(A[:, :4]) / 4 + (1.1 if name == "arccosh" else 0.05))
        for name in CURVES
    },
    "hypot": (lambda x: ops.hypot(x, B), A),
    "arctan2": (lambda x: ops.arctan2(x, B), A),
    "logaddexp": (lambda x: ops.logaddexp(x, B), A),
    "quantile": (lambda x: ops.quantile(x, 0.3, axis=1), A),
    "cumprod with a zero": (lambda x: ops.cumprod(x, axis=1), A * (np.arange(5) != 2)),
    "top_k": (lambda x: ops.top_k(x, 2)[0], A),
    "take_along_axis": (lambda x: ops.take_along_axis(x, WHOLE[:1] % 4, axis=0), A),
    "scatter": (lambda x: ops.scatter([[1, 1], [0, 2], [1, 1], [-1, 0]], x, (3, 4, 5)), A),
    **{
        f"scatter_update, {r}": (
            lambda x, r=r: ops.scatter_update(x, [[1], [3], [1]], B[:3] * x[:3], reduction=r), A,
        )
        for r in (None, "add", "max", "min", "mul")
    },
    **{
        name: (lambda x, name=name: getattr(ops, name)(x, [2, 0, 2, 2], 4), A)
        for name in ("segment_sum", "segment_prod")
    },
    **{
        name: (lambda x, name=name: getattr(ops, name)(x, [2, 0, 2, 1]), A)
        for name in ("segment_max", "segment_min")
    },
    "roll": (lambda x: ops.roll(x, 2, axis=1), A),
    "cross": (lambda x: ops.cross(x[:, :3], B[:, :3]), A),
    "kron": (lambda x: ops.kron(x, B[:2]), A),
    "inv": (ops.inv, A[:, :4]),
    "det": (ops.det, A[:, :4]),
    "solve": (lambda x: ops.solve(x[:, :4], x), A),
    "cholesky": (lambda x: ops.cholesky(ops.matmul(x, ops.transpose(x))), A),
    "eigh": (lambda x: ops.eigh(x + ops.transpose(x))[0], A[:, :4]),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name: str) -> None:
    slopes(*SMOOTH[name])


def test_erfinv_inverts_erf() -> None:
    x = np.linspace(-5.0, 5.0, 401)
    y = ops.erf(x).numpy()
    np.testing.assert_allclose(ops.erfinv(y).numpy()[50:-50], x[50:-50], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(ops.erf(ops.erfinv(y)).numpy(), y, rtol=1e-14)
    assert ops.erfinv([1.0, -1.0]).tolist() == [math.inf, -math.inf]
    assert np.isnan(ops.erfinv([1.5]).numpy()).all()


def test_scatter_combines_what_comes_twice() -> None:
    at = [[0], [2], [0]]
    assert ops.scatter(at, [1, 2, 4], (3,)).tolist() == [5, 0, 2]
    x = [10, 20, 30]
    found = {r: ops.scatter_update(x, at, [1, 50, 2], reduction=r).tolist()
             for r in (None, "add", "max", "min", "mul")}  # fmt: skip
    assert found == {
        None: [2, 20, 50], "add": [13, 20, 80], "max": [10, 20, 50], "min": [1, 20, 30],
        "mul": [20, 20, 1500],
    }  # fmt: skip
    with pytest.raises(IndexOutOfRangeError):
        ops.scatter([[0, 3]], [1.0], (2, 3))  # would be (1, 0) if positions wrapped
    with pytest.raises(ArgumentError, match="reduction"):
        ops.scatter_update(x, at, [1, 2, 3], reduction="mean")
    with pytest.raises(ShapeError):
        ops.scatter([[0, 0, 0]], [1.0], (2, 3))


def test_segments_without_rows() -> None:
    ids, x = [0, 2, 2], np.array([1.0, -2.0, 3.0])
    assert ops.segment_sum(x, ids, 4).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert ops.segment_max(x, ids, 4).tolist() == [1.0, -math.inf, 3.0, -math.inf]
    assert ops.segment_min(x.astype("int8"), ids, 3).tolist() == [1, 127, -2]
    with pytest.raises(IndexOutOfRangeError):
        ops.segment_sum(x, ids, 2)


def test_top_k_and_in_top_k() -> None:
    values, places = ops.top_k([[1.0, 3.0, 3.0, 2.0]], 3)
    assert values.tolist() == [[3.0, 3.0, 2.0]]
    assert places.tolist() == [[1, 2, 3]]
    scores = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, np.inf], [np.nan, 0.0, 1.0]])
    assert ops.in_top_k([2, 2, 0], scores, 2).tolist() == [True, False, False]
    with pytest.raises(ArgumentError):
        ops.top_k([1.0], 2)


def test_unique_can_be_given_a_size() -> None:
    x = np.array([3, 1, 3, 2])
    values, index, inverse, counts = ops.unique(x, True, True, True, True)
    assert [t.tolist() for t in (values, index, inverse, counts)] == [
        [1, 2, 3], [1, 3, 0], [2, 0, 2, 1], [1, 1, 2],
    ]  # fmt: skip
    assert ops.unique(x, size=5, fill_value=9).tolist() == [1, 2, 3, 9, 9]
    assert ops.unique(x, size=2).tolist() == [1, 2]


def test_control_flow() -> None:
    assert ops.cond(ops.array(1) > 2, lambda: "a", lambda: "b") == "b"
    assert ops.switch(7, [lambda x: x, lambda x: -x], 3) == -3
    state = ops.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s * 2), (0, 1))
    assert state == (4, 16)
    assert ops.while_loop(lambda i: True, lambda i: i + 1, 0, maximum_iterations=5) == 5
    carry, sums = ops.scan(lambda c, x: (c + x, c * x), ops.array(1.0), ops.array([1.0, 2.0, 3.0]))
    assert carry.item() == 7.0
    assert sums.tolist() == [1.0, 4.0, 12.0]
    backward, _ = ops.scan(lambda c, x: (c * 2 + x, None), 0, ops.array([1, 2, 3]), reverse=True)
    assert backward.item() == 17
    x = RNG.normal(size=(6, 3))
    np.testing.assert_allclose(
        ops.associative_scan(lambda a, b: a * b, x), np.cumprod(x, 0), rtol=1e-12
    )
    np.testing.assert_allclose(
        ops.associative_scan(lambda a, b: a + b, x, reverse=True, axis=1),
        np.cumsum(x[:, ::-1], 1)[:, ::-1], rtol=1e-12,
    )  # fmt: skip
    assert ops.map(lambda row: ops.sum(row), ops.array([[1, 2], [3, 4]])).tolist() == [3, 7]
    assert ops.vectorize(lambda a, b: a - b)([[1], [2]], [1, 2]).tolist() == [[0, -1], [1, 0]]


def test_factorizations_multiply_back() -> None:
    x = RNG.normal(size=(2, 4, 3))
    q, r = ops.qr(x)
    np.testing.assert_allclose(ops.matmul(q, r), x, atol=1e-12)
    u, s, v = ops.svd(x, full_matrices=False)
    np.testing.assert_allclose(ops.einsum("...ij,...j,...jk->...ik", u, s, v), x, atol=1e-12)
    np.testing.assert_allclose(ops.pinv(x), np.linalg.pinv(x), atol=1e-12)
    b = RNG.normal(size=(4, 2))
    np.testing.assert_allclose(ops.lstsq(x[0], b), np.linalg.lstsq(x[0], b)[0], atol=1e-12)
    assert ops.matrix_rank(np.ones((3, 3))).item() == 1
    lu, pivots = ops.lu_factor(x[0])
    rows = np.arange(4)
    for i, p in enumerate(pivots.tolist()):
        rows[[i, p]] = rows[[p, i]]
    low = np.tril(lu.numpy(), -1) + np.eye(4, 3)
    np.testing.assert_allclose(low @ np.triu(lu.numpy()[:3]), x[0][rows], atol=1e-12)
    spd = x[0].T @ x[0]
    np.testing.assert_allclose(
        ops.cholesky_inverse(ops.cholesky(spd)), np.linalg.inv(spd), rtol=1e-9
    )


def test_saturating_casts() -> None:
    assert ops.saturate_cast([-1.5, 300.0, 7.0], "uint8").tolist() == [0, 255, 7]
    assert ops.saturate_cast(np.array([-1, 300], "int32"), "uint8").tolist() == [0, 255]
    assert ops.saturate_cast(np.array([1e6]), "float16").tolist() == [65504.0]


def test_faces_are_the_same_functions() -> None:
    assert ops.nn.relu is ops.relu
    assert ops.numpy.sum is ops.sum
    assert ops.linalg.norm is ops.norm


def test_symbolic_shapes() -> None:
    x = pyneuro.KerasTensor((None, 6))
    assert ops.top_k(x, 2)[1].shape == (None, 2)
    assert ops.cumsum(x, axis=1).shape == (None, 6)
    assert ops.roll(x, 1, axis=1).shape == (None, 6)
    assert ops.median(x, axis=1).shape == (None,)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ops.rot90([1, 2]), ShapeError),
        (lambda: ops.diag(CUBE), ShapeError),
        (lambda: ops.roll(A, (1, 2)), ArgumentError),
        (lambda: ops.meshgrid([1], indexing="x"), ArgumentError),
        (lambda: ops.quantile(A, 1.5), ArgumentError),
        (lambda: ops.norm(A, "nuc"), ArgumentError),
        (lambda: ops.bitwise_and([1.0], [1]), DTypeError),
        (lambda: ops.cross([1.0], [1.0]), ShapeError),
        (lambda: ops.inv(A), ShapeError),
        (lambda: ops.glu(A), ShapeError),
        (lambda: ops.bincount([-1]), ArgumentError),
        (lambda: ops.select([], []), ArgumentError),
        (lambda: ops.map(lambda x: x, [1, 2]), ArgumentError),
    ],
)
def test_bad_calls(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
