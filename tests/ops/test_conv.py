"""What a row cannot say of convolutions: words for padding, layouts, transposes, algorithms."""

import os
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from pyneuro import config, grad, ops
from pyneuro.errors import ArgumentError, ShapeError
from pyneuro.tensor import apply

RNG = np.random.default_rng(7)


def draw(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def tracked(array: np.ndarray) -> Any:
    x = ops.array(array)
    x.requires_grad = True
    return x


# ---- padding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation", "results", "zeros"),
    [(5, 3, 1, 1, 5, (1, 1)), (6, 3, 2, 1, 3, (0, 1)), (7, 3, 2, 1, 4, (1, 1)),
     (5, 2, 1, 1, 5, (0, 1)), (5, 4, 1, 1, 5, (1, 2)), (5, 1, 2, 1, 3, (0, 0)),
     (4, 1, 3, 1, 2, (0, 0)), (6, 3, 1, 2, 6, (2, 2)), (2, 5, 3, 1, 1, (1, 2))],
)  # fmt: skip
def test_same_pads_evenly_and_the_odd_zero_comes_last(
    size: int, window: int, stride: int, dilation: int, results: int, zeros: tuple[int, int]
) -> None:
    x, k = draw(1, size, 2), draw(window, 2, 3)
    y = ops.conv(x, k, stride, "same", dilation_rate=dilation)
    assert y.shape == (1, results, 3)
    wide = np.pad(x, ((0, 0), zeros, (0, 0)))
    expected = ops.conv(wide, k, stride, "valid", dilation_rate=dilation)
    np.testing.assert_allclose(y.numpy(), expected.numpy()[:, :results], rtol=1e-12)


def test_causal_sees_no_later_step() -> None:
    x, k = draw(1, 9, 2), draw(3, 2, 4)
    y = ops.conv(x, k, padding="causal", dilation_rate=2).numpy()
    assert y.shape == (1, 9, 4)
    changed = x.copy()
    changed[0, 5:] += 1
    again = ops.conv(changed, k, padding="causal", dilation_rate=2).numpy()
    np.testing.assert_array_equal(again[0, :5], y[0, :5])
    assert not np.isclose(again[0, 5:], y[0, 5:]).any()
    with pytest.raises(ArgumentError, match="causal"):
        ops.conv(draw(1, 5, 5, 2), draw(3, 3, 2, 4), padding="causal")


# ---- layouts, kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_channels_first_is_a_transpose(rank: int, padding: str) -> None:
    x = draw(2, *(6, 5, 7)[:rank], 4)
    moved = np.moveaxis(x, -1, 1)
    window = (3, 2, 3)[:rank]
    plain, depth, point = draw(*window, 4, 3), draw(*window, 4, 2), draw(*(1,) * rank, 8, 3)
    for function, kernels in (
        (ops.conv, (plain,)),
        (ops.depthwise_conv, (depth,)),
        (ops.separable_conv, (depth, point)),
        (ops.conv_transpose, (draw(*window, 3, 4),)),
    ):
        y = function(x, *kernels, strides=2, padding=padding).numpy()
        first = function(
            moved, *kernels, strides=2, padding=padding, data_format="channels_first"
        ).numpy()
        np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)


def test_the_configured_layout_holds() -> None:
    x, k = draw(1, 3, 5, 6), draw(2, 2, 3, 4)
    config.set_image_data_format("channels_first")
    try:
        y = ops.conv(x, k)
    finally:
        config.set_image_data_format("channels_last")
    assert y.shape == (1, 4, 4, 5)


def test_depthwise_and_separable_are_what_they_are_made_of() -> None:
    x, depth, point = draw(2, 6, 5, 3), draw(3, 2, 3, 2), draw(1, 1, 6, 4)
    y = ops.depthwise_conv(x, depth, (2, 1), "same").numpy()
    for c in range(3):
        own = ops.conv(x[..., c : c + 1], depth[:, :, c : c + 1], (2, 1), "same").numpy()
        np.testing.assert_allclose(y[..., 2 * c : 2 * c + 2], own, rtol=1e-12)
    mixed = ops.separable_conv(x, depth, point, (2, 1), "same").numpy()
    np.testing.assert_allclose(mixed, y @ point[0, 0], rtol=1e-12)


