"""What a training step of a small network costs: own loop, replayed, and by `fit`.

    python bench/python/training.py --json build/training.json

All sides begin with the same weights, see the same batches, and must follow the same losses before
anything is timed. Batches are random, and weights go back to the start before each sample, so no
network learns its data by heart (gradients would become too small for the processor to be quick
with).
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import harness
import numpy as np
from harness import Row, Side

import pyneuro

BATCH, FEATURES, CLASSES = 32, 784, 10
STEP_BATCHES, FIT_BATCHES = 64, 200
CHECKED_STEPS = 20
RATE, BETA_1, BETA_2 = 1e-3, 0.9, 0.999
EPSILON = 1e-8  # small: Keras adds it before the correction of the second moment, PyTorch after it


@dataclass
class Problem:
    """A network with its first weights, its optimizer, and data."""

    name: str
    hidden: int | None
    optimizer: str  # "adam" or "sgd"

    def __post_init__(self) -> None:
        draw = np.random.default_rng(7)
        sizes = [FEATURES, *([self.hidden] if self.hidden else []), CLASSES]
        self.weights: list[np.ndarray] = []
        for n_in, n_out in itertools.pairwise(sizes):
            self.weights += [
                (draw.standard_normal((n_in, n_out)) / np.sqrt(n_in)).astype(np.float32),
                np.zeros(n_out, np.float32),
            ]
        n = FIT_BATCHES * BATCH
        self.x = draw.standard_normal((n, FEATURES), np.float32)
        self.y = draw.integers(0, CLASSES, n)

    def batches(
        self, put_x: Callable[..., Any], put_y: Callable[..., Any]
    ) -> list[tuple[Any, Any]]:
        """The first batches, in a framework's own arrays."""
        cuts = [slice(i * BATCH, (i + 1) * BATCH) for i in range(STEP_BATCHES)]
        return [(put_x(self.x[cut].copy()), put_y(self.y[cut].copy())) for cut in cuts]


def step_side(
    label: str, step: Callable[..., Any], batches: list[tuple[Any, Any]], reset: Callable[[], None]
) -> Side:
    """A side whose work is `step(x, y)`, which gives the loss before it."""

    def result() -> list[Any]:
        reset()
        losses = [float(step(*batch)) for batch in batches[:CHECKED_STEPS]]
        reset()
        return [losses]

    names = {"step": step, "batches": itertools.cycle(batches)}
    return Side(label, "step(*next(batches))", names, result, reset)


# ---- pyneuro ------------------------------------------------------------------------------------


class Ours:
    """The network in pyneuro's layers."""

    def __init__(self, problem: Problem) -> None:
        layers, optimizers = pyneuro.layers, pyneuro.optimizers
        self.problem = problem
        hidden = [layers.Dense(problem.hidden, activation="relu")] if problem.hidden else []
        self.model = pyneuro.Sequential([layers.Input((FEATURES,)), *hidden, layers.Dense(CLASSES)])
        self.model.set_weights(problem.weights)
        self.loss = pyneuro.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.optimizer = (
            optimizers.Adam(RATE, BETA_1, BETA_2, EPSILON)
            if problem.optimizer == "adam"
            else optimizers.SGD(RATE)
        )
        self.optimizer.build(self.model.trainable_variables)
        self.state = [*self.model.variables, *self.optimizer.variables]
        self.first = [np.array(v.numpy()) for v in self.state]

    def reset(self) -> None:
        for variable, value in zip(self.state, self.first, strict=True):
            variable.assign(value)

    def step(self, x: Any, y: Any) -> Any:
        """What a user's own loop does."""
        variables = self.model.trainable_variables
        loss = self.loss(y, self.model(x))
        loss.backward()
        self.optimizer.apply([v.grad for v in variables], variables)
        self.optimizer.zero_grad()
        return loss

    def step_sides(self, label: str, step: Callable[..., Any]) -> Side:
        put = pyneuro.ops.convert_to_tensor
        return step_side(label, step, self.problem.batches(put, put), self.reset)

    def fit_side(self) -> Side:
        self.model.compile(optimizer=self.optimizer, loss=self.loss, metrics=["accuracy"])
        return keras_fit_side("pyneuro fit", self.model, self.problem, self.reset)


def keras_fit_side(label: str, model: Any, problem: Problem, reset: Callable[[], None]) -> Side:
    """The same words train a Keras model and one of ours."""

    def result() -> list[Any]:
        reset()
        history = model.fit(problem.x, problem.y, BATCH, epochs=1, verbose=0, shuffle=False)
        reset()
        return [history.history["loss"]]

    names = {"fit": model.fit, "x": problem.x, "y": problem.y, "size": BATCH}
    return Side(label, "fit(x, y, size, verbose=0)", names, result, reset, FIT_BATCHES)


