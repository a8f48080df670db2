"""Losses against their formulas in float64, reductions, weights, shapes, gradients."""

from collections.abc import Callable

import numpy as np
import pytest

import pyneuro
from pyneuro import losses, ops
from pyneuro.errors import ArgumentError, IndexOutOfRangeError, ShapeError
from pyneuro.masks import set_mask

RNG = np.random.default_rng(3)
N, C = 6, 4
TRUE, PRED = RNG.random((N, C)), RNG.random((N, C)) * 0.9 + 0.05
BITS, LABELS = (TRUE > 0.5).astype(float), RNG.integers(0, C, N)
ONE_HOT = np.eye(C)[LABELS]
LOGITS = RNG.normal(size=(N, C)) * 3
PROBS = PRED / PRED.sum(-1, keepdims=True)
Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def bce(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)


def cce(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -(t * np.log(p)).sum(-1)


def sparse(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -np.log(p[np.arange(len(t)), t])


def hinge(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.maximum(1 - (2 * t - 1) * p, 0)


def huber(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    e = abs(t - p)
    return np.where(e <= 0.3, e**2 / 2, 0.3 * e - 0.045).mean(-1)


CASES: dict[str, tuple[losses.Loss, np.ndarray, np.ndarray, Formula]] = {
    "mse": (losses.MeanSquaredError(), TRUE, PRED, lambda t, p: ((t - p) ** 2).mean(-1)),
    "mae": (losses.MeanAbsoluteError(), TRUE, PRED, lambda t, p: abs(t - p).mean(-1)),
    "mape": (
        losses.MeanAbsolutePercentageError(), TRUE, PRED,
        lambda t, p: 100 * (abs(t - p) / t).mean(-1),
    ),
    "msle": (
        losses.MeanSquaredLogarithmicError(), TRUE, PRED,
        lambda t, p: ((np.log1p(t) - np.log1p(p)) ** 2).mean(-1),
    ),
    "huber": (losses.Huber(0.3), TRUE, PRED, huber),
    "log_cosh": (losses.LogCosh(), TRUE, PRED, lambda t, p: np.log(np.cosh(p - t)).mean(-1)),
    "cosine": (
        losses.CosineSimilarity(), TRUE, PRED,
        lambda t, p: -(t * p).sum(-1) / np.linalg.norm(t, axis=-1) / np.linalg.norm(p, axis=-1),
    ),
    "bce": (losses.BinaryCrossentropy(), BITS, PRED, bce),
    "bce logits": (
        losses.BinaryCrossentropy(from_logits=True), BITS, LOGITS,
        lambda t, x: bce(t, 1 / (1 + np.exp(-x))),
    ),
    "bce smoothed": (
        losses.BinaryCrossentropy(label_smoothing=0.2), BITS, PRED,
        lambda t, p: bce(t * 0.8 + 0.1, p),
    ),
    "cce": (losses.CategoricalCrossentropy(), ONE_HOT, PROBS, cce),
    "cce not normalized": (
        losses.CategoricalCrossentropy(), ONE_HOT, PRED,
        lambda t, p: cce(t, p / p.sum(-1, keepdims=True)),
    ),
    "cce logits": (
        losses.CategoricalCrossentropy(from_logits=True), PROBS, LOGITS,
        lambda t, x: cce(t, softmax(x)),
    ),
    "cce smoothed": (
        losses.CategoricalCrossentropy(label_smoothing=0.2), ONE_HOT, PROBS,
        lambda t, p: cce(t * 0.8 + 0.05, p),
    ),
    "scce": (losses.SparseCategoricalCrossentropy(), LABELS, PROBS, sparse),
    "scce logits": (
        losses.SparseCategoricalCrossentropy(from_logits=True), LABELS, LOGITS,
        lambda t, x: sparse(t, softmax(x)),
    ),
    "kld": (losses.KLDivergence(), PROBS[::-1], PROBS, lambda t, p: (t * np.log(t / p)).sum(-1)),
    "poisson": (losses.Poisson(), TRUE, PRED, lambda t, p: (p - t * np.log(p + 1e-7)).mean(-1)),
    "hinge": (losses.Hinge(), BITS, PRED, lambda t, p: hinge(t, p).mean(-1)),
    "hinge -1, 1": (
        losses.Hinge(), BITS * 2 - 1, PRED, lambda t, p: hinge((t + 1) / 2, p).mean(-1),
    ),
    "squared hinge": (losses.SquaredHinge(), BITS, PRED, lambda t, p: (hinge(t, p) ** 2).mean(-1)),
    "categorical hinge": (
        losses.CategoricalHinge(), ONE_HOT, PRED,
        lambda t, p: np.maximum(((1 - t) * p).max(-1) - (t * p).sum(-1) + 1, 0),
    ),
}  # fmt: skip


def fresh(loss: losses.Loss, **changes: object) -> losses.Loss:
    return type(loss).from_config({**loss.get_config(), "dtype": "float64", **changes})


@pytest.mark.parametrize("name", CASES)
def test_formula_and_gradient(name: str) -> None:
    loss, true, pred, formula = CASES[name]
    loss = fresh(loss, reduction="none")
    values = loss(true, pred)
    np.testing.assert_allclose(values.numpy(), formula(true, pred), rtol=2e-6, atol=1e-9)
    v = pyneuro.Variable(pred, dtype="float64")
    (gradient,) = pyneuro.grad(ops.sum(loss(true, v)), [v])
    step = 1e-6
    for index in [(0, 0), (2, 1), (5, 3)]:
        moved = pred.copy()
        moved[index] += step
        up = loss(true, moved).numpy().sum()
        moved[index] -= 2 * step
        numeric = (up - loss(true, moved).numpy().sum()) / (2 * step)
        assert gradient.numpy()[index] == pytest.approx(numeric, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_float32_agrees_and_configs_round_trip(name: str) -> None:
    loss, true, pred, formula = CASES[name]
    dtype = true.dtype if true.dtype.kind == "i" else "float32"
    value = loss(true.astype(dtype), pred.astype("float32")).item()
    assert value == pytest.approx(formula(true, pred).mean(), rel=2e-5)
    again = losses.deserialize(losses.serialize(loss))
    assert again(true.astype(dtype), pred.astype("float32")).item() == value


WEIGHTS = RNG.random(N)


@pytest.mark.parametrize(
    ("reduction", "plain", "weighted"),
    [
        ("none", lambda v: v, lambda v, w: v * w),
        (None, lambda v: v, lambda v, w: v * w),
        ("sum", lambda v: v.sum(), lambda v, w: (v * w).sum()),
        ("mean", lambda v: v.mean(), lambda v, w: (v * w).mean()),
        ("sum_over_batch_size", lambda v: v.mean(), lambda v, w: (v * w).mean()),
        ("mean_with_sample_weight", lambda v: v.mean(), lambda v, w: (v * w).sum() / w.sum()),
    ],
)
def test_reductions(reduction: str | None, plain: object, weighted: object) -> None:
    loss = losses.MeanSquaredError(reduction=reduction, dtype="float64")
    values = ((TRUE - PRED) ** 2).mean(-1)
    np.testing.assert_allclose(loss(TRUE, PRED).numpy(), plain(values))  # type: ignore[operator]
    expected = weighted(values, WEIGHTS)  # type: ignore[operator]
    for weights in (WEIGHTS, WEIGHTS[:, None]):
        np.testing.assert_allclose(loss(TRUE, PRED, weights).numpy(), expected)


def test_bad_reductions_are_refused() -> None:
    with pytest.raises(ArgumentError, match="'average'"):
        losses.MeanSquaredError(reduction="average")


def test_a_last_axis_of_one_comes_and_goes() -> None:
    loss = losses.MeanSquaredError(dtype="float64")
    column, row = np.arange(8.0)[:, None], np.ones(8)
    expected = ((np.arange(8.0) - 1) ** 2).mean()
    for true, pred in ((row, column), (column, row), (row, column[:, 0]), (column, column * 0 + 1)):
        assert loss(true, pred).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("true", "pred"),
    [
        ((8,), (8, 3)),
        ((8, 1), (8, 3)),
        ((1, 3), (8, 3)),
        ((8, 3), (3,)),
        ((4,), (8,)),
        ((8, 2, 3), (8, 3)),
    ],
)
def test_nothing_broadcasts(true: tuple, pred: tuple) -> None:
    for loss in (losses.MeanSquaredError(), losses.BinaryCrossentropy(), losses.Hinge()):
        with pytest.raises(ShapeError, match="does not broadcast"):
            loss(np.ones(true, "float32"), np.ones(pred, "float32"))


def test_messages_name_the_other_crossentropy() -> None:
    with pytest.raises(ShapeError, match="sparse_categorical_crossentropy"):
        losses.CategoricalCrossentropy()(LABELS, PROBS)
    with pytest.raises(ShapeError, match="categorical_crossentropy"):
        losses.SparseCategoricalCrossentropy()(ONE_HOT, PROBS)
    with pytest.raises(IndexOutOfRangeError):
        losses.SparseCategoricalCrossentropy()(LABELS + C, PROBS)
    with pytest.raises(ShapeError, match="sample_weight"):
        losses.MeanSquaredError()(TRUE, PRED, np.ones(N + 1))
    with pytest.raises(ArgumentError, match="label_smoothing"):
        losses.BinaryCrossentropy(label_smoothing=1.5)


def test_an_ignored_class_does_not_count() -> None:
    labels = LABELS.copy()
    labels[:2] = -1
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1, dtype="float64")
    expected = sparse(labels[2:], PROBS[2:])
    assert loss(labels, PROBS).item() == pytest.approx(expected.mean(), rel=1e-5)
    values = losses.SparseCategoricalCrossentropy(ignore_class=-1, reduction="none")(labels, PROBS)
    assert values.numpy()[:2].tolist() == [0, 0]


def test_sequences_masks_and_weights() -> None:
    true, pred = RNG.random((2, 3, 4)), RNG.random((2, 3, 4))
    mask = np.array([[True, True, False], [True, False, False]])
    values = ((true - pred) ** 2).mean(-1)
    loss = losses.MeanSquaredError(dtype="float64")
    tensor = ops.convert_to_tensor(pred)
    set_mask(tensor, ops.convert_to_tensor(mask))
    assert loss(true, tensor).item() == pytest.approx(values[mask].mean(), rel=1e-6)
    weights = np.array([1.0, 3.0])
    assert loss(true, pred, weights).item() == pytest.approx((values * weights[:, None]).mean())


def test_classes_may_stand_on_another_axis() -> None:
    moved = np.moveaxis(PROBS.reshape(2, 3, C), -1, 1)
    loss = losses.SparseCategoricalCrossentropy(axis=1, dtype="float64")
    assert loss(LABELS.reshape(2, 3), moved).item() == pytest.approx(sparse(LABELS, PROBS).mean())


def test_own_losses() -> None:
    class Largest(losses.Loss):
        def call(self, y_true: object, y_pred: object) -> object:
            return ops.max(ops.absolute(y_true - y_pred), axis=-1)

    assert Largest(reduction="sum")([[0.0, 2.0]], [[1.0, 5.0]]).item() == 3.0
    with pytest.raises(NotImplementedError, match="call"):
        losses.Loss()([0.0], [0.0])


def test_an_empty_batch_has_no_loss() -> None:
    assert losses.MeanSquaredError()(np.ones((0, 3)), np.ones((0, 3))).item() == 0.0
