"""GradientTape, own steps written with it, and workers that make batches ahead."""

import threading

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import layers, ops
from pyneuro.errors import GradientError

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = X[:, :1] * 2 + 1


def test_gradients_in_the_structure_of_the_sources() -> None:
    a, b, unused = keras.Variable(2.0), keras.Variable([1.0, 3.0]), keras.Variable(1.0)
    with keras.GradientTape() as tape:
        y = ops.sum(a * b * b)
    found = tape.gradient(y, {"a": a, "rest": [b, unused]})
    assert float(found["a"]) == 10.0
    assert found["rest"][0].tolist() == [4.0, 12.0]
    assert found["rest"][1] is None
    with pytest.raises(GradientError, match="persistent"):
        tape.gradient(y, a)


def test_persistent_several_targets_and_zeros() -> None:
    x, other = keras.Variable([1.0, 2.0]), keras.Variable([5.0, 5.0])
    with keras.GradientTape(persistent=True) as tape:
        y, z = x * x, x * 3.0
    assert tape.gradient(y, x).tolist() == [2.0, 4.0]
    assert tape.gradient([y, z], x).tolist() == [5.0, 7.0]
    assert tape.gradient(y, x, output_gradients=np.array([1.0, 0.0], "float32")).tolist() == [2, 0]
    assert tape.gradient(y, other, unconnected_gradients="zero").tolist() == [0.0, 0.0]
    assert tape.gradient(ops.ones(2), x) is None
    with pytest.raises(GradientError, match="unconnected"):
        tape.gradient(y, x, unconnected_gradients="nought")


def test_watched_tensors_and_second_derivatives() -> None:
    x = ops.convert_to_tensor(3.0)
    with keras.GradientTape() as outer:
        outer.watch(x)
        with keras.GradientTape() as inner:
            inner.watch(x)
            y = x * x * x
        first = inner.gradient(y, x)
    assert float(first) == 27.0
    assert float(outer.gradient(first, x)) == 18.0
    with pytest.raises(GradientError, match="floating"):
        inner.watch(ops.convert_to_tensor([1, 2]))
    with keras.no_grad(), keras.GradientTape() as tape:
        z = keras.Variable(1.0)
        w = z * 2.0
    assert float(tape.gradient(w, z)) == 2.0


def test_a_train_step_with_a_tape_has_the_bits_of_the_default() -> None:
    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with keras.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            variables = self.trainable_variables
            self.optimizer.apply_gradients(
                zip(tape.gradient(loss, variables), variables, strict=True)
            )
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    def trained(kind: type) -> tuple:
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,))
        hidden = layers.Dropout(0.2)(layers.Dense(5, activation="relu")(inputs))
        model = kind(inputs, layers.Dense(1)(hidden))
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(X, Y, epochs=3, batch_size=4, verbose=0).history
        return history.keys(), [w.tobytes() for w in model.get_weights()]

    assert trained(Own) == trained(keras.Model)


class Rows(keras.utils.PyDataset):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.threads = set()

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        if index == 99:
            raise KeyError("no such row")
        return X[index : index + 1], Y[index : index + 1]


@pytest.mark.parametrize("options", [{"workers": 3, "max_queue_size": 2},
                                     {"workers": 2, "use_multiprocessing": True}])  # fmt: skip
def test_workers_change_who_makes_batches_and_not_their_order(options: dict) -> None:
    def trained(rows: Rows) -> list:
        keras.utils.set_random_seed(2)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(rows, epochs=2, verbose=0)
        model.fit(rows, steps_per_epoch=5, verbose=0)  # ends before the data do
        return [w.tobytes() for w in model.get_weights()]

    rows = Rows(**options)
    assert trained(rows) == trained(Rows())
    assert threading.get_ident() not in rows.threads


def test_an_error_in_a_worker_reaches_the_training() -> None:
    class Broken(Rows):
        def __getitem__(self, index):
            return super().__getitem__(99 if index == 7 else index)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(KeyError, match="no such row"):
        model.fit(Broken(workers=2), verbose=0, shuffle=False)