def test_a_bias_is_added_once_per_channel() -> None:
    x, k, b = draw(2, 5, 5, 3), draw(3, 3, 3, 4), draw(4)
    for options in ({}, {"data_format": "channels_first"}):
        given = np.moveaxis(x, -1, 1) if options else x
        plain = ops.conv(given, k, **options).numpy()
        shape = (4, 1, 1) if options else (4,)
        biased = ops.conv(given, k, bias=b, **options).numpy()
        np.testing.assert_allclose(biased, plain + b.reshape(shape), rtol=1e-12)


# ---- transposed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_transposed_is_the_adjoint(padding: str, window: int, stride: int) -> None:
    y, k = draw(1, 4, 3), draw(window, 2, 3)
    x = ops.conv_transpose(y, k, stride, padding)
    expected = 4 * stride if padding == "same" else 3 * stride + max(window, stride)
    assert x.shape == (1, expected, 2)
    other = draw(*x.shape)
    forward = ops.conv(other, k, stride, padding).numpy()
    left, right = np.vdot(x.numpy(), other), np.vdot(y, forward)
    np.testing.assert_allclose(left, right, rtol=1e-10)


@pytest.mark.parametrize(
    ("window", "stride", "padding", "extra", "size"),
    [(3, 2, "valid", 0, 9), (3, 2, "valid", 1, 10), (3, 2, "same", 0, 7), (3, 2, "same", 1, 8),
     (2, 3, "same", 2, 11), (4, 3, "same", 1, 10), (1, 3, "valid", 2, 12)],
)  # fmt: skip
def test_output_padding_lengthens_the_end(
    window: int, stride: int, padding: str, extra: int, size: int
) -> None:
    y, k = draw(1, 4, 2), draw(window, 1, 2)
    x = ops.conv_transpose(y, k, stride, padding, output_padding=extra)
    assert x.shape == (1, size, 1)
    full = ops.conv_transpose(y, k, stride, "valid", output_padding=0).numpy()[0, :, 0]
    wide = np.concatenate([full, np.zeros(size)])
    starts = [s for s in range(window) if np.allclose(wide[s : s + size], x.numpy()[0, :, 0])]
    assert starts
    assert padding == "same" or starts[0] == 0


# ---- against torch -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "k", "stride", "pad", "dilation", "groups"),
    [((2, 9, 4), (3, 4, 6), 2, 1, 1, 1), ((2, 9, 8, 4), (3, 3, 4, 6), 1, 1, 1, 1),
     ((2, 9, 8, 4), (3, 3, 2, 6), 2, 0, 1, 2), ((2, 9, 8, 6), (3, 3, 1, 6), 1, 1, 2, 6),
     ((2, 9, 8, 3), (3, 3, 1, 6), 2, 1, 1, 3), ((2, 5, 6, 7, 3), (2, 3, 2, 3, 5), 2, 1, 1, 1),
     ((2, 9, 8, 4), (1, 1, 4, 6), 1, 0, 1, 1)],
)  # fmt: skip
def test_values_and_gradients_are_torchs(
    x: tuple[int, ...], k: tuple[int, ...], stride: int, pad: int, dilation: int, groups: int
) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch, which is not installed")
    rank = len(x) - 2
    picture, kernel = draw(*x), draw(*k)
    theirs = torch.tensor(np.moveaxis(picture, -1, 1).copy(), requires_grad=True)
    weights = torch.tensor(
        kernel.transpose(rank + 1, rank, *range(rank)).copy(), requires_grad=True
    )
    function = getattr(torch.nn.functional, f"conv{rank}d")
    wanted = function(theirs, weights, None, stride, pad, dilation, groups)
    start = draw(*np.moveaxis(wanted.detach().numpy(), 1, -1).shape)
    wanted.backward(torch.tensor(np.moveaxis(start, -1, 1).copy()))

    ours, own = tracked(picture), tracked(kernel)
    got = apply(
        "conv", ours, own, strides=(stride,) * rank, dilations=(dilation,) * rank,
        padding=(pad, pad) * rank, groups=groups,
    )  # fmt: skip
    dx, dk = grad(ops.sum(got * start), [ours, own])
    np.testing.assert_allclose(
        got.numpy(), np.moveaxis(wanted.detach().numpy(), 1, -1), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        dx.numpy(), np.moveaxis(theirs.grad.numpy(), 1, -1), rtol=1e-9, atol=1e-9
    )
    back = (*range(2, rank + 2), 1, 0)
    np.testing.assert_allclose(
        dk.numpy(), weights.grad.numpy().transpose(back), rtol=1e-9, atol=1e-9
    )


