"""Public functions made of several ops: values against NumPy, both gradients by differences."""

import math
from collections.abc import Callable
from typing import Any

import checks
import numpy as np
import pytest
import references as ref

from pyneuro import autograd, ops
from pyneuro.tensor import Tensor, convert

SELU = (1.0507009873554805, 1.6732632423543772)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def clipped(p: np.ndarray) -> np.ndarray:
    return np.clip(p, 1e-7, 1 - 1e-7)


def binary(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -(t * np.log(clipped(p)) + (1 - t) * np.log(1 - clipped(p)))


def categorical(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -(t * np.log(clipped(p / p.sum(-1, keepdims=True)))).sum(-1)


def logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def tile(x: np.ndarray, repeats: Any) -> np.ndarray:
    return np.tile(x, repeats)


LABELS = np.array([2, 0, 1])

# name, arguments after the tensors, reference, shapes of the tensors, range of their values
ROWS: list[
    tuple[str, dict[str, Any], Callable[..., Any], list[tuple[int, ...]], tuple[float, float]]
] = [
    ("divide_no_nan", {}, np.divide, [(3, 4), (4,)], (0.5, 2)),
    ("log2", {}, np.log2, [(3, 4)], (0.5, 2)),
    ("log10", {}, np.log10, [(3, 4)], (0.5, 2)),
    ("tan", {}, np.tan, [(3, 4)], (-1, 1)),
    ("round", {"decimals": 2}, lambda x, decimals: np.round(x, decimals), [(3, 4)], (-3, 3)),
    ("round", {"decimals": -1}, lambda x, decimals: np.round(x, decimals), [(3, 4)], (-90, 90)),
    ("trunc", {}, np.trunc, [(3, 4)], (-3, 3)),
    (
        "clip",
        {"x_min": -1.0, "x_max": 1.5},
        lambda x, x_min, x_max: np.clip(x, x_min, x_max),
        [(3, 4)],
        (-3, 3),
    ),
    ("relu6", {}, lambda x: np.clip(x, 0, 6), [(3, 4)], (-3, 9)),
    (
        "leaky_relu",
        {"negative_slope": 0.3},
        lambda x, negative_slope: np.where(x > 0, x, 0.3 * x),
        [(3, 4)],
        (-3, 3),
    ),
    ("elu", {"alpha": 0.7}, elu, [(3, 4)], (-3, 3)),
    (
        "celu",
        {"alpha": 0.7},
        lambda x, alpha: np.where(x > 0, x, elu(x / alpha) * alpha),
        [(3, 4)],
        (-3, 3),
    ),
    ("selu", {}, lambda x: SELU[0] * elu(x, SELU[1]), [(3, 4)], (-3, 3)),
    ("gelu", {}, ref.gelu_tanh, [(3, 4)], (-3, 3)),
    ("gelu", {"approximate": False}, lambda x, approximate: ref.gelu(x), [(3, 4)], (-3, 3)),
    ("log_sigmoid", {}, lambda x: -np.log1p(np.exp(-x)), [(3, 4)], (-3, 3)),
    ("hard_sigmoid", {}, lambda x: np.clip(x / 6 + 0.5, 0, 1), [(3, 4)], (-5, 5)),
    ("hard_silu", {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1), [(3, 4)], (-5, 5)),
    ("hard_tanh", {}, lambda x: np.clip(x, -1, 1), [(3, 4)], (-3, 3)),
    ("hard_shrink", {}, lambda x: np.where(np.abs(x) > 0.5, x, 0), [(3, 4)], (-1, 1)),
    ("soft_shrink", {}, lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), [(3, 4)], (-1, 1)),
    ("tanh_shrink", {}, lambda x: x - np.tanh(x), [(3, 4)], (-3, 3)),
    ("softsign", {}, lambda x: x / (1 + np.abs(x)), [(3, 4)], (-3, 3)),
    (
        "threshold",
        {"threshold": 0.5, "default_value": 7.0},
        lambda x, threshold, default_value: np.where(x > 0.5, x, 7.0),
        [(3, 4)],
        (-3, 3),
    ),
    ("var", {"axis": 1}, np.var, [(3, 4)], (-3, 3)),
    ("var", {"axis": (0, 2), "keepdims": True}, np.var, [(3, 4, 2)], (-3, 3)),
    ("std", {}, np.std, [(3, 4)], (-3, 3)),
    ("logsumexp", {"axis": 1}, logsumexp, [(3, 4)], (-3, 3)),
    ("logsumexp", {"axis": (0, -1), "keepdims": True}, logsumexp, [(3, 4, 2)], (-3, 3)),
    ("max", {"axis": 1, "initial": 1.0}, np.max, [(3, 4)], (-3, 3)),
    ("min", {"initial": -1.0}, np.min, [(3, 4)], (-3, 3)),
    ("sum", {"axis": ()}, np.sum, [(3, 4)], (-3, 3)),
    (
        "softmax",
        {"axis": (0, 2)},
        lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True),
        [(3, 4, 2)],
        (-3, 3),
    ),
    ("log_softmax", {"axis": None}, lambda x, axis: x - logsumexp(x), [(3, 4)], (-3, 3)),
    ("dot", {}, np.dot, [(4,), (4,)], (-3, 3)),
    ("dot", {}, np.dot, [(3, 4), (4,)], (-3, 3)),
    ("dot", {}, np.dot, [(2, 3, 4), (5, 4, 2)], (-3, 3)),
    ("dot", {}, np.dot, [(), (3, 4)], (-3, 3)),
    ("tensordot", {"axes": 1}, np.tensordot, [(3, 4), (4, 2)], (-3, 3)),
    ("tensordot", {"axes": 0}, np.tensordot, [(3,), (4,)], (-3, 3)),
    ("tensordot", {"axes": ((0, 2), (1, 0))}, np.tensordot, [(3, 2, 4), (4, 3)], (-3, 3)),
    ("outer", {}, np.outer, [(3,), (2, 2)], (-3, 3)),
    ("binary_crossentropy", {}, binary, [(3, 4), (3, 4)], (0.1, 0.9)),
    (
        "binary_crossentropy",
        {"from_logits": True},
        lambda t, x, from_logits: binary(t, ref.sigmoid(x)),
        [(3, 4), (3, 4)],
        (0.1, 0.9),
    ),
    ("categorical_crossentropy", {}, categorical, [(3, 4), (3, 4)], (0.1, 0.9)),
    (
        "categorical_crossentropy",
        {"axis": 0},
        lambda t, p, axis: categorical(t.T, p.T),
        [(3, 4), (3, 4)],
        (0.1, 0.9),
    ),
    (
        "categorical_crossentropy",
        {"from_logits": True, "axis": 1},
        lambda t, x, from_logits, axis: ref.crossentropy(
            np.moveaxis(x, 1, -1), np.moveaxis(t, 1, -1)
        ),
        [(2, 4, 3), (2, 4, 3)],
        (0.1, 0.9),
    ),
    ("squeeze", {}, np.squeeze, [(3, 1, 4, 1)], (-3, 3)),
    ("squeeze", {"axis": -1}, np.squeeze, [(3, 1, 4, 1)], (-3, 3)),
    ("expand_dims", {"axis": (0, -1)}, np.expand_dims, [(3, 4)], (-3, 3)),
    ("swapaxes", {"axis1": 0, "axis2": -1}, np.swapaxes, [(3, 4, 2)], (-3, 3)),
    ("moveaxis", {"source": (0, 1), "destination": (-1, 0)}, np.moveaxis, [(3, 4, 2)], (-3, 3)),
    ("transpose", {"axes": (1, -1, 0)}, np.transpose, [(3, 4, 2)], (-3, 3)),
    ("ravel", {}, np.ravel, [(3, 4)], (-3, 3)),
    ("flip", {"axis": 1}, np.flip, [(3, 4)], (-3, 3)),
    ("flip", {}, np.flip, [(3, 0)], (-3, 3)),
    ("repeat", {"repeats": 3, "axis": 1}, np.repeat, [(3, 4, 2)], (-3, 3)),
    ("repeat", {"repeats": (2, 0, 1), "axis": 0}, np.repeat, [(3, 4)], (-3, 3)),
    ("repeat", {"repeats": 2}, np.repeat, [(3, 4)], (-3, 3)),
    ("tile", {"repeats": (2, 3)}, tile, [(3, 4)], (-3, 3)),
    ("tile", {"repeats": (2, 1, 0)}, tile, [(3, 4)], (-3, 3)),
    ("tile", {"repeats": 2}, tile, [(3, 4)], (-3, 3)),
    ("tril", {"k": -1}, np.tril, [(3, 4)], (-3, 3)),
    ("triu", {"k": 1}, np.triu, [(2, 3, 4)], (-3, 3)),
    (
        "slice",
        {"start_indices": (1, 0), "shape": (2, -1)},
        lambda x, start_indices, shape: x[1:],
        [(3, 4)],
        (-3, 3),
    ),
    ("linspace", {"num": 5}, np.linspace, [(3,), (1,)], (-3, 3)),
    ("linspace", {"num": 4, "endpoint": False, "axis": -1}, np.linspace, [(3,), (3,)], (-3, 3)),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_composition(row: Any) -> None:
    name, fields, reference, shapes, (low, high) = row
    function = getattr(ops, name)
    rng = np.random.default_rng(len(name))
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    got = function(*arrays, **fields)
    want = np.asarray(reference(*arrays, **fields))
    assert got.dtype == "float64"
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-13)
    check_gradients(lambda *xs: function(*xs, **fields), arrays, rng)


