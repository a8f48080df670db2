"""Replayed training steps: the bits of eager ones, when they are given up, and when begun anew."""

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import callbacks, layers, losses, ops, optimizers
from pyneuro.errors import IndexOutOfRangeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 6)).astype("float32")
Y = RNG.integers(0, 3, 70)


def network(**options: object) -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu", kernel_regularizer="l2")(inputs)
    x = layers.Dropout(0.3)(x)
    x = layers.GaussianNoise(0.1)(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    options = {"optimizer": "adam", "metrics": ["accuracy"], **options}
    model.compile(loss=losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    return model


def bits(model: keras.Model) -> bytes:
    return b"".join(np.asarray(v).tobytes() for v in [*model.variables, *model.optimizer.variables])


def both(fit: object, **options: object) -> keras.Model:
    """The replayed model, whose state and history are those of the eager one."""
    eager = network(run_eagerly=True, **options)
    expected = fit(eager)  # type: ignore[operator]
    replayed = network(**options)
    assert fit(replayed) == expected  # type: ignore[operator]
    assert bits(eager) == bits(replayed)
    assert eager._replay.plans == 0
    return replayed


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: "sgd",
        lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)),
        lambda: optimizers.Adam(weight_decay=0.01, global_clipnorm=0.5, use_ema=True),
    ],
)
def test_replayed_steps_have_the_bits_of_eager_ones(optimizer: object) -> None:
    def fit(model: keras.Model) -> dict:
        return model.fit(
            X, Y, batch_size=16, epochs=4, validation_data=(X[:20], Y[:20]), verbose=0,
            class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        ).history  # fmt: skip

    eager = network(optimizer=optimizer(), run_eagerly=True)  # type: ignore[operator]
    expected = fit(eager)
    replayed = network(optimizer=optimizer())  # type: ignore[operator]
    assert fit(replayed) == expected
    assert bits(eager) == bits(replayed)
    assert replayed._replay.plans == 2  # whole batches, and the last one of 6
    assert replayed.replay_reasons == []


def test_a_rate_set_by_a_callback_is_heeded() -> None:
    def fit(model: keras.Model) -> dict:
        schedule = callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: setattr(
                model.optimizer, "learning_rate", 0.1 / (epoch + 1)
            )
        )
        return model.fit(X, Y, epochs=4, verbose=0, callbacks=[schedule]).history

    assert both(fit)._replay.plans == 2


def test_freezing_and_other_changes_of_layers_are_heeded() -> None:
    def fit(model: keras.Model) -> list:
        first = model.fit(X, Y, epochs=3, verbose=0).history
        model.layers[1].trainable = False
        model.layers[2].rate = 0.5
        second = model.fit(X, Y, epochs=3, verbose=0).history
        model.optimizer.global_clipnorm = 1e-3
        third = model.fit(X, Y, epochs=3, verbose=0).history
        keras.utils.set_random_seed(5)
        return [first, second, third, model.fit(X, Y, epochs=3, verbose=0).history]

    both(fit)


def test_steps_on_single_batches_are_replayed_too() -> None:
    def fit(model: keras.Model) -> list:
        logs = [model.train_on_batch(X, Y, return_dict=True) for _ in range(5)]
        return logs + [model.test_on_batch(X, Y, return_dict=True) for _ in range(5)]

    replayed = both(fit)
    assert replayed._replay.plans == 1
    assert replayed._test_replay.plans == 1


def test_a_step_that_looks_at_values_goes_on_in_python() -> None:
    class Looks(layers.Layer):
        def call(self, inputs):
            return inputs * 2 if ops.is_tensor(inputs) and self.positive(inputs) else inputs

        def positive(self, inputs):
            return inputs.device != "meta" and bool(ops.sum(inputs) > 0)

    model = keras.Sequential([keras.Input((6,)), Looks(), layers.Dense(3)])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, epochs=3, verbose=0)
    assert "looked at a value" in model.replay_reasons[0]
    assert model._replay.plans == 0


def test_a_layer_that_counts_its_calls_is_left_to_python() -> None:
    class Counts(layers.Layer):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def call(self, inputs):
            if inputs.device != "meta":
                self.calls += 1
            return inputs

    counts = Counts()
    model = keras.Sequential([keras.Input((6,)), counts, layers.Dense(3)])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, batch_size=10, epochs=3, verbose=0)
    assert counts.calls == 21
    assert "attribute" in model.replay_reasons[0]


def test_reasons_that_are_known_beforehand() -> None:
    model = network()
    assert model.replay_reasons == []
    model.run_eagerly = True
    for _ in range(4):
        model.train_on_batch(X, Y)
    assert model._replay.plans == 0
    assert model.replay_reasons == ["the model has run_eagerly=True"]
    assert "on_nonfinite" in network(on_nonfinite="raise").replay_reasons[0]
    model = network(optimizer=optimizers.SGD(lambda: 0.1))
    model.train_on_batch(X, Y)
    assert "Python function" in model.replay_reasons[0]

    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    inputs = keras.Input((2,))
    own = Own(inputs, layers.Dense(1)(inputs))
    assert own.replay_reasons == ["train_step is overridden"]


