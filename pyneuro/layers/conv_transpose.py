"""Transposed convolution layers of one to three dimensions."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import whole_numbers
from ..registry import built_in
from .conv_base import Convolution, Sizes
from .core import positive_int

__all__ = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]


class _ConvTranspose(Convolution):
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        output_padding: Sizes | None = None,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
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
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            extra = whole_numbers(kind, "output_padding", output_padding, self.rank, 0)
            if any(more >= s for more, s in zip(extra, self.strides, strict=True)):
                raise ArgumentError(
                    f"{kind}: output_padding {extra} must be below strides {self.strides} in each "
                    "dimension"
                )
            self.output_padding = extra

    def build(self, input_shape: Any) -> None:
        """Make the kernel (window..., filters, channels) and the bias (filters,)."""
        shape = (*self.kernel_size, self.filters, self._channels(input_shape))
        self.kernel = self._make("kernel", shape, "kernel")
        if self.use_bias:
            self.bias = self._make("bias", (self.filters,), "bias")

    def call(self, inputs: Any) -> Any:
        """Compute the output; `inputs` is (N, space..., C) or as `data_format` says."""
        outputs = ops.conv_transpose(
            inputs,
            self.cast_weight(self.kernel),
            output_padding=self.output_padding,
            **self._window(),
        )
        if self.bias is not None:
            bias = self.cast_weight(self.bias)
            if self.data_format == "channels_first":
                bias = ops.reshape(bias, (self.filters, *(1,) * self.rank))
            outputs = ops.add(outputs, bias)
        return self._activate(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "output_padding": self.output_padding,
        }


@built_in("layer", "Convolution1DTranspose")
class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution along one axis, of sequences (N, steps, C).

    The arguments are those of `Conv2DTranspose`, with one number for each size.

    Example:
        >>> import numpy as np
        >>> Conv1DTranspose(4, 3, strides=2, padding="same")(np.ones((2, 8, 3), "float32")).shape
        (2, 16, 4)
    """

    rank = 1


@built_in("layer", "Convolution2DTranspose")
class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution over pictures (N, H, W, C): from a convolution's output to its input.

    Args:
        filters: the number of output channels.
        kernel_size: height and width of the window, one number or two.
        strides: positions of the output from one of the input to the next, one number or two.
        padding: "valid" for (size - 1) * stride + window positions, at least size * stride; "same"
            for size * stride.
        output_padding: positions more at the end than the smallest output that fits, below
            `strides`; `None` for the sizes above.
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W); `None` for the
            configured one.
        dilation_rate: positions between the taps of a window; not together with strides.
        activation: a name or callable; linear by default.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (height, width, filters, channels).
        bias_initializer: first value of the bias (filters,).
        kernel_regularizer: penalty of the kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: applied to the bias after each update.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> Conv2DTranspose(4, 3, strides=2, padding="same")(np.ones((2, 8, 8, 3), "float32")).shape
        (2, 16, 16, 4)
    """

    rank = 2


@built_in("layer", "Convolution3DTranspose")
class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over volumes (N, D, H, W, C).

    The arguments are those of `Conv2DTranspose`, with one number for each size, or three.

    Example:
        >>> import numpy as np
        >>> Conv3DTranspose(4, 2, strides=2)(np.ones((2, 3, 3, 3, 1), "float32")).shape
        (2, 6, 6, 6, 4)
    """

    rank = 3
