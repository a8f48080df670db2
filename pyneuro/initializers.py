"""Initializers: callables `(shape, dtype) -> Tensor` that give a weight its first value.

A seed that is a whole number, or none, gives the same values at each call of one initializer; a
`SeedGenerator` gives others. Initializers without a seed take one from Python's `random` when they
are made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import config, ops, random
from .errors import ArgumentError
from .random import SeedGenerator, make_default_seed
from .registry import built_in, deserialize_keras_object, resolve, serialize_keras_object
from .tensor import Tensor

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

Shape = Sequence[int]


class Initializer:
    """Base class: a callable that gives the first value of a weight of some shape."""

    def __call__(self, shape: Shape, dtype: str | None = None) -> Any:
        """The first value of a weight.

        Args:
            shape: the weight's shape.
            dtype: the weight's dtype; default `floatx`.

        Returns:
            A tensor of this shape.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype)")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Make one from `get_config()`'s result."""
        return cls(**config)

    def clone(self) -> Initializer:
        """A new initializer with the same arguments."""
        return type(self).from_config(self.get_config())


@built_in("initializer", "zeros")
class Zeros(Initializer):
    """All zeros.

    Example:
        >>> Zeros()((2,)).tolist()
        [0.0, 0.0]
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        return ops.zeros(tuple(shape), dtype=dtype or config.floatx())


@built_in("initializer", "ones")
class Ones(Initializer):
    """All ones.

    Example:
        >>> Ones()((2,)).tolist()
        [1.0, 1.0]
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        return ops.ones(tuple(shape), dtype=dtype or config.floatx())


@built_in("initializer", "constant")
class Constant(Initializer):
    """One value everywhere, or an array that fits the shape.

    Args:
        value: a number or an array that broadcasts to the weight's shape.

    Example:
        >>> Constant(3)((2,)).tolist()
        [3.0, 3.0]
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        return ops.broadcast_to(ops.cast(self.value, dtype or config.floatx()), tuple(shape))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        """Make one from `get_config()`'s result."""
        return cls(deserialize_keras_object(config["value"]))


@built_in("initializer", "identity")
class Identity(Initializer):
    """The identity matrix times a number.

    Args:
        gain: the number on the diagonal.

    Raises:
        ArgumentError: on call, a shape that is no matrix's.

    Example:
        >>> Identity(2)((2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        if len(shape) != 2:
            raise ArgumentError(f"Identity: the shape must be a matrix's, got {tuple(shape)}")
        result: Tensor = ops.eye(shape[0], shape[1], dtype=dtype or config.floatx()) * self.gain
        return result

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base class of initializers that draw random numbers.

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.

    Raises:
        ArgumentError: another kind of seed.
    """

    def __init__(self, seed: Any = None) -> None:
        self._given_seed = seed
        if seed is None:
            seed = make_default_seed()
        elif isinstance(seed, dict):
            seed = deserialize_keras_object(seed)
        if not isinstance(seed, (int, np.integer, SeedGenerator)) or isinstance(seed, bool):
            raise ArgumentError(
                f"{type(self).__name__}: seed must be a whole number, a SeedGenerator or None, "
                f"got {seed!r}"
            )
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": serialize_keras_object(self._given_seed)}


@built_in("initializer", "random_normal")
class RandomNormal(RandomInitializer):
    """Normally distributed numbers.

    Args:
        mean: their mean.
        stddev: their standard deviation.
        seed: a whole number, a `SeedGenerator`, or `None`.

    Example:
        >>> RandomNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


@built_in("initializer", "truncated_normal")
class TruncatedNormal(RandomInitializer):
    """Normally distributed numbers within two standard deviations of the mean.

    Args:
        mean: their mean.
        stddev: the standard deviation before truncation.
        seed: a whole number, a `SeedGenerator`, or `None`.

    Example:
        >>> TruncatedNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


