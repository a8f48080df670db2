"""Seeds, draws and initializers."""

import math

import numpy as np
import pytest

from pyneuro import initializers, random, utils
from pyneuro.errors import ArgumentError


def test_a_generator_moves_on_and_an_integer_does_not() -> None:
    generator = random.SeedGenerator(5)
    first, second = (random.normal((4,), seed=generator).numpy() for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, random.normal((4,), seed=random.SeedGenerator(5)).numpy())
    np.testing.assert_array_equal(
        random.uniform((3,), seed=5).numpy(), random.uniform((3,), seed=5).numpy()
    )
    assert generator.state.tolist() == [5, 2]


def test_the_global_seed_decides_everything() -> None:
    def draw() -> list[object]:
        utils.set_random_seed(11)
        weights = initializers.GlorotUniform()((3, 2)).tolist()
        return [weights, random.normal((2,)).tolist(), np.random.rand()]

    assert draw() == draw()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "a"])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ArgumentError, match="seed"):
        random.SeedGenerator(seed)  # type: ignore[arg-type]


def test_distributions_have_their_moments() -> None:
    n = 100_000
    u = random.uniform((n,), -1.0, 3.0, seed=1).numpy()
    assert u.min() >= -1
    assert u.max() < 3
    assert abs(u.mean() - 1) < 0.02
    z = random.normal((n,), 2.0, 3.0, seed=1).numpy()
    assert abs(z.mean() - 2) < 0.05
    assert abs(z.std() - 3) < 0.05
    t = random.truncated_normal((n,), 1.0, 2.0, seed=1, dtype="float64").numpy()
    assert abs(t - 1).max() <= 4
    assert abs(t.mean() - 1) < 0.03
    assert abs(t.std() / 2 - 0.8796) < 0.01
    i = random.randint((n,), -2, 3, seed=1).numpy()
    assert set(i.tolist()) == {-2, -1, 0, 1, 2}
    assert i.dtype == np.int32
    c = random.categorical(np.log([[0.2, 0.8]]).astype("float32"), n, seed=1).numpy()
    assert abs(c.mean() - 0.8) < 0.01
    kept = random.dropout(np.ones((n,), "float32"), 0.25, seed=1).numpy()
    assert abs((kept == 0).mean() - 0.25) < 0.01
    np.testing.assert_allclose(kept[kept > 0], 1 / 0.75, rtol=1e-6)


def test_the_normal_quantile_is_exact() -> None:
    import statistics

    p = np.linspace(0.0228, 0.9772, 101)
    z = random._normal_quantile(random.convert(p)).numpy()
    exact = [statistics.NormalDist().inv_cdf(value) for value in p]
    np.testing.assert_allclose(z, exact, rtol=1e-12, atol=1e-12)


def test_noise_shape_shares_the_mask() -> None:
    out = random.dropout(np.ones((50, 8), "float32"), 0.5, noise_shape=(None, 1), seed=3).numpy()
    assert (out == out[:, :1]).all()
    assert 0 < (out == 0).mean() < 1


def test_shuffle_is_a_permutation_along_the_axis() -> None:
    x = np.arange(12).reshape(3, 4)
    y = random.shuffle(x, axis=1, seed=2).numpy()
    assert not np.array_equal(x, y)
    np.testing.assert_array_equal(np.sort(y, axis=1), x)
    np.testing.assert_array_equal(y - y[:1], (np.arange(3) * 4)[:, None] * np.ones((1, 4)))


FANS = [
    ("GlorotUniform", "uniform", lambda i, o: 2 / (i + o)),
    ("GlorotNormal", "normal", lambda i, o: 2 / (i + o)),
    ("HeNormal", "normal", lambda i, o: 2 / i),
    ("HeUniform", "uniform", lambda i, o: 2 / i),
    ("LecunNormal", "normal", lambda i, o: 1 / i),
    ("LecunUniform", "uniform", lambda i, o: 1 / i),
]


@pytest.mark.parametrize(("name", "kind", "variance"), FANS)
@pytest.mark.parametrize("shape", [(200, 300), (3, 3, 40, 60)])
def test_variances_follow_the_fans(name: str, kind: str, variance: object, shape: tuple) -> None:
    window = math.prod(shape[:-2])
    expected = variance(window * shape[-2], window * shape[-1])  # type: ignore[operator]
    values = getattr(initializers, name)(seed=1)(shape).numpy()
    assert abs(values.var() / expected - 1) < 0.03
    if kind == "uniform":
        assert abs(values).max() <= math.sqrt(3 * expected)
    again = getattr(initializers, name)(seed=1)(shape).numpy()
    np.testing.assert_array_equal(values, again)


def test_fixed_initializers() -> None:
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2)).numpy(), [[1, 2]] * 3)
    q = initializers.Orthogonal(gain=2.0, seed=1)((2, 3, 4)).numpy().reshape(6, 4)
    np.testing.assert_allclose(q.T @ q, 4 * np.eye(4), atol=1e-5)
    with pytest.raises(ArgumentError, match="matrix"):
        initializers.Identity()((2, 2, 2))
    with pytest.raises(ArgumentError, match="scale"):
        initializers.VarianceScaling(scale=0)


@pytest.mark.parametrize("name", sorted(set(initializers.__all__) & set(dir(initializers))))
def test_configs_round_trip(name: str) -> None:
    thing = getattr(initializers, name)
    if not isinstance(thing, type) or thing is initializers.Initializer:
        return
    made = thing()
    assert initializers.deserialize(initializers.serialize(made)).get_config() == made.get_config()
