"""Layers that are random while training and do nothing otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import random
from ..errors import ArgumentError
from ..random import SeedGenerator
from ..registry import built_in
from .base import Layer

__all__ = ["Dropout"]


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
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise ArgumentError(f"Dropout: rate must be a number in [0, 1], got {rate!r}")
        self.rate = float(rate)
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
