"""Results of 16 MiB and more, whose stores go past most machines' caches, have the bits of smaller
ones."""

from collections.abc import Callable

import numpy as np
import pytest

from pyneuro import Tensor, ops
from pyneuro.autograd import grad

SHAPE = (2, 240, 250, 40)  # 9.6 MB a picture, so that only both together are large


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def back(f: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """The gradient of `f` for an input of this shape but for the number of pictures."""

    def gradient(g: Tensor) -> Tensor:
        x = ops.zeros((g.shape[0], *shape[1:]))
        x.requires_grad = True
        return grad(f(x), [x], g)[0]

    return gradient


def depthwise(x: Tensor) -> Tensor:
    return ops.depthwise_conv(x, numbers(3, 3, SHAPE[-1], 1), padding="same")


def maxima(x: Tensor) -> Tensor:
    return ops.max_pool(x, 3, 2)


def means(x: Tensor) -> Tensor:
    return ops.average_pool(x, 2, 2)


def enlarged(x: Tensor) -> Tensor:
    return ops.image.resize(x, SHAPE[1:3])


def reduced(x: Tensor) -> Tensor:
    return ops.image.resize(x, (SHAPE[1] // 2, SHAPE[2] // 2))


def channels_first(x: Tensor) -> Tensor:
    return ops.copy(ops.transpose(x, (0, 3, 1, 2)))


def turned(x: Tensor) -> Tensor:
    return ops.copy(ops.transpose(x, (0, 2, 1)))


def normalized(x: Tensor) -> Tensor:
    return ops.layer_normalization(x, numbers(x.shape[-1]), numbers(x.shape[-1]))


SMALL = (2, 120, 125, 40)
ODD = (2, 239, 251, 41)
WORK = {
    "depthwise": (depthwise, SHAPE),
    "depthwise back": (back(depthwise, SHAPE), SHAPE),
    "maxima back": (back(maxima, SHAPE), (2, 119, 124, 40)),
    "means back": (back(means, SHAPE), SMALL),
    "enlarged": (enlarged, SMALL),
    "enlarged along one axis": (enlarged, (2, 120, 250, 40)),
    "reduced back": (back(reduced, SHAPE), SMALL),
    "added": (lambda x: x + 1.0, SHAPE),
    "row added": (lambda x: x + numbers(41), ODD),
    "predicate": (lambda x: ops.where(x > 0.5, x, -x), ODD),
    "relu": (ops.relu, ODD),
    "copied": (ops.copy, SHAPE),
    "columns left out": (lambda x: ops.copy(x[..., :40]), ODD),
    "channels first": (channels_first, SHAPE),
    "channels first, odd": (channels_first, ODD),
    "rows turned": (turned, (2, 1024, 2304)),
    "rows turned, odd": (turned, (2, 1031, 2311)),
    "normalized": (normalized, SHAPE),
    "normalized back": (back(normalized, SHAPE), SHAPE),
}


@pytest.mark.parametrize("name", WORK)
def test_large_results_have_the_same_bits(name: str) -> None:
    work, shape = WORK[name]
    x = ops.convert_to_tensor(numbers(*shape))
    whole = work(x)
    assert whole.numpy().nbytes >= 16 << 20
    parts = [work(x[i : i + 1]).numpy() for i in range(2)]
    assert np.array_equal(whole.numpy(), np.concatenate(parts))
