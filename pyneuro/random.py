"""Random numbers with `keras.random`'s names: drawn from a seed and a counter.

A `SeedGenerator` gives other numbers at each draw; an integer seed gives the same numbers each
time; `None` draws from the process-wide generator that `utils.set_random_seed` resets.
"""

from __future__ import annotations

import math
import random as python_random
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from . import config, ops
from .errors import ArgumentError
from .ops import random as random_ops
from .registry import built_in
from .tensor import Tensor, convert
from .variable import Variable, structure_changed

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

Shape = Sequence[int]


def make_default_seed() -> int:
    """A seed for whoever was given none, from Python's `random`, which `set_random_seed` seeds."""
    return python_random.randint(1, int(1e9))


@built_in("random")
class SeedGenerator:
    """A source of seeds: a fixed seed and a counter that moves on at each draw.

    Args:
        seed: a whole number in [0, 2**63); `None` draws one from Python's `random`.
        name: a name for the state's variable.
        **kwargs: only `backend`, ignored as there is one.

    Raises:
        ArgumentError: the seed is no such number.

    Example:
        >>> generator = SeedGenerator(seed=1)
        >>> a, b = uniform((2,), seed=generator), uniform((2,), seed=generator)
        >>> a.tolist() == b.tolist()
        False
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        kwargs.pop("backend", None)
        if kwargs:
            raise ArgumentError(f"SeedGenerator: unknown arguments {sorted(kwargs)}")
        self.name = name or "seed_generator"
        seed = make_default_seed() if seed is None else _check_seed(seed)
        self._initial_seed = seed
        self.state = Variable(
            np.array([seed, 0], dtype="int64"),
            dtype="int64",
            trainable=False,
            autocast=False,
            name="seed_generator_state",
        )

    @property
    def seed(self) -> int:
        """The seed this generator began with."""
        return self._initial_seed

    def next(self, ordered: bool = True) -> Tensor:
        """The seed of the next draw: int64 (2,), the seed and the counter, which then moves on.

        Args:
            ordered: accepted for Keras's signature; draws are always in order.

        Returns:
            A tensor to give as `seed=`.
        """
        state: Tensor = self.state.value
        self.state.assign(state + _ONE_DRAW)
        return state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """Make one from `get_config()`'s result."""
        return cls(**config)


_ONE_DRAW = np.array([0, 1], dtype="int64")


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ArgumentError(f"a seed must be a whole number in [0, 2**63), got {seed!r}")
    return int(seed)


class _Global:
    """The generator behind `seed=None`; made when first needed."""

    generator: SeedGenerator | None = None


def global_seed_generator() -> SeedGenerator:
    """The process-wide generator behind `seed=None`.

    Returns:
        A `SeedGenerator`.
    """
    if _Global.generator is None:
        _Global.generator = SeedGenerator(name="global_seed_generator")
    return _Global.generator


def present_global_seed_generator() -> SeedGenerator | None:
    """The process-wide generator, or `None` as long as nothing was drawn from it."""
    return _Global.generator


def reset_global_seed_generator(seed: int | None) -> None:
    """Begin the process-wide draws anew from a seed; `None`: from Python's `random` when needed."""
    structure_changed()
    _Global.generator = None if seed is None else SeedGenerator(seed, "global_seed_generator")


