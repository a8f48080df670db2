"""Focal cross-entropies and overlap losses against NumPy; their gradients, dtypes and configs."""

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import losses
from pyneuro.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
TRUE = (RNG.random((5, 3)) > 0.5).astype("float64")
PRED = RNG.uniform(0.05, 0.95, (5, 3))
LOGITS = np.log(PRED / (1 - PRED))
ONE_HOT = np.eye(3)[RNG.integers(0, 3, 5)]
SHARES = PRED / PRED.sum(1, keepdims=True)
MISSED = np.where(TRUE > 0, 1 - PRED, PRED)


def focal(alpha: object, gamma: float) -> np.ndarray:
    return -(alpha * (1 - SHARES) ** gamma * ONE_HOT * np.log(SHARES)).sum(1)


def overlap(alpha: float, beta: float, axis: object = None) -> np.ndarray:
    both = (TRUE * PRED).sum(axis)
    missed, wrong = (TRUE * (1 - PRED)).sum(axis), ((1 - TRUE) * PRED).sum(axis)
    return 1 - both / (both + alpha * missed + beta * wrong)


BINARY = -np.log(1 - MISSED) * MISSED**2
CASES = [
    (losses.BinaryFocalCrossentropy(reduction=None), TRUE, PRED, BINARY.mean(1)),
    (losses.BinaryFocalCrossentropy(from_logits=True, reduction=None), TRUE, LOGITS,
     BINARY.mean(1)),
    (losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.3, gamma=1.0), TRUE, PRED,
     (np.where(TRUE > 0, 0.3, 0.7) * -np.log(1 - MISSED) * MISSED).mean()),
    (losses.CategoricalFocalCrossentropy(reduction=None), ONE_HOT, SHARES, focal(0.25, 2.0)),
    (losses.CategoricalFocalCrossentropy(from_logits=True, reduction=None), ONE_HOT,
     np.log(SHARES), focal(0.25, 2.0)),
    (losses.CategoricalFocalCrossentropy([0.1, 0.2, 0.3], 1.0), ONE_HOT, PRED,
     focal(np.array([0.1, 0.2, 0.3]), 1.0).mean()),
    (losses.Dice(), TRUE, PRED, 1 - 2 * (TRUE * PRED).sum() / (TRUE.sum() + PRED.sum())),
    (losses.Dice(axis=1, reduction=None), TRUE, PRED, overlap(0.5, 0.5, 1)),
    (losses.Tversky(0.3, 0.8), TRUE, PRED, overlap(0.3, 0.8)),
    (losses.Tversky(0.3, 0.8, axis=(0, 1)), TRUE, PRED, overlap(0.3, 0.8)),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "true", "pred", "expected"), CASES)
def test_values_gradients_dtypes_and_configs(
    loss: losses.Loss, true: np.ndarray, pred: np.ndarray, expected: np.ndarray
) -> None:
    config = losses.serialize(loss)
    for dtype, limit in (("float64", 1e-6), ("float32", 1e-5), ("bfloat16", 0.05)):
        config["config"]["dtype"] = dtype
        again = losses.deserialize(config)
        source = keras.Variable(pred, dtype=dtype)
        value = again(true, source)
        assert value.dtype == dtype
        np.testing.assert_allclose(
            np.asarray(value).astype("float64"), expected, rtol=limit, atol=limit
        )
        found = keras.grad(keras.ops.sum(value), source).numpy().astype("float64")
        assert np.isfinite(found).all()
        if dtype == "float64":
            step = np.zeros_like(pred)
            step[1, 2] = 1e-6
            higher, lower = (np.asarray(again(true, pred + sign * step)).sum() for sign in (1, -1))
            np.testing.assert_allclose(found[1, 2], (higher - lower) / 2e-6, rtol=1e-4, atol=1e-8)


def test_smoothing_names_and_errors() -> None:
    smooth = losses.binary_focal_crossentropy(TRUE, PRED, label_smoothing=0.2)
    moved = losses.binary_focal_crossentropy(TRUE * 0.8 + 0.1, PRED)
    np.testing.assert_allclose(smooth.numpy(), moved.numpy())
    assert losses.get("dice") is losses.dice
    assert isinstance(losses.get("Tversky"), losses.Tversky)
    with pytest.raises(ArgumentError, match="label_smoothing"):
        losses.CategoricalFocalCrossentropy(label_smoothing=2.0)
    with pytest.raises(ShapeError):
        losses.dice(TRUE, PRED[:, :2])