# ---- PyTorch ------------------------------------------------------------------------------------


class Torch:
    """The network in PyTorch's modules, with one of its optimizers."""

    def __init__(
        self, torch: ModuleType, problem: Problem, fused: bool, compiled: bool = False
    ) -> None:
        self.torch, self.problem = torch, problem
        nn = torch.nn
        hidden = [nn.Linear(FEATURES, problem.hidden), nn.ReLU()] if problem.hidden else []
        self.model = nn.Sequential(*hidden, nn.Linear(problem.hidden or FEATURES, CLASSES))
        weights = self.model.parameters()
        self.optimizer = (
            torch.optim.Adam(weights, RATE, (BETA_1, BETA_2), EPSILON, fused=fused)
            if problem.optimizer == "adam"
            else torch.optim.SGD(weights, RATE, fused=fused)
        )
        self.reset()
        self.loss = self.forward
        if compiled:
            self.loss = torch.compile(self.forward)

    def forward(self, x: Any, y: Any) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(x), y)

    def reset(self) -> None:
        with self.torch.no_grad():
            for p, value in zip(self.model.parameters(), self.problem.weights, strict=True):
                p.copy_(self.torch.from_numpy(value.T if value.ndim == 2 else value))
            for slots in self.optimizer.state.values():
                for slot in slots.values():
                    slot.zero_()

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def step_side(self, label: str) -> Side:
        batches = self.problem.batches(self.torch.from_numpy, self.torch.from_numpy)
        return step_side(label, self.step, batches, self.reset)

    def fit(self, shuffle: bool = True) -> float:
        """An epoch; its mean loss and accuracy, which `fit` shows, are read once at its end."""
        torch, x, y = self.torch, self.x, self.y
        order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
        loss_sum, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for picked in order.split(BATCH):
            xs, ys = x[picked], y[picked]
            self.optimizer.zero_grad()
            logits = self.model(xs)
            loss = torch.nn.functional.cross_entropy(logits, ys)
            loss.backward()
            self.optimizer.step()
            with torch.no_grad():
                loss_sum += loss * len(xs)
                right += (logits.argmax(-1) == ys).sum()
        self.accuracy = float(right) / len(x)
        return float(loss_sum) / len(x)

    def fit_side(self, label: str) -> Side:
        self.x, self.y = map(self.torch.from_numpy, (self.problem.x, self.problem.y))

        def result() -> list[Any]:
            self.reset()
            loss = self.fit(shuffle=False)
            self.reset()
            return [[loss]]

        return Side(label, "fit()", {"fit": self.fit}, result, self.reset, FIT_BATCHES)


# ---- JAX, TensorFlow, Keras ---------------------------------------------------------------------


class Jax:
    """The network as one compiled function of weights, moments and a batch."""

    def __init__(self, jax: ModuleType, problem: Problem) -> None:
        self.jax, self.problem = jax, problem
        self.compiled = jax.jit(self.update, donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        put = self.jax.numpy.asarray
        zeros = [np.zeros_like(w) for w in self.problem.weights]
        groups = (self.problem.weights, zeros, zeros)
        self.state = (*([put(w.copy()) for w in group] for group in groups), put(0))
        self.last = put(0.0)

    def loss(self, weights: Any, x: Any, y: Any) -> Any:
        jax = self.jax
        for i in range(0, len(weights), 2):
            x = x @ weights[i] + weights[i + 1]
            x = jax.nn.relu(x) if i + 2 < len(weights) else x
        picked = jax.numpy.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1)
        return -picked.mean()

    def update(self, state: Any, x: Any, y: Any) -> Any:
        weights, means, squares, count = state
        loss, gradients = self.jax.value_and_grad(self.loss)(weights, x, y)
        count = count + 1
        if self.problem.optimizer == "sgd":
            weights = [w - RATE * g for w, g in zip(weights, gradients, strict=True)]
        else:
            alpha = RATE * (1 - BETA_2**count) ** 0.5 / (1 - BETA_1**count)
            means = [m + (g - m) * (1 - BETA_1) for m, g in zip(means, gradients, strict=True)]
            squares = [
                v + (g * g - v) * (1 - BETA_2) for v, g in zip(squares, gradients, strict=True)
            ]
            weights = [
                w - alpha * m / (v**0.5 + EPSILON)
                for w, m, v in zip(weights, means, squares, strict=True)
            ]
        return (weights, means, squares, count), loss

    def step(self, x: Any, y: Any) -> Any:
        """Waits for the step before: the next one is handed over while this one runs."""
        before, (self.state, self.last) = self.last, self.compiled(self.state, x, y)
        before.block_until_ready()
        return self.last

    def step_side(self, label: str) -> Side:
        put = self.jax.numpy.asarray
        return step_side(label, self.step, self.problem.batches(put, put), self.reset)


