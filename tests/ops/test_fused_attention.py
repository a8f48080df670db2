"""dot_product_attention's native kernel against the composition, and against PyTorch."""

from typing import Any

import numpy as np
import pytest

import pyneuro
from pyneuro import device, ops
from pyneuro.errors import ArgumentError, GradientError
from pyneuro.tensor import apply

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def without_a_key() -> np.ndarray:
    """A mask whose every third query may attend to no key."""
    mask = np.asarray(RNG.random((1, 1, 150, 300)) < 0.5)
    mask[..., ::3, :] = False
    return mask


# Several blocks of queries and of keys; four query heads share two key heads.
SHAPES = ((2, 150, 4, 20), (2, 300, 2, 20), (2, 300, 2, 9))
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"is_causal": True},
    {"mask": RNG.random((2, 1, 1, 300)) < 0.7, "scale": 0.1},
    {"mask": without_a_key()},
    {"mask": without_a_key(), "is_causal": True},
    {"bias": random(4, 150, 300), "mask": RNG.random((150, 300)) < 0.7},
    {"bias": random(2, 1, 1, 300), "is_causal": True},
    {"bias": np.where(without_a_key(), 0, -1e9)},
)


def results(parts: list[np.ndarray], given: dict[str, Any], flash: bool | None) -> list[Any]:
    """The output, and the gradients for query, key, value and bias."""
    dtype = str(parts[0].dtype)
    sources = [pyneuro.Variable(x, dtype=dtype) for x in parts]
    given = dict(given)
    if "bias" in given:
        given["bias"] = pyneuro.Variable(given["bias"], dtype=dtype)
        sources.append(given["bias"])
    y = ops.dot_product_attention(*sources[:3], **given, flash_attention=flash)
    weighting = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    return [y, *pyneuro.grad(ops.sum(y * weighting), sources)]


@pytest.mark.parametrize("given", OPTIONS)
@pytest.mark.parametrize(("dtype", "limit"), [("float64", 1e-12), ("float32", 2e-5)])
def test_kernel_and_composition_agree(given: dict[str, Any], dtype: str, limit: float) -> None:
    parts = [random(*shape).astype(dtype) for shape in SHAPES]
    for fused, composed in zip(
        results(parts, given, True), results(parts, given, False), strict=True
    ):
        np.testing.assert_allclose(fused.numpy(), composed.numpy(), rtol=limit, atol=limit)


@pytest.mark.parametrize(("dtype", "limit"), [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_gradients_of_halves(dtype: str, limit: float) -> None:
    parts = [random(*shape) for shape in SHAPES]
    halves = [ops.cast(x, dtype) for x in parts]
    exact = [ops.cast(x, "float64").numpy() for x in halves]
    weighting = random(2, 150, 4, 9)

    def slopes(given: list[Any]) -> list[Any]:
        sources = [pyneuro.Variable(x, dtype=x.dtype) for x in given]
        y = ops.dot_product_attention(*sources, is_causal=True)
        return pyneuro.grad(ops.sum(y * weighting.astype("float32")), sources)

    for half, wide in zip(slopes(halves), slopes(exact), strict=True):
        assert half.dtype == dtype
        size = np.abs(wide.numpy()).max()
        np.testing.assert_allclose(
            ops.cast(half, "float64").numpy(), wide.numpy(), atol=limit * size
        )


@pytest.mark.parametrize("given", OPTIONS[:6])
def test_second_derivatives_are_those_of_the_composition(given: dict[str, Any]) -> None:
    given = {
        name: x[..., :7, :11] if np.ndim(x) > 1 and x.shape[-2] > 1 else x
        for name, x in given.items()
    }
    if "mask" in given:
        given["mask"] = np.broadcast_to(given["mask"][..., :11], (2, 4, 7, 11))
    parts = [random(2, 7, 4, 3), random(2, 11, 2, 3), random(2, 11, 2, 5)]
    if "bias" in given:
        parts.append(given["bias"])
    directions = [random(*x.shape) for x in parts]

    def second(flash: bool) -> list[Any]:
        sources = [pyneuro.Variable(x, dtype="float64") for x in parts]
        options = {**given, "bias": sources[3]} if len(sources) == 4 else given
        y = ops.dot_product_attention(*sources[:3], **options, flash_attention=flash)
        slopes = pyneuro.grad(ops.sum(y * y * y), sources, create_graph=True)
        step = sum(ops.sum(s * d) for s, d in zip(slopes, directions, strict=True))
        return pyneuro.grad(step, sources)

    for fused, composed in zip(second(True), second(False), strict=True):
        np.testing.assert_allclose(fused.numpy(), composed.numpy(), rtol=1e-9, atol=1e-10)


def test_memory_does_not_grow_with_the_pairs() -> None:
    shape, pairs = (1, 4000, 1, 16), 4000 * 4000 * 4
    q, k, v = (
        pyneuro.Variable(random(*shape).astype("float32"), dtype="float32") for _ in range(3)
    )
    device.reset_peak()
    before = device.memory_stats()["allocated"]
    y = ops.dot_product_attention(q, k, v, is_causal=True)
    pyneuro.grad(ops.sum(y), [q, k, v])
    assert device.memory_stats()["peak"] - before < pairs / 8


def test_what_the_kernel_does_not_do_is_said() -> None:
    q, k, v = (random(*shape) for shape in SHAPES)
    with pytest.raises(ArgumentError, match="fused kernel knows no attn_logits_soft_cap"):
        ops.dot_product_attention(q, k, v, flash_attention=True, attn_logits_soft_cap=1.0)
    query = pyneuro.Variable(q, dtype="float64")
    _, stats = apply("attention", query, k, v, scale=1.0)
    with pytest.raises(GradientError, match="stats"):
        pyneuro.grad(ops.sum(stats), query)


@pytest.mark.parametrize("causal", [False, True])
def test_against_pytorch(causal: bool) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    parts = [random(2, n, 4, 20).astype("float32") for n in (150, 150, 150)]
    theirs = [torch.tensor(x).transpose(1, 2).requires_grad_() for x in parts]
    y = torch.nn.functional.scaled_dot_product_attention(*theirs, is_causal=causal)
    weighting = np.random.default_rng(1).normal(size=parts[0].shape).astype("float32")
    slopes = torch.autograd.grad(y, theirs, torch.tensor(weighting).transpose(1, 2))
    torch.set_num_threads(before)
    ours = results(parts, {"is_causal": causal}, True)
    for mine, their in zip(ours, [y, *slopes], strict=True):
        wanted = their.detach().transpose(1, 2).numpy()
        np.testing.assert_allclose(mine.numpy(), wanted, rtol=1e-4, atol=1e-5)
