"""Convolutions: plain, depthwise, separable and transposed, over one to three dimensions.

Native ops are channels last, with padding as numbers; words and layouts end here. The op and its
two gradients are one trilinear form with a factor left out, so each is the others' gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, bias_of, common_dtype, floating, layout, whole_numbers

Sizes = int | Sequence[int]


@public
def conv(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
    *,
    bias: TensorLike | None = None,
) -> Tensor:
    """Convolution over one to three spatial dimensions.

    Args:
        inputs: a tensor (N, space..., C), or (N, C, space...) if `data_format` says so; integers
            become `floatx`.
        kernel: a tensor (window..., C / groups, filters), whose channels say how many groups.
        strides: positions from one window to the next, one number or one for each dimension.
        padding: "valid" for windows inside of the input only, "same" for input size / strides
            (rounded up) results, "causal" (one dimension only) for windows that end at their
            position.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        dilation_rate: positions between the taps of a window, like `strides`.
        bias: one number for each output channel, added in the same pass; `None` for none.

    Returns:
        A tensor (N, space..., filters), or (N, filters, space...), of the common dtype.

    Raises:
        ShapeError: shapes that do not fit, or an input smaller than the window.
        ArgumentError: another padding or data format, or a number below 1.

    Example:
        >>> import numpy as np
        >>> conv(np.ones((1, 4, 4, 3)), np.ones((3, 3, 3, 8)), padding="same").shape
        (1, 4, 4, 8)
    """
    x, k = _alike(inputs, kernel)
    call = _call("conv", x, k, strides, padding, data_format, dilation_rate)
    x = call.channels_last(x)
    groups = _groups("conv", x, k.shape)
    return call.restore(apply("conv", x, k, bias_of(bias, x), **call.fields(groups)))


@public
def depthwise_conv(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
    *,
    bias: TensorLike | None = None,
) -> Tensor:
    """Convolution of each channel by filters of its own.

    Args:
        inputs: a tensor (N, space..., C), or (N, C, space...) if `data_format` says so.
        kernel: a tensor (window..., C, filters of a channel).
        strides: positions from one window to the next, one number or one for each dimension.
        padding: "valid", "same", or "causal" (one dimension only), as for `conv`.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        dilation_rate: positions between the taps of a window, like `strides`.
        bias: one number for each output channel, added in the same pass; `None` for none.

    Returns:
        A tensor (N, space..., C * filters of a channel), channel by channel.

    Raises:
        ShapeError: shapes that do not fit, or an input smaller than the window.
        ArgumentError: another padding or data format, or a number below 1.

    Example:
        >>> import numpy as np
        >>> depthwise_conv(np.ones((1, 4, 4, 3)), np.ones((3, 3, 3, 2))).shape
        (1, 2, 2, 6)
    """
    x, k = _alike(inputs, kernel)
    call = _call("depthwise_conv", x, k, strides, padding, data_format, dilation_rate)
    return call.restore(_depthwise(call, call.channels_last(x), k, bias))


@public
def separable_conv(
    inputs: TensorLike,
    depthwise_kernel: TensorLike,
    pointwise_kernel: TensorLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
    *,
    bias: TensorLike | None = None,
) -> Tensor:
    """A depthwise convolution, then a mixing of its channels at each position.

    Args:
        inputs: a tensor (N, space..., C), or (N, C, space...) if `data_format` says so.
        depthwise_kernel: a tensor (window..., C, filters of a channel).
        pointwise_kernel: a tensor (1..., C * filters of a channel, filters).
        strides: positions from one window to the next, one number or one for each dimension.
        padding: "valid", "same", or "causal" (one dimension only), as for `conv`.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        dilation_rate: positions between the taps of a window, like `strides`.
        bias: one number for each output channel, added in the same pass; `None` for none.

    Returns:
        A tensor (N, space..., filters), or (N, filters, space...).

    Raises:
        ShapeError: shapes that do not fit, or an input smaller than the window.
        ArgumentError: another padding or data format, or a number below 1.

    Example:
        >>> import numpy as np
        >>> x = np.ones((1, 4, 4, 3))
        >>> separable_conv(x, np.ones((3, 3, 3, 2)), np.ones((1, 1, 6, 5))).shape
        (1, 2, 2, 5)
    """
    x, k = _alike(inputs, depthwise_kernel)
    x, pointwise = _alike(x, pointwise_kernel)
    call = _call("separable_conv", x, k, strides, padding, data_format, dilation_rate)
    rank = len(call.strides)
    if pointwise.ndim != rank + 2 or any(d != 1 for d in pointwise.shape[:-2]):
        raise ShapeError(
            "separable_conv: pointwise_kernel must be (1..., channels, filters) with "
            f"{rank} leading ones, got {pointwise.shape}"
        )
    y = _depthwise(call, call.channels_last(x), k.astype(x.dtype), None)
    one = (1,) * rank
    mixed = apply(
        "conv", y, pointwise, bias_of(bias, y), strides=one, dilations=one, padding=(0, 0) * rank
    )
    return call.restore(mixed)


@public
def conv_transpose(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: Sizes = 1,
    padding: str = "valid",
    output_padding: Sizes | None = None,
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """The transposed convolution: what `conv`'s gradient for its input computes.

    Args:
        inputs: a tensor (N, space..., C), or (N, C, space...) if `data_format` says so.
        kernel: a tensor (window..., filters, C).
        strides: positions of the output from one position of the input to the next.
        padding: "valid" for all positions that a window reaches, (size - 1) * stride + window, at
            least size * stride; "same" for size * stride.
        output_padding: positions more at the end than the smallest output that fits, below
            `strides`; `None` for the sizes above.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        dilation_rate: positions between the taps of a window, like `strides`.

    Returns:
        A tensor (N, space..., filters), or (N, filters, space...).

    Raises:
        ShapeError: shapes that do not fit.
        ArgumentError: another padding or data format, or a number below 1.

    Example:
        >>> import numpy as np
        >>> conv_transpose(np.ones((1, 4, 4, 3)), np.ones((3, 3, 8, 3)), 2, "same").shape
        (1, 8, 8, 8)
    """
    x, k = _alike(inputs, kernel)
    call = _call("conv_transpose", x, k, strides, padding, data_format, dilation_rate)
    x = call.channels_last(x)
    extra = (
        (None,) * len(call.strides)
        if output_padding is None
        else whole_numbers("conv_transpose", "output_padding", output_padding, len(call.strides), 0)
    )
    size, pads = [], []
    for n, r, s, d, more in zip(
        x.shape[1:-1], k.shape[:-2], call.strides, call.dilations, extra, strict=True
    ):
        length, low, high = transposed_size(n, r, s, d, call.padding, more)
        size.append(length)
        pads += [low, high]
    fields = {"strides": call.strides, "dilations": call.dilations, "padding": tuple(pads)}
    return call.restore(apply("conv_input_grad", x, k, size=tuple(size), **fields))


# ---- sizes -------------------------------------------------------------------------------------


def padding_of(size: int, window: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Positions of zeros before and after a dimension.

    "same" gives size / stride results, rounded up, and puts the odd zero behind.
    """
    reach = (window - 1) * dilation + 1
    if padding == "causal":
        return reach - 1, 0
    if padding == "valid" or size == 0:
        return 0, 0
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def transposed_size(
    size: int, window: int, stride: int, dilation: int, padding: str, extra: int | None
) -> tuple[int, int, int]:
    """A transposed convolution's output size, and the padding of the convolution it transposes.

    The sizes are Keras's: for "same" with `extra` given, (size - 1) * stride + window % 2 + extra.
    """
    reach = (window - 1) * dilation + 1
    if padding == "valid":
        over = max(stride - reach, 0) if extra is None else extra
        return (size - 1) * stride + reach + over, 0, -over
    # Zeros around the input, spread by the stride, that give the wanted size; the left half of them
    # is what the convolution's own padding lacks of reach - 1.
    zeros = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
    left = min((zeros + 1) // 2, reach - 1)
    right = zeros - left
    length = (size - 1) * stride + zeros - reach + 2
    return length, reach - 1 - left, reach - 1 - right


class _Call(NamedTuple):
    """The arguments that all convolutions share, checked, one number for each dimension."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    pads: tuple[int, ...]
    first: bool

    def channels_last(self, x: Tensor) -> Tensor:
        """The input with its channels at the end."""
        return apply("transpose", x, axes=(0, *range(2, x.ndim), 1)) if self.first else x

    def restore(self, y: Tensor) -> Tensor:
        """The output as the data format has it."""
        return (
            apply("transpose", y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1))) if self.first else y
        )

    def fields(self, groups: int) -> dict[str, Any]:
        """The native op's fields."""
        return {
            "strides": self.strides,
            "dilations": self.dilations,
            "padding": self.pads,
            "groups": groups,
        }


def _call(
    op: str,
    x: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: str,
    data_format: str | None,
    dilation_rate: Sizes,
) -> _Call:
    rank = x.ndim - 2
    if not 1 <= rank <= 3:
        raise ShapeError(
            f"{op}: inputs must have 1 to 3 spatial dimensions between batch and channels, "
            f"got the shape {x.shape}"
        )
    if kernel.ndim != x.ndim:
        raise ShapeError(
            f"{op}: kernel must have {x.ndim} dimensions (window..., channels, filters) for inputs "
            f"of shape {x.shape}, got the shape {kernel.shape}"
        )
    first = layout(op, data_format) == "channels_first"
    padding = str(padding).lower()
    allowed = ("valid", "same", "causal") if rank == 1 and op != "conv_transpose" else _PADDINGS
    if padding not in allowed:
        raise ArgumentError(f"{op}: padding must be one of {allowed}, got {padding!r}")
    steps = whole_numbers(op, "strides", strides, rank)
    dilations = whole_numbers(op, "dilation_rate", dilation_rate, rank)
    space = x.shape[2:] if first else x.shape[1:-1]
    pads: list[int] = []
    for n, r, s, d in zip(space, kernel.shape[:-2], steps, dilations, strict=True):
        pads += padding_of(n, r, s, d, padding)
    return _Call(steps, dilations, padding, tuple(pads), first)


_PADDINGS = ("valid", "same")


def _alike(x: TensorLike, kernel: TensorLike) -> tuple[Tensor, Tensor]:
    """Both floating and in their common dtype."""
    x, kernel = floating(x), floating(kernel)
    if x.dtype == kernel.dtype:
        return x, kernel
    dtype = common_dtype(x.dtype, kernel.dtype)
    return x.astype(dtype), kernel.astype(dtype)


def _groups(op: str, x: Tensor, kernel: tuple[int, ...]) -> int:
    channels, taken = x.shape[-1], kernel[-2]
    if taken == channels:
        return 1
    if taken == 0 or channels % taken != 0:
        raise ShapeError(
            f"{op}: inputs have {channels} channels, which the kernel {kernel} cannot take in "
            f"groups of {taken}; its last but one dimension must divide them"
        )
    return channels // taken


def _depthwise(call: _Call, x: Tensor, kernel: Tensor, bias: TensorLike | None) -> Tensor:
    channels = x.shape[-1]
    *window, taken, filters = kernel.shape
    if taken != channels:
        raise ShapeError(
            f"depthwise_conv: inputs have {channels} channels, but the kernel {kernel.shape} has "
            f"{taken}; they must be equal"
        )
    flat = apply("reshape", kernel, shape=(*window, 1, channels * filters))
    return apply("conv", x, flat, bias_of(bias, x), **call.fields(channels))


# ---- gradients ---------------------------------------------------------------------------------


def _geometry(node: Any) -> dict[str, Any]:
    return {name: node.fields[name] for name in ("strides", "dilations", "padding", "groups")}


def _space(node: Any, i: int) -> tuple[int, ...]:
    """The spatial shape of an input that is (N, space..., channels)."""
    shape: tuple[int, ...] = node.input_specs[i][0]
    return shape[1:-1]


def _window(node: Any, i: int) -> tuple[int, ...]:
    """The spatial shape of an input that is a kernel."""
    shape: tuple[int, ...] = node.input_specs[i][0]
    return shape[:-2]


gradient(
    "conv",
    lambda node, g: apply(
        "conv_input_grad", g, node.inputs[1], size=_space(node, 0), **_geometry(node)
    ),
    lambda node, g: apply(
        "conv_kernel_grad", node.inputs[0], g, size=_window(node, 1), **_geometry(node)
    ),
    lambda node, g: apply("sum", g, axes=tuple(range(g.ndim - 1)), keepdims=False),
)
gradient(
    "conv_input_grad",
    lambda node, h: apply("conv", h, node.inputs[1], **_geometry(node)),
    lambda node, h: apply(
        "conv_kernel_grad", h, node.inputs[0], size=_window(node, 1), **_geometry(node)
    ),
)
gradient(
    "conv_kernel_grad",
    lambda node, h: apply(
        "conv_input_grad", node.inputs[1], h, size=_space(node, 0), **_geometry(node)
    ),
    lambda node, h: apply("conv", node.inputs[0], h, **_geometry(node)),
)