@built_in("initializer", "random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Numbers spread evenly over a range.

    Args:
        minval: the lower bound, included.
        maxval: the upper bound, excluded.
        seed: a whole number, a `SeedGenerator`, or `None`.

    Example:
        >>> RandomUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


def compute_fans(
    shape: Shape,
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[float, float]:
    """How many inputs and outputs one element of a weight connects.

    Args:
        shape: (inputs, outputs) for `Dense`, (*window, channels, filters) for convolutions.
        input_axes: the axes that count as inputs, where the shape is of another kind.
        output_axes: the axes that count as outputs; both are given or none.

    Returns:
        `(fan_in, fan_out)`.

    Example:
        >>> compute_fans((3, 3, 16, 32))
        (144.0, 288.0)
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        inputs = math.prod(shape[axis] for axis in input_axes)
        outputs = math.prod(shape[axis] for axis in output_axes)
        other = math.prod(shape) / max(inputs * outputs, 1)
        return float(inputs * other), float(outputs * other)
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    window = math.prod(shape[:-2])
    return float(window * shape[-2]), float(window * shape[-1])


@built_in("initializer", "variance_scaling")
class VarianceScaling(RandomInitializer):
    """Random numbers whose variance is `scale / n`, n counted from the weight's shape.

    Args:
        scale: the factor, positive.
        mode: n is the inputs ("fan_in"), the outputs ("fan_out") or their mean ("fan_avg").
        distribution: "truncated_normal", "untruncated_normal" or "uniform".
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Raises:
        ArgumentError: a scale that is not positive, or an unknown mode or distribution.

    Example:
        >>> VarianceScaling(2.0, seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0.0:
            raise ArgumentError(f"VarianceScaling: scale must be positive, got {scale!r}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ArgumentError(
                f"VarianceScaling: mode must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}"
            )
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ArgumentError(
                "VarianceScaling: distribution must be 'uniform', 'truncated_normal' or "
                f"'untruncated_normal', got {distribution!r}"
            )
        if (input_axes is None) != (output_axes is None):
            raise ArgumentError("VarianceScaling: input_axes and output_axes go together")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        # 0.8796... is the standard deviation of a standard normal variable cut off at two
        return random.truncated_normal(
            shape, 0.0, math.sqrt(variance) / 0.87962566103423978, dtype, self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            **super().get_config(),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _NamedScaling(VarianceScaling):
    """A variance scaling with fixed scale, mode and distribution."""

    _fixed: tuple[float, str, str]

    def __init__(
        self,
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self._fixed, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


@built_in("initializer", "glorot_uniform")
class GlorotUniform(_NamedScaling):
    """Even over +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Example:
        >>> bool(abs(GlorotUniform(seed=1)((3, 3)).numpy()).max() <= 1.0)
        True
    """

    _fixed = (1.0, "fan_avg", "uniform")


@built_in("initializer", "glorot_normal")
class GlorotNormal(_NamedScaling):
    """Truncated normal, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010).

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Example:
        >>> GlorotNormal(seed=1)((3, 3)).shape
        (3, 3)
    """

    _fixed = (1.0, "fan_avg", "truncated_normal")


@built_in("initializer", "he_normal")
class HeNormal(_NamedScaling):
    """Truncated normal, variance 2 / fan_in (He et al. 2015).

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Example:
        >>> HeNormal(seed=1)((3, 3)).shape
        (3, 3)
    """

    _fixed = (2.0, "fan_in", "truncated_normal")


@built_in("initializer", "he_uniform")
class HeUniform(_NamedScaling):
    """Even over +-sqrt(6 / fan_in) (He et al. 2015).

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Example:
        >>> HeUniform(seed=1)((3, 3)).shape
        (3, 3)
    """

    _fixed = (2.0, "fan_in", "uniform")


@built_in("initializer", "lecun_normal")
class LecunNormal(_NamedScaling):
    """Truncated normal, variance 1 / fan_in (LeCun et al. 1998).

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Example:
        >>> LecunNormal(seed=1)((3, 3)).shape
        (3, 3)
    """

    _fixed = (1.0, "fan_in", "truncated_normal")


@built_in("initializer", "lecun_uniform")
class LecunUniform(_NamedScaling):
    """Even over +-sqrt(3 / fan_in) (LeCun et al. 1998).

    Args:
        seed: a whole number, a `SeedGenerator`, or `None`.
        input_axes: the axes that count as inputs, where the shape is not (.., inputs, outputs).
        output_axes: the axes that count as outputs.

    Example:
        >>> LecunUniform(seed=1)((3, 3)).shape
        (3, 3)
    """

    _fixed = (1.0, "fan_in", "uniform")


@built_in("initializer", "orthogonal")
class Orthogonal(RandomInitializer):
    """A random matrix with orthogonal rows or columns, by the QR decomposition (Saxe et al. 2014).

    A weight with more axes is taken as the matrix (all but the last, last).

    Args:
        gain: a factor on the matrix.
        seed: a whole number, a `SeedGenerator`, or `None`.

    Raises:
        ArgumentError: on call, a shape with fewer than two axes.

    Example:
        >>> import numpy as np
        >>> q = Orthogonal(seed=1)((3, 3)).numpy()
        >>> bool(np.allclose(q @ q.T, np.eye(3), atol=1e-5))
        True
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        """The first value of a weight of this shape."""
        if len(shape) < 2:
            raise ArgumentError(f"Orthogonal: the shape needs two axes or more, got {tuple(shape)}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        draw = random.normal(tall, dtype="float64", seed=self.seed).numpy()
        q, r = np.linalg.qr(draw)
        q = q * np.sign(np.diag(r))  # makes the decomposition unique, and the result uniform
        matrix = q.T if rows < columns else q
        return ops.cast(self.gain * matrix.reshape(tuple(shape)), dtype or config.floatx())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"gain": self.gain, **super().get_config()}


IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
zeros, ones, constant, identity, orthogonal = Zeros, Ones, Constant, Identity, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform, glorot_normal, he_normal, he_uniform = (
    GlorotUniform,
    GlorotNormal,
    HeNormal,
    HeUniform,
)
lecun_normal, lecun_uniform = LecunNormal, LecunUniform


def get(identifier: Any) -> Any:
    """Turn what a user gives as `kernel_initializer=` into a callable.

    Args:
        identifier: `None`, a name, a callable `(shape, dtype)`, an array (taken as the value), or
            a serialized initializer.

    Returns:
        A callable, or `None`.

    Raises:
        UnknownNameError: no initializer of this name; suggests the nearest.

    Example:
        >>> type(get("he_normal")).__name__
        'HeNormal'
    """
    if isinstance(identifier, (np.ndarray, Tensor)):
        return Constant(identifier)
    return resolve("initializer", identifier)


def serialize(initializer: Any) -> Any:
    """The initializer as a dict that `deserialize` understands."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make an initializer from `serialize`'s result."""
    return deserialize_keras_object(config, custom_objects=custom_objects)