# ---- algorithms ----------------------------------------------------------------------------------

SCRIPT = """
    import sys
    import numpy as np
    from pyneuro.tensor import apply, convert
    rng = np.random.default_rng(1)
    found = []
    for x, k, groups, pad, stride, dtype in (
        ((3, 9, 8, 20), (1, 1, 20, 24), 1, 0, 1, "float64"),
        ((3, 9, 8, 20), (3, 3, 1, 20), 20, 1, 1, "float64"),
        ((3, 9, 8, 20), (3, 2, 1, 40), 20, 1, 2, "float64"),
        ((3, 9, 8, 20), (3, 3, 10, 24), 2, 1, 2, "float64"),
        ((3, 13, 12, 20), (3, 3, 20, 24), 1, 1, 1, "float32"),
        ((3, 6, 6, 20), (3, 3, 20, 24), 1, 1, 1, "float32"),
    ):
        fields = dict(strides=(stride,) * 2, dilations=(1, 1), padding=(pad,) * 4, groups=groups)
        x, k, b = (convert(rng.normal(size=n).astype(dtype)) for n in (x, k, k[-1:]))
        y = apply("conv", x, k, b, **fields)
        found.append(y)
        g = convert(rng.normal(size=y.shape).astype(dtype))
        found.append(apply("conv_input_grad", g, k, size=x.shape[1:-1], **fields))
        found.append(apply("conv_kernel_grad", x, g, size=k.shape[:2], **fields))
    np.savez(sys.argv[1], *(t.numpy() for t in found))
"""


def computed_by(algorithm: str, path: Any) -> list[np.ndarray]:
    """The results of a process of its own: the choice is read once."""
    target = str(path / f"{algorithm or 'chosen'}.npz")
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), target]
    done = subprocess.run(
        command,
        cwd=path,
        env={**os.environ, "PYNEURO_CONV_ALGO": algorithm},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with np.load(target) as file:
        return list(file.values())


@pytest.mark.parametrize("algorithm", ["plain", "depthwise", "winograd", "columns", "implicit"])
def test_algorithms_agree(algorithm: str, tmp_path: Any) -> None:
    chosen, forced = computed_by("", tmp_path), computed_by(algorithm, tmp_path)
    assert len(chosen) == 18
    for a, b in zip(chosen, forced, strict=True):
        if a.dtype == np.float64:
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-10)
        else:
            assert np.linalg.norm(a - b) < 3e-6 * np.linalg.norm(b)
    if algorithm == "implicit":  # it did compute otherwise: other orders give other last bits
        assert any(not np.array_equal(a, b) for a, b in zip(chosen[:12], forced, strict=False))
        for a, b in zip(chosen[12:], forced[12:], strict=True):
            assert not np.array_equal(a, b)


def test_an_unknown_algorithm_is_refused(tmp_path: Any) -> None:
    with pytest.raises(AssertionError, match="PYNEURO_CONV_ALGO must be"):
        computed_by("quick", tmp_path)


# ---- tiles (Winograd) ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "filters", "padding", "limits"),
    [
        ((2, 30, 29, 64), 64, "same", (3e-6, 4e-6, 4e-6)),
        ((1, 14, 14, 256), 128, "valid", (3e-6, 4e-6, 4e-6)),
        ((5, 28, 28, 512), 300, "same", (3e-6, 4e-6, 4e-6)),
        ((3, 6, 6, 512), 480, "same", (1e-6, 1e-6, 4e-6)),  # tiles of 2 x 2 for y and dx
        ((8, 5, 6, 256), 300, "same", (1e-6, 1e-6, 4e-6)),
    ],
)
def test_tiles_lose_little(
    shape: tuple[int, ...], filters: int, padding: str, limits: tuple[float, ...]
) -> None:
    x, k = draw(*shape), draw(3, 3, shape[-1], filters)
    g = draw(*ops.conv(x, k, padding=padding).shape)
    exact, rounded = [
        values_and_gradients(*(a.astype(dtype) for a in (x, k, g)), padding)
        for dtype in ("float64", "float32")
    ]
    for wanted, got, most in zip(exact, rounded, limits, strict=True):
        assert got.dtype == np.float32
        assert np.linalg.norm(got - wanted) < most * np.linalg.norm(wanted)


