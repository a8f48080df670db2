"""Copying and pickling models."""

import copy
import pickle

import numpy as np

from pyneuro import Input, Model, Sequential, layers, ops, optimizers

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.ones((6, 2), "float32")


class Half(layers.Layer):
    def call(self, inputs: object) -> object:
        return inputs * 0.5


def test_copies_have_their_own_weights_and_train_alike() -> None:
    x = Input((4,))
    model = Model(x, Half()(layers.Dense(2)(x)) + ops.ones((2,)))
    model.compile(optimizers.Adam(0.1), "mse")
    model.fit(X, Y, verbose=0)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin(X).numpy(), model(X).numpy())
        assert twin.weights[0] is not model.weights[0]
        original = model.get_weights()
        twin.fit(X, Y, shuffle=False, verbose=0)
        np.testing.assert_array_equal(original[0], model.get_weights()[0])
        third = copy.deepcopy(model)
        third.fit(X, Y, shuffle=False, verbose=0)
        np.testing.assert_array_equal(third.get_weights()[0], twin.get_weights()[0])


def test_models_that_are_not_built_can_be_copied() -> None:
    twin = copy.deepcopy(Sequential([layers.Dense(3), Half()]))
    assert not twin.built
    assert len(twin.layers) == 2
