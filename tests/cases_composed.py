"""Rows of public functions that are made of several ops, or say an op in Keras's words."""

import functools
from collections.abc import Callable
from typing import Any

import cases_conv
import numpy as np
from rows import Bad, Case, In, Sample, sample

from pyneuro import ops

WIDE = ("float64", "float32")
row = functools.partial(Case, dtypes=WIDE)


# ---- convolution ---------------------------------------------------------------------------------


def same(n: int, window: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, for ceil(n / stride) results."""
    total = max((-(-n // stride) - 1) * stride + window - n, 0)
    return total // 2, total - total // 2


def fields_of(x: np.ndarray, kernel: np.ndarray, strides: int, padding: str) -> dict[str, Any]:
    rank = x.ndim - 2
    pads = [(0, 0)] * rank
    if padding == "same":
        pads = [same(n, w, strides) for n, w in zip(x.shape[1:-1], kernel.shape, strict=False)]
    return {
        "strides": (strides,) * rank,
        "dilations": (1,) * rank,
        "padding": tuple(p for pair in pads for p in pair),
    }


def depthwise(x: np.ndarray, kernel: np.ndarray, strides: int = 1, padding: str = "valid") -> Any:
    """Each channel by itself."""
    fields = {**fields_of(x, kernel, strides, padding), "groups": 1}
    parts = [
        cases_conv.conv(x[..., c : c + 1], kernel[..., c : c + 1, :], **fields)
        for c in range(x.shape[-1])
    ]
    return np.concatenate(parts, axis=-1)


def separable(
    x: np.ndarray, depth: np.ndarray, point: np.ndarray, strides: int = 1, padding: str = "valid"
) -> Any:
    return depthwise(x, depth, strides, padding) @ point.reshape(point.shape[-2:])


def transposed(y: np.ndarray, kernel: np.ndarray, strides: int = 1, padding: str = "valid") -> Any:
    """The adjoint of a convolution that takes pictures of this size to ones of y's."""
    window = kernel.shape[:-2]
    size = tuple(
        n * strides if padding == "same" else n * strides + max(w - strides, 0)
        for n, w in zip(y.shape[1:-1], window, strict=True)
    )
    shape = np.zeros((y.shape[0], *size, kernel.shape[-2]))
    fields = {**fields_of(shape, kernel, strides, padding), "groups": 1}
    return cases_conv.conv_input_grad(y, kernel, size, **fields)


CONVOLUTION = (
    row(
        "depthwise_conv",
        (
            sample((2, 7, 6, 3), (3, 2, 3, 2)),
            sample((2, 7, 6, 3), (3, 3, 3, 1), strides=2, padding="same"),
            sample((2, 9, 4), (3, 4, 1), padding="same"),
        ),
        depthwise,
        ulp=64.0,
        floor=9.0,
        differentiable=(0, 1),
        large=sample((20, 20, 20, 32), (3, 3, 32, 1), padding="same"),
        rows=(0,),
        bad=(
            Bad(
                (np.ones((1, 5, 5, 2)), np.ones((3, 3, 3, 1))),
                {},
                "ShapeError",
                "depthwise_conv: inputs have 2 channels",
            ),
        ),
        call=ops.depthwise_conv,
    ),
    row(
        "separable_conv",
        (
            sample((2, 7, 6, 3), (3, 2, 3, 2), (1, 1, 6, 4)),
            sample((2, 9, 4), (3, 4, 1), (1, 4, 5), strides=2, padding="same"),
        ),
        separable,
        ulp=64.0,
        floor=80.0,
        differentiable=(0, 1, 2),
        call=ops.separable_conv,
    ),
    row(
        "conv_transpose",
        (
            sample((2, 4, 5, 3), (3, 2, 4, 3)),
            sample((2, 4, 5, 3), (3, 3, 4, 3), strides=2, padding="same"),
            sample((2, 6, 3), (2, 2, 3), strides=3),
            sample((1, 2, 3, 2, 2), (2, 2, 2, 3, 2), strides=2),
        ),
        transposed,
        ulp=64.0,
        floor=80.0,
        differentiable=(0, 1),
        large=sample((20, 12, 12, 24), (3, 3, 24, 24), strides=2, padding="same"),
        call=ops.conv_transpose,
    ),
)


# ---- pictures ------------------------------------------------------------------------------------


def padded(x: np.ndarray, pad_width: Any, mode: str = "constant", **more: Any) -> np.ndarray:
    return np.pad(x, pad_width, mode=mode, **more)  # type: ignore[call-overload]


def resized(x: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """Pixel by pixel."""
    for axis, wanted in ((1, size[0]), (2, size[1])):
        n, lines = x.shape[axis], []
        for i in range(wanted):
            centre = (i + 0.5) * n / wanted - 0.5
            if interpolation == "nearest":
                lines.append(np.take(x, min(int((i + 0.5) * n / wanted), n - 1), axis))
                continue
            centre = min(max(centre, 0.0), n - 1.0)
            low = min(int(centre), n - 1)
            high, share = min(low + 1, n - 1), centre - low
            lines.append(np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share)
        x = np.stack(lines, axis)
    return x


PICTURES = (
    Case(
        "pad",
        (
            sample((2, 3), pad_width=((1, 2), (0, 3))),
            sample((2, 3), pad_width=1, mode="edge"),
            sample((4, 5), pad_width=((3, 0), (1, 2)), mode="reflect"),
            sample((4, 5), pad_width=((4, 1), (0, 2)), mode="symmetric"),
            sample((2, 3), pad_width=0),
            sample((0, 3), pad_width=((1, 1), (1, 0)), constant_values=2.0),
        ),
        padded,
        dtypes=("float64", "bfloat16", "int32", "float32"),
        ulp=0,
        differentiable=(0,),
        bad=(
            Bad((np.ones(3),), {"pad_width": -1}, "ArgumentError", "pad: pad_width must be"),
            Bad((np.ones(3),), {"pad_width": 1, "mode": "wrap"}, "ArgumentError", "pad: mode"),
            Bad((np.ones(3),), {"pad_width": 3, "mode": "reflect"}, "ShapeError", "pad: axis 0"),
        ),
        call=ops.pad,
    ),
    row(
        "resize",
        (
            sample((2, 4, 5, 3), size=(7, 3)),
            sample((2, 4, 5, 3), size=(8, 10), interpolation="nearest"),
            sample((1, 3, 1, 1), size=(1, 4)),
            sample((1, 6, 6, 2), size=(6, 3)),
        ),
        resized,
        ulp=16.0,
        floor=3.0,
        differentiable=(0,),
        large=sample((20, 30, 30, 8), size=(60, 60)),
        rows=(0,),
        bad=(
            Bad((np.ones((4, 4)),), {"size": (2, 2)}, "ShapeError", "resize: images must be"),
            Bad((np.ones((4, 4, 1)),), {"size": (0, 2)}, "ArgumentError", "resize: size must be"),
            Bad(
                (np.ones((4, 4, 1)),),
                {"size": (2, 2), "interpolation": "area"},
                "ArgumentError",
                "resize: interpolation",
            ),
        ),
        call=ops.image.resize,
    ),
)


# ---- products, order, places ---------------------------------------------------------------------


def einsum(*operands: Any, subscripts: str) -> Any:
    return ops.einsum(subscripts, *operands)


def einsum_of(subscripts: str, *shapes: tuple[int, ...]) -> Sample:
    return sample(*shapes, subscripts=subscripts)


def top_k(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


def scatter(values: Any, indices: Any, shape: tuple[int, ...]) -> Any:
    return ops.scatter(indices, values, shape)


def scattered(values: np.ndarray, indices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape)
    np.add.at(out, tuple(indices.T), values)
    return out


def segment_sum(data: np.ndarray, ids: np.ndarray, num_segments: int) -> np.ndarray:
    return scattered(data, ids[:, None], (num_segments, *data.shape[1:]))


def whole(values: Any) -> In:
    return In(values=values, dtype="int32")


PLACES = (
    row(
        "einsum",
        (
            einsum_of("ij,jk->ik", (3, 4), (4, 5)),
            einsum_of("bhqd,bkhd->bhqk", (2, 3, 4, 5), (2, 6, 3, 5)),
            einsum_of("ii->i", (4, 4)),
            einsum_of("ij->j", (3, 4)),
            einsum_of("...ij,kj->...ik", (2, 3, 4), (5, 4)),
            einsum_of("i,j,k->kji", (2,), (3,), (4,)),
            einsum_of("ij,jk", (0, 4), (4, 5)),
        ),
        lambda *operands, subscripts: np.einsum(subscripts, *operands),
        ulp=16.0,
        floor=30.0,
        differentiable=(0, 1, 2),
        large=einsum_of("bij,bjk->bik", (20, 60, 70), (20, 70, 50)),
        rows=(0, 1),
        bad=(
            Bad(
                (np.ones((2, 3)), np.ones((4, 5))), {"subscripts": "ij,jk"}, "ShapeError", "einsum"
            ),
            Bad((np.ones(3),), {"subscripts": "ij"}, "ShapeError", "einsum"),
        ),
        call=einsum,
    ),
    Case(
        "top_k",
        (sample((3, 7), k=2), sample((2, 3, 4), k=4), sample((5,), k=1)),
        top_k,
        dtypes=("float64", "float32"),
        result=(None, "int32"),
        ulp=0,
        differentiable=(0,),
        bad=(Bad((np.ones(3),), {"k": 4}, "ArgumentError", "k is 4, but axis -1"),),
        call=ops.top_k,
    ),
    row(
        "scatter",
        (
            Sample((In((4,)), whole([[1], [3], [1], [0]])), {"shape": (5,)}),
            Sample((In((2, 3)), whole([[0, 1], [1, 0]])), {"shape": (2, 2, 3)}),
        ),
        scattered,
        floor=6.0,
        differentiable=(0,),
        bad=(
            Bad((np.ones(1), np.array([[5]])), {"shape": (5,)}, "IndexOutOfRangeError", "index 5"),
        ),
        call=scatter,
    ),
    row(
        "segment_sum",
        (Sample((In((5, 2)), whole([0, 2, 1, 2, 2])), {"num_segments": 4}),),
        segment_sum,
        floor=9.0,
        differentiable=(0,),
        call=ops.segment_sum,
    ),
)


# ---- normalization -------------------------------------------------------------------------------


def standard(x: np.ndarray, axes: Any, rms: bool = False, epsilon: float = 0.1) -> np.ndarray:
    mean = 0.0 if rms else x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(np.square(x - mean).mean(axes, keepdims=True) + epsilon)


def spread(line: np.ndarray, x: np.ndarray, axes: Any) -> np.ndarray:
    axes = [a % x.ndim for a in np.atleast_1d(axes)]
    return line.reshape([n if i in axes else 1 for i, n in enumerate(x.shape)])


def layer(x: np.ndarray, gamma: Any = None, beta: Any = None, *, axis: Any, epsilon: float) -> Any:
    y = standard(x, axis if isinstance(axis, int) else tuple(axis), epsilon=epsilon)
    y = y if gamma is None else y * spread(gamma, x, axis)
    return y if beta is None else y + spread(beta, x, axis)


def root(x: np.ndarray, scale: Any = None, *, axis: Any, epsilon: float) -> Any:
    y = standard(x, axis if isinstance(axis, int) else tuple(axis), True, epsilon)
    return y if scale is None else y * spread(scale, x, axis)


def group(x: np.ndarray, gamma: Any, beta: Any, *, groups: int, axis: int, epsilon: float) -> Any:
    moved = np.moveaxis(x, axis, -1)
    split = moved.reshape(*moved.shape[:-1], groups, -1)
    over = (*range(1, split.ndim - 2), split.ndim - 1)
    y = standard(split, over, epsilon=epsilon).reshape(moved.shape)
    return np.moveaxis(y * gamma + beta, -1, axis)


def of_batch(x: np.ndarray, offset: Any, scale: Any, *, axis: int, epsilon: float) -> Any:
    over = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    y = standard(x, over, epsilon=epsilon)
    y = y * spread(scale, x, axis) + spread(offset, x, axis)
    return y, x.mean(over), x.var(over)


def known(x: np.ndarray, mean: Any, variance: Any, *, axis: int, epsilon: float) -> Any:
    return (x - spread(mean, x, axis)) / np.sqrt(spread(variance, x, axis) + epsilon)


def with_lines(function: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """The function with the tensors after the first one by name, as far as they are given."""
    return lambda x, *lines, **fields: function(
        x, **dict(zip(names, lines, strict=False)), **fields
    )


def normalization(
    name: str, samples: tuple[Sample, ...], reference: Callable[..., Any], *lines: str
) -> Case:
    return row(
        name,
        tuple(Sample(s.inputs, {**s.fields, "epsilon": 0.1}) for s in samples),
        reference,
        ulp=16.0,
        floor=20.0,
        differentiable=(0, 1, 2),
        call=with_lines(getattr(ops, name), *lines),
    )


NORMALIZATION = (
    normalization(
        "layer_normalization",
        (
            sample((3, 4, 5), (5,), (5,), axis=-1),
            sample((3, 4, 5), (4, 5), axis=(1, 2)),
            sample((3, 4, 5), (4,), (4,), axis=1),
            sample((3, 4, 5), (3, 5), axis=(0, -1)),
            sample((6,), axis=0),
        ),
        layer,
        "gamma",
        "beta",
    ),
    normalization(
        "rms_normalization",
        (sample((3, 5), (5,), axis=-1), sample((3, 4, 5), (4,), axis=1), sample((3, 4), axis=0)),
        root,
        "scale",
    ),
    normalization(
        "group_normalization",
        (
            sample((2, 3, 4, 6), (6,), (6,), groups=2, axis=-1),
            sample((2, 6, 4), (6,), (6,), groups=3, axis=1),
            sample((4, 6), (6,), (6,), groups=2, axis=1),
        ),
        group,
        "gamma",
        "beta",
    ),
    normalization(
        "batch_moments_normalization",
        (sample((3, 4, 5), (5,), (5,), axis=-1), sample((3, 4, 5), (4,), (4,), axis=1)),
        of_batch,
        "offset",
        "scale",
    ),
    normalization(
        "batch_normalization",
        (
            Sample((In((3, 4, 5)), In((4,)), In((4,), 0.5, 2.0)), {"axis": 1}),
            Sample((In((3, 5)), In((5,)), In((5,), 0.5, 2.0)), {"axis": -1}),
        ),
        known,
        "mean",
        "variance",
    ),
)

COMPOSED = (*CONVOLUTION, *PICTURES, *PLACES, *NORMALIZATION)