def values_and_gradients(
    x: np.ndarray, k: np.ndarray, g: np.ndarray, padding: str
) -> list[np.ndarray]:
    picture, kernel = tracked(x), tracked(k)
    y = ops.conv(picture, kernel, padding=padding)
    return [t.numpy() for t in (y, *grad(ops.sum(y * g), [picture, kernel]))]


def test_a_nan_spreads_in_its_tiles_and_no_further() -> None:
    x, k = draw(2, 16, 16, 16).astype("float32"), draw(3, 3, 16, 16).astype("float32")
    clean = ops.conv(x, k, padding="same").numpy()
    x[0, 5, 5, 3] = np.nan  # tiles of results 4..7 in both directions, and its neighbours' edges
    y = ops.conv(x, k, padding="same").numpy()
    assert np.isnan(y[0, 4:7, 4:7]).all()
    touched = np.isnan(y).any(axis=-1)
    assert touched.sum() <= 4 * 16
    np.testing.assert_array_equal(y[~touched], clean[~touched])
    assert not touched[1].any()
    assert not touched[0, 8:, :].any()
    assert not touched[0, :, 8:].any()


@pytest.mark.parametrize("padding", [(-1, -1, 1, 1), (1, 1, 3, 0), (0, 3, -1, 1)])
def test_what_meets_no_pixel_is_exactly_zero(padding: tuple[int, ...]) -> None:
    x, k = draw(1, 14, 14, 16).astype("float32"), draw(3, 3, 16, 16).astype("float32")
    fields = {"strides": (1, 1), "dilations": (1, 1), "padding": padding, "groups": 1}
    y = apply("conv", x, k, **fields).numpy()
    dx = apply("conv_input_grad", np.ones_like(y), k, size=(14, 14), **fields).numpy()
    for found, lost in ((y, [max(n - 2, 0) for n in padding]), (dx, [max(-n, 0) for n in padding])):
        top, bottom, left, right = lost
        inner = found[:, top : found.shape[1] - bottom, left : found.shape[2] - right]
        assert np.count_nonzero(found) == np.count_nonzero(inner) == inner.size


# ---- errors --------------------------------------------------------------------------------------


def test_wrong_calls_say_what_came_and_what_to_do() -> None:
    x, k = draw(1, 5, 5, 4), draw(3, 3, 4, 2)
    with pytest.raises(ShapeError, match=r"window of 7.*needs 7.*larger input"):
        ops.conv(x, draw(7, 7, 4, 2))
    with pytest.raises(ShapeError, match=r"4 channels.*groups of 3"):
        ops.conv(x, draw(3, 3, 3, 2))
    with pytest.raises(ShapeError, match="must divide"):
        ops.conv(x, draw(3, 3, 2, 3))
    with pytest.raises(ShapeError, match="1 to 3 spatial"):
        ops.conv(draw(5, 4), draw(4, 2))
    with pytest.raises(ShapeError, match="4 dimensions"):
        ops.conv(x, draw(3, 4, 2))
    with pytest.raises(ShapeError, match="pointwise_kernel"):
        ops.separable_conv(x, k, draw(2, 1, 8, 3))
    with pytest.raises(ShapeError, match=r"4 channels.*has 3"):
        ops.depthwise_conv(x, draw(3, 3, 3, 2))
    for arguments in ({"strides": 0}, {"strides": (1,)}, {"strides": 1.5}, {"dilation_rate": 0},
                      {"padding": "full"}, {"data_format": "NHWC"}):  # fmt: skip
        with pytest.raises(ArgumentError, match=next(iter(arguments))):
            ops.conv(x, k, **arguments)
    with pytest.raises(ArgumentError, match="output_padding"):
        ops.conv_transpose(x, draw(3, 3, 2, 4), output_padding=-1)


def test_whole_numbers_become_floats() -> None:
    y = ops.conv(np.ones((1, 3, 3, 1), "int32"), np.ones((2, 2, 1, 1), "float32"))
    assert y.dtype == "float32"
    assert y.numpy().tolist() == np.full((1, 2, 2, 1), 4.0).tolist()
    mixed = ops.conv(np.ones((1, 3, 3, 1), "float32"), np.ones((2, 2, 1, 1)))
    assert mixed.dtype == "float64"
