"""What plans keep of weights between replays is made anew whenever the weights have changed."""

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import layers, ops
from pyneuro.capture import capture

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


def conv(x: keras.Tensor, w: keras.Variable) -> keras.Tensor:
    return ops.conv(x, w, padding="same")


def matmul(x: keras.Tensor, w: keras.Variable) -> keras.Tensor:
    return ops.matmul(x, w)


def dense(x: keras.Tensor, w: keras.Variable) -> keras.Tensor:
    return ops.relu(ops.matmul(x, w) + 1.0) * 0.5


# Few tiles by tiles, and by slices of filters; the smallest products.
CASES = [
    pytest.param(conv, (1, 8, 8, 16), (3, 3, 16, 24), id="convolution"),
    pytest.param(conv, (1, 8, 8, 40), (3, 3, 40, 160), id="convolution by filters"),
    pytest.param(conv, (3, 6, 5, 17), (3, 3, 17, 21), id="convolution of small pictures"),
    pytest.param(conv, (1, 5, 5, 16), (3, 3, 16, 70), id="convolution of one by filters"),
    pytest.param(conv, (2, 7, 6, 9), (3, 3, 9, 67), id="convolution of odd sizes"),
    pytest.param(conv, (1, 5, 7, 33), (1, 1, 33, 50), id="convolution of single pixels"),
    pytest.param(matmul, (5, 30), (30, 41), id="product"),
    pytest.param(matmul, (2, 3, 4, 1030), (1030, 19), id="product of a long sum"),
    pytest.param(matmul, (1, 1024), (1024, 1030), id="one row"),
    pytest.param(matmul, (128, 33), (33, 50), id="product of many rows"),
    pytest.param(dense, (9, 600), (600, 70), id="followed by a chain"),
]


@pytest.mark.parametrize(("f", "x_shape", "w_shape"), CASES)
def test_changed_weights_are_heeded(f, x_shape, w_shape) -> None:
    w = keras.Variable(normal(*w_shape))
    captured = capture(lambda x: f(x, w))
    for change in range(3):
        for _ in range(4):  # recorded twice, made once, kept once
            x = normal(*x_shape)
            np.testing.assert_array_equal(np.asarray(captured(x)), np.asarray(f(x, w)))
        assert len(captured.plans) == 1, change
        assert captured.plans[0].kept_bytes >= 4 * w.size
        w.assign(normal(*w_shape))


@pytest.mark.parametrize(("f", "x_shape", "w_shape"), CASES)
def test_constants(f, x_shape, w_shape) -> None:
    w = ops.array(normal(*w_shape))
    captured = capture(lambda x: f(x, w))
    for _ in range(5):
        x = normal(*x_shape)
        np.testing.assert_array_equal(np.asarray(captured(x)), np.asarray(f(x, w)))


@pytest.mark.parametrize(("f", "x_shape", "w_shape"), CASES)
def test_a_plan_that_writes_the_weights(f, x_shape, w_shape) -> None:
    def step(x: keras.Tensor, w: keras.Variable) -> keras.Tensor:
        y = f(x, w)
        w.assign(w * 0.5)
        return y

    w, same = (keras.Variable(np.ones(w_shape, np.float32)) for _ in range(2))
    captured = capture(lambda x: step(x, w))
    for _ in range(5):
        x = normal(*x_shape)
        np.testing.assert_array_equal(np.asarray(captured(x)), np.asarray(step(x, same)))
    assert captured.plans[0].kept_bytes == 0


def test_predictions_between_training_steps() -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 8)),
            layers.Conv2D(16, 3, padding="same"),
            layers.Flatten(),
            layers.Dense(32),
            layers.Dense(3),
        ]
    )
    model.compile("sgd", "mse")
    x, y = normal(2, 8, 8, 8), normal(2, 3)
    for _ in range(4):
        for _ in range(4):
            np.testing.assert_array_equal(model.predict_on_batch(x), np.asarray(model(x)))
        model.train_on_batch(x, y)
    assert not model.replay_reasons
