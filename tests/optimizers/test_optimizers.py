"""Optimizers against their formulas in NumPy, and what surrounds an update."""

from collections.abc import Callable

import numpy as np
import pytest

import pyneuro
from pyneuro import Variable, layers, ops, optimizers
from pyneuro.errors import ArgumentError, ShapeError, UnknownNameError
from pyneuro.optimizers import schedules

RNG = np.random.default_rng(2)
STARTS = [RNG.normal(size=(3, 4)), RNG.normal(size=(5,))]
GRADIENTS = [[RNG.normal(size=w.shape) for w in STARTS] for _ in range(6)]
Update = Callable[[np.ndarray, np.ndarray, dict, int], np.ndarray]


def sgd(w: np.ndarray, g: np.ndarray, s: dict, t: int) -> np.ndarray:
    return w - 0.1 * g


def momentum(w: np.ndarray, g: np.ndarray, s: dict, t: int) -> np.ndarray:
    s["v"] = 0.9 * s.get("v", 0) - 0.1 * g
    return w + s["v"]


def nesterov(w: np.ndarray, g: np.ndarray, s: dict, t: int) -> np.ndarray:
    s["v"] = 0.9 * s.get("v", 0) - 0.1 * g
    return w + 0.9 * s["v"] - 0.1 * g


def adam(w: np.ndarray, g: np.ndarray, s: dict, t: int, amsgrad: bool = False) -> np.ndarray:
    s["m"] = s.get("m", 0) + (g - s.get("m", 0)) * 0.1
    s["v"] = s.get("v", 0) + (g * g - s.get("v", 0)) * 0.001
    v = s["v"]
    if amsgrad:
        v = s["h"] = np.maximum(s.get("h", 0), v)
    a = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - a * s["m"] / (np.sqrt(v) + 1e-7)


def rmsprop(w: np.ndarray, g: np.ndarray, s: dict, t: int) -> np.ndarray:
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    return w - 0.1 * g / np.sqrt(s["v"] + 1e-7)


def rmsprop_all(w: np.ndarray, g: np.ndarray, s: dict, t: int) -> np.ndarray:
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    s["a"] = 0.9 * s.get("a", 0) + 0.1 * g
    s["u"] = 0.5 * s.get("u", 0) + 0.1 * g / np.sqrt(s["v"] + 1e-7 - s["a"] ** 2)
    return w - s["u"]


CASES: dict[str, tuple[Callable[[], optimizers.Optimizer], Update]] = {
    "sgd": (lambda: optimizers.SGD(0.1), sgd),
    "momentum": (lambda: optimizers.SGD(0.1, momentum=0.9), momentum),
    "nesterov": (lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True), nesterov),
    "adam": (lambda: optimizers.Adam(0.1), adam),
    "amsgrad": (lambda: optimizers.Adam(0.1, amsgrad=True), lambda *a: adam(*a, amsgrad=True)),
    "adamw": (
        lambda: optimizers.AdamW(0.1, weight_decay=0.02),
        lambda w, g, s, t: adam(w * (1 - 0.1 * 0.02), g, s, t),
    ),
    "rmsprop": (lambda: optimizers.RMSprop(0.1), rmsprop),
    "rmsprop, all of it": (
        lambda: optimizers.RMSprop(0.1, momentum=0.5, centered=True),
        rmsprop_all,
    ),
    "decay": (
        lambda: optimizers.SGD(0.1, weight_decay=0.5),
        lambda w, g, s, t: w - 0.1 * 0.5 * w - 0.1 * g,
    ),
    "clipvalue": (
        lambda: optimizers.SGD(0.1, clipvalue=0.3),
        lambda w, g, s, t: w - 0.1 * np.clip(g, -0.3, 0.3),
    ),
    "clipnorm": (
        lambda: optimizers.SGD(0.1, clipnorm=0.7),
        lambda w, g, s, t: w - 0.1 * g * min(1, 0.7 / np.linalg.norm(g)),
    ),
    "loss scale": (
        lambda: optimizers.SGD(0.1, loss_scale_factor=4.0),
        lambda w, g, s, t: w - 0.025 * g,
    ),
    "schedule": (
        lambda: optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)),
        lambda w, g, s, t: w - 0.1 * 0.5 ** ((t - 1) / 2) * g,
    ),
    "callable": (lambda: optimizers.SGD(lambda: 0.2), lambda w, g, s, t: w - 0.2 * g),
}


def variables(dtype: str) -> list[Variable]:
    return [Variable(w, dtype=dtype, name=f"w{i}") for i, w in enumerate(STARTS)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-5)])
