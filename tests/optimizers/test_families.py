"""More families of optimizers against NumPy and torch; recorded steps; loss scales."""

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyneuro
from pyneuro import Variable, layers, ops, optimizers
from pyneuro.errors import ArgumentError
from pyneuro.variable import StateScope

RNG = np.random.default_rng(4)
SHAPES = ((3, 4), (5,), (2, 3, 4))
STARTS = [RNG.normal(size=shape) for shape in SHAPES]
GRADIENTS = [[RNG.normal(size=shape) for shape in SHAPES] for _ in range(50)]
RATE = 0.05


def adagrad(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["a"] = s.get("a", 0.1) + g * g
    return w - RATE * g / np.sqrt(s["a"] + 1e-7)


def adadelta(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["a"] = 0.95 * s.get("a", 0) + 0.05 * g * g
    d = np.sqrt(s.get("b", 0) + 1e-7) / np.sqrt(s["a"] + 1e-7) * g
    s["b"] = 0.95 * s.get("b", 0) + 0.05 * d * d
    return w - RATE * d


def means(s: dict[str, Any], g: Any) -> tuple[Any, Any]:
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return s["m"], s["v"]


def adamax(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m, _ = means(s, g)
    s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return w - RATE / (1 - 0.9**t) * m / (s["u"] + 1e-7)


def nadam(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m, v = means(s, g)
    now, then = (0.9 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
    s["p"] = s.get("p", 1.0) * now
    ahead = then * m / (1 - s["p"] * then) + (1 - now) * g / (1 - s["p"])
    return w - RATE * ahead / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)


def lamb(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m, v = means(s, g)
    d = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
    return w - RATE * np.linalg.norm(w) / np.linalg.norm(d) * d


def lion(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m = s.get("m", 0)
    s["m"] = 0.99 * m + 0.01 * g
    return w - RATE * np.sign(0.9 * m + 0.1 * g)


def ftrl(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    old = s.get("a", 0.1)
    s["a"] = old + g * g
    pull = (np.sqrt(s["a"]) - np.sqrt(old)) / RATE * w
    s["z"] = s.get("z", 0) + g + 2 * 0.03 * w - pull
    z = s["z"]
    return (np.clip(z, -0.01, 0.01) - z) / ((np.sqrt(s["a"]) + 0.1) / RATE + 2 * 0.02)


def adafactor(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    new, squares = t**-0.8, g * g + 1e-30
    if g.ndim < 2:
        v = s["v"] = (1 - new) * s.get("v", 0) + new * squares
    else:
        s["r"] = (1 - new) * s.get("r", 0) + new * squares.mean(-1)
        s["c"] = (1 - new) * s.get("c", 0) + new * squares.mean(-2)
        share = s["r"] / s["r"].mean(-1, keepdims=True)
        v = share[..., None] * s["c"][..., None, :]
    u = g / np.sqrt(v)
    u = u / max(1.0, np.sqrt((u * u).mean()))
    return w - max(1e-3, np.sqrt((w * w).mean())) * min(RATE, t**-0.5) * u


def muon(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    if w.ndim != 2:
        m, v = means(s, g)
        w = w * (1 - RATE * 0.004)
        alpha = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return w - alpha * m / (np.sqrt(v) + 1e-7)
    s["m"] = 0.95 * s.get("m", 0) + g
    x = g + 0.95 * s["m"]
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return w * (1 - RATE * 0.004) - RATE * 0.2 * np.sqrt(max(w.shape)) * x


FAMILIES: dict[str, tuple[Callable[[], Any], Callable[..., Any]]] = {
    "Adagrad": (lambda: optimizers.Adagrad(RATE), adagrad),
    "Adadelta": (lambda: optimizers.Adadelta(RATE), adadelta),
    "Adamax": (lambda: optimizers.Adamax(RATE), adamax),
    "Nadam": (lambda: optimizers.Nadam(RATE), nadam),
    "Lamb": (lambda: optimizers.Lamb(RATE), lamb),
    "Lion": (lambda: optimizers.Lion(RATE), lion),
    "Ftrl": (lambda: optimizers.Ftrl(RATE, -0.5, 0.1, 0.01, 0.02, 0.03, 0.1), ftrl),
    "Adafactor": (lambda: optimizers.Adafactor(RATE), adafactor),
    "Muon": (lambda: optimizers.Muon(RATE), muon),
}


def variables(dtype: str = "float64") -> list[Variable]:
    return [Variable(w, dtype=dtype, name=f"w{i}") for i, w in enumerate(STARTS)]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 2e-4)])
def test_formulas(name: str, dtype: str, tolerance: float) -> None:
    make, formula = FAMILIES[name]
    optimizer, own = make(), variables(dtype)
    expected, states = [w.copy() for w in STARTS], [{} for _ in STARTS]
    for t, gradients in enumerate(GRADIENTS, 1):
        optimizer.apply([g.astype(dtype) for g in gradients], own)
        expected = [formula(w, g, s, t)
                    for w, g, s in zip(expected, gradients, states, strict=True)]  # fmt: skip
    for w, e in zip(own, expected, strict=True):
        np.testing.assert_allclose(w.numpy(), e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [*FAMILIES, "LossScaleOptimizer"])
def test_configs_and_states_round_trip(name: str) -> None:
    if name == "LossScaleOptimizer":
        inner = optimizers.Adam(RATE, weight_decay=0.1)
        optimizer: Any = optimizers.LossScaleOptimizer(inner, 64.0, 3)
    else:
        optimizer = FAMILIES[name][0]()
    own, twin = variables(), variables()
    optimizer.apply(GRADIENTS[0], own)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    for w, value in zip(twin, own, strict=True):
        w.assign(value)
    again.build(twin)
    again.load_own_variables(store)
    for gradients in GRADIENTS[1:3]:
        optimizer.apply(gradients, own)
        again.apply(gradients, twin)
    for a, b in zip(own, twin, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("name", FAMILIES)
def test_some_of_the_variables_may_be_updated(name: str) -> None:
    optimizer, own = FAMILIES[name][0](), variables()
    optimizer.build(own)
    optimizer.apply([GRADIENTS[0][1]], [own[1]])
    np.testing.assert_array_equal(own[0].numpy(), STARTS[0])
    np.testing.assert_allclose(
        own[1].numpy(), FAMILIES[name][1](STARTS[1], GRADIENTS[0][1], {}, 1), rtol=1e-11
    )


def test_torch_takes_the_same_steps() -> None:
    torch = pytest.importorskip("torch", reason="torch, the other side, is not installed")
    pairs = (
        (optimizers.SGD(RATE, momentum=0.9, nesterov=True),
         lambda p: torch.optim.SGD(p, RATE, momentum=0.9, nesterov=True)),
        (optimizers.AdamW(RATE, weight_decay=0.1, epsilon=0.0),
         lambda p: torch.optim.AdamW(p, RATE, weight_decay=0.1, eps=0.0)),
        (optimizers.RMSprop(RATE, rho=0.9, centered=True, momentum=0.5, epsilon=0.0),
         lambda p: torch.optim.RMSprop(
             p, RATE, alpha=0.9, centered=True, momentum=0.5, eps=0.0)),
        (optimizers.Adagrad(RATE, epsilon=0.0),
         lambda p: torch.optim.Adagrad(p, RATE, initial_accumulator_value=0.1, eps=0.0)),
        (optimizers.Adadelta(RATE, epsilon=1e-6),
         lambda p: torch.optim.Adadelta(p, RATE, rho=0.95, eps=1e-6)),
        (optimizers.Adamax(RATE, epsilon=0.0),
         lambda p: torch.optim.Adamax(p, RATE, eps=0.0)),
    )  # fmt: skip
    for ours, make in pairs:
        own = variables()
        theirs = [torch.tensor(w, requires_grad=True) for w in STARTS]
        optimizer = make(theirs)
        # The centered mean square of the first steps may be a difference of equal numbers.
        for t, gradients in enumerate(GRADIENTS[1:], 1):
            shifted = [g + (-1.0) ** t for g in gradients]
            ours.apply(shifted, own)
            for p, g in zip(theirs, shifted, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()
        for w, p in zip(own, theirs, strict=True):
            np.testing.assert_allclose(w.numpy(), p.detach().numpy(), rtol=1e-8, atol=1e-9)


# ---- steps that look at a counter ----------------------------------------------------------------

COUNTING: dict[str, Callable[[], Any]] = {
    "accumulation": lambda: optimizers.Adam(RATE, gradient_accumulation_steps=3),
    "overwriting": lambda: optimizers.SGD(RATE, use_ema=True, ema_overwrite_frequency=4),
    "both, with decay": lambda: optimizers.RMSprop(
        RATE, weight_decay=0.1, use_ema=True, ema_overwrite_frequency=2,
        gradient_accumulation_steps=2, global_clipnorm=1.0,
    ),
    "loss scale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(RATE), 8.0, 4),
    "Nadam": lambda: optimizers.Nadam(RATE, gradient_accumulation_steps=2),
    "Muon": lambda: optimizers.Muon(RATE),
    "Adafactor": lambda: optimizers.Adafactor(RATE),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTING)
def test_recorded_steps_have_the_bits_of_eager_ones(name: str) -> None:
    eager, recorded = COUNTING[name](), COUNTING[name]()
    one, two = variables("float32"), variables("float32")
    eager.build(one)
    recorded.build(two)
    step = pyneuro.capture(lambda *gradients: recorded.apply(list(gradients)))
    for t, gradients in enumerate(GRADIENTS[:14]):
        given = [g.astype("float32") for g in gradients]
        if name == "loss scale" and t in (2, 9):
            given[1] = given[1] * np.inf
        eager.apply(given)
        step(*map(pyneuro.Tensor, given))
        for a, b in zip((*one, *eager.variables), (*two, *recorded.variables), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert len(step.plans) == 1


def test_weights_are_overwritten_by_their_average() -> None:
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    w, one = Variable(np.zeros(1)), [np.ones(1)]
    optimizer.apply(one, [w])
    np.testing.assert_allclose(w.numpy(), [-0.1])
    optimizer.apply(one, [w])  # the average of -0.1 and -0.2
    np.testing.assert_allclose(w.numpy(), [-0.15])


# ---- loss scales ---------------------------------------------------------------------------------


def test_the_loss_scale_follows_what_float16_holds() -> None:
    inner = optimizers.SGD(0.5)
    optimizer = optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=2)
    w = Variable(np.ones(2, "float32"))
    seen = []
    for g in (8.0, np.inf, 4.0, 4.0, 8.0, np.nan):
        optimizer.apply([np.full(2, g, "float32")], [w])
        seen.append((float(optimizer.dynamic_scale), w.tolist()[0]))
    assert seen == [(8.0, 0.5), (4.0, 0.5), (4.0, 0.0), (8.0, -0.5), (8.0, -1.0), (4.0, -1.0)]
    assert optimizer.iterations.item() == 4
    assert float(optimizer.scale_loss(pyneuro.Tensor(2.0))) == 8.0
    optimizer.learning_rate = 0.25
    assert float(inner.learning_rate) == 0.25


@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_that_is_left_out_changes_no_state(name: str) -> None:
    optimizer, own = optimizers.LossScaleOptimizer(FAMILIES[name][0](), 8.0), variables()
    optimizer.apply(GRADIENTS[0], own)
    state = [*own, *optimizer.inner_optimizer.variables]
    before = [v.numpy().copy() for v in state]
    optimizer.apply([GRADIENTS[1][0] * np.nan, *GRADIENTS[1][1:]], own)
    for v, value in zip(state, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), value, err_msg=v.path)
    optimizer.apply(GRADIENTS[2], own)
    assert all((v.numpy() != value).any() for v, value in zip(own, before, strict=False))


class Assigning(optimizers.Optimizer):
    """One that writes to its weights by their own method."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        variable.assign(variable - ops.cast(learning_rate, variable.dtype) * gradient)


@pytest.mark.parametrize("waits", [False, True])
def test_a_step_that_is_left_out_assigns_nothing(waits: bool) -> None:
    optimizer, w = optimizers.LossScaleOptimizer(Assigning(0.5), 1.0), Variable([1.0, 2.0])
    with StateScope() if waits else contextlib.nullcontext() as scope:
        optimizer.apply([np.array([np.inf, 0.0], "float32")], [w])
        assert w.tolist() == [1.0, 2.0]
        optimizer.apply([np.array([1.0, 0.0], "float32")], [w])
        if scope is not None:
            scope.commit()
    assert w.tolist() == [0.0, 2.0]


def test_fit_goes_on_after_an_overflow() -> None:
    model = pyneuro.Sequential([pyneuro.Input((3,)), layers.Dense(1, dtype="mixed_float16")])
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.01), initial_scale=2.0**40)
    model.compile(optimizer, "mse")
    x = RNG.normal(size=(64, 3)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model.fit(x, x.sum(1, keepdims=True), epochs=10, batch_size=8, verbose=0)
    assert float(optimizer.dynamic_scale) < 2.0**40
    assert optimizer.iterations.item() > 0
    assert np.isfinite(model.get_weights()[0]).all()


def test_loss_scales_do_not_nest() -> None:
    with pytest.raises(ArgumentError, match="scales the loss already"):
        optimizers.LossScaleOptimizer(optimizers.SGD(loss_scale_factor=2.0))
    with pytest.raises(ArgumentError, match="must be an Optimizer"):
        optimizers.LossScaleOptimizer("sgd")
    with pytest.raises(ArgumentError, match="initial_scale"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), initial_scale=0.0)


# ---- weight decay --------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [optimizers.AdamW, optimizers.Muon, optimizers.Lion])
def test_weights_can_be_left_out_of_decay(family: type) -> None:
    optimizer, own = family(0.1, weight_decay=0.5), variables()
    if family is optimizers.Muon:
        optimizer.adam_weight_decay = 0.5
    optimizer.build(own)
    optimizer.exclude_from_weight_decay(var_list=[own[1]])
    optimizer.exclude_from_weight_decay(var_names=["w2"])
    optimizer.apply([np.zeros(shape) for shape in SHAPES])
    np.testing.assert_allclose(own[0].numpy(), STARTS[0] * 0.95)
    for i in (1, 2):
        np.testing.assert_array_equal(own[i].numpy(), STARTS[i])


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adagrad(initial_accumulator_value=-1.0),
        lambda: optimizers.Adadelta(rho=1.0),
        lambda: optimizers.RMSprop(rho=-0.1),
        lambda: optimizers.Adamax(beta_1=1.0),
        lambda: optimizers.Nadam(beta_2=-1.0),
        lambda: optimizers.Lion(beta_1=0.0),
        lambda: optimizers.Ftrl(learning_rate_power=1.0),
        lambda: optimizers.Ftrl(l1_regularization_strength=-1.0),
        lambda: optimizers.Muon(adam_beta_2=2.0),
        lambda: optimizers.Lamb(lr=1.0),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ArgumentError):
        make()
