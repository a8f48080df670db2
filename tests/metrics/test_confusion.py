"""Metrics of counts against NumPy, their configs, and in a training that is replayed."""

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import layers, metrics
from pyneuro.errors import ArgumentError, ShapeError
from pyneuro.masks import set_mask

RNG = np.random.default_rng(0)
TRUE = (RNG.random((60, 4)) > 0.6).astype("float32")
PRED = np.clip(TRUE * 0.3 + RNG.random((60, 4)) * 0.7, 0, 1).astype("float32")
WEIGHT = RNG.random(60).astype("float32")


def gathered(metric: metrics.Metric, weight: np.ndarray | None = None) -> np.ndarray:
    """The result of two uneven batches, also of a metric made again from its config."""
    results = []
    for each in (metric, metrics.deserialize(metrics.serialize(metric))):
        for part in (slice(0, 13), slice(13, 60)):
            sample = None if weight is None else weight[part]
            each.update_state(TRUE[part], PRED[part], sample_weight=sample)
        results.append(np.asarray(each.result()))
    np.testing.assert_array_equal(*results)
    return results[0]


def counts(level: float, weight: np.ndarray | None = None, chosen: slice = slice(None)) -> tuple:
    true, positive = TRUE[:, chosen] > 0, PRED[:, chosen] > level
    w = np.ones((60, 1)) if weight is None else weight[:, None].astype("float64")
    parts = (true & positive, ~true & positive, ~true & ~positive, true & ~positive)
    return tuple((part * w).sum() for part in parts)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_counts_precision_and_recall(weight: np.ndarray | None) -> None:
    kinds = (metrics.TruePositives, metrics.FalsePositives, metrics.TrueNegatives,
             metrics.FalseNegatives)  # fmt: skip
    for kind, expected in zip(kinds, counts(0.5, weight), strict=True):
        np.testing.assert_allclose(gathered(kind(), weight), expected, rtol=1e-6)
    levels = [0.2, 0.7]
    found = [counts(level, weight) for level in levels]
    precision = [tp / (tp + fp) for tp, fp, _, _ in found]
    np.testing.assert_allclose(gathered(metrics.Precision(levels), weight), precision, rtol=1e-6)
    tp, _, _, fn = counts(0.5, weight, slice(2, 3))
    recall = gathered(metrics.Recall(class_id=2), weight)
    np.testing.assert_allclose(recall, tp / (tp + fn), rtol=1e-6)
    assert metrics.Precision().result().item() == 0.0


def test_the_largest_predictions_are_positive() -> None:
    largest = np.zeros_like(TRUE)
    np.put_along_axis(largest, np.argsort(-PRED, axis=1)[:, :2], 1, axis=1)
    hits = (largest * TRUE).sum()
    assert gathered(metrics.Precision(top_k=2)) == pytest.approx(hits / 120)
    assert gathered(metrics.Recall(top_k=2)) == pytest.approx(hits / TRUE.sum())


def test_area_under_roc_is_the_share_of_ordered_pairs() -> None:
    exact = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    metric = metrics.AUC()
    metric.update_state(exact[1], exact[0])
    assert metric.result().item() == pytest.approx(0.75)
    positive, negative = PRED[TRUE > 0], PRED[TRUE == 0]
    share = (positive[:, None] > negative).mean()
    assert gathered(metrics.AUC(num_thresholds=2000)) == pytest.approx(share, abs=2e-3)
    by_label = [
        (PRED[TRUE[:, i] > 0, i][:, None] > PRED[TRUE[:, i] == 0, i]).mean() for i in range(4)
    ]
    found = gathered(metrics.AUC(2000, multi_label=True, label_weights=[1.0, 2.0, 3.0, 4.0]))
    assert found == pytest.approx(np.dot(by_label, [0.1, 0.2, 0.3, 0.4]), abs=2e-3)
    logits = metrics.AUC(num_thresholds=2000, from_logits=True)
    logits.update_state(TRUE, np.log(PRED / (1 - PRED + 1e-9) + 1e-9))
    assert logits.result().item() == pytest.approx(share, abs=2e-3)


def test_area_under_precision_over_recall() -> None:
    low, middle, high = (
        gathered(metrics.AUC(curve="PR", summation_method=method)).item()
        for method in ("minoring", "interpolation", "majoring")
    )
    assert low < middle < high < low + 0.1


def test_f_scores() -> None:
    chosen = (PRED.max(axis=1, keepdims=True) == PRED).astype("float64")
    hits, predicted, targets = (chosen * TRUE).sum(0), chosen.sum(0), TRUE.sum(0)
    np.testing.assert_allclose(
        gathered(metrics.F1Score()), 2 * hits / (predicted + targets), rtol=1e-5
    )
    f2 = 5 * hits / (predicted + 4 * targets)
    for average, expected in (("macro", f2.mean()), ("weighted", f2 @ targets / targets.sum())):
        np.testing.assert_allclose(
            gathered(metrics.FBetaScore(average, beta=2.0)), expected, rtol=1e-5
        )
    tp, fp, _, fn = counts(0.4)
    micro = gathered(metrics.F1Score("micro", threshold=0.4))
    assert micro == pytest.approx(2 * tp / (2 * tp + fp + fn), rel=1e-5)


def test_masked_predictions_do_not_count() -> None:
    pred = keras.ops.convert_to_tensor(np.array([[0.9, 0.9]]))
    set_mask(pred, keras.ops.convert_to_tensor(np.array([[True, False]])))
    metric = metrics.TruePositives()
    metric.update_state(np.array([[1, 1]]), pred)
    assert metric.result().item() == 1.0


def test_in_a_training_that_is_replayed() -> None:
    def fit(eager: bool) -> dict:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="sigmoid")])
        given = [metrics.AUC(name="auc"), "Precision", metrics.Recall(name="r"),
                 metrics.F1Score("macro", name="f1")]  # fmt: skip
        model.compile("adam", "binary_crossentropy", metrics=given, run_eagerly=eager)
        history = model.fit(PRED, TRUE, batch_size=20, epochs=3, verbose=0).history
        assert model._replay.plans == (0 if eager else 1)
        return history  # type: ignore[no-any-return]

    assert fit(True) == fit(False)


def test_errors() -> None:
    for make in (
        lambda: metrics.Precision(1.5),
        lambda: metrics.Recall([]),
        lambda: metrics.AUC(curve="roc"),
        lambda: metrics.AUC(summation_method="mean"),
        lambda: metrics.AUC(num_thresholds=1),
        lambda: metrics.F1Score("mean"),
        lambda: metrics.FBetaScore(beta=0.0),
        lambda: metrics.F1Score(threshold=0.0),
    ):
        with pytest.raises(ArgumentError):
            make()
    with pytest.raises(ShapeError):
        metrics.Precision().update_state(TRUE, PRED[:, :3])
    with pytest.raises(ShapeError, match="classes"):
        metrics.F1Score().update_state(TRUE[0], PRED[0])