def test_formulas(name: str, dtype: str, rtol: float) -> None:
    make, formula = CASES[name]
    optimizer, own = make(), variables(dtype)
    expected, states = [w.copy() for w in STARTS], [{}, {}]
    for t, gradients in enumerate(GRADIENTS, 1):
        optimizer.apply([g.astype(dtype) for g in gradients], own)
        expected = [formula(w, g, s, t)
                    for w, g, s in zip(expected, gradients, states, strict=True)]  # fmt: skip
    for w, e in zip(own, expected, strict=True):
        np.testing.assert_allclose(w.numpy(), e, rtol=rtol, atol=rtol)
    assert optimizer.iterations.item() == len(GRADIENTS)


def test_the_global_norm_is_that_of_all_gradients() -> None:
    optimizer, own = optimizers.SGD(1.0, global_clipnorm=0.5), variables("float64")
    optimizer.apply(GRADIENTS[0], own)
    norm = np.sqrt(sum((g**2).sum() for g in GRADIENTS[0]))
    for w, start, g in zip(own, STARTS, GRADIENTS[0], strict=True):
        np.testing.assert_allclose(w.numpy(), start - g * 0.5 / norm, rtol=1e-6)


def test_zero_gradients_can_be_clipped() -> None:
    for clip in ("clipnorm", "global_clipnorm"):
        optimizer, w = optimizers.SGD(1.0, **{clip: 0.5}), Variable(np.ones(2, "float32"))
        optimizer.apply([np.zeros(2, "float32")], [w])
        assert w.tolist() == [1.0, 1.0]


def test_gradients_are_accumulated() -> None:
    optimizer, own = optimizers.SGD(0.1, gradient_accumulation_steps=3), variables("float64")
    for gradients in GRADIENTS[:2]:
        optimizer.apply(gradients, own)
    np.testing.assert_array_equal(own[0].numpy(), STARTS[0])
    optimizer.apply(GRADIENTS[2], own)
    mean = sum(g[0] for g in GRADIENTS[:3]) / 3
    np.testing.assert_allclose(own[0].numpy(), STARTS[0] - 0.1 * mean, rtol=1e-12)
    assert optimizer.iterations.item() == 1


def test_moving_averages() -> None:
    optimizer, own = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), variables("float64")
    average, w = None, STARTS[0]
    for gradients in GRADIENTS:
        optimizer.apply(gradients, own)
        w = w - 0.1 * gradients[0]
        average = w if average is None else 0.9 * average + 0.1 * w
    np.testing.assert_allclose(own[0].numpy(), w, rtol=1e-12)
    optimizer.finalize_variable_values(own)
    np.testing.assert_allclose(own[0].numpy(), average, rtol=1e-12)


def test_constraints_hold_after_an_update() -> None:
    w = Variable(np.ones(2, "float32"))
    w.constraint = pyneuro.constraints.NonNeg()
    optimizers.SGD(1.0).apply([np.array([3.0, -1.0], "float32")], [w])
    assert w.tolist() == [0.0, 2.0]


def test_the_rate_can_be_set_and_read() -> None:
    optimizer = optimizers.Adam(0.5)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.get_config()["learning_rate"] == 0.25
    optimizer.learning_rate = schedules.CosineDecay(1.0, 10)
    assert float(optimizer.learning_rate) == 1.0
    with pytest.raises(ArgumentError, match="schedule"):
        optimizer.learning_rate = 0.1


def test_missing_gradients_are_left_out_with_a_warning() -> None:
    optimizer, own = optimizers.Adam(0.1), variables("float32")
    with pytest.warns(UserWarning, match="w1"):
        optimizer.apply([GRADIENTS[0][0], None], own)
    np.testing.assert_array_equal(own[1].numpy(), STARTS[1].astype("float32"))
    assert not np.array_equal(own[0].numpy(), STARTS[0].astype("float32"))
    with pytest.raises(ArgumentError, match="no variable has a gradient"):
        optimizer.apply([None, None], own)


def test_bad_calls_change_nothing() -> None:
    optimizer, own = optimizers.Adam(0.1), variables("float32")
    optimizer.build(own)
    with pytest.raises(ShapeError, match=r"'w0'.*\(2,\).*\(3, 4\)"):
        optimizer.apply([np.ones(2), GRADIENTS[0][1]])
    with pytest.raises(ArgumentError, match="1 gradients came for 2"):
        optimizer.apply([GRADIENTS[0][0]])
    with pytest.raises(ArgumentError, match="not among"):
        optimizer.apply([np.ones(1)], [Variable(np.ones(1, "float32"), name="other")])
    with pytest.raises(ArgumentError, match="build"):
        optimizers.SGD().apply([np.ones(1)])
    assert optimizer.iterations.item() == 0
    np.testing.assert_array_equal(own[0].numpy(), STARTS[0].astype("float32"))


