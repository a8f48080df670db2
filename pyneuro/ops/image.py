"""Pictures: another size, a part of them, a frame around them, grey for colours."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import gradient
from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating, is_floating, layout, tensor

__all__ = ["pad", "resize", "rgb_to_grayscale"]

_MODES = ("constant", "edge", "reflect", "symmetric")


@public
def pad(
    x: TensorLike,
    pad_width: Any,
    mode: str = "constant",
    constant_values: float | None = None,
) -> Tensor:
    """Add elements around a tensor, as `numpy.pad` does.

    Args:
        x: tensor.
        pad_width: (before, after) for each axis; one pair, or one number, for all.
        mode: "constant", "edge" for the outermost element, "reflect" for a mirror through it,
            "symmetric" for one behind it.
        constant_values: for mode "constant"; default 0.

    Returns:
        A tensor of the same dtype.

    Raises:
        ArgumentError: another mode, negative widths, or a value with another mode than "constant".
        ShapeError: a mirror that is wider than the axis.

    Example:
        >>> pad([1, 2, 3], (1, 2), mode="reflect").tolist()
        [2, 1, 2, 3, 2, 1]
    """
    given = tensor(x)
    widths = _widths(pad_width, given.ndim)
    if mode not in _MODES:
        raise ArgumentError(f"pad: mode must be one of {_MODES}, got {mode!r}")
    if mode != "constant" and constant_values is not None:
        raise ArgumentError(f"pad: constant_values belongs to mode 'constant', not to {mode!r}")
    if not any(map(any, widths)):
        return given
    if mode == "constant":
        shape = tuple(n + a + b for n, (a, b) in zip(given.shape, widths, strict=True))
        value = 0.0 if constant_values is None else float(constant_values)
        whole = apply("full", shape=shape, value=value, dtype=given.dtype)
        starts = tuple(a for a, _ in widths)
        framed: Tensor = apply("slice_update", whole, given, start=starts, step=(1,) * given.ndim)
        return framed
    for axis, (before, after) in enumerate(widths):
        n, margin = given.shape[axis], 0 if mode == "edge" else max(before, after)
        if (before or after) and (n == 0 or margin > n - (mode == "reflect")):
            raise ShapeError(
                f"pad: axis {axis} of {given.shape} has {n} elements, too few to {mode} "
                f"({before}, {after})"
            )
        if before or after:
            places = np.pad(np.arange(n), (before, after), mode=mode)  # type: ignore[call-overload]
            given = apply("take", given, tensor(places.astype("int32")), axis=axis)
    return given


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    try:
        table = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    except ValueError:
        table = np.zeros((0, 2))
    if table.shape != (ndim, 2) or table.dtype.kind not in "iu" or (table < 0).any():
        raise ArgumentError(
            f"pad: pad_width must be (before, after) >= 0 for each of {ndim} axes, or one pair or "
            f"number for all, got {pad_width!r}"
        )
    return [(int(a), int(b)) for a, b in table]


@public
def resize(
    images: TensorLike,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Tensor:
    """Bring pictures to another height and width; pixels are squares, seen at their centres.

    Args:
        images: (N, H, W, C) or (H, W, C), or with the channels first.
        size: (height, width).
        interpolation: "nearest", "bilinear", "bicubic" (Keys 1981), "lanczos3" or "lanczos5".
        antialias: whether to look at all pixels that fall into one where pictures shrink.
        crop_to_aspect_ratio: whether to cut the middle part of the right shape out before.
        pad_to_aspect_ratio: whether to put a frame around before, to get the right shape.
        fill_mode: of the frame; only "constant".
        fill_value: of the frame.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.

    Returns:
        Pictures of that size; integers are rounded and kept in range.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: something that is no picture.

    Example:
        >>> resize([[[0.0], [2.0]], [[4.0], [6.0]]], (1, 1)).tolist()
        [[[3.0]]]
    """
    x, channels_last = _pictures("resize", images, data_format)
    height, width = _size(size)
    if interpolation not in _KERNELS and interpolation != "nearest":
        raise ArgumentError(
            f"resize: interpolation must be one of {('nearest', *_KERNELS)}, got {interpolation!r}"
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ArgumentError("resize: choose one of crop_to_aspect_ratio and pad_to_aspect_ratio")
    if fill_mode != "constant":
        raise ArgumentError(f"resize: fill_mode must be 'constant', got {fill_mode!r}")
    axes = (x.ndim - 3, x.ndim - 2) if channels_last else (x.ndim - 2, x.ndim - 1)
    if crop_to_aspect_ratio:
        x = _cropped(x, axes, height, width)
    if pad_to_aspect_ratio:
        x = _framed(x, axes, height, width, fill_value)
    dtype = x.dtype
    x = _resized(x, axes[0], (height, width), interpolation, antialias)
    if x.dtype == dtype:
        return x
    limits = np.iinfo(dtype)
    y: Tensor = apply("cast", apply("round", apply("maximum", apply(
        "minimum", x, float(limits.max)), float(limits.min))), dtype=dtype)  # fmt: skip
    return y


@public
def rgb_to_grayscale(images: TensorLike, data_format: str | None = None) -> Tensor:
    """Grey values of colours, by ITU-R BT.601: 0.2989 red, 0.587 green, 0.114 blue.

    Args:
        images: (N, H, W, 3) or (H, W, 3), or with the channels first.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.

    Returns:
        Pictures of one channel.

    Raises:
        ShapeError: pictures that have not three channels.

    Example:
        >>> round(rgb_to_grayscale([[[1.0, 1.0, 1.0]]]).item(), 4)
        0.9999
    """
    x, channels_last = _pictures("rgb_to_grayscale", images, data_format)
    axis = x.ndim - 1 if channels_last else x.ndim - 3
    if x.shape[axis] != 3:
        raise ShapeError(
            f"rgb_to_grayscale: axis {axis} of {x.shape} must hold 3 channels, not {x.shape[axis]}"
        )
    shape = tuple(3 if i == axis else 1 for i in range(x.ndim))
    weights = tensor(np.array([0.2989, 0.587, 0.114], "float64").reshape(shape))
    wide = floating(x)
    y: Tensor = apply("sum", wide * weights.astype(wide.dtype), axes=(axis,), keepdims=True)
    return y.astype(x.dtype)


def _pictures(op: str, images: TensorLike, data_format: str | None) -> tuple[Tensor, bool]:
    x = tensor(images)
    channels_last = layout(op, data_format) == "channels_last"
    if x.ndim not in (3, 4):
        raise ShapeError(f"{op}: images must be (N, H, W, C) or (H, W, C), got {x.shape}")
    return x, channels_last


def _size(size: Sequence[int]) -> tuple[int, int]:
    sizes = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(sizes) != 2 or any(not hasattr(n, "__index__") or n < 1 for n in sizes):
        raise ArgumentError(f"resize: size must be (height, width), both >= 1, got {size!r}")
    return int(sizes[0]), int(sizes[1])


def _cropped(x: Tensor, axes: tuple[int, int], height: int, width: int) -> Tensor:
    h, w = (x.shape[axis] for axis in axes)
    sizes = (min(h, int(w * height / width)), min(w, int(h * width / height)))
    key: list[Any] = [slice(None)] * x.ndim
    for axis, n, kept in zip(axes, (h, w), sizes, strict=True):
        first = (n - max(kept, 1)) // 2
        key[axis] = slice(first, first + max(kept, 1))
    part: Tensor = x[tuple(key)]
    return part


def _framed(x: Tensor, axes: tuple[int, int], height: int, width: int, value: float) -> Tensor:
    h, w = (x.shape[axis] for axis in axes)
    sizes = (max(h, int(w * height / width)), max(w, int(h * width / height)))
    widths = [(0, 0)] * x.ndim
    for axis, n, wanted in zip(axes, (h, w), sizes, strict=True):
        before = (wanted - n) // 2
        widths[axis] = (before, wanted - n - before)
    return pad(x, widths, constant_values=value)


def _resized(
    x: Tensor, axis: int, sizes: tuple[int, int], interpolation: str, antialias: bool
) -> Tensor:
    """`axis` and the next in other sizes."""
    changed = [(axis + i, n) for i, n in enumerate(sizes) if x.shape[axis + i] != n]
    for at, _ in changed:
        if x.shape[at] == 0:
            raise ShapeError(f"resize: axis {at} of {x.shape} has no pixels")
    if interpolation == "nearest" and not is_floating(x):
        for at, size in changed:
            x = apply("take", x, tensor(_nearest(x.shape[at], size)), axis=at)
        return x
    if not changed:
        return x
    x = floating(x)
    runs: list[Tensor] = []
    for at, size in changed:
        runs += _tensors(_runs(x.shape[at], size, interpolation, antialias), x.dtype)
    resampled: Tensor = apply("resample", x, *runs, axis=changed[0][0])
    return resampled


def _nearest(n: int, size: int) -> np.ndarray:
    places = np.minimum((np.arange(size) + 0.5) * n / size, n - 1)
    return np.asarray(places.astype("int32"))


@functools.lru_cache(maxsize=64)
def _runs(n: int, size: int, interpolation: str, antialias: bool) -> tuple[np.ndarray, np.ndarray]:
    """[size, taps] and where each row's run begins: the part of the weights that is not 0."""
    if interpolation == "nearest":
        return np.ones((size, 1)), _nearest(n, size)
    weights = _weights(n, size, interpolation, antialias)
    there = weights != 0
    first = np.where(there.any(axis=1), there.argmax(axis=1), 0)
    last = np.where(there.any(axis=1), n - there[:, ::-1].argmax(axis=1), 0)
    taps = int((last - first).max(initial=0))
    first = np.minimum(first, n - taps)
    return np.take_along_axis(weights, first[:, None] + np.arange(taps), axis=1), first


