"""Masks from Embedding and Masking to layers, losses and metrics; activation layers; shapes."""

import numpy as np
import pytest
from layer_checks import check_layer

import pyneuro
from pyneuro import layers, losses, metrics
from pyneuro.errors import ArgumentError, ShapeError
from pyneuro.masks import get_mask

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
IMAGE = RNG.normal(size=(3, 2, 2, 5)).astype("float32")
ROWS = [
    (lambda: layers.Masking(), X.reshape(3, 2, 2)),
    (lambda: layers.Masking(mask_value=np.array([1.0, 2.0])), X.reshape(3, 2, 2)),
    (lambda: layers.ActivityRegularization(0.1, 0.2), X),
    (lambda: layers.LeakyReLU(0.2), X),
    (lambda: layers.ELU(0.7), X),
    (lambda: layers.PReLU(alpha_initializer="ones", alpha_regularizer="l2"), X),
    (lambda: layers.PReLU(alpha_initializer="uniform", shared_axes=[1, 2]), IMAGE),
    (lambda: layers.PReLU(shared_axes=-1), IMAGE),
    (lambda: layers.Permute((2, 1)), X.reshape(3, 2, 2)),
    (lambda: layers.RepeatVector(3), X),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: np.ndarray, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


def test_activations() -> None:
    np.testing.assert_allclose(layers.LeakyReLU()(X).numpy(), np.where(X > 0, X, 0.3 * X), 1e-6)
    np.testing.assert_allclose(layers.ELU()(X).numpy(), np.where(X > 0, X, np.expm1(X)), 1e-5)
    assert layers.LeakyReLU(alpha=0.1).negative_slope == 0.1
    prelu = layers.PReLU(shared_axes=[1, 2], alpha_initializer="uniform")
    y = prelu(IMAGE).numpy()
    assert prelu.alpha.shape == (1, 1, 5)
    np.testing.assert_allclose(y, np.where(IMAGE > 0, IMAGE, prelu.alpha.numpy() * IMAGE), 1e-6)
    with pytest.raises(ArgumentError, match="batch axis"):
        layers.PReLU(shared_axes=[0])
    with pytest.raises(ShapeError):
        prelu(np.ones((1, 2, 2, 6), "float32"))
    with pytest.raises(ArgumentError, match="negative_slope"):
        layers.LeakyReLU(-1)


def test_softmax_leaves_masked_entries_out() -> None:
    y = layers.Softmax()(X, mask=np.array([[True, True, False, False]] * 3)).numpy()
    assert (y[:, 2:] == 0).all()
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-6)


def test_shapes() -> None:
    x = RNG.normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(layers.Permute((2, 1))(x).numpy(), x.transpose(0, 2, 1))
    np.testing.assert_array_equal(layers.RepeatVector(3)(X).numpy(), np.stack([X] * 3, 1))
    assert layers.RepeatVector(0)(X).shape == (3, 0, 4)
    with pytest.raises(ArgumentError, match="each of 1"):
        layers.Permute((0, 1))
    with pytest.raises(ArgumentError, match="n must"):
        layers.RepeatVector(2.0)  # type: ignore[arg-type]
    with pytest.raises(ShapeError):
        layers.Permute((2, 1))(X)


def test_masking_zeroes_and_marks() -> None:
    x = np.array([[[1.0, 2.0], [-1.0, -1.0], [-1.0, 2.0]]], "float32")
    y = layers.Masking(mask_value=-1.0)(x)
    assert y.numpy().tolist() == [[[1.0, 2.0], [0.0, 0.0], [-1.0, 2.0]]]
    assert get_mask(y).tolist() == [[True, False, True]]


def tagger() -> pyneuro.Model:
    tokens = pyneuro.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True, embeddings_initializer="glorot_uniform")(tokens)
    x = layers.Dropout(0.0)(layers.Dense(6, activation="tanh")(x))
    x = layers.Add()([x, layers.Dense(6)(x)])
    return pyneuro.Model(tokens, layers.Dense(3)(x))


def test_padding_changes_neither_loss_nor_gradients_nor_metrics() -> None:
    tokens = RNG.integers(1, 7, (4, 5))
    tokens[:, 3:] = 0
    model = tagger()
    target = RNG.integers(0, 3, (4, 5))
    other = target.copy()
    other[:, 3:] = (other[:, 3:] + 1) % 3
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    found = []
    for y in (target, other):
        pred = model(tokens)
        assert get_mask(pred).tolist() == (tokens != 0).tolist()
        value = loss(y, pred)
        gradients = pyneuro.grad(value, model.trainable_weights)
        metric = metrics.SparseCategoricalAccuracy()
        metric.update_state(y, pred)
        found.append([float(value), float(metric.result()), *[g.numpy() for g in gradients]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    unmasked = loss(target[:, :3], model(tokens)[:, :3])
    np.testing.assert_allclose(found[0][0], float(unmasked), rtol=1e-5)


def test_fit_heeds_masks_through_nested_models() -> None:
    outer = pyneuro.Input((5,), dtype="int32")
    model = pyneuro.Model(outer, layers.Identity()(tagger()(outer)))
    tokens = RNG.integers(1, 7, (8, 5))
    tokens[:, 2:] = 0
    target = RNG.integers(0, 3, (8, 5))
    model.compile(
        "sgd", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    first = model.evaluate(tokens, target, verbose=0, return_dict=True)
    target[:, 2:] = (target[:, 2:] + 1) % 3
    assert model.evaluate(tokens, target, verbose=0, return_dict=True) == first


def test_a_mask_given_by_hand_wins() -> None:
    class Sums(layers.Layer):
        def call(self, inputs, mask=None):
            return pyneuro.ops.sum(inputs * pyneuro.ops.cast(mask, inputs.dtype))

    x = layers.Embedding(3, 1, mask_zero=True, embeddings_initializer="ones")(np.array([[1, 0, 2]]))
    mask = np.array([[[True], [False], [False]]])
    assert float(Sums()(x, mask=mask)) == 1.0
    assert float(Sums()(x, mask)) == 1.0


def test_wrapper_holds_a_layer() -> None:
    class Twice(layers.Wrapper):
        def call(self, inputs):
            return self.layer(self.layer(inputs))

    twice = Twice(layers.Dense(4))
    y = twice(X)
    assert len(twice.weights) == 2
    again = Twice.from_config(twice.get_config())
    again(X)
    again.set_weights(twice.get_weights())
    np.testing.assert_array_equal(again(X).numpy(), y.numpy())
    with pytest.raises(ArgumentError, match="must be a layer"):
        layers.Wrapper(3)  # type: ignore[arg-type]
