"""Convolution layers of one to three dimensions."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from .conv_base import Convolution, Sizes
from .core import positive_int

__all__ = ["Conv1D", "Conv2D", "Conv3D"]


class _Conv(Convolution):
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        settings = {
            "kernel_initializer": kernel_initializer,
            "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer,
            "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint,
            "bias_constraint": bias_constraint,
        }
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            settings, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        kind = type(self).__name__
        self.filters = positive_int(kind, "filters", filters)
        self.groups = positive_int(kind, "groups", groups)
        if self.filters % self.groups != 0:
            raise ArgumentError(
                f"{kind}: groups={self.groups} must divide filters={self.filters}; take a "
                f"multiple of {self.groups} filters, or other groups"
            )

    def build(self, input_shape: Any) -> None:
        """Make the kernel (window..., channels / groups, filters) and the bias (filters,)."""
        channels = self._channels(input_shape)
        if channels % self.groups != 0:
            raise ShapeError(
                f"{type(self).__name__} {self.name!r}: groups={self.groups} must divide the "
                f"{channels} channels of the input of shape {input_shape}"
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self._make("kernel", shape, "kernel")
        if self.use_bias:
            self.bias = self._make("bias", (self.filters,), "bias")

    def call(self, inputs: Any) -> Any:
        """Compute the output; `inputs` is (N, space..., C) or as `data_format` says."""
        kernel = self.cast_weight(self.kernel)
        return self._activate(ops.conv(inputs, kernel, **self._window(), bias=self._cast_bias()))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "filters": self.filters, "groups": self.groups}


@built_in("layer", "Convolution1D")
class Conv1D(_Conv):
    """Convolution along one axis, of sequences (N, steps, C).

    The arguments are those of `Conv2D`, with one number for each size. `padding` may also be
    "causal": a step's output then depends on that step and earlier ones only.

    Example:
        >>> import numpy as np
        >>> Conv1D(4, 3, padding="causal")(np.ones((2, 8, 3), "float32")).shape
        (2, 8, 4)
    """

    rank = 1
    paddings = ("valid", "same", "causal")


@built_in("layer", "Convolution2D")
class Conv2D(_Conv):
    """Convolution over pictures (N, H, W, C): windows times kernels, plus bias.

    Args:
        filters: the number of output channels.
        kernel_size: height and width of the window, one number or two.
        strides: positions from one window to the next, one number or two.
        padding: "valid" for windows inside of the input only; "same" for input size / strides
            (rounded up) results.
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W); `None` for the
            configured one.
        dilation_rate: positions between the taps of a window; not together with strides.
        groups: groups of channels that are convolved apart; it divides channels and filters.
        activation: a name or callable; linear by default.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (height, width, channels / groups, filters).
        bias_initializer: first value of the bias (filters,).
        kernel_regularizer: penalty of the kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: applied to the bias after each update.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: on call, channels that `groups` does not divide, or an input smaller than the
            window.

    Example:
        >>> import numpy as np
        >>> Conv2D(4, 3, padding="same", activation="relu")(np.ones((2, 8, 8, 3), "float32")).shape
        (2, 8, 8, 4)
    """

    rank = 2


@built_in("layer", "Convolution3D")
class Conv3D(_Conv):
    """Convolution over volumes (N, D, H, W, C).

    The arguments are those of `Conv2D`, with one number for each size, or three.

    Example:
        >>> import numpy as np
        >>> Conv3D(4, 3)(np.ones((2, 8, 8, 8, 1), "float32")).shape
        (2, 6, 6, 6, 4)
    """

    rank = 3