def _tensors(runs: tuple[np.ndarray, np.ndarray], dtype: str) -> tuple[Tensor, Tensor]:
    wide = "float64" if dtype == "float64" else "float32"
    return tensor(runs[0].astype(wide)), tensor(runs[1].astype("int32"))


def _resample(node: Any, h: Tensor) -> Tensor:
    again: Tensor = apply("resample", h, *node.inputs[1:], axis=node.fields["axis"])
    return again


def _resample_grad(node: Any, g: Tensor) -> Tensor:
    axis, shape = node.fields["axis"], node.input_specs[0][0]
    more = {"next_size": shape[axis + 1]} if len(node.inputs) > 3 else {}
    back: Tensor = apply(
        "resample_grad", g, *node.inputs[1:], axis=axis, size=shape[axis], **more
    )  # fmt: skip
    return back


gradient("resample", _resample_grad, None, None, None, None)
gradient("resample_grad", _resample, None, None, None, None)


def _weights(n: int, size: int, interpolation: str, antialias: bool) -> np.ndarray:
    """[size, n]: what each new pixel takes of the old ones; rows have the sum 1."""
    step = n / size
    centres = (np.arange(size) + 0.5) * step - 0.5
    spread = max(step, 1.0) if antialias else 1.0
    distances = np.abs(centres[:, None] - np.arange(n)) / spread
    weights = _KERNELS[interpolation](distances)
    if interpolation == "bilinear" and not antialias:  # beyond the outermost centres: those
        weights = _KERNELS["bilinear"](np.abs(np.clip(centres, 0, n - 1)[:, None] - np.arange(n)))
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.asarray(weights)


def _cubic(x: np.ndarray) -> np.ndarray:
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.asarray(np.where(x < 1, near, np.where(x < 2, far, 0.0)))


def _lanczos(radius: int, x: np.ndarray) -> np.ndarray:
    return np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0.0)


_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": lambda x: np.maximum(0.0, 1 - x),
    "bicubic": _cubic,
    "lanczos3": functools.partial(_lanczos, 3),
    "lanczos5": functools.partial(_lanczos, 5),
}
