"""The loss of an own training loop against PyTorch's, step by step, from the same weights.

Runs where PyTorch is installed; it is no requirement of the tests.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pyneuro import ops
from pyneuro.autograd import grad
from pyneuro.optimizers import SGD, Adam, Optimizer
from pyneuro.tensor import Tensor, convert
from pyneuro.variable import Variable

torch = pytest.importorskip("torch")

SIZES = (20, 64, 32, 10)
BATCH = 48

# What pyneuro runs, and what PyTorch calls the same.
OPTIMIZERS: dict[str, tuple[Callable[[], Optimizer], Callable[[Any], Any]]] = {
    "sgd": (lambda: SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (lambda: SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "nesterov": (
        lambda: SGD(0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    # The two add epsilon at other places; this one only keeps 0 / 0 away.
    "adam": (
        lambda: Adam(0.003, epsilon=1e-30),
        lambda p: torch.optim.Adam(p, 0.003, eps=1e-30),
    ),
    "amsgrad": (
        lambda: Adam(0.003, epsilon=1e-30, amsgrad=True),
        lambda p: torch.optim.Adam(p, 0.003, eps=1e-30, amsgrad=True),
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait for each other by spinning, which takes minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = [s for i, o in itertools.pairwise(SIZES) for s in ((i, o), (o,))]
    return [rng.normal(0, 0.3, shape).astype(dtype) for shape in shapes]


def batches(steps: int, dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Samples of a few noisy classes, so that there is something to learn."""
    rng = np.random.default_rng(2)
    centres = rng.normal(0, 1, (SIZES[-1], SIZES[0]))
    labels = rng.integers(0, SIZES[-1], (steps, BATCH))
    noise = rng.normal(0, 0.5, (steps, BATCH, SIZES[0]))
    return [((centres[y] + e).astype(dtype), y) for y, e in zip(labels, noise, strict=True)]


def ours(make: Callable[[], Optimizer], steps: int, dtype: str) -> tuple[list[float], list[Any]]:
    variables = [Variable(w, dtype=dtype) for w in weights(dtype)]
    optimizer, losses = make(), []
    for x, labels in batches(steps, dtype):
        h: Tensor = convert(x)
        for i in range(0, len(variables), 2):
            h = ops.matmul(h, variables[i]) + variables[i + 1]
            if i + 2 < len(variables):
                h = ops.relu(h) if i else ops.gelu(h, approximate=False)
        loss = ops.mean(ops.sparse_categorical_crossentropy(labels, h, from_logits=True))
        optimizer.apply(grad(loss, variables), variables)
        losses.append(loss.item())
    return losses, [v.numpy() for v in variables]


def theirs(make: Callable[[Any], Any], steps: int, dtype: str) -> tuple[list[float], list[Any]]:
    parameters = [torch.tensor(w, requires_grad=True) for w in weights(dtype)]
    optimizer, losses = make(parameters), []
    functional = torch.nn.functional
    for x, labels in batches(steps, dtype):
        h = torch.tensor(x)
        for i in range(0, len(parameters), 2):
            h = h @ parameters[i] + parameters[i + 1]
            if i + 2 < len(parameters):
                h = functional.relu(h) if i else functional.gelu(h)
        loss = functional.cross_entropy(h, torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().numpy() for p in parameters]


@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [("float64", 100, 1e-9), ("float32", 50, 1e-4)]
)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_follow(name: str, dtype: str, steps: int, tolerance: float) -> None:
    make, make_torch = OPTIMIZERS[name]
    got, ended = ours(make, steps, dtype)
    want, expected = theirs(make_torch, steps, dtype)
    assert want[-1] < 0.7 * want[0]  # it learned, so the comparison means something
    np.testing.assert_allclose(got, want, rtol=tolerance)
    for a, b in zip(ended, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=100 * tolerance, atol=10 * tolerance)
