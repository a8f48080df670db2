"""Public functions on symbolic tensors: the shapes that are told are those that come."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyneuro import errors, ops, tree
from pyneuro.symbolic import KerasTensor
from pyneuro.tensor import Tensor

LABELS = [0, 1, 2, 3]

CALLS: list[Callable[[Any], Any]] = [
    lambda x: ops.exp(x) + 1.0,
    lambda x: ops.where(x > 0.0, x, 0),
    lambda x: ops.maximum(x, [[1.0], [2.0], [3.0]][:1]),
    lambda x: ops.divide_no_nan(x, x),
    lambda x: ops.clip(x, 0.0, 1.0),
    lambda x: ops.gelu(x),
    lambda x: ops.selu(x),
    lambda x: ops.sum(x, axis=0),
    lambda x: ops.mean(x, axis=-1, keepdims=True),
    lambda x: ops.prod(x),
    lambda x: ops.logsumexp(x, axis=1),
    lambda x: ops.var(x, axis=1),
    lambda x: ops.argmax(x, axis=-1),
    lambda x: ops.argmax(x),
    lambda x: ops.softmax(x),
    lambda x: ops.softmax(x, axis=(0, 1)),
    lambda x: ops.matmul(x, np.ones((4, 5), "float32")),
    lambda x: ops.tensordot(x, x, axes=((0,), (0,))),
    lambda x: ops.dot(x, np.ones(4, "float32")),
    lambda x: ops.outer(x, x),
    lambda x: ops.reshape(x, (-1, 2)),
    lambda x: ops.reshape(x, (-1,)),
    lambda x: ops.transpose(x),
    lambda x: ops.expand_dims(x, (0, -1)),
    lambda x: ops.squeeze(ops.expand_dims(x, 1)),
    lambda x: ops.concatenate([x, x]),
    lambda x: ops.concatenate([x, x], axis=1),
    lambda x: ops.stack([x, x], axis=1),
    lambda x: ops.split(x, 2, axis=1),
    lambda x: ops.unstack(x, axis=1),
    lambda x: ops.slice(x, (0, 1), (-1, 2)),
    lambda x: ops.flip(x),
    lambda x: ops.repeat(x, 2, axis=0),
    lambda x: ops.tile(x, (2, 1)),
    lambda x: ops.take(x, [0, 3], axis=1),
    lambda x: ops.take(np.ones((9, 7), "float32"), ops.cast(x, "int32"), axis=0),
    lambda x: ops.one_hot(ops.cast(x, "int32"), 6),
    lambda x: ops.zeros_like(x, "int32"),
    lambda x: ops.full_like(x, 3.0),
    lambda x: ops.stop_gradient(x),
    lambda x: ops.tril(x),
    lambda x: ops.linspace(0.0, x, 3),
    lambda x: ops.categorical_crossentropy(x, x),
    lambda x: ops.binary_crossentropy(x, x, from_logits=True),
    lambda x: ops.sparse_categorical_crossentropy(ops.argmax(x, axis=1), x),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_specs(call: Callable[[Any], Any]) -> None:
    symbolic = tree.flatten(call(KerasTensor((None, 4), "float32")))
    assert all(isinstance(leaf, KerasTensor) for leaf in symbolic)
    runs = [tree.flatten(call(ops.ones((n, 4)))) for n in (2, 3, 8)]
    for i, told in enumerate(symbolic):
        came = [run[i] for run in runs]
        assert all(isinstance(t, Tensor) and t.dtype == told.dtype for t in came)
        sizes = zip(*(t.shape for t in came), strict=True)
        assert told.shape == tuple(n[0] if len(set(n)) == 1 else None for n in sizes)


def test_shape_of_a_symbolic_tensor() -> None:
    x = KerasTensor((None, 4), "float32")
    assert (ops.shape(x), ops.ndim(x), ops.size(x), ops.dtype(x)) == ((None, 4), 2, None, "float32")


def test_what_needs_values_says_so() -> None:
    x = KerasTensor((None, 4), "float32")
    with pytest.raises(errors.DeviceError, match="meta device"):
        ops.nonzero(x)


def test_mistakes_are_found_before_there_is_data() -> None:
    x = KerasTensor((None, 4), "float32")
    with pytest.raises(errors.ShapeError, match=r"4 columns.*5 rows"):
        ops.matmul(x, np.ones((5, 2), "float32"))
    with pytest.raises(errors.ShapeError, match="softmax: axis 2"):
        ops.softmax(x, axis=2)
