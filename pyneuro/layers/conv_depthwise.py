"""Layers that convolve channels apart: depthwise, and separable, which mixes them afterwards."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..registry import built_in
from .conv_base import Convolution, Sizes
from .core import positive_int

__all__ = ["DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]


class _DepthwiseConv(Convolution):
    kernels = ("depthwise",)

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        settings = {
            "depthwise_initializer": depthwise_initializer,
            "bias_initializer": bias_initializer,
            "depthwise_regularizer": depthwise_regularizer,
            "bias_regularizer": bias_regularizer,
            "depthwise_constraint": depthwise_constraint,
            "bias_constraint": bias_constraint,
        }
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            settings, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        kind = type(self).__name__
        self.depth_multiplier = positive_int(kind, "depth_multiplier", depth_multiplier)

    def build(self, input_shape: Any) -> None:
        """Make the kernel (window..., channels, multiplier) and the bias."""
        channels = self._channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self._make("depthwise", shape, "kernel")
        if self.use_bias:
            self.bias = self._make("bias", (channels * self.depth_multiplier,), "bias")

    def call(self, inputs: Any) -> Any:
        """Compute the output; `inputs` is (N, space..., C) or as `data_format` says."""
        kernel = self.cast_weight(self.kernel)
        outputs = ops.depthwise_conv(inputs, kernel, **self._window(), bias=self._cast_bias())
        return self._activate(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}


@built_in("layer")
class DepthwiseConv1D(_DepthwiseConv):
    """Convolution of each channel by kernels of its own, along one axis of (N, steps, C).

    The arguments are those of `DepthwiseConv2D`, with one number for each size.

    Example:
        >>> import numpy as np
        >>> DepthwiseConv1D(3, depth_multiplier=2)(np.ones((2, 8, 3), "float32")).shape
        (2, 6, 6)
    """

    rank = 1


@built_in("layer")
class DepthwiseConv2D(_DepthwiseConv):
    """Convolution of each channel by kernels of its own, over pictures (N, H, W, C).

    Args:
        kernel_size: height and width of the window, one number or two.
        strides: positions from one window to the next, one number or two.
        padding: "valid" or "same", as for `Conv2D`.
        depth_multiplier: kernels, and output channels, of each input channel.
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W); `None` for the
            configured one.
        dilation_rate: positions between the taps of a window; not together with strides.
        activation: a name or callable; linear by default.
        use_bias: whether a bias is added.
        depthwise_initializer: first value of the kernel (height, width, channels, multiplier).
        bias_initializer: first value of the bias (channels * multiplier,).
        depthwise_regularizer: penalty of the kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        depthwise_constraint: applied to the kernel after each update.
        bias_constraint: applied to the bias after each update.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: on call, an input smaller than the window.

    Example:
        >>> import numpy as np
        >>> DepthwiseConv2D(3, padding="same")(np.ones((2, 8, 8, 3), "float32")).shape
        (2, 8, 8, 3)
    """

    rank = 2


class _SeparableConv(Convolution):
    kernels = ("depthwise", "pointwise")

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        settings = {
            "depthwise_initializer": depthwise_initializer,
            "pointwise_initializer": pointwise_initializer,
            "bias_initializer": bias_initializer,
            "depthwise_regularizer": depthwise_regularizer,
            "pointwise_regularizer": pointwise_regularizer,
            "bias_regularizer": bias_regularizer,
            "depthwise_constraint": depthwise_constraint,
            "pointwise_constraint": pointwise_constraint,
            "bias_constraint": bias_constraint,
        }
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            settings, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        kind = type(self).__name__
        self.filters = positive_int(kind, "filters", filters)
        self.depth_multiplier = positive_int(kind, "depth_multiplier", depth_multiplier)

    def build(self, input_shape: Any) -> None:
        """Make the kernels (window..., C, multiplier) and (1..., C * multiplier, filters)."""
        channels = self._channels(input_shape)
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        pointwise = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = self._make("depthwise", depthwise, "depthwise_kernel")
        self.pointwise_kernel = self._make("pointwise", pointwise, "pointwise_kernel")
        if self.use_bias:
            self.bias = self._make("bias", (self.filters,), "bias")

    def call(self, inputs: Any) -> Any:
        """Compute the output; `inputs` is (N, space..., C) or as `data_format` says."""
        outputs = ops.separable_conv(
            inputs,
            self.cast_weight(self.depthwise_kernel),
            self.cast_weight(self.pointwise_kernel),
            **self._window(),
            bias=self._cast_bias(),
        )
        return self._activate(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
        }


@built_in("layer", "SeparableConvolution1D")
class SeparableConv1D(_SeparableConv):
    """A depthwise convolution, then a mixing of its channels, along one axis of (N, steps, C).

    The arguments are those of `SeparableConv2D`, with one number for each size.

    Example:
        >>> import numpy as np
        >>> SeparableConv1D(4, 3)(np.ones((2, 8, 3), "float32")).shape
        (2, 6, 4)
    """

    rank = 1


@built_in("layer", "SeparableConvolution2D")
class SeparableConv2D(_SeparableConv):
    """A depthwise convolution, then a mixing of its channels, over pictures (N, H, W, C).

    Args:
        filters: the number of output channels.
        kernel_size: height and width of the window, one number or two.
        strides: positions from one window to the next, one number or two.
        padding: "valid" or "same", as for `Conv2D`.
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W); `None` for the
            configured one.
        dilation_rate: positions between the taps of a window; not together with strides.
        depth_multiplier: depthwise kernels of each input channel.
        activation: a name or callable; linear by default.
        use_bias: whether a bias is added.
        depthwise_initializer: first value of the kernel (height, width, channels, multiplier).
        pointwise_initializer: first value of the kernel (1, 1, channels * multiplier, filters).
        bias_initializer: first value of the bias (filters,).
        depthwise_regularizer: penalty of the depthwise kernel.
        pointwise_regularizer: penalty of the pointwise kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        depthwise_constraint: applied to the depthwise kernel after each update.
        pointwise_constraint: applied to the pointwise kernel after each update.
        bias_constraint: applied to the bias after each update.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: on call, an input smaller than the window.

    Example:
        >>> import numpy as np
        >>> SeparableConv2D(4, 3, padding="same")(np.ones((2, 8, 8, 3), "float32")).shape
        (2, 8, 8, 4)
    """

    rank = 2
