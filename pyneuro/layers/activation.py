"""Activations with parameters as layers: LeakyReLU, PReLU, ELU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from ..errors import ArgumentError
from ..registry import built_in
from .base import InputSpec, Layer

__all__ = ["ELU", "LeakyReLU", "PReLU"]


@built_in("layer")
class LeakyReLU(Layer):
    """`x` where positive, `negative_slope * x` elsewhere.

    Args:
        negative_slope: the slope below zero.
        **kwargs: name, dtype, as for every layer; `alpha`, Keras's older name of the slope.

    Raises:
        ArgumentError: no slope, or a negative one.

    Example:
        >>> import numpy as np
        >>> LeakyReLU(0.5)(np.array([-2.0, 2.0], "float32")).tolist()
        [-1.0, 2.0]
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ArgumentError(
                f"LeakyReLU: negative_slope must be a number >= 0, got {negative_slope!r}"
            )
        self.negative_slope = negative_slope
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "negative_slope": self.negative_slope}


@built_in("layer")
class ELU(Layer):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: the limit below zero, negated.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> ELU()(np.array([0.0, 2.0], "float32")).tolist()
        [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        return activations.elu(inputs, alpha=self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "alpha": self.alpha}


@built_in("layer")
class PReLU(Layer):
    """A leaky ReLU that learns its slope below zero, one for each entry or shared (He et al. 2015).

    Args:
        alpha_initializer: first value of the slopes.
        alpha_regularizer: penalty of the slopes.
        alpha_constraint: applied to the slopes after each update.
        shared_axes: the axes of the input, counted with the batch axis, along which one slope is
            shared: `[1, 2]` for one slope per channel of images (N, H, W, C).
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: `shared_axes` names the batch axis.

    Example:
        >>> import numpy as np
        >>> PReLU()(np.array([[-2.0, 2.0]], "float32")).tolist()
        [[0.0, 2.0]]
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if axes is None else list(axes)
        if self.shared_axes is not None and 0 in self.shared_axes:
            raise ArgumentError("PReLU: shared_axes must not hold 0, the batch axis")

    def build(self, input_shape: Any) -> None:
        """Make the slopes: the shape of a sample, with 1 along shared axes."""
        rank = len(input_shape)
        shared = {axis % rank for axis in self.shared_axes or ()}
        shape = [1 if i in shared else size for i, size in enumerate(input_shape)][1:]
        self.alpha = self.add_weight(
            tuple(shape),
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
            name="alpha",
        )
        fixed = {i: input_shape[i] for i in range(1, rank) if i not in shared}
        self.input_spec = InputSpec(ndim=rank, axes=fixed)

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        below = ops.minimum(inputs, 0) * self.cast_weight(self.alpha)
        return activations.relu(inputs) + below

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }
