"""Rows of convolution and its two gradients. The reference is one sum over the taps of the window:
the padded input, seen through strides and dilations, times that tap of the kernel.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample, awkward_sample

Fields = dict[str, Any]


# ---- the reference -------------------------------------------------------------------------------


def taps(
    shape: tuple[int, ...], window: tuple[int, ...], f: Fields
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each tap, and what it reads of an input that is padded to `shape` (of its space)."""
    counts = positions(shape, window, f)
    for tap in np.ndindex(*window):
        yield (
            tap,
            tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, f["dilations"], counts, f["strides"], strict=True)
            ),
        )


def positions(shape: tuple[int, ...], window: tuple[int, ...], f: Fields) -> tuple[int, ...]:
    return tuple(
        (n - (r - 1) * d - 1) // s + 1
        for n, r, d, s in zip(shape, window, f["dilations"], f["strides"], strict=True)
    )


def padded(x: np.ndarray, f: Fields) -> np.ndarray:
    pads = [(f["padding"][i], f["padding"][i + 1]) for i in range(0, len(f["padding"]), 2)]
    x = np.pad(x, [(0, 0), *((max(a, 0), max(b, 0)) for a, b in pads), (0, 0)])
    cut = (slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pads, x.shape[1:], strict=False))
    return x[(slice(None), *cut)]


