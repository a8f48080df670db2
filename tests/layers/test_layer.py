"""Layer: building, calling, training flags, state, error notes, configs."""

import numpy as np
import pytest

import pyneuro
from pyneuro import Variable, layers, ops
from pyneuro.errors import ArgumentError, ShapeError


class Scale(layers.Layer):
    def __init__(self, start: float = 1.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape: tuple) -> None:
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

    def call(self, inputs: object) -> object:
        return inputs * self.factor * self.start


class Asks(layers.Layer):
    """Keeps the training flags it is called with."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.seen: list[object] = []

    def call(self, inputs: object, training: bool | None = None) -> object:
        self.seen.append(training)
        return inputs


class Holder(layers.Layer):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.inner = Asks()
        self.blocks = [layers.Dense(2), {"deep": layers.Dense(3)}]
        self.count = Variable(np.zeros(2, "float32"), trainable=False, name="count")

    def call(self, inputs: object) -> object:
        return self.blocks[1]["deep"](self.blocks[0](self.inner(inputs)))


X = np.ones((2, 4), "float32")


def test_the_first_call_builds() -> None:
    layer = Scale()
    assert not layer.built
    assert layer.weights == []
    assert layer(X).shape == (2, 4)
    assert layer.built
    assert layer.factor.shape == (4,)
    assert layer.factor.path == f"{layer.name}/factor"


def test_arrays_are_cast_to_the_compute_dtype_and_integers_are_not() -> None:
    assert layers.Identity()(np.ones(2)).dtype == "float32"
    assert layers.Identity(dtype="float64")(X).dtype == "float64"
    assert layers.Identity()(np.ones(2, "int64")).dtype == "int64"
    assert layers.Identity(autocast=False)(np.ones(2)).dtype == "float64"


def test_training_is_passed_down_unless_said_otherwise() -> None:
    holder = Holder()
    holder(X, training=True)
    holder(X)
    holder(X, training=False)
    assert holder.inner.seen == [True, None, False]
    model = pyneuro.Sequential([asks := Asks()])
    model(X, training=True)
    assert asks.seen[-1] is True


def test_state_is_found_in_attributes_and_containers() -> None:
    holder = Holder()
    holder(X)
    names = [v.name for v in holder.weights]
    assert names == ["count", "kernel", "bias", "kernel", "bias"]
    assert len(holder.trainable_weights) == 4
    assert len(holder.non_trainable_weights) == 1
    holder.blocks.append(layers.Dense(1))
    assert len(holder._flatten_layers(include_self=False)) == 4
    holder.inner = layers.Dropout(0.5)
    assert next(type(x).__name__ for x in holder._child_layers()) != "Asks"
    assert len(holder.variables) == len(holder.weights) + 1  # the dropout's seed
    del holder.count
    assert "count" not in [v.name for v in holder.weights]


def test_freezing_reaches_all_weights() -> None:
    holder = Holder()
    holder(X)
    holder.trainable = False
    assert holder.trainable_weights == []
    assert len(holder.non_trainable_weights) == 5
    assert all(not v.trainable for v in holder.weights)
    holder.trainable = True
    assert len(holder.trainable_weights) == 4


def test_assigning_before_init_says_what_is_missing() -> None:
    class Forgetful(layers.Layer):
        def __init__(self) -> None:
            self.dense = layers.Dense(1)

    with pytest.raises(RuntimeError, match="super"):
        Forgetful()


def test_set_weights_changes_nothing_on_an_error() -> None:
    dense = layers.Dense(2)
    dense(X)
    before = dense.get_weights()
    with pytest.raises(ShapeError, match=r"\(4, 2\).*\(2, 4\)"):
        dense.set_weights([np.zeros((4, 2)), np.zeros((2, 4))][::-1])
    with pytest.raises(ArgumentError, match="2 weights, but 1"):
        dense.set_weights([np.zeros((4, 2))])
    for a, b in zip(before, dense.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_get_weights_are_copies() -> None:
    dense = layers.Dense(2)
    dense(X)
    copy = dense.get_weights()[0]
    dense.set_weights([np.zeros((4, 2)), np.zeros(2)])
    assert copy.any()
    copy[:] = 5
    assert not dense.get_weights()[0].any()


def test_an_error_names_each_layer_on_its_way_once() -> None:
    inner = pyneuro.Sequential([layers.Dense(3, name="first"), layers.Dense(2)], name="m")
    inner(np.ones((1, 4), "float32"))
    with pytest.raises(ShapeError) as info:
        inner(np.ones((8, 7), "float32"))
    assert "size 4 on axis -1" in str(info.value)
    assert info.value.__notes__ == [
        "in layer 'm/first' (Dense), called with float32 (8, 7)",
        "in layer 'm' (Sequential), called with float32 (8, 7)",
    ]


def test_added_losses_are_those_of_the_last_call() -> None:
    class Adds(layers.Layer):
        def call(self, inputs: object, on: bool = True) -> object:
            if on:
                self.add_loss(ops.sum(inputs))
            return inputs

    layer = Adds()
    layer(X)
    layer(X * 2)
    assert [float(x) for x in layer.losses] == [16.0]
    layer(X, on=False)
    assert layer.losses == []
    model = pyneuro.Sequential([Adds(), Adds()])
    model(X)
    model(X)
    assert [float(x) for x in model.losses] == [8.0, 8.0]


def test_penalties_of_weights_and_outputs() -> None:
    dense = layers.Dense(
        2, kernel_initializer="ones", kernel_regularizer="l2", activity_regularizer="l1"
    )
    dense(X)
    assert [round(float(x), 6) for x in dense.losses] == [0.08, 0.08]  # 4*4*0.01/2, then 8*0.01


def test_unknown_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match="unts"):
        layers.Dense(2, unts=3)
    with pytest.raises(ArgumentError, match="must not contain '/'"):
        layers.Dense(2, name="a/b")


def test_config_without_a_get_config_holds_the_arguments() -> None:
    layer = Scale(2.0, name="s", trainable=False)
    config = layer.get_config()
    assert config["start"] == 2.0
    assert config["name"] == "s"
    assert config["trainable"] is False
    again = Scale.from_config(config)
    assert again.start == 2.0
    assert again.name == "s"


def test_output_shapes_come_from_running_on_shapes() -> None:
    assert Holder().compute_output_shape((None, 4)) == (None, 3)
    assert layers.Flatten().compute_output_shape((None, 2, 3)) == (None, 6)
    dropout = layers.Dropout(0.5, seed=1)
    dropout.compute_output_shape((None, 3))
    assert dropout.seed_generator.state.tolist() == [1, 0]


def test_several_inputs_build_by_argument_name() -> None:
    class Two(layers.Layer):
        def build(self, left_shape: tuple, right_shape: tuple) -> None:
            self.shapes = (left_shape, right_shape)

        def call(self, left: object, right: object) -> object:
            return ops.concatenate([left, right], axis=-1)

    layer = Two()
    assert layer(X, right=X[:, :1]).shape == (2, 5)
    assert layer.shapes == ((2, 4), (2, 1))


def test_layers_made_inside_call_are_built_on_a_real_device() -> None:
    class Lazy(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs: object) -> object:
            return self.dense(inputs)

    layer = Lazy()
    symbolic = layer(pyneuro.Input((4,)))
    assert symbolic.shape == (None, 2)
    assert layer.dense.kernel.device == "cpu"
    assert np.isfinite(layer(X).numpy()).all()


def test_mixed_precision_computes_in_16_bits_and_keeps_32() -> None:
    dense = layers.Dense(3, activation="relu", dtype="mixed_bfloat16")
    y = dense(X)
    assert y.dtype == "bfloat16"
    assert dense.kernel.dtype == "float32"
    (gradient,) = pyneuro.grad(ops.sum(ops.cast(y, "float32")), [dense.kernel])
    assert gradient.dtype == "float32"