def draw_seed(seed: Any) -> Any:
    """Turn what a user gives as `seed=` into the (2,) integer array that random ops take.

    Args:
        seed: a `SeedGenerator` (which moves on), a whole number, an array of two, or `None` (the
            process-wide generator).

    Returns:
        An int64 tensor or array of shape (2,).

    Raises:
        ArgumentError: none of these.

    Example:
        >>> draw_seed(3).tolist()
        [3, 0]
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, (Tensor, np.ndarray)):
        return seed
    return np.array([_check_seed(seed), 0], dtype="int64")


def uniform(
    shape: Shape,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: Any = None,
) -> Tensor:
    """Numbers spread evenly over [minval, maxval).

    Args:
        shape: the shape of the result.
        minval: the lower bound, included.
        maxval: the upper bound, excluded.
        dtype: a floating dtype; default `floatx`.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape.

    Example:
        >>> uniform((2, 3), seed=1).shape
        (2, 3)
    """
    return random_ops.uniform(
        tuple(shape), minval, maxval, dtype=dtype or config.floatx(), seed=draw_seed(seed)
    )


def normal(
    shape: Shape,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Any = None,
) -> Tensor:
    """Normally distributed numbers.

    Args:
        shape: the shape of the result.
        mean: their mean.
        stddev: their standard deviation.
        dtype: a floating dtype; default `floatx`.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape.

    Example:
        >>> normal((4,), seed=1).dtype
        'float32'
    """
    return random_ops.normal(
        tuple(shape), mean, stddev, dtype=dtype or config.floatx(), seed=draw_seed(seed)
    )


# Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution", PPND16:
# numerator and denominator, highest power first, of the centre and of the tails up to |z| = 6.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
     1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055,
     4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
     0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
     2.05319162663775882187, 1.0),
)  # fmt: skip


def _ratio(x: Tensor, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    parts = []
    for coefficients in polynomials:
        value = ops.full_like(x, coefficients[0])
        for coefficient in coefficients[1:]:
            value = value * x + coefficient
        parts.append(value)
    result: Tensor = parts[0] / parts[1]
    return result


def _normal_quantile(p: Tensor) -> Tensor:
    """The z below which a normal variable lies with probability p, for 1e-9 < p < 1 - 1e-9."""
    q = p - 0.5
    near = ops.absolute(q) <= 0.425
    centre = q * _ratio(0.180625 - ops.minimum(ops.square(q), 0.180625), _CENTRE)
    tail = _ratio(ops.sqrt(-ops.log(ops.minimum(p, 1.0 - p))) - 1.6, _TAIL)
    return cast("Tensor", ops.where(near, centre, ops.where(q < 0.0, -tail, tail)))


def truncated_normal(
    shape: Shape,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Any = None,
) -> Tensor:
    """Normally distributed numbers, none further than two standard deviations from the mean.

    Args:
        shape: the shape of the result.
        mean: their mean.
        stddev: the standard deviation before truncation.
        dtype: a floating dtype; default `floatx`.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape.

    Example:
        >>> bool((abs(truncated_normal((100,), seed=1).numpy()) <= 2).all())
        True
    """
    dtype = dtype or config.floatx()
    compute = "float64" if dtype == "float64" else "float32"
    below = 0.5 * math.erfc(math.sqrt(2.0))  # P(z < -2)
    p = uniform(shape, below, 1.0 - below, dtype=compute, seed=seed)
    z = ops.minimum(ops.maximum(_normal_quantile(p), -2.0), 2.0)
    return ops.cast(z * stddev + mean, dtype)


def randint(
    shape: Shape, minval: int, maxval: int, dtype: str = "int32", seed: Any = None
) -> Tensor:
    """Whole numbers spread evenly over [minval, maxval).

    Args:
        shape: the shape of the result.
        minval: the lower bound, included.
        maxval: the upper bound, excluded; at most 2**53 above `minval`.
        dtype: an integer dtype.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape.

    Raises:
        ArgumentError: an empty range, or a floating dtype.

    Example:
        >>> set(randint((50,), 0, 3, seed=1).tolist()) <= {0, 1, 2}
        True
    """
    if "int" not in dtype:
        raise ArgumentError(f"randint: dtype must be an integer dtype, got {dtype!r}")
    if not minval < maxval:
        raise ArgumentError(f"randint: minval {minval} must be below maxval {maxval}")
    draw = uniform(shape, 0.0, float(maxval - minval), dtype="float64", seed=seed)
    offset = ops.cast(ops.floor(draw), "int64")
    return ops.cast(offset + minval, dtype)


def categorical(logits: Any, num_samples: int, dtype: str = "int32", seed: Any = None) -> Tensor:
    """Draw classes with the probabilities `softmax(logits)`.

    Args:
        logits: floating (batch, classes).
        num_samples: draws for each row.
        dtype: an integer dtype.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        Class numbers (batch, num_samples).

    Example:
        >>> import numpy as np
        >>> categorical(np.array([[0.0, 50.0]], "float32"), 3, seed=1).tolist()
        [[1, 1, 1]]
    """
    logits = convert(logits)
    rows, classes = logits.shape
    tiny = 1e-20  # keeps log away from 0: a draw may be exactly 0
    draw = uniform((rows, num_samples, classes), dtype="float32", seed=seed)
    gumbel = -ops.log(-ops.log(draw + tiny) + tiny)
    return ops.cast(ops.argmax(ops.expand_dims(logits, 1) + gumbel, axis=-1), dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """Put the entries along an axis in random order.

    Args:
        x: a tensor.
        axis: the axis.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of `x`'s shape and dtype.

    Example:
        >>> sorted(shuffle([1, 2, 3], seed=1).tolist())
        [1, 2, 3]
    """
    x = convert(x)
    keys = uniform((x.shape[axis],), dtype="float64", seed=seed)
    return ops.take(x, ops.argsort(keys), axis=axis)


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None
) -> Tensor:
    """Set a random share of the entries to zero and scale the rest by `1 / (1 - rate)`.

    Args:
        inputs: a floating tensor.
        rate: the share that is dropped, in [0, 1].
        noise_shape: the shape of the mask, where 1 means shared along that axis and `None` the
            input's own size; default: the input's shape.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the input's shape and dtype.

    Example:
        >>> dropout([1.0, 1.0], rate=0.0, seed=1).tolist()
        [1.0, 1.0]
    """
    inputs = convert(inputs)
    if noise_shape is None:
        return random_ops.dropout(inputs, rate, seed=draw_seed(seed))
    sizes = tuple(
        own if size is None else size for size, own in zip(noise_shape, inputs.shape, strict=True)
    )
    if rate >= 1.0:
        return ops.zeros_like(inputs)
    kept = uniform(sizes, dtype="float32", seed=seed) >= rate
    return cast("Tensor", ops.where(kept, inputs * (1.0 / (1.0 - rate)), 0.0))


# ---- drawn by NumPy ------------------------------------------------------------------------------
# Draws that need a loop until a number is accepted. The generator is made anew of (seed, counter)
# at each call, so the numbers depend on the seed alone and a recorded step replays.


def _generator(seed: Any) -> np.random.Generator:
    key = np.asarray(seed).astype("uint64")
    return np.random.Generator(np.random.Philox(key=int(key[0]), counter=[0, 0, 0, int(key[1])]))


def _draw_gamma(seed: Any, alpha: Any) -> Any:
    return _generator(seed).standard_gamma(alpha)


def _draw_beta(seed: Any, alpha: Any, beta: Any) -> Any:
    return _generator(seed).beta(alpha, beta)


def _draw_binomial(seed: Any, counts: Any, probabilities: Any) -> Any:
    drawn = _generator(seed).binomial(counts.astype("int64"), probabilities)
    return np.asarray(drawn, "float64")


def _drawn(
    function: Any, shape: Shape, parameters: tuple[Any, ...], dtype: str | None, seed: Any
) -> Tensor:
    wide = tuple(shape)
    wanted = [ops.broadcast_to(ops.cast(ops.stop_gradient(p), "float64"), wide) for p in parameters]
    out = ops.host_call(function, draw_seed(seed), *wanted, output_specs=[(wide, "float64")])
    return ops.cast(cast("Tensor", out), dtype or config.floatx())


def gamma(shape: Shape, alpha: Any, dtype: str | None = None, seed: Any = None) -> Tensor:
    """Numbers of a gamma distribution of scale 1.

    Args:
        shape: the shape of the result.
        alpha: the shape parameter, > 0: a number, or a tensor that broadcasts to `shape`.
        dtype: a floating dtype; default `floatx`.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape. No gradient passes to `alpha`.

    Example:
        >>> bool((gamma((100,), 2.0, seed=1).numpy() > 0).all())
        True
    """
    return _drawn(_draw_gamma, shape, (alpha,), dtype, seed)


def beta(shape: Shape, alpha: Any, beta: Any, dtype: str | None = None, seed: Any = None) -> Tensor:
    """Numbers of a beta distribution, in [0, 1].

    Args:
        shape: the shape of the result.
        alpha: the first parameter, > 0: a number, or a tensor that broadcasts to `shape`.
        beta: the second parameter, likewise.
        dtype: a floating dtype; default `floatx`.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape. No gradient passes to the parameters.

    Example:
        >>> bool((beta((100,), 2.0, 3.0, seed=1).numpy() <= 1).all())
        True
    """
    return _drawn(_draw_beta, shape, (alpha, beta), dtype, seed)


def binomial(
    shape: Shape, counts: Any, probabilities: Any, dtype: str | None = None, seed: Any = None
) -> Tensor:
    """How many of some trials succeed.

    Args:
        shape: the shape of the result.
        counts: the number of trials: a number, or a tensor that broadcasts to `shape`.
        probabilities: the chance of each trial in [0, 1], likewise.
        dtype: the dtype of the result; default `floatx`.
        seed: a `SeedGenerator`, a whole number, or `None`.

    Returns:
        A tensor of the shape.

    Example:
        >>> binomial((2,), 5, 1.0, seed=1).tolist()
        [5.0, 5.0]
    """
    return _drawn(_draw_binomial, shape, (counts, probabilities), dtype, seed)