def check_gradients(
    function: Callable[..., Tensor], arrays: list[np.ndarray], rng: np.random.Generator
) -> None:
    """First and second gradients of a function of float64 tensors against central differences."""
    places = list(range(len(arrays)))
    weight = rng.uniform(-1, 1, function(*map(convert, arrays)).shape)
    seconds = [rng.uniform(-1, 1, a.shape) for a in arrays]

    def first(at: list[np.ndarray], create_graph: bool = False) -> tuple[list[Tensor], list[Any]]:
        xs = [convert(a) for a in at]
        for x in xs:
            x.requires_grad = True
        out = function(*xs)
        found = autograd.grad(
            out, xs, [convert(weight)], create_graph=create_graph, allow_unused=True
        )
        return xs, [ops.zeros_like(x) if g is None else g for g, x in zip(found, xs, strict=True)]

    claimed = [g.numpy() for g in first(arrays)[1]]
    checks.compare_slopes(
        "first",
        lambda at: [function(*map(convert, at)).numpy()],
        arrays,
        [weight],
        claimed,
        places,
        rng,
    )
    xs, found = first(arrays, create_graph=True)
    tracked = [(g, convert(w)) for g, w in zip(found, seconds, strict=True) if g.requires_grad]
    if tracked:
        again = autograd.grad(
            [g for g, _ in tracked], xs, [w for _, w in tracked], allow_unused=True
        )
    else:
        again = [None] * len(xs)
    claimed = [checks.zero_or(g, x.shape) for g, x in zip(again, xs, strict=True)]
    checks.compare_slopes(
        "second",
        lambda at: [g.numpy() for g in first(at)[1]],
        arrays,
        seconds,
        claimed,
        places,
        rng,
    )


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_sparse_categorical_crossentropy(from_logits: bool, axis: int) -> None:
    rng = np.random.default_rng(5)
    shape = (3, 4) if axis == 1 else (4, 3)
    p = rng.uniform(0.1, 0.9, shape)
    logp = np.log(p / p.sum(axis, keepdims=True))
    if from_logits:
        logp = p - np.log(np.exp(p).sum(axis, keepdims=True))
    want = -np.take_along_axis(logp, np.expand_dims(LABELS, axis), axis).squeeze(axis)

    def loss(x: Any) -> Tensor:
        return ops.sparse_categorical_crossentropy(LABELS, x, from_logits=from_logits, axis=axis)

    np.testing.assert_allclose(loss(p).numpy(), want, rtol=1e-12)
    check_gradients(loss, [p], rng)
    column = ops.sparse_categorical_crossentropy(LABELS[:, None].astype(float), p.reshape(3, 4))
    assert column.shape == (3,)


