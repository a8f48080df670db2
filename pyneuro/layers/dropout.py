"""Layers that are random while training and do nothing otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops, random
from ..errors import ArgumentError
from ..ops.arguments import layout
from ..random import SeedGenerator
from ..registry import built_in
from .base import InputSpec, Layer

__all__ = [
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]


def _share(layer: str, argument: str, value: Any) -> float:
    """Give back a number in [0, 1], or raise ArgumentError naming layer and argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ArgumentError(f"{layer}: {argument} must be a number in [0, 1], got {value!r}")
    return float(value)


@built_in("layer")
class Dropout(Layer):
    """Sets a random share of the inputs to zero while training, and scales the rest up to match.

    Args:
        rate: the share that is dropped, in [0, 1].
        noise_shape: the shape of the mask, where 1 means shared along that axis and `None` the
            input's own size; default: the input's shape.
        seed: a whole number for a repeatable sequence of masks; `None` for any.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a rate outside of [0, 1].

    Example:
        >>> import numpy as np
        >>> Dropout(0.5)(np.ones((2,), "float32")).tolist()  # not training
        [1.0, 1.0]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _share("Dropout", "rate", rate)
        self.seed = seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        if self.rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Drop, if `training`."""
        if not training or self.rate == 0.0:
            return inputs
        return random.dropout(
            inputs, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "noise_shape": self.noise_shape,
        }


@built_in("layer")
class AlphaDropout(Layer):
    """Dropout for networks of SELU units: keeps mean and variance (Klambauer et al. 2017).

    Dropped entries take the value that SELU has far below zero; then all are scaled and shifted.

    Args:
        rate: the share that is dropped, in [0, 1).
        noise_shape: as for `Dropout`.
        seed: a whole number for a repeatable sequence of masks; `None` for any.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a rate outside of [0, 1).

    Example:
        >>> import numpy as np
        >>> AlphaDropout(0.5)(np.ones((2,), "float32")).tolist()  # not training
        [1.0, 1.0]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _share("AlphaDropout", "rate", rate)
        self.seed = seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        if self.rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Drop, if `training`."""
        if not training or self.rate == 0.0:
            return inputs
        shape = tuple(inputs.shape)
        if self.noise_shape is not None:
            sizes = zip(shape, self.noise_shape, strict=True)
            shape = tuple(own if size is None else size for own, size in sizes)
        kept = random.uniform(shape, dtype="float32", seed=self.seed_generator) >= self.rate
        lowest = -1.6732632423543772 * 1.0507009873554805  # -alpha * scale of SELU
        scale = ((1 - self.rate) * (1 + self.rate * lowest**2)) ** -0.5
        return ops.where(kept, inputs, lowest) * scale - scale * lowest * self.rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "noise_shape": self.noise_shape,
        }


@built_in("layer")
class GaussianDropout(Layer):
    """Multiplies by normal noise of mean 1 and variance rate / (1 - rate) while training.

    Args:
        rate: the dropout rate whose variance the noise has, in [0, 1).
        seed: a whole number for a repeatable sequence of noise; `None` for any.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a rate outside of [0, 1).

    Example:
        >>> import numpy as np
        >>> GaussianDropout(0.5)(np.ones((2,), "float32")).tolist()  # not training
        [1.0, 1.0]
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = _share("GaussianDropout", "rate", rate)
        if self.rate == 1.0:
            raise ArgumentError("GaussianDropout: rate must be below 1: the noise has no variance")
        self.seed = seed
        if self.rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Multiply, if `training`."""
        if not training or self.rate == 0.0:
            return inputs
        deviation = math.sqrt(self.rate / (1.0 - self.rate))
        return inputs * random.normal(
            inputs.shape, 1.0, deviation, dtype=inputs.dtype, seed=self.seed_generator
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@built_in("layer")
class GaussianNoise(Layer):
    """Adds normal noise of mean 0 while training.

    Args:
        stddev: the standard deviation of the noise, in [0, 1].
        seed: a whole number for a repeatable sequence of noise; `None` for any.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a deviation outside of [0, 1].

    Example:
        >>> import numpy as np
        >>> GaussianNoise(0.5)(np.ones((2,), "float32")).tolist()  # not training
        [1.0, 1.0]
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = _share("GaussianNoise", "stddev", stddev)
        self.seed = seed
        if self.stddev > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Add, if `training`."""
        if not training or self.stddev == 0.0:
            return inputs
        return inputs + random.normal(
            inputs.shape, 0.0, self.stddev, dtype=inputs.dtype, seed=self.seed_generator
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class _SpatialDropout(Dropout):
    """Dropout of whole channels (Tompson et al. 2015), for neighbours that are much alike."""

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        *,
        rank: int,
        channels_first: bool = False,
        **kwargs: Any,
    ) -> None:
        shared = (1,) * rank
        noise_shape = (None, None, *shared) if channels_first else (None, *shared, None)
        super().__init__(rate, noise_shape, seed=seed, name=name, dtype=dtype, **kwargs)
        self.input_spec = InputSpec(ndim=rank + 2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["noise_shape"]
        return config


@built_in("layer")
class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of (N, steps, C) while training.

    Args:
        rate: the share that is dropped, in [0, 1].
        seed: a whole number for a repeatable sequence of masks; `None` for any.
        name: a name.
        dtype: a dtype or dtype policy.
        **kwargs: trainable, as for every layer.

    Raises:
        ArgumentError: a rate outside of [0, 1].
        ShapeError: on call, another rank than 3.

    Example:
        >>> import numpy as np
        >>> SpatialDropout1D(0.5)(np.ones((1, 2, 3), "float32")).shape
        (1, 2, 3)
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed, name, dtype, rank=1, **kwargs)


class _SpatialDropoutOfImages(_SpatialDropout):
    """Spatial dropout that knows where the channels are."""

    _rank: int

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        chosen = layout(type(self).__name__, data_format)
        super().__init__(
            rate, seed, name, dtype, rank=self._rank, channels_first=chosen == "channels_first",
            **kwargs,
        )  # fmt: skip
        self.data_format = chosen

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "data_format": self.data_format}


@built_in("layer")
class SpatialDropout2D(_SpatialDropoutOfImages):
    """Drops whole channels of (N, H, W, C) while training.

    Args:
        rate: the share that is dropped, in [0, 1].
        data_format: "channels_last" or "channels_first"; default as configured.
        seed: a whole number for a repeatable sequence of masks; `None` for any.
        name: a name.
        dtype: a dtype or dtype policy.
        **kwargs: trainable, as for every layer.

    Raises:
        ArgumentError: a rate outside of [0, 1], or another data format.
        ShapeError: on call, another rank than 4.

    Example:
        >>> import numpy as np
        >>> SpatialDropout2D(0.5)(np.ones((1, 2, 2, 3), "float32")).shape
        (1, 2, 2, 3)
    """

    _rank = 2


@built_in("layer")
class SpatialDropout3D(_SpatialDropoutOfImages):
    """Drops whole channels of (N, D, H, W, C) while training.

    Args:
        rate: the share that is dropped, in [0, 1].
        data_format: "channels_last" or "channels_first"; default as configured.
        seed: a whole number for a repeatable sequence of masks; `None` for any.
        name: a name.
        dtype: a dtype or dtype policy.
        **kwargs: trainable, as for every layer.

    Raises:
        ArgumentError: a rate outside of [0, 1], or another data format.
        ShapeError: on call, another rank than 5.

    Example:
        >>> import numpy as np
        >>> SpatialDropout3D(0.5)(np.ones((1, 2, 2, 2, 3), "float32")).shape
        (1, 2, 2, 2, 3)
    """

    _rank = 3
