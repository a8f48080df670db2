"""Convolution layers of one to three dimensions: plain, transposed, depthwise and separable.

The base class holds what all of them share: the window, the layout, bias and activation. How many
dimensions a layer has is its class's `rank`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import activations, config, constraints, initializers, ops, regularizers
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from .base import InputSpec, Layer
from .core import positive_int

__all__ = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
]

Sizes = int | Sequence[int]


def window_sizes(
    layer: str, argument: str, value: Any, rank: int, least: int = 1
) -> tuple[int, ...]:
    """One whole number for each dimension, given as one or as a sequence of them.

    Raises:
        ArgumentError: naming layer and argument.
    """
    numbers = tuple(value) if isinstance(value, Sequence) else (value,) * rank
    whole = all(hasattr(n, "__index__") and not isinstance(n, bool) for n in numbers)
    if not whole or len(numbers) != rank or any(n < least for n in numbers):
        many = f", or {rank} of them" if rank > 1 else ""
        raise ArgumentError(
            f"{layer}: {argument} must be a whole number >= {least}{many}, got {value!r}"
        )
    return tuple(int(n) for n in numbers)


class _Convolution(Layer):
    """What all convolution layers share. `kernels` are the prefixes of their kernels' arguments."""

    rank: int
    kernels: tuple[str, ...] = ("kernel",)
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes,
        padding: str,
        data_format: str | None,
        dilation_rate: Sizes,
        activation: Any,
        use_bias: bool,
        settings: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind, rank = type(self).__name__, self.rank
        self.kernel_size = window_sizes(kind, "kernel_size", kernel_size, rank)
        self.strides = window_sizes(kind, "strides", strides, rank)
        self.dilation_rate = window_sizes(kind, "dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                f"{kind}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot "
                "both be above 1; set one of them to 1, or call the function in pyneuro.ops"
            )
        self.padding = str(padding).lower()
        if self.padding not in self.paddings:
            raise ArgumentError(f"{kind}: padding must be one of {self.paddings}, got {padding!r}")
        self.data_format = config.image_data_format() if data_format is None else data_format
        if self.data_format not in ("channels_last", "channels_first"):
            raise ArgumentError(
                f"{kind}: data_format must be 'channels_last' or 'channels_first', got "
                f"{data_format!r}"
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for name, value in settings.items():
            getter = next(get for suffix, (get, _) in _SETTINGS.items() if name.endswith(suffix))
            setattr(self, name, getter(value))
        self.bias: Any = None
        self.input_spec = InputSpec(ndim=rank + 2)

    def _channels(self, input_shape: Any) -> int:
        """The number of input channels, which must be known; from now on it is checked."""
        axis = -1 if self.data_format == "channels_last" else 1
        channels = input_shape[axis]
        if channels is None:
            raise ShapeError(
                f"{type(self).__name__} {self.name!r}: the channels of the input (axis {axis}, "
                f"{self.data_format}) must be known to make the kernel, got the shape {input_shape}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return int(channels)

    def _make(self, prefix: str, shape: tuple[int, ...], name: str) -> Any:
        """A weight that is set up by the arguments `prefix`_initializer and so on."""
        return self.add_weight(
            shape,
            getattr(self, f"{prefix}_initializer"),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
            name=name,
        )

    def _window(self) -> dict[str, Any]:
        """The arguments that all the functions share."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _cast_bias(self) -> Any:
        return None if self.bias is None else self.cast_weight(self.bias)

    def _activate(self, outputs: Any) -> Any:
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        settings = {
            f"{prefix}{suffix}": write(getattr(self, f"{prefix}{suffix}"))
            for prefix in (*self.kernels, "bias")
            for suffix, (_, write) in _SETTINGS.items()
        }
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **settings,
        }


_SETTINGS: dict[str, tuple[Any, Any]] = {
    "_initializer": (initializers.get, initializers.serialize),
    "_regularizer": (regularizers.get, regularizers.serialize),
    "_constraint": (constraints.get, constraints.serialize),
}


# ---- convolution -------------------------------------------------------------------------------


class _Conv(_Convolution):
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


# ---- transposed convolution --------------------------------------------------------------------


class _ConvTranspose(_Convolution):
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
            extra = window_sizes(kind, "output_padding", output_padding, self.rank, 0)
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


# ---- depthwise and separable convolution -------------------------------------------------------


class _DepthwiseConv(_Convolution):
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


class _SeparableConv(_Convolution):
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
