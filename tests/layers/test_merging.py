"""Merge layers: values against NumPy, masks, broadcasting, and what every layer passes."""

import numpy as np
import pytest
from layer_checks import check_layer

import pyneuro
from pyneuro import layers
from pyneuro.errors import ArgumentError, ShapeError
from pyneuro.masks import get_mask, set_mask

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


PAIR = [random(3, 4), random(3, 4)]
ROWS = [
    (lambda: layers.Add(), [*PAIR, random(3, 4)]),
    (lambda: layers.Add(), [random(3, 2, 4), random(3, 4)]),
    (lambda: layers.Subtract(), PAIR),
    (lambda: layers.Multiply(), [*PAIR, random(3, 1)]),
    (lambda: layers.Average(), PAIR),
    (lambda: layers.Maximum(), PAIR),
    (lambda: layers.Minimum(), PAIR),
    (lambda: layers.Concatenate(), [random(3, 2), random(3, 5)]),
    (lambda: layers.Concatenate(axis=1), [random(3, 2, 2), random(3, 1, 2)]),
    (lambda: layers.Dot(axes=1), PAIR),
    (lambda: layers.Dot(axes=(1, 2), normalize=True), [random(3, 4), random(3, 2, 4)]),
    (lambda: layers.Dot(axes=-1), [random(3, 2, 4), random(3, 5, 4)]),
]


@pytest.mark.parametrize(("make", "x"), ROWS)
def test_what_every_layer_passes(make: object, x: list, tmp_path: object) -> None:
    check_layer(make, x, tmp_path)


def test_values() -> None:
    a, b = PAIR
    for function, expected in (
        (layers.add, a + b),
        (layers.subtract, a - b),
        (layers.multiply, a * b),
        (layers.average, (a + b) / 2),
        (layers.maximum, np.maximum(a, b)),
        (layers.minimum, np.minimum(a, b)),
        (layers.concatenate, np.concatenate([a, b], -1)),
        (layers.dot, (a * b).sum(1, keepdims=True)),
    ):
        np.testing.assert_allclose(function([a, b]).numpy(), expected, rtol=1e-5, atol=1e-6)
        assert function([pyneuro.Input((4,)), pyneuro.Input((4,))]).shape[1:] == expected.shape[1:]


def test_dot_of_more_axes_is_an_einsum() -> None:
    x, y = random(3, 2, 4, 5), random(3, 4, 6)
    np.testing.assert_allclose(
        layers.Dot(axes=(2, 1))([x, y]).numpy(), np.einsum("nahc,nhd->nacd", x, y), rtol=1e-4,
        atol=1e-5,
    )  # fmt: skip
    a, b = random(3, 4), random(3, 4)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    got = layers.Dot(axes=1, normalize=True)([a, b]).numpy()[:, 0]
    np.testing.assert_allclose(got, cosine, rtol=1e-5)


def masked(x: np.ndarray, mask: list) -> object:
    tensor = pyneuro.ops.convert_to_tensor(x)
    set_mask(tensor, pyneuro.ops.convert_to_tensor(np.array(mask)))
    return tensor


def test_a_merged_entry_counts_if_it_counts_anywhere() -> None:
    a = masked(random(1, 3, 2), [[True, False, False]])
    b = masked(random(1, 3, 2), [[True, True, False]])
    union = [[True, True, False]]
    for kind in (layers.Add, layers.Average, layers.Multiply, layers.Maximum, layers.Subtract):
        assert get_mask(kind()([a, b])).tolist() == union
        assert get_mask(kind()([a, random(1, 3, 2)])) is None


def test_masked_entries_are_left_out_of_products_and_extremes() -> None:
    a = masked(np.array([[[5.0], [7.0], [9.0]]]), [[True, False, False]])
    b = masked(np.array([[[2.0], [3.0], [4.0]]]), [[True, True, False]])
    assert layers.Multiply()([a, b]).numpy().ravel().tolist() == [10.0, 3.0, 0.0]
    assert layers.Maximum()([a, b]).numpy().ravel()[:2].tolist() == [5.0, 3.0]
    assert layers.Minimum()([b, a]).numpy().ravel()[:2].tolist() == [2.0, 3.0]


def test_masks_are_concatenated() -> None:
    a = masked(random(1, 2, 3), [[True, False]])
    assert get_mask(layers.Concatenate(axis=1)([a, random(1, 1, 3)])).tolist() == [
        [True, False, True]
    ]
    b = masked(random(1, 2, 1), [[False, False]])
    assert get_mask(layers.Concatenate()([a, b])).tolist() == [[True, False]]
    assert get_mask(layers.Dot(axes=2)([a, masked(random(1, 2, 3), [[True, True]])])) is None


def test_errors_say_what_came() -> None:
    with pytest.raises(ArgumentError, match="list of tensors"):
        layers.Add()(PAIR[0])
    with pytest.raises(ArgumentError, match="exactly 2"):
        layers.Subtract()([*PAIR, PAIR[0]])
    with pytest.raises(ShapeError, match="must agree"):
        layers.Concatenate()([random(3, 2, 2), random(3, 1, 2)])
    with pytest.raises(ShapeError, match="no axis 2"):
        layers.Concatenate(axis=2)(PAIR)
    with pytest.raises(ShapeError, match="differ"):
        layers.Dot(axes=1)([random(3, 4), random(3, 5)])
    with pytest.raises(ArgumentError, match="batch axis"):
        layers.Dot(axes=0)(PAIR)
    with pytest.raises(ArgumentError, match="two of them"):
        layers.Dot(axes=(1, 2, 3))
    with pytest.raises(ShapeError):
        layers.Add()([random(3, 4), random(3, 5)])
