"""Arguments as users write them: forms that are accepted, and the error for those that are not."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyneuro import errors, ops
from pyneuro.tensor import convert

X = np.arange(6.0).reshape(2, 3)

BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ops.reshape(X, (4, 2)), errors.ShapeError, "reshape: .*6 elements"),
    (lambda: ops.reshape(X, (2.5, 2)), errors.ShapeError, "whole numbers, got"),
    (lambda: ops.zeros((2, -1)), errors.ShapeError, "negative"),
    (lambda: ops.zeros("ab"), errors.ShapeError, "whole numbers"),
    (lambda: ops.sum(X, axis=2), errors.ShapeError, "sum: axis 2 is out of range"),
    (lambda: ops.sum(X, axis=(0, -2)), errors.ShapeError, "twice"),
    (lambda: ops.max(np.ones((0, 2))), errors.ShapeError, "nothing has no max"),
    (lambda: ops.argmax(np.ones((0,))), errors.ShapeError, "argmax: .*empty"),
    (lambda: ops.softmax(X, axis=3), errors.ShapeError, "softmax: axis 3"),
    (lambda: ops.softmax(X, axis=(0, 0)), errors.ShapeError, "given twice"),
    (lambda: ops.transpose(X, (0,)), errors.ShapeError, "must name each of the 2 axes"),
    (lambda: ops.swapaxes(X, 0, 2), errors.ShapeError, "swapaxes: axis 2"),
    (lambda: ops.moveaxis(X, (0, 1), 0), errors.ShapeError, "2 axes cannot move to 1"),
    (lambda: ops.moveaxis(X, 0.5, 0), errors.ArgumentError, "whole number, got 0.5"),
    (lambda: ops.squeeze(X, 0), errors.ShapeError, r"axis 0 of x \(2, 3\) does not have size 1"),
    (lambda: ops.expand_dims(X, 4), errors.ShapeError, "expand_dims: axis 4"),
    (lambda: ops.concatenate([]), errors.ArgumentError, "at least one"),
    (lambda: ops.concatenate([X, X[:, :2]]), errors.ShapeError, "concatenate: array 1"),
    (lambda: ops.stack([]), errors.ArgumentError, "at least one"),
    (lambda: ops.stack([X, X[0]]), errors.ShapeError, "tensor 1 has shape"),
    (lambda: ops.split(X, 2, axis=1), errors.ShapeError, "does not divide into 2"),
    (lambda: ops.split(X, 0), errors.ArgumentError, "at least 1 section"),
    (lambda: ops.split(X, [2, 1], axis=1), errors.ArgumentError, "go back"),
    (lambda: ops.unstack(X, num=3), errors.ShapeError, "num is 3, but axis 0"),
    (lambda: ops.slice(X, (0, 0), (3, 1)), errors.IndexOutOfRangeError, "outside its size 2"),
    (lambda: ops.slice(X, (0,), (1,)), errors.ShapeError, "need 2 entries each"),
    (lambda: ops.slice_update(X, (1, 1), np.ones((2, 2))), errors.IndexOutOfRangeError, "outside"),
    (lambda: ops.repeat(X, -1), errors.ArgumentError, "negative"),
    (lambda: ops.repeat(X, [1, 2], axis=1), errors.ShapeError, "2 repeats for axis 1"),
    (lambda: ops.tile(X, (-1, 2)), errors.ArgumentError, "negative"),
    (lambda: ops.take(X, [3], axis=1), errors.IndexOutOfRangeError, "3"),
    (lambda: ops.take(X, [0], axis=2), errors.ShapeError, "take: axis 2"),
    (lambda: ops.one_hot([1], -1), errors.ArgumentError, "num_classes is -1"),
    (lambda: ops.one_hot([1], 3, sparse=True), errors.ArgumentError, "dense"),
    (lambda: ops.matmul(X, X), errors.ShapeError, "3 columns.*2 rows"),
    (lambda: ops.tensordot(X, X, axes=3), errors.ShapeError, "axes=3"),
    (lambda: ops.tensordot(X, X, axes=(0, 1)), errors.ShapeError, "differ in size"),
    (lambda: ops.tensordot(X, X, axes=(0, 1, 2)), errors.ArgumentError, "number or a pair"),
    (lambda: ops.dot(X, X), errors.ShapeError, "matmul"),
    (lambda: ops.add(X, np.ones(2)), errors.ShapeError, "do not broadcast"),
    (lambda: ops.add(X, "a"), errors.DTypeError, "'a' cannot be a tensor"),
    (lambda: ops.add(X, None), errors.ArgumentError, "add: x2 is None"),
    (lambda: ops.custom("vtable"), errors.ArgumentError, "must be an address, got 'vtable'"),
    (lambda: ops.custom(0), errors.ArgumentError, "null pointer"),
    (lambda: ops.subtract([True], [False]), errors.DTypeError, "subtract: x1 is bool"),
    (lambda: ops.round([True]), errors.DTypeError, "round"),
    (lambda: ops.where(X > 1, X), errors.ArgumentError, "both x1 and x2, or neither"),
    (lambda: ops.arange(1, 5, 0), errors.ArgumentError, "step is 0"),
    (lambda: ops.linspace(0, 1, -1), errors.ArgumentError, "num must not be negative"),
    (lambda: ops.tril([1.0]), errors.ShapeError, "tril: x must have at least 2"),
    (lambda: ops.convert_to_tensor(X, sparse=True), errors.ArgumentError, "dense"),
    (lambda: ops.convert_to_tensor([[1], [2, 3]]), errors.ShapeError, "ragged"),
    (lambda: ops.categorical_crossentropy(X, X[:1]), errors.ShapeError, "must have one shape"),
    (lambda: ops.binary_crossentropy(X[0], X), errors.ShapeError, "must have one shape"),
    (lambda: ops.sparse_categorical_crossentropy([0], X), errors.ShapeError, "labels of shape"),
]  # fmt: skip


@pytest.mark.parametrize("row", BAD, ids=range(len(BAD)))
def test_bad_arguments(row: tuple[Callable[[], Any], type[Exception], str]) -> None:
    call, error, says = row
    with pytest.raises(error, match=says) as caught:
        call()
    assert type(caught.value) is error
    assert len(str(caught.value)) <= 600


@pytest.mark.parametrize("from_logits", [False, True])
def test_labels_outside_their_range_raise(from_logits: bool) -> None:
    p = np.full((4, 3), 1 / 3)
    for labels in ([0, 1, 3, 2], [0, -1, 1, 2]):
        with pytest.raises(errors.IndexOutOfRangeError, match=r"sparse_crossentropy: .*3"):
            ops.sparse_categorical_crossentropy(labels, p, from_logits=from_logits)


def test_forms_of_a_shape() -> None:
    assert ops.zeros(3).shape == ops.zeros([3]).shape == ops.zeros((np.int64(3),)).shape == (3,)
    assert ops.ones(convert([2, 3])).shape == ops.reshape(X, np.array([2, 3])).shape == (2, 3)
    assert ops.reshape(X, -1).shape == (6,)
    assert ops.broadcast_to(1.0, ()).shape == ()


def test_numbers_and_lists_are_tensors() -> None:
    assert ops.add(1, 2).item() == 3
    assert ops.exp(0).item() == 1.0
    assert ops.maximum([1, 5], 3).tolist() == [3, 5]
    assert ops.sum([[1, 2], [3, 4]]).item() == 10
    assert ops.concatenate([[1.5], [2]]).tolist() == [1.5, 2.0]
    assert ops.stack([1, 2.5]).tolist() == [1.0, 2.5]
    assert ops.power(2, 0.5).item() == pytest.approx(2**0.5)


def test_arange() -> None:
    for arguments in ((5,), (2, 9), (9, 2, -2), (0, 1, 0.3), (0.5, 3), (3, 3), (5, 2), (0, 10, 3)):
        got, want = ops.arange(*arguments), np.arange(*arguments)
        assert got.dtype == ("int32" if want.dtype.kind == "i" else "float32")
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    assert ops.arange(convert(3), dtype="float64").tolist() == [0.0, 1.0, 2.0]
    assert ops.arange(convert(1.0), np.int32(3)).dtype == "float32"


def test_linspace() -> None:
    numbers, step = ops.linspace(0, 1, 5, retstep=True)
    assert numbers.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert step.item() == 0.25
    assert ops.linspace(0, 10, 5, dtype="int32").tolist() == [0, 2, 5, 7, 10]
    assert ops.linspace(3.0, 9.0, 1).tolist() == [3.0]
    assert ops.linspace(0, 1, 0).shape == (0,)
    assert ops.linspace(0.0, 0.7, 8).tolist()[-1] == np.float32(0.7)


def test_diagonals() -> None:
    for n, m, k in ((3, None, 0), (3, 4, 1), (4, 3, -2), (2, 2, 5), (0, 3, 0)):
        np.testing.assert_array_equal(ops.eye(n, m, k).numpy(), np.eye(n, m, k))
        np.testing.assert_array_equal(ops.tri(n, m, k).numpy(), np.tri(n, m, k))
    assert ops.identity(2, "int32").tolist() == [[1, 0], [0, 1]]


def test_full() -> None:
    assert ops.full(2, 7).dtype == ops.full(2, True).dtype == "float32"
    assert ops.full((2, 2), [1, 2]).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert ops.full_like([1, 2], 3.7).tolist() == [3, 3]
    assert ops.full((), np.inf).item() == np.inf
    assert ops.zeros_like([1, 2], "bool").tolist() == [False, False]


def test_positions() -> None:
    x = np.array([[0.0, 2.0], [0.0, 0.0], [3.0, np.nan]])
    for got, want in zip(ops.nonzero(x), np.nonzero(x), strict=True):
        assert got.tolist() == want.tolist()
    assert [axis.tolist() for axis in ops.where([0, 1, 1])] == [[1, 2]]
    assert ops.argmax(x[:2]).item() == 1
    assert ops.argmax(x[:2], keepdims=True).shape == (1, 1)
    assert ops.argmin(x, axis=-1).tolist() == [0, 0, 1]
    assert ops.count_nonzero(x, axis=0).tolist() == [1, 2]


def test_reductions_of_nothing() -> None:
    empty = np.zeros((0, 3))
    assert ops.sum(empty, axis=0).tolist() == [0.0, 0.0, 0.0]
    assert ops.prod(empty).item() == 1.0
    assert ops.all(empty).item() is True
    assert ops.any(empty).item() is False
    assert np.isnan(ops.mean(empty).item())
    assert ops.max(empty, axis=0, initial=2.0).tolist() == [2.0, 2.0, 2.0]
    assert ops.min(empty, initial=-1.0).item() == -1.0


def test_closeness() -> None:
    inf, nan = np.inf, np.nan
    a = np.array([1.0, 1.0, inf, inf, inf, nan, 0.0, 1.0])
    b = np.array([1.0 + 1e-7, 1.1, inf, -inf, 1.0, nan, 1e-9, inf])
    assert ops.isclose(a, b).tolist() == np.isclose(a, b).tolist()
    assert ops.isclose(a, b, equal_nan=True).tolist() == np.isclose(a, b, equal_nan=True).tolist()
    assert ops.isclose(np.array([1], "uint8"), np.array([2], "uint8")).tolist() == [False]
    assert ops.allclose([1.0, 2.0], [1.0, 2.0]).item() is True
    assert ops.isinf(a).tolist() == np.isinf(a).tolist()
    assert ops.isinf([1, 2]).tolist() == [False, False]


def test_what_a_tensor_is() -> None:
    x = convert(X)
    assert (ops.shape(x), ops.ndim(x), ops.size(x), ops.dtype(x)) == ((2, 3), 2, 6, "float64")
    assert (ops.shape([1, 2]), ops.ndim(1.0), ops.size([[]]), ops.dtype(1)) == ((2,), 0, 0, "int32")
    assert ops.is_tensor(x)
    assert not ops.is_tensor(X)


def test_copy_has_memory_of_its_own() -> None:
    source = np.ones(3)
    x = convert(source)
    shared, own = ops.convert_to_tensor(x), ops.copy(x)
    source[0] = 5.0
    assert shared.tolist() == [5.0, 1.0, 1.0]
    assert own.tolist() == [1.0, 1.0, 1.0]


def test_the_public_list() -> None:
    for name in ops.__all__:
        assert getattr(ops, name).__doc__, name
    public = {name for name in vars(ops) if not name.startswith("_")}
    topics = {name for name, value in vars(ops).items() if isinstance(value, types.ModuleType)}
    assert public - topics == set(ops.__all__) - topics
