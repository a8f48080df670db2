"""Layers that change shapes and no values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..ops.arguments import layout
from ..registry import built_in
from .base import InputSpec, Layer

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]


@built_in("layer")
class Flatten(Layer):
    """Makes all axes but the first one axis.

    Args:
        data_format: "channels_last" (default) or "channels_first", which moves the channels to the
            end first, so that the result does not depend on the layout.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: another data format.

    Example:
        >>> import numpy as np
        >>> Flatten()(np.ones((2, 3, 4), "float32")).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = layout("Flatten", data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Flatten (N, ...) to (N, size)."""
        shape = inputs.shape
        if self.data_format == "channels_first" and len(shape) > 2:
            inputs = ops.transpose(inputs, (0, *range(2, len(shape)), 1))
        return ops.reshape(inputs, (shape[0], math.prod(shape[1:])))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "data_format": self.data_format}


@built_in("layer")
class Reshape(Layer):
    """Gives each sample another shape of the same size.

    Args:
        target_shape: the shape without the batch axis; at most one size may be -1, which stands for
            what is left.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: more than one -1.
        ShapeError: on call, a sample of another size.

    Example:
        >>> import numpy as np
        >>> Reshape((2, -1))(np.ones((5, 6), "float32")).shape
        (5, 2, 3)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(int(size) for size in target_shape)
        if self.target_shape.count(-1) > 1 or any(size < -1 for size in self.target_shape):
            raise ArgumentError(
                f"Reshape: target_shape must hold sizes and at most one -1, got {self.target_shape}"
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Reshape (N, ...) to (N, *target_shape)."""
        size = math.prod(inputs.shape[1:])
        known = math.prod(s for s in self.target_shape if s != -1)
        fits = size == known if -1 not in self.target_shape else known and size % known == 0
        if not fits:
            raise ShapeError(
                f"Reshape {self.name!r}: a sample of shape {tuple(inputs.shape[1:])} has {size} "
                f"entries and cannot take the shape {self.target_shape}"
            )
        target = tuple(size // known if s == -1 else s for s in self.target_shape)
        return ops.reshape(inputs, (inputs.shape[0], *target))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "target_shape": self.target_shape}


@built_in("layer")
class Permute(Layer):
    """Puts the axes of each sample in another order.

    Args:
        dims: the axes in their new order, counted from 1; the batch axis stays first.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: `dims` is no permutation of 1, 2, ....
        ShapeError: on call, another rank.

    Example:
        >>> import numpy as np
        >>> Permute((2, 1))(np.ones((5, 3, 4), "float32")).shape
        (5, 4, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                f"Permute: dims must hold each of 1 ... {len(self.dims)} once, got {self.dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Permute the axes."""
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dims": self.dims}


@built_in("layer")
class RepeatVector(Layer):
    """Repeats each sample: (N, C) becomes (N, n, C).

    Args:
        n: how often.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: `n` is not a whole number.
        ShapeError: on call, another rank than 2.

    Example:
        >>> import numpy as np
        >>> RepeatVector(3)(np.ones((5, 4), "float32")).shape
        (5, 3, 4)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ArgumentError(f"RepeatVector: n must be a whole number >= 0, got {n!r}")
        self.n = n
        self.input_spec = InputSpec(ndim=2)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Repeat."""
        size, channels = inputs.shape
        return ops.broadcast_to(ops.expand_dims(inputs, 1), (size, self.n, channels))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "n": self.n}
