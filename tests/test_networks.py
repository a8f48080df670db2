"""Whole networks learn as they do in PyTorch and in Keras: the same weights give the same losses.

Each half runs where its peer is installed; neither is a requirement of the tests.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from networks import NETWORKS, batches

import pyneuro
from pyneuro import losses, optimizers

RATE, MOMENTUM = 0.0625, 0.875  # the same in float32, through which Keras takes its numbers
PRECISIONS = [("float64", 1e-9), ("float32", 1e-4)]
STEPS = 50


@pytest.fixture(params=PRECISIONS, ids=lambda p: p[0])
def precision(request: pytest.FixtureRequest) -> Iterator[tuple[str, float]]:
    dtype, tolerance = request.param
    before = pyneuro.config.floatx()
    pyneuro.config.set_floatx(dtype)
    yield dtype, tolerance
    pyneuro.config.set_floatx(before)


def ours(name: str, dtype: str) -> tuple[Any, list[float]]:
    """The network before it learned, and its losses over 50 steps of a loop of one's own."""
    pyneuro.utils.set_random_seed(4)
    model = NETWORKS[name](pyneuro)
    start = model.get_weights()
    loss_of = losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizers.SGD(RATE, momentum=MOMENTUM)
    seen = []
    for x, y in batches(model, STEPS, dtype):
        loss = loss_of(y, model(x, training=True))
        model.zero_grad()
        loss.backward()
        optimizer.apply([v.grad for v in model.trainable_variables], model.trainable_variables)
        seen.append(loss.item())
    assert np.mean(seen[-5:]) < 0.9 * np.mean(seen[:5])  # it learned: the comparison says something
    model.set_weights(start)
    return model, seen


# ---- PyTorch ------------------------------------------------------------------------------------
# The networks again, as functions of our weights `w` in our order and layout.


def torch_lenet(torch: Any, w: list[Any], x: Any) -> Any:
    f = torch.nn.functional
    h = f.conv2d(x.permute(0, 3, 1, 2), w[0].permute(3, 2, 0, 1), w[1], padding=2)
    h = f.avg_pool2d(torch.tanh(h), 2)
    h = f.max_pool2d(torch.relu(f.conv2d(h, w[2].permute(3, 2, 0, 1), w[3])), 2)
    h = h.permute(0, 2, 3, 1).flatten(1)
    return torch.relu(h @ w[4] + w[5]) @ w[6] + w[7]


def torch_residual(torch: Any, w: list[Any], x: Any) -> Any:
    f = torch.nn.functional

    def normalized(h: Any, kernel: Any, gamma: Any, beta: Any, strides: int = 1) -> Any:
        size = h.shape[-1]
        total = max((-(-size // strides) - 1) * strides + kernel.shape[0] - size, 0)
        low, high = total // 2, total - total // 2
        h = f.pad(h, (low, high, low, high))
        h = f.conv2d(h.contiguous(), kernel.permute(3, 2, 0, 1).contiguous(), stride=strides)
        return f.batch_norm(h, None, None, gamma, beta, training=True, eps=1e-3)

    x = x.permute(0, 3, 1, 2)
    # The second convolution and that of the projection stand at one depth, one after the other.
    h = torch.relu(normalized(x, *w[0:3], strides=2))
    h = normalized(h, w[3], *w[5:7])
    h = torch.relu(h + normalized(x, w[4], *w[7:9], strides=2))
    return h.mean((2, 3)) @ w[9] + w[10]


def torch_lstm(torch: Any, w: list[Any], x: Any) -> Any:
    for kernel, recurrent, bias in (w[0:3], w[3:6]):
        zeros = torch.zeros(1, len(x), len(recurrent), dtype=x.dtype)
        parts = [kernel.T, recurrent.T, bias, torch.zeros_like(bias)]
        x, _, _ = torch.lstm(x, (zeros, zeros), parts, True, 1, 0.0, False, False, True)
    return x[:, -1] @ w[6] + w[7]


def torch_attention(torch: Any, w: list[Any], x: Any) -> Any:
    f = torch.nn.functional

    def normalized(h: Any, gamma: Any, beta: Any) -> Any:
        return f.layer_norm(h, h.shape[-1:], gamma, beta, eps=1e-3)

    y = normalized(x, w[0], w[1])
    query, key, value = (
        torch.einsum("btd,dhk->bhtk", y, w[i]) + w[i + 1][:, None] for i in (2, 4, 6)
    )
    y = f.scaled_dot_product_attention(query, key, value)
    x = x + torch.einsum("bhtk,hkd->btd", y, w[8]) + w[9]
    y = normalized(x, w[10], w[11])
    x = x + f.silu(y @ w[12] + w[13]) @ w[14] + w[15]
    return x.mean(1) @ w[16] + w[17]


TORCH: dict[str, Callable[[Any, list[Any], Any], Any]] = {
    "lenet": torch_lenet,
    "residual": torch_residual,
    "lstm": torch_lstm,
    "attention": torch_attention,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_follow_pytorch(name: str, precision: tuple[str, float]) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # its threads wait for each other by spinning
    dtype, tolerance = precision
    model, seen = ours(name, dtype)
    weights = [torch.tensor(v.numpy(), requires_grad=True) for v in model.trainable_variables]
    optimizer = torch.optim.SGD(weights, RATE, momentum=MOMENTUM)
    wanted = []
    for x, y in batches(model, STEPS, dtype):
        logits = TORCH[name](torch, weights, torch.tensor(x))
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wanted.append(loss.item())
    np.testing.assert_allclose(seen, wanted, rtol=tolerance)


# ---- Keras --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_follow_keras(name: str, precision: tuple[str, float]) -> None:
    """With TensorFlow beneath: on PyTorch, Keras's Dense computes float64 with float32's errors."""
    tf = pytest.importorskip("tensorflow")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras was loaded with another backend than TensorFlow")
    dtype, tolerance = precision
    model, seen = ours(name, dtype)
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    theirs = NETWORKS[name](keras)
    theirs.set_weights(model.get_weights())
    optimizer = keras.optimizers.SGD(RATE, momentum=MOMENTUM)
    wanted = []
    for x, y in batches(model, STEPS, dtype):
        with tf.GradientTape() as tape:
            logits = theirs(tf.constant(x), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        variables = theirs.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        wanted.append(float(loss))
    np.testing.assert_allclose(seen, wanted, rtol=tolerance)