def test_stack_and_unstack() -> None:
    rng = np.random.default_rng(6)
    arrays = [rng.uniform(-1, 1, (3, 4)) for _ in range(3)]
    for axis in (0, 1, -1):
        stacked = ops.stack(arrays, axis)
        np.testing.assert_array_equal(stacked.numpy(), np.stack(arrays, axis))
        for a, b in zip(ops.unstack(stacked, axis=axis), arrays, strict=True):
            np.testing.assert_array_equal(a.numpy(), b)
    check_gradients(lambda *xs: ops.stack(xs, 1), arrays, rng)
    check_gradients(lambda x: ops.unstack(x, axis=1)[2] * 2.0, arrays[:1], rng)


def test_split() -> None:
    x = np.arange(12.0).reshape(3, 4)
    for how, axis in ((2, 1), ([1, 3], 1), ([2], 0), ([-1, 9], -1)):
        for got, want in zip(ops.split(x, how, axis), np.split(x, how, axis), strict=True):
            np.testing.assert_array_equal(got.numpy(), want)
    check_gradients(lambda x: ops.split(x, [1, 3], 1)[1], [x], np.random.default_rng(7))


def test_slice_update() -> None:
    rng = np.random.default_rng(8)
    x, u = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (2, 2))
    want = x.copy()
    want[1:, 1:3] = u
    np.testing.assert_array_equal(ops.slice_update(x, (1, 1), u).numpy(), want)
    check_gradients(lambda a, b: ops.slice_update(a, (1, 1), b), [x, u], rng)


def test_logsumexp_of_infinities() -> None:
    inf = math.inf
    x = [[-inf, -inf], [inf, 0.0], [-inf, 1.0], [1e300, 0.0]]
    got = ops.logsumexp(np.array(x), axis=1).tolist()
    assert got == [-inf, inf, 1.0, 1e300]


def test_clipping_of_probabilities_follows_epsilon() -> None:
    got = ops.binary_crossentropy(np.array([1.0, 0.0]), np.array([0.0, 0.0])).numpy()
    np.testing.assert_allclose(got, [-math.log(1e-7), -math.log1p(-1e-7)], rtol=1e-9)
    sparse = ops.sparse_categorical_crossentropy([0, 1], np.array([[0.0, 1.0], [0.0, 1.0]])).numpy()
    np.testing.assert_allclose(sparse, [-math.log(1e-7), -math.log1p(-1e-7)], atol=1e-12)