class Keras:
    """The network in Keras 3: its `fit`, and on TensorFlow a compiled step of one's own."""

    def __init__(self, keras: ModuleType, problem: Problem) -> None:
        self.keras, self.problem = keras, problem
        hidden = [keras.layers.Dense(problem.hidden, activation="relu")] if problem.hidden else []
        self.model = keras.Sequential(
            [keras.layers.Input((FEATURES,)), *hidden, keras.layers.Dense(CLASSES)]
        )
        self.optimizer = (
            keras.optimizers.Adam(RATE, BETA_1, BETA_2, EPSILON)
            if problem.optimizer == "adam"
            else keras.optimizers.SGD(RATE)
        )
        self.optimizer.build(self.model.trainable_variables)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.set_weights(problem.weights)
        self.state = [*self.model.variables, *self.optimizer.variables]
        self.first = [np.array(v.numpy()) for v in self.state]

    def reset(self) -> None:
        for variable, value in zip(self.state, self.first, strict=True):
            variable.assign(value)

    def fit_side(self, label: str) -> Side:
        self.model.compile(optimizer=self.optimizer, loss=self.loss, metrics=["accuracy"])
        return keras_fit_side(label, self.model, self.problem, self.reset)

    def step_side(self, label: str, tf: ModuleType) -> Side:
        variables = self.model.trainable_variables

        @tf.function(jit_compile=True)
        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = self.loss(y, self.model(x))
            self.optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
            return loss

        return step_side(label, step, self.problem.batches(tf.constant, tf.constant), self.reset)


# ---- rows ---------------------------------------------------------------------------------------


def peer_steps(problem: Problem, peers: dict[str, ModuleType], compiled: bool) -> Iterator[Side]:
    """The quickest step of each peer last: outputs are compared with that one's."""
    if torch := peers.get("torch"):
        yield Torch(torch, problem, fused=False).step_side("torch")
        yield Torch(torch, problem, fused=True).step_side("torch fused")
        if compiled:
            yield Torch(torch, problem, fused=True, compiled=True).step_side("torch compiled")
    if tf := peers.get("tensorflow"):
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        import keras

        if keras.backend.backend() == "tensorflow":
            yield Keras(keras, problem).step_side("tensorflow compiled", tf)
    if jax := peers.get("jax"):
        yield Jax(jax, problem).step_side("jax compiled")


def peer_fits(problem: Problem, peers: dict[str, ModuleType]) -> Iterator[Side]:
    if torch := peers.get("torch"):
        yield Torch(torch, problem, fused=False).fit_side("torch loop")
        yield Torch(torch, problem, fused=True).fit_side("torch loop, fused")
    if "tensorflow" in peers:
        import keras

        yield Keras(keras, problem).fit_side(f"keras fit, {keras.backend.backend()}")


def rows_of(peers: dict[str, ModuleType], compiled: bool) -> Iterator[Row]:
    problems = (
        Problem("MLP 784-128-10, Adam", 128, "adam"),
        Problem("logistic regression 784-10, SGD", None, "sgd"),
    )
    for problem in problems:
        eager, replayed = Ours(problem), Ours(problem)
        kinds = (
            ("own loop", eager.step_sides("pyneuro", eager.step)),
            ("replayed", replayed.step_sides("pyneuro", pyneuro.capture(replayed.step))),
        )
        for kind, ours in kinds:
            others = peer_steps(problem, peers, compiled)
            yield Row(f"{problem.name}, batch {BATCH}, {kind}", [ours, *others], 1e-4)
        fits = [Ours(problem).fit_side(), *peer_fits(problem, peers)]
        yield Row(f"{problem.name}, batch {BATCH}, fit, a step", fits, 1e-4)


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--compile",
            action="store_true",
            help="with torch.compile as well; takes a minute to begin",
        )

    options = harness.start(__doc__.splitlines()[0], add)
    peers = harness.load_peers(options)
    rows = (row for row in rows_of(peers, options.compile) if options.rows in row.name)
    harness.run(rows, options, peers)


if __name__ == "__main__":
    main()
