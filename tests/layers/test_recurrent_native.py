"""LSTM and GRU by their native ops give what the same layers give step by step (unroll=True)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyneuro import autograd, layers, ops
from pyneuro.errors import GradientError
from pyneuro.tensor import Tensor, apply

DRAW = np.random.default_rng(3)
N, T, FEATURES, UNITS = 5, 6, 4, 7
X = DRAW.normal(size=(N, T, FEATURES))
STATE = [DRAW.normal(size=(N, UNITS)), DRAW.normal(size=(N, UNITS))]
MASKS = {
    "none": None,
    "all": np.zeros((N, T), bool),
    "first": np.arange(T) >= np.array([[1], [2], [0], [3], [6]]),
    "last": np.arange(T) < np.array([[1], [2], [0], [3], [6]]),
    "mixed": DRAW.random((N, T)) < 0.5,
}
KINDS = {
    "lstm": layers.LSTM,
    "lstm-plain": lambda *a, **k: layers.LSTM(*a, use_bias=False, **k),
    "gru": layers.GRU,
    "gru-before": lambda *a, **k: layers.GRU(*a, reset_after=False, **k),
    "gru-plain": lambda *a, **k: layers.GRU(*a, use_bias=False, **k),
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The native ops that layers ask for, in order."""
    seen: list[str] = []
    for native in (ops.lstm, ops.gru):

        def counted(*args: Any, native: Any = native, **kwargs: Any) -> Any:
            seen.append(native.__name__)
            return native(*args, **kwargs)

        monkeypatch.setattr(ops, native.__name__, counted)
    return seen


def pair(make: Callable[..., Any], **settings: Any) -> tuple[Any, Any]:
    """The same layer twice, with the same weights; the second one runs step by step."""
    whole = make(UNITS, dtype="float64", **settings)
    steps = make(UNITS, dtype="float64", unroll=True, **settings)
    for layer in (whole, steps):
        layer.build(X.shape)
    whole.set_weights([DRAW.normal(size=w.shape) * 0.5 for w in whole.get_weights()])
    steps.set_weights(whole.get_weights())
    return whole, steps


def outputs_and_gradients(layer: Any, **given: Any) -> list[np.ndarray]:
    """All outputs, and the gradients of a fixed sum of them for input, states and weights."""
    x = ops.convert_to_tensor(X)
    states = [ops.convert_to_tensor(s) for s in given.pop("initial_state", [])]
    targets = [x, *states, *layer.trainable_variables]
    for t in (x, *states):
        t.requires_grad = True
    found = layer(x, **given, **({"initial_state": states} if states else {}))
    found = found if isinstance(found, list) else [found]
    weights = np.random.default_rng(1)
    total: Tensor = sum(ops.sum(y * weights.normal(size=y.shape)) for y in found)
    slopes = autograd.grad(total, targets, allow_unused=True)
    return [a.numpy() for a in found] + [np.zeros(1) if g is None else g.numpy() for g in slopes]


def same(one: list[np.ndarray], two: list[np.ndarray]) -> None:
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_as_step_by_step(
    kind: str, mask: str, sequences: bool, go_backwards: bool, calls: list[str]
) -> None:
    for settings in ({"return_state": True}, {"zero_output_for_mask": True}):
        whole, steps = pair(
            KINDS[kind], return_sequences=sequences, go_backwards=go_backwards, **settings
        )
        for given in ({}, {"initial_state": STATE[: len(whole.get_initial_state(1))]}):
            calls.clear()
            native = outputs_and_gradients(whole, mask=MASKS[mask], **given)
            assert calls == [kind.partition("-")[0]]
            same(native, outputs_and_gradients(steps, mask=MASKS[mask], **given))
            assert len(calls) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_stateful(kind: str) -> None:
    whole, steps = pair(KINDS[kind], stateful=True, return_sequences=True)
    for _ in range(3):
        same([whole(X).numpy()], [steps(X).numpy()])
    same([s.numpy() for s in whole.states], [s.numpy() for s in steps.states])


@pytest.mark.parametrize("kind", KINDS)
def test_bidirectional(kind: str) -> None:
    one, two = (
        layers.Bidirectional(KINDS[kind](UNITS, return_sequences=True, dtype="float64", unroll=u))
        for u in (False, True)
    )
    one.build(X.shape), two.build(X.shape)
    two.set_weights(one.get_weights())
    for mask in MASKS.values():
        same(outputs_and_gradients(one, mask=mask), outputs_and_gradients(two, mask=mask))


@pytest.mark.parametrize(
    "settings",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"recurrent_dropout": 0.5},
    ],
)
@pytest.mark.parametrize("make", [layers.LSTM, layers.GRU])
def test_what_has_no_native_op(
    make: Callable[..., Any], settings: dict[str, Any], calls: list[str]
) -> None:
    make(UNITS, **settings)(X, training=True)
    assert calls == []
    make(UNITS, dropout=0.5)(X, training=True)
    assert len(calls) == 1


def test_a_cell_that_steps_otherwise(calls: list[str]) -> None:
    class Doubled(layers.LSTMCell):
        def step(self, z: Any, states: Any, mask: Any) -> Any:
            return super().step(2.0 * z, states, mask)

    layers.RNN(Doubled(UNITS))(X)
    assert calls == []
    layers.RNN([layers.LSTMCell(UNITS), layers.GRUCell(UNITS)])(X)
    assert calls == []
    layers.RNN(layers.LSTMCell(UNITS))(X)
    assert calls == ["lstm"]


@pytest.mark.parametrize("make", [layers.LSTM, layers.GRU])
def test_second_derivatives_need_unroll(make: Callable[..., Any]) -> None:
    def penalty(layer: Any) -> Any:
        x = ops.convert_to_tensor(X)
        x.requires_grad = True
        first = autograd.grad(ops.sum(layer(x)), x, create_graph=True)
        return autograd.grad(ops.sum(first * first), x)

    whole, steps = pair(make)
    with pytest.raises(GradientError, match="unroll=True"):
        penalty(whole)
    assert np.isfinite(penalty(steps).numpy()).all()


def test_no_gradient_without_the_trace() -> None:
    x = ops.convert_to_tensor(np.ones((1, 2, 4)))
    x.requires_grad = True
    kernel, state = np.ones((1, 4)), np.ones((1, 1))
    y = apply("lstm", x, kernel, state, state, keep=False)[0]
    with pytest.raises(GradientError, match="keep=False"):
        ops.sum(y).backward()