@pytest.mark.parametrize(
    "arguments",
    [{"learning_rate": -1.0}, {"learning_rate": "fast"}, {"momentum": 2.0}, {"clipnorm": -1.0},
     {"clipnorm": 1.0, "clipvalue": 1.0}, {"lr": 0.1}, {"gradient_accumulation_steps": 1},
     {"use_ema": True, "ema_momentum": 2.0}],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        optimizers.SGD(**arguments)  # type: ignore[arg-type]


def test_names_are_found_or_guessed() -> None:
    assert isinstance(optimizers.get("rmsprop"), optimizers.RMSprop)
    with pytest.raises(UnknownNameError, match="'adam'"):
        optimizers.get("adma")
    with pytest.raises(ArgumentError, match="optimizer must be"):
        optimizers.get(lambda: 1)


@pytest.mark.parametrize("name", CASES)
def test_configs_and_states_round_trip(name: str) -> None:
    make, _ = CASES[name]
    if name == "callable":
        return
    optimizer, own = make(), variables("float64")
    optimizer.apply(GRADIENTS[0], own)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    twin = variables("float64")
    for w, value in zip(twin, own, strict=True):
        w.assign(value)
    again.build(twin)
    again.load_own_variables(store)
    optimizer.apply(GRADIENTS[1], own)
    again.apply(GRADIENTS[1], twin)
    np.testing.assert_array_equal(own[0].numpy(), twin[0].numpy())


def test_zero_grad_clears_what_backward_left() -> None:
    w = Variable(np.ones(2, "float32"))
    optimizer = optimizers.SGD()
    optimizer.build([w])
    ops.sum(w * 2).backward()
    assert w.grad is not None
    optimizer.zero_grad()
    assert w.grad is None


def test_own_optimizers_update_one_variable_at_a_time() -> None:
    class Sign(optimizers.Optimizer):
        def update_step(self, gradient: object, variable: Variable, learning_rate: object) -> None:
            self.assign_sub(variable, ops.sign(gradient) * ops.cast(learning_rate, variable.dtype))

    w = Variable(np.zeros(2, "float32"))
    Sign(0.5).apply([np.array([3.0, -7.0], "float32")], [w])
    assert w.tolist() == [-0.5, 0.5]


def test_some_of_the_variables_may_be_updated() -> None:
    optimizer, own = optimizers.Adam(0.1), variables("float64")
    optimizer.build(own)
    optimizer.apply([GRADIENTS[0][1]], [own[1]])
    np.testing.assert_array_equal(own[0].numpy(), STARTS[0])
    np.testing.assert_allclose(own[1].numpy(), adam(STARTS[1], GRADIENTS[0][1], {}, 1), rtol=1e-12)


def test_the_rate_is_no_constant_of_a_recorded_step() -> None:
    w = Variable(np.zeros(1, "float32"))
    optimizer = optimizers.SGD(1.0)
    optimizer.build([w])

    @pyneuro.capture
    def step(gradient: object) -> object:
        optimizer.apply([gradient])
        return gradient

    one = ops.ones((1,))
    for _ in range(3):
        step(one)
    assert len(step.plans) == 1
    optimizer.learning_rate = 10.0
    step(one)
    assert w.tolist() == [-13.0]


def test_layers_train() -> None:
    dense = layers.Dense(1)
    x = RNG.normal(size=(64, 3)).astype("float32")
    y = x @ np.array([[1.0], [-2.0], [0.5]], "float32") + 3
    optimizer = optimizers.Adam(0.1)
    for _ in range(300):
        loss = ops.mean(ops.square(dense(x) - y))
        loss.backward()
        optimizer.apply([v.grad for v in dense.trainable_variables], dense.trainable_variables)
        optimizer.zero_grad()
    np.testing.assert_allclose(dense.kernel.numpy().ravel(), [1, -2, 0.5], atol=1e-2)


def test_a_mixed_float16_model_scales_its_loss() -> None:
    pyneuro.config.set_dtype_policy("mixed_float16")
    try:
        model = pyneuro.Sequential([pyneuro.layers.Dense(4), pyneuro.layers.Dense(1)])
        model.compile("sgd", "mse")
        assert type(model.optimizer).__name__ == "LossScaleOptimizer"
        x = np.full((8, 3), 1e-3, "float32")
        first = model.train_on_batch(x, np.ones((8, 1)))
        for _ in range(30):
            last = model.train_on_batch(x, np.ones((8, 1)))
        assert last < first
        assert model.replay_reasons == []
        model.compile("sgd", "mse", auto_scale_loss=False)
        assert type(model.optimizer).__name__ == "SGD"
    finally:
        pyneuro.config.set_dtype_policy(None)