def test_an_error_in_a_replayed_step_is_the_same_and_writes_nothing() -> None:
    model = network()
    for _ in range(5):
        model.train_on_batch(X, Y)
    assert model._replay.plans == 1
    before = bits(model)
    wrong = Y.copy()
    wrong[3] = 7
    with pytest.raises(IndexOutOfRangeError):
        model.train_on_batch(X, wrong)
    assert bits(model) == before
    model.train_on_batch(X, Y)


def test_a_captured_function_within_a_step() -> None:
    double = keras.capture(lambda x: x * 2.0, strict=False)

    class Doubles(layers.Layer):
        def call(self, inputs):
            return double(inputs)

    def trained(eager: bool) -> bytes:
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [keras.Input((6,)), Doubles(), layers.Dense(4), Doubles(), layers.Dense(3)]
        )
        model.compile(
            "sgd", losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=eager
        )
        model.fit(X, Y, epochs=4, verbose=0)
        return bits(model)

    assert trained(True) == trained(False)


def test_results_of_ones_own_come_out_of_each_step() -> None:
    class Own(keras.Model):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            super().compute_metrics(x, y, y_pred, sample_weight)
            return {"largest": ops.max(y_pred), "first": ops.max(x)}

    inputs = keras.Input((6,))
    model = Own(inputs, layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    for i in range(6):
        largest = float(np.max(model(X[i : i + 9])))
        logs = model.train_on_batch(X[i : i + 9], X[i : i + 9, :1], return_dict=True)
        assert logs == {"largest": pytest.approx(largest), "first": float(X[i : i + 9].max())}
    assert model._replay.plans == 1


def test_ever_new_shapes_are_not_recorded_for_ever() -> None:
    model = keras.Sequential([keras.Input((None, 6)), layers.Dense(1)])
    model.compile("sgd", "mse")
    for length in range(1, 80):
        x = np.ones((2, length, 6), "float32")
        model.train_on_batch(x, x[..., :1])
    assert model.replay_reasons == ["batches come in too many shapes"]
    model = keras.Sequential([keras.Input((None, 6)), layers.Dense(1)])
    model.compile("sgd", "mse")
    for step in range(200):
        x = np.ones((2, 1 + step % 9, 6), "float32")
        model.train_on_batch(x, x[..., :1])
    assert model.replay_reasons == []
    assert model._replay.plans == 9


def test_predictions_are_replayed() -> None:
    model = network()
    eager = [np.asarray(model(X[i : i + 8], training=False)) for i in range(0, len(X), 8)]
    for _ in range(2):
        got = model.predict(X, batch_size=8, verbose=0)
        assert got.tobytes() == np.concatenate(eager).tobytes()
    assert model._predict_replay.plans == 2  # whole batches, and the last one of 6
    model.fit(X, Y, epochs=1, verbose=0)  # other weights, the same plan
    after = np.asarray(model(X[:8], training=False))
    assert model.predict_on_batch(X[:8]).tobytes() == after.tobytes()
    assert after.tobytes() != eager[0].tobytes()
    model.run_eagerly = True
    assert model.predict_on_batch(X[:8]).tobytes() == after.tobytes()


def test_predictions_of_a_model_that_was_not_compiled() -> None:
    inputs = keras.Input((6,))
    hidden = layers.Dense(4, "tanh")(inputs)
    model = keras.Model(inputs, {"a": layers.Dense(2)(hidden), "b": hidden})
    first = [model.predict_on_batch(X) for _ in range(5)]
    assert model._predict_replay.plans == 1
    for other in first[1:]:
        for name, value in first[0].items():
            assert value.tobytes() == other[name].tobytes()
    first[0]["a"][:] = 0.0  # what came out is the caller's
    assert model.predict_on_batch(X)["a"].any()


def test_predictions_that_carry_state_or_are_overridden() -> None:
    inputs = keras.Input(batch_shape=(2, 3, 6))
    model = keras.Model(inputs, layers.LSTM(4, stateful=True)(inputs))
    x = np.resize(X, (2, 3, 6))
    replayed = [model.predict_on_batch(x) for _ in range(6)]
    assert model._predict_replay.plans == 1
    model.layers[-1].reset_states()
    for value in replayed:
        np.testing.assert_array_equal(np.asarray(model(x, training=False)), value)

    class Own(keras.Model):
        def predict_step(self, data):
            return super().predict_step(data) * 2.0

    own = Own(model.input, model.output)
    assert own.predict_on_batch(x).shape == (2, 4)
    assert "_predict_replay" not in own.__dict__
