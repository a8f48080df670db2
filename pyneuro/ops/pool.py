"""Pooling over one to three spatial dimensions.

Native ops are channels last, with padding as numbers; words and layouts end here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating, layout, whole_numbers
from .conv import padding_of

Sizes = int | Sequence[int]


@public
def max_pool(
    inputs: TensorLike,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The largest element of each window, channel by channel.

    Args:
        inputs: a tensor (N, space..., C), or (N, C, space...) if `data_format` says so, with one to
            three spatial dimensions; integers become `floatx`.
        pool_size: size of the window, one number or one for each dimension.
        strides: positions from one window to the next; `None` for `pool_size`.
        padding: "valid" for windows inside of the input only, "same" for input size / strides
            (rounded up) results.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.

    Returns:
        A tensor of the same rank and dtype. A window with a NaN gives NaN; of equal elements the
        first gets the gradient.

    Raises:
        ShapeError: another rank, or an input smaller than the window.
        ArgumentError: another padding or data format, or a number below 1.

    Example:
        >>> max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2).tolist()
        [[[3.0], [2.0]]]
    """
    x, first, fields = _call("max_pool", inputs, pool_size, strides, padding, data_format)
    return _restore(apply("max_pool", x, **fields)[0], first)


@public
def average_pool(
    inputs: TensorLike,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The mean of each window, channel by channel; padding is not counted.

    Args:
        inputs: a tensor (N, space..., C), or (N, C, space...) if `data_format` says so, with one to
            three spatial dimensions; integers become `floatx`.
        pool_size: size of the window, one number or one for each dimension.
        strides: positions from one window to the next; `None` for `pool_size`.
        padding: "valid" for windows inside of the input only, "same" for input size / strides
            (rounded up) results.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.

    Returns:
        A tensor of the same rank and dtype.

    Raises:
        ShapeError: another rank, or an input smaller than the window.
        ArgumentError: another padding or data format, or a number below 1.

    Example:
        >>> average_pool([[[1.0], [3.0], [2.0]]], 2, padding="same").tolist()
        [[[2.0], [2.0]]]
    """
    x, first, fields = _call("average_pool", inputs, pool_size, strides, padding, data_format)
    return _restore(apply("average_pool", x, **fields), first)


def _call(
    op: str, inputs: TensorLike, window: Sizes, strides: Sizes | None, padding: str, format: Any
) -> tuple[Tensor, bool, dict[str, tuple[int, ...]]]:
    """The input with its channels last, whether they came first, and the native op's fields."""
    x = floating(inputs)
    rank = x.ndim - 2
    if not 1 <= rank <= 3:
        raise ShapeError(
            f"{op}: inputs must have 1 to 3 spatial dimensions between batch and channels, "
            f"got the shape {x.shape}"
        )
    first = layout(op, format) == "channels_first"
    padding = str(padding).lower()
    if padding not in ("valid", "same"):
        raise ArgumentError(f"{op}: padding must be 'valid' or 'same', got {padding!r}")
    sizes = whole_numbers(op, "pool_size", window, rank)
    steps = sizes if strides is None else whole_numbers(op, "strides", strides, rank)
    if first:
        x = apply("transpose", x, axes=(0, *range(2, x.ndim), 1))
    pads: list[int] = []
    for n, size, step in zip(x.shape[1:-1], sizes, steps, strict=True):
        pads += padding_of(n, size, step, 1, padding)
    return x, first, {"window": sizes, "strides": steps, "padding": tuple(pads)}


def _restore(y: Tensor, first: bool) -> Tensor:
    return apply("transpose", y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1))) if first else y


# ---- gradients ---------------------------------------------------------------------------------


def _geometry(node: Any) -> dict[str, Any]:
    return {name: node.fields[name] for name in ("window", "strides", "padding")}


def _space(node: Any, i: int) -> tuple[int, ...]:
    shape: tuple[int, ...] = node.input_specs[i][0]
    return shape[1:-1]


gradient(
    "max_pool",
    lambda node, g: apply(
        "max_pool_grad", g[0], node.outputs[1], size=_space(node, 0), **_geometry(node)
    ),
    keeps="rest",
)
gradient(
    "max_pool_grad",
    lambda node, h: apply("max_pool_take", h, node.inputs[1], **_geometry(node)),
    None,
)
gradient(
    "max_pool_take",
    lambda node, h: apply(
        "max_pool_grad", h, node.inputs[1], size=_space(node, 0), **_geometry(node)
    ),
    None,
)
gradient(
    "average_pool",
    lambda node, g: apply("average_pool_grad", g, size=_space(node, 0), **_geometry(node)),
    keeps="none",
)
gradient(
    "average_pool_grad",
    lambda node, h: apply("average_pool", h, **_geometry(node)),
    keeps="none",
)
