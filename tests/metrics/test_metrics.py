"""Metrics: what they gather over batches, and that gathering waits for nothing."""

import numpy as np
import pytest

import pyneuro
from pyneuro import losses, metrics, ops
from pyneuro.errors import ShapeError
from pyneuro.variable import StateScope

RNG = np.random.default_rng(5)
N, C = 12, 6
LABELS = RNG.integers(0, C, N)
SCORES = RNG.random((N, C)).astype("float32")
ONE_HOT = np.eye(C, dtype="float32")[LABELS]
BITS = (RNG.random((N, 2)) > 0.5).astype("float32")
PROBS = RNG.random((N, 2)).astype("float32")
RIGHT = SCORES.argmax(-1) == LABELS
RANK = (SCORES[np.arange(N), LABELS][:, None] < SCORES).sum(-1)

CASES = [
    (metrics.Accuracy(), LABELS, np.roll(LABELS, 1), np.roll(LABELS, 1) == LABELS),
    (metrics.BinaryAccuracy(), BITS, PROBS, ((PROBS > 0.5) == BITS).mean(-1)),
    (metrics.BinaryAccuracy(threshold=0.2), BITS, PROBS, ((PROBS > 0.2) == BITS).mean(-1)),
    (metrics.CategoricalAccuracy(), ONE_HOT, SCORES, RIGHT),
    (metrics.SparseCategoricalAccuracy(), LABELS, SCORES, RIGHT),
    (metrics.SparseCategoricalAccuracy(), LABELS[:, None], SCORES, RIGHT),
    (metrics.TopKCategoricalAccuracy(k=2), ONE_HOT, SCORES, RANK < 2),
    (metrics.SparseTopKCategoricalAccuracy(k=3), LABELS, SCORES, RANK < 3),
    (metrics.MeanSquaredError(), ONE_HOT, SCORES, ((ONE_HOT - SCORES) ** 2).mean(-1)),
    (metrics.MeanAbsoluteError(), ONE_HOT, SCORES, abs(ONE_HOT - SCORES).mean(-1)),
]


@pytest.mark.parametrize(("metric", "true", "pred", "values"), CASES)
def test_means_over_batches(
    metric: metrics.Metric, true: object, pred: object, values: object
) -> None:
    weights = RNG.random(N).astype("float32")
    metric.reset_state()
    for part in (slice(0, 5), slice(5, N)):
        metric.update_state(true[part], pred[part])  # type: ignore[index]
    assert metric.result().item() == pytest.approx(np.mean(values), rel=1e-6)
    metric.reset_state()
    for part in (slice(0, 5), slice(5, N)):
        metric.update_state(true[part], pred[part], sample_weight=weights[part])  # type: ignore[index]
    assert metric.result().item() == pytest.approx(np.average(values, weights=weights), rel=1e-5)
    again = metrics.deserialize(metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
    metric.reset_state()
    assert metric.result().item() == 0.0


@pytest.mark.parametrize(
    "name", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy",
             "KLDivergence", "Poisson", "Hinge", "SquaredHinge", "CategoricalHinge",
             "CosineSimilarity"],
)  # fmt: skip
def test_metrics_of_losses_are_the_losses(name: str) -> None:
    metric = getattr(metrics, name)()
    true = LABELS if "Sparse" in name else ONE_HOT
    metric.update_state(true, SCORES)
    loss = getattr(losses, name)()(true, SCORES).item()
    sign = -1 if name == "CosineSimilarity" else 1
    assert metric.result().item() == pytest.approx(sign * loss, rel=1e-6)


def test_the_root_is_taken_of_the_mean_of_all_batches() -> None:
    metric = metrics.RootMeanSquaredError()
    metric.update_state(np.zeros(2), np.array([3.0, 4.0]))
    metric.update_state(np.zeros(1), np.array([0.0]))
    assert metric.result().item() == pytest.approx(np.sqrt(25 / 3), rel=1e-6)


def test_sum_and_mean_of_values() -> None:
    total, mean = metrics.Sum(), metrics.Mean()
    for metric in (total, mean):
        metric.update_state([[1.0, 2.0], [3.0, 4.0]], sample_weight=[1.0, 0.0])
        metric.update_state(10.0)
    assert total.result().item() == 13.0
    assert mean.result().item() == pytest.approx((1.5 + 10) / 2)
    with pytest.raises(ShapeError, match="one weight for each sample"):
        mean.update_state([1.0, 2.0], sample_weight=[1.0, 2.0, 3.0])


def test_counts_do_not_stop_growing_at_two_to_the_24() -> None:
    mean = metrics.Mean()
    mean.add_sum(2.0**25, 2.0**25)
    mean.update_state([4.0])
    assert mean.count.item() == 2**25 + 1


def test_top_k_of_sorted_ids() -> None:
    metric = metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    metric.update_state([3, 1], [[0, 3, 1], [0, 2, 1]])
    assert metric.result().item() == 0.5


def test_own_metrics_and_functions() -> None:
    class Extremes(metrics.Metric):
        def __init__(self, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.low = self.add_variable((), "zeros", name="low")
            self.mean = metrics.Mean()

        def update_state(self, values: object) -> None:
            self.low.assign(ops.minimum(self.low, ops.min(values)))
            self.mean.update_state(values)

        def result(self) -> dict[str, object]:
            return {"low": self.low.value, "mean": self.mean.result()}

    metric = Extremes(name="extremes")
    result = metric(np.array([-3.0, 5.0], "float32"))
    assert (result["low"].item(), result["mean"].item()) == (-3.0, 1.0)
    assert len(metric.variables) == 3
    assert metric.low.path == "extremes/low"
    metric.reset_state()
    assert metric.low.item() == 0.0


def test_updates_wait_for_the_commit() -> None:
    metric = metrics.Mean()
    with StateScope():
        metric.update_state([4.0])
        assert metric.result().item() == 4.0
    assert metric.result().item() == 0.0


def test_gathering_reads_nothing() -> None:
    metric = metrics.SparseCategoricalAccuracy()
    labels, scores = ops.convert_to_tensor(LABELS), ops.convert_to_tensor(SCORES)

    def update(labels: object, scores: object) -> object:
        metric.update_state(labels, scores)
        return scores

    pyneuro.capture(update)(labels, scores)  # a read raises CaptureError
    assert metric.count.item() == N
