"""Weights of 16 bits: float32 masters beside them; what an update does on its way, in one pass."""

from typing import Any

import numpy as np
import pytest

import pyneuro
from pyneuro import Variable, layers, ops, optimizers
from pyneuro.errors import ArgumentError
from pyneuro.ops.update import adam_update, sum_of_squares

DRAW = np.random.default_rng(5)
SHAPES = ((3, 4), (5,), (2, 3, 4))
STARTS = [DRAW.normal(size=s).astype("float32") for s in SHAPES]
GRADIENTS = [[DRAW.normal(size=s).astype("float32") for s in SHAPES] for _ in range(20)]
FAMILIES = (
    "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Lion", "Lamb", "Adadelta", "Adafactor", "Adamax",
    "Ftrl", "Muon", "Nadam",
)  # fmt: skip
HALVES = ("bfloat16", "float16")


def rounded(x: Any, dtype: str) -> Any:
    return ops.cast(ops.convert_to_tensor(x), dtype)


def numbers(x: Any) -> np.ndarray:
    return np.asarray(ops.cast(x, "float32").numpy())


def pair(dtype: str) -> tuple[list[Variable], list[Variable]]:
    """The same weights in 16 bits and, with the same values, in float32."""
    halves = [Variable(w, dtype=dtype, name=f"w{i}") for i, w in enumerate(STARTS)]
    return halves, [Variable(numbers(v), name=f"w{i}") for i, v in enumerate(halves)]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1, "global_clipnorm": 1.0}])
def test_steps_are_those_of_float32(family: str, dtype: str, more: dict[str, Any]) -> None:
    one, two = (getattr(optimizers, family)(0.02, **more) for _ in range(2))
    halves, floats = pair(dtype)
    for gradients in GRADIENTS:
        given = [rounded(g, dtype) for g in gradients]
        one.apply(given, halves)
        two.apply([ops.cast(g, "float32") for g in given], floats)
    for v, w in zip(halves, floats, strict=True):
        assert v.dtype == dtype
        np.testing.assert_array_equal(numbers(v), numbers(rounded(w, dtype)))
    assert {v.dtype for v in one.variables} <= {"int64", "float64", "float32"}


@pytest.mark.parametrize("family", ["Adam", "Nadam", "Lamb"])
def test_recorded_steps_have_the_bits_of_eager_ones(family: str) -> None:
    one, two = (getattr(optimizers, family)(0.02, weight_decay=0.1) for _ in range(2))
    eager, recorded = pair("bfloat16")[0], pair("bfloat16")[0]
    one.build(eager), two.build(recorded)
    step = pyneuro.capture(lambda *gradients: two.apply(list(gradients)))
    for gradients in GRADIENTS[:6]:
        given = [rounded(g, "bfloat16") for g in gradients]
        one.apply(given)
        step(*given)
        for a, b in zip((*eager, *one.variables), (*recorded, *two.variables), strict=True):
            np.testing.assert_array_equal(numbers(a), numbers(b))


@pytest.mark.parametrize("family", ["SGD", "Ftrl", "Lamb"])
def test_weights_that_were_assigned_count(family: str) -> None:
    one, two = (getattr(optimizers, family)(0.5) for _ in range(2))
    v, w = Variable(np.ones(3), dtype="bfloat16"), Variable(np.ones(3, "float32"))
    gradient = np.full(3, 1 / 1024, "float32")
    one.apply([rounded(gradient, "bfloat16")], [v])
    two.apply([gradient], [w])
    v.assign(np.where([False, True, False], 7.0, numbers(v)))
    w.assign(np.where([False, True, False], 7.0, w.numpy()))
    one.apply([rounded(gradient, "bfloat16")], [v])
    two.apply([gradient], [w])
    np.testing.assert_array_equal(numbers(v), numbers(rounded(w, "bfloat16")))


def test_small_steps_add_up() -> None:
    w = Variable(np.ones(2), dtype="bfloat16")
    optimizer = optimizers.SGD(1e-4)
    for _ in range(200):
        optimizer.apply([ops.ones((2,), dtype="bfloat16")], [w])
    np.testing.assert_allclose(numbers(w), 0.98, atol=2e-3)


