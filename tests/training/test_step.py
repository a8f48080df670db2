"""A step writes all of its state or none; nothing is left behind."""

import gc
import os
import signal

import numpy as np
import pytest

import pyneuro
from pyneuro import Input, Sequential, callbacks, layers, losses, metrics, ops, optimizers
from pyneuro.training.step import Results, uninterrupted

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = RNG.normal(size=(8, 2)).astype("float32")


class Breaks(layers.Layer):
    """Raises in its backward pass's turn: after the forward pass has assigned and drawn."""

    broken: object = None

    def call(self, inputs: object) -> object:
        if self.broken is not None:
            raise self.broken  # type: ignore[misc]
        return inputs


def model_with(layer: layers.Layer, **compiled: object) -> Sequential:
    model = Sequential([Input((3,)), layers.Dropout(0.5, seed=1), layers.Dense(2), layer])
    model.compile(optimizers.Adam(0.1), "mse", metrics=["mae"], **compiled)
    return model


def state_of(model: Sequential) -> list[np.ndarray]:
    metric_state = [v for m in model.metrics for v in m.variables]
    return [np.array(v.numpy()) for v in
            (*model.variables, *model.optimizer.variables, *metric_state)]  # fmt: skip


def assert_same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    assert len(a) == len(b)
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_exception_leaves_everything_as_it_was(error: BaseException) -> None:
    layer = Breaks()
    model = model_with(layer)
    model.train_on_batch(X, Y)
    before = state_of(model)
    layer.broken = error
    with pytest.raises(type(error)):
        model.train_step((X, Y))
    assert_same(before, state_of(model))


def test_numbers_that_are_not_finite_are_not_written() -> None:
    model = model_with(layers.Lambda(lambda x: ops.log(x)), on_nonfinite="raise")
    before = [np.array(v.numpy()) for v in model.variables]
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        model.train_step((X, Y))
    assert_same(before, [v.numpy() for v in model.variables])
    assert model.optimizer.iterations.item() == 0
    assert model.recipe.loss_tracker.count.item() == 0
    model.compile(optimizers.Adam(0.1), "mse", on_nonfinite="warn")
    weights = model.get_weights()
    with pytest.warns(RuntimeWarning, match="step was not made"):
        model.train_step((X, Y))
    assert_same(weights, model.get_weights())


def test_a_gradient_that_is_not_finite_is_named() -> None:
    model = Sequential([Input((3,)), layers.Dense(2, kernel_initializer="zeros", name="d"),
                        layers.Lambda(lambda x: ops.sqrt(ops.square(x)))])  # fmt: skip
    model.compile("sgd", "mse", on_nonfinite="raise")
    with pytest.raises(FloatingPointError, match=r"gradient of '.*d/kernel'"):
        model.train_step((X, Y))


def test_an_interrupt_waits_for_the_commit() -> None:
    reached = []

    def commit() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            commit()
        assert reached == ["end"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_results_are_read_when_looked_at() -> None:
    metric = metrics.Mean(name="loss")
    metric.update_state([2.0])
    results = Results(lambda: [metric])
    metric.update_state([4.0])
    assert results["loss"] == 3.0
    metric.update_state([100.0])
    assert dict(results) == {"loss": 3.0}
    assert len(results) == 1


def test_a_silent_fit_reads_the_results_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    item = pyneuro.Tensor.item
    monkeypatch.setattr(pyneuro.Tensor, "item", lambda self: reads.append(1) or item(self))
    model = model_with(layers.Identity())
    model.fit(X, Y, batch_size=1, epochs=2, verbose=0)
    assert len(reads) == 4  # loss and mae, for each of two epochs


def test_memory_stays_flat_without_the_garbage_collector() -> None:
    model = model_with(layers.Activation("relu"))
    big = np.tile(X, (50, 1)), np.tile(Y, (50, 1))
    model.fit(*big, batch_size=4, verbose=0)
    model.evaluate(*big, verbose=0)
    model.predict(big[0], verbose=0)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        model.fit(*big, batch_size=4, epochs=10, verbose=0)  # 1000 steps
        model.evaluate(*big, verbose=0)
        model.predict(big[0], verbose=0)
        assert len(gc.get_objects()) - before < 50
        assert gc.collect() < 20
    finally:
        gc.enable()


def test_what_layers_collect_does_not_grow() -> None:
    model = Sequential([Input((3,)), layers.Dense(2, activity_regularizer="l2")])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=1, epochs=3, verbose=0)
    assert len(model.layers[0]._losses) == 1


def test_stop_training_ends_after_the_batch() -> None:
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if batch == 2:
                self.model.stop_training = True

    model = model_with(layers.Identity())
    fitted = model.fit(X, Y, batch_size=1, epochs=5, verbose=0, callbacks=[Stop()])
    assert model.optimizer.iterations.item() == 3
    assert fitted.epoch == [0]


def test_float64_stays_float64() -> None:
    pyneuro.config.set_floatx("float64")
    try:
        model = Sequential([Input((3,)), layers.Dense(2)])
        model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
        w, b = (v.astype("float64") for v in model.get_weights())
        x, y = X.astype("float64"), Y.astype("float64")
        for _ in range(20):
            error = x @ w + b - y
            w, b = w - 0.1 * x.T @ error / 8, b - 0.1 * error.sum(0) / 8
        model.fit(x, y, epochs=20, batch_size=8, shuffle=False, verbose=0)
        np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-12)
        np.testing.assert_allclose(model.get_weights()[1], b, rtol=1e-11, atol=1e-14)
    finally:
        pyneuro.config.set_floatx("float32")
