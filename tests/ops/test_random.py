"""Draws: what depends on the seed, what their distribution is, and the map that never changes."""

import math

import numpy as np
import pytest
import references as ref

from pyneuro import autograd, ops
from pyneuro.ops import random
from pyneuro.tensor import convert

N = 200_000


def test_known_bits_never_change() -> None:
    # Random123's published vectors of Philox4x32-10: counter and key 0, and all ones.
    assert [hex(int(w)) for w in ref.philox_words((0, 0), 4)] == [
        "0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8",
    ]  # fmt: skip
    words = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], "uint64")
    want = (words >> np.uint64(8)) * 2.0**-24
    assert random.uniform(4, 0.0, 1.0, seed=[0, 0]).tolist() == want.tolist()


def test_the_same_seed_draws_the_same() -> None:
    first = random.normal((3, 5), 0.0, 1.0, seed=[1, 2])
    assert first.tolist() == random.normal((3, 5), 0.0, 1.0, seed=[1, 2]).tolist()
    assert first.tolist() == random.normal((5, 3), 0.0, 1.0, seed=[1, 2]).reshape(3, 5).tolist()
    for other in ([2, 2], [1, 3], [1 + 2**32, 2], [1, 2 + 2**32], [-1, 2]):
        assert first.tolist() != random.normal((3, 5), 0.0, 1.0, seed=np.array(other)).tolist()


def test_a_longer_draw_begins_with_the_shorter() -> None:
    short = random.uniform(7, 0.0, 1.0, seed=[3, 0]).tolist()
    assert random.uniform(1000, 0.0, 1.0, seed=[3, 0]).tolist()[:7] == short


@pytest.mark.parametrize("dtype", ref.FLOATS)
def test_uniform_is_even(dtype: str) -> None:
    x = random.uniform(N, -2.0, 3.0, dtype, seed=[4, 0])
    assert x.dtype == dtype
    values = x.numpy().astype("float64")
    low, high = values.min(), values.max()
    assert low >= -2.0
    assert high < 3.0 or dtype in ("float16", "bfloat16")  # which may round up to it
    share = np.histogram(values, bins=20, range=(-2, 3))[0] / N
    assert abs(share - 0.05).max() < 6 * math.sqrt(0.05 / N) + (0.01 if "16" in dtype else 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_is_normal(dtype: str) -> None:
    z = random.normal(N, 0.0, 1.0, dtype, seed=[5, 0]).numpy().astype("float64")
    assert abs(z.mean()) < 5 / math.sqrt(N)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / N)
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / N)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / N)
    assert np.isfinite(z).all()
    distribution = 0.5 * (1 + ref.erf(np.sort(z) / math.sqrt(2)))
    assert abs(distribution - (np.arange(N) + 0.5) / N).max() < 2 / math.sqrt(N)  # Kolmogorov
    assert abs(np.corrcoef(z[0::2], z[1::2])[0, 1]) < 5 / math.sqrt(N / 2)


def test_dropout_keeps_the_mean_and_draws_its_mask_again() -> None:
    x = convert(np.ones(N))
    x.requires_grad = True
    y = random.dropout(x, 0.3, seed=[6, 0])
    kept = y.numpy() != 0
    assert abs(kept.mean() - 0.7) < 5 * math.sqrt(0.21 / N)
    assert np.unique(y.numpy()).tolist() == [0.0, 1.0 / 0.7]
    g = autograd.grad(ops.sum(y), x)
    np.testing.assert_array_equal(g.numpy(), y.numpy())


def test_dropout_at_the_ends() -> None:
    x = np.array([1.0, -2.0, math.inf])
    assert random.dropout(x, 0.0, seed=[1, 1]).tolist() == x.tolist()
    assert random.dropout(x[:2], 1.0, seed=[1, 1]).tolist() == [0.0, 0.0]