def test_states_round_trip() -> None:
    one, two = optimizers.Adam(0.02), optimizers.Adam(0.02)
    v, w = pair("bfloat16")[0], pair("bfloat16")[0]
    one.apply([rounded(g, "bfloat16") for g in GRADIENTS[0]], v)
    store: dict[str, np.ndarray] = {}
    one.save_own_variables(store)
    two.build(w)
    two.load_own_variables(store)
    for a, b in zip(w, v, strict=True):
        a.assign(b)
    for optimizer, own in ((one, v), (two, w)):
        optimizer.apply([rounded(g, "bfloat16") for g in GRADIENTS[1]], own)
    for a, b in zip((*v, *one.variables), (*w, *two.variables), strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))


def test_a_bfloat16_model_trains_and_averages() -> None:
    model = pyneuro.Sequential([layers.Dense(8, activation="tanh", dtype="bfloat16"),
                                layers.Dense(1, dtype="bfloat16")])  # fmt: skip
    model.compile(optimizers.Adam(0.01, use_ema=True, gradient_accumulation_steps=2), "mse")
    x = DRAW.normal(size=(64, 3)).astype("float32")
    y = np.sin(x.sum(1, keepdims=True))
    first = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=60, batch_size=16, verbose=0)
    assert {w.dtype for w in model.weights} == {"bfloat16"}
    assert model.evaluate(x, y, verbose=0) < 0.5 * first


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_weights_keep_their_slots_in_any_order(order: tuple[int, ...]) -> None:
    one, two = optimizers.Adam(0.1), optimizers.Adam(0.1)
    v, w = ([Variable(s, name=f"w{i}") for i, s in enumerate(STARTS)] for _ in range(2))
    one.apply(GRADIENTS[0], v), two.apply(GRADIENTS[0], w)
    one.apply(GRADIENTS[1], v)
    two.apply([GRADIENTS[1][i] for i in order], [w[i] for i in order])
    for a, b in zip(v, w, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_an_own_update_without_the_way() -> None:
    class Plain(optimizers.SGD):
        def update(self, variables: Any, gradients: Any, learning_rate: Any, step: Any) -> None:
            super().update(variables, gradients, learning_rate, step)

    one, two = (
        kind(0.1, weight_decay=0.5, global_clipnorm=0.7) for kind in (Plain, optimizers.SGD)
    )
    v, w = ([Variable(s.astype("float64"), name=f"w{i}") for i, s in enumerate(STARTS)]
            for _ in range(2))  # fmt: skip
    for gradients in GRADIENTS[:3]:
        one.apply(gradients, v), two.apply(gradients, w)
    for a, b in zip(v, w, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13)


def test_clipping_by_the_global_norm_after_accumulation() -> None:
    every, clip = 2, 0.3
    optimizer = optimizers.SGD(1.0, global_clipnorm=clip, gradient_accumulation_steps=every)
    own = [Variable(s.astype("float64"), name=f"w{i}") for i, s in enumerate(STARTS)]
    for gradients in GRADIENTS[:every]:
        optimizer.apply([g.astype("float64") for g in gradients], own)
    means = [sum(g[i].astype("float64") for g in GRADIENTS[:every]) / every for i in range(3)]
    norm = np.sqrt(sum((g**2).sum() for g in means))
    for w, start, g in zip(own, STARTS, means, strict=True):
        np.testing.assert_allclose(w.numpy(), start - g * clip / norm, rtol=1e-12, atol=1e-13)


def test_the_sum_of_squares_does_not_overflow() -> None:
    total = sum_of_squares([ops.full((3,), 1e30), ops.full((2,), 2e30, dtype="bfloat16")])
    assert total.dtype == "float64"
    np.testing.assert_allclose(
        total.item(), 3e60 + 2 * float(numbers(rounded(2e30, "bfloat16"))) ** 2
    )


def test_as_many_copies_as_variables() -> None:
    w = Variable(np.ones(2, "float32"))
    with pytest.raises(ArgumentError, match="1 variables, but 0 copies"):
        adam_update([w], [w], 0.1, 1, [w], [w], copies=[])
