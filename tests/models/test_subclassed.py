"""Models as classes: building, training, own steps, functional arguments, state dicts."""

import numpy as np
import pytest

import pyneuro
from pyneuro import Input, Model, Sequential, layers, metrics, ops
from pyneuro.errors import ArgumentError, ShapeError, UnknownNameError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(16, 4)).astype("float32")
Y = RNG.normal(size=(16, 2)).astype("float32")


class Net(Model):
    def __init__(self, units: int = 3, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.hidden = [layers.Dense(units, activation="relu") for _ in range(2)]
        self.out = layers.Dense(2)

    def call(self, inputs: object, training: bool = False) -> object:
        for layer in self.hidden:
            inputs = layer(inputs)
        return self.out(inputs)


def test_the_first_batch_builds_and_training_learns() -> None:
    model = Net(16)
    model.compile("adam", "mse")
    history = model.fit(X, Y, epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert len(model.weights) == 6


def test_build_makes_all_weights_from_a_shape() -> None:
    model = Net()
    model.build((None, 4))
    assert [tuple(v.shape) for v in model.weights] == [(4, 3), (3,), (3, 3), (3,), (3, 2), (2,)]
    assert all(v.device == "cpu" for v in model.weights)
    assert model.compute_output_shape((7, 4)) == (7, 2)


def test_names_in_the_state_dict_come_from_attributes() -> None:
    model = Net()
    model(X)
    state = model.state_dict()
    assert list(state) == ["hidden/0/kernel", "hidden/0/bias", "hidden/1/kernel", "hidden/1/bias",
                           "out/kernel", "out/bias"]  # fmt: skip
    twin = Net()
    twin(X)
    twin.load_state_dict(state)
    np.testing.assert_array_equal(twin(X).numpy(), model(X).numpy())
    assert len(list(model.parameters())) == 6
    with pytest.raises(ShapeError, match=r"hidden/0/kernel.*\(4, 3\).*\(1,\)"):
        twin.load_state_dict({**state, "hidden/0/kernel": np.ones(1)})
    with pytest.raises(UnknownNameError, match="out/kernel"):
        twin.load_state_dict({**state, "out/kernl": np.ones(1)})
    with pytest.raises(ArgumentError, match="no arrays for 1 of 6"):
        twin.load_state_dict({k: v for k, v in state.items() if k != "out/bias"})
    twin.load_state_dict({"out/bias": np.ones(2)}, strict=False)
    assert twin.out.bias.tolist() == [1.0, 1.0]


def test_own_train_step_with_backward() -> None:
    class Own(Net):
        def __init__(self) -> None:
            super().__init__()
            self.tracker = metrics.Mean(name="my_loss")

        @property
        def metrics(self) -> list[metrics.Metric]:
            return [self.tracker]

        def train_step(self, data: object) -> dict[str, object]:
            x, y = data  # type: ignore[misc]
            loss = ops.mean(ops.square(self(x, training=True) - y))
            self.zero_grad()
            loss.backward()
            variables = self.trainable_variables
            self.optimizer.apply([v.grad for v in variables], variables)
            self.tracker.update_state(loss)
            return {m.name: m.result() for m in self.metrics}

    model = Own()
    model.compile(optimizer="adam")
    history = model.fit(X, Y, epochs=20, verbose=0).history
    assert list(history) == ["my_loss"]
    assert history["my_loss"][-1] < history["my_loss"][0]


def test_the_compiled_metrics_can_be_used_in_an_own_step() -> None:
    class Own(Net):
        def train_step(self, data: object) -> dict[str, object]:
            x, y = data  # type: ignore[misc]
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
            gradients = pyneuro.grad(loss, self.trainable_weights)
            self.optimizer.apply(gradients, self.trainable_weights)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {m.name: m.result() for m in self.metrics}

    model = Own()
    model.compile("sgd", "mse", metrics=["mae"])
    assert sorted(model.fit(X, Y, verbose=0).history) == ["loss", "mae"]


def test_custom_models_from_inputs_and_outputs() -> None:
    class Custom(Model):
        def test_step(self, data: object) -> dict[str, float]:
            return {"answer": 42.0}

    x = Input((4,))
    model = Custom(x, layers.Dense(2)(x), name="custom")
    assert isinstance(model, Custom)
    assert isinstance(model, pyneuro.Functional)
    model.compile("sgd", "mse")
    assert model.evaluate(X, Y, verbose=0) == 42.0
    model.fit(X, Y, verbose=0)
    with pyneuro.saving.custom_object_scope({"Custom": Custom}):
        twin = pyneuro.models.model_from_json(model.to_json())
    assert isinstance(twin, Custom)
    assert twin.name == "custom"

    class WithInit(Model):
        def __init__(self, units: int) -> None:
            x = Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x))
            self.units = units

    model = WithInit(3)
    assert model(X).shape == (16, 3)
    assert model.units == 3


def test_a_config_is_made_of_the_arguments() -> None:
    model = Net(5, name="net")
    twin = Net.from_config(model.get_config())
    assert twin.units == 5
    assert twin.name == "net"


def test_calling_a_model_that_is_not_compiled_says_so() -> None:
    model = Net()
    for method in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ArgumentError, match="compile"):
            method(X, Y)
    assert model.predict(X, verbose=0).shape == (16, 2)


def test_losses_added_by_layers_are_trained() -> None:
    class Shrink(layers.Layer):
        def call(self, inputs: object) -> object:
            self.add_loss(ops.mean(ops.square(inputs)))
            return inputs

    model = Sequential([Input((4,)), layers.Dense(3), Shrink()])
    model.compile("adam")
    history = model.fit(X, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_models_without_arguments_refuse_positional_ones() -> None:
    with pytest.raises(ArgumentError, match="no symbolic tensors"):
        Model(1, 2)