def grouped(x: np.ndarray, groups: int) -> np.ndarray:
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def by_group(kernel: np.ndarray, groups: int) -> np.ndarray:
    """[window..., channels of a group, groups, filters of a group]"""
    return kernel.reshape(*kernel.shape[:-1], groups, kernel.shape[-1] // groups)


def conv(x: np.ndarray, kernel: np.ndarray, bias: Any = None, **f: Any) -> np.ndarray:
    p = padded(x, f)
    window, k = kernel.shape[:-2], by_group(kernel, f["groups"])
    y = sum(
        np.einsum("...gc,cgo->...go", grouped(p[(slice(None), *at)], f["groups"]), k[tap])
        for tap, at in taps(p.shape[1:-1], window, f)
    )
    y = np.asarray(y).reshape(x.shape[0], *positions(p.shape[1:-1], window, f), kernel.shape[-1])
    return y if bias is None else y + bias


def conv_input_grad(g: np.ndarray, kernel: np.ndarray, size: Any, **f: Any) -> np.ndarray:
    k = by_group(kernel, f["groups"])
    channels = kernel.shape[-2] * f["groups"]
    x = np.zeros((g.shape[0], *size, channels))
    full = np.zeros_like(padded(x, f))
    for tap, at in taps(full.shape[1:-1], kernel.shape[:-2], f):
        part = np.einsum("...go,cgo->...gc", grouped(g, f["groups"]), k[tap])
        full[(slice(None), *at)] += part.reshape(*g.shape[:-1], channels)
    pads, inner, outer = f["padding"], [slice(None)], [slice(None)]
    for i, n in enumerate(size):
        low, high = pads[2 * i], pads[2 * i + 1]
        inner.append(slice(max(low, 0), max(low, 0) + n - max(-low, 0) - max(-high, 0)))
        outer.append(slice(max(-low, 0), n - max(-high, 0)))
    x[tuple(outer)] = full[tuple(inner)]
    return x


def conv_kernel_grad(x: np.ndarray, g: np.ndarray, size: Any, **f: Any) -> np.ndarray:
    p, groups = padded(x, f), f["groups"]
    kernel = np.zeros((*size, x.shape[-1] // groups, groups, g.shape[-1] // groups))
    for tap, at in taps(p.shape[1:-1], tuple(size), f):
        rows, grads = grouped(p[(slice(None), *at)], groups), grouped(g, groups)
        n = int(np.prod(g.shape[:-1]))
        rows, grads = (a.reshape(n, *a.shape[-2:]) for a in (rows, grads))
        kernel[tap] = np.einsum("ngc,ngo->cgo", rows, grads)
    return kernel.reshape(*size, x.shape[-1] // groups, g.shape[-1])


def magnitude(reference: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The sum of the absolute products, which rounding errors are in proportion to."""
    return lambda *arrays, **f: reference(*map(np.abs, arrays), **f)


def tiled(reference: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The same for results that may come from 4 x 4 tiles (Winograd): an error is in proportion to
    what the tile sums, so to the largest of the results that may share it."""

    def floor(*arrays: np.ndarray, **f: Any) -> np.ndarray:
        found = magnitude(reference)(*arrays, **f)
        window = arrays[1].shape[:-2]
        if window != (3, 3) or f["groups"] != 1 or {*f["strides"], *f["dilations"]} != {1}:
            return found
        for axis in (1, 2):
            reach = [(3, 3) if a == axis else (0, 0) for a in range(4)]
            wide = np.lib.stride_tricks.sliding_window_view(np.pad(found, reach), 7, axis)
            found = wide.max(axis=-1)
        return found

    return floor


# ---- the samples ---------------------------------------------------------------------------------


class Geometry:
    """A convolution's sizes, from which the samples of all three ops follow."""

    def __init__(
        self,
        x: tuple[int, ...],
        window: tuple[int, ...],
        filters: int,
        strides: tuple[int, ...] = (),
        dilations: tuple[int, ...] = (),
        padding: tuple[int, ...] = (),
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        rank = len(window)
        self.x, self.bias, self.window = x, bias, window
        self.kernel = (*window, x[-1] // groups, filters)
        self.fields: Fields = {
            "strides": strides or (1,) * rank,
            "dilations": dilations or (1,) * rank,
            "padding": padding or (0, 0) * rank,
            "groups": groups,
        }
        pads = self.fields["padding"]
        space = tuple(n + pads[2 * i] + pads[2 * i + 1] for i, n in enumerate(x[1:-1]))
        self.y = (x[0], *positions(space, window, self.fields), filters)

    def forward(self) -> Sample:
        inputs = [In(self.x), In(self.kernel)]
        return Sample((*inputs, In(self.y[-1:])) if self.bias else tuple(inputs), self.fields)

    def input_grad(self) -> Sample:
        return Sample((In(self.y), In(self.kernel)), {**self.fields, "size": self.x[1:-1]})

    def kernel_grad(self) -> Sample:
        return Sample((In(self.x), In(self.y)), {**self.fields, "size": self.window})


GEOMETRIES = (
    Geometry((2, 7, 3), (3,), 4),
    Geometry((2, 7, 3), (3,), 4, (2,), padding=(2, 0), bias=True),
    Geometry((1, 9, 1), (2,), 1, dilations=(3,)),
    Geometry((2, 5, 6, 3), (3, 3), 4),
    Geometry((2, 5, 6, 3), (3, 2), 5, padding=(1, 1, 0, 1), bias=True),
    Geometry((1, 7, 8, 2), (3, 3), 3, (2, 2), padding=(0, 1, 1, 1)),
    Geometry((1, 7, 8, 2), (3, 2), 3, (2, 3), (2, 1), (1, 2, 3, 0)),
    Geometry((1, 7, 8, 2), (2, 3), 3, (2, 3), (3, 2), (1, 2, 3, 2)),
    Geometry((1, 6, 6, 2), (1, 1), 3, (4, 3)),  # some inputs are never read
    Geometry((1, 6, 6, 2), (2, 2), 2, padding=(-1, -2, 0, -1)),
    Geometry((2, 3, 4, 5), (1, 1), 6, bias=True),  # a matrix product
    Geometry((3, 3, 4, 2), (3, 4), 5, (2, 1), bias=True),  # another
    Geometry((2, 4, 4, 4), (3, 3), 6, padding=(1, 1, 1, 1), groups=2, bias=True),
    Geometry((1, 5, 4, 6), (2, 2), 3, (2, 1), groups=3),
    Geometry((2, 5, 6, 3), (3, 3), 3, padding=(1, 1, 1, 1), groups=3, bias=True),  # depthwise
    Geometry((2, 5, 6, 2), (3, 2), 6, (2, 2), padding=(0, 1, 1, 0), groups=2, bias=True),
    Geometry((1, 7, 7, 3), (2, 3), 3, (2, 3), (3, 2), (1, 2, 3, 2), groups=3),
    Geometry((2, 8, 3), (5,), 3, padding=(4, 0), groups=3),
    # three taps side by side: lines together, edges at one, both or no ends, registers in part
    Geometry((2, 11, 9, 18), (3, 3), 18, padding=(1, 1, 1, 1), groups=18, bias=True),
    Geometry((1, 3, 13, 37), (2, 3), 37, padding=(1, 0, 1, 0), groups=37),
    Geometry((2, 5, 9), (3,), 9, padding=(0, 1), groups=9),
    Geometry((1, 2, 3, 6, 8), (1, 3, 3), 16, padding=(0, 0, 2, 0, 2, 1), groups=8),
    Geometry((1, 6, 40, 9), (5, 3), 9, padding=(2, 2, 0, 0), groups=9),
    Geometry((1, 3, 4, 5, 2), (2, 2, 3), 2, (1, 2, 1), padding=(1, 0, 1, 1, 0, 1), bias=True),
    Geometry((1, 3, 3, 3, 2), (2, 3, 2), 4, (2, 1, 2), padding=(0, 1, 1, 1, 1, 1), groups=2),
    Geometry((3, 1, 1, 9), (1, 1), 17, padding=(1, 1, 1, 1)),
    Geometry((1, 3, 3, 19), (3, 3), 18, padding=(1, 1, 1, 1)),
    # tiles of 4 x 4 (float32): by tiles; by filters; the kernel's gradient in slices
    Geometry((2, 13, 10, 11), (3, 3), 19, padding=(0, 2, 1, 2), bias=True),
    Geometry((3, 8, 7, 9), (3, 3), 70, padding=(1, 1, 1, 1), bias=True),
    Geometry((3, 8, 9, 161), (3, 3), 189, padding=(1, 1, 0, 1)),
    # tiles of 2 x 2, of y and dx or of one: by tiles; by filters; lines of two pixels
    Geometry((3, 6, 6, 19), (3, 3), 21, padding=(1, 1, 1, 1), bias=True),
    Geometry((1, 6, 5, 37), (3, 3), 70, padding=(1, 1, 1, 1), bias=True),
    Geometry((3, 5, 5, 131), (3, 3), 139, padding=(0, 2, 2, 0)),
    Geometry((2, 4, 3, 18), (3, 3), 17, padding=(2, 2, 2, 2)),
    Geometry((1, 8, 8, 17), (3, 3), 33, bias=True),
    Geometry((1, 2, 17, 16), (3, 3), 35, padding=(1, 1, 1, 1)),
    # few channels: dx from one wide product
    Geometry((2, 9, 8, 3), (3, 4), 17, (2, 1), (1, 2), (1, 2, 0, 3)),
    Geometry((3, 6, 7, 10), (3, 3), 40, (1, 2), padding=(1, 1, 1, 1), groups=2),
    Geometry((0, 4, 4, 2), (3, 3), 3, padding=(1, 1, 1, 1)),
    Geometry((0, 4, 4, 2), (3, 3), 2, padding=(1, 1, 1, 1), groups=2),
    Geometry((2, 4, 4, 0), (3, 3), 3, bias=True),
    Geometry((2, 4, 4, 2), (3, 3), 0),
)
LARGE = Geometry((19, 14, 15, 34), (3, 3), 70, padding=(1, 1, 1, 1), bias=True)

SPECIALS = (math.nan, math.inf, -math.inf, -0.0, 0.0, 1.0, -1.0, 0.5)
PLAIN = {"strides": (1,), "dilations": (1,), "padding": (0, 0), "groups": 1}
PICTURE = np.array(SPECIALS)[None, :, None]
ONES = {1: np.ones((2, 1, 1)), 2: np.ones((2, 1, 2))}


def bad(op: str, *inputs: Any, error: str = "ShapeError", says: str, **fields: Any) -> Bad:
    values: Fields = {"strides": (1, 1), "dilations": (1, 1), "padding": (0, 0, 0, 0), **fields}
    return Bad(inputs, values, error, f"{op}: .*{says}")


def zeros(*shape: int, dtype: str = "float64") -> np.ndarray:
    return np.zeros(shape, dtype)


X, K, Y = zeros(1, 4, 4, 2), zeros(3, 3, 2, 5), zeros(1, 2, 2, 5)


def shared_bad(op: str, a: np.ndarray, b: np.ndarray, **fields: Any) -> tuple[Bad, ...]:
    """What each of the three must refuse."""
    whole = {"error": "ArgumentError", **fields}
    return (
        bad(op, a.astype("int32"), b.astype("int32"), error="DTypeError", says="int32", **fields),
        bad(op, a.astype("float32"), b, error="DTypeError", says="float32, but", **fields),
        bad(op, zeros(1, 2), b, says="spatial", **fields),
        bad(op, zeros(1, 1, 4, 4, 2), b, says="as many", **fields),
        bad(op, a, b, strides=(1,), says="strides", **fields),
        bad(op, a, b, dilations=(1, 1, 1), says="dilations", **fields),
        bad(op, a, b, padding=(0, 0), says="padding", **fields),
        bad(op, a, b, strides=(0, 1), says="1 or more", **whole),
        bad(op, a, b, groups=0, says="1 or more", **whole),
        bad(op, a, b, groups=3, says="(groups|channels)", **fields),
        bad(op, a, b, padding=(-1, -1, 0, 0), says="larger input", **fields),
    )


CONV = (
    Case(
        "conv",
        tuple(g.forward() for g in GEOMETRIES),
        conv,
        floor=tiled(conv),
        ulp=8,
        differentiable=(0, 1, 2),
        awkward=(
            awkward_sample(PICTURE, ONES[1], **PLAIN),
            awkward_sample(PICTURE, ONES[1], **{**PLAIN, "padding": (1, 1)}),
            awkward_sample(np.ones((1, 9, 1)), PICTURE.reshape(8, 1, 1), **PLAIN),
            awkward_sample(np.repeat(PICTURE, 2, 2), ONES[2], **{**PLAIN, "groups": 2}),
            awkward_sample(
                np.repeat(PICTURE, 8, 2),
                np.ones((3, 1, 8)),
                **{**PLAIN, "padding": (1, 1), "groups": 8},
            ),
        ),
        signed_zeros=False,  # chains begin at 0
        large=LARGE.forward(),
        rows=(0,),
        bad=(
            *shared_bad("conv", X, K),
            bad("conv", X, zeros(3, 3, 3, 5), says="2 channels.*takes 3"),
            bad("conv", X, K, zeros(4), says="bias"),
            bad("conv", X, zeros(5, 3, 2, 5), says="needs 5"),
            bad("conv", X, zeros(0, 3, 2, 5), says="window of 0"),
        ),
    ),
    Case(
        "conv_input_grad",
        tuple(g.input_grad() for g in GEOMETRIES),
        conv_input_grad,
        floor=tiled(conv_input_grad),
        ulp=8,
        differentiable=(0, 1),
        awkward=(
            awkward_sample(PICTURE, ONES[1], **PLAIN, size=(9,)),
            awkward_sample(PICTURE, ONES[1], **{**PLAIN, "strides": (2,)}, size=(16,)),
        ),
        signed_zeros=False,
        large=LARGE.input_grad(),
        rows=(0,),
        bad=(
            *shared_bad("conv_input_grad", Y, K, size=(4, 4)),
            bad("conv_input_grad", Y, K, says="size", size=(4,)),
            bad("conv_input_grad", Y, K, says=r"g is .*\(3, 3\) is expected", size=(5, 5)),
            bad("conv_input_grad", Y, zeros(3, 3, 2, 4), says="5 channels.*4 filters", size=(4, 4)),
            bad("conv_input_grad", Y, K, says="negative", size=(-4, 4)),
        ),
    ),
    Case(
        "conv_kernel_grad",
        tuple(g.kernel_grad() for g in GEOMETRIES),
        conv_kernel_grad,
        floor=magnitude(conv_kernel_grad),
        ulp=8,
        differentiable=(0, 1),
        awkward=(awkward_sample(PICTURE, np.ones((1, 5, 1)), **PLAIN, size=(4,)),),
        signed_zeros=False,
        large=LARGE.kernel_grad(),
        bad=(
            *shared_bad("conv_kernel_grad", X, Y, size=(3, 3)),
            bad("conv_kernel_grad", X, Y, says="size", size=(3,)),
            bad("conv_kernel_grad", X, zeros(2, 2, 2, 5), says="first dimension", size=(3, 3)),
            bad("conv_kernel_grad", X, Y, says=r"g is .*\(3, 3\) is expected", size=(2, 2)),
        ),
    ),
)
